//! `lockgate objects`.

use anyhow::Result;

use crate::args::{Common, Shape, Target};
use crate::exit::Status;
use crate::{output, session, table};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate objects crm\n  lockgate objects crm --custom --output json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// Only objects that the user or the org added
    #[arg(long)]
    custom: bool,
    #[command(flatten)]
    shape: Shape,
}

impl Args {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (_host, connection) = session::connect(common, &args.target).await?;
    let mut objects = connection.objects().await?;
    objects.retain(|object| object.custom || !args.custom);
    if args.shape.is_json() {
        output::json(&objects)?;
        return Ok(Status::Done);
    }
    let rows = objects.into_iter().map(|object| {
        let rights = [
            (object.createable, "create"),
            (object.queryable, "query"),
            (object.updateable, "update"),
            (object.deletable, "delete"),
        ];
        let rights: Vec<&str> = rights
            .into_iter()
            .filter_map(|(may, what)| may.then_some(what))
            .collect();
        [object.name, object.label, rights.join(" ")]
    });
    table::print(["object", "label", "can"], rows)?;
    Ok(Status::Done)
}
