//! `lockgate package history`.

use anyhow::Result;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::args::{Common, Shape};
use crate::exit::{Status, usage};
use crate::shelf::Shelf;
use crate::{output, table};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate package history salesforce\n  lockgate package history salesforce --output json | jq '.[-1]'"
)]
pub(super) struct Args {
    /// The package
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(common: &Common, args: Args) -> Result<Status> {
    let course = Shelf::of(common)?.course(&args.name)?;
    let changes = course.map(|course| course.changes).ok_or_else(|| {
        usage(format!(
            "nothing was ever changed of `{}`: no package of that name is installed",
            args.name
        ))
    })?;
    if args.shape.is_json() {
        output::json(&changes)?;
        return Ok(Status::Done);
    }
    if changes.is_empty() {
        output::tell("nothing has changed since it was installed");
        return Ok(Status::Done);
    }
    let rows = changes.into_iter().map(|change| {
        let at = OffsetDateTime::UNIX_EPOCH + std::time::Duration::from_secs(change.at_ms / 1_000);
        [
            at.format(&Rfc3339).unwrap_or_default(),
            table::word(&change.what),
            change.from.unwrap_or_default(),
            change.to.unwrap_or_default(),
            change.reason,
        ]
    });
    table::print(["when", "what", "from", "to", "why"], rows)?;
    Ok(Status::Done)
}
