//! `lockgate sync letters`: dead letters.

use anyhow::Result;
use lockgate_sync::{Database, Letter};
use serde_json::json;

use super::{Named, open};
use crate::args::{Common, Shape};
use crate::calls::moment_of_ms;
use crate::exit::Status;
use crate::{output, table, text};

const EXAMPLES: &str = "\
Examples:
  lockgate sync letters crm
  lockgate sync letters crm --output json | jq '.[] | {reason, content}'
  lockgate sync letters crm --again 17
      After the cause is mended: the row goes out as it is now, a record is read again.
  lockgate sync letters crm --again all
  lockgate sync letters crm --discard 17
      Both sides stay as they are.";

/// Letters that are read at a time.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    sync: Named,
    /// Take a letter up again, by its number, or all of them
    #[arg(long, value_name = "NUMBER|all")]
    again: Option<Which>,
    /// Throw a letter away, by its number, or all of them
    #[arg(long, value_name = "NUMBER|all", conflicts_with = "again")]
    discard: Option<Which>,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    One(i64),
    All,
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            number => number
                .parse()
                .map(Self::One)
                .map_err(|_| "it is the number of a letter, or `all`".to_owned()),
        }
    }
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (_, sync) = open::find(common, &args.sync).await?;
    let database = Database::attach(&sync.definition.target()?).await?;
    let (which, word) = match (args.again, args.discard) {
        (Some(which), _) => (which, "again"),
        (None, Some(which)) => (which, "discarded"),
        (None, None) => return list(&all(&database).await?, args.shape),
    };
    let numbers = match which {
        Which::One(number) => vec![number],
        Which::All => all(&database)
            .await?
            .iter()
            .map(|letter| letter.number)
            .collect(),
    };
    for number in &numbers {
        match word {
            "again" => database.send_again(*number).await?,
            _ => database.throw_away(*number).await?,
        }
    }
    match args.shape.is_json() {
        true => output::json(&json!({ word: numbers }))?,
        false => output::line(&format!(
            "{} {word}",
            text::counted(numbers.len(), "letter")
        ))?,
    }
    Ok(Status::Done)
}

async fn all(database: &Database) -> Result<Vec<Letter>> {
    let mut all: Vec<Letter> = Vec::new();
    loop {
        let after = all.last().map_or(0, |last| last.number);
        let page = database.letters(after, PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

fn list(letters: &[Letter], shape: Shape) -> Result<Status> {
    if shape.is_json() {
        output::json(letters)?;
        return Ok(Status::Done);
    }
    if letters.is_empty() {
        output::tell("there is no dead letter");
        return Ok(Status::Done);
    }
    let rows = letters.iter().map(|letter| {
        let place = letter.org_id.as_ref().or(letter.local_key.as_ref());
        [
            letter.number.to_string(),
            letter.direction.clone(),
            letter.object.clone(),
            place.cloned().unwrap_or_default(),
            letter.reason.clone(),
            moment_of_ms(letter.at_ms),
        ]
    });
    table::print(
        ["number", "way", "object", "record", "reason", "since"],
        rows,
    )?;
    Ok(Status::Done)
}
