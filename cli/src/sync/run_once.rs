//! `lockgate sync run-once`.

use std::sync::Arc;

use anyhow::Result;
use lockgate_sync::{Activity, Engine, Preview, SendOperation};
use serde_json::json;

use super::{Named, open};
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::text::{counted, grouped};
use crate::{output, table};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate sync run-once crm\n  lockgate sync run-once crm --dry-run\n      Show what would be changed on both sides, and change nothing; what plugins would\n      make of records is not in it."
)]
pub(crate) struct Args {
    #[command(flatten)]
    sync: Named,
    /// Show what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, sync) = open::find(common, &args.sync).await?;
    let mut interrupt = Interrupt::listen()?;
    let connection = open::connection(&host, &sync).await?;
    let engine = open::engine(&host, &connection, &sync).await?;
    if args.dry_run {
        let progress = Progress::spinner("comparing all records");
        let preview = engine.preview().await.map_err(open::told)?;
        drop(progress);
        show(&preview, args.shape)?;
        return Ok(Status::Done);
    }
    let left = "what was done is kept; the next run goes on from there";
    let done = interrupt.or(left, work(&engine)).await;
    host.flush().await?;
    let activity = done?;
    let status = engine.database().status().await?;
    let letters = status.letters_in + status.letters_out;
    if args.shape.is_json() {
        output::json(&json!({"done": activity, "status": status}))?;
    } else {
        output::line(&in_words(&activity))?;
        if letters > 0 {
            output::warn(&format!(
                "{} could not be taken over: `lockgate sync letters {}`",
                counted(usize::try_from(letters).unwrap_or(usize::MAX), "record"),
                sync.as_arguments()
            ));
        }
    }
    Ok(match letters {
        0 => Status::Done,
        _ => Status::SomeFailed,
    })
}

async fn work(engine: &Arc<Engine>) -> Result<Activity> {
    let progress = Progress::spinner("comparing both sides");
    let mut activity = engine.activity();
    let mut shown = activity.clone();
    let said = async {
        while shown.changed().await.is_ok() {
            let now = *shown.borrow_and_update();
            progress.say(in_words(&now));
        }
        std::future::pending().await
    };
    tokio::select! {
        done = engine.run_once() => done.map_err(open::told)?,
        never = said => never,
    }
    Ok(*activity.borrow_and_update())
}

/// What an engine has done.
pub(super) fn in_words(activity: &Activity) -> String {
    let (applied, sent) = (activity.applied, activity.sent);
    format!(
        "{} rows inserted, {} changed, {} deleted; {} records sent; {} conflicts",
        grouped(applied.inserted),
        grouped(applied.updated),
        grouped(applied.deleted),
        grouped(sent.done),
        grouped(applied.conflicts)
    )
}

fn show(preview: &Preview, shape: Shape) -> Result<()> {
    if shape.is_json() {
        return output::json(preview);
    }
    let incoming = preview.incoming.iter().map(|(object, differs)| {
        let numbers = [differs.inserted, differs.changed, differs.deleted];
        let [inserted, changed, deleted] = numbers.map(grouped);
        [object.clone(), inserted, changed, deleted]
    });
    output::line("into the tables:")?;
    table::print(["object", "insert", "merge", "delete"], incoming)?;
    output::line("\ninto the org:")?;
    let outgoing = preview.outgoing.iter().map(|change| {
        let word = match change.operation {
            SendOperation::Create => "create",
            SendOperation::Update => "update",
            SendOperation::Delete => "delete",
        };
        let id = change.org_id.as_ref().unwrap_or(&change.local_key);
        let fields = change.fields.keys().cloned().collect::<Vec<_>>();
        [
            word.to_owned(),
            change.object.clone(),
            id.clone(),
            fields.join(" "),
        ]
    });
    table::print(["do", "object", "record", "fields"], outgoing)?;
    let rest = [
        (preview.waiting, "waits for another row or a decision"),
        (preview.refused, "can never be taken by the org"),
    ];
    for (count, what) in rest.iter().filter(|(count, _)| *count > 0) {
        let rows = counted(usize::try_from(*count).unwrap_or(usize::MAX), "row");
        output::line(&format!("{rows}: {what}"))?;
    }
    Ok(())
}
