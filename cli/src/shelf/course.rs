//! Which versions of a package calls go to, as it is kept from one start to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use lockgate::manifest::World;
use lockgate::{ConnectionKey, Error, Host, Move, PackageError, Reach, Step, Trial, VersionChange};
use serde::{Deserialize, Serialize};

use super::{Shelf, Wish, standing};
use crate::exit::usage;
use crate::packages;

/// Changes that are kept; the oldest go first.
const MAX_CHANGES: usize = 1_000;

/// Which versions of a package calls go to, and how that came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Course {
    /// The version that calls go to.
    pub(crate) current: String,
    /// The one that a rollback goes to.
    pub(crate) before: Option<String>,
    /// When the current version will have proved itself, in milliseconds since 1970,
    /// while it is on trial against the one before.
    pub(crate) trial_until_ms: Option<u64>,
    pub(crate) canary: Option<Canary>,
    /// Versions of single connections, by `tenant/name`.
    pub(crate) pins: BTreeMap<String, String>,
    /// Versions that were trusted earlier, the oldest first, while connections wait in
    /// them for grants that newer ones ask for.
    #[serde(default)]
    pub(crate) earlier: Vec<String>,
    /// What has changed, from the oldest to the newest.
    pub(crate) changes: Vec<VersionChange>,
}

/// A version that some calls go to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Canary {
    pub(crate) version: String,
    /// The share of calls, of 1; `None` for those of some connections.
    pub(crate) share: Option<f64>,
    /// The connections, as `tenant/name`.
    pub(crate) connections: BTreeSet<String>,
}

/// Why a version has to stay, and what ends that.
#[derive(Debug)]
pub(super) struct Need {
    pub(super) why: String,
    pub(super) way_out: &'static str,
}

impl Canary {
    pub(crate) fn reach(&self) -> Result<Reach> {
        if let Some(share) = self.share {
            return Ok(Reach::Share(share));
        }
        let keys = self.connections.iter().map(|connection| key(connection));
        Ok(Reach::Connections(keys.collect::<Result<_>>()?))
    }
}

