//! The packages that the binary carries, and those from a directory.

use std::path::Path;

use anyhow::{Context as _, Result};
use lockgate::manifest::World;
use lockgate::{Host, Package, PackageStatus};

use crate::args::Common;
use crate::exit::{advised, usage};
use crate::plugin::language::Language;
use crate::progress::Progress;
use crate::shelf::Shelf;

/// A package as `build.rs` laid it out.
macro_rules! built_in {
    ($name:literal) => {
        (
            include_str!(concat!(
                env!("OUT_DIR"),
                "/packages/",
                $name,
                "/package.toml"
            )),
            include_bytes!(concat!(
                env!("OUT_DIR"),
                "/packages/",
                $name,
                "/component.wasm"
            )),
        )
    };
}

type Parts = (&'static str, &'static [u8]);

const SALESFORCE: Parts = built_in!("salesforce-connector");
const MAILING_LIST: Parts = built_in!("mailing-list-connector");
const CONTACT_NORMALIZER: Parts = built_in!("contact-normalizer");
const LEAD_SCORER: Parts = built_in!("lead-scorer");
const HOSTILE: Parts = built_in!("hostile-transform");

/// The connectors and plugins for use, by the names in their manifests.
pub(crate) const NAMES: [&str; 4] = [
    "salesforce",
    "mailing-list",
    "contact-normalizer",
    "lead-scorer",
];

/// A package that the binary carries.
pub(crate) fn built_in(name: &str) -> Option<Result<Package>> {
    let (manifest, component) = match name {
        "salesforce" => SALESFORCE,
        "mailing-list" => MAILING_LIST,
        "contact-normalizer" => CONTACT_NORMALIZER,
        "lead-scorer" => LEAD_SCORER,
        _ => return None,
    };
    Some(unpack(manifest, component))
}

/// The objects that a built-in plugin knows without settings, if it does not know all.
pub(crate) fn objects_known_to(plugin: &str) -> Option<&'static str> {
    (plugin == "contact-normalizer").then_some("Contact and Lead")
}

/// A plugin that attacks its sandbox, for the demo.
pub(crate) fn hostile() -> Result<Package> {
    let (manifest, component) = HOSTILE;
    unpack(manifest, component)
}

fn unpack(manifest: &str, component: &'static [u8]) -> Result<Package> {
    Ok(Package::from_parts(manifest, component)?.vouched())
}

/// The package in a directory, or else the one of that name: the installed version that
/// calls go to, or the built-in one. A package in a directory wins, so that a name never
/// hides one's own work; the source of one does not.
pub(crate) fn find(common: &Common, place: &Path) -> Result<Package> {
    if place.is_dir() && !is_source(place) {
        return open(place);
    }
    let named = place
        .to_str()
        .map(|name| current(common, name))
        .transpose()?;
    match named.flatten() {
        Some(package) => Ok(package),
        None if place.is_dir() => open(place),
        None => Err(usage(format!(
            "`{}` is neither a package directory nor an installed package nor one of {}",
            place.display(),
            NAMES.join(", ")
        ))),
    }
}

/// The package of a name: the installed version that calls go to, or the built-in one.
pub(crate) fn current(common: &Common, name: &str) -> Result<Option<Package>> {
    let shelf = Shelf::of(common)?;
    match shelf.course(name)? {
        Some(course) => shelf.package(name, &course.current).map(Some),
        None => built_in(name).transpose(),
    }
}

/// The package in a directory.
pub(crate) fn open(directory: &Path) -> Result<Package> {
    if is_source(directory) {
        let directory = directory.display();
        return Err(advised(
            format!("{directory} is source and not yet a package"),
            format!(
                "build it first with `lockgate plugin build {directory}`, which says where the \
                 package is"
            ),
        ));
    }
    Package::open(directory)
        .map_err(lockgate::Error::from)
        .with_context(|| format!("cannot open the package in {}", directory.display()))
}

/// Whether a directory holds the source of a package, and none that is built.
pub(crate) fn is_source(directory: &Path) -> bool {
    Language::of(directory).is_some() && !directory.join("component.wasm").exists()
}

/// Loads the connector `name`: from the directory if one is given, else the installed
/// one, else the built-in one.
pub(crate) async fn load_connector(
    host: &Host,
    name: &str,
    directory: Option<&Path>,
) -> Result<()> {
    let Some(directory) = directory else {
        return load_named(host, name, World::Connector).await;
    };
    let package = open(directory)?;
    if package.name() != name {
        return Err(usage(format!(
            "the package in {} is `{}`, but `{name}` is asked for",
            directory.display(),
            package.name()
        )));
    }
    load(host, &package, World::Connector).await
}

/// Loads a plugin: from a directory, or by its name as [`load_connector`] does. Gives
/// its name.
pub(crate) async fn load_plugin(host: &Host, place: &Path) -> Result<String> {
    let name = place.to_string_lossy().into_owned();
    let is_known = || anyhow::Ok(built_in(&name).is_some() || has_course(host, &name)?);
    if place.is_dir() && !(is_source(place) && is_known()?) {
        let package = open(place)?;
        load(host, &package, World::Transform).await?;
        return Ok(package.name().to_owned());
    }
    load_named(host, &name, World::Transform).await?;
    Ok(name)
}

fn has_course(host: &Host, name: &str) -> Result<bool> {
    Ok(Shelf::of_host(host).course(name)?.is_some())
}

/// Loads what is installed under a name, with all versions that calls may go to, or else
/// what is built in. What a host has is not loaded again: swaps change it.
async fn load_named(host: &Host, name: &str, world: World) -> Result<()> {
    let shelf = Shelf::of_host(host);
    if let Some(course) = shelf.course(name)? {
        let has = |status: &PackageStatus| status.name == name && status.world == world;
        if host.packages().iter().any(has) {
            return Ok(());
        }
        return course.begin(host, &shelf, name, world).await;
    }
    let package = built_in(name).unwrap_or_else(|| {
        Err(advised(
            format!(
                "no {} `{name}` is installed, and none of that name is built in",
                world.name()
            ),
            "install it with `lockgate package install DIR`, or give the directory of its package",
        ))
    })?;
    load(host, &package, world).await
}

/// Loads a package with the grants that it asks for, after a look at its world.
pub(crate) async fn load(host: &Host, package: &Package, world: World) -> Result<()> {
    if package.world() != world {
        return Err(usage(format!(
            "`{}` is a {}, but a {} is needed here",
            package.name(),
            package.world().name(),
            world.name()
        )));
    }
    let _progress = Progress::spinner(format!("preparing {}", package.name()));
    Ok(host.load(package, package.asked_grants()).await?)
}
