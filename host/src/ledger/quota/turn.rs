//! A place among those who wait for calls, and the waiting.

use std::time::Duration;

use tokio::time::Instant;

use super::{Quota, QuotaError, Reservation};
use crate::ledger::queue::Place;

/// The longest nap of a waiting task. Time may pass that a sleeping process does
/// not see, and calls free up when the product says so to anybody.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// A place among those who wait for calls. Given up when it is dropped, and
/// passed over when nobody comes back for it.
#[derive(Debug)]
pub struct Turn {
    quota: Quota,
    place: Place,
    calls: u32,
}

impl Turn {
    pub(super) fn new(quota: Quota, calls: u32) -> Self {
        let place = quota.state().queue.join(quota.priority);
        Self {
            quota,
            place,
            calls,
        }
    }

    /// How many calls are waited for.
    #[must_use]
    pub const fn calls(&self) -> u32 {
        self.calls
    }

    /// Waits until the calls can be taken, without taking them, at most `longest`.
    /// If they are not expected in time, it does not wait. `told` hears how long
    /// it is expected to take, at first and whenever that has changed by a minute
    /// or more.
    ///
    /// # Errors
    /// As [`Quota::try_take`].
    pub async fn wait(
        &self,
        longest: Duration,
        mut told: impl FnMut(Duration),
    ) -> Result<(), QuotaError> {
        let begun = Instant::now();
        let mut told_end: Option<Duration> = None;
        self.until(
            longest,
            |wait| {
                let end = begun.elapsed() + wait;
                if told_end.is_none_or(|before| before.abs_diff(end) >= LONGEST_NAP) {
                    told_end = Some(end);
                    told(wait);
                }
            },
            || self.quota.could_take(self.place, self.calls),
        )
        .await
    }

    /// Takes calls from this place, see [`Quota::try_take`].
    ///
    /// # Errors
    /// As [`Quota::try_take`].
    pub fn try_take(&self, calls: u32) -> Result<(), QuotaError> {
        self.quota.take_at(self.place, calls)
    }

    /// Sets calls aside from this place, see [`Quota::try_reserve`].
    ///
    /// # Errors
    /// As [`Quota::try_take`].
    pub fn try_reserve(&self, calls: u32) -> Result<Reservation, QuotaError> {
        self.quota.reserve_at(self.place, calls)
    }

    /// Tries until it succeeds, at most `longest`, and whenever it may.
    pub(super) async fn until<T>(
        &self,
        longest: Duration,
        mut before_nap: impl FnMut(Duration),
        attempt: impl Fn() -> Result<T, QuotaError>,
    ) -> Result<T, QuotaError> {
        let begun = Instant::now();
        loop {
            // Listens before it looks, so that nothing is missed in between.
            let freed = self.quota.shared.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let error = match attempt() {
                Ok(given) => return Ok(given),
                Err(error) => error,
            };
            let left = longest.saturating_sub(begun.elapsed());
            let Some(wait) = error.wait() else {
                return Err(error);
            };
            if left.is_zero() || (wait > left && !self.can_be_sooner(error)) {
                return Err(error);
            }
            let nap = wait.min(left).min(LONGEST_NAP);
            self.keep(nap);
            before_nap(wait);
            if matches!(error, QuotaError::BackingOff { .. }) {
                // Nothing but time helps, and all have pauses of their own, so
                // that they do not come back in step.
                tokio::time::sleep(nap).await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                () = freed => {}
            }
        }
    }

    /// Whether what stands in the way can go at any time.
    fn can_be_sooner(&self, error: QuotaError) -> bool {
        let state = self.quota.state();
        let now_ms = self.quota.shared.clock.now_ms();
        matches!(error, QuotaError::Exhausted { .. })
            && (state.reserved > 0 || state.queue.ahead(self.place, now_ms) > 0)
    }

    fn keep(&self, nap: Duration) {
        let mut state = self.quota.state();
        let nap_ms = u64::try_from(nap.as_millis()).unwrap_or(u64::MAX);
        let until_ms = self.quota.shared.clock.now_ms().saturating_add(nap_ms);
        state
            .queue
            .keep(self.place, u64::from(self.calls), until_ms);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.quota.state().queue.leave(self.place);
        self.quota.shared.freed.notify_waiters();
    }
}
