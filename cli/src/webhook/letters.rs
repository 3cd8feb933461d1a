//! `lockgate webhook letters`: what was given up.

use anyhow::Result;
use lockgate::Queue;
use lockgate::store::{ListedItem, QueueState, Which};
use serde_json::{Value as Json, json};

use super::{Named, open};
use crate::args::{Common, Shape};
use crate::calls::moment_of_ms;
use crate::exit::{Status, usage};
use crate::run::control;
use crate::{output, table};

const EXAMPLES: &str = "\
Examples:
  lockgate webhook letters crm
  lockgate webhook letters crm --output json | jq '.[] | {id, problem, content}'
  lockgate webhook letters crm --again all
      Once the app is mended: they are sent at once, under the same ids.
  lockgate webhook letters crm --discard 0b5b3f9e-7d6c-4a0e-9f57-2f6c0f6f3f11";

/// Letters that are read at a time.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    webhook: Named,
    /// Send a letter again, by its id, or all of them
    #[arg(long, value_name = "ID|all", value_parser = which)]
    again: Option<Which>,
    /// Throw a letter away, by its id, or all of them
    #[arg(long, value_name = "ID|all", value_parser = which, conflicts_with = "again")]
    discard: Option<Which>,
    #[command(flatten)]
    shape: Shape,
}

fn which(text: &str) -> Result<Which, String> {
    Ok(match text {
        "all" => Which::All,
        id => Which::One(id.to_owned()),
    })
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, webhook) = open::find(common, &args.webhook).await?;
    let queue = open::queue(&host, &webhook).await?;
    let (which, word, count) = match (args.again, args.discard) {
        (Some(which), _) => {
            let count = queue.again(&which).await?;
            (which, "again", count)
        }
        (None, Some(which)) => {
            let count = queue.discard(&which).await?;
            (which, "discarded", count)
        }
        (None, None) => return list(&queue, args.shape).await,
    };
    if let (Which::One(id), 0) = (&which, count) {
        return Err(usage(format!(
            "there is no dead letter `{id}`: see them with `lockgate webhook letters {}`",
            webhook.as_arguments()
        )));
    }
    // Whoever has it at work looks at once.
    control::reload(common).await?;
    match args.shape.is_json() {
        true => output::json(&json!({ word: count }))?,
        false => {
            let letters = if count == 1 { "letter" } else { "letters" };
            output::line(&format!("{count} {letters} {word}"))?;
        }
    }
    Ok(Status::Done)
}

async fn list(queue: &Queue, shape: Shape) -> Result<Status> {
    let letters = all(queue).await?;
    if shape.is_json() {
        output::json(&letters.iter().map(json).collect::<Vec<_>>())?;
        return Ok(Status::Done);
    }
    if letters.is_empty() {
        output::tell("there is no dead letter");
        return Ok(Status::Done);
    }
    let rows = letters.iter().map(|letter| {
        let kind = content(letter).and_then(|content| content.get("type").cloned());
        [
            letter.id.clone(),
            kind.as_ref()
                .and_then(Json::as_str)
                .unwrap_or("")
                .to_owned(),
            letter.tries.to_string(),
            letter.problem.clone().unwrap_or_default(),
            moment_of_ms(i64::try_from(letter.due_ms).unwrap_or(i64::MAX)),
        ]
    });
    table::print(["id", "type", "tries", "problem", "since"], rows)?;
    Ok(Status::Done)
}

async fn all(queue: &Queue) -> Result<Vec<ListedItem>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = queue.list(QueueState::Dead, after, PAGE).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// A letter for programs.
fn json(letter: &ListedItem) -> Json {
    json!({
        "id": letter.id,
        "tries": letter.tries,
        "problem": letter.problem,
        "put_ms": letter.put_ms,
        "since_ms": letter.due_ms,
        "content": content(letter),
    })
}

/// What is sent, as JSON.
fn content(letter: &ListedItem) -> Option<Json> {
    serde_json::from_slice(&letter.bytes).ok()
}
