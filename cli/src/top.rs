//! `lockgate top`: what the calls of the host that runs come to, in the terminal.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lockgate::{CallFigures, TenantStatus};
use serde_json::json;
use tokio::time::{Instant, interval};

use crate::args::{Common, Format, Shape};
use crate::exit::{Status, advised};
use crate::interrupt::Interrupt;
use crate::run::control::{self, Load};
use crate::{output, table, text};

const EXAMPLES: &str = "\
Examples:
  lockgate top
      What `lockgate run` does at the moment, until Ctrl-C.
  lockgate top --once --rows 5
  lockgate top --output json | jq '.calls[] | select(.figures.traps > 0)'

A row is a connection in a version of a package; the busiest come first. `cpu` is the share
of one core that its guests had since the last look, `wait` how long its calls waited for
an instance or a turn, on average; all else is since the version was loaded. In a pipe, and
with --output json, it looks once.";

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Look once and end
    #[arg(long)]
    once: bool,
    /// Rows that are shown at most
    #[arg(long, value_name = "N", default_value_t = 30)]
    rows: usize,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    // Ctrl-C is how it ends, so it is no failure.
    let mut interrupt = Interrupt::listen()?;
    if args.shape.output == Format::Json {
        let load = look(common).await?;
        output::json(&json!({ "calls": load.calls, "tenants": load.tenants }))?;
        return Ok(Status::Done);
    }
    if args.once || !output::is_terminal() {
        for line in shown(&look(common).await?, None, args.rows) {
            output::line(&line)?;
        }
        return Ok(Status::Done);
    }
    let ended = interrupt.stops(watch(common, args.rows)).await;
    ended.unwrap_or(Ok(()))?;
    Ok(Status::Done)
}

async fn look(common: &Common) -> Result<Load> {
    control::load(common).await?.ok_or_else(|| {
        advised(
            "no host is at work on this data directory",
            "start one with `lockgate run`, or name its directory with --data-dir",
        )
    })
}

/// Draws over what it has drawn before, once a second.
async fn watch(common: &Common, rows: usize) -> Result<()> {
    let mut moments = interval(EVERY);
    let mut before: Option<(Instant, Load)> = None;
    loop {
        moments.tick().await;
        let now = Instant::now();
        let load = look(common).await?;
        let since = before.as_ref().map(|(then, load)| Since {
            passed: now.duration_since(*then),
            before: by_row(&load.calls),
        });
        draw(&shown(&load, since.as_ref(), rows))?;
        before = Some((now, load));
    }
}

/// Puts lines on the screen from its top, and clears what is behind each.
fn draw(lines: &[String]) -> Result<()> {
    let (bold, plain) = match output::may_colour() {
        true => ("\u{1b}[1m", "\u{1b}[0m"),
        false => ("", ""),
    };
    let mut out = output::stdout();
    let mut text = String::from("\u{1b}[H");
    for (at, line) in lines.iter().enumerate() {
        // The first line says what is there at all.
        let (before, behind) = if at == 0 { (bold, plain) } else { ("", "") };
        text.push_str(&format!("{before}{line}{behind}\u{1b}[K\n"));
    }
    text.push_str("\u{1b}[J");
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.context("cannot write to standard output")
}

/// The last look, for what happens between two.
struct Since<'a> {
    passed: Duration,
    before: HashMap<Row<'a>, &'a CallFigures>,
}

/// Package, version and connection.
type Row<'a> = (&'a str, &'a str, &'a str);

fn row(figures: &CallFigures) -> Row<'_> {
    (&figures.package, &figures.version, &figures.connection)
}

fn by_row(calls: &[CallFigures]) -> HashMap<Row<'_>, &CallFigures> {
    calls
        .iter()
        .map(|figures| (row(figures), figures))
        .collect()
}

/// What is on the screen: who waits, and the busiest rows.
fn shown(load: &Load, since: Option<&Since<'_>>, rows: usize) -> Vec<String> {
    let mut lines = vec![tenants(&load.tenants), String::new()];
    if load.calls.is_empty() {
        lines.push("no calls yet".to_owned());
        return lines;
    }
    let mut calls: Vec<(u64, &CallFigures)> = load
        .calls
        .iter()
        .map(|calls| (cpu_us(calls, since), calls))
        .collect();
    calls.sort_by_key(|(cpu_us, calls)| std::cmp::Reverse((*cpu_us, calls.figures.calls)));
    let cells = calls
        .iter()
        .take(rows)
        .map(|(_, calls)| cells(calls, since));
    lines.extend(table::lines(HEADER, cells));
    let left = load.calls.len().saturating_sub(rows);
    if left > 0 {
        lines.push(format!("… and {}", text::counted(left, "row")));
    }
    lines
}

/// One of what a tenant has.
type Count = fn(&TenantStatus) -> usize;

/// `2 tenants, 5 instances; running acme 1; ready acme 7; waiting globex 3`.
fn tenants(tenants: &[TenantStatus]) -> String {
    let instances: usize = tenants.iter().map(|tenant| tenant.instances).sum();
    let mut line = format!(
        "{}, {}",
        text::counted(tenants.len(), "tenant"),
        text::counted(instances, "instance")
    );
    let parts: [(&str, Count); 3] = [
        ("running", |tenant| tenant.running),
        ("ready", |tenant| tenant.ready),
        ("waiting", |tenant| tenant.waiting),
    ];
    for (name, of) in parts {
        let who: BTreeMap<&str, usize> = tenants
            .iter()
            .map(|tenant| (tenant.tenant.as_str(), of(tenant)))
            .filter(|(_, count)| *count > 0)
            .collect();
        if !who.is_empty() {
            let who = who.iter().map(|(tenant, count)| match *tenant {
                "" => format!("- {count}"),
                tenant => format!("{tenant} {count}"),
            });
            line.push_str(&format!("; {name} {}", who.collect::<Vec<_>>().join(", ")));
        }
    }
    line
}

