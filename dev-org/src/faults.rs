//! Fault rules: what goes wrong, on which requests, how often. Rules are plain
//! data so that the control API and the in-process `Control` share them; the
//! HTTP front plays them.

use serde::{Deserialize, Serialize};

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// The request waits before it is worked on.
    Latency {
        /// How long.
        ms: u64,
    },
    /// The request is answered with this status instead.
    Error {
        /// HTTP status.
        status: u16,
        /// `errorCode` of the body; what Salesforce uses for this status when
        /// absent.
        #[serde(default)]
        code: Option<String>,
        /// `message` of the body.
        #[serde(default)]
        message: Option<String>,
        /// A whole body instead of the JSON array, for example an HTML page.
        #[serde(default)]
        body: Option<String>,
    },
    /// The connection is closed without an answer.
    Drop,
    /// The answer's body stops early and the connection is closed.
    Truncate {
        /// Bytes that still arrive; half of the body when absent.
        #[serde(default)]
        keep_bytes: Option<usize>,
    },
    /// The answer's body arrives in small pieces.
    Drip {
        /// Bytes in one piece.
        bytes: usize,
        /// Wait between two pieces.
        every_ms: u64,
    },
}

impl FaultKind {
    /// Name as in the control API.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Error { .. } => "error",
            Self::Drop => "drop",
            Self::Truncate { .. } => "truncate",
            Self::Drip { .. } => "drip",
        }
    }
}

/// A fault and the requests it is played on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRule {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: FaultKind,
    /// Only requests whose path contains this text.
    #[serde(default)]
    pub path: Option<String>,
    /// Only requests with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// So many matching requests pass before the first one is hit.
    #[serde(default)]
    pub skip: u32,
    /// Share of the matching requests, from 0 to 1.
    #[serde(default = "always")]
    pub rate: f64,
    /// The rule is used up after this many times; never when absent.
    #[serde(default)]
    pub times: Option<u32>,
    /// `error` and `drop` come after the work is done, so that the caller
    /// cannot know whether its write happened.
    #[serde(default)]
    pub after: bool,
}

fn always() -> f64 {
    1.0
}

impl FaultRule {
    /// The fault on every request until it is removed.
    pub fn every_request(fault: FaultKind) -> Self {
        Self {
            fault,
            path: None,
            method: None,
            skip: 0,
            rate: 1.0,
            times: None,
            after: false,
        }
    }

    /// The fault on the next `times` requests whose path contains `path`.
    pub fn next(times: u32, path: &str, fault: FaultKind) -> Self {
        Self {
            path: Some(path.to_owned()),
            times: Some(times),
            ..Self::every_request(fault)
        }
    }
}

/// A rule in force.
#[derive(Clone, Debug, Serialize)]
pub struct ActiveFault {
    /// Number to remove it by.
    pub id: u64,
    /// The rule; `times` counts down.
    #[serde(flatten)]
    pub rule: FaultRule,
    /// How often it was played.
    pub played: u64,
}

/// What the front does with one request.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) wait_ms: u64,
    pub(crate) before: Option<FaultKind>,
    pub(crate) after: Option<FaultKind>,
    pub(crate) body: Option<FaultKind>,
}

/// The rules and the dice.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) latency_ms: u64,
    active: Vec<ActiveFault>,
    last_id: u64,
    dice: u64,
}

impl Faults {
    pub(crate) fn new(latency_ms: u64, seed: u64) -> Self {
        Self {
            latency_ms,
            active: Vec::new(),
            last_id: 0,
            dice: seed,
        }
    }

