//! A small mailing-list service on loopback: one process, state in memory.
//!
//! It plays the other system in syncs and recipes, and is what its connector is
//! developed against. `store.rs` has the members and what happened to them, and
//! knows nothing of HTTP; `http.rs` has the routes, `access.rs` tokens and counts.
//!
#![doc = include_str!("../README.md")]

mod access;
mod http;
mod member;
mod moment;
mod refusal;
mod store;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value as Json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use access::Access;
use member::Member;
use store::{Store, Writer};

pub use access::Logged;
pub use refusal::Refusal;

/// How long `stop` waits for answers on their way.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Who writes with [`MailingList::create`] and its like: no client has this id.
const OWNER: &str = "";

/// What can be chosen before the service starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// Client id of the app that may ask for tokens.
    pub client_id: String,
    /// Client secret of that app.
    pub client_secret: String,
    /// How long a token is good for, in seconds.
    pub token_lifetime_s: u64,
    /// Calls that are answered within an hour.
    pub calls_an_hour: u64,
    /// Changes that are kept for those who ask what happened.
    pub kept_changes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            client_id: "mailing-list-client".to_owned(),
            client_secret: "mailing-list-secret".to_owned(),
            token_lifetime_s: 3_600,
            calls_an_hour: 10_000,
            kept_changes: 100_000,
        }
    }
}

/// What all requests share.
pub(crate) struct Shared {
    store: Mutex<Store>,
    access: Mutex<Access>,
    /// Moves on with each change; requests that wait for one look at it.
    pub(crate) changed: watch::Sender<u64>,
    /// True once the service is to stop.
    pub(crate) stopped: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn access(&self) -> MutexGuard<'_, Access> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, and wakes those who wait for changes.
    pub(crate) fn write<T>(&self, by: &str, job: impl FnOnce(&mut Writer<'_>) -> T) -> T {
        let mut store = self.store();
        let outcome = job(&mut Writer::new(&mut store, by));
        self.changed.send_replace(store.last_change());
        outcome
    }
}

/// A service that is listening. Dropping it stops it without waiting.
pub struct MailingList {
    shared: Arc<Shared>,
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

impl MailingList {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the address is taken, or the system has no random numbers.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let listen = config.listen;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            store: Mutex::new(Store::new(config.kept_changes)),
            access: Mutex::new(Access::new(config)?),
            changed: watch::Sender::new(0),
            stopped: watch::Sender::new(false),
        });
        let router = http::router(Arc::clone(&shared));
        let mut stopped = shared.stopped.subscribe();
        let serving = async move {
            let until = async move {
                // The sender lives as long as this, so it only ends when told.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            };
            let served = axum::serve(listener, router).with_graceful_shutdown(until);
            if let Err(error) = served.await {
                tracing::warn!(%error, "the mailing list ended");
            }
        };
        Ok(Self {
            shared,
            addr,
            serving: tokio::spawn(serving),
        })
    }

    /// How clients reach it: `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops accepting, lets running answers end, and gives the port back.
    pub async fn stop(mut self) {
        self.shared.stopped.send_replace(true);
        // What is left after the grace ends with its task.
        if tokio::time::timeout(STOP_GRACE, &mut self.serving)
            .await
            .is_err()
        {
            self.serving.abort();
        }
    }

    /// Adds a member as the list's owner does, by no client.
    ///
    /// # Errors
    /// [`Refusal`], as clients get it.
    pub fn create(&self, fields: &Map<String, Json>) -> Result<Json, Refusal> {
        self.shared
            .write(OWNER, |writer| writer.create(fields).map(Member::json))
    }

    /// Changes the member with this id as the list's owner does.
    ///
    /// # Errors
    /// [`Refusal`], as clients get it.
    pub fn update(&self, id: &str, fields: &Map<String, Json>) -> Result<Json, Refusal> {
        self.shared
            .write(OWNER, |writer| writer.update(id, fields).map(Member::json))
    }

    /// Removes the member with this id as the list's owner does.
    ///
    /// # Errors
    /// [`Refusal`], as clients get it.
    pub fn remove(&self, id: &str) -> Result<(), Refusal> {
        self.shared.write(OWNER, |writer| writer.remove(id))
    }

    /// All members, in the order of their ids.
    #[must_use]
    pub fn members(&self) -> Vec<Json> {
        self.shared.store().all().map(Member::json).collect()
    }

    /// How many changes there were, by anybody.
    #[must_use]
    pub fn change_count(&self) -> u64 {
        self.shared.store().last_change()
    }

    /// Forgets what happened so far: who asks what came after an older change is told
    /// that it is gone.
    pub fn forget_changes(&self) {
        self.shared.store().forget_changes();
    }

    /// Makes all tokens bad, as if their time were over.
    pub fn end_tokens(&self) {
        self.shared.access().end_tokens();
    }

    /// Answers only so many calls within an hour from now on.
    pub fn limit_calls(&self, calls_an_hour: u64) {
        self.shared.access().limit_calls(calls_an_hour);
    }

    /// What tells how many calls clients have made since it started, as long as one
    /// likes.
    pub fn call_counter(&self) -> impl Fn() -> u64 + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.access().call_count()
    }

    /// The last requests below `/v1`, at most 10,000, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Logged> {
        self.shared.access().requests()
    }
}

impl Drop for MailingList {
    fn drop(&mut self) {
        self.shared.stopped.send_replace(true);
    }
}

impl fmt::Debug for MailingList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailingList")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}
