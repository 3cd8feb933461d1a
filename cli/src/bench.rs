//! `lockgate bench`: what promises about time cost on this machine.

mod load;
mod neighbour;
mod swap;

use anyhow::Result;
use clap::Subcommand;

use crate::exit::Status;

const EXAMPLES: &str = "\
Examples:
  lockgate bench neighbour
  lockgate bench swap";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Call a plugin beside a tenant that does its worst, and tell what calls notice of it
    Neighbour(neighbour::Args),
    /// Swap versions of a plugin under load, and tell what calls notice of it
    Swap(swap::Args),
}

pub(crate) async fn run(args: Args) -> Result<Status> {
    match args.command {
        Command::Neighbour(args) => neighbour::run(args).await,
        Command::Swap(args) => swap::run(args).await,
    }
}
