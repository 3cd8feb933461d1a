//! What a version on trial may do wrong before it is taken back.

use std::time::Duration;

use super::figures::Figures;

/// What a version on trial may do wrong. It is taken back when it fails too often, or
/// when it is much slower than the version before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// The share of calls that may fail, of 1.
    pub max_failed: f64,
    /// So many must have failed, whatever their share, so that one of two is not half.
    pub min_failed: u64,
    /// How many times longer 95 of 100 calls may take than those of the version before.
    pub max_slower: f64,
    /// So many calls of each are compared at least, and so many are looked at before a
    /// version that was taken back is trusted again.
    pub min_calls: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            max_failed: 0.05,
            min_failed: 3,
            max_slower: 3.0,
            min_calls: 50,
        }
    }
}

/// A version that is trusted only after a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// What it may do wrong.
    pub budget: Budget,
    /// How long it is looked at. A version that all calls go to has proved itself then;
    /// one that some go to stays as it is until somebody decides.
    pub lasts: Duration,
}

impl Default for Trial {
    /// The default budget, for ten minutes.
    fn default() -> Self {
        Self {
            budget: Budget::default(),
            lasts: Duration::from_secs(600),
        }
    }
}

impl Budget {
    /// Why a version is taken back; `None` if it stays. `before` is the version that is
    /// trusted.
    pub(super) fn exceeded(&self, trial: &Figures, before: &Figures) -> Option<String> {
        let attempts = trial.calls.max(trial.failed);
        let share = ratio(trial.failed, attempts);
        if trial.failed >= self.min_failed.max(1) && share > self.max_failed {
            return Some(format!(
                "{} of {attempts} calls failed, which is more than {:.1} %",
                trial.failed,
                self.max_failed * 100.0
            ));
        }
        let are_enough = trial.calls.min(before.calls) >= self.min_calls.max(1);
        let slower = ratio(trial.p95_us, before.p95_us.max(1));
        (are_enough && slower > self.max_slower).then(|| {
            format!(
                "95 of 100 calls take up to {} µs, {slower:.1} times the {} µs of the version \
                 before; {:.1} times are allowed",
                trial.p95_us, before.p95_us, self.max_slower
            )
        })
    }

    /// Whether a version that was taken back has shown that it is well: more strictly
    /// than it was taken back, so that none goes to and fro.
    pub(super) fn is_regained(&self, trial: &Figures) -> bool {
        trial.calls >= self.min_calls
            && ratio(trial.failed, trial.calls.max(1)) <= self.max_failed / 2.0
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share of calls needs no more than 52 bits"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(calls: u64, failed: u64, p95_us: u64) -> Figures {
        Figures {
            calls,
            failed,
            p95_us,
            ..Figures::default()
        }
    }

    #[test]
    fn few_failures_are_chance_and_a_share_of_many_is_not() {
        let budget = Budget::default();
        let before = Figures::default();
        assert_eq!(budget.exceeded(&figures(2, 2, 1), &before), None);
        assert!(budget.exceeded(&figures(3, 3, 1), &before).is_some());
        assert_eq!(budget.exceeded(&figures(100, 5, 1), &before), None);
        assert!(budget.exceeded(&figures(100, 6, 1), &before).is_some());
        // All fail before they become a call.
        assert!(budget.exceeded(&figures(0, 3, 0), &before).is_some());
    }

    #[test]
    fn a_slow_version_is_told_only_by_enough_calls_of_both() {
        let budget = Budget::default();
        let slow = figures(50, 0, 301);
        assert_eq!(budget.exceeded(&slow, &figures(49, 0, 100)), None);
        let why = budget
            .exceeded(&slow, &figures(50, 0, 100))
            .unwrap_or_default();
        assert!(why.contains("3.0 times the 100 µs"), "{why}");
        assert_eq!(
            budget.exceeded(&figures(50, 0, 300), &figures(50, 0, 100)),
            None
        );
    }

    #[test]
    fn trust_is_regained_more_slowly_than_it_is_lost() {
        let budget = Budget::default();
        assert!(!budget.is_regained(&figures(49, 0, 1)));
        assert!(!budget.is_regained(&figures(100, 4, 1)));
        assert!(budget.is_regained(&figures(100, 2, 1)));
    }
}
