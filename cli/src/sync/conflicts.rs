//! `lockgate sync conflicts`.

use anyhow::Result;
use lockgate_sync::{Conflict, Database, Resolution, Value};
use serde_json::json;

use super::{Named, open};
use crate::args::{Common, Shape};
use crate::calls::moment_of_ms;
use crate::exit::{Status, usage};
use crate::{output, table};

const EXAMPLES: &str = "\
Examples:
  lockgate sync conflicts crm
  lockgate sync conflicts crm --resolve 17 --take org
  lockgate sync conflicts crm --resolve 17 --take local
  lockgate sync conflicts crm --resolve 17 --value '\"Jane\"'
      A value as JSON: a text has quotation marks, a number none.

Both values of every conflict are kept, also where a policy has decided. To resolve
one is to look at it: it is listed no more.";

/// Conflicts that are read at a time.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    sync: Named,
    /// The number of a conflict to resolve
    #[arg(long, value_name = "NUMBER")]
    resolve: Option<i64>,
    /// Whose value is to be taken: org or local
    #[arg(
        long,
        value_name = "SIDE",
        requires = "resolve",
        conflicts_with = "value"
    )]
    take: Option<Side>,
    /// Another value, as JSON
    #[arg(long, value_name = "JSON", requires = "resolve")]
    value: Option<String>,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Side {
    /// What the org has now
    Org,
    /// What the row had when the conflict was found
    Local,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (_, sync) = open::find(common, &args.sync).await?;
    let database = Database::attach(&sync.definition.target()?).await?;
    let Some(number) = args.resolve else {
        return list(&database, args.shape).await;
    };
    let resolution = match (args.take, &args.value) {
        (Some(Side::Org), _) => Resolution::Org,
        (Some(Side::Local), _) => Resolution::Local,
        (None, Some(value)) => {
            let value: Value = serde_json::from_str(value)
                .map_err(|error| usage(format!("the value is no JSON: {error}")))?;
            Resolution::Value(value)
        }
        (None, None) => {
            return Err(usage(
                "say which: --take org, --take local, or --value JSON",
            ));
        }
    };
    database.resolve(number, resolution).await?;
    match args.shape.is_json() {
        true => output::json(&json!({"resolved": number}))?,
        false => output::line(&format!("conflict {number} is resolved"))?,
    }
    Ok(Status::Done)
}

async fn list(database: &Database, shape: Shape) -> Result<Status> {
    let mut all: Vec<Conflict> = Vec::new();
    loop {
        let after = all.last().map_or(0, |last| last.number);
        let page = database.conflicts(after, PAGE).await?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    if shape.is_json() {
        output::json(&all)?;
        return Ok(Status::Done);
    }
    if all.is_empty() {
        output::tell("there is no conflict");
        return Ok(Status::Done);
    }
    let text = |value: &Value| serde_json::to_string(value).unwrap_or_default();
    let rows = all.iter().map(|conflict| {
        let field = conflict.field.as_deref().unwrap_or("(whole record)");
        [
            conflict.number.to_string(),
            format!("{}.{field}", conflict.object),
            conflict
                .org_id
                .clone()
                .unwrap_or_else(|| conflict.local_key.clone()),
            text(&conflict.base),
            text(&conflict.local),
            text(&conflict.incoming),
            conflict.taken.clone(),
            moment_of_ms(conflict.found_ms),
        ]
    });
    table::print(
        [
            "number", "field", "record", "before", "local", "org", "taken", "found",
        ],
        rows,
    )?;
    Ok(Status::Done)
}
