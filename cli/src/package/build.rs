//! `lockgate package build`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::sign;
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::progress::Progress;
use crate::{output, packages, session};

const EXAMPLES: &str = "\
Examples:
  lockgate package build ./my-plugin
  lockgate package build ./my-plugin --into ./packages/my-plugin";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The crate's directory, with Cargo.toml and package.toml
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Where the package goes; by default target/package in the crate's directory
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

/// Builds the package, and loads it: what is built here must run here.
pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let progress = Progress::spinner(format!("building {}", args.directory.display()));
    let source = args.directory;
    let into = args
        .into
        .unwrap_or_else(|| source.join("target").join("package"));
    let directory = tokio::task::spawn_blocking(move || -> Result<PathBuf> {
        let guest = guest_build::build(&source, &guest_build::Options::default())?;
        guest.write_package(&into)?;
        Ok(into)
    })
    .await
    .context("the build failed")??;
    drop(progress);

    let package = sign::sign_in(common, &directory)?;
    let data = tempfile::tempdir()?;
    let host = session::open_trusting(common, data.path()).await?;
    packages::load(&host, &package, package.world()).await?;
    let size = package.component().len();
    if args.shape.is_json() {
        output::json(&json!({
            "name": package.name(),
            "directory": directory,
            "size_bytes": size,
            "digest": package.digest(),
        }))?;
    } else {
        output::line(&format!(
            "{} is in {} ({} KiB, sha256 {})",
            package.name(),
            directory.display(),
            size.div_ceil(1024),
            package.digest()
        ))?;
    }
    Ok(Status::Done)
}
