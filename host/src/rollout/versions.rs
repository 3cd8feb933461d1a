//! The versions of a package as a state: every step is one change of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::candidate::{Candidate, Phase};
use super::waiting::Missing;
use super::{
    CallFigures, Caller, Lasting, Move, Reach, Stand, Step, Trial, VersionChange, VersionStatus,
    Versioned,
};
use crate::error::Error;
use crate::store::ConnectionKey;

/// The versions that are loaded.
pub(super) struct Versions<L> {
    pub(super) trusted: Arc<L>,
    pub(super) before: Option<Arc<L>>,
    /// Those that were trusted earlier, the newest first, for connections that were not
    /// granted what newer ones ask for.
    pub(super) earlier: Vec<Arc<L>>,
    pub(super) candidate: Option<Candidate<L>>,
    staged: BTreeMap<String, Arc<L>>,
    pub(super) pins: BTreeMap<ConnectionKey, Arc<L>>,
}

impl<L: Versioned> Versions<L> {
    pub(super) fn new(trusted: Arc<L>) -> Self {
        Self {
            trusted,
            before: None,
            earlier: Vec::new(),
            candidate: None,
            staged: BTreeMap::new(),
            pins: BTreeMap::new(),
        }
    }

    /// The version that a call goes to.
    pub(super) fn pick(
        &self,
        caller: Caller<'_>,
        lasting: Lasting,
        turn: u64,
    ) -> Result<Arc<L>, Missing<L>> {
        let key = caller.key();
        let pinned = key.and_then(|key| self.pins.get(key));
        let candidate = self.candidate.as_ref();
        let candidate = candidate.filter(|candidate| candidate.takes(key, lasting, turn));
        let candidate = candidate.map(|candidate| &candidate.loaded);
        let wanted = pinned.or(candidate).unwrap_or(&self.trusted);
        match caller {
            Caller::Granted(connection) => self.allowed(wanted, connection),
            Caller::Anybody | Caller::For(_) => Ok(Arc::clone(wanted)),
        }
    }

