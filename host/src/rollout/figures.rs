//! What calls came to, of one version and of one connection in it: how many, how many
//! failed, how long they took, and what they used.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest latency that is told apart, in microseconds: no call takes longer than
/// an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// Significant digits of latencies. Two are right to one percent, in 13 KiB.
pub(super) const OF_VERSION_DIGITS: u8 = 2;

/// One is right to a few percent, in 2 KiB: there are many connections.
pub(super) const OF_CONNECTION_DIGITS: u8 = 1;

/// What calls came to since their version was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
    /// How long instances had a core in all, in microseconds: guest code, and what the
    /// host did on its behalf.
    pub cpu_us: u64,
    /// How long calls waited in all, for an instance or for a turn on a core, in
    /// microseconds.
    pub queued_us: u64,
    /// Calls to the host, of any kind.
    pub host_calls: u64,
    /// Of these, HTTP requests and exchanges that were begun.
    pub requests: u64,
    /// Bytes that came in: bodies of answers, messages of exchanges, batches.
    pub bytes_in: u64,
    /// Bytes that went out: bodies of requests, messages of exchanges, records of
    /// batches that were kept.
    pub bytes_out: u64,
}

/// What the calls of one connection in one version of a package came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallFigures {
    /// The package's name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// `tenant/name`; empty for transforms that work for none, and `(others)` for the
    /// connections after the first 1,000.
    pub connection: String,
    /// Instances that are alive.
    pub instances: usize,
    /// What the calls came to.
    pub figures: Figures,
}

/// What an instance has used since it was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) memory_bytes: u64,
    pub(crate) cpu: Duration,
    pub(crate) queued: Duration,
    pub(crate) host_calls: u64,
    pub(crate) requests: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl Used {
    /// What was used since then. Memory is never given back.
    pub(super) const fn since(&self, then: &Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes,
            cpu: self.cpu.saturating_sub(then.cpu),
            queued: self.queued.saturating_sub(then.queued),
            host_calls: self.host_calls.saturating_sub(then.host_calls),
            requests: self.requests.saturating_sub(then.requests),
            bytes_in: self.bytes_in.saturating_sub(then.bytes_in),
            bytes_out: self.bytes_out.saturating_sub(then.bytes_out),
        }
    }
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
    /// All but what the latencies say.
    sums: Figures,
    latency_us: Option<Histogram<u32>>,
}

impl Counts {
    pub(super) fn new(digits: u8) -> Self {
        Self {
            sums: Figures::default(),
            // The bounds are right, so there is always one.
            latency_us: Histogram::new_with_bounds(1, LONGEST_US, digits).ok(),
        }
    }

    /// Counts a call that ended.
    pub(super) fn call(&mut self, took: Duration, used: &Used) {
        let sums = &mut self.sums;
        sums.calls += 1;
        sums.peak_memory_bytes = sums.peak_memory_bytes.max(used.memory_bytes);
        sums.cpu_us += micros(used.cpu);
        sums.queued_us += micros(used.queued);
        sums.host_calls += used.host_calls;
        sums.requests += used.requests;
        sums.bytes_in += used.bytes_in;
        sums.bytes_out += used.bytes_out;
        if let Some(latency) = &mut self.latency_us {
            latency.saturating_record(micros(took));
        }
    }

    /// Counts how one ended that may not have been counted as a call.
    pub(super) fn ended(&mut self, ended: Ended) {
        self.sums.failed += u64::from(ended != Ended::Well);
        self.sums.traps += u64::from(ended == Ended::Stopped);
    }

    pub(super) fn figures(&self) -> Figures {
        let at = |quantile| {
            let latency = self.latency_us.as_ref();
            latency.map_or(0, |latency| latency.value_at_quantile(quantile))
        };
        Figures {
            p50_us: at(0.50),
            p95_us: at(0.95),
            p99_us: at(0.99),
            ..self.sums
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
