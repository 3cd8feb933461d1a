//! `lockgate connection reconnect`.

use anyhow::Result;

use super::{create, view};
use crate::args::{Common, Shape, Target};
use crate::authorize::Visitor;
use crate::exit::Status;
use crate::session;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  lockgate connection reconnect crm")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    /// Do not try to open a browser; only print the address
    #[arg(long)]
    no_browser: bool,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, connection) = session::connect(common, &args.target).await?;
    let flow = connection.record().await?.flow;
    let visitor = Visitor::Person {
        open_browser: !args.no_browser,
    };
    let (tenant, name) = (&args.target.owner.tenant, &args.target.connection);
    create::authorise(&host, tenant, name, flow, &visitor).await?;
    view::connected(
        &connection.record().await?,
        args.shape,
        "is connected again",
    )?;
    Ok(Status::Done)
}
