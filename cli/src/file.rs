//! `lockgate file`: contents of files, down and up.

mod get;
mod put;

use anyhow::Result;
use clap::Subcommand;

use crate::args::{Common, Target};
use crate::exit::Status;

const EXAMPLES: &str = "\
Examples:
  lockgate file put crm report.pdf --on 001XX0000000001AAA
  lockgate file get crm 068XX0000000001AAA --to report.pdf";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Get the content of a file
    Get(get::Args),
    /// Put a file into the org
    Put(put::Args),
}

impl Args {
    pub(crate) fn target(&self) -> &Target {
        match &self.command {
            Command::Get(args) => &args.target,
            Command::Put(args) => &args.target,
        }
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    match args.command {
        Command::Get(args) => get::run(common, args).await,
        Command::Put(args) => put::run(common, args).await,
    }
}

/// Where the content of a file is: the object, and its field with the content.
#[derive(Debug, clap::Args)]
struct Place {
    /// The object that holds the file: `ContentVersion`, `Attachment` or
    /// `Document` for Salesforce
    #[arg(long, value_name = "NAME", default_value = "ContentVersion")]
    object: String,
    /// The field with the content; by default `VersionData` of a ContentVersion,
    /// and `Body` of all else
    #[arg(long, value_name = "NAME")]
    field: Option<String>,
}

impl Place {
    fn is_version(&self) -> bool {
        self.object.eq_ignore_ascii_case("ContentVersion")
    }

    fn field(&self) -> &str {
        match &self.field {
            Some(field) => field,
            None if self.is_version() => "VersionData",
            None => "Body",
        }
    }
}
