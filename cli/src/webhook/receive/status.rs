//! `lockgate webhook receive status`.

use anyhow::Result;
use lockgate::Host;
use lockgate::store::QueueCounts;
use serde_json::{Value as Json, json};

use super::definition::Webhook;
use super::list;
use crate::args::{Common, Shape};
use crate::calls::moment_of_ms;
use crate::exit::Status;
use crate::run::control;
use crate::text::grouped;
use crate::{kept, output, session, table};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate webhook receive status\n  lockgate webhook receive status leads --output json | jq '.[0].waiting'"
)]
pub(crate) struct Args {
    /// The webhook's name; all of the tenant's without it
    #[arg(value_name = "WEBHOOK")]
    name: Option<String>,
    /// Whose it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: String,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let host = session::open(common, None).await?;
    let webhooks: Vec<Webhook> = match &args.name {
        Some(name) => vec![kept::find(&host, &args.tenant, name).await?],
        None => kept::all(&host, Some(&args.tenant)).await?,
    };
    let is_at_work = control::is_at_work(common).await?;
    let mut known = Vec::with_capacity(webhooks.len());
    for webhook in webhooks {
        let counts = counts(&host, &webhook).await?;
        known.push((webhook, counts));
    }
    if args.shape.is_json() {
        let all = known
            .iter()
            .map(|(webhook, counts)| json(webhook, counts, is_at_work));
        output::json(&all.collect::<Vec<_>>())?;
        return Ok(Status::Done);
    }
    if known.is_empty() {
        output::tell(list::NONE);
        return Ok(Status::Done);
    }
    let rows = known.iter().map(|(webhook, counts)| {
        [
            webhook.name.clone(),
            list::into(webhook),
            grouped(counts.done),
            grouped(counts.waiting),
            counts.oldest_waiting_ms.map(moment).unwrap_or_default(),
            grouped(counts.dead),
            problem(counts),
        ]
    });
    table::print(
        [
            "name",
            "into",
            "done",
            "waiting",
            "since",
            "letters",
            "last problem",
        ],
        rows,
    )?;
    if !is_at_work {
        output::tell("nothing takes them now: `lockgate run --listen ADDRESS` does");
    }
    Ok(Status::Done)
}

async fn counts(host: &Host, webhook: &Webhook) -> Result<QueueCounts> {
    Ok(webhook.inbox(host).await?.queue().counts().await?)
}

/// A moment of the store as the other commands show one.
pub(super) fn moment(ms: u64) -> String {
    moment_of_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn problem(counts: &QueueCounts) -> String {
    let problem = counts.last_problem.as_ref();
    problem
        .map(|problem| problem.text.clone())
        .unwrap_or_default()
}

fn json(webhook: &Webhook, counts: &QueueCounts, is_at_work: bool) -> Json {
    let problem = counts.last_problem.as_ref();
    json!({
        "tenant": webhook.connection.tenant(),
        "name": webhook.name,
        "at_work": is_at_work,
        "done": counts.done,
        "waiting": counts.waiting,
        "oldest_waiting_ms": counts.oldest_waiting_ms,
        "letters": counts.dead,
        "used_bytes": counts.used_bytes,
        "last_problem": problem.map(|problem| json!({"text": problem.text, "at_ms": problem.at_ms})),
    })
}
