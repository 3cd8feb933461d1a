//! `lockgate limits`.

use std::time::SystemTime;

use anyhow::Result;
use lockgate::{Budget, Forecast};
use serde_json::{Value as Json, json};

use crate::args::{Common, Shape, Target};
use crate::calls::{Urgency, moment};
use crate::exit::{Status, duration};
use crate::{output, session, table};

/// The action of connectors whose product tells its limits.
const ACTION: &str = "limits";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate limits crm\n  lockgate limits crm --output json | jq .budget.available\n  lockgate limits crm --forecast 50000 --priority backfill"
)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// Tell when so many more API calls will have been made, if others go on using
    /// the budget as they did in the last hours
    #[arg(long, value_name = "CALLS")]
    forecast: Option<u64>,
    /// The priority of calls for which the budget and the forecast hold
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    priority: Urgency,
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
    let connection = connection.with_priority(args.priority.into());
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
    let forecast = match args.forecast {
        Some(calls) => connection.forecast(calls).await?.map(|told| (calls, told)),
        None => None,
    };
    if args.shape.is_json() {
        output::json(&json!({
            "budget": {
                "limit": budget.limit,
                "used": budget.used,
                "kept": budget.kept,
                "available": budget.available,
                "window_s": budget.window_ms / 1000,
                "reserve": reserve,
            },
            "forecast": forecast.map(|(calls, told)| json!({
                "calls": calls,
                "at_once": told.at_once,
                "done_in_s": told.done_in.map(|done| done.as_secs()),
                "done_at": told.done_in.map(|done| moment(SystemTime::now() + done)),
            })),
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
    if let Some((calls, told)) = forecast {
        output::line(&in_words(calls, told, &budget))?;
    }
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

fn in_words(calls: u64, told: Forecast, budget: &Budget) -> String {
    let at_once = told.at_once;
    match told.done_in {
        Some(done) if done.is_zero() => format!("{calls} more calls can be made at once\n"),
        Some(done) => format!(
            "{calls} more calls: {at_once} at once, the last in about {}, at {}\n",
            duration(done),
            moment(SystemTime::now() + done),
        ),
        None => format!(
            "{calls} more calls: {at_once} at once, and no end in sight within {} days: others \
             leave too little of the budget\n",
            // The forecast looks a hundred windows ahead.
            budget.window_ms * 100 / 86_400_000,
        ),
    }
}
