//! `lockgate webhook receive remove`.

use anyhow::Result;
use serde_json::json;

use super::{Named, definition};
use crate::args::{Common, Shape};
use crate::exit::{Status, advised};
use crate::run::control;
use crate::{kept, output};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate webhook receive remove leads\n  lockgate webhook receive remove leads --with-items\n      With what waits in its inbox, and its dead letters."
)]
pub(crate) struct Args {
    #[command(flatten)]
    webhook: Named,
    /// Also if something waits or was given up, which is lost then
    #[arg(long)]
    with_items: bool,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, webhook) = definition::find(common, &args.webhook).await?;
    let inbox = webhook.inbox(&host).await?;
    let counts = inbox.queue().counts().await?;
    if counts.waiting + counts.dead > 0 && !args.with_items {
        let name = webhook.as_arguments();
        return Err(advised(
            format!(
                "{} holds {} items that wait and {} dead letters",
                webhook.title(),
                counts.waiting,
                counts.dead
            ),
            format!(
                "see them with `lockgate webhook receive inbox {name}` and `… letters {name}`, or \
                 lose them with --with-items"
            ),
        ));
    }
    kept::forget(&host, &webhook).await?;
    // A host that takes it lets it go first.
    control::reload(common).await?;
    inbox.queue().erase().await?;
    match args.shape.is_json() {
        true => output::json(&json!({"name": webhook.name, "removed": true}))?,
        false => output::line(&format!("{} is removed", webhook.title()))?,
    }
    Ok(Status::Done)
}
