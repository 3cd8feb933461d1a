//! One loaded version at work: its figures, the calls that are under way in it, and
//! when they must have ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::figures::{Counts, Ended, Figures, OF_CONNECTION_DIGITS, OF_VERSION_DIGITS, Used};

/// Connections of one version that have figures of their own.
const MAX_CONNECTIONS: usize = 1_000;

/// Those of all others. No connection is called so.
const OTHERS: &str = "(others)";

/// What one loaded version does. Each of its instances has a hold of it.
#[derive(Debug)]
pub(crate) struct Service {
    counts: Mutex<All>,
    instances: AtomicUsize,
    /// When calls under way must have ended; `None` while the version is at work.
    ends: watch::Sender<Option<Instant>>,
}

/// Since it was loaded, since its trial began, and of each connection.
#[derive(Debug)]
struct All {
    all: Counts,
    trial: Counts,
    by_connection: BTreeMap<Arc<str>, OfConnection>,
}

#[derive(Debug)]
struct OfConnection {
    instances: usize,
    counts: Counts,
}

/// One instance that is alive.
#[derive(Debug)]
pub(crate) struct Hold {
    service: Arc<Service>,
    connection: Arc<str>,
    /// What was counted of it already.
    counted: Used,
}

impl Service {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::new(All {
                all: Counts::new(OF_VERSION_DIGITS),
                trial: Counts::new(OF_VERSION_DIGITS),
                by_connection: BTreeMap::new(),
            }),
            instances: AtomicUsize::new(0),
            ends: watch::Sender::new(None),
        })
    }

    /// One more instance, for a connection or for none, until it is dropped.
    pub(crate) fn hold(self: &Arc<Self>, connection: &str) -> Hold {
        self.instances.fetch_add(1, Ordering::Relaxed);
        Hold {
            connection: self.lock().begin(connection),
            service: Arc::clone(self),
            counted: Used::default(),
        }
    }

    /// Instances and figures of each connection.
    pub(super) fn by_connection(&self) -> Vec<(Arc<str>, usize, Figures)> {
        let all = self.lock();
        let of = |(connection, of): (&Arc<str>, &OfConnection)| {
            (Arc::clone(connection), of.instances, of.counts.figures())
        };
        all.by_connection.iter().map(of).collect()
    }

    /// How many instances are alive.
    pub(super) fn instances(&self) -> usize {
        self.instances.load(Ordering::Relaxed)
    }

    /// Begins to count for a trial.
    pub(super) fn begin_trial(&self) {
        self.lock().trial = Counts::new(OF_VERSION_DIGITS);
    }

    pub(super) fn figures(&self) -> Figures {
        self.lock().all.figures()
    }

    pub(super) fn trial(&self) -> Figures {
        self.lock().trial.figures()
    }

    /// Calls under way have so long; new ones come no more.
    pub(super) fn retire(&self, at: Instant) {
        self.ends.send_if_modified(|ends| {
            // Who was told an earlier end keeps it.
            let is_new = ends.is_none();
            ends.get_or_insert(at);
            is_new
        });
    }

    /// It is at work again.
    pub(super) fn revive(&self) {
        self.ends.send_if_modified(|ends| ends.take().is_some());
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        // Counts are right after each step.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// One more instance of a connection; gives the name that it is counted under.
    fn begin(&mut self, connection: &str) -> Arc<str> {
        let is_known = self.by_connection.contains_key(connection);
        let name = match is_known || self.by_connection.len() < MAX_CONNECTIONS {
            true => connection,
            false => OTHERS,
        };
        let known = self.by_connection.get_key_value(name);
        let name = known.map_or_else(|| name.into(), |(name, _)| Arc::clone(name));
        let of = self.by_connection.entry(Arc::clone(&name));
        let of = of.or_insert_with(|| OfConnection {
            instances: 0,
            counts: Counts::new(OF_CONNECTION_DIGITS),
        });
        of.instances += 1;
        name
    }

    /// What is counted for a call of a connection.
    fn of(&mut self, connection: &str) -> impl Iterator<Item = &mut Counts> {
        let of = self.by_connection.get_mut(connection);
        let of = of.map(|of| &mut of.counts);
        [&mut self.all, &mut self.trial].into_iter().chain(of)
    }
}

impl Hold {
    /// Counts a call that ended; `used` is what its instance has used in all.
    pub(crate) fn call(&mut self, took: Duration, used: Used, ended: Ended) {
        let since = used.since(&self.counted);
        self.counted = used;
        for counts in self.service.lock().of(&self.connection) {
            counts.call(took, &since);
            counts.ended(ended);
        }
    }

    /// Counts a failure that shows before or after a call.
    pub(crate) fn fault(&self, ended: Ended) {
        for counts in self.service.lock().of(&self.connection) {
            counts.ended(ended);
        }
    }

    /// Waits until calls under way must have ended.
    pub(crate) async fn over(&self) {
        let mut ends = self.service.ends.subscribe();
        loop {
            let end = *ends.borrow_and_update();
            let changed = match end {
                None => ends.changed().await,
                Some(end) => tokio::select! {
                    () = sleep_until(end) => return,
                    changed = ends.changed() => changed,
                },
            };
            if changed.is_err() {
                // The service is held here, so its sender is there.
                return std::future::pending().await;
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.service.instances.fetch_sub(1, Ordering::Relaxed);
        if let Some(of) = self.service.lock().by_connection.get_mut(&self.connection) {
            of.instances -= 1;
        }
    }
}
