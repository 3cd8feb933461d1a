//! What the operator keeps back of a budget.

use serde::{Deserialize, Serialize};

/// What the operator keeps back of a connection's budget, for the people and the
/// programs that share it. The stricter of the two counts; by default nothing is
/// kept back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reserve {
    /// Use at most this share of the limit, in percent. More than 100 is 100.
    pub max_share_percent: Option<u8>,
    /// Leave this many calls unused.
    pub keep_calls: Option<u64>,
}

impl Reserve {
    /// How many of `limit` calls may be used, by whomever.
    #[must_use]
    pub fn usable(self, limit: u64) -> u64 {
        let share = self.max_share_percent.map_or(limit, |percent| {
            let part = u128::from(limit) * u128::from(percent.min(100)) / 100;
            u64::try_from(part).unwrap_or(limit)
        });
        let kept = limit.saturating_sub(self.keep_calls.unwrap_or(0));
        share.min(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_share_and_kept_calls_counts() {
        let both = Reserve {
            max_share_percent: Some(80),
            keep_calls: Some(5_000),
        };
        assert_eq!(both.usable(100_000), 80_000);
        assert_eq!(both.usable(15_000), 10_000);
        assert_eq!(both.usable(4_000), 0);
        assert_eq!(Reserve::default().usable(u64::MAX), u64::MAX);
    }
}
