//! `lockgate webhook remove`.

use anyhow::Result;
use serde_json::json;

use super::{Named, open};
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::run::control;
use crate::{kept, output};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate webhook remove crm\n      What waits to be sent and what was given up is thrown away."
)]
pub(crate) struct Args {
    #[command(flatten)]
    webhook: Named,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, webhook) = open::find(common, &args.webhook).await?;
    kept::forget(&host, &webhook).await?;
    // A host that has it at work lets it go first.
    control::reload(common).await?;
    open::queue(&host, &webhook).await?.erase().await?;
    match args.shape.is_json() {
        true => output::json(&json!({"name": webhook.name, "removed": true}))?,
        false => output::line(&format!("{} is removed", webhook.title()))?,
    }
    Ok(Status::Done)
}
