//! `lockgate package swap`, `canary`, `rollback`, `pin` and `unpin`.

use std::collections::BTreeSet;

use anyhow::Result;
use lockgate::{Move, VersionChange};

use crate::args::{Common, Shape};
use crate::exit::{Status, usage};
use crate::progress::Progress;
use crate::run::control;
use crate::shelf::{Canary, Course, Shelf, Wish, all_waiting, carry_out, is_revoked};
use crate::{output, session};

const SWAP: &str = "\
Examples:
  lockgate package swap salesforce 0.2.0
      For ten minutes it is held against the version before: if more than 5 % of its calls
      fail, or they take three times as long, all calls go back by themselves.
  lockgate package swap salesforce 0.2.0 --trial-s 0
      Trusts it at once.";

#[derive(Debug, clap::Args)]
#[command(after_help = SWAP)]
pub(super) struct SwapArgs {
    /// The package
    #[arg(value_name = "NAME")]
    name: String,
    /// A version that is installed
    version: String,
    /// How long it is on trial, in seconds; 0 trusts it at once
    #[arg(long, value_name = "N", default_value_t = 600)]
    trial_s: u64,
    /// How long calls under way may go on in the version before, in seconds
    #[arg(long, value_name = "N", default_value_t = 900)]
    drain_s: u64,
    #[command(flatten)]
    shape: Shape,
}

const CANARY: &str = "\
Examples:
  lockgate package canary salesforce 0.2.0 --share 0.05
      A twentieth of the calls of `lockgate run`; no subscriptions.
  lockgate package canary salesforce 0.2.0 --connection crm --connection acme/crm
      All that these connections do.

It stays a canary until `swap` or `rollback`, and is taken back by itself if it does worse
than the others.";

#[derive(Debug, clap::Args)]
#[command(after_help = CANARY)]
#[command(group = clap::ArgGroup::new("calls").required(true).args(["share", "connections"]))]
pub(super) struct CanaryArgs {
    /// The package
    #[arg(value_name = "NAME")]
    name: String,
    /// A version that is installed
    version: String,
    /// The share of calls, from 0 to 1
    #[arg(long, value_name = "SHARE")]
    share: Option<f64>,
    /// A connection whose calls go to it, as NAME or TENANT/NAME; may be given again
    #[arg(long = "connection", value_name = "NAME")]
    connections: Vec<String>,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  lockgate package rollback salesforce")]
pub(super) struct RollbackArgs {
    /// The package
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  lockgate package pin salesforce 0.1.0 --connection crm")]
pub(super) struct PinArgs {
    /// The package
    #[arg(value_name = "NAME")]
    name: String,
    /// A version that is installed
    version: String,
    /// The connection, as NAME or TENANT/NAME
    #[arg(long, value_name = "NAME")]
    connection: String,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  lockgate package unpin salesforce --connection crm")]
pub(super) struct UnpinArgs {
    /// The package
    #[arg(value_name = "NAME")]
    name: String,
    /// The connection, as NAME or TENANT/NAME
    #[arg(long, value_name = "NAME")]
    connection: String,
    #[command(flatten)]
    shape: Shape,
}

pub(super) async fn swap(common: &Common, args: SwapArgs) -> Result<Status> {
    let wish = Wish::Swap {
        version: args.version,
        trial_s: (args.trial_s > 0).then_some(args.trial_s),
        drain_s: args.drain_s,
    };
    steer(common, &args.name, wish, args.shape).await
}

pub(super) async fn canary(common: &Common, args: CanaryArgs) -> Result<Status> {
    are_there(common, &args.connections).await?;
    let connections: BTreeSet<String> = args.connections.iter().map(|name| full(name)).collect();
    let wish = Wish::Canary(Canary {
        version: args.version,
        share: args.share,
        connections,
    });
    steer(common, &args.name, wish, args.shape).await
}

pub(super) async fn rollback(common: &Common, args: RollbackArgs) -> Result<Status> {
    steer(common, &args.name, Wish::Rollback, args.shape).await
}

pub(super) async fn pin(common: &Common, args: PinArgs) -> Result<Status> {
    are_there(common, std::slice::from_ref(&args.connection)).await?;
    let wish = Wish::Pin {
        connection: full(&args.connection),
        version: args.version,
    };
    steer(common, &args.name, wish, args.shape).await
}

pub(super) async fn unpin(common: &Common, args: UnpinArgs) -> Result<Status> {
    let wish = Wish::Unpin {
        connection: full(&args.connection),
    };
    steer(common, &args.name, wish, args.shape).await
}

/// Has the host that runs do it, or, if none does, one that is there for the moment: what
/// does not start, or does not take the settings of the connections, is refused either way.
async fn steer(common: &Common, name: &str, wish: Wish, shape: Shape) -> Result<Status> {
    let shelf = Shelf::of(common)?;
    // Puts what the binary carries on the shelf, so that there is a way back.
    shelf.change(name, |_| Ok(()))?;
    let progress = Progress::spinner(format!("trying {name}"));
    let change = match control::package(common, name, &wish).await? {
        Some(change) => change,
        None => alone(common, &shelf, name, &wish).await?,
    };
    drop(progress);
    tell(name, &change, shape)?;
    let host = session::open(common, None).await?;
    for waiting in all_waiting(&host, &shelf, name).await? {
        output::tell(&waiting);
    }
    Ok(Status::Done)
}

async fn alone(common: &Common, shelf: &Shelf, name: &str, wish: &Wish) -> Result<VersionChange> {
    let host = session::open(common, None).await?;
    let course = shelf
        .course(name)?
        .ok_or_else(|| usage("it was removed meanwhile"))?;
    let world = shelf.package(name, &course.current)?.world();
    match (course.begin(&host, shelf, name, world).await, wish) {
        (Ok(()), _) => carry_out(&[host], shelf, name, wish).await,
        (Err(error), Wish::Swap { version, .. }) if is_revoked(&error) => {
            Course::begin_anew(&host, shelf, name, version).await
        }
        (Err(error), _) => Err(error),
    }
}

fn tell(name: &str, change: &VersionChange, shape: Shape) -> Result<()> {
    if shape.is_json() {
        return output::json(change);
    }
    let to = change.to.as_deref().unwrap_or("the others");
    let calls = match change.what {
        Move::Canary | Move::Pinned | Move::Unpinned => "some calls",
        _ => "calls",
    };
    output::line(&format!("{name}: {calls} go to {to} ({})", change.reason))
}

/// Refuses connections that do not exist: nobody would notice a slip.
async fn are_there(common: &Common, connections: &[String]) -> Result<()> {
    let host = session::open(common, None).await?;
    for connection in connections {
        let full = full(connection);
        let (tenant, name) = full.split_once('/').unwrap_or_default();
        host.connection(tenant, name).await?;
    }
    Ok(())
}

/// A connection as `tenant/name`.
fn full(connection: &str) -> String {
    match connection.contains('/') {
        true => connection.to_owned(),
        false => format!("default/{connection}"),
    }
}
