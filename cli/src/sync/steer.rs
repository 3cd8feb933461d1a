//! `lockgate sync start`, `pause` and `reconcile`.

use anyhow::Result;
use lockgate_sync::Database;
use serde_json::json;

use super::definition::Sync;
use super::{Named, open};
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::run::control;
use crate::{kept, output};

pub(super) const START: &str = "\
Examples:
  lockgate sync start crm
      Goes on where it was paused, with `lockgate run`.";

pub(super) const PAUSE: &str = "\
Examples:
  lockgate sync pause crm
      Changes of both sides wait, and are taken over once it is started again.";

pub(super) const RECONCILE: &str = "\
Examples:
  lockgate sync reconcile crm
  lockgate sync reconcile crm && lockgate sync run-once crm
      Here and now, where no `lockgate run` is at work.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sync: Named,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn start(common: &Common, args: Args) -> Result<Status> {
    let (sync, is_at_work) = set_paused(common, &args, false).await?;
    told(&sync, args.shape, "is started")?;
    if !is_at_work {
        output::tell("nothing has it at work yet: `lockgate run` does");
    }
    Ok(Status::Done)
}

pub(crate) async fn pause(common: &Common, args: Args) -> Result<Status> {
    let (sync, _) = set_paused(common, &args, true).await?;
    told(&sync, args.shape, "is paused")?;
    Ok(Status::Done)
}

/// Gives also whether a host is there that has heard of it.
async fn set_paused(common: &Common, args: &Args, is_paused: bool) -> Result<(Sync, bool)> {
    let (host, mut sync) = open::find(common, &args.sync).await?;
    sync.definition.is_paused = is_paused;
    kept::keep(&host, &sync).await?;
    Ok((sync, control::reload(common).await?))
}

pub(crate) async fn reconcile(common: &Common, args: Args) -> Result<Status> {
    let (_, sync) = open::find(common, &args.sync).await?;
    let database = Database::attach(&sync.definition.target()?).await?;
    database.compare_all().await?;
    told(&sync, args.shape, "compares all records")?;
    if !control::is_at_work(common).await? {
        output::tell(&format!(
            "it does so with the next `lockgate run` or `lockgate sync run-once {}`",
            sync.as_arguments()
        ));
    }
    Ok(Status::Done)
}

fn told(sync: &Sync, shape: Shape, what: &str) -> Result<()> {
    if shape.is_json() {
        return output::json(&json!({
            "tenant": sync.connection.tenant(),
            "name": sync.name,
            "paused": sync.definition.is_paused,
        }));
    }
    output::line(&format!("{} {what}", sync.title()))
}
