//! `lockgate webhook list`.

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::definition::{Definition, Webhook};
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::{kept, output, session, table};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  lockgate webhook list\n  lockgate webhook list --output json")]
pub(crate) struct Args {
    /// Only this tenant's
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let host = session::open(common, None).await?;
    let webhooks = kept::all::<Definition>(&host, args.tenant.as_deref()).await?;
    if args.shape.is_json() {
        output::json(&webhooks.iter().map(json).collect::<Vec<_>>())?;
        return Ok(Status::Done);
    }
    if webhooks.is_empty() {
        output::tell("there is no webhook: set one up with `lockgate webhook create`");
        return Ok(Status::Done);
    }
    let rows = webhooks.iter().map(|webhook| {
        let definition = &webhook.definition;
        [
            webhook.connection.tenant().to_owned(),
            webhook.name.clone(),
            webhook.connection.name().to_owned(),
            definition.sources.join(" "),
            definition.shown(),
            match (definition.gone_ms, definition.is_paused) {
                (Some(_), _) => "not wanted any more",
                (None, true) => "paused",
                (None, false) => "started",
            }
            .to_owned(),
        ]
    });
    table::print(
        ["tenant", "name", "connection", "sources", "to", "state"],
        rows,
    )?;
    Ok(Status::Done)
}

/// A webhook for programs, without its secrets.
pub(super) fn json(webhook: &Webhook) -> Json {
    let definition = &webhook.definition;
    json!({
        "tenant": webhook.connection.tenant(),
        "name": webhook.name,
        "connection": webhook.connection.name(),
        "sources": definition.sources,
        "to": definition.shown(),
        "way": definition.way,
        "tells_own": definition.tells_own,
        "allows_local": definition.allows_local,
        "max_tries": definition.max_tries,
        "secrets": definition.secrets.len(),
        "paused": definition.is_paused,
        "gone_ms": definition.gone_ms,
    })
}
