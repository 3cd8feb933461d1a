//! The engine of a sync: moves what the org tells into the database, and what
//! programs write there into the org.
//!
//! Five loops work beside one another, and meet only in the database:
//!
//! - `load`: all records of an object, once;
//! - `receive`: what happens in the org, from the checkpoint on;
//! - `reread`: records of which only is known that something happened to them, and
//!   the comparison of all records that closes what no event tells of;
//! - `send`: what programs changed in the tables;
//! - `decide`: conflicts that a plugin is to decide.
//!
//! Each step ends in one transaction of the database, so the engine may be dropped
//! or killed at any moment and begun again.

mod compare;
mod decide;
mod load;
mod pace;
mod pipeline;
mod preview;
mod receive;
mod reread;
mod send;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use lockgate::{Connection, Priority, Transform};
use tokio::sync::{Notify, watch};

use crate::database::Database;
use crate::error::DatabaseError;
use crate::incoming::Applied;
use crate::plan::ObjectPlan;
use crate::settle::Settled;
use pace::Pace;
pub use preview::{Differences, Preview};

/// The longest wait at a time, whatever the org says: somebody may have given it more
/// calls or events since.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The name of the checkpoint of events.
const EVENTS: &str = "events";

/// Keeps a connection and a database equal.
///
/// Two engines of one sync would send everything twice, so the second waits a
/// while for the first to end, and then fails with [`DatabaseError::Taken`].
#[derive(Debug)]
pub struct Engine {
    connection: Connection,
    database: Database,
    options: EngineOptions,
    /// What happens from now on is told: a comparison misses nothing.
    is_listening: watch::Sender<bool>,
    /// Something was marked to be read again.
    to_reread: Notify,
    /// Conflicts were found.
    to_decide: Notify,
    /// Why a loop waits, by its name.
    waits: Mutex<BTreeMap<&'static str, String>>,
    activity: watch::Sender<Activity>,
}

/// What an engine has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Activity {
    /// What came from the org.
    pub applied: Applied,
    /// What went there.
    pub sent: Settled,
    /// Objects all of whose records were compared.
    pub compared: u64,
}

/// How an engine works.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How often the database is asked for local changes.
    pub look_every: Duration,
    /// The longest pause after faults: an org that is back is noticed within this time.
    pub longest_pause: Duration,
    /// How often all records are compared; `None` for never.
    pub reconcile_every: Option<Duration>,
    /// The connector's way to hear of events; `None` leaves the choice to it.
    pub way: Option<String>,
    /// Plugins that each record goes through, one after the other: when it comes from
    /// the org, and before it goes there. One that does not know an object leaves its
    /// records as they are.
    pub plugins: Vec<Transform>,
    /// The plugin that decides conflicts of fields whose policy says so; without one
    /// they stay undecided until a person decides them.
    pub decider: Option<Transform>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            look_every: Duration::from_millis(250),
            longest_pause: Duration::from_mins(1),
            reconcile_every: Some(Duration::from_hours(24)),
            way: None,
            plugins: Vec::new(),
            decider: None,
        }
    }
}

/// Why an engine stopped. Everything up to then is durable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The connection failed in a way that does not pass by itself.
    #[error(transparent)]
    Connection(#[from] lockgate::Error),
    /// The database failed in a way that does not pass by itself.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The connector gave records in another order than the contract says, or
    /// records without ids.
    #[error("the connector's records of {object} are not to be relied on: {what}")]
    Records {
        /// The object.
        object: String,
        /// What is wrong with them.
        what: String,
    },
}

impl SyncError {
    /// How long to wait before the same is done again; `None` if that is no use.
    fn pause(&self) -> Option<Duration> {
        match self {
            Self::Connection(
                lockgate::Error::OverQuota { retry_after, .. }
                | lockgate::Error::Unavailable { retry_after, .. },
            ) => Some(*retry_after),
            // What is in doubt is looked for before it is sent again, and an answer that
            // makes no sense may have broken off on its way.
            Self::Connection(
                lockgate::Error::UnknownOutcome { .. } | lockgate::Error::Unexpected { .. },
            ) => Some(Duration::ZERO),
            Self::Connection(error) if error.is_retryable() => Some(Duration::ZERO),
            Self::Database(error) if error.is_passing() => Some(Duration::ZERO),
            _ => None,
        }
    }
}

