//! `lockgate connection reconnect`.

use anyhow::Result;

use super::{create, view};
use crate::args::{Common, Shape, Target};
use crate::authorize::{LoginArgs, Visitor};
use crate::exit::Status;
use crate::interrupt::Interrupt;
use crate::session;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  lockgate connection reconnect crm")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    person: LoginArgs,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, connection) = session::connect(common, &args.target).await?;
    let flow = connection.record().await?.flow;
    let visitor = Visitor::from(args.person);
    let (tenant, name) = (&args.target.owner.tenant, &args.target.connection);
    let made = create::authorise(&host, tenant, name, flow, &visitor);
    Interrupt::listen()?
        .or("the connection is as it was", made)
        .await?;
    let record = connection.record().await?;
    view::told(&record, args.shape, "is connected again")?;
    Ok(Status::Done)
}
