//! `lockgate transform`: a plugin on records in a file, in the real sandbox and
//! under the real limits, for those who write plugins.

use std::path::PathBuf;

use anyhow::Result;
use lockgate::Records;
use lockgate::manifest::World;
use serde_json::Value as Json;

use crate::args::Common;
use crate::exit::Status;
use crate::{input, output, packages, session, text};

const EXAMPLES: &str = "\
Examples:
  lockgate transform ./my-package --object Contact contacts.json
  lockgate query crm \"SELECT Id, Email FROM Lead\" --output json |
      lockgate transform lead-scorer --object Lead --settings rules.json";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The plugin: a package directory, or the name of a built-in one
    #[arg(value_name = "PACKAGE")]
    plugin: PathBuf,
    /// What the records are, as the plugin knows it
    #[arg(long, value_name = "NAME")]
    object: String,
    /// The plugin's settings, a JSON file
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Records a batch
    #[arg(long, value_name = "N", default_value_t = 2_000,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// The records: a JSON file with one, an array, or one a line; standard input by default
    #[arg(value_name = "INPUT")]
    input: Option<PathBuf>,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let package = packages::find(common, &args.plugin)?;
    let settings = args.settings.as_deref().map(input::settings).transpose()?;
    let settings = settings.unwrap_or_else(|| Json::Object(serde_json::Map::new()));
    // The user's own host, which keeps what it has compiled: that takes seconds.
    let host = session::open(common, None).await?;
    packages::load(&host, &package, World::Transform).await?;
    let transform = host.transform(package.name(), &settings).await?;

    let records = input::records(None, args.input.as_deref())?;
    let (mut first, mut dropped, mut rejected) = (true, 0, 0);
    let mut at_start = 0;
    for batch in records.chunks(args.batch as usize) {
        let done = transform
            .apply(&args.object, &Records::from_items(batch)?)
            .await?;
        dropped += done.dropped.len();
        rejected += done.rejected.len();
        for record in done.rejected {
            output::warn(&format!(
                "record {} is rejected: {}",
                at_start + record.at,
                record.reason
            ));
        }
        for row in done.records.rows()? {
            output::line(&format!(
                "{}{}",
                if first { "[\n" } else { ",\n" },
                row.get()
            ))?;
            first = false;
        }
        at_start += batch.len();
    }
    output::line(if first { "[]" } else { "]" })?;
    if dropped > 0 {
        output::tell(&format!("{} left out", text::counted(dropped, "record")));
    }
    Ok(if rejected > 0 {
        Status::SomeFailed
    } else {
        Status::Done
    })
}
