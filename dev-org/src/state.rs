//! Everything a running org consists of, shared by all requests. Locks are
//! taken in one order, records before logins, and never held over an await.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::clock::Clock;
use crate::config::Config;
use crate::faults::Faults;
use crate::oauth::{App, SigningKey, Store};
use crate::request_log::RequestLog;
use crate::usage::Usage;

/// The parts of the org.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// Scheme, host and port, without a slash at the end.
    pub(crate) base_url: String,
    pub(crate) clock: Clock,
    pub(crate) log: RequestLog,
    oauth: Mutex<Store>,
    faults: Mutex<Faults>,
    usage: Mutex<Usage>,
    signing_key: OnceLock<Option<SigningKey>>,
}

/// What the login service knows of a user.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) active: bool,
    pub(crate) modified_ms: i64,
}

impl Person {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
            .trim()
            .to_owned()
    }

    /// The part of the username before the `@`.
    pub(crate) fn nickname(&self) -> &str {
        self.username.split('@').next().unwrap_or_default()
    }
}

impl Shared {
    pub(crate) fn new(config: Config, base_url: String) -> anyhow::Result<Self> {
        let clock = Clock::default();
        let mut store = Store::default();
        store.rotate = config.rotate_refresh_tokens;
        store.session_ms = i64::try_from(config.session_ms).unwrap_or(i64::MAX);
        let own = App {
            run_as: Some(ADMIN.to_owned()),
            ..App::new(&config.client_id, &config.client_secret)
        };
        for app in std::iter::once(own).chain(config.apps.iter().cloned()) {
            store.apps.insert(app.client_id.clone(), app);
        }
        Ok(Self {
            clock,
            log: RequestLog::new(config.log_capacity),
            oauth: Mutex::new(store),
            faults: Mutex::new(Faults::new(config.latency_ms, config.seed)),
            usage: Mutex::new(Usage::new(&config)),
            signing_key: OnceLock::new(),
            base_url,
            config,
        })
    }

    pub(crate) fn oauth(&self) -> MutexGuard<'_, Store> {
        self.oauth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key for id tokens, made when somebody first needs it: it takes a
    /// moment, and most tests never do.
    pub(crate) fn signing_key(&self) -> Option<&SigningKey> {
        self.signing_key.get_or_init(SigningKey::generate).as_ref()
    }

    pub(crate) fn organization_id(&self) -> String {
        "00DLg0000000001EAA".to_owned()
    }

    pub(crate) fn identity_url(&self, user_id: &str) -> String {
        format!("{}/id/{}/{user_id}", self.base_url, self.organization_id())
    }

    /// A user by username, which has no case.
    pub(crate) fn person(&self, username: &str) -> Option<Person> {
        username.eq_ignore_ascii_case(ADMIN).then(|| Person {
            id: "005Lg0000000001AAA".to_owned(),
            username: ADMIN.to_owned(),
            email: ADMIN.to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "Admin".to_owned(),
            active: true,
            modified_ms: 0,
        })
    }

    /// Counts a request as running until the answer is dropped.
    pub(crate) fn running(self: &Arc<Self>) -> Running {
        let ticket = self.usage().start(self.clock.now_ms());
        Running {
            shared: Arc::clone(self),
            ticket,
        }
    }
}

/// The user every org has.
pub(crate) const ADMIN: &str = "admin@dev-org.example";

/// A request that is being worked on.
pub(crate) struct Running {
    shared: Arc<Shared>,
    ticket: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.usage().end(self.ticket);
    }
}
