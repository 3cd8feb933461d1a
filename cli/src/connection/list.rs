//! `lockgate connection list`.

use anyhow::Result;

use super::view;
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::{output, session, table};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate connection list\n  lockgate connection list --tenant acme --output json"
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
    let records = host.connections(args.tenant.as_deref()).await?;
    if args.shape.is_json() {
        let records: Vec<_> = records.iter().map(view::json).collect();
        output::json(&records)?;
        return Ok(Status::Done);
    }
    if records.is_empty() {
        output::tell("there is no connection: add one with `lockgate connection create`");
        return Ok(Status::Done);
    }
    let rows = records.iter().map(|record| {
        [
            record.key.tenant().to_owned(),
            record.key.name().to_owned(),
            record.package.clone(),
            view::state(record).to_owned(),
            record.flow.name().to_owned(),
            record
                .origin
                .clone()
                .unwrap_or_else(|| record.login_origin.clone()),
        ]
    });
    table::print(
        ["tenant", "name", "connector", "state", "flow", "origin"],
        rows,
    )?;
    Ok(Status::Done)
}
