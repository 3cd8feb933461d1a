//! `lockgate record create`.

use anyhow::Result;
use lockgate::Operation;

use super::results::{Source, Write};
use crate::args::Common;
use crate::exit::Status;
use crate::session;

const EXAMPLES: &str = "\
Examples:
  lockgate record create crm Account '{\"Name\": \"Acme\"}'
  lockgate record create crm Contact --file contacts.json --output json
  lockgate record create crm Account '{\"Name\": \"Acme\", \"Contacts\": {\"records\": [{\"LastName\": \"Doe\"}]}}'
  cat leads.ndjson | lockgate record create crm Lead";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) write: Write,
    #[command(flatten)]
    source: Source,
}

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (write, records) = (&args.write, args.source.read()?);
    let (_host, connection) = session::connect(common, &write.target).await?;
    write
        .records(&connection, Operation::Create, &records)
        .await
}
