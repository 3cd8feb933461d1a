//! `lockgate bench swap`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lockgate::{Host, Package, Step};
use serde_json::json;
use tokio::time::{Instant, interval};

use super::load;
use crate::args::Shape;
use crate::exit::Status;
use crate::progress::Progress;
use crate::{output, packages, session};

const EXAMPLES: &str = "\
Examples:
  lockgate bench swap
  lockgate bench swap --output json | jq '.failed, .p999_during_swap_ms / .p999_ms'

A plugin of two versions serves calls that begin at a fixed pace, first without swaps and
then with them. Each swap loads the other version from the kept code, tries it, and has
all calls go to it: that is the activation. Machines that do something else as well show
it in the last of a thousand calls.";

/// The plugin that serves.
const PLUGIN: &str = "contact-normalizer";
/// Its versions.
const VERSIONS: [&str; 2] = ["0.1.0", "0.1.1"];

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// How often it is swapped
    #[arg(long, value_name = "N", default_value_t = 100)]
    swaps: u32,
    /// Calls a second
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    rate: u32,
    /// Records of a call
    #[arg(long, value_name = "N", default_value_t = 20)]
    records: usize,
    #[command(flatten)]
    shape: Shape,
}

/// The time between two swaps.
const BETWEEN: Duration = Duration::from_millis(100);

/// Calls before any are counted.
const WARM_UP: Duration = Duration::from_secs(1);

pub(super) async fn run(args: Args) -> Result<Status> {
    let data = tempfile::tempdir()?;
    let host = session::open_in(data.path()).await?;
    let progress = Progress::spinner("preparing two versions");
    let [old, new] = versions()?;
    host.load(&old, old.asked_grants()).await?;
    let transform = host.transform(PLUGIN, &json!({})).await?;
    // Compiles it, and keeps its code.
    host.stage(&new, new.asked_grants()).await?;
    let batch = load::contacts(args.records)?;
    let lasts = BETWEEN * args.swaps.max(1);
    load::run(&transform, &batch, args.rate, WARM_UP).await?;
    drop(progress);

    let progress = Progress::spinner("calling without swaps");
    let alone = load::run(&transform, &batch, args.rate, lasts).await?;
    drop(progress);
    let progress = Progress::spinner(format!("calling while it is swapped {} times", args.swaps));
    let (under_swaps, activations) = tokio::join!(
        load::run(&transform, &batch, args.rate, lasts),
        swap(&host, [&old, &new], args.swaps)
    );
    drop(progress);
    let (under_swaps, mut activations) = (under_swaps?, activations?);
    activations.sort();
    let median = activations.get(activations.len() / 2).copied();
    let slowest = activations.last().copied().unwrap_or_default();
    let figures = json!({
        "swaps": activations.len(),
        "calls": under_swaps.calls,
        "failed": alone.failed + under_swaps.failed,
        "p99_ms": alone.quantile_ms(0.99),
        "p99_during_swap_ms": under_swaps.quantile_ms(0.99),
        "p999_ms": alone.quantile_ms(0.999),
        "p999_during_swap_ms": under_swaps.quantile_ms(0.999),
        "activation_ms": ms(median.unwrap_or_default()),
        "slowest_activation_ms": ms(slowest),
    });
    if args.shape.is_json() {
        output::json(&figures)?;
    } else {
        let calls = under_swaps.calls;
        output::line(&format!("{} swaps under {calls} calls", activations.len()))?;
        output::line(&format!(
            "failed        {}",
            alone.failed + under_swaps.failed
        ))?;
        for (name, quantile) in [("p99", 0.99), ("p99.9", 0.999)] {
            let (alone, swaps) = (
                alone.quantile_ms(quantile),
                under_swaps.quantile_ms(quantile),
            );
            output::line(&format!(
                "{name:<13} {alone:.2} ms without, {swaps:.2} ms with swaps: {:.2} times",
                swaps / alone.max(f64::MIN_POSITIVE)
            ))?;
        }
        let (median, slowest) = (ms(median.unwrap_or_default()), ms(slowest));
        output::line(&format!(
            "activation    {median:.1} ms, the slowest {slowest:.1} ms"
        ))?;
    }
    Ok(match under_swaps.failed + alone.failed {
        0 => Status::Done,
        _ => Status::Failed,
    })
}

/// The plugin as two versions of one component.
fn versions() -> Result<[Package; 2]> {
    let built_in = packages::built_in(PLUGIN).context("a built-in package is missing")??;
    let as_version = |version: &str| {
        let old = format!("version = \"{}\"", built_in.manifest().package.version);
        let manifest =
            built_in
                .manifest_text()
                .replacen(&old, &format!("version = \"{version}\""), 1);
        Package::from_parts(&manifest, built_in.component().clone()).map(Package::vouched)
    };
    let [old, new] = VERSIONS.map(as_version);
    Ok([old?, new?])
}

/// Goes to and fro between the versions, and gives how long each activation took.
async fn swap(host: &Host, packages: [&Package; 2], swaps: u32) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    let mut moments = interval(BETWEEN);
    for (_, package) in (0..swaps).zip(packages.iter().rev().cycle()) {
        moments.tick().await;
        let begun = Instant::now();
        host.stage(package, package.asked_grants()).await?;
        let step = Step::Swap {
            version: package.manifest().package.version.clone(),
            trial: None,
            drain: Duration::from_secs(60),
        };
        host.steer(PLUGIN, &step)?;
        took.push(begun.elapsed());
    }
    Ok(took)
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}
