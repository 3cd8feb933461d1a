//! `lockgate package`: build packages and look into them.

mod build;
mod inspect;

use anyhow::Result;
use clap::Subcommand;

use crate::exit::Status;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a package is, what it imports, and what it asks for
    Inspect(inspect::Args),
    /// Build a plugin's or connector's crate into a package
    Build(build::Args),
}

pub(crate) async fn run(args: Args) -> Result<Status> {
    match args.command {
        Command::Inspect(args) => inspect::run(args).await,
        Command::Build(args) => build::run(args).await,
    }
}
