//! Everything a running org consists of, shared by all requests. Locks are
//! taken in one order, records before logins, and never held over an await.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use crate::bulk::Bulk;
use crate::clock::Clock;
use crate::cometd::Clients;
use crate::config::{Config, Edition};
use crate::events::{Bus, Origin};
use crate::faults::Faults;
use crate::http::data::locators::Locators;
use crate::locked::OrgMut;
use crate::oauth::{App, SigningKey, Store};
use crate::org::{ADMIN, Org};
use crate::outbound::Outbound;
use crate::request_log::RequestLog;
use crate::schema::Schema;
use crate::usage::Usage;
use crate::user::User;
use crate::value::Value;

/// The parts of the org.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// Scheme, host and port, without a slash at the end.
    pub(crate) base_url: String,
    pub(crate) clock: Clock,
    pub(crate) log: RequestLog,
    pub(crate) bulk: Bulk,
    pub(crate) events: Bus,
    pub(crate) cometd: Clients,
    pub(crate) outbound: Outbound,
    /// When the org was started.
    pub(crate) started_ms: i64,
    organization_id: String,
    org: RwLock<Org>,
    locators: Mutex<Locators>,
    oauth: Mutex<Store>,
    faults: Mutex<Faults>,
    usage: Mutex<Usage>,
    signing_key: OnceLock<Option<SigningKey>>,
}

/// What the login service knows of a user.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) user: Arc<User>,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) active: bool,
    pub(crate) modified_ms: i64,
}

impl Person {
    /// The part of the username before the `@`.
    pub(crate) fn nickname(&self) -> &str {
        self.user.username.split('@').next().unwrap_or_default()
    }
}

impl Shared {
    pub(crate) fn new(config: Config, base_url: String) -> anyhow::Result<Self> {
        let clock = Clock::default();
        let mut schema = Schema::standard()?;
        if let Some(own) = &config.schema {
            schema.extend(own)?;
        }
        let mut org = Org::new(schema);
        org.follow(clock.clone());
        let edition = config.edition;
        org.set_edition(edition.organization_type(), edition == Edition::Sandbox);
        crate::seed::fill(&mut org, config.records, config.seed)?;
        let events = Bus::default();
        events.begin(&mut org, &config)?;
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
            started_ms: clock.now_ms(),
            organization_id: org.organization_id().to_string(),
            org: RwLock::new(org),
            locators: Mutex::default(),
            clock,
            log: RequestLog::new(config.log_capacity),
            bulk: Bulk::default(),
            events,
            cometd: Clients::default(),
            outbound: Outbound::default(),
            oauth: Mutex::new(store),
            faults: Mutex::new(Faults::new(config.latency_ms, config.seed)),
            usage: Mutex::new(Usage::new(&config)),
            signing_key: OnceLock::new(),
            base_url,
            config,
        })
    }

    /// The records, for reading.
    pub(crate) fn org(&self) -> RwLockReadGuard<'_, Org> {
        self.org.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The records, for writing as a person in the browser does.
    pub(crate) fn org_mut(&self) -> OrgMut<'_> {
        let org = self.org.write().unwrap_or_else(PoisonError::into_inner);
        let user = org.user(ADMIN).map(|user| Arc::clone(&user.id));
        let origin = Origin::browser(user.unwrap_or_else(|| "".into()));
        OrgMut::telling(org, &self.events, &self.outbound, origin)
    }

    /// The records, for writing. What is done until they are let go is one
    /// transaction of this origin.
    pub(crate) fn org_mut_as(&self, origin: Origin) -> OrgMut<'_> {
        let org = self.org.write().unwrap_or_else(PoisonError::into_inner);
        OrgMut::telling(org, &self.events, &self.outbound, origin)
    }

    pub(crate) fn locators(&self) -> MutexGuard<'_, Locators> {
        self.locators.lock().unwrap_or_else(PoisonError::into_inner)
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

    pub(crate) fn organization_id(&self) -> &str {
        &self.organization_id
    }

    pub(crate) fn identity_url(&self, user_id: &str) -> String {
        format!("{}/id/{}/{user_id}", self.base_url, self.organization_id)
    }

    /// A user by username, which has no case.
    pub(crate) fn person(&self, username: &str) -> Option<Person> {
        let org = self.org();
        let user = org.user(username)?;
        let (object, row) = org.row(&user.id)?;
        let value = |name: &str| object.field(name).map(|(column, _)| row.get(column));
        let text = |name: &str| {
            let text = value(name).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        Some(Person {
            first_name: text("FirstName"),
            last_name: text("LastName"),
            active: !matches!(value("IsActive"), Some(Value::Bool(false))),
            modified_ms: match value("LastModifiedDate") {
                Some(Value::DateTime(at)) => *at,
                _ => self.started_ms,
            },
            user,
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
