//! Which version of its connector a connection has, and what a newer one waits for: as
//! the manifests say, so that nothing has to be compiled to tell.

use std::path::Path;

use anyhow::Result;
use lockgate::{ConnectionGrants, ConnectionRecord, Grants, Host, Package};
use serde_json::{Value as Json, json};

use super::{Course, Shelf};
use crate::exit;
use crate::packages;

/// Where a connection stands among the versions of its connector.
pub(crate) struct Standing {
    /// The version that its calls are to go to.
    pub(crate) wanted: Package,
    /// The one that they go to; `None` if it was not granted what any of them asks for.
    pub(crate) goes_to: Option<Package>,
    pub(crate) grants: ConnectionGrants,
    /// What the wanted version asks for and was never decided on.
    pub(crate) missing: Grants,
}

impl Standing {
    /// Of a connection with the connector in a directory, if one is given, else with the
    /// installed one, else with the built-in one. `None` if there is none.
    pub(crate) fn of(
        shelf: &Shelf,
        record: &ConnectionRecord,
        directory: Option<&Path>,
    ) -> Result<Option<Self>> {
        let name = &record.package;
        let alone = match directory {
            Some(directory) => Some(packages::open(directory)?),
            None => None,
        };
        let course = shelf.course(name)?.filter(|_| alone.is_none());
        if let Some(course) = course {
            return course.standing(shelf, record).map(Some);
        }
        let built_in = || packages::built_in(name).transpose();
        let Some(wanted) = alone.map_or_else(built_in, |package| Ok(Some(package)))? else {
            return Ok(None);
        };
        let grants = granted(record, &wanted);
        Ok(Some(Self::among(grants, wanted, Vec::new())))
    }

    /// Of a connection that would rather go to one version, and may stay on others.
    fn among(grants: ConnectionGrants, wanted: Package, others: Vec<Package>) -> Self {
        let missing = grants.missing(&wanted.asked_grants());
        let others = others.into_iter();
        let mut all = std::iter::once(wanted.clone()).chain(others);
        let goes_to = all.find(|package| grants.missing(&package.asked_grants()).is_empty());
        Self {
            wanted,
            goes_to,
            grants,
            missing,
        }
    }

    /// The package whose limits and reasons count.
    pub(crate) fn shown(&self) -> &Package {
        self.goes_to.as_ref().unwrap_or(&self.wanted)
    }

    /// What it waits for, for programs; null if for nothing.
    pub(crate) fn waits_for(&self, record: &ConnectionRecord) -> Json {
        if self.missing.is_empty() {
            return Json::Null;
        }
        json!({
            "version": version(&self.wanted),
            "missing": self.missing,
            "goes_to": self.goes_to.as_ref().map(version),
            "command": self.command(record),
        })
    }

    /// The same for people.
    pub(crate) fn waiting(&self, record: &ConnectionRecord) -> Option<String> {
        let missing: Vec<&str> = self.missing.iter().map(|grant| grant.in_words()).collect();
        let stays = match &self.goes_to {
            Some(package) => format!("stays on {}", version(package)),
            None => "makes no calls".to_owned(),
        };
        (!missing.is_empty()).then(|| {
            format!(
                "{} {stays}: {} {} wants to {}; `{}` has it move",
                record.key,
                record.package,
                version(&self.wanted),
                missing.join(" and to "),
                self.command(record)
            )
        })
    }

    fn command(&self, record: &ConnectionRecord) -> String {
        let names: Vec<String> = self.missing.iter().map(ToString::to_string).collect();
        format!(
            "lockgate connection grant {} {}{}",
            record.key.name(),
            names.join(" "),
            exit::tenant_argument(record.key.tenant())
        )
    }
}

impl Course {
    fn standing(&self, shelf: &Shelf, record: &ConnectionRecord) -> Result<Standing> {
        let package = |version: &str| shelf.package(&record.package, version);
        let trusted = package(self.trusted())?;
        let key = record.key.to_string();
        let canary = self.canary.as_ref();
        let canary =
            canary.filter(|canary| canary.share.is_some() || canary.connections.contains(&key));
        let pinned = self.pins.get(&key);
        let wanted = pinned.or(canary.map(|canary| &canary.version));
        let wanted = package(wanted.unwrap_or(&self.current))?;
        let mut others = vec![trusted.clone()];
        for version in self.before.iter().chain(self.earlier.iter().rev()) {
            others.push(package(version)?);
        }
        Ok(Standing::among(granted(record, &trusted), wanted, others))
    }
}

/// Connections of a package that wait for more than they were granted, in words.
pub(crate) async fn all_waiting(host: &Host, shelf: &Shelf, name: &str) -> Result<Vec<String>> {
    let mut waiting = Vec::new();
    for record in host.connections(None).await? {
        if record.package == name
            && let Some(standing) = Standing::of(shelf, &record, None)?
        {
            waiting.extend(standing.waiting(&record));
        }
    }
    Ok(waiting)
}

/// Whether any connection of a package was not granted all that a version asks for.
pub(super) async fn is_waited_for(host: &Host, package: &Package) -> Result<bool> {
    let asked = package.asked_grants();
    let waits = |record: &ConnectionRecord| {
        let grants = record.grants.as_ref();
        record.package == package.name()
            && grants.is_some_and(|grants| !grants.missing(&asked).is_empty())
    };
    Ok(host.connections(None).await?.iter().any(waits))
}

/// What was decided; of a connection from before there were grants, what its connector
/// asks for.
fn granted(record: &ConnectionRecord, trusted: &Package) -> ConnectionGrants {
    let asked = || trusted.asked_grants();
    let decided = record.grants.clone();
    decided.unwrap_or_else(|| ConnectionGrants::decided(&asked(), &asked()))
}

fn version(package: &Package) -> &str {
    &package.manifest().package.version
}
