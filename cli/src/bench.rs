//! `lockgate bench`: what promises about time cost on this machine.

mod load;
mod swap;

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
    /// Swap versions of a plugin under load, and tell what calls notice of it
    Swap(swap::Args),
}

pub(crate) async fn run(args: Args) -> Result<Status> {
    match args.command {
        Command::Swap(args) => swap::run(args).await,
    }
}
