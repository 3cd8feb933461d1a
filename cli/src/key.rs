//! `lockgate key`: the master key, and a new one in its place.

use anyhow::Result;
use clap::Subcommand;
use lockgate::{Error, MasterKey};
use serde_json::json;

use crate::args::{Common, Shape};
use crate::exit::{Status, advised};
use crate::place::{self, KeyPlace};
use crate::text::counted;
use crate::{output, session};

const EXAMPLES: &str = "\
Examples:
  lockgate key show
  lockgate key rotate
      A new key in front of the old one in the key file; everything is sealed anew.
  lockgate key forget
      Once it is sure that the new key is backed up: the old one goes.
  LOCKGATE_MASTER_KEY=NEW,OLD lockgate key reseal
      Where the key comes from the environment: give both, seal anew, and leave the
      old one out from then on.

Others may work with the data directory meanwhile: `lockgate run` reads the key file
again when it meets the new key.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show which keys there are, and nothing of the keys themselves
    #[command(
        after_help = "Examples:\n  lockgate key show\n  lockgate key show --output json | jq -r .key"
    )]
    Show(Shape),
    /// Make a new key and seal everything with it
    #[command(
        after_help = "Examples:\n  lockgate key rotate\n      The old key stays in the key file until `lockgate key forget`."
    )]
    Rotate(Shape),
    /// Seal everything with the first of the keys that are given
    #[command(
        after_help = "Examples:\n  LOCKGATE_MASTER_KEY=NEW,OLD lockgate key reseal\n      NEW seals everything; OLD can be left out from then on."
    )]
    Reseal(Shape),
    /// Seal everything with the first key, and take the others out of the key file
    #[command(
        after_help = "Examples:\n  lockgate key forget\n      Once it is sure that the new key is backed up."
    )]
    Forget(Shape),
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    match args.command {
        Command::Show(shape) => show(common, shape).await,
        Command::Rotate(shape) => {
            let file = file(common).await?;
            MasterKey::renew_file(&file.dir, &file.name).map_err(Error::Key)?;
            let (key, resealed) = reseal(common).await?;
            told(shape, &key, resealed, 0)?;
            output::tell(&format!(
                "the old key stays in {} until `lockgate key forget`",
                file.shown
            ));
            Ok(Status::Done)
        }
        Command::Reseal(shape) => {
            let (key, resealed) = reseal(common).await?;
            told(shape, &key, resealed, 0)
        }
        Command::Forget(shape) => {
            let file = file(common).await?;
            let (key, resealed) = reseal(common).await?;
            let forgotten = MasterKey::forget_older_in_file(&file.dir, &file.name);
            told(shape, &key, resealed, forgotten.map_err(Error::Key)?)
        }
    }
}

/// The key file, made if it is not there yet.
async fn file(common: &Common) -> Result<place::KeyFile> {
    // Makes the data directory and the key, and tells whether it is the right one.
    session::open(common, None).await?;
    match place::key(common)? {
        KeyPlace::File(file) => Ok(file),
        KeyPlace::Variable(name) => Err(advised(
            format!("the master key comes from {name}, which cannot be written"),
            format!(
                "put a new key before the old one, {name}=NEW,OLD, and run `lockgate key reseal`"
            ),
        )),
    }
}

async fn reseal(common: &Common) -> Result<(String, u64)> {
    let host = session::open(common, None).await?;
    let resealed = host.reseal().await?;
    let key = place::read_key(common)?;
    Ok((key.id().to_string(), resealed))
}

async fn show(common: &Common, shape: Shape) -> Result<Status> {
    session::open(common, None).await?;
    let key = place::read_key(common)?;
    let older: Vec<String> = key.older_ids().map(|id| id.to_string()).collect();
    if shape.is_json() {
        output::json(&json!({
            "key": key.id().to_string(),
            "older": older,
            "place": key.origin(),
        }))?;
        return Ok(Status::Done);
    }
    output::line(&format!("{} seals, from {}", key.id(), key.origin()))?;
    for id in older {
        output::line(&format!("{id} only opens what it has sealed"))?;
    }
    Ok(Status::Done)
}

fn told(shape: Shape, key: &str, resealed: u64, forgotten: usize) -> Result<Status> {
    if shape.is_json() {
        output::json(&json!({"key": key, "resealed": resealed, "forgotten": forgotten}))?;
        return Ok(Status::Done);
    }
    let secrets = counted(usize::try_from(resealed).unwrap_or(usize::MAX), "secret");
    output::line(&format!(
        "{secrets} sealed anew; key {key} seals everything"
    ))?;
    if forgotten > 0 {
        output::line(&format!("{} forgotten", counted(forgotten, "older key")))?;
    }
    Ok(Status::Done)
}
