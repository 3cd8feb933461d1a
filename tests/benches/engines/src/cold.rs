//! The command from nothing to the answer of its first call: how long the process lives.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::report::{Aim, Report, Spread};
use crate::{Options, work};

/// Starts that are measured.
const RUNS: usize = 20;

/// `lockgate transform` with the scorer, whose compiled code is in the data directory,
/// and 200 records; and beside it what the command needs to do nothing.
pub fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path();
    fs::write(path.join("rules.json"), work::RULES)?;
    fs::write(path.join("leads.json"), work::leads(200)?)?;
    let scorer = options.package("lead-scorer");
    let transform = || {
        let mut command = command(options, path);
        command.arg("transform").arg(&scorer);
        command.args(["--object", "Lead", "--settings", "rules.json", "leads.json"]);
        command
    };
    let version = || {
        let mut command = command(options, path);
        command.arg("--version");
        command
    };
    // The first compiles.
    milliseconds(transform())?;
    let (mut calls, mut nothing) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        calls.push(milliseconds(transform())?);
        nothing.push(milliseconds(version())?);
    }
    let task = "the command from its start to its end with one call, cached code, p50";
    let aim = Some(Aim::AtMost(50.0));
    report.figure(task, Spread::of(calls).median, "ms", aim);
    let task = "`lockgate --version`, p50";
    report.figure(task, Spread::of(nothing).median, "ms", None);
    Ok(())
}

fn command(options: &Options, directory: &Path) -> Command {
    let mut command = Command::new(&options.lockgate);
    command
        .current_dir(directory)
        .env("LOCKGATE_DATA_DIR", directory.join("data"))
        .env("LOCKGATE_ALLOW_UNSIGNED", "true")
        .stdin(Stdio::null());
    command
}

/// From before the process is started until it has ended.
fn milliseconds(mut command: Command) -> Result<f64> {
    let begun = Instant::now();
    let output = command.output().context("cannot run the command")?;
    let took = begun.elapsed();
    ensure!(
        output.status.success(),
        "the command failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(took.as_secs_f64() * 1e3)
}
