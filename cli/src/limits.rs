//! `lockgate limits`.

use anyhow::Result;
use serde_json::{Value as Json, json};

use crate::args::{Common, Shape, Target};
use crate::exit::Status;
use crate::{output, session, table};

/// The action of connectors whose product tells its limits.
const ACTION: &str = "limits";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate limits crm\n  lockgate limits crm --output json | jq .budget.available"
)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
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
    let offers = connection
        .connector()
        .await?
        .actions
        .iter()
        .any(|action| action.name == ACTION);
    let limits = match offers {
        true => connection.invoke(ACTION, &json!({})).await?,
        false => Json::Null,
    };
    let limits = limits
        .get("limits")
        .and_then(Json::as_array)
        .cloned()
        .unwrap_or_default();
    // After the call: its answer says what the product has counted.
    let budget = connection.budget().await?;
    let reserve = connection.record().await?.reserve;
    if args.shape.is_json() {
        output::json(&json!({
            "budget": {
                "limit": budget.limit,
                "used": budget.used,
                "available": budget.available,
                "window_s": budget.window_ms / 1000,
                "reserve": reserve,
            },
            "limits": limits,
        }))?;
        return Ok(Status::Done);
    }
    let number =
        |number: Option<u64>| number.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    output::line(&format!(
        "API calls: {} of {} used in {} h, {} may still be made by this connection\n",
        budget.used,
        number(budget.limit),
        budget.window_ms / 3_600_000,
        number(budget.available),
    ))?;
    let rows = limits.iter().map(|limit| {
        let text = |member: &str| match limit.get(member) {
            Some(Json::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        [text("name"), text("max"), text("remaining")]
    });
    table::print(["limit", "max", "remaining"], rows)?;
    Ok(Status::Done)
}
