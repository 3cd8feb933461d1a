//! `lockgate webhook start` and `pause`.

use anyhow::Result;
use serde_json::json;

use super::definition::Webhook;
use super::{Named, open};
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::run::control;
use crate::{kept, output};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate webhook pause crm\n      Nothing is heard or sent; what waits, waits on.\n  lockgate webhook start crm"
)]
pub(crate) struct Args {
    #[command(flatten)]
    webhook: Named,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn start(common: &Common, args: Args) -> Result<Status> {
    let is_at_work = set_paused(common, &args, false).await?;
    if !is_at_work {
        output::tell("nothing has it at work yet: `lockgate run` does");
    }
    Ok(Status::Done)
}

pub(crate) async fn pause(common: &Common, args: Args) -> Result<Status> {
    set_paused(common, &args, true).await?;
    Ok(Status::Done)
}

/// Gives whether a host is there that has heard of it.
async fn set_paused(common: &Common, args: &Args, is_paused: bool) -> Result<bool> {
    let (host, mut webhook) = open::find(common, &args.webhook).await?;
    webhook.definition.is_paused = is_paused;
    webhook.definition.gone_ms = None;
    kept::keep(&host, &webhook).await?;
    let is_at_work = control::reload(common).await?;
    told(&webhook, args.shape)?;
    Ok(is_at_work)
}

fn told(webhook: &Webhook, shape: Shape) -> Result<()> {
    let is_paused = webhook.definition.is_paused;
    if shape.is_json() {
        return output::json(&json!({
            "tenant": webhook.connection.tenant(),
            "name": webhook.name,
            "paused": is_paused,
        }));
    }
    let what = match is_paused {
        true => "is paused",
        false => "is started",
    };
    output::line(&format!("{} {what}", webhook.title()))
}
