//! `lockgate connection test`.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use crate::args::{Common, Shape, Target};
use crate::exit::Status;
use crate::{output, session, text};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate connection test crm || lockgate connection reconnect crm"
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    shape: Shape,
}

/// Lists the objects: the cheapest call that needs a session, a user and rights.
pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (_host, connection) = session::connect(common, &args.target).await?;
    let began = Instant::now();
    let objects = connection.objects().await?;
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let budget = connection.budget().await?;
    let record = connection.record().await?;
    if args.shape.is_json() {
        output::json(&json!({
            "connection": record.key.to_string(),
            "origin": record.origin,
            "identity": record.identity,
            "objects": objects.len(),
            "ms": ms,
            "calls_left": budget.available,
        }))?;
        return Ok(Status::Done);
    }
    let origin = record.origin.as_deref().unwrap_or(&record.login_origin);
    let left = budget
        .available
        .map_or_else(String::new, |left| format!(", {left} API calls left"));
    output::line(&format!(
        "{} works: {origin} answered in {ms} ms, {} can be seen{left}",
        record.key,
        text::counted(objects.len(), "object"),
    ))?;
    Ok(Status::Done)
}
