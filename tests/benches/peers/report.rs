//! The figures: one line a run while it goes on, then the medians as ratios, in
//! a table and in `peers.json`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value as Json, json};

use crate::task::{Client, Task};

/// What one run of one client took.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) task: Task,
    pub(crate) client: Client,
    pub(crate) version: String,
    pub(crate) rows: u64,
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    /// What it took before the task: the runtime, the library, the login.
    pub(crate) start_cpu: Duration,
    /// What the org took meanwhile.
    pub(crate) org_cpu: Duration,
    pub(crate) peak_mib: f64,
    /// How much the peak grew after the first fifth of the time.
    pub(crate) growth_mib: f64,
    pub(crate) calls: u64,
    /// How long changes took to a row, in milliseconds: the median and the 99th
    /// percentile.
    pub(crate) lags_ms: Option<[f64; 2]>,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<18} {:7.3} s CPU {:7.2} s wall {:7.1} MiB {:6} calls, org {:3.0} % of its core",
            self.client.name(),
            self.cpu.as_secs_f64(),
            self.wall.as_secs_f64(),
            self.peak_mib,
            self.calls,
            100.0 * self.org_cpu.as_secs_f64() / self.wall.as_secs_f64(),
        )?;
        match self.lags_ms {
            Some([p50, p99]) => write!(f, ", a change took {p50:.0} ms, 99 of 100 {p99:.0} ms"),
            None => Ok(()),
        }
    }
}

/// How long gets took in one round: medians and 99th percentiles, in µs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    ours: [f64; 2],
    bare: [f64; 2],
}

impl Waits {
    /// Of single times.
    pub(crate) fn of(ours: Vec<Duration>, bare: Vec<Duration>) -> Self {
        Self {
            ours: percentiles(ours),
            bare: percentiles(bare),
        }
    }

    fn added(&self) -> [f64; 2] {
        let ([p50, p99], [bare50, bare99]) = (self.ours, self.bare);
        [p50 - bare50, p99 - bare99]
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([p50, p99], [bare50, bare99]) = (self.ours, self.bare);
        write!(
            f,
            "a get: p50 {p50:.0} µs, bare {bare50:.0} µs; p99 {p99:.0} µs, bare {bare99:.0} µs"
        )
    }
}

fn percentiles(mut times: Vec<Duration>) -> [f64; 2] {
    times.sort_unstable();
    let at = |share: usize| {
        let place = times.len() * share / 100;
        let time = times.get(place).copied().unwrap_or_default();
        time.as_secs_f64() * 1e6
    };
    [at(50), at(99)]
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The medians of a client's runs of a task.
struct Medians<'a> {
    one: &'a Run,
    cpu: f64,
    wall: f64,
    start_cpu: f64,
    org_share: f64,
    peak_mib: f64,
    growth_mib: f64,
    lags_ms: Option<[f64; 2]>,
}

impl<'a> Medians<'a> {
    fn of(runs: &'a [Run], task: Task, client: Client) -> Option<Self> {
        let own = || {
            runs.iter()
                .filter(move |run| run.task == task && run.client == client)
        };
        let of = |figure: fn(&Run) -> f64| median(own().map(figure));
        Some(Self {
            one: own().next()?,
            cpu: of(|run| run.cpu.as_secs_f64()),
            wall: of(|run| run.wall.as_secs_f64()),
            start_cpu: of(|run| run.start_cpu.as_secs_f64()),
            org_share: of(|run| run.org_cpu.as_secs_f64() / run.wall.as_secs_f64()),
            peak_mib: of(|run| run.peak_mib),
            growth_mib: of(|run| run.growth_mib),
            lags_ms: own().next()?.lags_ms.map(|_| {
                [0, 1].map(|at| {
                    let lags = own().filter_map(|run| run.lags_ms?.get(at).copied());
                    median(lags)
                })
            }),
        })
    }

    fn micros_a_row(&self) -> f64 {
        self.cpu * 1e6 / self.one.rows as f64
    }
}

