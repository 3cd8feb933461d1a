//! What goes wrong during a step.

use std::fmt;

use dev_org::{FaultKind, FaultRule};

use lockgate_tests::dice::Dice;

/// Requests to the API, but not those for a login or for the list of versions.
const API: &str = "/services/data/v";

const PAGE: &str = "<html><body>Something went wrong</body></html>";

/// Faults that are set before a step and lifted after it.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    pub(super) rules: Vec<FaultRule>,
    /// All sessions end before the step.
    pub(super) is_session_dead: bool,
    /// Some of the records that are written are locked by somebody else.
    pub(super) locks: bool,
}

impl Trouble {
    pub(super) fn any(dice: &mut Dice) -> Self {
        let n_rules = dice.one_of(&[0, 0, 1, 1, 1, 2, 3]);
        Self {
            rules: (0..n_rules).map(|_| rule(dice)).collect(),
            is_session_dead: dice.percent(10),
            locks: dice.percent(6),
        }
    }

    /// Nothing goes wrong, so everything must go well.
    pub(super) fn is_none(&self) -> bool {
        self.rules.is_empty() && !self.locks
    }
}

fn rule(dice: &mut Dice) -> FaultRule {
    let unworded = |status, body: &str| FaultKind::Error {
        status,
        code: None,
        message: None,
        body: Some(body.to_owned()),
    };
    let worded = |status| FaultKind::Error {
        status,
        code: None,
        message: None,
        body: None,
    };
    // The API's own errors say that nothing was done, so they come before the
    // work; all others may come before or after it.
    let (fault, may_be_after) = match dice.below(9) {
        0 | 1 => (FaultKind::Drop, true),
        2 | 3 => (
            FaultKind::Truncate {
                keep_bytes: dice.one_of(&[None, Some(0), Some(7)]),
            },
            false,
        ),
        4 => (unworded(dice.one_of(&[500, 502, 504]), PAGE), true),
        5 => (unworded(200, dice.one_of(&[PAGE, "{\"id\":", ""])), true),
        6 => (worded(dice.one_of(&[500, 503])), false),
        7 => (unworded(503, PAGE), false),
        _ => (worded(401), false),
    };
    FaultRule {
        skip: u32::try_from(dice.below(7)).unwrap(),
        after: may_be_after && dice.percent(60),
        ..FaultRule::next(dice.one_of(&[1, 1, 2, 5]), API, fault)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_session_dead {
            write!(f, "; sessions end")?;
        }
        if self.locks {
            write!(f, "; some are locked")?;
        }
        for rule in &self.rules {
            let when = if rule.after { "after" } else { "before" };
            let (fault, skip, times) = (&rule.fault, rule.skip, rule.times.unwrap_or(0));
            write!(f, "; {fault:?} {when}, {times} times after {skip}")?;
        }
        Ok(())
    }
}
