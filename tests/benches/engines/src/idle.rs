//! What connections cost that nobody uses at the moment: memory of a host with many of
//! them, each logged in, used once, and its handle kept.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use lockgate::{Connection, Flow, LoginTo, NewConnection, QueryOptions};
use serde_json::Value as Json;

use crate::Options;
use crate::ours::Bench;
use crate::report::{Aim, Report};

/// Connections that are used before memory is looked at: by then the pool of instances,
/// the client and the caches are there.
const FIRST: usize = 200;

/// Adds the connections, one tenant each, against an org that is a process of its own.
pub fn measure(options: &Options, report: &mut Report) -> Result<()> {
    if options.connections <= FIRST {
        return Ok(());
    }
    let org = Org::start(options)?;
    let bench = Bench::new()?;
    bench.load(options, "salesforce")?;
    let mut kept = Vec::new();
    for number in 0..FIRST {
        kept.push(bench.runtime.block_on(used(&bench, &org.url, number))?);
    }
    let before = resident_kib()?;
    for number in FIRST..options.connections {
        kept.push(bench.runtime.block_on(used(&bench, &org.url, number))?);
    }
    let grown = resident_kib()?.saturating_sub(before);
    let count = options.connections - FIRST;
    let task = format!("resident memory of each of {count} idle connections");
    let each = grown as f64 / count as f64;
    report.figure(task, each, "KiB", Some(Aim::AtMost(100.0)));
    report.figure(
        "resident memory before them",
        before as f64 / 1024.0,
        "MiB",
        None,
    );
    drop(kept);
    Ok(())
}

/// A connection that has logged in and read one page.
async fn used(bench: &Bench, url: &str, number: usize) -> Result<Connection> {
    let tenant = format!("tenant-{number}");
    let origin = LoginTo::Local {
        origin: url.to_owned(),
    };
    let new = NewConnection::new(&tenant, "crm", "salesforce", origin, "dev-org-client");
    let new = new
        .client_secret("dev-org-secret")
        .flow(Flow::ClientCredentials);
    let connection = bench.host.add_connection(new).await?;
    bench.host.authorize_client(&tenant, "crm").await?;
    let query = "SELECT Id FROM Account LIMIT 10";
    let mut pages = connection.query(query, QueryOptions::default()).await?;
    pages.next_page().await?.context("a page")?;
    drop(pages);
    Ok(connection)
}

/// What this process has in memory.
fn resident_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("memory is read on Linux only")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number.context("no VmRSS")?.trim().parse()?)
}

/// An org that ends with this.
struct Org {
    process: Child,
    url: String,
}

impl Org {
    fn start(options: &Options) -> Result<Self> {
        let mut process = Command::new(&options.lockgate)
            .args(["dev-org", "--listen", "127.0.0.1:0", "--records", "100"])
            .args(["--edition", "unlimited", "--output", "json"])
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the org")?;
        let output = process.stdout.take().context("no output")?;
        let mut text = String::new();
        let mut lines = BufReader::new(output).lines();
        let told: Json = loop {
            let line = lines.next().context("the org did not start")??;
            text.push_str(&line);
            if let Ok(told) = serde_json::from_str(&text) {
                break told;
            }
        };
        let url = told.get("url").and_then(Json::as_str);
        let url = url.context("the org tells no address")?.to_owned();
        Ok(Self { process, url })
    }
}

impl Drop for Org {
    fn drop(&mut self) {
        // It keeps nothing, so it needs no time to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
