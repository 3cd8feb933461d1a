//! What an operator wants of the versions of a package, and how hosts come to do it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lockgate::{Host, Move, Step, Trial, VersionChange};
use serde::{Deserialize, Serialize};

use super::course::{self, Canary};
use super::{Shelf, standing};
use crate::exit::usage;

/// How long calls under way may go on after a rollback.
const DRAIN: Duration = Duration::from_secs(900);

/// What an operator wants, as it goes over the socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wish {
    /// All calls go to a version.
    Swap {
        version: String,
        /// How long it is on trial, in seconds; `None` trusts it at once.
        trial_s: Option<u64>,
        /// How long calls under way may go on, in seconds.
        drain_s: u64,
    },
    /// Some calls go to a version.
    Canary(Canary),
    /// Calls go to the version before.
    Rollback,
    /// Calls of a connection, as `tenant/name`, go to a version.
    Pin { connection: String, version: String },
    /// Calls of a connection go where the others go.
    Unpin { connection: String },
}

impl Wish {
    fn version(&self) -> Option<&str> {
        match self {
            Self::Swap { version, .. } | Self::Pin { version, .. } => Some(version),
            Self::Canary(canary) => Some(&canary.version),
            Self::Rollback | Self::Unpin { .. } => None,
        }
    }

    fn step(&self) -> Result<Step> {
        Ok(match self {
            Self::Swap {
                version,
                trial_s,
                drain_s,
            } => Step::Swap {
                version: version.clone(),
                trial: trial_s.map(|trial_s| Trial {
                    lasts: Duration::from_secs(trial_s),
                    ..Trial::default()
                }),
                drain: Duration::from_secs(*drain_s),
            },
            Self::Canary(canary) => Step::canary(&canary.version, canary.reach()?),
            Self::Rollback => Step::Rollback,
            Self::Pin {
                connection,
                version,
            } => Step::Pin {
                connection: course::key(connection)?,
                version: version.clone(),
            },
            Self::Unpin { connection } => Step::Unpin {
                connection: course::key(connection)?,
            },
        })
    }
}

/// Has hosts do what is wanted, all of which have the package loaded, and keeps it. What
/// a version is tried with, it is tried with on each of them before anything changes.
pub(crate) async fn carry_out(
    hosts: &[Host],
    shelf: &Shelf,
    name: &str,
    wish: &Wish,
) -> Result<VersionChange> {
    let (wished, step) = (wish, wish.step()?);
    let (version, step) = match (wish.version(), way_back(shelf, name, wish)?) {
        // A host that has just begun has not loaded it.
        (_, Some(before)) => (Some(before.clone()), at_once(before)),
        (version, None) => (version.map(str::to_owned), step),
    };
    if let Some(version) = &version {
        for host in hosts {
            course::stage(host, shelf, name, version).await?;
        }
    }
    let is_waited_for = match (wish, &version, hosts.first()) {
        (Wish::Swap { .. } | Wish::Rollback, Some(version), Some(host)) => {
            standing::is_waited_for(host, &shelf.package(name, version)?).await?
        }
        _ => false,
    };
    let mut done = None;
    for host in hosts {
        host.steer(name, &step)?;
        done = host.changes(name)?.pop();
    }
    let mut change = done.context("no host has done it")?;
    if *wished == Wish::Rollback {
        change.what = Move::RolledBack;
    }
    shelf.change(name, |course| {
        course.take_over(wished, change.clone(), is_waited_for);
        Ok(())
    })?;
    Ok(change)
}

/// The version that a rollback goes back to, if none is on trial.
fn way_back(shelf: &Shelf, name: &str, wish: &Wish) -> Result<Option<String>> {
    let Some(course) = shelf.course(name)?.filter(|_| *wish == Wish::Rollback) else {
        return Ok(None);
    };
    if course.canary.is_some() || course.trial_until_ms.is_some() {
        return Ok(None);
    }
    course.before.map(Some).ok_or_else(|| {
        usage(format!(
            "there is no version of {name} to go back to; swap to one with `lockgate package swap \
             {name} VERSION`"
        ))
    })
}

fn at_once(version: String) -> Step {
    Step::Swap {
        version,
        trial: None,
        drain: DRAIN,
    }
}
