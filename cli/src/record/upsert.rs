//! `lockgate record upsert`.

use anyhow::Result;
use lockgate::Operation;

use super::results::{Source, Write};
use crate::args::Common;
use crate::exit::Status;
use crate::session;

const EXAMPLES: &str = "\
Examples:
  lockgate record upsert crm Account --key External_Id__c '{\"External_Id__c\": \"7\", \"Name\": \"Acme\"}'
  lockgate record upsert crm Contact --key Email --file contacts.json
  lockgate record upsert crm Contact --key Email --file contacts.json --dry-run";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) write: Write,
    #[command(flatten)]
    source: Source,
    /// The field whose value tells which record is meant; an external id
    #[arg(long, value_name = "FIELD")]
    key: String,
}

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (write, records) = (&args.write, args.source.read()?);
    let (_host, connection) = session::connect(common, &write.target).await?;
    write
        .records(&connection, Operation::Upsert(args.key), &records)
        .await
}
