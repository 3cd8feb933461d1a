//! A count over the last 24 hours, which all of Salesforce's daily limits are.

use std::collections::VecDeque;

const MINUTE_MS: i64 = 60_000;

/// A day, in milliseconds.
pub(crate) const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// What happened in the last 24 hours, by minute, oldest first. Minutes are
/// fine enough for a day and keep the window at 1,440 entries.
#[derive(Debug, Default)]
pub(crate) struct Rolling {
    minutes: VecDeque<(i64, u64)>,
    used: u64,
}

impl Rolling {
    /// The count of the 24 hours before `now_ms`.
    pub(crate) fn used(&mut self, now_ms: i64) -> u64 {
        while let Some((minute, count)) = self.minutes.front().copied() {
            // A clock that was set back leaves minutes in the future; they
            // would never age, so they go too.
            let age = now_ms - minute;
            if (0..DAY_MS).contains(&age) || (-MINUTE_MS..0).contains(&age) {
                break;
            }
            self.used -= count;
            self.minutes.pop_front();
        }
        self.used
    }

    /// Pretends that exactly this many happened, all of them now.
    pub(crate) fn set_used(&mut self, now_ms: i64, used: u64) {
        self.minutes.clear();
        self.used = 0;
        self.add(now_ms, used);
    }

    /// Counts some more.
    pub(crate) fn add(&mut self, now_ms: i64, count: u64) {
        let minute = now_ms - now_ms.rem_euclid(MINUTE_MS);
        self.used += count;
        match self.minutes.back_mut() {
            Some((last, total)) if *last == minute => *total += count,
            _ => self.minutes.push_back((minute, count)),
        }
    }
}
