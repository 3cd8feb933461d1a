//! `lockgate bench neighbour`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use lockgate::{ConnectionKey, Host, Shares, Transform};
use serde_json::json;
use tokio::task::JoinSet;

use super::load::{self, Outcome};
use crate::args::Shape;
use crate::exit::Status;
use crate::progress::Progress;
use crate::{output, packages, session};

const EXAMPLES: &str = "\
Examples:
  lockgate bench neighbour
  lockgate bench neighbour --output json | jq .p99_ratio

A plugin of one tenant works on batches that come at a fixed pace, first alone and then
beside another tenant whose plugin loops and allocates without pause in many calls at a
time. Of these no more run at a time than a tenant may beside others: one less than the
machine has cores. On a machine with one core the two can only take turns.";

/// The plugin of the victim, and that of the attacker.
const PLUGIN: &str = "contact-normalizer";
const HOSTILE: &str = "hostile-transform";

/// What the attacker does, by turns.
const ATTACKS: [&str; 2] = ["spin", "allocate"];

/// Calls before any are counted.
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// How long calls are made, alone and again beside the attacker
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// Calls a second
    #[arg(long, value_name = "N", default_value_t = 100)]
    rate: u32,
    /// Records of a call
    #[arg(long, value_name = "N", default_value_t = 200)]
    records: usize,
    /// Calls of the attacker at a time
    #[arg(long, value_name = "N", default_value_t = 16)]
    attacks: usize,
    #[command(flatten)]
    shape: Shape,
}

pub(super) async fn run(args: Args) -> Result<Status> {
    let data = tempfile::tempdir()?;
    let host = session::open_in(data.path()).await?;
    let progress = Progress::spinner("preparing two tenants");
    let victim = victim(&host).await?;
    let attacker = Attacker::prepare(&host).await?;
    let batch = load::contacts(args.records)?;
    let lasts = Duration::from_secs(args.seconds.max(1));
    load::run(&victim, &batch, args.rate, WARM_UP).await?;
    drop(progress);

    let progress = Progress::spinner("calling alone");
    let alone = load::run(&victim, &batch, args.rate, lasts).await?;
    drop(progress);
    let progress = Progress::spinner("calling beside the attacker");
    let attacking = attacker.begin(args.attacks);
    load::run(&victim, &batch, args.rate, WARM_UP).await?;
    let beside = load::run(&victim, &batch, args.rate, lasts).await?;
    drop(attacking);
    drop(progress);

    let failed = alone.failed + beside.failed;
    let stopped = attacker.stopped.load(Ordering::Relaxed);
    let shares = Shares::default();
    if args.shape.is_json() {
        output::json(&json!({
            "cores": shares.running,
            "attacker_runs_at_most": shares.running_of_one,
            "calls": beside.calls,
            "failed": failed,
            "p50_ms": alone.quantile_ms(0.5),
            "p50_beside_ms": beside.quantile_ms(0.5),
            "p99_ms": alone.quantile_ms(0.99),
            "p99_beside_ms": beside.quantile_ms(0.99),
            "p99_ratio": ratio(&alone, &beside, 0.99),
            "attacks_stopped": stopped,
        }))?;
    } else {
        let calls = beside.calls;
        output::line(&format!(
            "{calls} calls of {} records beside {} attacks at a time, {stopped} of them stopped",
            args.records, args.attacks
        ))?;
        output::line(&format!("failed  {failed}"))?;
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
            output::line(&format!(
                "{name:<7} {:.2} ms alone, {:.2} ms beside it: {:.2} times",
                alone.quantile_ms(quantile),
                beside.quantile_ms(quantile),
                ratio(&alone, &beside, quantile)
            ))?;
        }
    }
    Ok(match failed {
        0 => Status::Done,
        _ => Status::Failed,
    })
}

fn ratio(alone: &Outcome, beside: &Outcome, quantile: f64) -> f64 {
    beside.quantile_ms(quantile) / alone.quantile_ms(quantile).max(f64::MIN_POSITIVE)
}

async fn victim(host: &Host) -> Result<Transform> {
    let package = packages::built_in(PLUGIN).context("a built-in package is missing")??;
    host.load(&package, package.asked_grants()).await?;
    let transform = host.transform(PLUGIN, &json!({})).await?;
    Ok(transform.on_behalf_of(&ConnectionKey::new("victim", "bench")?))
}

/// The tenant that does its worst.
struct Attacker {
    transforms: Vec<Transform>,
    /// Attacks that came to their end, which is a limit.
    stopped: Arc<AtomicU64>,
}

impl Attacker {
    async fn prepare(host: &Host) -> Result<Self> {
        let package = packages::hostile()?;
        host.load(&package, package.asked_grants()).await?;
        let key = ConnectionKey::new("attacker", "bench")?;
        let mut transforms = Vec::new();
        for attack in ATTACKS {
            let transform = host.transform(HOSTILE, &json!({ "do": attack })).await?;
            transforms.push(transform.on_behalf_of(&key));
        }
        Ok(Self {
            transforms,
            stopped: Arc::default(),
        })
    }

    /// Attacks in so many calls at a time, until what it gives is dropped.
    fn begin(&self, attacks: usize) -> JoinSet<()> {
        let mut attacking = JoinSet::new();
        for transform in self.transforms.iter().cycle().take(attacks) {
            let (transform, stopped) = (transform.clone(), Arc::clone(&self.stopped));
            attacking.spawn(async move {
                let Ok(batch) = load::contacts(1) else {
                    return;
                };
                // Whatever stops it, it begins anew.
                while transform.apply("Contact", &batch).await.is_err() {
                    stopped.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        attacking
    }
}
