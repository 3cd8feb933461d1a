//! `lockgate webhook`: sends what happens in an org to an app, as signed requests, and
//! receives those of the org and of others. What is here sets webhooks up and looks after
//! them; `lockgate run` has them at work.

mod create;
pub(crate) mod definition;
mod letters;
mod list;
pub(crate) mod open;
pub(crate) mod receive;
mod remove;
mod rotate;
mod status;
mod steer;
mod test;

use anyhow::Result;
use clap::Subcommand;

use crate::args::{Common, Target};
use crate::exit::Status;

const EXAMPLES: &str = "\
Examples:
  lockgate webhook create crm Account Contact --to https://app.example.com/hooks
  lockgate run
      Has all webhooks at work until Ctrl-C.
  lockgate webhook status crm
  lockgate webhook receive create crm --name form --signed --into Lead --key Email";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up a webhook and make its secret
    Create(Box<create::Args>),
    /// List webhooks
    List(list::Args),
    /// Let a webhook work again that was paused, or whose app wanted nothing any more
    Start(steer::Args),
    /// Let a webhook rest until it is started again
    Pause(steer::Args),
    /// Show what waits to be sent, what was given up, and what went wrong
    Status(status::Args),
    /// Send a test at once and show the answer
    Test(test::Args),
    /// List what was given up, and send it again
    Letters(letters::Args),
    /// Make a new secret; the old one signs as well for a while
    Rotate(rotate::Args),
    /// End a webhook; what waits to be sent is thrown away
    Remove(remove::Args),
    /// Webhooks that come in: from the org, or signed by anybody who has the secret
    Receive(receive::Args),
}

/// A webhook that was created before.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Named {
    /// The webhook's name
    #[arg(value_name = "WEBHOOK")]
    pub(crate) name: String,
    /// Whose it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) tenant: String,
}

impl Args {
    pub(crate) fn target(&self) -> Option<&Target> {
        match &self.command {
            Command::Create(args) => Some(args.target()),
            Command::Receive(args) => args.target(),
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
        Command::Test(args) => test::run(common, args).await,
        Command::Letters(args) => letters::run(common, args).await,
        Command::Rotate(args) => rotate::run(common, args).await,
        Command::Remove(args) => remove::run(common, args).await,
        Command::Receive(args) => receive::run(common, args).await,
    }
}
