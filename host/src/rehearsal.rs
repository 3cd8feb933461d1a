//! Calls as a test makes them: on values of their own in the place of what is stored, by
//! a clock that only their own waits move, counted, and recorded if that is wanted.
//!
//! All else is as ever: the sandbox, the limits, the token, the rules for requests. So
//! what a connector does in a rehearsal it does at work.

mod recording;
mod values;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::connection::Connection;
pub use recording::RecordedExchange;
pub(crate) use recording::{Entry, Recording};
pub(crate) use values::{Expect, Values};

/// What is different for the calls of a rehearsal.
#[derive(Clone, Debug, Default)]
pub struct RehearsalOptions {
    /// What the connector finds in its storage, by key. Nothing else is there, and what
    /// it writes is gone with the rehearsal.
    pub values: BTreeMap<String, Vec<u8>>,
    /// What the connector's clock says at the beginning, in milliseconds since 1970. From
    /// then on only its own waits move it, and these pass at once, as soon as no request
    /// is under way. `None` leaves it the machine's clock and real waits.
    pub now_ms: Option<u64>,
    /// Takes no calls from the connection's budget, and heeds no pause that the product
    /// asks for: for a product that is played.
    pub is_uncounted: bool,
    /// Keeps each request with its answer, at most 64 MiB of both.
    pub is_recorded: bool,
}

/// Calls of a test, whose sum this knows. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Rehearsal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    values: Values,
    clock: Option<Clock>,
    is_uncounted: bool,
    recording: Option<Arc<Recording>>,
    usage: Mutex<CallUsage>,
}

/// A clock that stands still but for waits.
#[derive(Debug)]
struct Clock {
    begins_ms: u64,
    passed_ms: AtomicU64,
}

/// What calls of a connector have used, each in all its instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallUsage {
    /// HTTP requests, and exchanges of `stream`.
    pub requests: u64,
    /// Values that were read, and lists of keys.
    pub storage_reads: u64,
    /// Values that were written or removed, or should have been.
    pub storage_writes: u64,
    /// Messages in the log.
    pub log_lines: u64,
    /// Calls to the host of any kind.
    pub host_calls: u64,
    /// The most linear memory that one instance had, in bytes.
    pub memory_bytes: u64,
    /// Instructions of WebAssembly. `None` unless the host was built to
    /// [count them](crate::HostBuilder::count_instructions).
    pub instructions: Option<u64>,
}

impl Rehearsal {
    /// Begins one.
    #[must_use]
    pub fn new(options: RehearsalOptions) -> Self {
        let clock = options.now_ms.map(|begins_ms| Clock {
            begins_ms,
            passed_ms: AtomicU64::new(0),
        });
        Self(Arc::new(Inner {
            values: Values::new(options.values),
            clock,
            is_uncounted: options.is_uncounted,
            recording: options.is_recorded.then(Arc::default),
            usage: Mutex::default(),
        }))
    }

    /// What calls have used so far. One counts as soon as it has ended: pages and writers
    /// once they are dropped.
    #[must_use]
    pub fn usage(&self) -> CallUsage {
        *self.0.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is in the storage now, by key.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, Vec<u8>> {
        self.0.values.all()
    }

    /// Requests with their answers, in the order in which they were sent; none unless
    /// they are recorded.
    #[must_use]
    pub fn exchanges(&self) -> Vec<RecordedExchange> {
        let recording = self.0.recording.as_ref();
        recording
            .map(|recording| recording.all())
            .unwrap_or_default()
    }

    pub(crate) fn stored(&self) -> &Values {
        &self.0.values
    }

    pub(crate) fn is_uncounted(&self) -> bool {
        self.0.is_uncounted
    }

    pub(crate) fn recording(&self) -> Option<&Arc<Recording>> {
        self.0.recording.as_ref()
    }

    /// What the clock says, in milliseconds since 1970; `None` if it is the machine's.
    pub(crate) fn now_ms(&self) -> Option<u64> {
        let clock = self.0.clock.as_ref()?;
        Some(clock.begins_ms.saturating_add(self.passed_ms()?))
    }

    /// What has passed since the beginning, in milliseconds.
    pub(crate) fn passed_ms(&self) -> Option<u64> {
        let clock = self.0.clock.as_ref()?;
        Some(clock.passed_ms.load(Ordering::Relaxed))
    }

    /// Moves the clock on to this moment after the beginning, if it is not there yet:
    /// waits that run beside each other take as long as the longest.
    pub(crate) fn pass_to(&self, passed_ms: u64) {
        if let Some(clock) = &self.0.clock {
            clock.passed_ms.fetch_max(passed_ms, Ordering::Relaxed);
        }
    }

    /// Adds what an instance has used to its end.
    pub(crate) fn add(&self, used: CallUsage) {
        let mut usage = self.0.usage.lock().unwrap_or_else(PoisonError::into_inner);
        usage.requests += used.requests;
        usage.storage_reads += used.storage_reads;
        usage.storage_writes += used.storage_writes;
        usage.log_lines += used.log_lines;
        usage.host_calls += used.host_calls;
        usage.memory_bytes = usage.memory_bytes.max(used.memory_bytes);
        if let Some(instructions) = used.instructions {
            *usage.instructions.get_or_insert(0) += instructions;
        }
    }
}

impl Connection {
    /// The same connection with calls that are part of a rehearsal: for tests of
    /// connectors.
    #[must_use]
    pub fn rehearsing(&self, rehearsal: &Rehearsal) -> Self {
        let mut with = self.clone();
        with.how.rehearsal = Some(rehearsal.clone());
        with
    }
}
