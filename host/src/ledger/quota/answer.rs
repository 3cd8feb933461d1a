//! What a budget answers: where it stands, or why calls were not given.

use std::time::Duration;

use thiserror::Error;

/// Where a budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Calls that the product allows in the window; `None` until it has said so.
    pub limit: Option<u64>,
    /// Calls used in the window, by us and by others as far as we know.
    pub used: u64,
    /// Calls that are kept from us: the operator's reserve, and what our priority
    /// leaves to higher ones. `None` if no limit is known.
    pub kept: Option<u64>,
    /// Calls that may still be made now: the limit less what is used, what is
    /// reserved, and what is kept. `None` if no limit is known.
    pub available: Option<u64>,
    /// The length of the rolling window, in milliseconds.
    pub window_ms: u64,
}

/// When calls will have been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// How many of them can be made at once.
    pub at_once: u64,
    /// How long until the last of them has been made; `None` if that is more than
    /// a hundred windows away, or never.
    pub done_in: Option<Duration>,
}

/// Why calls were not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QuotaError {
    /// The budget is used up.
    #[error("the budget of calls is used up: try again in {} s", .wait.as_secs().max(1))]
    Exhausted {
        /// When so many calls are expected to be free. An estimate.
        wait: Duration,
    },
    /// The product said that too much was going on at once.
    #[error("the product asked for a pause: try again in {} s", .wait.as_secs().max(1))]
    BackingOff {
        /// How long this caller should wait.
        wait: Duration,
    },
    /// More than the budget can ever hold.
    #[error("the budget never holds so many calls: {most} at most")]
    TooMany {
        /// The most that can be had at once.
        most: u64,
    },
}

impl QuotaError {
    /// When to ask again; `None` if that is no use.
    #[must_use]
    pub const fn wait(&self) -> Option<Duration> {
        match self {
            Self::Exhausted { wait } | Self::BackingOff { wait } => Some(*wait),
            Self::TooMany { .. } => None,
        }
    }
}
