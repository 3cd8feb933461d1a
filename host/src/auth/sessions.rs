//! Every connection's access token, kept in memory and renewed when it ends.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::access::Access;
use super::error::AuthError;
use super::exchange::Exchange;
use super::flight::{Flight, Outcome};
use super::login::Place;
use super::renewal::Unsaved;
use super::seen::Seen;
use super::tokens::Tokens;
use super::{CLIENT_SECRET, PRIVATE_KEY, assertion};
use crate::manifest::AuthManifest;
use crate::seal::Sealer;
use crate::store::{ConnectionKey, ConnectionRecord, Store, StoreError, TOKENS};
use crate::transport::Transport;

/// How often the store is asked whether it still has tokens that were replaced.
const LOOKS: u32 = 3;

/// Knows the manifests of the loaded connectors. Asked each time, so that a swap
/// of a connector needs no word to anybody.
pub trait AuthManifests: Send + Sync {
    /// The auth part of a package's manifest; `None` if no such connector is
    /// loaded.
    fn auth_manifest(&self, package: &str) -> Option<Arc<AuthManifest>>;
}

impl<F> AuthManifests for F
where
    F: Fn(&str) -> Option<Arc<AuthManifest>> + Send + Sync,
{
    fn auth_manifest(&self, package: &str) -> Option<Arc<AuthManifest>> {
        self(package)
    }
}

/// What [`Sessions`] stands on.
#[derive(Clone)]
pub struct SessionsConfig {
    /// Where tokens and secrets are kept.
    pub store: Arc<dyn Store>,
    /// What they are sealed with.
    pub sealer: Sealer,
    /// The way to login hosts.
    pub transport: Transport,
    /// The connectors' manifests.
    pub manifests: Arc<dyn AuthManifests>,
    /// Milliseconds since 1970; [`SessionsConfig::system_clock`] outside tests.
    pub now_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl SessionsConfig {
    /// The system's clock.
    #[must_use]
    pub fn system_clock() -> Arc<dyn Fn() -> u64 + Send + Sync> {
        Arc::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
        })
    }
}

impl fmt::Debug for SessionsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsConfig").finish_non_exhaustive()
    }
}

/// The sessions of all connections of a host. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) config: SessionsConfig,
    entries: Mutex<HashMap<ConnectionKey, Arc<Entry>>>,
    /// Tells this process's leases from those of others.
    pub(super) holder: u64,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// What is known of one connection in memory.
#[derive(Default)]
pub(super) struct Entry {
    state: Mutex<EntryState>,
    /// The connection is being removed: nothing more is renewed for it.
    pub(super) closing: AtomicBool,
}

#[derive(Default)]
pub(super) struct EntryState {
    pub(super) current: Option<Arc<Access>>,
    pub(super) flight: Option<Flight>,
    /// Until when nothing is sent, and the failure that all get meanwhile.
    pub(super) pause: Option<(Instant, AuthError)>,
    /// Tokens that were granted but could not be written down yet.
    pub(super) unsaved: Option<Unsaved>,
    /// How often this was forgotten: what was read before is not kept after.
    pub(super) forgotten: u64,
    pub(super) seen: Seen,
}

