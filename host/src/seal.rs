//! The seal over every secret that is stored.
//!
//! Whoever gets the store's file without the master key learns nothing from
//! it, and whoever can write the file cannot move a secret to another tenant,
//! connection, name or version: all of these are covered by the seal, which
//! then does not open.
//!
//! Form: one byte of format, 8 bytes of key id, 24 bytes of random nonce, then
//! XChaCha20-Poly1305 ciphertext and tag. The nonce is long enough to be drawn
//! at random for ever. The key id makes a wrong key known for what it is,
//! rather than as damage.

mod key;

use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::store::{ConnectionKey, Sealed, Store, StoreError};

pub use key::{KeyId, MasterKey};

/// The only format so far.
const FORMAT: u8 = 1;
const ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;

/// What a key check says when it opens.
const KEY_CHECK_TEXT: &[u8] = b"lockgate key check";

/// Why something was not sealed or not opened. Never quotes a secret.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The master key is another one than at the time of sealing.
    #[error(
        "the data was sealed with key {sealed_with}, but {origin} holds key {have}: give the right key there"
    )]
    WrongKey {
        /// The key that is needed.
        sealed_with: KeyId,
        /// The key that is here.
        have: KeyId,
        /// Where the key that is here comes from.
        origin: String,
    },
    /// The seal does not open: the bytes were changed, or belong elsewhere.
    #[error("{what} does not open: it was changed, or was sealed for something else")]
    Broken {
        /// Whose secret, by name.
        what: String,
    },
    /// Sealed in a way that is not known here.
    #[error("{what} is sealed in format {format}, and this version of Lockgate knows {FORMAT}")]
    Format {
        /// Whose secret, by name.
        what: String,
        /// The format.
        format: u8,
    },
    /// What is given as master key is none.
    #[error(
        "{origin} does not hold a master key, 32 bytes in base64: make one with `openssl rand -base64 32`"
    )]
    BadKey {
        /// Where it was read.
        origin: String,
    },
    /// There is data, but no key file.
    #[error(
        "the key file `{name}` is missing, and there is data that was sealed with a key: put the \
         file back, or give the key that was used; no new one was made"
    )]
    Missing {
        /// Its name in its directory.
        name: String,
    },
    /// The key file is readable or writable for others.
    #[error("the key file `{name}` is open to others (mode {mode:03o}): run `chmod 600 {name}`")]
    TooOpen {
        /// Its name in its directory.
        name: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file is a link, a directory or something stranger.
    #[error("the key file `{name}` is not a plain file")]
    NotAFile {
        /// Its name in its directory.
        name: String,
    },
    /// The key file cannot be read or made.
    #[error("cannot {doing} the key file `{name}`")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Its name in its directory.
        name: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The system gives no random bytes, or the secret is too large to seal.
    #[error("cannot seal: {0}")]
    Cannot(&'static str),
    /// The store did not take or give the key check.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Seals with a master key, and opens with it and with the older ones behind it. Cheap
/// to clone; all clones have the same keys.
#[derive(Clone, Debug)]
pub struct Sealer(Arc<RwLock<Arc<Ring>>>);

/// Keys, derived once: the master keys themselves seal nothing.
struct Ring {
    master: MasterKey,
    /// The first one seals.
    keys: Vec<(KeyId, Zeroizing<[u8; 32]>)>,
}

impl Ring {
    fn of(master: MasterKey) -> Self {
        Self {
            keys: master.sealing_keys(),
            master,
        }
    }

    fn key(&self, id: KeyId) -> Option<&[u8; 32]> {
        let found = self.keys.iter().find(|(other, _)| *other == id);
        found.map(|(_, key)| &**key)
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.master.fmt(f)
    }
}

impl Sealer {
    /// A sealer of this key.
    #[must_use]
    pub fn new(key: MasterKey) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(Ring::of(key)))))
    }

    /// The id of the key that seals, for operators to compare.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.ring().master.id()
    }

    /// Which key has sealed something; `None` if nothing was sealed in this form.
    #[must_use]
    pub fn sealed_with(sealed: &[u8]) -> Option<KeyId> {
        let (format, rest) = sealed.split_first()?;
        let (id, _) = rest.split_first_chunk::<ID_BYTES>()?;
        (*format == FORMAT).then_some(KeyId(*id))
    }

    fn ring(&self) -> Arc<Ring> {
        let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&ring)
    }

    /// The ring with a key of this id in it, if there is one: another process may have
    /// put a new key into the file.
    fn ring_with(&self, id: KeyId) -> Option<Arc<Ring>> {
        let ring = self.ring();
        if ring.key(id).is_some() {
            return Some(ring);
        }
        let read = ring.master.read_again()?;
        let read = read
            .inspect_err(|error| tracing::warn!(%error, "the master key is not read again"))
            .ok()?;
        let fresh = Arc::new(Ring::of(read));
        fresh.key(id)?;
        let mut ring = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *ring = Arc::clone(&fresh);
        Some(fresh)
    }

    /// Seals a secret for its place: this connection, this name, this version.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn seal(
        &self,
        connection: &ConnectionKey,
        name: &str,
        version: u64,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        self.seal_at(&Place::new(connection, name, version), plaintext)
    }

    /// Seals what follows version `current` of a secret (`None`: the first), as
    /// [`Store::put_secret`] takes it.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn seal_next(
        &self,
        connection: &ConnectionKey,
        name: &str,
        current: Option<u64>,
        plaintext: &[u8],
    ) -> Result<Sealed, SealError> {
        let version = Sealed::next_version(current)?;
        Ok(Sealed {
            version,
            bytes: self.seal(connection, name, version, plaintext)?,
        })
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] names both keys; [`SealError::Broken`] if the
    /// bytes were changed or were sealed for another place.
    pub fn open(
        &self,
        connection: &ConnectionKey,
        name: &str,
        version: u64,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.open_at(&Place::new(connection, name, version), sealed)
    }

    /// Makes sure that the store was sealed with this key; a new store is from
    /// now on. Done once when a host starts, so that a wrong key is told before
    /// anything fails for it.
    ///
    /// # Errors
    /// [`SealError::WrongKey`], or why the store could not be asked.
    pub async fn check(&self, store: &dyn Store) -> Result<(), SealError> {
        self.kept_check(store).await.map(|_| ())
    }

    /// The key check that the store has, once it was opened.
    async fn kept_check(&self, store: &dyn Store) -> Result<Vec<u8>, SealError> {
        let fresh = self.seal_at(&Place::KEY_CHECK, KEY_CHECK_TEXT)?;
        let kept = store.key_check(&fresh).await?;
        self.open_at(&Place::KEY_CHECK, &kept)?;
        Ok(kept)
    }

    /// Seals everything anew that an older key has sealed, and gives the number of
    /// secrets. May be broken off and begun again, while other processes work.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] if a key is missing; what was sealed anew until then is.
    pub async fn reseal(&self, store: &dyn Store) -> Result<u64, SealError> {
        let mut resealed = 0;
        let current = self.key_id();
        for (key, name) in store.secret_names().await? {
            loop {
                // Gone meanwhile, with its connection or without.
                let kept = match store.secret(&key, &name).await {
                    Ok(Some(kept)) => kept,
                    Ok(None) | Err(StoreError::NotFound(_)) => break,
                    Err(error) => return Err(error.into()),
                };
                if Self::sealed_with(&kept.bytes) == Some(current) {
                    break;
                }
                let secret = self.open(&key, &name, kept.version, &kept.bytes)?;
                let fresh = self.seal_next(&key, &name, Some(kept.version), &secret)?;
                let put = store.put_secret(&key, &name, Some(kept.version), &fresh);
                match put.await {
                    Ok(()) => {
                        resealed += 1;
                        break;
                    }
                    // Somebody was faster: perhaps with an older key.
                    Err(StoreError::Conflict { .. }) => {}
                    Err(StoreError::NotFound(_)) => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let kept = self.kept_check(store).await?;
        if Self::sealed_with(&kept) != Some(current) {
            let fresh = self.seal_at(&Place::KEY_CHECK, KEY_CHECK_TEXT)?;
            store.replace_key_check(&kept, &fresh).await?;
        }
        Ok(resealed)
    }

    fn seal_at(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)
            .map_err(|_| SealError::Cannot("the system gives no random bytes"))?;
        let ring = self.ring();
        let id = ring.master.id();
        let key = ring.key(id).ok_or(SealError::Cannot("there is no key"))?;
        let ciphertext = cipher(key)
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plaintext,
                    aad: &place.associated(id),
                },
            )
            .map_err(|_| SealError::Cannot("the secret is too large"))?;
        let mut sealed = Vec::with_capacity(1 + ID_BYTES + NONCE_BYTES + ciphertext.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&id.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    fn open_at(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let broken = || SealError::Broken {
            what: place.to_string(),
        };
        let (&format, rest) = sealed.split_first().ok_or_else(broken)?;
        if format != FORMAT {
            return Err(SealError::Format {
                what: place.to_string(),
                format,
            });
        }
        let (id, rest) = rest.split_first_chunk::<ID_BYTES>().ok_or_else(broken)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(broken)?;
        let id = KeyId(*id);
        let ring = self.ring_with(id);
        let key = ring.as_ref().and_then(|ring| ring.key(id));
        let Some(key) = key else {
            let ring = self.ring();
            return Err(SealError::WrongKey {
                sealed_with: id,
                have: ring.master.id(),
                origin: ring.master.origin().to_owned(),
            });
        };
        cipher(key)
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: ciphertext,
                    aad: &place.associated(id),
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| broken())
    }
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(<&Key>::from(key))
}

/// What a seal is bound to.
struct Place<'a> {
    tenant: &'a str,
    connection: &'a str,
    name: &'a str,
    version: u64,
}

impl<'a> Place<'a> {
    /// No connection has an empty tenant, so nothing of a connection fits here.
    const KEY_CHECK: Self = Self {
        tenant: "",
        connection: "",
        name: "key-check",
        version: 0,
    };

    fn new(connection: &'a ConnectionKey, name: &'a str, version: u64) -> Self {
        Self {
            tenant: connection.tenant(),
            connection: connection.name(),
            name,
            version,
        }
    }

    /// The associated data. Each part stands behind its length, so that no two
    /// places have the same.
    fn associated(&self, id: KeyId) -> Vec<u8> {
        let mut data = vec![FORMAT];
        data.extend_from_slice(&id.0);
        for part in [self.tenant, self.connection, self.name] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data.extend_from_slice(&self.version.to_be_bytes());
        data
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.tenant.is_empty() {
            write!(f, "the store's {}", self.name)
        } else {
            write!(
                f,
                "the secret `{}` of {}/{}",
                self.name, self.tenant, self.connection
            )
        }
    }
}

#[cfg(test)]
mod tests;
