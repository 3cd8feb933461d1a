//! `lockgate plugin pack`.

use std::path::PathBuf;

use anyhow::Result;

use super::tested::Tests;
use super::{build, package_directory};
use crate::args::{Common, Shape};
use crate::exit::{Status, advised};
use crate::package::sign;

const EXAMPLES: &str = "\
Examples:
  lockgate plugin pack
  lockgate plugin pack ./my-plugin --into ./packages/my-plugin

A package is a directory with component.wasm, package.toml and a signature. Give it to
`lockgate query … --plugin`, to `lockgate sync create … --plugin`, or to `Package::open`.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The plugin's directory
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Where the package goes; by default target/NAME-VERSION in that directory
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

/// Lays out a package only once it does what its golden folders say.
pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let built = package_directory(&args.directory);
    let package = build::make(common, &args.directory, &built).await?;
    let tests = Tests::run(common, &args.directory, &package).await?;
    if tests.status() != Status::Done {
        tests.show()?;
        return Err(advised(
            "what does not pass its tests is not packed",
            "mend the plugin, or make what it does now right with `lockgate plugin test --bless`",
        ));
    }
    let into = args.into.unwrap_or_else(|| {
        let head = &package.manifest().package;
        let name = format!("{}-{}", head.name, head.version);
        args.directory.join("target").join(name)
    });
    let manifest = std::fs::read_to_string(built.join(lockgate::MANIFEST_FILE))?;
    guest_build::write_package(&into, package.component(), &manifest)?;
    sign::sign_in(common, &into)?;
    build::tell(&package, &into, args.shape)?;
    Ok(Status::Done)
}
