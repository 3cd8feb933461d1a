//! `lockgate sync`: keeps the records of a connection and the tables of a database
//! equal. What is here sets syncs up and looks after them; `lockgate run` has them at
//! work.

mod conflicts;
mod create;
pub(crate) mod definition;
mod key_field;
mod letters;
mod list;
pub(crate) mod open;
mod remove;
mod reset;
mod run_once;
mod status;
mod steer;

use anyhow::Result;
use clap::Subcommand;

use crate::args::{Common, Target};
use crate::exit::Status;

const EXAMPLES: &str = "\
Examples:
  lockgate sync create crm --object Account --object Contact --to sqlite:crm.db
  lockgate run
      Has all syncs at work until Ctrl-C.
  lockgate sync status crm
  lockgate sync conflicts crm";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up a sync and make its tables
    Create(Box<create::Args>),
    /// List syncs
    List(list::Args),
    /// Let a sync work again that was paused
    #[command(after_help = steer::START)]
    Start(steer::Args),
    /// Let a sync rest until it is started again
    #[command(after_help = steer::PAUSE)]
    Pause(steer::Args),
    /// Show how far a sync is, what waits, and what went wrong
    Status(status::Args),
    /// Make both sides equal once, here and now
    RunOnce(run_once::Args),
    /// Compare all records of both sides, and mend what differs
    #[command(after_help = steer::RECONCILE)]
    Reconcile(steer::Args),
    /// List conflicts, and decide them
    Conflicts(conflicts::Args),
    /// List records that could not be taken over, and send them again
    Letters(letters::Args),
    /// Forget what a sync knows, and begin it anew; rows and records stay
    Reset(reset::Args),
    /// End a sync; rows and records stay
    Remove(remove::Args),
}

/// A sync that was created before.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Named {
    /// The sync's name
    #[arg(value_name = "SYNC")]
    pub(crate) name: String,
    /// Whose it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) tenant: String,
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
        Command::Start(args) => steer::start(common, args).await,
        Command::Pause(args) => steer::pause(common, args).await,
        Command::Status(args) => status::run(common, args).await,
        Command::RunOnce(args) => run_once::run(common, args).await,
        Command::Reconcile(args) => steer::reconcile(common, args).await,
        Command::Conflicts(args) => conflicts::run(common, args).await,
        Command::Letters(args) => letters::run(common, args).await,
        Command::Reset(args) => reset::run(common, args).await,
        Command::Remove(args) => remove::run(common, args).await,
    }
}
