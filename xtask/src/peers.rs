//! `cargo xtask peers` and `cargo xtask bench-peers`: run Salesforce clients that
//! we did not write against the dev org. They know nothing of it; what they trip
//! over is a place where the org differs from Salesforce, and what they cost is
//! what ours is compared with.

#![expect(
    clippy::print_stdout,
    reason = "the outcome of the checks is the task's product"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::{Step, built, root, target};

/// The clients, held to the versions that the checks were written for.
const JSFORCE: &str = "jsforce@3.10.14";
const SIMPLE_SALESFORCE: &str = "simple-salesforce==1.12.10";

/// What each client has a script for, in the order that they run in.
const SCRIPTS: [&str; 3] = ["records", "composite", "bulk"];

/// Records that the org starts with: more than a query page, so that paging
/// has something to do.
const RECORDS: &str = "6000";

/// Installs the clients, starts an org for each of them, and runs the checks.
///
/// # Errors
/// When a client cannot be installed, the org does not start, or a check fails.
pub(crate) fn run() -> Result<()> {
    let root = root()?;
    let folder = folder()?;
    let scripts = root.join("tests/peers");

    install_jsforce(&folder)?;
    let python = install_simple_salesforce(&folder)?;
    build_org(&root)?;
    let server = built("debug", "examples/serve")?;

    let mut tally = Tally::default();
    for tls in [false, true] {
        let org = Org::start(&server, &folder, tls)?;
        println!("jsforce against {}", org.url);
        for script in SCRIPTS {
            let mut node = Command::new("node");
            node.arg(scripts.join(format!("jsforce/{script}.mjs")));
            node.env("PEERS_FOLDER", &folder);
            org.check(node, "NODE_EXTRA_CA_CERTS", &mut tally)?;
        }
    }
    // simple-salesforce speaks HTTPS only.
    let org = Org::start(&server, &folder, true)?;
    println!("simple-salesforce against {}", org.url);
    for script in SCRIPTS {
        let mut python = Command::new(&python);
        // Its compiled modules would land beside the scripts.
        python.arg("-B");
        python.arg(scripts.join(format!("simple-salesforce/{script}.py")));
        org.check(python, "REQUESTS_CA_BUNDLE", &mut tally)?;
    }

    println!("{} passed, {} failed", tally.passed, tally.failed);
    ensure!(
        tally.failed == 0,
        "the dev org differs from Salesforce for its clients"
    );
    Ok(())
}

/// Installs the clients and measures what they cost beside ours; the arguments
/// are the bench's own: `--rows N`, `--task NAME`, `--rounds N`.
///
/// # Errors
/// When a client cannot be installed, or the bench fails: `tests/benches/peers`.
pub(crate) fn bench(arguments: Vec<String>) -> Result<()> {
    let folder = folder()?;
    install_jsforce(&folder)?;
    let python = install_simple_salesforce(&folder)?;
    Step::cargo(["bench", "--locked", "--workspace"])
        .arguments(["--bench", "peers", "--"])
        .arguments(arguments)
        .variable("PEERS_FOLDER", folder)
        .variable("PEERS_PYTHON", python)
        .run()
}

/// Where the clients are installed.
fn folder() -> Result<PathBuf> {
    let folder = target()?.join("peers");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn install_jsforce(folder: &Path) -> Result<()> {
    let installed = folder.join("node_modules/jsforce/package.json");
    let version = JSFORCE.rsplit('@').next().unwrap_or_default();
    let is_there = std::fs::read_to_string(&installed)
        .is_ok_and(|package| package.contains(&format!("\"version\": \"{version}\"")));
    if is_there {
        return Ok(());
    }
    println!("installing {JSFORCE}");
    // On Windows npm is a script, which only the shell finds.
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    done(Command::new(npm).current_dir(folder).args([
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--no-save",
        "--prefix",
        ".",
        JSFORCE,
    ]))
}

fn install_simple_salesforce(folder: &Path) -> Result<PathBuf> {
    let home = folder.join("venv");
    let python = match cfg!(windows) {
        true => home.join("Scripts/python.exe"),
        false => home.join("bin/python"),
    };
    let marker = home.join(SIMPLE_SALESFORCE);
    if marker.exists() {
        return Ok(python);
    }
    println!("installing {SIMPLE_SALESFORCE}");
    let system = if cfg!(windows) { "python" } else { "python3" };
    done(Command::new(system).args(["-m", "venv"]).arg(&home))?;
    done(Command::new(&python).args(["-m", "pip", "install", "--quiet", SIMPLE_SALESFORCE]))?;
    std::fs::write(marker, "")?;
    Ok(python)
}

fn build_org(root: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    done(Command::new(cargo).current_dir(root).args([
        "build",
        "--quiet",
        "--package",
        "dev-org",
        "--example",
        "serve",
    ]))
}

fn done(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(
        status.success(),
        "{} ended with {status}",
        command.get_program().display()
    );
    Ok(())
}

#[derive(Debug, Default)]
struct Tally {
    passed: u32,
    failed: u32,
}

/// A running org. It ends when its input does, so it never outlives this.
struct Org {
    process: Child,
    /// Kept open, so that the org never writes into a closed pipe.
    output: BufReader<ChildStdout>,
    url: String,
    ca: PathBuf,
}

impl Org {
    fn start(server: &Path, folder: &Path, tls: bool) -> Result<Self> {
        let mut command = Command::new(server);
        command.args(["--records", RECORDS, "--ca-dir"]).arg(folder);
        if tls {
            command.arg("--tls");
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", server.display()))?;
        let mut output = BufReader::new(process.stdout.take().context("no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let Some(url) = line.trim().strip_prefix("listening on ") else {
            bail!("the dev org did not start: {line:?}");
        };
        Ok(Self {
            url: url.to_owned(),
            process,
            output,
            ca: folder.join("ca.pem"),
        })
    }

    /// Runs a script that prints `ok - NAME` or `not ok - NAME` for each check.
    fn check(&self, mut script: Command, trust: &str, tally: &mut Tally) -> Result<()> {
        script.arg(&self.url);
        if self.url.starts_with("https:") {
            script.env(trust, &self.ca);
        }
        let mut running = script
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", script.get_program().display()))?;
        let output = running.stdout.take().context("no output")?;
        let mut checks = 0;
        for line in BufReader::new(output).lines() {
            let line = line?;
            if line.starts_with("ok - ") {
                tally.passed += 1;
                checks += 1;
            } else if line.starts_with("not ok - ") {
                tally.failed += 1;
                checks += 1;
            }
            println!("  {line}");
        }
        let status = running.wait()?;
        if !status.success() || checks == 0 {
            println!("  the script ended with {status} after {checks} checks");
            tally.failed += 1;
        }
        Ok(())
    }
}

impl Drop for Org {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let mut rest = String::new();
        // The org is on its way out; what it still says helps nobody.
        let _ = self.output.read_to_string(&mut rest);
        let _ = self.process.wait();
    }
}
