//! Pauses after faults: they grow until something goes well, and meanwhile it can be
//! told what is waited for.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The first pause.
const SHORTEST: Duration = Duration::from_secs(1);

/// Why loops wait, by their names.
type Waits = Mutex<BTreeMap<&'static str, String>>;

/// The pauses of one loop.
#[derive(Debug)]
pub(super) struct Pace<'a> {
    name: &'static str,
    longest: Duration,
    faults: AtomicU32,
    waits: &'a Waits,
}

impl<'a> Pace<'a> {
    pub(super) fn new(name: &'static str, longest: Duration, waits: &'a Waits) -> Self {
        Self {
            name,
            longest,
            faults: AtomicU32::new(0),
            waits,
        }
    }

    /// Something went well: the next pause is short again.
    pub(super) fn went_well(&self) {
        if self.faults.swap(0, Ordering::Relaxed) > 0 {
            let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
            waits.remove(self.name);
        }
    }

    /// The next pause, twice the one before.
    pub(super) fn next(&self, why: &impl Display) -> Duration {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.insert(self.name, why.to_string());
        let faults = self.faults.fetch_add(1, Ordering::Relaxed);
        self.longest
            .min(SHORTEST.saturating_mul(1_u32.checked_shl(faults).unwrap_or(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_are_short_again_when_something_went_well() {
        let waits = Waits::default();
        let pace = Pace::new("send", Duration::from_mins(1), &waits);
        let seconds: Vec<u64> = (0..8).map(|_| pace.next(&"busy").as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        for _ in 0..100 {
            assert!(pace.next(&"still busy") <= Duration::from_mins(1));
        }
        assert_eq!(waits.lock().unwrap()["send"], "still busy");
        pace.went_well();
        assert!(waits.lock().unwrap().is_empty());
        assert_eq!(pace.next(&"busy"), SHORTEST);
    }
}
