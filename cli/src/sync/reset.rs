//! `lockgate sync reset`.

use std::sync::Arc;

use anyhow::Result;
use lockgate_sync::{Database, DatabaseError};
use serde_json::json;

use super::definition::Sync;
use super::{Named, open};
use crate::args::{Common, Shape};
use crate::exit::{Status, advised};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate sync pause crm && lockgate sync reset crm && lockgate sync start crm\n      All records are loaded again. Where rows differ from them, the org wins, or who\n      the policy says."
)]
pub(crate) struct Args {
    #[command(flatten)]
    sync: Named,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, sync) = open::find(common, &args.sync).await?;
    forget(&sync).await?;
    let connection = open::connection(&host, &sync).await?;
    let plan = Arc::new(open::plan(&connection, &sync.definition).await?);
    Database::open(&sync.definition.target()?, &plan).await?;
    match args.shape.is_json() {
        true => output::json(&json!({"name": sync.name, "reset": true}))?,
        false => output::line(&format!(
            "{} knows nothing any more, and loads all records when it runs",
            sync.title()
        ))?,
    }
    Ok(Status::Done)
}

/// Forgets what a sync knows. Rows and records stay.
pub(super) async fn forget(sync: &Sync) -> Result<()> {
    let database = match Database::attach(&sync.definition.target()?).await {
        Err(DatabaseError::NoSync) => return Ok(()),
        other => other?,
    };
    match database.forget().await {
        Err(DatabaseError::Taken) => Err(advised(
            format!("{} is at work", sync.title()),
            format!(
                "let it rest first: `lockgate sync pause {}`",
                sync.as_arguments()
            ),
        )),
        other => Ok(other?),
    }
}
