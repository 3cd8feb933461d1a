//! `lockgate record update`.

use anyhow::Result;
use lockgate::Operation;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::results::{Source, Write};
use crate::args::Common;
use crate::exit::{Status, usage};
use crate::session;

const EXAMPLES: &str = "\
Examples:
  lockgate record update crm Account '{\"Name\": \"Acme Ltd\"}' --id 001XX0000000001AAA
  lockgate record update crm Contact --file contacts.json    # each with its Id";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) write: Write,
    #[command(flatten)]
    source: Source,
    /// The id of the one record; without it each record holds its own as `Id`
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (write, mut records) = (&args.write, args.source.read()?);
    if let Some(id) = &args.id {
        let [record] = records.as_slice() else {
            return Err(usage(format!(
                "--id is for one record, but there are {}",
                records.len()
            )));
        };
        records = vec![with_id(record, id)?];
    }
    let (_host, connection) = session::connect(common, &write.target).await?;
    write
        .records(&connection, Operation::Update, &records)
        .await
}

fn with_id(record: &RawValue, id: &str) -> Result<Box<RawValue>> {
    let mut record: Map<String, Json> = serde_json::from_str(record.get())?;
    if record.get("Id").is_some_and(|own| own != id) {
        return Err(usage("the record holds another Id than --id"));
    }
    record.insert("Id".to_owned(), Json::from(id));
    Ok(serde_json::value::to_raw_value(&record)?)
}
