//! Whether memory stays flat: Lockgate's sync takes over as many changes as a busy org
//! makes in an hour, as fast as they go, and is looked at all the while.
//!
//! It grows until as much of the file is kept in memory as ever is, 16 MiB, since ids of
//! events are kept there; what comes after that is what counts.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::child::Child;
use crate::conductor::{CLIENT_CORE, Org, change};
use crate::report;
use crate::task::{CHANGING, Client, Task};

/// The org keeps 500,000 events: one that is far behind must still find its place.
const MOST_ROWS: u64 = 400_000;

/// As fast as the org takes them, beside the client on the other core.
const PACE: Duration = Duration::from_millis(1);

/// Into so many parts of the same length the time is cut.
const PARTS: usize = 10;

/// Runs it once, prints what came of it and writes `soak.json`.
pub(crate) fn run(runtime: &Runtime, rows: u64) -> Result<()> {
    ensure!(
        (200..=MOST_ROWS).contains(&rows) && rows.is_multiple_of(200),
        "a soak takes 200 to {MOST_ROWS} rows, in steps of 200"
    );
    let org = Org::start(runtime, CHANGING)?;
    let command = Client::Lockgate.command(Task::SyncSoak, &org.url, rows)?;
    let mut child = Child::start(&command, CLIENT_CORE)?;
    child.expect("ready", |_| ())?;
    let start_cpu = child.cpu()?;
    let start = Instant::now();
    let mut looks = vec![(Duration::ZERO, child.resident_mib()?)];
    child.go()?;
    std::thread::scope(|scope| {
        let changes = scope.spawn(|| runtime.block_on(change(&org.session, rows, PACE)));
        child.expect("done", |child| {
            // One that is missed is made up for by the next.
            looks.extend(child.resident_mib().ok().map(|mib| (start.elapsed(), mib)));
        })?;
        match changes.join() {
            Ok(outcome) => outcome,
            Err(_) => bail!("the changes have failed"),
        }
    })?;
    let wall = start.elapsed();
    let cpu = child.cpu()?.saturating_sub(start_cpu);
    let peak_mib = child.peak_mib()?;
    let n_events = runtime.block_on(org.session.delivered())?;
    let parts: Vec<f64> = (0..PARTS).map(|part| of_part(&looks, wall, part)).collect();
    let (&[first, ..], &[.., eighth, _, last]) = (&parts[..], &parts[..]) else {
        bail!("there are no parts");
    };
    println!(
        "  {rows} changes, {n_events} events, in {:.0} s: {:.0} a second, {:.0} µs CPU each",
        wall.as_secs_f64(),
        rows as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / rows as f64,
    );
    let shown = parts.iter().map(|mib| format!("{mib:.1}"));
    println!(
        "  resident, in MiB, by tenths of the time: {}",
        shown.collect::<Vec<_>>().join(" ")
    );
    println!(
        "  the last tenth is {:.3} of the first, {:+.1} MiB, and {:+.1} MiB of the eighth; at \
         most {peak_mib:.1} MiB",
        last / first,
        last - first,
        last - eighth,
    );
    report::save(
        "soak.json",
        &json!({
            "rows": rows,
            "events": n_events,
            "wall_s": wall.as_secs_f64(),
            "cpu_s": cpu.as_secs_f64(),
            "rss_mib_by_tenths": parts,
            "rss_last_of_first": last / first,
            "rss_last_of_eighth": last / eighth,
            "rss_peak_mib": peak_mib,
        }),
    )
}

/// The median of what was looked at in one part of the time; that of the part before if
/// nobody has looked.
fn of_part(looks: &[(Duration, f64)], wall: Duration, part: usize) -> f64 {
    let bound = |part: usize| wall.mul_f64(part as f64 / PARTS as f64);
    let within: Vec<f64> = looks
        .iter()
        .filter(|(at, _)| (bound(part)..bound(part + 1)).contains(at))
        .map(|(_, mib)| *mib)
        .collect();
    match (within.is_empty(), part) {
        (false, _) | (_, 0) => report::median(within.into_iter()),
        (true, part) => of_part(looks, wall, part - 1),
    }
}
