//! `lockgate package`: build packages and look into them.

pub(crate) mod inspect;

use anyhow::Result;
use clap::Subcommand;

use crate::args::Common;
use crate::exit::Status;
use crate::plugin::build;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a package is, what it imports, and what it asks for
    Inspect(inspect::Args),
    /// Build a plugin's or connector's source into a package
    Build(build::Args),
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    match args.command {
        Command::Inspect(args) => inspect::run(common, args).await,
        Command::Build(args) => build::run(common, args).await,
    }
}
