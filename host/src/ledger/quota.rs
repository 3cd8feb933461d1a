//! One connection's budget, shared by all its calls.

mod answer;
mod reservation;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::header::{self, Usage};
use super::window::Window;
use super::{Clock, Reserve};
use crate::manifest::QuotaManifest;
use crate::store::{LedgerBucket, LedgerObservation};
use state::{LONGEST_PARK_MS, State, Unsaved, random};

pub use answer::{Budget, QuotaError};
pub use reservation::Reservation;

/// The shortest that calls are parked when the product says that the budget is
/// used up, in milliseconds: its own count may lag by as much.
const SHORTEST_PARK_MS: u64 = 60_000;

/// How long calls are parked if nothing is known of the budget, in milliseconds.
const BLIND_PARK_MS: u64 = 300_000;

/// A ledger is written back at once when so many calls are not yet stored.
pub(super) const UNSAVED_CALLS: u64 = 20;

/// Wakes whoever writes ledgers back.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// Something is not stored yet.
    pub(super) soon: Notify,
    /// Much is not stored yet.
    pub(super) now: Notify,
}

/// One connection's budget. Cheap to clone; all clones are the same budget.
///
/// Calls are given to whoever asks at the right moment; who waits for many may
/// have to wait behind those who ask for few.
#[derive(Clone, Debug)]
pub struct Quota {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Something changed that may let a waiting caller through.
    freed: Notify,
    clock: Clock,
    entry: String,
    signals: Arc<Signals>,
}

impl Quota {
    /// A budget of which nothing is known yet.
    #[must_use]
    pub fn new(manifest: &QuotaManifest, reserve: Reserve, clock: Clock) -> Self {
        let window = Window::new(window_ms(manifest));
        Self::of(manifest, window, reserve, clock, Arc::default())
    }

