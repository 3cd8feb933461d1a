//! How long an instance takes to be made and dropped, and how long calls take while a
//! component is compiled beside them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lockgate::{Package, Records, Transform};
use serde_json::{Value as Json, json};

use crate::ours::Bench;
use crate::report::{Aim, Report};
use crate::{Options, work};

/// Instances that are made for the median.
const STARTS: usize = 20_000;

/// How long calls are watched with nothing beside them.
const ALONE: Duration = Duration::from_secs(3);

/// Measures both.
pub fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let bench = Bench::new()?;
    let rules: Json = serde_json::from_str(work::RULES)?;
    let plain = bench.transform(options, "contact-normalizer", &json!({}))?;
    let scorer = bench.transform(options, "lead-scorer", &rules)?;
    let start = starts(|| Ok(bench.runtime.block_on(plain.start())?))?;
    let aim = Some(Aim::AtMost(10.0));
    report.figure("an instance made and dropped, p50", start, "µs", aim);
    let start = starts(|| Ok(drop(bench.runtime.block_on(plain.warm())?)))?;
    let task = "the same with a call that gives it no settings, p50";
    report.figure(task, start, "µs", None);
    let start = starts(|| Ok(drop(bench.runtime.block_on(scorer.warm())?)))?;
    let task = "the same with a call that gives it the rules of the scorer, p50";
    report.figure(task, start, "µs", None);
    compiling(options, report, &bench, &scorer)
}

/// Wall time of a start and an end, in microseconds: half of them take less.
fn starts(start: impl Fn() -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let begun = Instant::now();
        start()?;
        times.push(begun.elapsed());
    }
    Ok(percentile(&mut times, 50))
}

/// Batches in fresh instances, before and while the largest component that we have is
/// compiled. It takes all cores for seconds, so calls share them; but none waits for it.
fn compiling(
    options: &Options,
    report: &mut Report,
    bench: &Bench,
    scorer: &Transform,
) -> Result<()> {
    let package = Package::open(options.package("salesforce"))?;
    let records = Records::from_json(work::leads(200)?)?;
    let call = || -> Result<Duration> {
        let begun = Instant::now();
        bench.runtime.block_on(scorer.apply("Lead", &records))?;
        Ok(begun.elapsed())
    };
    let begun = Instant::now();
    let mut alone = Vec::new();
    while begun.elapsed() < ALONE {
        alone.push(call()?);
    }
    let done = AtomicBool::new(false);
    let mut beside = Vec::new();
    let took = std::thread::scope(|scope| -> Result<Duration> {
        let compiler = scope.spawn(|| {
            let begun = Instant::now();
            let load = bench.host.load(&package, package.asked_grants());
            let loaded = bench.runtime.block_on(load);
            done.store(true, Ordering::Relaxed);
            loaded.map(|_| begun.elapsed())
        });
        while !done.load(Ordering::Relaxed) {
            beside.push(call()?);
        }
        let took = compiler.join().ok().context("compiling panicked")?;
        Ok(took?)
    })?;
    let seconds = took.as_secs_f64();
    let calls = beside.len();
    let task = format!("{calls} calls in the {seconds:.1} s of a compile: p99");
    report.figure(task, percentile(&mut beside, 99), "µs", None);
    let task = "the longest of these".to_owned();
    report.figure(task, percentile(&mut beside, 100), "µs", None);
    let task = "p99 of calls with nothing beside them";
    report.figure(task, percentile(&mut alone, 99), "µs", None);
    report.figure(
        "the longest of these",
        percentile(&mut alone, 100),
        "µs",
        None,
    );
    Ok(())
}

/// In microseconds; 100 is the longest.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let place = times.len().saturating_sub(1) * percent / 100;
    let time = times.get(place).copied().unwrap_or_default();
    time.as_secs_f64() * 1e6
}
