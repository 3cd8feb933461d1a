//! `lockgate sync list`.

use anyhow::Result;
use lockgate_sync::Target;
use serde_json::{Value as Json, json};

use super::definition::{Definition, Plugin, Sync};
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::{kept, output, session, table};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  lockgate sync list\n  lockgate sync list --output json")]
pub(crate) struct Args {
    /// Only this tenant's
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let host = session::open(common, None).await?;
    let syncs = kept::all::<Definition>(&host, args.tenant.as_deref()).await?;
    if args.shape.is_json() {
        output::json(&syncs.iter().map(json).collect::<Vec<_>>())?;
        return Ok(Status::Done);
    }
    if syncs.is_empty() {
        output::tell("there is no sync: set one up with `lockgate sync create`");
        return Ok(Status::Done);
    }
    let rows = syncs.iter().map(|sync| {
        [
            sync.connection.tenant().to_owned(),
            sync.name.clone(),
            sync.connection.name().to_owned(),
            sync.definition.objects.join(" "),
            Target::shown(&sync.definition.to),
            match sync.definition.is_paused {
                true => "paused",
                false => "started",
            }
            .to_owned(),
        ]
    });
    table::print(
        [
            "tenant",
            "name",
            "connection",
            "objects",
            "database",
            "state",
        ],
        rows,
    )?;
    Ok(Status::Done)
}

/// A sync for programs, without what may be a password.
pub(super) fn json(sync: &Sync) -> Json {
    let definition = &sync.definition;
    let shown = |plugin: &Plugin| json!({"package": plugin.place, "settings": plugin.settings});
    let plugins = definition.plugins.iter().map(shown);
    json!({
        "tenant": sync.connection.tenant(),
        "name": sync.name,
        "connection": sync.connection.name(),
        "objects": definition.objects,
        "database": Target::shown(&definition.to),
        "direction": definition.direction,
        "mapping": definition.mapping,
        "plugins": plugins.collect::<Vec<_>>(),
        "decider": definition.decider.as_ref().map(shown),
        "way": definition.way,
        "reconcile_hours": definition.reconcile_hours,
        "paused": definition.is_paused,
    })
}
