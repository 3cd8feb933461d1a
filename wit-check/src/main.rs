//! `cargo xtask wit-check`: holds the contract in `wit/` against its frozen copies in
//! `wit/frozen`, and says of each difference whether compiled components still run.
//!
//! Exits with 0 if all is as it should be, and with 1 if not. A crate of its own because
//! it needs a parser and nothing of the host: it is built in seconds.

mod compare;
mod frozen;
mod render;
mod versions;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

/// What is found: what is only told, and what has to be mended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    notes: Vec<String>,
    problems: Vec<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let wit = root
        .context("the crate lies in the repository")?
        .join("wit");
    let findings = versions::check(&wit)?;
    let mut out = std::io::stdout().lock();
    for note in &findings.notes {
        writeln!(out, "note: {note}")?;
    }
    for problem in &findings.problems {
        writeln!(out, "wrong: {problem}")?;
    }
    Ok(if findings.problems.is_empty() {
        writeln!(
            out,
            "the contract keeps what its published versions have promised"
        )?;
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
