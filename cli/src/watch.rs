//! `lockgate watch`: events of an org, one line each, as they come.

mod line;

use std::time::Duration;

use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use lockgate::{Advice, Checkpoint, Connection, Error, Start, SubscribeOptions};
use serde_json::json;

use crate::action::schema;
use crate::args::{Common, Format, Shape, Target};
use crate::calls::Calls;
use crate::exit::{Status, advised, duration};
use crate::interrupt::Interrupt;
use crate::progress::Note;
use crate::{output, session, table, text};

const EXAMPLES: &str = "\
Examples:
  lockgate watch crm
      List what the connector was made to tell of; orgs have more.
  lockgate watch crm Account Contact
  lockgate watch crm Order_Event__e --from oldest --limit 10
  lockgate watch crm Lead --output json | jq -r 'select(.kind == \"created\") | .record_ids[]'
  lockgate watch crm Account --output json --from \"$(cat place || echo newest)\" |
      while read -r event; do
          handle \"$event\" || break
          jq -er .checkpoint <<< \"$event\" > new && mv new place
      done

With --output json each event is one line. What came at one time has a checkpoint
in its last line: once everything up to it is done, --from goes on behind it. When
nothing happens, a line of its own now and then moves the checkpoint on.
Everything comes at least once, and now and then twice: `id` tells.
Ctrl-C ends it, with exit code 0.";

/// The longest pause before it tries again, if nothing can be reached.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// What to listen to: API names of objects, for changes of their records, and
    /// of kinds of message that the org publishes; without any, kinds are listed
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// Where to begin: `newest`, `oldest`, or behind a checkpoint that --output
    /// json has given for the same sources
    #[arg(long, value_name = "PLACE", default_value = "newest", value_parser = place)]
    from: Start,
    /// How to hear of events, by the connector's name of it; by default the
    /// connector chooses
    #[arg(long, value_name = "NAME")]
    way: Option<String>,
    /// End once so many events have come, and those that came together with the
    /// last of them
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    calls: Calls,
    #[command(flatten)]
    shape: Shape,
}

impl Args {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

fn place(text: &str) -> Result<Start, String> {
    match text {
        "newest" => Ok(Start::Newest),
        "oldest" => Ok(Start::Oldest),
        other => other.parse().map(Start::After).map_err(|_| {
            "it is `newest`, `oldest` or a checkpoint, whole as --output json gives it".to_owned()
        }),
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    // Ctrl-C is how it ends, so it is no failure.
    let mut interrupt = Interrupt::listen()?;
    let (_host, connection) = session::connect(common, &args.target).await?;
    if args.sources.is_empty() {
        list(&connection, args.shape).await?;
        return Ok(Status::Done);
    }
    let mut reached = None;
    let outcome = interrupt
        .stops(watch(&connection, &args, &mut reached))
        .await;
    let is_for_people = args.shape.output == Format::Table;
    if let Some(checkpoint) = reached.filter(|_| is_for_people) {
        output::tell(&format!("to go on from here: --from {checkpoint}"));
    }
    outcome.unwrap_or(Ok(()))?;
    Ok(Status::Done)
}

async fn list(connection: &Connection, shape: Shape) -> Result<()> {
    let described = connection.connector().await?;
    if shape.is_json() {
        let kinds = described.events.iter().map(|kind| {
            json!({
                "name": kind.name,
                "summary": kind.summary,
                "payload_schema": schema(&kind.payload_schema),
            })
        });
        return output::json(&kinds.collect::<Vec<_>>());
    }
    if described.events.is_empty() {
        output::tell(&format!("{} names no kinds of event", described.product));
        return Ok(());
    }
    let rows = described.events.into_iter();
    table::print(
        ["source", "what it tells"],
        rows.map(|kind| [kind.name, kind.summary]),
    )
}

/// Tells of events until there were enough of them. `reached` is the place behind
/// all that was told.
async fn watch(
    connection: &Connection,
    args: &Args,
    reached: &mut Option<Checkpoint>,
) -> Result<()> {
    let note = Note::default();
    let connection = args.calls.of(connection, note.clone());
    let options = SubscribeOptions {
        start: args.from.clone(),
        way: args.way.clone(),
    };
    let deliveries = connection.subscribe(&args.sources, options).await;
    let mut deliveries = deliveries.map_err(explained)?;
    if output::is_terminal() {
        let way = deliveries.way();
        output::tell(&format!(
            "by {}: {}; Ctrl-C ends it",
            text::clean(&way.name),
            text::clean(&way.reason)
        ));
    }
    let mut count = 0;
    loop {
        match deliveries.next_delivery().await {
            Ok(Some(delivery)) => {
                note.clear();
                line::tell(&delivery, args.shape)?;
                count += delivery.events.len() as u64;
                *reached = Some(delivery.checkpoint);
                if args.limit.is_some_and(|limit| count >= limit) {
                    return Ok(());
                }
            }
            Ok(None) => return Ok(()),
            // Its place is kept, and whoever watches wants to go on watching.
            Err(error @ Error::Unavailable { retry_after, .. }) => {
                let pause = retry_after.clamp(Duration::from_secs(1), LONGEST_PAUSE);
                note.say(format!("{error} (goes on in {})", duration(pause)));
                tokio::time::sleep(pause).await;
            }
            Err(error) => return Err(explained(error)),
        }
    }
}

/// Says what to do where a subscription wants something else than other calls.
fn explained(error: Error) -> anyhow::Error {
    match &error {
        Error::Refused { problem, .. } if problem.advice == Advice::Refetch => advised(
            error.to_string(),
            "watch from now on with `--from newest`, and read once with `lockgate query` what \
             may have changed until then",
        ),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_end_of_what_there_is_or_a_checkpoint() {
        assert_eq!(place("newest"), Ok(Start::Newest));
        assert_eq!(place("oldest"), Ok(Start::Oldest));
        let checkpoint = Checkpoint::from_bytes("x").unwrap();
        assert_eq!(place("eA=="), Ok(Start::After(checkpoint)));
        for wrong in ["", "yesterday", "eA"] {
            assert!(place(wrong).unwrap_err().contains("`oldest`"), "{wrong}");
        }
    }
}