const HEADER: [&str; 15] = [
    "package",
    "connection",
    "alive",
    "calls",
    "failed",
    "traps",
    "p50",
    "p99",
    "cpu",
    "memory",
    "host calls",
    "requests",
    "in",
    "out",
    "wait",
];

/// CPU time since the last look, or in all at the first.
fn cpu_us(calls: &CallFigures, since: Option<&Since<'_>>) -> u64 {
    let before = since.and_then(|since| since.before.get(&row(calls)));
    let before_us = before.map_or(0, |before| before.figures.cpu_us);
    calls.figures.cpu_us.saturating_sub(before_us)
}

fn cells(calls: &CallFigures, since: Option<&Since<'_>>) -> [String; 15] {
    let figures = &calls.figures;
    let connection = match calls.connection.as_str() {
        "" => "-",
        name => name,
    };
    let cpu_us = cpu_us(calls, since);
    let cpu = match since {
        Some(since) => {
            let share = Duration::from_micros(cpu_us).div_duration_f64(since.passed);
            format!("{:.0} %", share * 100.0)
        }
        None => time(cpu_us),
    };
    [
        format!("{} {}", calls.package, calls.version),
        connection.to_owned(),
        calls.instances.to_string(),
        text::grouped(figures.calls),
        text::grouped(figures.failed),
        text::grouped(figures.traps),
        time(figures.p50_us),
        time(figures.p99_us),
        cpu,
        size(figures.peak_memory_bytes),
        text::grouped(figures.host_calls),
        text::grouped(figures.requests),
        size(figures.bytes_in),
        size(figures.bytes_out),
        time(figures.queued_us.checked_div(figures.calls).unwrap_or(0)),
    ]
}

/// `950 µs`, `3.2 ms`, `12 s`.
fn time(us: u64) -> String {
    let ms = Duration::from_micros(us).as_secs_f64() * 1_000.0;
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..100_000 => format!("{ms:.1} ms"),
        100_000..10_000_000 => format!("{ms:.0} ms"),
        _ => format!("{} s", us / 1_000_000),
    }
}

/// `950 B`, `3.2 KiB`, `12.0 MiB`.
fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    let of = |unit: u64| {
        let tenths = bytes.saturating_mul(10) / unit;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..1_048_576 => format!("{} KiB", of(KIB)),
        1_048_576..1_073_741_824 => format!("{} MiB", of(KIB * KIB)),
        _ => format!("{} GiB", of(KIB * KIB * KIB)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(connection: &str, cpu_us: u64) -> CallFigures {
        let json = json!({
            "package": "salesforce", "version": "0.1.0", "connection": connection,
            "instances": 1,
            "figures": { "calls": 1_200, "p99_us": 3_210, "cpu_us": cpu_us,
                         "queued_us": 2_400, "bytes_in": 5_000_000 },
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_busiest_rows_come_first_and_the_rest_is_counted() {
        let before = [calls("acme/crm", 9_000_000), calls("globex/crm", 0)];
        let since = Since {
            passed: Duration::from_secs(1),
            before: by_row(&before),
        };
        let load = Load {
            calls: vec![
                calls("acme/crm", 9_000_000),
                calls("globex/crm", 500_000),
                calls("", 100_000),
            ],
            tenants: Vec::new(),
        };
        let lines = shown(&load, Some(&since), 2);
        assert!(lines[0].starts_with("0 tenants"), "{lines:#?}");
        let globex = &lines[3];
        let expected = ["globex/crm", "1,200", "3.2 ms", "50 %", "4.7 MiB", "2 µs"];
        assert!(
            expected.iter().all(|part| globex.contains(part)),
            "{globex}"
        );
        assert!(
            lines[4].contains(" - ") && lines[4].contains("10 %"),
            "{lines:#?}"
        );
        assert_eq!(lines[5], "… and 1 row");
    }

    #[test]
    fn who_runs_and_who_waits_is_told_in_one_line() {
        let json = json!([
            { "tenant": "acme", "weight": 1, "running": 1, "ready": 7, "instances": 8, "waiting": 0 },
            { "tenant": "", "weight": 1, "running": 0, "ready": 0, "instances": 1, "waiting": 2 },
        ]);
        let told = tenants(&serde_json::from_value::<Vec<TenantStatus>>(json).unwrap());
        assert_eq!(
            told,
            "2 tenants, 9 instances; running acme 1; ready acme 7; waiting - 2"
        );
    }

    #[test]
    fn times_and_sizes_have_the_unit_that_fits() {
        let times = [0, 999, 3_210, 250_000, 12_000_000].map(time);
        assert_eq!(times, ["0 µs", "999 µs", "3.2 ms", "250 ms", "12 s"]);
        let sizes = [0, 1_023, 1_536, 5_000_000, 3_221_225_472].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.5 KiB", "4.7 MiB", "3.0 GiB"]);
    }
}