/// Prints the table and writes the file.
pub(crate) fn write(runs: &[Run], waits: &[Waits]) -> Result<()> {
    let mut entries = Vec::new();
    for task in Task::ALL {
        let Some(ours) = Medians::of(runs, task, Client::Lockgate) else {
            continue;
        };
        println!("\n{}, {} rows\n", task.name(), ours.one.rows);
        println!(
            "| client | CPU a row | ours / theirs | target | wall, ours / theirs | peak | org's core | calls |"
        );
        println!("|---|---:|---:|---:|---:|---:|---:|---:|");
        for client in task.clients() {
            let Some(theirs) = Medians::of(runs, task, *client) else {
                continue;
            };
            println!("{}", line(&ours, &theirs, *client));
            if *client != Client::Lockgate {
                entries.push(entry(&ours, &theirs));
            }
        }
        lags(task, runs);
    }
    if !waits.is_empty() {
        let of = |figure: fn(&Waits) -> f64| median(waits.iter().map(figure));
        let (p50, p99) = (of(|w| w.added()[0]), of(|w| w.added()[1]));
        let (bare50, bare99) = (of(|w| w.bare[0]), of(|w| w.bare[1]));
        println!(
            "\nget one record: {p50:.0} µs more than bare reqwest's {bare50:.0} µs at the median, \
             {p99:.0} µs more than its {bare99:.0} µs at the 99th percentile"
        );
        let of_gets = entries.iter_mut().filter_map(Json::as_object_mut);
        for entry in of_gets.filter(|entry| entry.get("task") == Some(&json!(Task::Get.name()))) {
            for (name, figure) in [
                ("added_p50_us", p50),
                ("added_p99_us", p99),
                ("peer_p50_us", bare50),
                ("peer_p99_us", bare99),
            ] {
                entry.insert(name.to_owned(), json!(figure));
            }
        }
    }
    save("peers.json", &Json::Array(entries))
}

/// Writes figures into a file of the target directory, and says where.
pub(crate) fn save(name: &str, figures: &Json) -> Result<()> {
    let file = target().join("bench").join(name);
    std::fs::create_dir_all(file.with_file_name(""))?;
    std::fs::write(&file, serde_json::to_vec_pretty(figures)?)?;
    println!("\nThe figures are in {}", file.display());
    Ok(())
}

fn line(ours: &Medians<'_>, theirs: &Medians<'_>, client: Client) -> String {
    let (ratio, wall) = match client {
        Client::Lockgate => (String::new(), String::new()),
        _ => (
            format!("{:.2}", ours.cpu / theirs.cpu),
            format!("{:.2}", ours.wall / theirs.wall),
        ),
    };
    let target = client
        .target(theirs.one.task)
        .map(|most| format!("at most {most}"));
    format!(
        "| {} {} | {:.2} µs | {ratio} | {} | {wall} | {:.0} MiB, {:+.1} after a fifth | {:.0} % | {} |",
        client.name(),
        theirs.one.version,
        theirs.micros_a_row(),
        target.unwrap_or_default(),
        theirs.peak_mib,
        theirs.growth_mib,
        100.0 * theirs.org_share,
        theirs.one.calls,
    )
}

/// How long changes took to a row, by client.
fn lags(task: Task, runs: &[Run]) {
    for client in task.clients() {
        let medians = Medians::of(runs, task, *client);
        if let Some([p50, p99]) = medians.and_then(|medians| medians.lags_ms) {
            println!(
                "\n{}: from the commit to the row {p50:.0} ms at the median, {p99:.0} ms at the \
                 99th percentile",
                client.name()
            );
        }
    }
}

fn entry(ours: &Medians<'_>, theirs: &Medians<'_>) -> Json {
    json!({
        "task": ours.one.task.name(),
        "peer": theirs.one.client.name(),
        "peer_version": theirs.one.version,
        "rows": ours.one.rows,
        "cpu_ratio": ours.cpu / theirs.cpu,
        "wall_ratio": ours.wall / theirs.wall,
        "rss_mib": ours.peak_mib,
        "peer_rss_mib": theirs.peak_mib,
        "api_calls": ours.one.calls,
        "peer_api_calls": theirs.one.calls,
        "cpu_s": ours.cpu,
        "peer_cpu_s": theirs.cpu,
        "wall_s": ours.wall,
        "peer_wall_s": theirs.wall,
        "start_cpu_s": ours.start_cpu,
        "peer_start_cpu_s": theirs.start_cpu,
        "rss_growth_mib": ours.growth_mib,
        "org_cpu_share": ours.org_share,
        "peer_org_cpu_share": theirs.org_share,
        "lags_ms": ours.lags_ms,
        "peer_lags_ms": theirs.lags_ms,
    })
}

fn target() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target");
    std::env::var_os("CARGO_TARGET_DIR").map_or(root, Into::into)
}
