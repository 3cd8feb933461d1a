//! Pauses after faults: they grow until something goes well.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The first pause.
const SHORTEST: Duration = Duration::from_secs(1);

/// The longest: an org that is back is noticed within this time.
const LONGEST: Duration = Duration::from_secs(60);

/// The pauses of one loop.
#[derive(Debug, Default)]
pub(super) struct Pace(AtomicU32);

impl Pace {
    /// Something went well: the next pause is short again.
    pub(super) fn went_well(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The next pause, twice the one before.
    pub(super) fn next(&self) -> Duration {
        let faults = self.0.fetch_add(1, Ordering::Relaxed);
        LONGEST.min(SHORTEST.saturating_mul(1_u32.checked_shl(faults).unwrap_or(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_are_short_again_when_something_went_well() {
        let pace = Pace::default();
        let seconds: Vec<u64> = (0..8).map(|_| pace.next().as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        for _ in 0..100 {
            assert!(pace.next() <= LONGEST);
        }
        pace.went_well();
        assert_eq!(pace.next(), SHORTEST);
    }
}
