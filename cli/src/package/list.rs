//! `lockgate package list`.

use std::collections::BTreeMap;

use anyhow::Result;
use lockgate::{PackageStatus, VersionStatus};
use serde::Serialize;
use serde_json::Value as Json;

use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::run::control;
use crate::shelf::{Course, Shelf, Standings};
use crate::{output, session, table};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate package list\n  lockgate package list salesforce --output json | jq '.[].live.figures'"
)]
pub(super) struct Args {
    /// Only this package
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    shape: Shape,
}

/// A version of a package, as it lies there and as it does.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    version: String,
    /// What it is there for.
    role: String,
    pinned: Vec<String>,
    /// The connections that wait for it.
    waiting: Vec<Waiting>,
    /// What the host that runs says of it.
    live: Option<VersionStatus>,
}

/// A connection that was not granted all that a version asks for.
#[derive(Clone, Debug, Serialize)]
struct Waiting {
    connection: String,
    #[serde(flatten)]
    waits_for: Json,
    #[serde(skip)]
    in_words: String,
}

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let shelf = Shelf::of(common)?;
    let live = control::packages(common).await?.unwrap_or_default();
    let mut rows = Vec::new();
    for name in shelf.names()? {
        if args.name.as_ref().is_some_and(|wanted| *wanted != name) {
            continue;
        }
        let Some(course) = shelf.course(&name)? else {
            continue;
        };
        for version in shelf.versions(&name)? {
            rows.push(row(&name, version, &course, &live));
        }
    }
    let waiting = match rows.is_empty() {
        true => BTreeMap::new(),
        false => waiting(common, &shelf, args.name.as_deref()).await?,
    };
    for row in &mut rows {
        let key = (row.name.clone(), row.version.clone());
        row.waiting = waiting.get(&key).cloned().unwrap_or_default();
    }
    if args.shape.is_json() {
        output::json(&rows)?;
        return Ok(Status::Done);
    }
    if rows.is_empty() {
        output::tell(
            "nothing is installed, so what the program carries is used: install a package with \
             `lockgate package install DIR`",
        );
        return Ok(Status::Done);
    }
    let header = ["name", "version", "role", "calls", "failed", "p99", "alive"];
    table::print(header, rows.iter().map(shown))?;
    for told in rows.iter().flat_map(|row| &row.waiting) {
        output::line(&told.in_words)?;
    }
    Ok(Status::Done)
}

/// The connections that wait, by the package and the version that they wait for.
async fn waiting(
    common: &Common,
    shelf: &Shelf,
    name: Option<&str>,
) -> Result<BTreeMap<(String, String), Vec<Waiting>>> {
    let host = session::open(common, None).await?;
    let mut all: BTreeMap<_, Vec<Waiting>> = BTreeMap::new();
    let mut standings = Standings::on(shelf);
    for record in host.connections(None).await? {
        if name.is_some_and(|wanted| wanted != record.package) {
            continue;
        }
        let standing = match standings.of(&record) {
            Ok(Some(standing)) => standing,
            Ok(None) => continue,
            // The list is where one looks for what is wrong.
            Err(error) => {
                tracing::warn!(connection = %record.key, %error, "its versions cannot be read");
                continue;
            }
        };
        if let Some(in_words) = standing.waiting(&record) {
            let version = standing.wanted.manifest().package.version.clone();
            let waiting = Waiting {
                connection: record.key.to_string(),
                waits_for: standing.waits_for(&record),
                in_words,
            };
            all.entry((record.package, version))
                .or_default()
                .push(waiting);
        }
    }
    Ok(all)
}

fn row(name: &str, version: String, course: &Course, live: &[PackageStatus]) -> Row {
    let role = match &course.canary {
        _ if version == course.current && course.trial_until_ms.is_some() => "on trial",
        _ if version == course.current => "current",
        Some(canary) if canary.version == version => "canary",
        _ if course.before.as_ref() == Some(&version) => "before",
        _ => "installed",
    };
    let pinned = course.pins.iter().filter(|(_, pinned)| **pinned == version);
    let mut live = live
        .iter()
        .filter(|status| status.name == name)
        .flat_map(|status| &status.versions);
    Row {
        name: name.to_owned(),
        role: role.to_owned(),
        waiting: Vec::new(),
        pinned: pinned.map(|(connection, _)| connection.clone()).collect(),
        live: live.find(|status| status.version == version).cloned(),
        version,
    }
}

fn shown(row: &Row) -> [String; 7] {
    let mut role = row.role.clone();
    if !row.pinned.is_empty() {
        role = format!("{role}, pinned for {}", row.pinned.join(", "));
    }
    let figure = |of: fn(&VersionStatus) -> String| row.live.as_ref().map(of).unwrap_or_default();
    [
        row.name.clone(),
        row.version.clone(),
        role,
        figure(|live| live.figures.calls.to_string()),
        figure(|live| live.figures.failed.to_string()),
        figure(|live| format!("{} ms", live.figures.p99_us.div_ceil(1_000))),
        figure(|live| live.instances.to_string()),
    ]
}
