//! `lockgate package remove`.

use anyhow::Result;
use serde_json::json;

use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::output;
use crate::shelf::Shelf;

const EXAMPLES: &str = "\
Examples:
  lockgate package remove tidy-mail 0.1.1-dev.1 0.1.1-dev.2
      What `lockgate plugin dev --swap` has left, for instance.

A version that calls go to, or that a rollback, a pin or a canary needs, stays. To have a
version never loaded again, wherever it comes from, is `lockgate package revoke`, which cannot
be taken back.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The package
    #[arg(value_name = "NAME")]
    name: String,
    /// Versions that are installed
    #[arg(value_name = "VERSION", required = true)]
    versions: Vec<String>,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<Status> {
    let shelf = Shelf::of(common)?;
    for version in &args.versions {
        shelf.remove(&args.name, version)?;
        if !args.shape.is_json() {
            output::line(&format!("{} {version} is removed", args.name))?;
        }
    }
    if args.shape.is_json() {
        output::json(&json!({ "name": args.name, "removed": args.versions }))?;
    }
    Ok(Status::Done)
}