    /// Whether time or figures ask for a change.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let Some(candidate) = &self.candidate else {
            return false;
        };
        match candidate.phase {
            Phase::Parked => false,
            Phase::Resting { until } => now >= until,
            Phase::Trying { .. } if candidate.has_proved_itself(now) => true,
            Phase::Probing if candidate.has_regained_trust() => true,
            Phase::Trying { .. } | Phase::Probing => self.problem(candidate).is_some(),
        }
    }

    /// Makes the change that is due, if there is one.
    pub(super) fn advance(&mut self, now: Instant) -> Option<VersionChange> {
        let mut candidate = self.candidate.take()?;
        let trusted = self.trusted.version().to_owned();
        let version = candidate.loaded.version().to_owned();
        let (what, from, to, reason) = match candidate.phase {
            Phase::Trying { .. } | Phase::Probing if let Some(why) = self.problem(&candidate) => {
                let then = candidate.fail(now);
                self.let_go(&candidate.loaded, now + candidate.drain);
                self.trusted.service().revive();
                (
                    Move::TakenBack,
                    &version,
                    &trusted,
                    format!("{why}; {then}"),
                )
            }
            Phase::Trying { .. } if candidate.has_proved_itself(now) => {
                let lasts = candidate.trial.lasts.as_secs();
                self.trust(candidate.loaded);
                let reason = format!("kept its budget for {lasts} s");
                return Some(VersionChange::new(
                    Move::Trusted,
                    Some(&trusted),
                    Some(&version),
                    reason,
                ));
            }
            Phase::Resting { until } if now >= until => {
                candidate.phase = Phase::Probing;
                candidate.loaded.service().revive();
                candidate.loaded.service().begin_trial();
                let reason = "it has rested".to_owned();
                (Move::Retried, &trusted, &version, reason)
            }
            Phase::Probing if candidate.has_regained_trust() => {
                candidate.phase = Phase::Trying { since: now };
                candidate.loaded.service().begin_trial();
                (
                    Move::Regained,
                    &trusted,
                    &version,
                    "it has done a few calls well".to_owned(),
                )
            }
            _ => {
                self.candidate = Some(candidate);
                return None;
            }
        };
        let change = VersionChange::new(what, Some(from), Some(to), reason);
        self.candidate = Some(candidate);
        Some(change)
    }

    /// Why a version on trial is to be taken back.
    fn problem(&self, candidate: &Candidate<L>) -> Option<String> {
        let trial = candidate.loaded.service().trial();
        let before = self.trusted.service().figures();
        candidate.trial.budget.exceeded(&trial, &before)
    }

    /// Has all calls go to a version, and forgets the others but for the last.
    pub(super) fn install(&mut self, loaded: Arc<L>, end: Instant) -> VersionChange {
        let from = self.trusted.version().to_owned();
        self.staged.remove(loaded.version());
        self.drop_candidate(end);
        self.let_go(&self.trusted, end);
        let change =
            VersionChange::new(Move::Loaded, Some(&from), Some(loaded.version()), "loaded");
        self.trust(loaded);
        change
    }

    /// Keeps a version ready, in place of one of the same name that no calls go to.
    pub(super) fn stage(&mut self, loaded: Arc<L>) {
        self.staged.insert(loaded.version().to_owned(), loaded);
    }

    /// Does what an operator asks for.
    pub(super) fn step(&mut self, step: &Step, now: Instant) -> Result<VersionChange, Error> {
        match step {
            Step::Swap {
                version,
                trial,
                drain,
            } => self.swap(version, *trial, *drain, now),
            Step::Canary {
                version,
                reach,
                trial,
            } => self.canary(version, reach.clone(), *trial, now),
            Step::Rollback => self.roll_back(now),
            Step::Pin {
                connection,
                version,
            } => {
                let loaded = self.find(version)?;
                loaded.service().revive();
                let old = self.pins.insert(connection.clone(), loaded);
                let from = old.as_ref().map(|old| old.version());
                let reason = format!("{connection} is pinned");
                Ok(VersionChange::new(
                    Move::Pinned,
                    from,
                    Some(version),
                    reason,
                ))
            }
            Step::Unpin { connection } => {
                let Some(old) = self.pins.remove(connection) else {
                    return Err(Error::Input(format!("{connection} is not pinned")));
                };
                let reason = format!("{connection} is no longer pinned");
                let to = self.trusted.version();
                Ok(VersionChange::new(
                    Move::Unpinned,
                    Some(old.version()),
                    Some(to),
                    reason,
                ))
            }
        }
    }

    fn swap(
        &mut self,
        version: &str,
        trial: Option<Trial>,
        drain: Duration,
        now: Instant,
    ) -> Result<VersionChange, Error> {
        let loaded = self.find(version)?;
        if Arc::ptr_eq(&loaded, &self.trusted) {
            return match self.candidate {
                Some(_) => self.roll_back(now),
                None => Err(Error::Input(format!("all calls go to {version} already"))),
            };
        }
        let from = self.trusted.version().to_owned();
        let change =
            |reason: &str| VersionChange::new(Move::Swapped, Some(&from), Some(version), reason);
        self.drop_candidate(now + drain);
        self.staged.remove(version);
        loaded.service().revive();
        self.let_go(&self.trusted, now + drain);
        let Some(trial) = trial else {
            self.trust(loaded);
            return Ok(change("trusted at once"));
        };
        self.candidate = Some(Candidate::new(loaded, Reach::All, trial, drain, now));
        Ok(change("on trial"))
    }

    fn canary(
        &mut self,
        version: &str,
        reach: Reach,
        trial: Trial,
        now: Instant,
    ) -> Result<VersionChange, Error> {
        let loaded = self.find(version)?;
        if Arc::ptr_eq(&loaded, &self.trusted) {
            return Err(Error::Input(match &self.candidate {
                Some(candidate) => format!(
                    "{version} is the version that {} is on trial against: roll back, or pin the \
                     connections that are to stay on it",
                    candidate.loaded.version()
                ),
                None => format!("{version} is what calls go to already"),
            }));
        }
        if let Some(candidate) = &self.candidate
            && candidate.reach == Reach::All
            && candidate.phase != Phase::Parked
        {
            return Err(Error::Input(format!(
                "{} is on trial: swap to a version without a trial, or roll back, before a canary",
                candidate.loaded.version()
            )));
        }
        match reach {
            Reach::Share(share) if !(0.0..=1.0).contains(&share) => {
                return Err(Error::Input(format!("a share is from 0 to 1, not {share}")));
            }
            _ => {}
        }
        self.drop_candidate(now + super::DRAIN);
        // After a swap on trial its own calls had been told to end.
        self.trusted.service().revive();
        self.staged.remove(version);
        loaded.service().revive();
        let from = self.trusted.version();
        let reason = match &reach {
            Reach::All => "for all calls".to_owned(),
            Reach::Share(share) => format!("for {} % of calls", share * 100.0),
            Reach::Connections(keys) => format!("for {} connections", keys.len()),
        };
        let change = VersionChange::new(Move::Canary, Some(from), Some(version), reason);
        self.candidate = Some(Candidate::new(loaded, reach, trial, super::DRAIN, now));
        Ok(change)
    }

    fn roll_back(&mut self, now: Instant) -> Result<VersionChange, Error> {
        let reason = "asked for";
        if let Some(candidate) = self.candidate.take() {
            self.trusted.service().revive();
            let version = candidate.loaded.version().to_owned();
            self.let_go(&candidate.loaded, now + candidate.drain);
            self.staged.insert(version.clone(), candidate.loaded);
            return Ok(VersionChange::new(
                Move::RolledBack,
                Some(&version),
                Some(self.trusted.version()),
                reason,
            ));
        }
        let Some(before) = self.before.take() else {
            return Err(Error::Input(
                "there is no version to go back to: nothing was swapped since the start".to_owned(),
            ));
        };
        before.service().revive();
        let from = std::mem::replace(&mut self.trusted, before);
        self.let_go(&from, now + super::DRAIN);
        let version = from.version().to_owned();
        self.keep(Arc::clone(&from));
        self.staged.insert(version.clone(), from);
        Ok(VersionChange::new(
            Move::RolledBack,
            Some(&version),
            Some(self.trusted.version()),
            reason,
        ))
    }

    /// Has a version be the trusted one. What was before the last is let go.
    fn trust(&mut self, loaded: Arc<L>) {
        let from = std::mem::replace(&mut self.trusted, loaded);
        if let Some(older) = self.before.replace(from) {
            self.keep(older);
        }
    }

    /// Takes the version on trial away, but keeps it ready.
    fn drop_candidate(&mut self, end: Instant) {
        if let Some(candidate) = self.candidate.take() {
            self.let_go(&candidate.loaded, end);
            let version = candidate.loaded.version().to_owned();
            self.staged.insert(version, candidate.loaded);
        }
    }

    /// Has the calls of a version end that no new ones go to.
    fn let_go(&self, loaded: &Arc<L>, end: Instant) {
        let is_pinned = self.pins.values().any(|pinned| Arc::ptr_eq(pinned, loaded));
        if !is_pinned {
            loaded.service().retire(end);
        }
    }

    /// A version that is loaded.
    fn find(&self, version: &str) -> Result<Arc<L>, Error> {
        // One that is staged is newer than any of the same name.
        let found = self.staged.get(version).or_else(|| {
            let mut all = self.all().into_iter().map(|(loaded, _)| loaded);
            all.find(|loaded| loaded.version() == version)
        });
        found.cloned().ok_or_else(|| Error::NoVersion {
            package: self.trusted.package().name().to_owned(),
            version: version.to_owned(),
            loaded: self
                .status()
                .into_iter()
                .map(|status| status.version)
                .collect(),
        })
    }

    /// All that are loaded, each once, and what they are there for in the first place.
    fn all(&self) -> Vec<(&Arc<L>, Stand)> {
        let candidate = self.candidate.iter();
        let candidate = candidate.map(|candidate| (&candidate.loaded, candidate.stand()));
        let before = self.before.iter().map(|before| (before, Stand::Before));
        let earlier = self.earlier.iter().map(|earlier| (earlier, Stand::Kept));
        let staged = self.staged.values().chain(self.pins.values());
        let staged = staged.map(|staged| (staged, Stand::Staged));
        let mut all = vec![(&self.trusted, Stand::Trusted)];
        for (loaded, stand) in candidate.chain(before).chain(earlier).chain(staged) {
            if !all.iter().any(|(known, _)| Arc::ptr_eq(known, loaded)) {
                all.push((loaded, stand));
            }
        }
        all
    }

    pub(super) fn figures(&self) -> Vec<CallFigures> {
        let mut figures = Vec::new();
        for (loaded, _) in self.all() {
            let of_connections = loaded.service().by_connection().into_iter();
            figures.extend(
                of_connections.map(|(connection, instances, figures)| CallFigures {
                    package: loaded.package().name().to_owned(),
                    version: loaded.version().to_owned(),
                    connection: connection.to_string(),
                    instances,
                    figures,
                }),
            );
        }
        figures
    }

    pub(super) fn status(&self) -> Vec<VersionStatus> {
        let status = |(loaded, stand): (&Arc<L>, Stand)| VersionStatus {
            version: loaded.version().to_owned(),
            digest: loaded.package().digest(),
            stand,
            pinned: self
                .pins
                .iter()
                .filter(|(_, pinned)| Arc::ptr_eq(pinned, loaded))
                .map(|(connection, _)| connection.to_string())
                .collect(),
            instances: loaded.service().instances(),
            figures: loaded.service().figures(),
        };
        self.all().into_iter().map(status).collect()
    }
}
