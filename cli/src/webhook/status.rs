//! `lockgate webhook status`.

use anyhow::Result;
use lockgate::store::QueueCounts;
use serde_json::{Value as Json, json};

use super::Named;
use super::definition::{Definition, Webhook};
use super::open;
use crate::args::{Common, Shape};
use crate::calls::moment_of_ms;
use crate::exit::Status;
use crate::run::control::{self, Sending};
use crate::text::grouped;
use crate::{kept, output, session, table, text};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate webhook status\n      All webhooks in a line each.\n  lockgate webhook status crm\n  lockgate webhook status crm --output json | jq '{waiting, dead, last_problem}'"
)]
pub(crate) struct Args {
    /// The webhook's name; all of the tenant's in short without it
    #[arg(value_name = "WEBHOOK")]
    name: Option<String>,
    /// Whose it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: String,
    #[command(flatten)]
    shape: Shape,
}

/// What is known of a webhook.
struct Known {
    webhook: Webhook,
    counts: QueueCounts,
    /// What the host that has it at work says.
    live: Option<Sending>,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let at_work = control::status(common).await?;
    let live = |webhook: &Webhook| at_work.as_ref()?.webhooks.get(&webhook.title()).cloned();
    if let Some(name) = args.name {
        let named = Named {
            name,
            tenant: args.tenant,
        };
        let (host, webhook) = open::find(common, &named).await?;
        let known = Known {
            counts: open::queue(&host, &webhook).await?.counts().await?,
            live: live(&webhook),
            webhook,
        };
        show(&known, args.shape)?;
        return Ok(Status::Done);
    }
    let host = session::open(common, None).await?;
    let mut all = Vec::new();
    for webhook in kept::all::<Definition>(&host, Some(&args.tenant)).await? {
        all.push(Known {
            counts: open::queue(&host, &webhook).await?.counts().await?,
            live: live(&webhook),
            webhook,
        });
    }
    if args.shape.is_json() {
        output::json(&all.iter().map(json).collect::<Vec<_>>())?;
    } else if all.is_empty() {
        output::tell("there is no webhook: set one up with `lockgate webhook create`");
    } else {
        table::print(
            [
                "name",
                "state",
                "sent",
                "waiting",
                "letters",
                "last problem",
            ],
            all.iter().map(in_a_line),
        )?;
    }
    Ok(Status::Done)
}

/// `paused`, `not running`, or what the host says.
fn state(known: &Known) -> String {
    let definition = &known.webhook.definition;
    match &known.live {
        _ if definition.gone_ms.is_some() => "not wanted any more".to_owned(),
        _ if definition.is_paused => "paused".to_owned(),
        None => "not running".to_owned(),
        Some(live) => live.state.clone(),
    }
}

fn in_a_line(known: &Known) -> [String; 6] {
    let counts = &known.counts;
    let problem = counts.last_problem.as_ref();
    [
        known.webhook.name.clone(),
        state(known),
        grouped(counts.done),
        grouped(counts.waiting),
        grouped(counts.dead),
        problem.map_or_else(String::new, |problem| problem.text.clone()),
    ]
}

fn json(known: &Known) -> Json {
    let counts = &known.counts;
    json!({
        "tenant": known.webhook.connection.tenant(),
        "name": known.webhook.name,
        "state": state(known),
        "sent": counts.done,
        "waiting": counts.waiting,
        "waiting_since_ms": counts.oldest_waiting_ms,
        "dead": counts.dead,
        "used_bytes": counts.used_bytes,
        "last_problem": counts.last_problem.as_ref().map(|problem| json!({
            "text": problem.text,
            "at_ms": problem.at_ms,
        })),
        "live": known.live,
    })
}

fn show(known: &Known, shape: Shape) -> Result<()> {
    if shape.is_json() {
        return output::json(&json(known));
    }
    output::line(&format!("{}: {}", known.webhook.title(), state(known)))?;
    for problem in known.live.iter().flat_map(|live| &live.problems) {
        output::line(&format!("  {}", text::clean(problem)))?;
    }
    if let Some(gone_ms) = known.webhook.definition.gone_ms {
        output::line(&format!(
            "  the app answered 410 at {}: `lockgate webhook start {}` once it wants events again",
            at(gone_ms),
            known.webhook.as_arguments()
        ))?;
    }
    output::line("")?;
    let counts = &known.counts;
    let since = counts.oldest_waiting_ms;
    let letters = match counts.dead {
        0 => String::new(),
        _ => format!("lockgate webhook letters {}", known.webhook.as_arguments()),
    };
    let mut rows = vec![
        ["sent".to_owned(), grouped(counts.done), String::new()],
        [
            "waiting".to_owned(),
            grouped(counts.waiting),
            since.map_or_else(String::new, |since| format!("since {}", at(since))),
        ],
        ["dead letters".to_owned(), grouped(counts.dead), letters],
    ];
    if let Some(problem) = &counts.last_problem {
        rows.push([
            "last problem".to_owned(),
            at(problem.at_ms),
            problem.text.clone(),
        ]);
    }
    table::print(["", "", ""], rows)
}

fn at(ms: u64) -> String {
    moment_of_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}
