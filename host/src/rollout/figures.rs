//! What the calls of one version came to: how many, how many failed, how long they
//! took, how much memory they had.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest latency that is told apart, in microseconds: no call takes longer than
/// an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// Significant digits of latencies. Two are right to one percent, in 13 KiB.
const DIGITS: u8 = 2;

/// What the calls of one version came to since it was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figures {
    /// Calls that ended, each page and each delivery for itself.
    pub calls: u64,
    /// Of all attempts, those that the version is to blame for: traps, broken
    /// contracts, answers of the product that it did not understand.
    pub failed: u64,
    /// Of these, those that were stopped: crashes and limits.
    pub traps: u64,
    /// How long half of the calls took at most, in microseconds.
    pub p50_us: u64,
    /// How long 95 of 100 took at most.
    pub p95_us: u64,
    /// How long 99 of 100 took at most.
    pub p99_us: u64,
    /// The most memory that one instance had, in bytes.
    pub peak_memory_bytes: u64,
}

/// How a call ended, as far as its version is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It did its work, or others are to blame that it did not.
    Well,
    /// It did what it must not.
    Failed,
    /// It was stopped.
    Stopped,
}

/// Figures while they grow.
#[derive(Debug)]
pub(super) struct Counts {
    calls: u64,
    failed: u64,
    traps: u64,
    peak_memory_bytes: u64,
    latency_us: Option<Histogram<u32>>,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            calls: 0,
            failed: 0,
            traps: 0,
            peak_memory_bytes: 0,
            // The bounds are right, so there is always one.
            latency_us: Histogram::new_with_bounds(1, LONGEST_US, DIGITS).ok(),
        }
    }

    /// Counts a call that ended.
    pub(super) fn call(&mut self, took: Duration, memory_bytes: u64) {
        self.calls += 1;
        self.peak_memory_bytes = self.peak_memory_bytes.max(memory_bytes);
        if let Some(latency) = &mut self.latency_us {
            latency.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// Counts how one ended that may not have been counted as a call.
    pub(super) fn ended(&mut self, ended: Ended) {
        self.failed += u64::from(ended != Ended::Well);
        self.traps += u64::from(ended == Ended::Stopped);
    }

    pub(super) fn figures(&self) -> Figures {
        let at = |quantile| {
            let latency = self.latency_us.as_ref();
            latency.map_or(0, |latency| latency.value_at_quantile(quantile))
        };
        Figures {
            calls: self.calls,
            failed: self.failed,
            traps: self.traps,
            p50_us: at(0.50),
            p95_us: at(0.95),
            p99_us: at(0.99),
            peak_memory_bytes: self.peak_memory_bytes,
        }
    }
}
