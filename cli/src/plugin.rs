//! `lockgate plugin`: from nothing to a package, in three languages.

mod batch;
pub(crate) mod build;
mod call;
mod conform;
mod dev;
mod exchanges;
mod golden;
mod javascript;
mod json_text;
pub(crate) mod language;
mod new;
mod operation;
mod pack;
mod product;
mod python;
mod record;
mod secrets;
mod sources;
mod stand;
mod stored;
mod swap;
mod templates;
mod test;
mod tested;
mod tool;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;

use crate::args::{Common, Shape};
use crate::exit::Status;
use crate::package;
use language::Language;

const EXAMPLES: &str = "\
Examples:
  lockgate plugin new my-plugin --lang python
  lockgate plugin test my-plugin
  lockgate plugin dev my-plugin
  lockgate plugin pack my-plugin

docs/authoring.md goes through it, language by language.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Begin a plugin from a template that works
    New(new::Args),
    /// Build a plugin into a package
    Build(build::Args),
    /// Run a plugin on its golden folders, in the real sandbox
    Test(test::Args),
    /// Hold a connector against the contract, with faults in its exchanges
    Conform(conform::Args),
    /// Build and test again whenever a file changes
    Dev(dev::Args),
    /// Show what a plugin's package imports and asks for
    Inspect(InspectArgs),
    /// Build, test, and lay out the package for others
    Pack(pack::Args),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  lockgate plugin inspect my-plugin")]
struct InspectArgs {
    /// The plugin's directory, or anything that `lockgate package inspect` takes
    #[arg(value_name = "DIR", default_value = ".")]
    place: PathBuf,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    match args.command {
        Command::New(args) => new::run(&args),
        Command::Build(args) => build::run(common, args).await,
        Command::Test(args) => test::run(common, args).await,
        Command::Conform(args) => conform::run(common, args).await,
        Command::Dev(args) => dev::run(common, args).await,
        Command::Inspect(args) => {
            let built = package_directory(&args.place);
            let place = match Language::of(&args.place) {
                Some(_) if built.is_dir() => built,
                _ => args.place,
            };
            package::inspect::look(common, &place, args.shape).await
        }
        Command::Pack(args) => pack::run(common, args).await,
    }
}

/// Where the package of a plugin is built.
fn package_directory(plugin: &Path) -> PathBuf {
    plugin.join("target").join("package")
}
