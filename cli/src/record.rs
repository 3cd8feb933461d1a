//! `lockgate record`: create, read, change and delete records, one or many.

mod create;
mod delete;
mod get;
mod plan;
mod results;
mod update;
mod upsert;

use anyhow::Result;
use clap::Subcommand;

use crate::args::{Common, Target};
use crate::exit::Status;

const EXAMPLES: &str = "\
Examples:
  lockgate record create crm Account '{\"Name\": \"Acme\"}'
  lockgate record get crm Account 001XX0000000001AAA
  lockgate record upsert crm Contact --key Email --file contacts.json --dry-run";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create records
    Create(create::Args),
    /// Read records by id
    Get(get::Args),
    /// Change records by id
    Update(update::Args),
    /// Create or change records by the value of a key field
    Upsert(upsert::Args),
    /// Delete records by id
    Delete(delete::Args),
}

impl Args {
    pub(crate) fn target(&self) -> &Target {
        match &self.command {
            Command::Create(args) => &args.write.target,
            Command::Get(args) => &args.target,
            Command::Update(args) => &args.write.target,
            Command::Upsert(args) => &args.write.target,
            Command::Delete(args) => &args.write.target,
        }
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    match args.command {
        Command::Create(args) => create::run(common, args).await,
        Command::Get(args) => get::run(common, args).await,
        Command::Update(args) => update::run(common, args).await,
        Command::Upsert(args) => upsert::run(common, args).await,
        Command::Delete(args) => delete::run(common, args).await,
    }
}
