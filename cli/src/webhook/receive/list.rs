//! `lockgate webhook receive list`.

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::definition::{Definition, Webhook};
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::sync::definition::Plugin;
use crate::{kept, output, session, table};

/// What is said where there is none.
pub(super) const NONE: &str =
    "no webhook comes in: set one up with `lockgate webhook receive create`";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate webhook receive list\n  lockgate webhook receive list --output json"
)]
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
        output::tell(NONE);
        return Ok(Status::Done);
    }
    let rows = webhooks.iter().map(|webhook| {
        [
            webhook.connection.tenant().to_owned(),
            webhook.name.clone(),
            webhook.connection.name().to_owned(),
            webhook.definition.source().to_owned(),
            into(webhook),
        ]
    });
    table::print(["tenant", "name", "connection", "from", "into"], rows)?;
    Ok(Status::Done)
}

/// Where what comes goes, for people.
pub(super) fn into(webhook: &Webhook) -> String {
    match &webhook.definition.into {
        None => "the inbox".to_owned(),
        Some(into) => match &into.key_field {
            Some(key) => format!("{} by {key}", into.object),
            None => into.object.clone(),
        },
    }
}

/// A webhook for programs, without its secrets.
fn json(webhook: &Webhook) -> Json {
    let shown = |plugin: &Plugin| json!({"package": plugin.place, "settings": plugin.settings});
    let into = webhook.definition.into.as_ref().map(|into| {
        json!({
            "object": into.object,
            "key": into.key_field,
            "plugins": into.plugins.iter().map(shown).collect::<Vec<_>>(),
            "settings": into.settings,
        })
    });
    json!({
        "tenant": webhook.connection.tenant(),
        "name": webhook.name,
        "connection": webhook.connection.name(),
        "from": webhook.definition.source(),
        "base_url": webhook.definition.base_url,
        "into": into,
    })
}
