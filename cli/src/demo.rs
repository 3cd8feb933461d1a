//! `lockgate demo`: everything at work against an org on this machine. The exit
//! code is 0 only if every step did what it should.

pub(crate) mod browser;
mod kinds;
mod plugins;
mod records;
mod refusals;
mod report;
mod show;
mod stage;

use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::args::Shape;
use crate::exit::Status;
use crate::steps::{self, Step};
pub(crate) use plugins::scoring_rules;
use report::{QuotaReport, Report};
use show::Screen;
use stage::Stage;

const EXAMPLES: &str = "\
Examples:
  lockgate demo
  lockgate demo --records 200
  lockgate demo --output json | jq .objects";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Records to make of each object
    #[arg(long, value_name = "N", default_value_t = 25,
          value_parser = clap::value_parser!(u16).range(1..=600))]
    records: u16,
    #[command(flatten)]
    shape: Shape,
}

/// The steps, in order. A failed one ends the demo: those after it stand on it.
#[derive(Clone, Copy, Debug)]
enum Act {
    Load,
    Connect,
    Create,
    Read,
    Normalise,
    Score,
    Update,
    Upsert,
    RefuseGrant,
    RefuseStranger,
    StopRunaways,
    StillWorks,
    Delete,
}

const ACTS: [(Act, &str); 13] = [
    (Act::Load, "load the packages"),
    (Act::Connect, "connect"),
    (Act::Create, "create"),
    (Act::Read, "query"),
    (Act::Normalise, "normalise contacts"),
    (Act::Score, "score leads"),
    (Act::Update, "update"),
    (Act::Upsert, "upsert"),
    (Act::RefuseGrant, "refuse a grant"),
    (Act::RefuseStranger, "refuse a stranger"),
    (Act::StopRunaways, "stop runaways"),
    (Act::StillWorks, "go on"),
    (Act::Delete, "delete"),
];

pub(crate) async fn run(args: Args) -> Result<Status> {
    let screen = Screen::new(args.shape);
    let began = Instant::now();
    let mut stage = Stage::set(usize::from(args.records)).await?;
    let mut report = Report::default();
    let started = Step {
        name: "start an org",
        ok: true,
        seconds: began.elapsed().as_secs_f64(),
        api_calls: 0,
        what: stage.org_in_words(),
    };
    screen.step(&started)?;
    report.steps.push(started);
    for (act, name) in ACTS {
        let step = perform(&mut stage, act, name).await;
        screen.step(&step)?;
        let ok = step.ok;
        report.steps.push(step);
        if !ok {
            break;
        }
    }
    report.seconds = began.elapsed().as_secs_f64();
    conclude(stage, &mut report).await?;
    screen.report(&report)?;
    Ok(if report.ok {
        Status::Done
    } else {
        Status::Failed
    })
}

async fn perform(stage: &mut Stage, act: Act, name: &'static str) -> Step {
    let control = stage.control.clone();
    let work = async {
        let what = match act {
            Act::Load => stage.load().await,
            Act::Connect => stage.connect().await,
            Act::Create => stage.create().await,
            Act::Read => stage.read().await,
            Act::Normalise => stage.normalise().await,
            Act::Score => stage.score().await,
            Act::Update => stage.update().await,
            Act::Upsert => stage.upsert().await,
            Act::RefuseGrant => stage.refuse_grant().await,
            Act::RefuseStranger => stage.refuse_stranger().await,
            Act::StopRunaways => stage.stop_runaways().await,
            Act::StillWorks => stage.still_works().await,
            Act::Delete => stage.delete().await,
        };
        Ok(((), what?))
    };
    let (step, _) = steps::take(name, || control.quota().used, work).await;
    step
}

/// Counts what the org saw, once no request is under way any more.
async fn conclude(stage: Stage, report: &mut Report) -> Result<()> {
    let budget = match &stage.connection {
        Some(connection) => Some(connection.budget().await?),
        None => None,
    };
    stage.org.stop().await;
    let quota = stage.control.quota();
    report.api_calls = stage
        .control
        .requests()
        .iter()
        .filter(|request| request.counted)
        .count();
    report.quota = QuotaReport {
        limit: quota.max,
        used: quota.used,
        left: quota.max.saturating_sub(quota.used),
        used_as_host_counts: budget.map_or(0, |budget| budget.used),
    };
    for (name, object) in stage.objects {
        let object = serde_json::to_value(object).context("cannot write the report")?;
        report.objects.insert(name.to_owned(), object);
    }
    report.plugins = stage.plugins;
    report.refusals = stage.refusals;
    report.ok = report.steps.len() == ACTS.len() + 1 && report.steps.iter().all(|step| step.ok);
    Ok(())
}
