//! `lockgate record upsert`.

use anyhow::Result;

use super::results::{Results, Source, Write};
use crate::args::Common;
use crate::exit::Status;
use crate::{input, session};

const EXAMPLES: &str = "\
Examples:
  lockgate record upsert crm Account --key External_Id__c '{\"External_Id__c\": \"7\", \"Name\": \"Acme\"}'
  lockgate record upsert crm Contact --key Email --file contacts.json";

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
    let records = input::records(args.source.records.as_deref(), args.source.file.as_deref())?;
    let (_host, connection) = session::connect(common, &args.write.target).await?;
    let mut results = Results::new(args.write.shape, records.len());
    let mut ended = Ok(());
    for batch in records.chunks(args.write.records_a_call()) {
        let batch = input::batch(batch)?;
        let (object, options) = (&args.write.object, args.write.options());
        match connection.upsert(object, &args.key, &batch, options).await {
            Ok(some) => results.add(some),
            Err(error) => {
                ended = Err(error);
                break;
            }
        }
    }
    results.finish(ended)
}
