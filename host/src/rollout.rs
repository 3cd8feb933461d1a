//! Which of the loaded versions of a package a call goes to, and how that changes
//! while calls are under way.
//!
//! One version is *trusted*. Another one may be *on trial* beside it: for all calls
//! after a swap, for some as a canary. It is held against its budget with each call
//! that is to begin, so nothing runs in the background. One that fails is taken back
//! at once, tried again with few calls after a pause, and parked after the third
//! time. What goes to which version is decided when a call begins, and the call keeps
//! that version to its end.

mod budget;
mod candidate;
mod figures;
mod service;
mod step;
#[cfg(test)]
mod tests;
mod versions;
mod waiting;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

pub use budget::{Budget, Trial};
pub use figures::{CallFigures, Figures};
pub(crate) use figures::{Ended, Used};
pub(crate) use service::{Hold, Service};
pub use step::{Move, Reach, Stand, Step, VersionChange, VersionStatus};
use versions::Versions;
use waiting::Missing;

use crate::error::Error;
use crate::grant::Grants;
use crate::grant::live::Live;
use crate::package::Package;
use crate::store::ConnectionKey;

/// Changes that are remembered of a package; the oldest go first.
const MAX_CHANGES: usize = 1_000;

/// How long calls of a version that was replaced may go on, unless somebody says so.
pub(crate) const DRAIN: Duration = Duration::from_secs(900);

/// How long a version that was taken back rests, the first, the second and the third
/// time. After the last it is parked.
const RESTS: [Duration; 3] = [
    Duration::from_secs(60),
    Duration::from_secs(240),
    Duration::from_secs(960),
];

/// The share of calls that a version gets that is to regain trust.
const PROBE: f64 = 0.05;

/// A version that is loaded.
pub(crate) trait Versioned: Send + Sync + 'static {
    /// What it was made of.
    fn package(&self) -> &Package;
    /// Its figures, and when it must end.
    fn service(&self) -> &Arc<Service>;
    /// What it asks for and may be given.
    fn wants(&self) -> &Grants;
    /// Its version.
    fn version(&self) -> &str {
        &self.package().manifest().package.version
    }
}

/// For whom a call is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller<'c> {
    /// For no connection.
    Anybody,
    /// For this connection, by what has nothing to be granted: a transform.
    For(&'c ConnectionKey),
    /// For a connection, by what it was granted.
    Granted(&'c Live),
}

impl<'c> Caller<'c> {
    fn key(self) -> Option<&'c ConnectionKey> {
        match self {
            Self::Anybody => None,
            Self::For(key) => Some(key),
            Self::Granted(live) => Some(live.key()),
        }
    }
}

/// How long a call lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// Some pages.
    Once,
    /// For ever: it hands over at checkpoints. A share of calls is not for these, or
    /// they would go to and fro.
    Subscription,
}

/// Who hears of changes, with the name of the package.
pub(crate) type Watcher = Arc<dyn Fn(&str, &VersionChange) + Send + Sync>;

/// All versions of one package.
pub(crate) struct Rollout<L> {
    versions: RwLock<Versions<L>>,
    changes: Mutex<VecDeque<VersionChange>>,
    moved: watch::Sender<()>,
    watcher: Option<Watcher>,
    /// Counts calls, so that a share is a share of any few of them.
    turn: AtomicU64,
}

/// A rollout, whatever its versions are.
pub(crate) trait Steer: Send + Sync {
    /// Does what an operator asks for.
    fn steer(&self, step: &Step) -> Result<(), Error>;
    /// The versions that are loaded, in order.
    fn status(&self) -> Vec<VersionStatus>;
    /// What has changed, from the oldest to the newest.
    fn changes(&self) -> Vec<VersionChange>;
    /// What calls came to, of each version and connection.
    fn figures(&self) -> Vec<CallFigures>;
}

impl<L: Versioned> Rollout<L> {
    /// A package with its first version.
    pub(crate) fn new(loaded: Arc<L>, watcher: Option<Watcher>) -> Self {
        let change = VersionChange::new(Move::Loaded, None, Some(loaded.version()), "loaded");
        let rollout = Self {
            versions: RwLock::new(Versions::new(loaded)),
            changes: Mutex::default(),
            moved: watch::Sender::new(()),
            watcher,
            turn: AtomicU64::new(0),
        };
        rollout.note(change);
        rollout
    }

    /// Has all calls go to a version at once, in place of any other of its name.
    pub(crate) fn install(&self, loaded: Arc<L>) {
        let change = self.write().install(loaded, Instant::now() + DRAIN);
        self.note(change);
    }

