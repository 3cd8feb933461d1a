//! How much a call matters beside the others of its connection.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose turn it is when calls are scarce: of a connection's calls those of a
/// higher priority are given first, and a lower one leaves some of the budget to
/// them, see [`Reserve`](super::Reserve).
///
/// The greater, the less it matters.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Somebody waits for the answer. May use all that the operator allows.
    #[default]
    Interactive,
    /// Keeps systems in step: minutes matter.
    Sync,
    /// Fills up or clears out: any time will do.
    Backfill,
}

impl Priority {
    /// All of them, the highest first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Sync, Self::Backfill];

    /// Its name: `interactive`, `sync` or `backfill`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Sync => "sync",
            Self::Backfill => "backfill",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
