//! Which version of its connector a connection has, and what a newer one waits for: as
//! the manifests say, so that nothing has to be compiled to tell.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

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

/// Where connections stand, with what was read for one kept for the next.
pub(crate) struct Standings<'a> {
    shelf: &'a Shelf,
    courses: BTreeMap<String, Option<Arc<Course>>>,
    packages: BTreeMap<(String, String), Package>,
}

impl<'a> Standings<'a> {
    pub(crate) const fn on(shelf: &'a Shelf) -> Self {
        Self {
            shelf,
            courses: BTreeMap::new(),
            packages: BTreeMap::new(),
        }
    }

    /// Of a connection with the connector that is installed, else with the built-in one.
    /// `None` if there is none.
    pub(crate) fn of(&mut self, record: &ConnectionRecord) -> Result<Option<Standing>> {
        let name = &record.package;
        if !self.courses.contains_key(name) {
            let course = self.shelf.course(name)?.map(Arc::new);
            self.courses.insert(name.clone(), course);
        }
        if let Some(course) = self.courses.get(name).cloned().flatten() {
            return self.among_versions(record, &course).map(Some);
        }
        let built_in = packages::built_in(name).transpose()?;
        Ok(built_in.map(|package| Standing::alone(record, package)))
    }

    fn among_versions(&mut self, record: &ConnectionRecord, course: &Course) -> Result<Standing> {
        let trusted = self.package(record, course.trusted())?;
        let key = record.key.to_string();
        let canary = course.canary.as_ref();
        let canary =
            canary.filter(|canary| canary.share.is_some() || canary.connections.contains(&key));
        let pinned = course.pins.get(&key);
        let wanted = pinned.or(canary.map(|canary| &canary.version));
        let wanted = self.package(record, wanted.unwrap_or(&course.current))?;
        let mut others = vec![trusted.clone()];
        for version in course.before.iter().chain(course.earlier.iter().rev()) {
            others.push(self.package(record, version)?);
        }
        Ok(Standing::among(granted(record, &trusted), wanted, others))
    }

    fn package(&mut self, record: &ConnectionRecord, version: &str) -> Result<Package> {
        let key = (record.package.clone(), version.to_owned());
        if let Some(package) = self.packages.get(&key) {
            return Ok(package.clone());
        }
        let package = self.shelf.package(&record.package, version)?;
        self.packages.insert(key, package.clone());
        Ok(package)
    }
}

impl Standing {
    /// Of a connection with the connector in a directory, if one is given, else as
    /// [`Standings::of`] has it.
    pub(crate) fn of(
        shelf: &Shelf,
        record: &ConnectionRecord,
        directory: Option<&Path>,
    ) -> Result<Option<Self>> {
        match directory {
            Some(directory) => Ok(Some(Self::alone(record, packages::open(directory)?))),
            None => Standings::on(shelf).of(record),
        }
    }

    /// Of a connection whose connector has one version.
    fn alone(record: &ConnectionRecord, package: Package) -> Self {
        Self::among(granted(record, &package), package, Vec::new())
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

/// Connections of a package that wait for more than they were granted, in words.
pub(crate) async fn all_waiting(host: &Host, shelf: &Shelf, name: &str) -> Result<Vec<String>> {
    let (mut waiting, mut standings) = (Vec::new(), Standings::on(shelf));
    for record in host.connections(None).await? {
        if record.package == name
            && let Some(standing) = standings.of(&record)?
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
