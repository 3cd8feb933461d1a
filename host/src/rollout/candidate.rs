//! A version on trial: which calls go to it, and what becomes of it when it fails.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Lasting, PROBE, RESTS, Reach, Stand, Trial, Versioned};
use crate::store::ConnectionKey;

/// A version that is to show that it can be trusted.
pub(super) struct Candidate<L> {
    pub(super) loaded: Arc<L>,
    pub(super) reach: Reach,
    pub(super) trial: Trial,
    pub(super) drain: Duration,
    pub(super) phase: Phase,
    failures: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// Calls go to it as far as it reaches.
    Trying { since: Instant },
    /// It failed, and gets no calls.
    Resting { until: Instant },
    /// It failed before, and gets a few.
    Probing,
    /// It failed too often.
    Parked,
}

impl<L: Versioned> Candidate<L> {
    pub(super) fn new(
        loaded: Arc<L>,
        reach: Reach,
        trial: Trial,
        drain: Duration,
        now: Instant,
    ) -> Self {
        loaded.service().begin_trial();
        Self {
            loaded,
            reach,
            trial,
            drain,
            phase: Phase::Trying { since: now },
            failures: 0,
        }
    }

    pub(super) fn takes(
        &self,
        connection: Option<&ConnectionKey>,
        lasting: Lasting,
        turn: u64,
    ) -> bool {
        let share = match (&self.phase, &self.reach) {
            (Phase::Resting { .. } | Phase::Parked, _) => return false,
            (_, Reach::Connections(keys)) => {
                return connection.is_some_and(|connection| keys.contains(connection));
            }
            (Phase::Trying { .. }, Reach::All) => return true,
            (Phase::Trying { .. }, Reach::Share(share)) => *share,
            (Phase::Probing, Reach::All) => PROBE,
            (Phase::Probing, Reach::Share(share)) => share.min(PROBE),
        };
        lasting == Lasting::Once && is_among(turn, share)
    }

    /// Whether any calls of a connection go to it.
    pub(super) fn reaches(&self, connection: &ConnectionKey) -> bool {
        match (&self.phase, &self.reach) {
            (Phase::Resting { .. } | Phase::Parked, _) => false,
            (_, Reach::Connections(keys)) => keys.contains(connection),
            (_, Reach::All | Reach::Share(_)) => true,
        }
    }

    /// Whether all calls go to it.
    pub(super) fn takes_all(&self) -> bool {
        self.reach == Reach::All && matches!(self.phase, Phase::Trying { .. })
    }

    pub(super) fn has_proved_itself(&self, now: Instant) -> bool {
        let Phase::Trying { since } = self.phase else {
            return false;
        };
        self.reach == Reach::All && now.duration_since(since) >= self.trial.lasts
    }

    pub(super) fn has_regained_trust(&self) -> bool {
        let trial = self.loaded.service().trial();
        self.phase == Phase::Probing && self.trial.budget.is_regained(&trial)
    }

    /// Takes it back, and says what becomes of it.
    pub(super) fn fail(&mut self, now: Instant) -> String {
        let rest = RESTS.get(self.failures).copied();
        self.failures += 1;
        match rest {
            Some(rest) => {
                self.phase = Phase::Resting { until: now + rest };
                format!("tried again with a few calls in {} s", rest.as_secs())
            }
            None => {
                self.phase = Phase::Parked;
                "parked after the last of several times, until somebody swaps it in".to_owned()
            }
        }
    }

    pub(super) fn stand(&self) -> Stand {
        let (share, connections) = match &self.reach {
            Reach::All => (Some(1.0), Vec::new()),
            Reach::Share(share) => (Some(*share), Vec::new()),
            Reach::Connections(keys) => (None, keys.iter().map(ToString::to_string).collect()),
        };
        match self.phase {
            Phase::Trying { .. } => Stand::OnTrial { share, connections },
            Phase::Probing => Stand::OnTrial {
                share: share.map(|share| share.min(PROBE)),
                connections,
            },
            Phase::Resting { until } => Stand::Resting {
                again_in_s: until.duration_since(Instant::now()).as_secs(),
                failures: u32::try_from(self.failures).unwrap_or(u32::MAX),
            },
            Phase::Parked => Stand::Parked,
        }
    }
}

/// Whether a turn belongs to a share of all, spread evenly.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "turns are counted modulo a number that a float holds, and shares are from 0 to 1"
)]
fn is_among(turn: u64, share: f64) -> bool {
    let turn = turn % 1_000_000;
    let upto = |turn: u64| (turn as f64 * share) as u64;
    upto(turn + 1) > upto(turn)
}