impl Engine {
    /// An engine at rest. Calls of `connection` are made at the priority of a sync,
    /// loads and comparisons at that of a backfill; plugins work on its behalf.
    #[must_use]
    pub fn new(
        connection: &Connection,
        database: Database,
        mut options: EngineOptions,
    ) -> Arc<Self> {
        for plugin in options.plugins.iter_mut().chain(&mut options.decider) {
            *plugin = plugin.on_behalf_of(connection.key());
        }
        Arc::new(Self {
            connection: connection.with_priority(Priority::Sync),
            database,
            options,
            is_listening: watch::Sender::new(false),
            to_reread: Notify::new(),
            to_decide: Notify::new(),
            waits: Mutex::default(),
            activity: watch::Sender::default(),
        })
    }

    /// The database, to ask how the sync is.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// The connection, at the priority of a sync.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What it waits for, one sentence each: a fault that may pass, or calls or events
    /// that the org gives only so many of a day. Nothing while all goes well.
    #[must_use]
    pub fn waits(&self) -> Vec<String> {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = waits.iter();
        waits.map(|(what, why)| format!("{what}: {why}")).collect()
    }

    /// What it does, as it does it: changes with each transaction.
    #[must_use]
    pub fn activity(&self) -> watch::Receiver<Activity> {
        self.activity.subscribe()
    }

    /// Works until something fails that does not pass by itself. Passing faults and
    /// a budget that is used up are waited out. Dropping it stops the work.
    ///
    /// # Errors
    /// [`SyncError`], with all that came before it kept.
    pub async fn run(&self) -> Result<Infallible, SyncError> {
        self.database.claim().await?;
        let paces = ["load", "receive", "compare", "send", "decide"]
            .map(|name| Pace::new(name, self.options.longest_pause, &self.waits));
        let [load, receive, reread, send, decide] = &paces;
        let ended = tokio::try_join!(
            again_and_again(load, || self.load_all(load).boxed()),
            again_and_again(receive, || self.receive(receive).boxed()),
            again_and_again(reread, || self.reread(reread).boxed()),
            again_and_again(send, || self.send(send).boxed()),
            again_and_again(decide, || self.decide(decide).boxed()),
            self.reconcile_at_times(),
        );
        let (never, ..) = ended?;
        match never {}
    }

    /// Makes both sides equal once, without events: loads what was never loaded,
    /// compares all records, reads those that differ, and sends what is to be sent.
    ///
    /// # Errors
    /// [`SyncError`], passing ones also; with all that came before it kept.
    pub async fn run_once(&self) -> Result<(), SyncError> {
        self.database.claim().await?;
        for object in self.taken() {
            self.load(object).await?;
        }
        self.send_all().await?;
        self.mark_all("once").await?;
        self.reread_all(true).await?;
        if let Some(decider) = &self.options.decider {
            self.decide_all(decider, &mut BTreeSet::new()).await?;
        }
        self.send_all().await
    }

    /// Objects whose records come here.
    fn taken(&self) -> Vec<&ObjectPlan> {
        let objects = self.database.plan().objects.iter();
        objects.filter(|object| object.takes()).collect()
    }

    /// The connection for work that can wait.
    fn backfill(&self) -> Connection {
        self.connection.with_priority(Priority::Backfill)
    }
}

/// Does a loop's work again whenever it has ended, and after a pause when it met a
/// passing fault.
async fn again_and_again<'a>(
    pace: &Pace<'_>,
    work: impl Fn() -> BoxFuture<'a, Result<(), SyncError>>,
) -> Result<Infallible, SyncError> {
    loop {
        let Err(error) = work().await else {
            continue;
        };
        let Some(at_least) = error.pause() else {
            return Err(error);
        };
        let pause = pace.next(&error).max(at_least).min(LONGEST_WAIT);
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(%error, pause_ms, "a sync waits");
        tokio::time::sleep(pause).await;
    }
}