    pub(super) fn of(
        manifest: &QuotaManifest,
        window: Window,
        reserve: Reserve,
        clock: Clock,
        signals: Arc<Signals>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new(window, reserve)),
                freed: Notify::new(),
                clock,
                entry: manifest.entry.clone(),
                signals,
            }),
        }
    }

    /// Takes calls that are sent now, all or none.
    ///
    /// # Errors
    /// [`QuotaError`] says when to ask again.
    pub fn try_take(&self, calls: u32) -> Result<(), QuotaError> {
        let mut state = self.state();
        let now_ms = self.shared.clock.now_ms();
        state.admit(now_ms, u64::from(calls))?;
        self.count(&mut state, now_ms, u64::from(calls));
        Ok(())
    }

    /// Takes calls as [`Self::try_take`], waiting at most `max_wait` for them.
    /// If they are not expected in time, it does not wait.
    ///
    /// # Errors
    /// As [`Self::try_take`].
    pub async fn take(&self, calls: u32, max_wait: Duration) -> Result<(), QuotaError> {
        self.wait(max_wait, || self.try_take(calls)).await
    }

    /// Sets calls aside, all or none.
    ///
    /// # Errors
    /// As [`Self::try_take`].
    pub fn try_reserve(&self, calls: u32) -> Result<Reservation, QuotaError> {
        let mut state = self.state();
        state.admit(self.shared.clock.now_ms(), u64::from(calls))?;
        state.reserved += u64::from(calls);
        Ok(Reservation {
            quota: self.clone(),
            remaining: calls,
        })
    }

    /// Sets calls aside as [`Self::try_reserve`], waiting at most `max_wait` for
    /// them. If they are not expected in time, it does not wait.
    ///
    /// # Errors
    /// As [`Self::try_take`].
    pub async fn reserve(&self, calls: u32, max_wait: Duration) -> Result<Reservation, QuotaError> {
        self.wait(max_wait, || self.try_reserve(calls)).await
    }

    /// Waits out a pause that the product asked for; needed before a reserved
    /// call is spent, which else is refused.
    ///
    /// # Errors
    /// As [`Self::try_take`], if the pause is longer than `max_wait`.
    pub async fn ready(&self, max_wait: Duration) -> Result<(), QuotaError> {
        let no_pause = || self.state().pause(self.shared.clock.now_ms());
        self.wait(max_wait, no_pause).await
    }

    /// Reads the product's header of this budget, and says whether it was one.
    pub fn observe(&self, header: &str) -> bool {
        let Some(usage) = header::usage(header, &self.shared.entry) else {
            return false;
        };
        let mut state = self.state();
        let before = state.window.reported();
        state.window.observe(self.shared.clock.now_ms(), usage);
        // A moment later of the same numbers is not worth a write.
        let told = |report: LedgerObservation| (report.used, report.limit);
        if before.map(told) != state.window.reported().map(told) {
            state.unsaved_report = true;
            self.shared.signals.soon.notify_one();
        }
        drop(state);
        self.shared.freed.notify_waiters();
        true
    }

    /// The product refused a call because the budget is used up: no calls are
    /// given until some are expected to be free. Gives the time until then.
    pub fn exhausted(&self) -> Duration {
        let mut state = self.state();
        let now_ms = self.shared.clock.now_ms();
        state.window.advance(now_ms);
        let estimate = state.window.limit().and_then(|limit| {
            let used = state.window.used().max(limit);
            state.window.observe(now_ms, Usage { used, limit });
            state.unsaved_report = true;
            self.shared.signals.soon.notify_one();
            state.window.until_freed_ms(now_ms, used - limit + 1)
        });
        let park_ms = estimate.map_or(BLIND_PARK_MS, |estimate| {
            estimate.clamp(SHORTEST_PARK_MS, LONGEST_PARK_MS)
        });
        state.parked_until_ms = now_ms.saturating_add(park_ms);
        Duration::from_millis(park_ms)
    }

    /// The product refused a call because too much was going on at once: nobody
    /// is given calls for a while, longer each time it happens in a row. Gives
    /// the time that this caller should wait.
    pub fn too_many_at_once(&self) -> Duration {
        let mut state = self.state();
        let now_ms = self.shared.clock.now_ms();
        state.backoff.signal(now_ms, random());
        Duration::from_millis(state.backoff.wait_ms(now_ms, random()))
    }

    /// Where the budget stands.
    #[must_use]
    pub fn status(&self) -> Budget {
        let mut state = self.state();
        state.window.advance(self.shared.clock.now_ms());
        Budget {
            limit: state.window.limit(),
            used: state.window.used(),
            available: state.available(),
            window_ms: state.window.window_ms(),
        }
    }

    /// How long until so many calls are expected to be free; `None` if that will
    /// never be. An estimate.
    #[must_use]
    pub fn expected_wait(&self, calls: u32) -> Option<Duration> {
        let admitted = self
            .state()
            .admit(self.shared.clock.now_ms(), u64::from(calls));
        match admitted {
            Ok(()) => Some(Duration::ZERO),
            Err(error) => error.wait(),
        }
    }

    /// Changes what the operator keeps back. Calls already reserved stay so.
    pub fn set_reserve(&self, reserve: Reserve) {
        let mut state = self.state();
        if state.reserve != reserve {
            state.reserve = reserve;
            drop(state);
            self.shared.freed.notify_waiters();
        }
    }

    /// Takes out what is not stored yet.
    pub(super) fn take_unsaved(&self) -> Unsaved {
        let mut state = self.state();
        state.unsaved_calls = 0;
        Unsaved {
            calls: std::mem::take(&mut state.unsaved)
                .into_iter()
                .map(|(start_ms, calls)| LedgerBucket { start_ms, calls })
                .collect(),
            report: std::mem::take(&mut state.unsaved_report)
                .then(|| state.window.reported())
                .flatten(),
        }
    }

    /// Puts back what could not be stored.
    pub(super) fn put_back(&self, unsaved: &Unsaved) {
        let mut state = self.state();
        for bucket in &unsaved.calls {
            *state.unsaved.entry(bucket.start_ms).or_default() += bucket.calls;
            state.unsaved_calls += bucket.calls;
        }
        state.unsaved_report |= unsaved.report.is_some();
        self.shared.signals.soon.notify_one();
    }

    /// Whether nobody uses this and nothing would be lost with it.
    pub(super) fn is_idle(&self) -> bool {
        let mut state = self.state();
        let now_ms = self.shared.clock.now_ms();
        Arc::strong_count(&self.shared) == 1
            && state.unsaved.is_empty()
            && !state.unsaved_report
            && state.pause(now_ms).is_ok()
    }

    /// The oldest bucket that still counts, for the store to prune.
    pub(super) fn oldest_ms(&self) -> u64 {
        self.state().window.oldest_ms(self.shared.clock.now_ms())
    }

    fn count(&self, state: &mut State, now_ms: u64, calls: u64) {
        state.window.count(now_ms, calls);
        let bucket = state.window.bucket(now_ms);
        *state.unsaved.entry(bucket).or_default() += calls;
        state.unsaved_calls += calls;
        self.shared.signals.soon.notify_one();
        if state.unsaved_calls >= UNSAVED_CALLS {
            self.shared.signals.now.notify_one();
        }
    }

    async fn wait<T>(
        &self,
        max_wait: Duration,
        attempt: impl Fn() -> Result<T, QuotaError>,
    ) -> Result<T, QuotaError> {
        let begun = Instant::now();
        loop {
            // Listens before it looks, so that nothing is missed in between.
            let freed = self.shared.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let error = match attempt() {
                Ok(given) => return Ok(given),
                Err(error) => error,
            };
            let left = max_wait.saturating_sub(begun.elapsed());
            let Some(wait) = error.wait() else {
                return Err(error);
            };
            // A reservation can end at any time.
            let can_be_sooner =
                matches!(error, QuotaError::Exhausted { .. }) && self.state().reserved > 0;
            if left.is_zero() || (wait > left && !can_be_sooner) {
                return Err(error);
            }
            tokio::select! {
                () = tokio::time::sleep(wait.min(left)) => {}
                () = freed => {}
            }
        }
    }

    /// Nothing panics while the lock is held; if something did, the numbers are
    /// still the best that there are.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The window of a manifest, in milliseconds. At most a year: longer ones are
/// not sold, and sums with them stay far from overflow.
pub(super) fn window_ms(manifest: &QuotaManifest) -> u64 {
    const YEAR_S: u64 = 366 * 24 * 60 * 60;
    manifest.window_s.clamp(1, YEAR_S) * 1_000
}
