//! `lockgate connection show`.

use anyhow::Result;
use serde_json::Value as Json;

use super::view;
use crate::args::{Common, Shape, Target};
use crate::exit::Status;
use crate::{output, session, table};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate connection show crm\n  lockgate connection show crm --output json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let host = session::open(common, None).await?;
    let connection = host
        .connection(&args.target.owner.tenant, &args.target.connection)
        .await?;
    let known = view::json(&connection.record().await?);
    if args.shape.is_json() {
        output::json(&known)?;
        return Ok(Status::Done);
    }
    let Json::Object(known) = known else {
        return Ok(Status::Done);
    };
    let rows = known
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let value = match value {
                Json::String(text) => text,
                Json::Array(items) if items.iter().all(Json::is_string) => {
                    let items: Vec<_> = items.iter().filter_map(Json::as_str).collect();
                    items.join(" ")
                }
                other => other.to_string(),
            };
            [name.replace('_', " "), value]
        });
    table::print(["", ""], rows)?;
    Ok(Status::Done)
}
