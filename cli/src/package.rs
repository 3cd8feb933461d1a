//! `lockgate package`: build packages, look into them, install them, and decide which of
//! their versions calls go to.

mod history;
pub(crate) mod inspect;
mod install;
mod list;
mod publish;
mod remove;
pub(crate) mod sign;
mod steer;

use anyhow::Result;
use clap::Subcommand;

use crate::args::Common;
use crate::exit::Status;
use crate::plugin::build;

const EXAMPLES: &str = "\
Examples, a new version at noon:
  lockgate package install ./target/package
  lockgate package canary salesforce 0.2.0 --share 0.05
  lockgate package list
  lockgate package swap salesforce 0.2.0
  lockgate package rollback salesforce

Calls under way end on the version that they began with, and subscriptions go on behind
their last checkpoint. `lockgate run` takes each of these up at once; without one, the next
command or start does.";

const BUILD: &str = "\
Examples:
  lockgate package build ./my-connector
  lockgate package build ./my-connector --into packages/my-connector";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a package is, what it imports, and what it asks for
    Inspect(inspect::Args),
    /// Build a plugin's or connector's source into a package
    #[command(after_help = BUILD)]
    Build(build::Args),
    /// Keep a version of a package in the data directory
    Install(install::Args),
    /// Take versions out of the data directory that nothing uses
    Remove(remove::Args),
    /// List installed packages, their versions, and how these do
    List(list::Args),
    /// Have all calls go to a version
    Swap(steer::SwapArgs),
    /// Have some calls go to a version
    Canary(steer::CanaryArgs),
    /// Have calls go to the version before
    Rollback(steer::RollbackArgs),
    /// Have the calls of a connection go to a version, whatever the others do
    Pin(steer::PinArgs),
    /// Have the calls of a connection go where the others go
    Unpin(steer::UnpinArgs),
    /// Show what has changed of a package
    History(history::Args),
    /// Put a package into a registry: a folder, or an OCI registry
    Publish(publish::Args),
    /// Sign the package in a directory with this data directory's key
    Sign(sign::SignArgs),
    /// Show the public half of this data directory's key
    Key(sign::KeyArgs),
    /// Trust who signs with a key, or list who is trusted
    Trust(sign::TrustArgs),
    /// Trust a key no more
    Distrust(sign::DistrustArgs),
    /// Never load a version and those before it, a component, or what a key has signed
    Revoke(sign::RevokeArgs),
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    match args.command {
        Command::Inspect(args) => inspect::run(common, args).await,
        Command::Build(args) => build::run(common, args).await,
        Command::Install(args) => install::run(common, args).await,
        Command::Remove(args) => remove::run(common, &args),
        Command::List(args) => list::run(common, args).await,
        Command::Swap(args) => steer::swap(common, args).await,
        Command::Canary(args) => steer::canary(common, args).await,
        Command::Rollback(args) => steer::rollback(common, args).await,
        Command::Pin(args) => steer::pin(common, args).await,
        Command::Unpin(args) => steer::unpin(common, args).await,
        Command::History(args) => history::run(common, args),
        Command::Publish(args) => publish::run(common, args).await,
        Command::Sign(args) => sign::sign(common, &args),
        Command::Key(args) => sign::key(common, &args),
        Command::Trust(args) => sign::trust(common, args),
        Command::Distrust(args) => sign::distrust(common, &args),
        Command::Revoke(args) => sign::revoke(common, args),
    }
}
