//! `lockgate sync remove`.

use anyhow::Result;
use serde_json::json;

use super::{Named, open, reset};
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::run::control;
use crate::{kept, output};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate sync remove crm\n      Triggers and the sync's own tables go; rows stay, and so do records of the org.\n  lockgate sync remove crm --keep-database\n      Where the database is gone or cannot be reached any more."
)]
pub(crate) struct Args {
    #[command(flatten)]
    sync: Named,
    /// Leave the database as it is
    #[arg(long)]
    keep_database: bool,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, mut sync) = open::find(common, &args.sync).await?;
    // A host that has it at work lets it go first.
    sync.definition.is_paused = true;
    kept::keep(&host, &sync).await?;
    control::reload(common).await?;
    if !args.keep_database {
        reset::forget(&sync).await?;
    }
    kept::forget(&host, &sync).await?;
    control::reload(common).await?;
    match args.shape.is_json() {
        true => output::json(&json!({"name": sync.name, "removed": true}))?,
        false => output::line(&format!("{} is removed; its rows stay", sync.title()))?,
    }
    Ok(Status::Done)
}
