//! One loaded version at work: its figures, the calls that are under way in it, and
//! when they must have ended.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::figures::{Counts, Ended, Figures};

/// What one loaded version does. Each of its instances has a hold of it.
#[derive(Debug)]
pub(crate) struct Service {
    counts: Mutex<Both>,
    instances: AtomicUsize,
    /// When calls under way must have ended; `None` while the version is at work.
    ends: watch::Sender<Option<Instant>>,
}

/// Since it was loaded, and since its trial began.
#[derive(Debug)]
struct Both {
    all: Counts,
    trial: Counts,
}

/// One instance that is alive.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Service>);

impl Service {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::new(Both {
                all: Counts::new(),
                trial: Counts::new(),
            }),
            instances: AtomicUsize::new(0),
            ends: watch::Sender::new(None),
        })
    }

    /// One more instance, until it is dropped.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        self.instances.fetch_add(1, Ordering::Relaxed);
        Hold(Arc::clone(self))
    }

    /// How many instances are alive.
    pub(super) fn instances(&self) -> usize {
        self.instances.load(Ordering::Relaxed)
    }

    /// Begins to count for a trial.
    pub(super) fn begin_trial(&self) {
        self.lock().trial = Counts::new();
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

    fn lock(&self) -> MutexGuard<'_, Both> {
        // Counts are right after each step.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// Counts a call that ended.
    pub(crate) fn call(&self, took: Duration, memory_bytes: u64, ended: Ended) {
        let mut counts = self.0.lock();
        let Both { all, trial } = &mut *counts;
        for counts in [all, trial] {
            counts.call(took, memory_bytes);
            counts.ended(ended);
        }
    }

    /// Counts a failure that shows before or after a call.
    pub(crate) fn fault(&self, ended: Ended) {
        let mut counts = self.0.lock();
        counts.all.ended(ended);
        counts.trial.ended(ended);
    }

    /// Waits until calls under way must have ended.
    pub(crate) async fn over(&self) {
        let mut ends = self.0.ends.subscribe();
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
        self.0.instances.fetch_sub(1, Ordering::Relaxed);
    }
}