    pub(crate) fn add(&mut self, rule: FaultRule) -> u64 {
        self.last_id += 1;
        self.active.push(ActiveFault {
            id: self.last_id,
            rule,
            played: 0,
        });
        self.last_id
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.active.len();
        self.active.retain(|fault| fault.id != id);
        self.active.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    pub(crate) fn list(&self) -> Vec<ActiveFault> {
        self.active.clone()
    }

    /// Decides for one request. Waits add up; of the others, the first rule of
    /// each place wins and the rest keep their `times`.
    pub(crate) fn plan(&mut self, method: &str, path: &str) -> Plan {
        let mut plan = Plan {
            wait_ms: self.latency_ms,
            ..Plan::default()
        };
        for active in &mut self.active {
            let rule = &mut active.rule;
            let matches = rule.times != Some(0)
                && rule.path.as_ref().is_none_or(|part| path.contains(part))
                && rule
                    .method
                    .as_ref()
                    .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method));
            if !matches {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            let slot = match (&rule.fault, rule.after) {
                (FaultKind::Latency { .. }, _) => None,
                (FaultKind::Error { .. } | FaultKind::Drop, false) => Some(&mut plan.before),
                (FaultKind::Error { .. } | FaultKind::Drop, true) => Some(&mut plan.after),
                (FaultKind::Truncate { .. } | FaultKind::Drip { .. }, _) => Some(&mut plan.body),
            };
            if slot.as_ref().is_some_and(|slot| slot.is_some()) {
                continue;
            }
            if rule.rate < 1.0 && roll(&mut self.dice) >= rule.rate {
                continue;
            }
            match (slot, &rule.fault) {
                (Some(slot), fault) => *slot = Some(fault.clone()),
                (None, FaultKind::Latency { ms }) => {
                    plan.wait_ms = plan.wait_ms.saturating_add(*ms);
                }
                (None, _) => {}
            }
            active.played += 1;
            if let Some(times) = &mut rule.times {
                *times -= 1;
            }
        }
        self.active.retain(|fault| fault.rule.times != Some(0));
        plan
    }
}

/// A number from 0 up to 1 (splitmix64), so that the same seed gives the same
/// run of failures.
fn roll(dice: &mut u64) -> f64 {
    *dice = dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *dice;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits are what a double holds"
    )]
    let share = (z >> 11) as f64 / (1_u64 << 53) as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_for_two_requests_is_gone_after_two() {
        let mut faults = Faults::new(0, 1);
        faults.add(FaultRule::next(2, "/query", FaultKind::Drop));
        assert!(faults.plan("GET", "/sobjects").before.is_none());
        assert!(faults.plan("GET", "/query").before.is_some());
        assert!(faults.plan("GET", "/query").before.is_some());
        assert!(faults.plan("GET", "/query").before.is_none());
        assert!(faults.list().is_empty());
    }

    #[test]
    fn a_rule_lets_as_many_requests_pass_as_it_says() {
        let mut faults = Faults::new(0, 1);
        faults.add(FaultRule {
            skip: 2,
            ..FaultRule::next(1, "/query", FaultKind::Drop)
        });
        assert!(faults.plan("GET", "/sobjects").before.is_none());
        let hits: Vec<bool> = (0..4)
            .map(|_| faults.plan("GET", "/query").before.is_some())
            .collect();
        assert_eq!(hits, [false, false, true, false]);
    }

    #[test]
    fn a_rate_of_a_tenth_hits_about_a_tenth_and_the_same_ones_each_time() {
        let run = || {
            let mut faults = Faults::new(0, 7);
            faults.add(FaultRule {
                rate: 0.1,
                ..FaultRule::every_request(FaultKind::Drop)
            });
            (0..1000)
                .map(|_| faults.plan("GET", "/").before.is_some())
                .collect::<Vec<_>>()
        };
        let hits = run().into_iter().filter(|hit| *hit).count();
        assert!((60..140).contains(&hits), "{hits} of 1000");
        assert_eq!(run(), run());
    }

    #[test]
    fn waits_of_several_rules_add_up() {
        let mut faults = Faults::new(5, 1);
        faults.add(FaultRule::every_request(FaultKind::Latency { ms: 10 }));
        faults.add(FaultRule::every_request(FaultKind::Latency { ms: 20 }));
        assert_eq!(faults.plan("GET", "/").wait_ms, 35);
    }

    #[test]
    fn a_rule_reads_from_flat_json() {
        let rule: FaultRule =
            serde_json::from_str(r#"{"kind":"error","status":503,"rate":0.5}"#).unwrap();
        assert_eq!(rule.rate, 0.5);
        assert!(matches!(rule.fault, FaultKind::Error { status: 503, .. }));
    }
}
