//! `lockgate webhook rotate`.

use anyhow::Result;
use serde_json::json;

use super::create::tell_secret;
use super::definition::{KeptSecret, now_ms};
use super::{Named, open};
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::run::control;
use crate::{kept, output};

/// How long an old secret signs beside the new one, in milliseconds: a day.
const OVERLAP_MS: u64 = 24 * 60 * 60 * 1_000;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate webhook rotate crm\n      Prints a new secret. Requests are signed with both for a day.\n  lockgate webhook rotate crm --end\n      The app has the new one: the old one ends now."
)]
pub(crate) struct Args {
    #[command(flatten)]
    webhook: Named,
    /// End all secrets but the newest now, and make no new one
    #[arg(long)]
    end: bool,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, mut webhook) = open::find(common, &args.webhook).await?;
    let secrets = &mut webhook.definition.secrets;
    let new = match args.end {
        true => {
            secrets.truncate(1);
            None
        }
        false => {
            let (new, now_ms) = (KeptSecret::generate()?, now_ms());
            secrets.retain(|old| old.until_ms.is_none_or(|until| now_ms < until));
            for old in secrets.iter_mut() {
                old.until_ms.get_or_insert(now_ms + OVERLAP_MS);
            }
            secrets.insert(0, new.clone());
            Some(new.text)
        }
    };
    // Refuses more secrets at a time than requests are signed with.
    open::courier(&host, &webhook).await?;
    kept::keep(&host, &webhook).await?;
    control::reload(common).await?;
    if args.shape.is_json() {
        output::json(&json!({
            "name": webhook.name,
            "secrets": webhook.definition.secrets.len(),
            "secret": new,
        }))?;
        return Ok(Status::Done);
    }
    match new {
        Some(secret) => {
            output::line(&format!(
                "{} has a new secret; the old one signs as well for a day",
                webhook.title()
            ))?;
            tell_secret(&secret)?;
        }
        None => output::line(&format!(
            "{} signs with its newest secret only",
            webhook.title()
        ))?,
    }
    Ok(Status::Done)
}