impl Entry {
    /// Never held over an await. A panic of another holder leaves nothing half
    /// done, since every change is one assignment.
    pub(super) fn lock(&self) -> MutexGuard<'_, EntryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection as the store has it, checked against its manifest.
pub(super) struct Loaded {
    pub(super) record: ConnectionRecord,
    pub(super) auth: Arc<AuthManifest>,
    pub(super) place: Place,
    pub(super) client_secret: Option<SecretString>,
    /// The tokens with their version.
    pub(super) tokens: Option<(u64, Tokens)>,
    /// Others had taken the place of these tokens before: somebody has put them back.
    pub(super) came_back: bool,
}

impl Loaded {
    pub(super) fn version(&self) -> Option<u64> {
        self.tokens.as_ref().map(|(version, _)| *version)
    }
}

impl Sessions {
    /// Sessions on these foundations. Nothing is read or sent yet.
    #[must_use]
    pub fn new(config: SessionsConfig) -> Self {
        let inner = Inner {
            config,
            entries: Mutex::default(),
            // Without random bytes nothing can be sealed either.
            holder: getrandom::u64().unwrap_or_default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// A connection's access, from memory if it is there; otherwise from the
    /// store, or by a new token if the old one has expired.
    ///
    /// # Errors
    /// [`AuthError::NeedsReconnect`] at once, without a request, for a dead
    /// grant; otherwise why there is no token.
    pub async fn access(&self, key: &ConnectionKey) -> Outcome {
        self.fly(key, None).await
    }

    /// An access newer than the generation `stale`, which the product has called
    /// expired.
    ///
    /// However many ask, one request is sent; and none if another task or
    /// process has renewed already. The request is finished and its outcome kept
    /// even if all who wait for it go away.
    ///
    /// # Errors
    /// As [`Self::access`].
    pub async fn renew(&self, key: &ConnectionKey, stale: u64) -> Outcome {
        self.fly(key, Some(stale)).await
    }

    /// Forgets what is in memory of a connection: to be called when its record
    /// was changed, so that the change counts at once. Tokens in the store stay.
    pub fn forget(&self, key: &ConnectionKey) {
        let entry = self.entry(key);
        let mut state = entry.lock();
        state.current = None;
        state.pause = None;
        state.forgotten += 1;
    }

    /// Keeps the client's secret, sealed, in place of the one before.
    ///
    /// # Errors
    /// [`AuthError::Store`] if there is no such connection or nothing can be
    /// written.
    pub async fn put_client_secret(
        &self,
        key: &ConnectionKey,
        secret: &SecretString,
    ) -> Result<(), AuthError> {
        self.put_secret(key, CLIENT_SECRET, secret).await
    }

    /// Keeps the private key for assertions (RSA in PEM), sealed, in place of
    /// the one before.
    ///
    /// # Errors
    /// [`AuthError::BadConnection`] if it is not such a key; otherwise as
    /// [`Self::put_client_secret`].
    pub async fn put_private_key(
        &self,
        key: &ConnectionKey,
        pem: &SecretString,
    ) -> Result<(), AuthError> {
        assertion::read_key(pem).map_err(|problem| AuthError::BadConnection {
            key: key.clone(),
            problem: problem.to_owned(),
        })?;
        self.put_secret(key, PRIVATE_KEY, pem).await
    }

    async fn put_secret(
        &self,
        key: &ConnectionKey,
        name: &str,
        secret: &SecretString,
    ) -> Result<(), AuthError> {
        let SessionsConfig { store, sealer, .. } = &self.inner.config;
        loop {
            let current = store.secret(key, name).await?.map(|sealed| sealed.version);
            let bytes = secret.expose_secret().as_bytes();
            let sealed = sealer.seal_next(key, name, current, bytes)?;
            match store.put_secret(key, name, current, &sealed).await {
                Ok(()) => break,
                // Somebody else wrote one: the later of the two counts.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.forget(key);
        Ok(())
    }

    pub(super) fn entry(&self, key: &ConnectionKey) -> Arc<Entry> {
        let mut entries = self.entries();
        Arc::clone(entries.entry(key.clone()).or_default())
    }

    /// Drops what is in memory of a connection that does not exist.
    pub(super) fn remove_entry(&self, key: &ConnectionKey, entry: &Arc<Entry>) {
        let mut entries = self.entries();
        if entries.get(key).is_some_and(|now| Arc::ptr_eq(now, entry)) {
            entries.remove(key);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<ConnectionKey, Arc<Entry>>> {
        let entries = &self.inner.entries;
        entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now_ms(&self) -> u64 {
        (self.inner.config.now_ms)()
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.inner.config.store.as_ref()
    }

    pub(super) fn manifest(&self, package: &str) -> Result<Arc<AuthManifest>, AuthError> {
        let manifests = &self.inner.config.manifests;
        manifests
            .auth_manifest(package)
            .ok_or_else(|| AuthError::UnknownPackage {
                package: package.to_owned(),
            })
    }

    /// Reads a connection with its secrets. The record is read before the tokens
    /// and once more after: an origin is never paired with other tokens.
    pub(super) async fn load(&self, key: &ConnectionKey) -> Result<Loaded, AuthError> {
        let mut looks = 0;
        loop {
            let before = self.store().secret(key, TOKENS).await?;
            let record = self.store().connection(key).await?;
            let sealed = self.store().secret(key, TOKENS).await?;
            if before.as_ref().map(|s| s.version) != sealed.as_ref().map(|s| s.version) {
                continue;
            }
            let entry = self.entry(key);
            let came_back = sealed.as_ref().is_some_and(|s| !entry.lock().seen.note(s));
            looks += 1;
            // Another look of this process may have been later, and noted first.
            if came_back && looks < LOOKS {
                continue;
            }
            let auth = self.manifest(&record.package)?;
            let place = Place::of(&auth, &record)?;
            let client_secret = self.secret_text(key, CLIENT_SECRET).await?;
            let tokens = match sealed {
                None => None,
                Some(sealed) => {
                    let sealer = &self.inner.config.sealer;
                    let bytes = sealer.open(key, TOKENS, sealed.version, &sealed.bytes)?;
                    let tokens = Tokens::from_bytes(&bytes).map_err(|_| corrupt(key, TOKENS))?;
                    Some((sealed.version, tokens))
                }
            };
            return Ok(Loaded {
                record,
                auth,
                place,
                client_secret,
                tokens,
                came_back,
            });
        }
    }

    /// A sealed secret that is text.
    pub(super) async fn secret_text(
        &self,
        key: &ConnectionKey,
        name: &str,
    ) -> Result<Option<SecretString>, AuthError> {
        let Some(sealed) = self.store().secret(key, name).await? else {
            return Ok(None);
        };
        let sealer = &self.inner.config.sealer;
        let bytes = sealer.open(key, name, sealed.version, &sealed.bytes)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| corrupt(key, name))?;
        Ok(Some(SecretString::from(text)))
    }

    pub(super) fn exchange(&self, loaded: &Loaded) -> Exchange {
        Exchange {
            transport: self.inner.config.transport.clone(),
            auth: Arc::clone(&loaded.auth),
            place: loaded.place.clone(),
            client_id: loaded.record.client_id.clone(),
            client_secret: loaded.client_secret.clone(),
        }
    }

    pub(super) fn is_closing(entry: &Entry) -> bool {
        entry.closing.load(Ordering::Acquire)
    }
}

pub(super) fn corrupt(key: &ConnectionKey, name: &str) -> AuthError {
    AuthError::BadConnection {
        key: key.clone(),
        problem: format!("its stored `{name}` cannot be read: reconnect, or give the secret again"),
    }
}
