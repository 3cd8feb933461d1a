//! What an operator asks for, and how the versions of a package are.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{DRAIN, Figures, Trial};
use crate::store::ConnectionKey;

/// A change of which version calls go to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// All calls go to this version.
    Swap {
        /// A version that is staged, or that was at work before.
        version: String,
        /// How it is held against the version before; `None` trusts it at once.
        trial: Option<Trial>,
        /// How long calls may go on that began on another version. Then they are stopped.
        drain: Duration,
    },
    /// Some calls go to this version.
    Canary {
        /// A version that is staged.
        version: String,
        /// Which calls.
        reach: Reach,
        /// How it is held against the version that the others go to.
        trial: Trial,
    },
    /// Calls go to the version before: of a version on trial to the one that is trusted,
    /// else to the one that was trusted before.
    Rollback,
    /// Calls of one connection go to this version, whatever the others do.
    Pin {
        /// The connection.
        connection: ConnectionKey,
        /// A version that is loaded.
        version: String,
    },
    /// Calls of one connection go where the others go.
    Unpin {
        /// The connection.
        connection: ConnectionKey,
    },
}

impl Step {
    /// A swap with the usual trial and time to drain.
    #[must_use]
    pub fn swap(version: impl Into<String>) -> Self {
        Self::Swap {
            version: version.into(),
            trial: Some(Trial::default()),
            drain: DRAIN,
        }
    }

    /// A canary with the usual trial.
    #[must_use]
    pub fn canary(version: impl Into<String>, reach: Reach) -> Self {
        Self::Canary {
            version: version.into(),
            reach,
            trial: Trial::default(),
        }
    }
}

/// Which calls go to a version on trial.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reach {
    /// All of them.
    All,
    /// A share, of 1. Subscriptions are not among them: they would go to and fro.
    Share(f64),
    /// Those of some connections, with their subscriptions.
    Connections(BTreeSet<ConnectionKey>),
}

/// What a version is there for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stand {
    /// Calls go to it.
    Trusted,
    /// Calls go to it, and it is looked at: all calls, a share of them, or those of so
    /// many connections.
    OnTrial {
        /// The share of calls, of 1; `None` for those of some connections.
        share: Option<f64>,
        /// The connections, if it is for some.
        connections: Vec<String>,
    },
    /// It failed, and is tried again with a few calls later.
    Resting {
        /// So much later, in seconds.
        again_in_s: u64,
        /// How often it has failed.
        failures: u32,
    },
    /// It failed too often. A swap tries it again.
    Parked,
    /// It was trusted before: a rollback goes back to it.
    Before,
    /// It was trusted earlier: connections that were not granted what newer versions ask
    /// for stay on it.
    Kept,
    /// It is ready, and no calls go to it but those of connections that are pinned.
    Staged,
}

/// A loaded version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VersionStatus {
    /// The version.
    pub version: String,
    /// The SHA-256 of its component, in hexadecimal.
    pub digest: String,
    /// What it is there for.
    pub stand: Stand,
    /// The connections that are pinned to it.
    pub pinned: Vec<String>,
    /// Instances of it that are alive: calls, and subscriptions.
    pub instances: usize,
    /// What its calls came to.
    pub figures: Figures,
}

/// A change that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VersionChange {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What was done.
    pub what: Move,
    /// The version that calls went to.
    pub from: Option<String>,
    /// The one that they go to.
    pub to: Option<String>,
    /// Why, in words.
    pub reason: String,
}

/// What was done about the versions of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Move {
    /// A version was loaded in place of all others.
    Loaded,
    /// All calls go to another version.
    Swapped,
    /// Some calls go to another version.
    Canary,
    /// An operator went back.
    RolledBack,
    /// A connection was pinned.
    Pinned,
    /// A connection is no longer pinned.
    Unpinned,
    /// A version went over its budget, and no calls go to it.
    TakenBack,
    /// A version that was taken back gets a few calls.
    Retried,
    /// It did them well, and gets its calls again.
    Regained,
    /// A version has kept its budget to the end of its trial.
    Trusted,
}

impl Move {
    /// Whether the host did it by itself.
    #[must_use]
    pub const fn is_automatic(self) -> bool {
        matches!(
            self,
            Self::TakenBack | Self::Retried | Self::Regained | Self::Trusted
        )
    }
}

impl VersionChange {
    pub(super) fn new(
        what: Move,
        from: Option<&str>,
        to: Option<&str>,
        reason: impl Into<String>,
    ) -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            at_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
            what,
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            reason: reason.into(),
        }
    }
}
