//! One connection's budget, shared by all its calls.

mod answer;
mod reservation;
mod state;
mod turn;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::header::{self, Usage};
use super::queue::Place;
use super::window::Window;
use super::{Clock, Priority, Reserve};
use crate::manifest::QuotaManifest;
use crate::store::{LedgerBucket, LedgerObservation};
use state::{LONGEST_PARK_MS, State, Unsaved, random};

pub use answer::{Budget, Forecast, QuotaError};
pub use reservation::Reservation;
pub use turn::Turn;

/// The shortest that calls are parked when the product says that the budget is
/// used up, in milliseconds: its own count may lag by as much.
const SHORTEST_PARK_MS: u64 = 60_000;

/// How long calls are parked if nothing is known of the budget, in milliseconds.
const BLIND_PARK_MS: u64 = 300_000;

/// A ledger is written back at once when so many calls are not yet stored.
pub(super) const UNSAVED_CALLS: u64 = 100;

/// Wakes whoever writes ledgers back.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// Something is not stored yet.
    pub(super) soon: Notify,
    /// Much is not stored yet.
    pub(super) now: Notify,
}

/// One connection's budget, as calls of one priority see it. Cheap to clone; all
/// clones are the same budget.
///
/// Who waits is served before those of a lower priority, and before those of the
/// same who come later, also if they ask for less. So a large job does well to
/// ask at a low one.
#[derive(Clone, Debug)]
pub struct Quota {
    shared: Arc<Shared>,
    priority: Priority,
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
            priority: Priority::default(),
        }
    }

    /// The same budget for calls of another priority.
    #[must_use]
    pub fn at(&self, priority: Priority) -> Self {
        Self {
            priority,
            ..self.clone()
        }
    }

    /// The priority of the calls that are taken here.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// Takes calls that are sent now, all or none.
    ///
    /// # Errors
    /// [`QuotaError`] says when to ask again.
    pub fn try_take(&self, calls: u32) -> Result<(), QuotaError> {
        self.take_at(Place::last(self.priority), calls)
    }

    /// Takes calls as [`Self::try_take`], waiting at most `max_wait` for them.
    /// If they are not expected in time, it does not wait.
    ///
    /// # Errors
    /// As [`Self::try_take`].
    pub async fn take(&self, calls: u32, max_wait: Duration) -> Result<(), QuotaError> {
        match self.try_take(calls) {
            Err(error) if is_passing(error, max_wait) => {
                let turn = self.turn(calls);
                turn.until(max_wait, |_| {}, || turn.try_take(calls)).await
            }
            outcome => outcome,
        }
    }

    /// Sets calls aside, all or none.
    ///
    /// # Errors
    /// As [`Self::try_take`].
    pub fn try_reserve(&self, calls: u32) -> Result<Reservation, QuotaError> {
        self.reserve_at(Place::last(self.priority), calls)
    }

    /// Sets calls aside as [`Self::try_reserve`], waiting at most `max_wait` for
    /// them. If they are not expected in time, it does not wait.
    ///
    /// # Errors
    /// As [`Self::try_take`].
    pub async fn reserve(&self, calls: u32, max_wait: Duration) -> Result<Reservation, QuotaError> {
        match self.try_reserve(calls) {
            Err(error) if is_passing(error, max_wait) => {
                let turn = self.turn(calls);
                turn.until(max_wait, |_| {}, || turn.try_reserve(calls))
                    .await
            }
            outcome => outcome,
        }
    }

    /// A place among those who wait, behind all others of this priority.
    #[must_use]
    pub fn turn(&self, calls: u32) -> Turn {
        Turn::new(self.clone(), calls)
    }

    /// Waits out a pause that the product asked for; needed before a reserved
    /// call is spent, which else is refused.
    ///
    /// # Errors
    /// As [`Self::try_take`], if the pause is longer than `max_wait`.
    pub async fn ready(&self, max_wait: Duration) -> Result<(), QuotaError> {
        let turn = self.turn(0);
        let no_pause = || self.state().pause(self.shared.clock.now_ms());
        turn.until(max_wait, |_| {}, no_pause).await
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
        let limit = state.window.limit();
        let usable = limit.map(|limit| state.reserve.usable_by(limit, self.priority));
        Budget {
            limit,
            used: state.window.used(),
            kept: limit.zip(usable).map(|(limit, usable)| limit - usable),
            available: usable.map(|usable| usable.saturating_sub(state.committed())),
            window_ms: state.window.window_ms(),
        }
    }

    /// When so many more calls at this priority will have been made, if they are
    /// made as soon as the budget allows, others go on using it as they lately
    /// did, and of our own calls only those that wait now come before. An
    /// estimate, as good as these.
    #[must_use]
    pub fn forecast(&self, calls: u64) -> Forecast {
        let mut state = self.state();
        let now_ms = self.shared.clock.now_ms();
        state.window.advance(now_ms);
        let Some(limit) = state.window.limit() else {
            return Forecast {
                at_once: calls,
                done_in: Some(Duration::ZERO),
            };
        };
        let usable = state.reserve.usable_by(limit, self.priority);
        let ahead = state.queue.ahead(Place::last(self.priority), now_ms);
        let outlook = state
            .window
            .forecast(now_ms, (ahead, calls), usable, state.reserved);
        let pause = state.pause(now_ms).err().and_then(|error| error.wait());
        Forecast {
            at_once: if pause.is_some() { 0 } else { outlook.at_once },
            done_in: outlook
                .done_in_ms
                .map(|ms| Duration::from_millis(ms).max(pause.unwrap_or_default())),
        }
    }

    /// How long until so many calls are expected to be free; `None` if that will
    /// never be. An estimate.
    #[must_use]
    pub fn expected_wait(&self, calls: u32) -> Option<Duration> {
        match self.could_take(Place::last(self.priority), calls) {
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

    fn could_take(&self, place: Place, calls: u32) -> Result<(), QuotaError> {
        let now_ms = self.shared.clock.now_ms();
        self.state().admit(now_ms, u64::from(calls), place)
    }

    fn take_at(&self, place: Place, calls: u32) -> Result<(), QuotaError> {
        let mut state = self.state();
        let now_ms = self.shared.clock.now_ms();
        state.admit(now_ms, u64::from(calls), place)?;
        self.count(&mut state, now_ms, u64::from(calls));
        Ok(())
    }

    fn reserve_at(&self, place: Place, calls: u32) -> Result<Reservation, QuotaError> {
        let mut state = self.state();
        let now_ms = self.shared.clock.now_ms();
        state.admit(now_ms, u64::from(calls), place)?;
        state.reserved += u64::from(calls);
        Ok(Reservation {
            quota: self.clone(),
            remaining: calls,
        })
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

/// Whether it is worth to stand in line after this.
fn is_passing(error: QuotaError, max_wait: Duration) -> bool {
    error.wait().is_some() && !max_wait.is_zero()
}

/// The window of a manifest, in milliseconds. At most a year: longer ones are
/// not sold, and sums with them stay far from overflow.
pub(super) fn window_ms(manifest: &QuotaManifest) -> u64 {
    const YEAR_S: u64 = 366 * 24 * 60 * 60;
    manifest.window_s.clamp(1, YEAR_S) * 1_000
}
