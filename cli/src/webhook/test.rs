//! `lockgate webhook test`.

use anyhow::{Result, bail};
use lockgate::outbound::Tested;
use serde_json::json;

use super::{Named, open};
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::{output, text};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate webhook test crm\n\nSends a `webhook.test`, signed as events are, once and without the queue. Ends with 0\nif the app has taken it."
)]
pub(crate) struct Args {
    #[command(flatten)]
    webhook: Named,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, webhook) = open::find(common, &args.webhook).await?;
    let tested = open::courier(&host, &webhook).await?.test().await?;
    let (status, body, took_ms) = match tested {
        Tested::Answered {
            status,
            body,
            took_ms,
        } => (status, body, took_ms),
        Tested::NotReached { problem } => bail!("the app gave no answer: {problem}"),
    };
    let is_taken = (200..300).contains(&status);
    if args.shape.is_json() {
        output::json(&json!({
            "taken": is_taken,
            "status": status,
            "body": body,
            "took_ms": took_ms,
        }))?;
    } else {
        output::line(&format!("the app answered {status} in {took_ms} ms"))?;
        if !body.is_empty() {
            output::line(&format!("  {}", text::clean(&body)))?;
        }
    }
    Ok(match is_taken {
        true => Status::Done,
        false => Status::Failed,
    })
}