impl Course {
    pub(super) fn new(current: String) -> Self {
        Self {
            current,
            before: None,
            trial_until_ms: None,
            canary: None,
            pins: BTreeMap::new(),
            earlier: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// What keeps a version from being removed.
    pub(super) fn need_of(&self, version: &str) -> Option<Need> {
        let need = |why: String, way_out: &'static str| Some(Need { why, way_out });
        if self.current == version {
            let way_out = "swap to another version first with `lockgate package swap`";
            return need("calls go to it".to_owned(), way_out);
        }
        if self.before.as_deref() == Some(version) {
            return need(
                "it is what a rollback goes to".to_owned(),
                "it is no more after the next swap",
            );
        }
        if self
            .canary
            .as_ref()
            .is_some_and(|canary| canary.version == version)
        {
            return need(
                "it is the canary".to_owned(),
                "end the canary first with `lockgate package rollback`",
            );
        }
        if let Some((connection, _)) = self.pins.iter().find(|(_, pinned)| *pinned == version) {
            return need(
                format!("{connection} is pinned to it"),
                "unpin it first with `lockgate package unpin`",
            );
        }
        if self.earlier.iter().any(|earlier| earlier == version) {
            return need(
                "connections may wait in it for grants that a newer one asks for".to_owned(),
                "see them with `lockgate package list`",
            );
        }
        None
    }

    /// The version that is trusted: the one before, while the current one is on trial.
    pub(super) fn trusted(&self) -> &str {
        match (&self.trial_until_ms, &self.before) {
            (Some(_), Some(before)) => before,
            _ => &self.current,
        }
    }

    /// Loads all versions that calls may go to into a host, and sends calls to them.
    pub(crate) async fn begin(
        &self,
        host: &Host,
        shelf: &Shelf,
        name: &str,
        world: World,
    ) -> Result<()> {
        let trusted = shelf.package(name, self.trusted())?;
        if !self.earlier.is_empty() && standing::is_waited_for(host, &trusted).await? {
            self.begin_earlier(host, shelf, name, world).await;
        }
        let trial = match packages::load(host, &trusted, world).await {
            Ok(()) => self.trial_until_ms,
            // What it is held against is gone, and with it the trial.
            Err(error) if is_revoked(&error) && self.trusted() != self.current => {
                left_out(name, self.trusted(), &error);
                Self::begin_anew(host, shelf, name, &self.current).await?;
                None
            }
            Err(error) => return Err(error),
        };
        if let Some(until_ms) = trial {
            let left = Duration::from_millis(until_ms.saturating_sub(now_ms()));
            let trial = Trial {
                lasts: left,
                ..Trial::default()
            };
            let step = Step::Swap {
                version: self.current.clone(),
                trial: Some(trial),
                drain: Duration::ZERO,
            };
            go_unless_revoked(host, shelf, name, &self.current, &step).await?;
        }
        if let Some(canary) = &self.canary {
            let step = Step::canary(&canary.version, canary.reach()?);
            go_unless_revoked(host, shelf, name, &canary.version, &step).await?;
        }
        for (connection, version) in &self.pins {
            let step = Step::Pin {
                connection: key(connection)?,
                version: version.clone(),
            };
            go_unless_revoked(host, shelf, name, version, &step).await?;
        }
        Ok(())
    }

    /// Begins with a version in place of one that was revoked, and keeps it so. Nothing is
    /// left to hold it against, and nothing to go back to.
    pub(crate) async fn begin_anew(
        host: &Host,
        shelf: &Shelf,
        name: &str,
        version: &str,
    ) -> Result<VersionChange> {
        let package = shelf.package(name, version)?;
        packages::load(host, &package, package.world()).await?;
        let mut change = host.changes(name)?.pop().context("nothing was loaded")?;
        change.what = Move::Swapped;
        "the version before is revoked".clone_into(&mut change.reason);
        shelf.change(name, |course| {
            change.from = Some(course.trusted().to_owned());
            version.clone_into(&mut course.current);
            (course.before, course.trial_until_ms, course.canary) = (None, None, None);
            course.note(change.clone());
            Ok(())
        })?;
        Ok(change)
    }

    /// Loads the versions that connections wait in. What is missing, or was revoked, holds
    /// nobody else up.
    async fn begin_earlier(&self, host: &Host, shelf: &Shelf, name: &str, world: World) {
        let earlier = self.earlier.iter();
        for version in earlier.filter(|version| *version != self.trusted()) {
            let loaded = async {
                let package = shelf.package(name, version)?;
                packages::load(host, &package, world).await
            };
            if let Err(error) = loaded.await {
                tracing::warn!(package = name, version, %error, "nobody can wait in it");
            }
        }
    }

    /// Takes over what an operator asked for and a host has done. If connections wait for
    /// the version that calls go to now, the one before is kept for them.
    pub(super) fn take_over(&mut self, wish: &Wish, change: VersionChange, is_waited_for: bool) {
        let trusted = self.trusted().to_owned();
        match wish {
            Wish::Swap {
                version, trial_s, ..
            } => {
                self.canary = None;
                self.before = (*version != trusted).then(|| trusted.clone());
                self.current.clone_from(version);
                let until = |trial_s: u64| now_ms().saturating_add(trial_s.saturating_mul(1_000));
                self.trial_until_ms = trial_s.filter(|_| self.before.is_some()).map(until);
            }
            Wish::Canary(canary) => self.canary = Some(canary.clone()),
            Wish::Rollback => self.roll_back(),
            Wish::Pin {
                connection,
                version,
            } => {
                self.pins.insert(connection.clone(), version.clone());
            }
            Wish::Unpin { connection } => {
                self.pins.remove(connection);
            }
        }
        if self.current != trusted {
            let (current, earlier) = (&self.current, &mut self.earlier);
            earlier.retain(|known| is_waited_for && *known != trusted && known != current);
            earlier.extend(is_waited_for.then_some(trusted));
        }
        self.note(change);
    }

    fn roll_back(&mut self) {
        if self.canary.take().is_some() {
            return;
        }
        if let Some(before) = self.before.take() {
            self.current = before;
            self.trial_until_ms = None;
        }
    }

    /// Takes over what a host has done by itself.
    pub(crate) fn follow(&mut self, change: VersionChange) {
        let (from, to) = (change.from.clone(), change.to.clone());
        match (change.what, from, to) {
            (Move::TakenBack, Some(from), Some(to)) => {
                if self
                    .canary
                    .as_ref()
                    .is_some_and(|canary| canary.version == from)
                {
                    self.canary = None;
                } else if self.current == from {
                    self.current = to;
                    self.before = None;
                    self.trial_until_ms = None;
                }
            }
            (Move::Trusted, Some(from), Some(to)) => {
                self.current = to;
                self.before = Some(from);
                self.trial_until_ms = None;
            }
            _ => {}
        }
        self.note(change);
    }

    fn note(&mut self, change: VersionChange) {
        if self.changes.len() >= MAX_CHANGES {
            self.changes.remove(0);
        }
        self.changes.push(change);
    }
}

/// The same, and where that version was revoked, it is left out: it holds up no other.
async fn go_unless_revoked(
    host: &Host,
    shelf: &Shelf,
    name: &str,
    version: &str,
    step: &Step,
) -> Result<()> {
    match go_to(host, shelf, name, version, step).await {
        Err(error) if is_revoked(&error) => {
            left_out(name, version, &error);
            Ok(())
        }
        done => done,
    }
}

fn left_out(name: &str, version: &str, error: &anyhow::Error) {
    tracing::warn!(package = name, version, %error, "no calls go to it");
}

/// Whether a version was not loaded because it is revoked.
pub(crate) fn is_revoked(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<Error>();
    matches!(error, Some(Error::Package(PackageError::Revoked { .. })))
}

/// Loads a version beside the others, and goes a step.
async fn go_to(host: &Host, shelf: &Shelf, name: &str, version: &str, step: &Step) -> Result<()> {
    stage(host, shelf, name, version).await?;
    Ok(host.steer(name, step)?)
}

/// Loads a version into a host unless it has it.
pub(super) async fn stage(host: &Host, shelf: &Shelf, name: &str, version: &str) -> Result<()> {
    let package = shelf.package(name, version)?;
    let is_there = host
        .packages()
        .iter()
        .filter(|status| status.name == name)
        .flat_map(|status| &status.versions)
        .any(|status| status.version == version && status.digest == package.digest());
    if !is_there {
        host.stage(&package, package.asked_grants()).await?;
    }
    Ok(())
}

/// A connection as `tenant/name`.
pub(super) fn key(connection: &str) -> Result<ConnectionKey> {
    let (tenant, name) = connection
        .split_once('/')
        .unwrap_or(("default", connection));
    ConnectionKey::new(tenant, name).map_err(|error| usage(error.to_string()))
}

fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since_1970.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
