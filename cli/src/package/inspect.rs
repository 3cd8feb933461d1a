//! `lockgate package inspect`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use lockgate::manifest::{CONTRACT_VERSION, Manifest, StreamEndpoint};
use lockgate::{Error, Grant, Inspection, Limits, MANIFEST_FILE, Package};
use serde_json::{Map, Value as Json, json};

use crate::args::{Common, Shape};
use crate::exit::{Status, usage};
use crate::{output, packages, session, table};

const EXAMPLES: &str = "\
Examples:
  lockgate package inspect ./packages/my-plugin
  lockgate package inspect component.wasm
  lockgate package inspect salesforce        # built in";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A package directory, a component file, or the name of a built-in package
    #[arg(value_name = "FILE")]
    place: PathBuf,
    #[command(flatten)]
    shape: Shape,
}

/// What was found, and whether it came with a manifest.
struct Found {
    package: Package,
    has_manifest: bool,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    look(common, &args.place, args.shape).await
}

/// Shows what lies in a place.
pub(crate) async fn look(common: &Common, place: &Path, shape: Shape) -> Result<Status> {
    let found = find(common, place)?;
    let inspection = found.package.inspect().map_err(Error::from)?;
    let refusal = match found.has_manifest {
        true => refusal(common, &found.package).await?,
        false => None,
    };
    if shape.is_json() {
        output::json(&as_json(&found, &inspection, refusal.as_deref()))?;
    } else {
        show(&found, &inspection, refusal.as_deref())?;
    }
    Ok(if refusal.is_some() {
        Status::Failed
    } else {
        Status::Done
    })
}

fn find(common: &Common, place: &Path) -> Result<Found> {
    if !place.is_file() {
        return Ok(Found {
            package: packages::find(common, place)?,
            has_manifest: true,
        });
    }
    if place.file_name().is_some_and(|name| name == MANIFEST_FILE) {
        let directory = place.parent().unwrap_or(Path::new("."));
        return Ok(Found {
            package: packages::open(directory)?,
            has_manifest: true,
        });
    }
    let size = std::fs::metadata(place)?.len();
    if size > lockgate::MAX_COMPONENT_BYTES {
        let most = lockgate::MAX_COMPONENT_BYTES;
        return Err(usage(format!(
            "{} has {size} bytes; a component has at most {most}",
            place.display()
        )));
    }
    let component =
        std::fs::read(place).with_context(|| format!("cannot read {}", place.display()))?;
    // A bare component: only the binary is looked at.
    let manifest = format!(
        "[package]\nname = 'component'\nversion = '0.0.0'\nworld = 'transform'\n\
         contract = '{CONTRACT_VERSION}'\n"
    );
    let package = Package::from_parts(&manifest, component).map_err(Error::from)?;
    Ok(Found {
        package,
        has_manifest: false,
    })
}

/// Why this host would not load it with all that it asks for.
async fn refusal(common: &Common, package: &Package) -> Result<Option<String>> {
    let host = session::open(common, None).await?;
    match host.load(package, package.asked_grants()).await {
        Ok(()) => Ok(None),
        Err(error @ Error::Package(_)) => Ok(Some(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn as_json(found: &Found, inspection: &Inspection, refusal: Option<&str>) -> Json {
    let texts = |interfaces: &[lockgate::Interface]| -> Vec<String> {
        interfaces.iter().map(ToString::to_string).collect()
    };
    let mut members = Map::new();
    let mut member = |name: &str, value: Json| members.insert(name.to_owned(), value);
    if found.has_manifest {
        let head = &found.package.manifest().package;
        member("name", json!(head.name));
        member("version", json!(head.version));
        member("world", json!(head.world.name()));
        member("contract", json!(head.contract));
        member("description", json!(head.description));
    }
    member("size_bytes", json!(inspection.size_bytes));
    member("digest", json!(found.package.digest()));
    member("imports", json!(texts(&inspection.imports)));
    member("exports", json!(texts(&inspection.exports)));
    if found.has_manifest {
        let manifest = found.package.manifest();
        let reason = |(grant, reason): (&Grant, &String)| (grant.to_string(), json!(reason));
        let endpoints = manifest.vendor.iter().flat_map(|vendor| &vendor.stream);
        let endpoint =
            |endpoint: &StreamEndpoint| (endpoint.name.clone(), json!(endpoint.authority));
        let limits = limits(manifest);
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        member(
            "grants",
            Json::Object(manifest.grants.iter().map(reason).collect()),
        );
        member(
            "streams_with",
            Json::Object(endpoints.map(endpoint).collect()),
        );
        member(
            "limits",
            json!({
                "memory_bytes": limits.memory_bytes,
                "cpu_ms": ms(limits.cpu),
                "wall_ms": ms(limits.wall),
                "http_requests": limits.http_requests,
            }),
        );
        member("refused", json!(refusal));
    }
    Json::Object(members)
}

/// The limits that the package would get here.
fn limits(manifest: &Manifest) -> Limits {
    Limits::ceiling().granted(&manifest.limits)
}

fn show(found: &Found, inspection: &Inspection, refusal: Option<&str>) -> Result<()> {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    let manifest = found.package.manifest();
    if found.has_manifest {
        let head = &manifest.package;
        row("package", format!("{} {}", head.name, head.version));
        row("does", head.description.clone());
        row(
            "world",
            format!("{} (contract {})", head.world.name(), head.contract),
        );
    }
    row("size", format!("{} bytes", inspection.size_bytes));
    row("sha256", found.package.digest());
    for (at, import) in inspection.imports.iter().enumerate() {
        row(if at == 0 { "imports" } else { "" }, import.to_string());
    }
    if inspection.imports.is_empty() {
        row("imports", "nothing".to_owned());
    }
    for (at, export) in inspection.exports.iter().enumerate() {
        row(if at == 0 { "exports" } else { "" }, export.to_string());
    }
    if found.has_manifest {
        for (at, (grant, reason)) in manifest.grants.iter().enumerate() {
            row(
                if at == 0 { "asks for" } else { "" },
                format!("{grant}: {reason}"),
            );
        }
        if manifest.grants.is_empty() {
            row("asks for", "nothing".to_owned());
        }
        let endpoints = manifest.vendor.iter().flat_map(|vendor| &vendor.stream);
        for (at, endpoint) in endpoints.enumerate() {
            row(
                if at == 0 { "streams with" } else { "" },
                format!("{}: {}", endpoint.name, endpoint.authority),
            );
        }
        let limits = limits(manifest);
        row(
            "limits",
            format!(
                "{} MiB memory, {} ms CPU, {} s in all for a call or a page",
                limits.memory_bytes / (1024 * 1024),
                limits.cpu.as_millis(),
                limits.wall.as_secs()
            ),
        );
        row(
            "loads here",
            refusal.map_or_else(|| "yes".to_owned(), |why| format!("no: {why}")),
        );
    }
    table::print(["", ""], rows)
}
