//! `lockgate connection`: add, list, test and remove connections.

mod change;
mod consent;
mod create;
mod grants;
mod list;
mod reconnect;
mod remove;
mod reserve;
mod show;
mod test;
mod view;

use anyhow::Result;
use clap::Subcommand;

use crate::args::{Common, Target};
use crate::exit::Status;

const EXAMPLES: &str = "\
Examples:
  lockgate connection create crm --login production --client-id ID
  lockgate connection list
  lockgate connection test crm || lockgate connection reconnect crm
  lockgate connection remove crm";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a connection and authorise it
    Create(Box<create::Args>),
    /// List connections
    List(list::Args),
    /// Show what is known of a connection
    Show(show::Args),
    /// Ask the org something, to see that the connection works
    Test(test::Args),
    /// Change a connection's settings, or what it keeps back of the budget
    Change(change::Args),
    /// Show what a connection's connector may do, and what it waits for
    Grants(grants::ShowArgs),
    /// Let a connection's connector do more
    Grant(grants::GrantArgs),
    /// Take from a connection's connector what it may do
    Revoke(grants::RevokeArgs),
    /// Authorise a connection again
    Reconnect(reconnect::Args),
    /// Revoke a connection's tokens and forget all that is known of it
    Remove(remove::Args),
}

impl Args {
    pub(crate) fn target(&self) -> Option<&Target> {
        match &self.command {
            Command::Create(_) | Command::List(_) => None,
            Command::Show(args) => Some(&args.target),
            Command::Test(args) => Some(&args.target),
            Command::Change(args) => Some(&args.target),
            Command::Grants(args) => Some(&args.target),
            Command::Grant(args) => Some(args.target()),
            Command::Revoke(args) => Some(args.target()),
            Command::Reconnect(args) => Some(&args.target),
            Command::Remove(args) => Some(&args.target),
        }
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    match args.command {
        Command::Create(args) => create::run(common, *args).await,
        Command::List(args) => list::run(common, args).await,
        Command::Show(args) => show::run(common, args).await,
        Command::Test(args) => test::run(common, args).await,
        Command::Change(args) => change::run(common, args).await,
        Command::Grants(args) => grants::show(common, args).await,
        Command::Grant(args) => grants::grant(common, args).await,
        Command::Revoke(args) => grants::revoke(common, args).await,
        Command::Reconnect(args) => reconnect::run(common, args).await,
        Command::Remove(args) => remove::run(common, args).await,
    }
}
