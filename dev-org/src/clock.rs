//! The org's clock: the system's, shifted by an offset that tests set.
//! Everything that ages (sessions, codes, the rolling day of the quota, the
//! stamps on records, events) reads this one, so a test moves time instead of
//! waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

/// A shared clock; clones show the same time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    hands: Arc<Hands>,
}

#[derive(Debug, Default)]
struct Hands {
    offset_ms: AtomicI64,
    /// Wakes those who wait for a time when the offset changes.
    moved: Notify,
}

impl Clock {
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) fn now_ms(&self) -> i64 {
        let system = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0));
        system.saturating_add(self.offset_ms())
    }

    pub(crate) fn offset_ms(&self) -> i64 {
        self.hands.offset_ms.load(Ordering::Acquire)
    }

    pub(crate) fn set_offset_ms(&self, offset_ms: i64) {
        self.hands.offset_ms.store(offset_ms, Ordering::Release);
        self.hands.moved.notify_waiters();
    }

    /// Waits until it is `at_ms`, whether time passes or is moved.
    pub(crate) async fn reach(&self, at_ms: i64) {
        loop {
            // Listened to before the look, so that no move falls in between.
            let moved = self.hands.moved.notified();
            let left_ms = u64::try_from(at_ms - self.now_ms()).unwrap_or(0);
            if left_ms == 0 {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(left_ms)) => {}
                () = moved => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_time_is_woken_when_the_clock_is_moved_there() {
        let clock = Clock::default();
        let at_ms = clock.now_ms() + 3_600_000;
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.reach(at_ms).await }
        });
        clock.set_offset_ms(1_800_000);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.set_offset_ms(3_600_001);
        waiting.await.unwrap();
    }
}