    /// Keeps a version ready.
    pub(crate) fn stage(&self, loaded: Arc<L>) {
        self.write().stage(loaded);
    }

    /// The version that a call goes to which begins now. One of a connection that was
    /// not granted all that this version asks for goes to the one that it had before.
    ///
    /// # Errors
    /// [`Error::NotGranted`] if there is none for the connection.
    pub(crate) fn route(&self, caller: Caller<'_>, lasting: Lasting) -> Result<Arc<L>, Error> {
        let now = Instant::now();
        let turn = match lasting {
            Lasting::Once => self.turn.fetch_add(1, Ordering::Relaxed),
            Lasting::Subscription => 0,
        };
        {
            let versions = self.read();
            if !versions.is_due(now) {
                return self.told(versions.pick(caller, lasting, turn), caller);
            }
        }
        let (change, picked) = {
            let mut versions = self.write();
            // Another call may have done it meanwhile; then nothing is due.
            let change = versions.advance(now);
            (change, versions.pick(caller, lasting, turn))
        };
        change.into_iter().for_each(|change| self.note(change));
        self.told(picked, caller)
    }

    /// What a connection is given of what it is to go to.
    fn told(
        &self,
        picked: Result<Arc<L>, Missing<L>>,
        caller: Caller<'_>,
    ) -> Result<Arc<L>, Error> {
        picked.map_err(|Missing { loaded, grants }| Error::NotGranted {
            connection: caller.key().map_or_else(String::new, ToString::to_string),
            package: loaded.package().name().to_owned(),
            version: loaded.version().to_owned(),
            grants,
        })
    }

    /// The version that a connection is to go to, and the one that it goes to, if that
    /// is another one.
    pub(crate) fn standing(&self, connection: &Live) -> (Arc<L>, Option<Arc<L>>) {
        let versions = self.read();
        let wanted = versions.wanted(connection.key());
        let goes_to = versions.allowed(&wanted, connection).ok();
        (wanted, goes_to)
    }

    /// What calls that begin now are asked to be granted.
    pub(crate) fn asked(&self) -> Grants {
        self.read().asked()
    }

    /// The version that is trusted.
    pub(crate) fn trusted(&self) -> Arc<L> {
        Arc::clone(&self.read().trusted)
    }

    /// Waits until a subscription of this connection is to go to another version, but
    /// for one that it could not go to until things have changed.
    pub(crate) async fn moved(
        &self,
        connection: &Live,
        from: &Arc<L>,
        refused: &mut Option<Arc<L>>,
    ) {
        let (mut moved, mut granted) = (self.moved.subscribe(), connection.changes());
        loop {
            moved.borrow_and_update();
            granted.mark_unchanged();
            match self.route(Caller::Granted(connection), Lasting::Subscription) {
                Ok(to) if Arc::ptr_eq(&to, from) => *refused = None,
                Ok(to) if refused.as_ref().is_some_and(|it| Arc::ptr_eq(it, &to)) => {}
                // Who takes it up is told why it can go nowhere.
                Ok(_) | Err(_) => return,
            }
            let changed = tokio::select! {
                changed = moved.changed() => changed,
                changed = granted.changed() => changed,
            };
            if changed.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Remembers what has changed and says so: to logs, and to who waits for it.
    fn note(&self, change: VersionChange) {
        let package = self.trusted().package().name().to_owned();
        let (from, to) = (change.from.as_deref(), change.to.as_deref());
        let (what, reason) = (change.what, &change.reason);
        tracing::info!(package, ?what, from, to, reason, "a package has changed");
        if let Some(watcher) = &self.watcher {
            watcher(&package, &change);
        }
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.len() == MAX_CHANGES {
            changes.pop_front();
        }
        changes.push_back(change);
        drop(changes);
        self.moved.send_replace(());
    }

    // Every change of the versions is whole, also if its holder panics after it.
    fn read(&self) -> RwLockReadGuard<'_, Versions<L>> {
        self.versions.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Versions<L>> {
        self.versions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Versioned> Steer for Rollout<L> {
    fn steer(&self, step: &Step) -> Result<(), Error> {
        let change = self.write().step(step, Instant::now())?;
        self.note(change);
        Ok(())
    }

    fn status(&self) -> Vec<VersionStatus> {
        self.read().status()
    }

    fn changes(&self) -> Vec<VersionChange> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.iter().cloned().collect()
    }

    fn figures(&self) -> Vec<CallFigures> {
        self.read().figures()
    }
}
