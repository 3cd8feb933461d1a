//! `lockgate record delete`.

use anyhow::Result;

use super::results::Write;
use crate::args::Common;
use crate::exit::Status;
use crate::{input, session};

const EXAMPLES: &str = "\
Examples:
  lockgate record delete crm Lead 00QXX0000000001AAA 00QXX0000000002AAA
  lockgate record delete crm Lead - < ids.txt
  lockgate record delete crm Lead - --way hard-delete < ids.txt
      Salesforce: for good, past the recycle bin; the user needs the permission
      Bulk API Hard Delete.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) write: Write,
    /// Ids of the records; a single `-` reads them from standard input
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let ids = input::ids(args.ids)?;
    let (_host, connection) = session::connect(common, &args.write.target).await?;
    args.write.ids(&connection, &ids).await
}
