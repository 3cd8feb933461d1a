//! `lockgate sync status`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use lockgate_sync::{Database, Progress, SyncStatus};
use serde_json::{Value as Json, json};

use super::definition::{Definition, Sync};
use super::{Named, open};
use crate::args::{Common, Shape};
use crate::exit::{Status, duration};
use crate::run::control::{self, Calls, Live};
use crate::text::grouped;
use crate::{kept, output, session, table};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate sync status\n      All syncs in a line each.\n  lockgate sync status crm\n  lockgate sync status crm --output json | jq .status.pending"
)]
pub(crate) struct Args {
    /// The sync's name; all of the tenant's in short without it
    #[arg(value_name = "SYNC")]
    name: Option<String>,
    /// Whose it is
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: String,
    #[command(flatten)]
    shape: Shape,
}

/// What is known of a sync.
struct Known {
    sync: Sync,
    /// What its database says, or why it says nothing.
    status: Result<SyncStatus, String>,
    /// What the host that has it at work says.
    live: Option<Live>,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let live = control::status(common).await?;
    let known = |sync: Sync| {
        let live = live
            .as_ref()
            .and_then(|all| all.syncs.get(&sync.title()).cloned());
        known(sync, live)
    };
    if let Some(name) = args.name {
        let named = Named {
            name,
            tenant: args.tenant,
        };
        let (_, sync) = open::find(common, &named).await?;
        show(&known(sync).await, args.shape)?;
        return Ok(Status::Done);
    }
    let host = session::open(common, None).await?;
    let mut all = Vec::new();
    for sync in kept::all::<Definition>(&host, Some(&args.tenant)).await? {
        all.push(known(sync).await);
    }
    if args.shape.is_json() {
        output::json(&all.iter().map(json).collect::<Vec<_>>())?;
    } else if all.is_empty() {
        output::tell("there is no sync: set one up with `lockgate sync create`");
    } else {
        table::print(
            [
                "name",
                "state",
                "rows",
                "waiting",
                "lag",
                "conflicts",
                "letters",
            ],
            all.iter().map(in_a_line),
        )?;
    }
    Ok(Status::Done)
}

async fn known(sync: Sync, live: Option<Live>) -> Known {
    let status = async {
        let database = Database::attach(&sync.definition.target()?).await?;
        Ok(database.status().await?)
    };
    let status = status
        .await
        .map_err(|error: anyhow::Error| error.to_string());
    Known { sync, status, live }
}

/// `paused`, `not running`, or what the host says.
fn state(known: &Known) -> String {
    match &known.live {
        _ if known.sync.definition.is_paused => "paused".to_owned(),
        None => "not running".to_owned(),
        Some(live) if live.waits.is_empty() => live.state.clone(),
        Some(live) => format!("{}, waits", live.state),
    }
}

/// How long the oldest change of either side has waited.
fn lag(status: &SyncStatus) -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let since = status.pending_since_ms.map(|since| {
        let since = Duration::from_millis(u64::try_from(since).unwrap_or(0));
        now.saturating_sub(since)
    });
    since.unwrap_or_default()
}

fn lag_in_words(status: &SyncStatus) -> String {
    match lag(status) {
        Duration::ZERO => "none".to_owned(),
        lag => duration(lag),
    }
}

fn rows(status: &SyncStatus) -> u64 {
    status.objects.values().map(|object| object.rows).sum()
}

fn in_a_line(known: &Known) -> [String; 7] {
    let name = known.sync.name.clone();
    match &known.status {
        Ok(status) => [
            name,
            state(known),
            grouped(rows(status)),
            grouped(status.pending),
            lag_in_words(status),
            grouped(status.undecided + status.decided),
            grouped(status.letters_in + status.letters_out),
        ],
        Err(error) => {
            let none = String::new;
            [name, error.clone(), none(), none(), none(), none(), none()]
        }
    }
}

fn forecast(budget: &Calls) -> String {
    let when = match budget.done_in_s {
        Some(0) => "the budget has them at once".to_owned(),
        Some(wait_s) => format!(
            "under the budget the last is made in {}",
            duration(Duration::from_secs(wait_s))
        ),
        None => "no end is in sight, since others leave too little of the budget".to_owned(),
    };
    format!(
        "what waits takes about {} API calls: {when}",
        grouped(budget.to_do)
    )
}

fn json(known: &Known) -> Json {
    json!({
        "tenant": known.sync.connection.tenant(),
        "name": known.sync.name,
        "state": state(known),
        "status": known.status.as_ref().ok(),
        "lag_ms": known.status.as_ref().ok().map(|status| lag(status).as_millis()),
        "problem": known.status.as_ref().err(),
        "live": known.live,
    })
}

fn show(known: &Known, shape: Shape) -> Result<()> {
    if shape.is_json() {
        return output::json(&json(known));
    }
    output::line(&format!("{}: {}", known.sync.title(), state(known)))?;
    if let Some(live) = &known.live {
        for told in live.problem.iter().chain(&live.waits) {
            output::line(&format!("  {}", crate::text::clean(told)))?;
        }
        output::line(&format!(
            "  since the start: {}",
            super::run_once::in_words(&live.activity)
        ))?;
        if let Some(budget) = &live.budget {
            let available = budget.available.map_or("unknown".to_owned(), grouped);
            output::line(&format!(
                "  API calls: {} used, {available} may still be made by syncs",
                grouped(budget.used)
            ))?;
            if budget.to_do > 0 {
                output::line(&format!("  {}", forecast(budget)))?;
            }
        }
    }
    let status = match &known.status {
        Ok(status) => status,
        Err(error) => {
            output::warn(error);
            return Ok(());
        }
    };
    output::line("")?;
    let objects = status.objects.iter().map(|(object, state)| {
        let progress = match &state.progress {
            None => "not begun".to_owned(),
            Some(Progress::Loading { records, .. }) => {
                format!("loading, {} records so far", grouped(*records))
            }
            Some(Progress::Live) => "live".to_owned(),
        };
        [object.clone(), grouped(state.rows), progress]
    });
    table::print(["object", "rows", "load"], objects)?;
    output::line("")?;
    let name = known.sync.as_arguments();
    let mut lines = vec![
        [
            "waiting to be sent".to_owned(),
            grouped(status.pending),
            format!("lag {}", lag_in_words(status)),
        ],
        [
            "to be read again".to_owned(),
            grouped(status.unread),
            String::new(),
        ],
    ];
    let conflicts = status.undecided + status.decided;
    let letters = status.letters_in + status.letters_out;
    for (what, count, command) in [
        ("conflicts", conflicts, "conflicts"),
        ("dead letters", letters, "letters"),
    ] {
        let advice = match count {
            0 => String::new(),
            _ => format!("lockgate sync {command} {name}"),
        };
        lines.push([what.to_owned(), grouped(count), advice]);
    }
    table::print(["", "", ""], lines)
}
