//! What the operator keeps back of a budget, and what lower priorities leave.

use serde::{Deserialize, Serialize};

use super::Priority;

/// What calls of [`Priority::Sync`] leave to interactive ones unless the operator
/// says otherwise, in percent: enough for a person's questions of a day.
const SYNC_LEAVES_PERCENT: u8 = 10;

/// What calls of [`Priority::Backfill`] leave to all others unless the operator
/// says otherwise, in percent: a large job takes all that it may within an hour,
/// and the others must do with the rest until these calls leave the window, a day
/// later.
const BACKFILL_LEAVES_PERCENT: u8 = 30;

/// What the operator keeps back of a connection's budget, for the people and the
/// programs that share it. The stricter of the first two counts; by default
/// nothing is kept back.
///
/// Of what that leaves, calls of a lower priority leave a part to higher ones:
/// they are not given while more than the rest is in use, by whomever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reserve {
    /// Use at most this share of the limit, in percent. More than 100 is 100.
    pub max_share_percent: Option<u8>,
    /// Leave this many calls unused.
    pub keep_calls: Option<u64>,
    /// What calls of [`Priority::Sync`] leave of the rest, in percent; 10 if it is
    /// not said. More than 100 is 100.
    pub sync_leaves_percent: Option<u8>,
    /// What calls of [`Priority::Backfill`] leave of the rest, in percent; 30 if
    /// it is not said. Never less than what those of [`Priority::Sync`] leave.
    pub backfill_leaves_percent: Option<u8>,
}

impl Reserve {
    /// How many of `limit` calls may be used, by whomever.
    #[must_use]
    pub fn usable(self, limit: u64) -> u64 {
        let share = self
            .max_share_percent
            .map_or(limit, |percent| part(limit, percent));
        let kept = limit.saturating_sub(self.keep_calls.unwrap_or(0));
        share.min(kept)
    }

    /// How many of `limit` calls may be in use, by whomever, when a call of this
    /// priority is made.
    #[must_use]
    pub fn usable_by(self, limit: u64, priority: Priority) -> u64 {
        let sync = self.sync_leaves_percent.unwrap_or(SYNC_LEAVES_PERCENT);
        let backfill = self
            .backfill_leaves_percent
            .unwrap_or(BACKFILL_LEAVES_PERCENT);
        let leaves = match priority {
            Priority::Interactive => 0,
            Priority::Sync => sync,
            Priority::Backfill => backfill.max(sync),
        };
        let usable = self.usable(limit);
        usable.saturating_sub(part(usable, leaves))
    }
}

/// So many percent of a number, rounded down. More than 100 is 100.
fn part(whole: u64, percent: u8) -> u64 {
    let part = u128::from(whole) * u128::from(percent.min(100)) / 100;
    u64::try_from(part).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_share_and_kept_calls_counts() {
        let both = Reserve {
            max_share_percent: Some(80),
            keep_calls: Some(5_000),
            ..Reserve::default()
        };
        assert_eq!(both.usable(100_000), 80_000);
        assert_eq!(both.usable(15_000), 10_000);
        assert_eq!(both.usable(4_000), 0);
        assert_eq!(Reserve::default().usable(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_lower_priority_leaves_a_part_of_what_may_be_used_to_higher_ones() {
        let by = |reserve: Reserve| Priority::ALL.map(|at| reserve.usable_by(10_000, at));
        let half = Reserve {
            max_share_percent: Some(50),
            ..Reserve::default()
        };
        assert_eq!(by(half), [5_000, 4_500, 3_500]);
        let odd = Reserve {
            sync_leaves_percent: Some(30),
            backfill_leaves_percent: Some(10),
            ..Reserve::default()
        };
        assert_eq!(by(odd), [10_000, 7_000, 7_000]);
        let nothing = Reserve {
            sync_leaves_percent: Some(0),
            backfill_leaves_percent: Some(200),
            ..Reserve::default()
        };
        assert_eq!(by(nothing), [10_000, 10_000, 0]);
    }
}
