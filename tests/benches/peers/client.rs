//! The parts that this program plays for the conductor: an org, and the clients
//! that are written in Rust.
//!
//! A client says `ready VERSION` when it is logged in, works after a line of
//! input, says what came of it as `done ROWS LENGTH`, and ends with its input:
//! between the lines the conductor reads what the process has used.

use std::io::{BufRead as _, Write as _};

use anyhow::{Result, bail};
use dev_org::{Config, DevOrg, Edition};
use lockgate_sync::Direction;
use tokio::runtime::Runtime;

use crate::contact::Outcome;
use crate::task::CHANGING;
use crate::{native, native_sync, ours, synced};

/// Events that the org may deliver in a day.
const DELIVERIES: u64 = 10_000_000;

/// Serves an org until the input ends.
pub(crate) fn org() -> Result<()> {
    let config = Config {
        // The edition with calls enough for a million rows by Collections.
        edition: Edition::Sandbox,
        // And with events enough, which an org can buy.
        daily_deliveries: Some(DELIVERIES),
        ..Config::default()
    };
    runtime()?.block_on(async {
        let org = DevOrg::start(config).await?;
        say(&format!("ready {}", org.url()))?;
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
            .await??;
        org.stop().await;
        Ok(())
    })
}

/// Does a task as one of the clients.
pub(crate) fn run(client: &str, task: &str, url: &str, rows: u64, is_check: bool) -> Result<()> {
    if let Some(task) = task.strip_prefix("sync-") {
        return runtime()?.block_on(sync(client, task, url, rows));
    }
    runtime()?.block_on(async {
        if client == "lockgate" {
            let session = ours::Session::open(url).await?;
            begin(env!("CARGO_PKG_VERSION"))?;
            let outcome = match (task, is_check) {
                ("query-rest", true) => session.list_all("rest").await?,
                ("query-rest", false) => session.read_all("rest").await?,
                ("query-bulk", true) => session.list_all("bulk").await?,
                ("query-bulk", false) => session.read_all("bulk").await?,
                ("write-collections", _) => session.write_all("collections", rows).await?,
                ("write-bulk", _) => session.write_all("bulk", rows).await?,
                ("get", true) => return session.time_gets(url, rows).await,
                ("get", false) => session.get_all(rows).await?,
                _ => bail!("there is no task {task:?}"),
            };
            end(outcome)
        } else {
            let session = native::Session::open(url).await?;
            begin(&reqwest_version())?;
            let outcome = match (task, is_check) {
                ("query-rest", true) => session.list_all().await?,
                ("query-rest", false) if client == "reqwest-value" => session.read_values().await?,
                ("query-rest", false) => session.read_all().await?,
                ("query-bulk", true) => session.list_bulk().await?,
                ("query-bulk", false) => session.read_bulk().await?,
                ("write-collections", _) => session.write_all(0..rows).await?,
                ("write-bulk", _) => session.write_bulk(rows).await?,
                ("get", _) => session.get_all(rows).await?,
                _ => bail!("there is no task {task:?}"),
            };
            end(outcome)
        }
    })
}

/// Does a task with a table. What is told of lags comes after the outcome.
async fn sync(client: &str, task: &str, url: &str, rows: u64) -> Result<()> {
    let mut lags = None;
    if client == "lockgate" {
        let version = env!("CARGO_PKG_VERSION");
        let outcome = match task {
            "load" => {
                let mut synced = synced::Synced::open(url, Direction::In).await?;
                begin(version)?;
                synced.load(rows).await?
            }
            "in" => {
                let synced = synced::Synced::open(url, Direction::In).await?;
                let synced = synced.live(CHANGING).await?;
                begin(version)?;
                let (outcome, told) = synced.receive(rows).await?;
                lags = Some(told);
                outcome
            }
            "soak" => {
                let synced = synced::Synced::open(url, Direction::In).await?;
                let synced = synced.quietly_live(CHANGING).await?;
                begin(version)?;
                synced.soak(rows).await?
            }
            _ => {
                let synced = synced::Synced::open(url, Direction::Both).await?;
                let synced = synced.live(rows).await?;
                begin(version)?;
                synced.send(rows).await?
            }
        };
        end(outcome)?;
    } else {
        let mut synced = native_sync::Synced::open(url).await?;
        if task != "load" {
            synced.load().await?;
        }
        let outcome = match task {
            "load" => {
                begin(&reqwest_version())?;
                synced.load().await?
            }
            "in" => {
                let subscription = synced.subscribe(url).await?;
                begin(&reqwest_version())?;
                let (outcome, told) = synced.receive(subscription, rows).await?;
                lags = Some(told);
                outcome
            }
            _ => {
                synced.capture()?;
                begin(&reqwest_version())?;
                synced.send(rows).await?
            }
        };
        end(outcome)?;
    }
    if let Some([p50, p99]) = lags {
        say(&format!("lag {p50} {p99}"))?;
        wait()?;
    }
    Ok(())
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

/// Writes a line at once.
pub(crate) fn say(line: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}

fn begin(version: &str) -> Result<()> {
    say(&format!("ready {version}"))?;
    wait()
}

fn end(outcome: Outcome) -> Result<()> {
    say(&format!("done {} {}", outcome.rows, outcome.length))?;
    wait()
}

/// Waits for a line, or for the end.
pub(crate) fn wait() -> Result<()> {
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// The release of reqwest that this is built with.
fn reqwest_version() -> String {
    let lock = include_str!("../../../Cargo.lock");
    let after = lock.split("name = \"reqwest\"\nversion = \"").nth(1);
    let version = after.and_then(|rest| rest.split('"').next());
    version.unwrap_or("unknown").to_owned()
}
