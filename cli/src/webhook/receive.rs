//! `lockgate webhook receive`: sets up webhooks that come in and looks after them;
//! `lockgate run --listen` takes them.

mod create;
pub(crate) mod definition;
mod inbox;
mod letters;
mod list;
mod remove;
mod rotate;
mod status;

use anyhow::Result;
use clap::Subcommand;

use super::Named;
use crate::args::{Common, Target};
use crate::exit::Status;

const EXAMPLES: &str = "\
Examples:
  lockgate webhook receive create crm --name form --signed --into Lead --key Email
  lockgate run --listen 127.0.0.1:8723
  lockgate webhook receive status
  lockgate webhook receive letters form";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up a webhook that comes in; shows its address, once
    Create(Box<create::Args>),
    /// List the webhooks that come in
    List(list::Args),
    /// Show what came, what waits and what was given up
    Status(status::Args),
    /// Show what waits to be taken, and mark it as done
    Inbox(inbox::Args),
    /// Show dead letters, send them again or throw them away
    Letters(letters::Args),
    /// Give a webhook another address or another secret
    Rotate(rotate::Args),
    /// Remove a webhook
    Remove(remove::Args),
}

impl Args {
    pub(crate) fn target(&self) -> Option<&Target> {
        match &self.command {
            Command::Create(args) => Some(args.target()),
            _ => None,
        }
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    match args.command {
        Command::Create(args) => create::run(common, *args).await,
        Command::List(args) => list::run(common, args).await,
        Command::Status(args) => status::run(common, args).await,
        Command::Inbox(args) => inbox::run(common, args).await,
        Command::Letters(args) => letters::run(common, args).await,
        Command::Rotate(args) => rotate::run(common, args).await,
        Command::Remove(args) => remove::run(common, args).await,
    }
}
