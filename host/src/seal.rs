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

use std::sync::Arc;

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

/// Seals and opens with one master key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sealer {
    key: Arc<MasterKey>,
    /// Derived once: the master key itself seals nothing.
    sealing_key: Arc<Zeroizing<[u8; 32]>>,
}

impl Sealer {
    /// A sealer of this key.
    #[must_use]
    pub fn new(key: MasterKey) -> Self {
        Self {
            sealing_key: Arc::new(key.derive("seal")),
            key: Arc::new(key),
        }
    }

    /// The id of the key, for operators to compare.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key.id()
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
        let fresh = self.seal_at(&Place::KEY_CHECK, KEY_CHECK_TEXT)?;
        let kept = store.key_check(&fresh).await?;
        self.open_at(&Place::KEY_CHECK, &kept).map(|_| ())
    }

    fn seal_at(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)
            .map_err(|_| SealError::Cannot("the system gives no random bytes"))?;
        let id = self.key.id();
        let ciphertext = self
            .cipher()
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
        if id != self.key.id() {
            return Err(SealError::WrongKey {
                sealed_with: id,
                have: self.key.id(),
                origin: self.key.origin().to_owned(),
            });
        }
        self.cipher()
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

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(<&Key>::from(&**self.sealing_key))
    }
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
