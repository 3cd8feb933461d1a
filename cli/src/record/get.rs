//! `lockgate record get`.

use anyhow::{Context as _, Result};
use serde_json::value::RawValue;

use crate::args::{Common, Shape, Target};
use crate::exit::Status;
use crate::rows::Columns;
use crate::{input, output, session, table, text};

/// Ids of one call, of which the connector makes requests as it sees fit.
const IDS_A_CALL: usize = 2_000;

const EXAMPLES: &str = "\
Examples:
  lockgate record get crm Account 001XX0000000001AAA
  lockgate record get crm Contact - --fields Id,Email --output json < ids.txt";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    /// The object's API name
    object: String,
    /// Ids of the records; a single `-` reads them from standard input
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Fields to read, with commas between them; all by default
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    fields: Vec<String>,
    #[command(flatten)]
    shape: Shape,
}

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let ids = input::ids(args.ids)?;
    let (_host, connection) = session::connect(common, &args.target).await?;
    let mut records: Vec<Box<RawValue>> = Vec::with_capacity(ids.len());
    for batch in ids.chunks(IDS_A_CALL) {
        let json = connection.get(&args.object, batch, &args.fields).await?;
        let some: Vec<Box<RawValue>> =
            serde_json::from_slice(&json).context("the connector's answer is not JSON")?;
        records.extend(some);
    }
    if args.shape.is_json() {
        output::json(&records)?;
    } else {
        show(&records)?;
    }
    // In the order of the ids, with `null` for what is not there.
    let missing: Vec<&str> = ids
        .iter()
        .zip(&records)
        .filter_map(|(id, record)| (record.get() == "null").then_some(id.as_str()))
        .collect();
    if missing.is_empty() {
        return Ok(Status::Done);
    }
    output::error(
        &format!(
            "{} not there, or not visible to the connected user: {}",
            text::counted(missing.len(), "record"),
            missing.join(", ")
        ),
        None,
    );
    Ok(Status::SomeFailed)
}

/// One record as a list of its fields, more as a table.
fn show(records: &[Box<RawValue>]) -> Result<()> {
    let found: Vec<&RawValue> = records
        .iter()
        .map(AsRef::as_ref)
        .filter(|record| record.get() != "null")
        .collect();
    let mut columns = Columns::of(&found)?;
    match found.as_slice() {
        [] => Ok(()),
        [record] => {
            let cells = columns.cells(record)?;
            let names = columns.names().to_vec();
            table::print(
                ["", ""],
                names
                    .into_iter()
                    .zip(cells)
                    .map(|(name, cell)| [name, cell]),
            )
        }
        many => {
            let mut table = table::table(columns.names());
            for record in many {
                let cells = columns.cells(record)?;
                table.add_row(cells.iter().map(|cell| text::clean(cell).into_owned()));
            }
            table::write(&mut table)
        }
    }
}
