//! `lockgate package install`.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::publish;
use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::progress::Progress;
use crate::shelf::Shelf;
use crate::{output, packages, session};

const EXAMPLES: &str = "\
Examples:
  lockgate package install ./target/package
      Nothing changes for calls yet, unless no version was known before:
  lockgate package swap my-connector 0.2.0
  lockgate package install acme:tidy-mail --from ./registry
  lockgate package install acme:tidy-mail@0.3.1 --from oci://ghcr.io/acme
      From a registry: the newest version, or the one that is named. It is loaded only if
      it is signed by who is trusted here, wherever it comes from.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The package's directory, with package.toml and its component; with --from its name
    /// in the registry, as `[NAMESPACE:]NAME[@VERSION]`
    #[arg(value_name = "DIR|NAME")]
    package: PathBuf,
    /// The registry: a folder, or oci://HOST/PATH
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    #[command(flatten)]
    account: publish::Account,
    #[command(flatten)]
    shape: Shape,
}

/// Loads the package once, aside, so that only what runs is installed. Its code is kept
/// for the swap.
pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let package = match &args.from {
        Some(place) => {
            let name = args.package.to_string_lossy();
            let _progress = Progress::spinner(format!("fetching {name}"));
            args.account.at(place)?.fetch(&name.parse()?).await?
        }
        None => packages::open(&args.package)?,
    };
    let head = &package.manifest().package;
    let host = session::open(common, None).await?;
    {
        let _progress = Progress::spinner(format!("preparing {}", head.name));
        host.load(&package, package.asked_grants()).await?;
    }
    let shelf = Shelf::of(common)?;
    let is_new = shelf.install(&package)?;
    let current = shelf.change(&head.name, |course| Ok(course.current.clone()))?;
    if args.shape.is_json() {
        output::json(&json!({
            "name": head.name,
            "version": head.version,
            "digest": package.digest(),
            "is_new": is_new,
            "current": current,
        }))?;
        return Ok(Status::Done);
    }
    let what = match is_new {
        true => "is installed",
        false => "was installed before",
    };
    let then = match current == head.version {
        true => "calls go to it".to_owned(),
        false => format!(
            "calls go to {current} until `lockgate package swap {} {}`",
            head.name, head.version
        ),
    };
    output::line(&format!("{} {} {what}; {then}", head.name, head.version))?;
    Ok(Status::Done)
}
