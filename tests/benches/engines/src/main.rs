//! What transforms cost in Lockgate and in what people use instead, each doing the same
//! to the same records in one process: `cargo xtask bench-engines`, which builds what
//! this needs and says where it is.
//!
//! Engines take turns, round after round, and the figures are CPU time of the one thread
//! that they all run on: wall time belongs to whoever else uses the machine. What is
//! measured beside them (starts, memory, the command) says itself what it is.

mod cold;
mod idle;
mod job;
mod ours;
mod report;
mod scripts;
mod start;
mod work;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use report::Report;

/// Where things are, and how much is done.
#[derive(Debug)]
pub struct Options {
    /// A directory with packages, one folder each.
    packages: PathBuf,
    /// The scorer as a module for Extism.
    extism: PathBuf,
    /// The command `lockgate`, optimised.
    lockgate: PathBuf,
    /// Where the figures go.
    output: PathBuf,
    rounds: usize,
    connections: usize,
}

fn main() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let mut report = Report::default();
    job::measure(&options, &mut report)?;
    start::measure(&options, &mut report)?;
    cold::measure(&options, &mut report)?;
    idle::measure(&options, &mut report)?;
    report.write(&options.output)
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            packages: PathBuf::new(),
            extism: PathBuf::new(),
            lockgate: PathBuf::new(),
            output: PathBuf::new(),
            rounds: 15,
            connections: 10_000,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next();
            let value = value.with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--packages" => options.packages = value.into(),
                "--extism" => options.extism = value.into(),
                "--lockgate" => options.lockgate = value.into(),
                "--output" => options.output = value.into(),
                "--rounds" => options.rounds = value.parse()?,
                "--connections" => options.connections = value.parse()?,
                _ => bail!("there is no option {name}; there are --rounds N and --connections N"),
            }
        }
        Ok(options)
    }

    fn package(&self, name: &str) -> PathBuf {
        self.packages.join(name)
    }

    /// Whether a package was built: those of JavaScript and Python need their tools.
    fn has(&self, name: &str) -> bool {
        Path::exists(&self.package(name))
    }
}
