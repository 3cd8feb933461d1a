//! How slowly a body may come.
//!
//! Two limits: silence, and an average that an endless drip of single bytes
//! cannot keep up. Only time spent waiting for the other side counts, so that a
//! reader who takes its time (a guest that works on each page) breaks neither.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// The longest silence within a body. Products pause for seconds while they
/// read the next part from their own store, not for longer.
pub const BODY_IDLE: Duration = Duration::from_secs(30);

/// How much waiting is free before the average counts.
const DRIP_GRACE: Duration = Duration::from_secs(60);

/// The least average, in bytes a second of waiting: below a slow modem.
const DRIP_BYTES_PER_S: u64 = 256;

/// The clock of one body.
pub(super) struct Pace {
    arrived: u64,
    waited: Duration,
    since: Option<Instant>,
    limit: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            arrived: 0,
            waited: Duration::ZERO,
            since: None,
            limit: BODY_IDLE,
            timer: Box::pin(sleep(BODY_IDLE)),
        }
    }

    /// Notes bytes that came over the wire.
    pub(super) fn arrived(&mut self, bytes: usize) {
        self.arrived = self.arrived.saturating_add(bytes as u64);
        if let Some(since) = self.since.take() {
            self.waited = self.waited.saturating_add(since.elapsed());
        }
    }

    /// Waits on; ready with the limit that ran out.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        if self.since.is_none() {
            let now = Instant::now();
            let allowed = DRIP_GRACE
                .saturating_add(Duration::from_secs(self.arrived / DRIP_BYTES_PER_S))
                .saturating_sub(self.waited);
            let wait = allowed.min(BODY_IDLE);
            self.limit = if wait < BODY_IDLE {
                DRIP_GRACE
            } else {
                BODY_IDLE
            };
            self.since = Some(now);
            self.timer.as_mut().reset(now + wait);
        }
        self.timer.as_mut().poll(cx).map(|()| self.limit)
    }
}
