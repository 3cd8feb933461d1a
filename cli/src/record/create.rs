//! `lockgate record create`.

use anyhow::Result;

use super::results::{Results, Source, Write};
use crate::args::Common;
use crate::exit::Status;
use crate::{input, session};

const EXAMPLES: &str = "\
Examples:
  lockgate record create crm Account '{\"Name\": \"Acme\"}'
  lockgate record create crm Contact --file contacts.json --output json
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
    let records = input::records(args.source.records.as_deref(), args.source.file.as_deref())?;
    let (_host, connection) = session::connect(common, &args.write.target).await?;
    let mut results = Results::new(args.write.shape, records.len());
    let mut ended = Ok(());
    for batch in records.chunks(args.write.records_a_call()) {
        let batch = input::batch(batch)?;
        match connection
            .create(&args.write.object, &batch, args.write.options())
            .await
        {
            Ok(some) => results.add(some),
            Err(error) => {
                ended = Err(error);
                break;
            }
        }
    }
    results.finish(ended)
}
