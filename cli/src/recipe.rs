//! `lockgate recipe`: use cases from beginning to end, against an org and a mailing list
//! on this machine, with the real connectors and syncs. The exit code is 0 only if every
//! check held.

mod app;
mod at_work;
mod contact_sync;
mod customer_360;
mod lead_capture;
mod pipeline;
mod report;
mod shop_orders;
mod stage;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value as Json, json};

use crate::args::Shape;
use crate::exit::Status;
use crate::{output, table};
use report::{Course, Report, Stopped};
use stage::Stage;

const EXAMPLES: &str = "\
Examples:
  lockgate recipe list
  lockgate recipe run contact-sync";

const RUN: &str = "\
Examples:
  lockgate recipe run contact-sync --keep recipe
      The database stays in the folder `recipe`, to be looked at.
  lockgate recipe run customer-360 --output json | jq .result

docs/recipes.md has the commands with which to do the same against a real org.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the recipes
    List(ListArgs),
    /// Run a recipe from beginning to end
    Run(RunArgs),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockgate recipe list\n  lockgate recipe list --output json | jq -r .[].name"
)]
struct ListArgs {
    #[command(flatten)]
    shape: Shape,
}

#[derive(Debug, clap::Args)]
#[command(after_help = RUN)]
struct RunArgs {
    /// The recipe
    #[arg(value_enum, value_name = "NAME")]
    name: Name,
    /// Where to keep the files that it makes; by default they are gone at its end
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// A web form's webhook makes a lead: deduplicated, scored and assigned
    LeadCapture,
    /// Contacts of the CRM and members of a mailing list, both ways
    ContactSync,
    /// A deal changes its stage: an app is told, and leaves a task and a tag
    Pipeline,
    /// Products, prices and orders of a shop, activated, and their status back
    ShopOrders,
    /// Accounts, contacts, notes, tasks and orders of several sources as one profile
    #[value(name = "customer-360")]
    Customer360,
}

impl Name {
    /// As people type it, with what it does.
    const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::LeadCapture => (
                "lead-capture",
                "A web form's webhook makes a lead: deduplicated, scored and assigned",
            ),
            Self::ContactSync => (
                "contact-sync",
                "Contacts of the CRM and members of a mailing list, both ways",
            ),
            Self::Pipeline => (
                "pipeline",
                "A deal changes its stage: an app is told, and leaves a task and a tag",
            ),
            Self::ShopOrders => (
                "shop-orders",
                "Products, prices and orders of a shop, activated, and their status back",
            ),
            Self::Customer360 => (
                "customer-360",
                "Accounts, contacts, notes, tasks and orders of several sources as one profile",
            ),
        }
    }

    /// Records that the org begins with.
    const fn records(self) -> usize {
        match self {
            Self::ContactSync => contact_sync::RECORDS,
            Self::LeadCapture | Self::Pipeline | Self::ShopOrders | Self::Customer360 => 0,
        }
    }
}

pub(crate) async fn run(args: Args) -> Result<Status> {
    match args.command {
        Command::List(args) => list(args.shape),
        Command::Run(args) => play(args).await,
    }
}

fn list(shape: Shape) -> Result<Status> {
    let recipes = Name::value_variants().iter().map(|name| name.told());
    if shape.is_json() {
        let recipes = recipes.map(|(name, what)| json!({ "name": name, "what": what }));
        output::json(&recipes.collect::<Vec<Json>>())?;
    } else {
        let rows = recipes.map(|(name, what)| [name.to_owned(), what.to_owned()]);
        table::print(["recipe", "what it does"], rows)?;
    }
    Ok(Status::Done)
}

async fn play(args: RunArgs) -> Result<Status> {
    let began = Instant::now();
    let mut course = Course::new(args.shape);
    let keep = args.keep.as_deref();
    let result = perform(args.name, keep, &mut course).await;
    let report = Report {
        recipe: args.name.told().0,
        ok: result.is_ok(),
        seconds: began.elapsed().as_secs_f64(),
        steps: course.steps,
        result: result.unwrap_or_default(),
        files: keep.map(kept).transpose()?.unwrap_or_default(),
    };
    report.show(args.shape)?;
    Ok(match report.ok {
        true => Status::Done,
        false => Status::Failed,
    })
}

async fn perform(name: Name, keep: Option<&Path>, course: &mut Course) -> Result<Json, Stopped> {
    let stage = course
        .step("start", async {
            let stage = Stage::set(name.records(), keep).await?;
            let what = format!(
                "an org at {}, a mailing list at {}",
                stage.org.url(),
                stage.service.url()
            );
            Ok((stage, what))
        })
        .await?;
    let (org, list) = (stage.control.clone(), stage.service.call_counter());
    course.count(move || org.quota().used + list());
    let result = match name {
        Name::LeadCapture => lead_capture::run(&stage, course).await,
        Name::ContactSync => contact_sync::run(&stage, course).await,
        Name::Pipeline => pipeline::run(&stage, course).await,
        Name::ShopOrders => shop_orders::run(&stage, course).await,
        Name::Customer360 => customer_360::run(&stage, course).await,
    };
    stage.stop().await;
    result
}

/// The files in a folder, by their names.
fn kept(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}
