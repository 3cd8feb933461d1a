//! How long work may go without getting on: a time limit that others begin anew,
//! or hold while somebody else is to act, unless it is firm.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// A time limit. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Patience(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limit: Duration,
    left: Duration,
    /// Since when it counts; `None` while it is held.
    since: Option<Instant>,
    /// It cannot be begun anew or held.
    is_firm: bool,
}

impl Patience {
    /// A limit that counts from now on.
    pub(crate) fn new(limit: Duration) -> Self {
        Self(Arc::new(Mutex::new(State::full(limit))))
    }

    /// A limit that counts from now on, whatever happens meanwhile.
    pub(crate) fn firm(limit: Duration) -> Self {
        let state = State {
            is_firm: true,
            ..State::full(limit)
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The whole time from now on, of a firm limit as well, unless it is held: for work
    /// that had to wait before it could begin.
    pub(crate) fn begin(&self) {
        let mut state = self.lock();
        state.left = state.limit;
        state.since = state.since.map(|_| Instant::now());
    }

    /// The limit.
    pub(crate) fn limit(&self) -> Duration {
        self.lock().limit
    }

    /// The whole time again, from now on.
    pub(crate) fn renew(&self) {
        let limit = self.limit();
        self.renew_with(limit);
    }

    /// Another limit in the place of this one, from now on.
    pub(crate) fn renew_with(&self, limit: Duration) {
        let mut state = self.lock();
        if !state.is_firm {
            *state = State::full(limit);
        }
    }

    /// Time does not count until [`Self::go_on`].
    pub(crate) fn hold(&self) {
        let mut state = self.lock();
        if !state.is_firm {
            state.left = state.left();
            state.since = None;
        }
    }

    /// Time counts again, if it was held.
    pub(crate) fn go_on(&self) {
        self.lock().since.get_or_insert_with(Instant::now);
    }

    /// Runs `work` for as long as there is time; `None` if it ran out.
    pub(crate) async fn of<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        loop {
            let wait = self.lock().wait();
            match timeout(wait, work.as_mut()).await {
                Ok(output) => return Some(output),
                Err(_) if self.lock().is_over() => return None,
                // It was begun anew or held meanwhile.
                Err(_) => {}
            }
        }
    }

    /// A panic of another holder leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn full(limit: Duration) -> Self {
        Self {
            limit,
            left: limit,
            since: Some(Instant::now()),
            is_firm: false,
        }
    }

    fn left(&self) -> Duration {
        let passed = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.left.saturating_sub(passed)
    }

    fn is_over(&self) -> bool {
        self.since.is_some() && self.left().is_zero()
    }

    /// When to look again. Held time does not run out, whatever is left of it.
    fn wait(&self) -> Duration {
        if self.since.is_some() {
            self.left()
        } else {
            self.limit
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn work_that_gets_on_has_time_for_each_step_and_not_for_the_whole() {
        let patience = Patience::new(3 * SECOND);
        let steps = async {
            for _ in 0..10 {
                tokio::time::sleep(2 * SECOND).await;
                patience.renew();
            }
        };
        assert_eq!(patience.of(steps).await, Some(()));
        let begun = Instant::now();
        assert_eq!(patience.of(pending::<()>()).await, None);
        assert_eq!(begun.elapsed(), 3 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_is_held_does_not_count() {
        let patience = Patience::new(3 * SECOND);
        let begun = Instant::now();
        let held = async {
            tokio::time::sleep(2 * SECOND).await;
            patience.hold();
            tokio::time::sleep(100 * SECOND).await;
            patience.go_on();
            pending::<()>().await;
        };
        assert_eq!(patience.of(held).await, None);
        let passed = begun.elapsed();
        assert!(
            passed >= 103 * SECOND && passed <= 106 * SECOND,
            "{passed:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_counts_from_when_the_work_begins() {
        for patience in [Patience::new(3 * SECOND), Patience::firm(3 * SECOND)] {
            tokio::time::sleep(2 * SECOND).await;
            let begun = Instant::now();
            patience.begin();
            assert_eq!(patience.of(pending::<()>()).await, None);
            assert_eq!(begun.elapsed(), 3 * SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_firm_limit_is_neither_held_nor_begun_anew() {
        let patience = Patience::firm(3 * SECOND);
        let begun = Instant::now();
        let work = async {
            loop {
                patience.hold();
                tokio::time::sleep(2 * SECOND).await;
                patience.go_on();
                patience.renew();
            }
        };
        assert_eq!(patience.of(work).await, None::<()>);
        assert_eq!(begun.elapsed(), 3 * SECOND);
    }
}
