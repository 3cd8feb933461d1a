//! `lockgate connection show`.

use anyhow::Result;
use serde_json::Value as Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::view;
use crate::args::{Common, Shape, Target};
use crate::exit::Status;
use crate::shelf::{Shelf, Standing};
use crate::{output, session, table};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate connection show crm\n  lockgate connection show crm --output json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let host = session::open(common, None).await?;
    let connection = host
        .connection(&args.target.owner.tenant, &args.target.connection)
        .await?;
    let record = connection.record().await?;
    let mut known = view::json(&record);
    let directory = args.target.owner.package.as_deref();
    let standing = Standing::of(&Shelf::of(common)?, &record, directory)?;
    if args.shape.is_json() {
        let waits_for = standing.map_or(Json::Null, |it| it.waits_for(&record));
        if let Json::Object(known) = &mut known {
            known.insert("waits_for".to_owned(), waits_for);
        }
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
            let name = name.replace('_', " ");
            if let (Some(name), Some(ms)) = (name.strip_suffix(" ms"), value.as_i64()) {
                return [name.to_owned(), date(ms)];
            }
            let value = match value {
                Json::String(text) => text,
                Json::Array(items) if items.iter().all(Json::is_string) => {
                    let items: Vec<_> = items.iter().filter_map(Json::as_str).collect();
                    items.join(" ")
                }
                Json::Object(mut members) => {
                    members.retain(|_, value| !value.is_null());
                    Json::Object(members).to_string()
                }
                other => other.to_string(),
            };
            [name, value]
        });
    table::print(["", ""], rows)?;
    if let Some(waiting) = standing.and_then(|standing| standing.waiting(&record)) {
        output::line(&waiting)?;
    }
    Ok(Status::Done)
}

/// A time in milliseconds since 1970 as people read it, in UTC.
fn date(ms: i64) -> String {
    OffsetDateTime::from_unix_timestamp(ms / 1000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| ms.to_string())
}
