//! `lockgate connection change`.

use std::path::PathBuf;

use anyhow::Result;

use super::reserve::ReserveArgs;
use super::view;
use crate::args::{Common, Shape, Target};
use crate::exit::{Status, usage};
use crate::{input, session};

const EXAMPLES: &str = "\
Examples:
  lockgate connection change crm --settings settings.json
  echo '{\"api_version\": \"60.0\"}' | lockgate connection change crm --settings -
  lockgate connection change crm --max-share-percent 80 --keep-calls 5000";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    /// The connector's settings, a JSON file that takes the place of all that
    /// there were; `-` for standard input
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    #[command(flatten)]
    reserve: ReserveArgs,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    if args.settings.is_none() && args.reserve.is_empty() {
        return Err(usage(
            "there is nothing to change: give --settings, --keep-calls, --max-share-percent or \
             another argument of the budget",
        ));
    }
    let settings = args.settings.as_deref().map(input::settings).transpose()?;
    let (host, connection) = session::connect(common, &args.target).await?;
    let before = connection.record().await?.reserve;
    let reserve = (!args.reserve.is_empty()).then(|| args.reserve.over(before));
    let (tenant, name) = (&args.target.owner.tenant, &args.target.connection);
    host.change_connection(tenant, name, settings, reserve)
        .await?;
    view::told(&connection.record().await?, args.shape, "is changed")?;
    Ok(Status::Done)
}
