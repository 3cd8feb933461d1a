//! When so many more calls will have been made, if nothing changes: the window
//! played forward, bucket by bucket.

use std::collections::BTreeMap;

use super::{BUCKETS, Window};

/// How far is looked ahead, in windows: with a window of a day, a job of more than
/// three months is not one to be forecast.
const HORIZON_WINDOWS: u64 = 100;

/// How far is looked back for what others use, in parts of a window: with a
/// window of a day, the last six hours.
const LATELY: u64 = 4;

/// What is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct Outlook {
    /// How many of the calls can be made at once.
    pub(in crate::ledger) at_once: u64,
    /// How long until the last of them has been made, in milliseconds; `None` if
    /// that is farther away than can be seen.
    pub(in crate::ledger) done_in_ms: Option<u64>,
}

impl Window {
    /// Plays on: whoever wants `calls` makes each as soon as no more than
    /// `usable` are in use, others go on as they lately did, `aside` calls that
    /// are set aside stay so, and `ahead` calls are made before.
    ///
    /// Others' calls are taken to come evenly. What they do in bursts, or begin
    /// and end, makes the answer wrong by as much.
    pub(in crate::ledger) fn forecast(
        &self,
        now_ms: u64,
        (ahead, calls): (u64, u64),
        usable: u64,
        aside: u64,
    ) -> Outlook {
        let lived_ms = self.bucket_ms + self.window_ms;
        // When how many cease to count.
        let mut leaving: BTreeMap<u64, u64> = BTreeMap::new();
        for (start_ms, calls) in self.own.iter().chain(&self.others) {
            *leaving.entry(start_ms + lived_ms).or_default() += calls;
        }
        let mut used = self.used.saturating_add(aside);
        let mut left = ahead.saturating_add(calls);
        let mut at_once = None;
        let lately = Lately::of(self, now_ms);
        let steps = (self.window_ms / self.bucket_ms + 1).saturating_mul(HORIZON_WINDOWS);
        for step in 0..steps {
            let at_ms = match step {
                0 => now_ms,
                _ => self.bucket(now_ms) + step * self.bucket_ms,
            };
            while let Some(first) = leaving.first_entry()
                && *first.key() <= at_ms
            {
                used = used.saturating_sub(first.remove());
            }
            let theirs = lately.in_step(step);
            let ours = usable.saturating_sub(used.saturating_add(theirs)).min(left);
            let made = theirs.saturating_add(ours);
            if made > 0 {
                used = used.saturating_add(made);
                *leaving.entry(self.bucket(at_ms) + lived_ms).or_default() += made;
            }
            left -= ours;
            let at_once = *at_once.get_or_insert(ours.saturating_sub(ahead));
            if left == 0 {
                return Outlook {
                    at_once,
                    done_in_ms: Some(at_ms - now_ms),
                };
            }
        }
        Outlook {
            at_once: at_once.unwrap_or_default(),
            done_in_ms: None,
        }
    }
}

/// What others have been using lately.
struct Lately {
    calls: u64,
    buckets: u64,
}

impl Lately {
    fn of(window: &Window, now_ms: u64) -> Self {
        let buckets = (BUCKETS / LATELY)
            .min(window.window_ms / window.bucket_ms)
            .max(1);
        let since_ms = window
            .bucket(now_ms)
            .saturating_sub((buckets - 1) * window.bucket_ms);
        Self {
            calls: window
                .others
                .range(since_ms..)
                .map(|(_, calls)| calls)
                .sum(),
            buckets,
        }
    }

    /// How many of them fall into a step from now; none into the one that began
    /// already. Parts of a call add up.
    fn in_step(&self, step: u64) -> u64 {
        let until = |step: u64| self.calls.saturating_mul(step) / self.buckets;
        until(step) - until(step.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::header::Usage;

    const MINUTE_MS: u64 = 60_000;
    const HOUR_MS: u64 = 60 * MINUTE_MS;
    const DAY_MS: u64 = 24 * HOUR_MS;
    const START_MS: u64 = 1_800_000_012_345;

    fn done_in(window: &Window, calls: u64, usable: u64) -> Option<u64> {
        window.forecast(START_MS, (0, calls), usable, 0).done_in_ms
    }

    /// Whether a forecast is this late, give or take two buckets.
    fn is_about(found: Option<u64>, expected_ms: u64) -> bool {
        found.is_some_and(|found| found.abs_diff(expected_ms) <= 10 * MINUTE_MS)
    }

    #[test]
    fn what_there_is_room_for_is_made_at_once_and_what_is_set_aside_is_not_there() {
        let mut window = Window::new(DAY_MS);
        window.count(START_MS, 40);
        assert_eq!(done_in(&window, 60, 100), Some(0));
        let outlook = window.forecast(START_MS, (0, 60), 100, 10);
        assert_eq!(outlook.at_once, 50);
        assert!(is_about(outlook.done_in_ms, DAY_MS), "{outlook:?}");
        let outlook = window.forecast(START_MS, (20, 60), 100, 0);
        assert_eq!(outlook.at_once, 40, "those ahead come first");
    }

    #[test]
    fn a_job_ends_when_enough_of_what_counts_now_has_left_the_window() {
        let mut window = Window::new(DAY_MS);
        window.count(START_MS - 20 * HOUR_MS, 30);
        window.count(START_MS - 10 * HOUR_MS, 70);
        assert!(is_about(done_in(&window, 30, 100), 4 * HOUR_MS));
        assert!(is_about(done_in(&window, 31, 100), 14 * HOUR_MS));
    }

    #[test]
    fn a_job_longer_than_the_budget_goes_on_when_its_own_calls_have_left() {
        let window = Window::new(DAY_MS);
        assert_eq!(done_in(&window, 1_000, 1_000), Some(0));
        for days in 1..=7 {
            let found = done_in(&window, days * 1_000 + 1, 1_000);
            // A day for us is a window and the bucket that counts to its end.
            assert!(
                is_about(found, days * (DAY_MS + 5 * MINUTE_MS)),
                "{found:?}"
            );
        }
    }

    #[test]
    fn others_go_on_as_they_lately_did_and_who_has_stopped_has_stopped() {
        let usage = Usage {
            used: 28_800,
            limit: 100_000,
        };
        // 100 in each bucket of the day; they go on like that.
        let mut window = Window::new(DAY_MS);
        window.observe(START_MS, usage);
        assert_eq!(done_in(&window, 1_000, 29_800), Some(0));
        assert_eq!(
            done_in(&window, 1_001, 29_800).map(|ms| ms / HOUR_MS),
            Some(24)
        );
        assert_eq!(done_in(&window, 1, 28_799), None, "there is never any room");
        // The same calls, seven hours later and nothing since.
        let mut window = Window::new(DAY_MS);
        window.observe(START_MS - 7 * HOUR_MS, usage);
        window.advance(START_MS);
        let room = window.used();
        assert!(is_about(done_in(&window, 1_200, room), HOUR_MS));
    }

    #[test]
    fn no_budget_never_suffices_and_nothing_is_always_done() {
        let window = Window::new(DAY_MS);
        assert_eq!(done_in(&window, 1, 0), None);
        assert_eq!(done_in(&window, 0, 0), Some(0));
        assert_eq!(done_in(&window, u64::MAX, 1), None);
        assert_eq!(
            done_in(&Window::new(1_000), 3, 1).map(|ms| ms / 1_000),
            Some(3)
        );
    }
}
