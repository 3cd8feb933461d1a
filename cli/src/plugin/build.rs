//! `lockgate plugin build`, which is `lockgate package build`, too.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lockgate::Package;
use serde_json::json;

use super::{language, package_directory};
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::package::sign;
use crate::progress::Progress;
use crate::{output, packages, session};

const EXAMPLES: &str = "\
Examples:
  lockgate plugin build
  lockgate plugin build ./my-plugin --into ./packages/my-plugin

What it is built with is installed first where that is missing: packages of npm into
node_modules, of Python into .venv, in the plugin's directory.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The directory of the plugin's or connector's source, with its package.toml
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Where the package goes; by default target/package in that directory
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

/// Builds the package, and loads it: what is built here must run here.
pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let into = args
        .into
        .unwrap_or_else(|| package_directory(&args.directory));
    let package = make(common, &args.directory, &into).await?;
    let host = session::open(common, None).await?;
    packages::load(&host, &package, package.world()).await?;
    tell(&package, &into, args.shape)?;
    Ok(Status::Done)
}

/// Builds the source in a directory into a package directory, and signs it.
pub(super) async fn make(common: &Common, directory: &Path, into: &Path) -> Result<Package> {
    let _progress = Progress::spinner(format!("building {}", directory.display()));
    let (source, target) = (directory.to_owned(), into.to_owned());
    let build = move || -> Result<()> {
        let built = language::build(&source)?;
        guest_build::write_package(&target, &built.component, &built.manifest)
    };
    let done = tokio::task::spawn_blocking(build).await;
    done.context("the build failed")??;
    sign::sign_in(common, into)
}

/// A package that is built already, or the one of a plugin, built now.
pub(super) async fn given_or_made(
    common: &Common,
    plugin: &Path,
    given: Option<&Path>,
) -> Result<Package> {
    match given {
        Some(directory) => packages::open(directory),
        None => make(common, plugin, &package_directory(plugin)).await,
    }
}

/// Says which package is where.
pub(super) fn tell(package: &Package, directory: &Path, shape: Shape) -> Result<()> {
    let size = package.component().len();
    if shape.is_json() {
        return output::json(&json!({
            "name": package.name(),
            "directory": directory,
            "size_bytes": size,
            "digest": package.digest(),
        }));
    }
    output::line(&format!(
        "{} is in {} ({} KiB, sha256 {})",
        package.name(),
        directory.display(),
        size.div_ceil(1024),
        package.digest()
    ))
}
