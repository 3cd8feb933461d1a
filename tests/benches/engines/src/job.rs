//! Transforms of batches, engine beside engine.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value as Json, json};

use crate::report::{Report, Spread};
use crate::{Options, ours, scripts, work};

/// Records of a batch: a page of a product's collections API, and one of a query.
const SIZES: [usize; 2] = [200, 2_000];

/// How long an engine has the thread in a round, at least.
const TURN: Duration = Duration::from_millis(150);

/// One engine with one batch: runs it once for each call, and gives what came out.
pub struct Job {
    pub engine: &'static str,
    pub version: String,
    pub run: Box<dyn FnMut() -> Result<Bytes>>,
}

/// Measures all engines with batches of all sizes.
pub fn measure(options: &Options, report: &mut Report) -> Result<()> {
    for records in SIZES {
        let batch = work::leads(records)?;
        let mut jobs = vec![native(&batch)?];
        jobs.extend(ours::jobs(options, &batch, records)?);
        jobs.extend(scripts::jobs(options, &batch)?);
        compare(&mut jobs)?;
        rounds(options, report, &mut jobs, records)?;
    }
    Ok(())
}

/// The scorer as a function of this program.
fn native(batch: &[u8]) -> Result<Job> {
    let settings = lead_scorer::Settings::parse(work::RULES);
    let settings = settings.ok().context("the rules are sound")?;
    let batch = batch.to_vec();
    let version = "opt-level 3, link-time optimisation";
    Ok(Job {
        engine: "native Rust",
        version: version.to_owned(),
        run: Box::new(move || {
            let outcome = lead_scorer::transform(&settings, &batch);
            let outcome = outcome.map_err(|error| anyhow::anyhow!("{error}"))?;
            Ok(outcome.records.into())
        }),
    })
}

/// All give the same records, as JSON values: Lua keeps no order of keys. Echoes give
/// what they got.
fn compare(jobs: &mut [Job]) -> Result<()> {
    let mut wanted: Option<Json> = None;
    let echoes = [ours::ECHO, scripts::EXTISM_ECHO];
    let scorers = jobs.iter_mut().filter(|job| !echoes.contains(&job.engine));
    for job in scorers {
        let engine = job.engine;
        let bytes = (job.run)().with_context(|| format!("{engine} fails"))?;
        let mut given: Json = serde_json::from_slice(&bytes)?;
        floats(&mut given);
        match &wanted {
            Some(wanted) => ensure!(*wanted == given, "{engine} gives other records"),
            None => wanted = Some(given),
        }
    }
    Ok(())
}

/// Numbers as floats: JavaScript and Lua write 5000020 where Rust wrote 5000020.0.
fn floats(value: &mut Json) {
    match value {
        Json::Number(number) => *value = json!(number.as_f64()),
        Json::Array(values) => values.iter_mut().for_each(floats),
        Json::Object(members) => members.values_mut().for_each(floats),
        _ => {}
    }
}

/// Has the engines take turns. A ratio is of two figures of one round, so that what
/// slows the machine for a while slows both.
fn rounds(options: &Options, report: &mut Report, jobs: &mut [Job], records: usize) -> Result<()> {
    let mut times = vec![Vec::new(); jobs.len()];
    // The first round warms up.
    for round in 0..=options.rounds {
        for (job, times) in jobs.iter_mut().zip(&mut times) {
            let time = turn(job)?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    let native = times.first().cloned().unwrap_or_default();
    for (job, times) in jobs.iter().zip(times) {
        let ratios = times.iter().zip(&native);
        let ratios = Spread::of(ratios.map(|(time, native)| native / time).collect());
        report.batch(job, records, Spread::of(times), ratios);
    }
    Ok(())
}

/// CPU time of one batch in microseconds, of as many as a turn holds.
fn turn(job: &mut Job) -> Result<f64> {
    let start = cpu_time();
    let mut batches = 0_u32;
    loop {
        std::hint::black_box((job.run)()?);
        batches += 1;
        let took = cpu_time() - start;
        if took >= TURN {
            return Ok(took.as_secs_f64() * 1e6 / f64::from(batches));
        }
    }
}

/// What this thread has used of its core.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0)) + Duration::from_nanos(nanoseconds)
}
