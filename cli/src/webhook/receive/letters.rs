//! `lockgate webhook receive letters`: what was given up.

use anyhow::Result;
use lockgate::Queue;
use lockgate::store::{ListedItem, QueueState, Which};
use serde_json::json;

use super::inbox;
use super::status::moment;
use super::{Named, definition};
use crate::args::{Common, Shape};
use crate::exit::{Status, usage};
use crate::run::control;
use crate::{output, table, text};

const EXAMPLES: &str = "\
Examples:
  lockgate webhook receive letters form
  lockgate webhook receive letters form --output json | jq '.[] | {problem, content}'
  lockgate webhook receive letters form --again msg_2KWPBgLlAfxdpx2AI54pPJ85f4W
      After the cause is mended: it is written as it came.
  lockgate webhook receive letters form --again all
  lockgate webhook receive letters form --discard all";

/// Letters that are read at a time.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    webhook: Named,
    /// Take a letter up again, by its id, or all of them
    #[arg(long, value_name = "ID|all")]
    again: Option<String>,
    /// Throw a letter away, by its id, or all of them
    #[arg(long, value_name = "ID|all", conflicts_with = "again")]
    discard: Option<String>,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, webhook) = definition::find(common, &args.webhook).await?;
    let inbox = webhook.inbox(&host).await?;
    let queue = inbox.queue();
    let (count, asked, word) = match (&args.again, &args.discard) {
        (Some(asked), _) => (queue.again(&which(asked)).await?, asked, "again"),
        (None, Some(asked)) => (queue.discard(&which(asked)).await?, asked, "discarded"),
        (None, None) => {
            list(&all(queue).await?, args.shape)?;
            return Ok(Status::Done);
        }
    };
    if count == 0 && asked != "all" {
        return Err(usage(format!("there is no letter {asked}")));
    }
    // Whoever has them written looks again.
    control::reload(common).await?;
    match args.shape.is_json() {
        true => output::json(&json!({ word: count }))?,
        false => {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            output::line(&format!("{} {word}", text::counted(count, "letter")))?;
        }
    }
    Ok(Status::Done)
}

fn which(asked: &str) -> Which {
    match asked {
        "all" => Which::All,
        id => Which::One(id.to_owned()),
    }
}

async fn all(queue: &Queue) -> Result<Vec<ListedItem>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = queue.list(QueueState::Dead, after, PAGE).await?;
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

fn list(letters: &[ListedItem], shape: Shape) -> Result<()> {
    if shape.is_json() {
        return output::json(&letters.iter().map(inbox::json).collect::<Vec<_>>());
    }
    if letters.is_empty() {
        output::tell("there is no dead letter");
        return Ok(());
    }
    let rows = letters.iter().map(|letter| {
        [
            letter.id.clone(),
            letter.problem.clone().unwrap_or_default(),
            moment(letter.due_ms),
            String::from_utf8_lossy(&letter.bytes).into_owned(),
        ]
    });
    table::print(["id", "problem", "since", "content"], rows)
}
