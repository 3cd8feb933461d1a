//! Lockgate's rows: the scorer warm and fresh, the guests in JavaScript and Python, and
//! the echo, whose call is the host's work and nothing else.

use std::rc::Rc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use lockgate::{Host, Package, Records, Transform};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::job::Job;
use crate::{Options, work};

/// The row of the host's own work: copying the batch in and the outcome out, checking
/// it, turns and figures.
pub const ECHO: &str = "Lockgate, a guest that echoes";

/// The row that others are held against.
pub const WARM: &str = "Lockgate, warm";

/// The same with an instance for each batch.
pub const FRESH: &str = "Lockgate, fresh";

/// A host in a directory of its own, and what runs it.
pub struct Bench {
    pub runtime: Runtime,
    pub host: Host,
    _directory: TempDir,
}

impl Bench {
    pub fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let runtime = Runtime::new()?;
        let host = Host::builder().data_dir(directory.path()).allow_unsigned();
        let host = runtime.block_on(host.build())?;
        Ok(Self {
            runtime,
            host,
            _directory: directory,
        })
    }

    /// Loads a package, compiling it.
    pub fn load(&self, options: &Options, name: &str) -> Result<()> {
        let directory = options.package(name);
        let package = Package::open(&directory)
            .with_context(|| format!("cannot open the package in {}", directory.display()))?;
        let load = self.host.load(&package, package.asked_grants());
        Ok(self.runtime.block_on(load).map(drop)?)
    }

    /// A transform of a package.
    pub fn transform(&self, options: &Options, name: &str, settings: &Json) -> Result<Transform> {
        self.load(options, name)?;
        Ok(self.runtime.block_on(self.host.transform(name, settings))?)
    }
}

/// Jobs with this batch.
pub fn jobs(options: &Options, batch: &[u8], count: usize) -> Result<Vec<Job>> {
    let bench = Rc::new(Bench::new()?);
    let records = Records::from_json(batch.to_vec())?;
    let rules: Json = serde_json::from_str(work::RULES)?;
    let scorer = bench.transform(options, "lead-scorer", &rules)?;
    let mut jobs = vec![
        warm(&bench, WARM, "rules as data", &scorer, &records)?,
        fresh(&bench, scorer.clone(), records.clone()),
    ];
    let echo = bench.transform(options, "echo", &json!(count))?;
    jobs.push(warm(&bench, ECHO, "no work", &echo, &records)?);
    let interpreters = [
        ("lead-js", "Lockgate, guest in JavaScript", "QuickJS"),
        ("lead-python", "Lockgate, guest in Python", "CPython"),
    ];
    for (package, engine, version) in interpreters {
        if options.has(package) {
            let transform = bench.transform(options, package, &json!({}))?;
            jobs.push(warm(&bench, engine, version, &transform, &records)?);
        }
    }
    Ok(jobs)
}

/// One instance for all batches.
fn warm(
    bench: &Rc<Bench>,
    engine: &'static str,
    version: &str,
    transform: &Transform,
    records: &Records,
) -> Result<Job> {
    let mut instance = bench.runtime.block_on(transform.warm())?;
    let (bench, records) = (Rc::clone(bench), records.clone());
    Ok(Job {
        engine,
        version: version.to_owned(),
        run: Box::new(move || {
            let done = bench.runtime.block_on(instance.apply("Lead", &records))?;
            Ok(done.records.as_bytes().clone())
        }),
    })
}

/// An instance for each batch, as a page of a query gets it.
fn fresh(bench: &Rc<Bench>, transform: Transform, records: Records) -> Job {
    let bench = Rc::clone(bench);
    Job {
        engine: FRESH,
        version: "rules as data".to_owned(),
        run: Box::new(move || -> Result<Bytes> {
            let done = bench.runtime.block_on(transform.apply("Lead", &records))?;
            Ok(done.records.as_bytes().clone())
        }),
    }
}
