//! `lockgate plugin test`: a plugin on its golden folders, in the real sandbox and
//! under its own limits, with what each has cost.

use std::path::{Path, PathBuf};

use anyhow::Result;
use lockgate::manifest::{AuthManifest, World};
use lockgate::{Blame, Error, Host, Package, Usage};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::batch::Batch;
use super::call::Call;
use super::golden::{Folder, Outcome};
use super::{build, package_directory};
use crate::args::{Common, Shape};
use crate::exit::{Status, advised};
use crate::{output, packages, session, text};

const EXAMPLES: &str = "\
Examples:
  lockgate plugin test
  lockgate plugin test ./my-plugin --bless      # what comes out now is right
  lockgate plugin test --output json | jq .cases[].instructions

A folder below golden/ holds input.json, a batch of records, and what must come out:
expected.json with the kept records, and verdicts.txt with `keep`, `drop` or `reject: why`
for each record of the input if not all are kept; or error.txt with a part of the error.
It may hold settings.json, and object.txt with what the records are (Contact otherwise).

A folder of a connector holds call.json, such as {\"do\": \"query\", \"text\": \"Note\"}, and
exchanges.json, the requests that it will make and the answers to them; expected.json holds
the records. Calls are objects, describe, get, query, scan, create, update, upsert, delete
and action. A server on loopback plays the product; the connector logs in to it by the
client credentials grant, which its manifest has to take.

Each batch gets an instance of its own. Instructions are those of WebAssembly from the
instance's start to the end of the batch, the same for a component on every machine; to
count them code is compiled that is slower than the usual, so this says nothing of time.

Exit code 0 if all came out as expected, else 1.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The plugin's directory
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Write what comes out as what is expected from now on
    #[arg(long)]
    bless: bool,
    #[command(flatten)]
    shape: Shape,
}

/// What became of one folder.
pub(super) struct Tested {
    name: String,
    cost: Cost,
    bytes_out: usize,
    difference: Option<String>,
}

/// What it has cost.
enum Cost {
    Transform {
        /// None if the settings were refused.
        usage: Option<Usage>,
        bytes_in: usize,
    },
    Connector {
        requests: usize,
    },
}

/// A host with the package, as its world needs it.
enum Bench {
    Transform {
        host: Host,
    },
    Connector {
        host: Host,
        auth: Box<AuthManifest>,
        /// Its connections are nobody's: they are gone with this.
        _data: TempDir,
    },
}

/// What became of all of them.
pub(super) struct Tests(Vec<Tested>);

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let package = build::make(common, &args.directory, &package_directory(&args.directory)).await?;
    let tests = Tests::run(common, &args.directory, &package, args.bless).await?;
    match args.shape.is_json() {
        true => output::json(&tests.as_json(&package))?,
        false => tests.show()?,
    }
    Ok(tests.status())
}

impl Tests {
    /// Runs a package on the golden folders of its plugin.
    pub(super) async fn run(
        common: &Common,
        plugin: &Path,
        package: &Package,
        bless: bool,
    ) -> Result<Self> {
        let folders = Folder::all(plugin)?;
        let bench = Bench::new(common, package).await?;
        let mut tests = Vec::new();
        for (at, folder) in folders.iter().enumerate() {
            tests.push(bench.test(package.name(), folder, at, bless).await?);
        }
        Ok(Self(tests))
    }

    pub(super) fn status(&self) -> Status {
        match self.failed() {
            0 => Status::Done,
            _ => Status::Failed,
        }
    }

    fn failed(&self) -> usize {
        let differs = |test: &&Tested| test.difference.is_some();
        self.0.iter().filter(differs).count()
    }

    /// For people.
    pub(super) fn show(&self) -> Result<()> {
        let width = self.0.iter().map(|test| test.name.chars().count()).max();
        let width = width.unwrap_or_default();
        for test in &self.0 {
            let verdict = match test.difference {
                None => "ok    ",
                Some(_) => "FAILED",
            };
            let name = text::clean(&test.name);
            output::line(&format!("{verdict} {name:width$}  {test}"))?;
            let difference = test.difference.as_deref().unwrap_or_default();
            for line in difference.lines() {
                output::line(&format!("       {}", text::clean(line)))?;
            }
        }
        let all = self.0.len();
        output::line(&match self.failed() {
            0 => format!("{} came out as expected", text::counted(all, "folder")),
            failed => format!(
                "{failed} of {} did not come out as expected",
                text::counted(all, "folder")
            ),
        })
    }

    fn as_json(&self, package: &Package) -> Json {
        let case = |test: &Tested| {
            let (usage, bytes_in, requests) = match test.cost {
                Cost::Transform { usage, bytes_in } => (usage, Some(bytes_in), None),
                Cost::Connector { requests } => (None, None, Some(requests)),
            };
            json!({
                "name": test.name,
                "ok": test.difference.is_none(),
                "instructions": usage.and_then(|usage| usage.instructions),
                "memory_bytes": usage.map(|usage| usage.memory_bytes),
                "host_calls": usage.map(|usage| usage.host_calls),
                "bytes_in": bytes_in,
                "bytes_out": test.bytes_out,
                "requests": requests,
                "difference": test.difference,
            })
        };
        let failed = self.failed();
        json!({
            "name": package.name(),
            "digest": package.digest(),
            "passed": self.0.len() - failed,
            "failed": failed,
            "cases": self.0.iter().map(case).collect::<Vec<_>>(),
        })
    }
}

impl std::fmt::Display for Tested {
    /// What it has cost.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let out = text::grouped(self.bytes_out as u64);
        match self.cost {
            Cost::Transform { usage: None, .. } => f.write_str("its settings were refused"),
            Cost::Transform {
                usage: Some(usage),
                bytes_in,
            } => {
                let lines = usize::try_from(usage.host_calls).unwrap_or(usize::MAX);
                write!(
                    f,
                    "{} instructions, {:.1} MiB, {} bytes in, {out} out, {}",
                    text::grouped(usage.instructions.unwrap_or_default()),
                    usage.memory_bytes as f64 / (1024.0 * 1024.0),
                    text::grouped(bytes_in as u64),
                    text::counted(lines, "log line"),
                )
            }
            Cost::Connector { requests } => {
                write!(f, "{}, {out} bytes out", text::counted(requests, "request"))
            }
        }
    }
}

impl Bench {
    async fn new(common: &Common, package: &Package) -> Result<Self> {
        let Some(vendor) = &package.manifest().vendor else {
            let host = session::counting(common).await?;
            packages::load(&host, package, World::Transform).await?;
            return Ok(Self::Transform { host });
        };
        if !vendor.auth.client_credentials {
            return Err(advised(
                "the connector's manifest takes no client credentials, by which a test logs in",
                "if the product has that grant, say `client_credentials = true` in [vendor.auth]",
            ));
        }
        let data = tempfile::tempdir()?;
        let host = session::open_trusting(common, data.path()).await?;
        packages::load(&host, package, World::Connector).await?;
        Ok(Self::Connector {
            host,
            auth: Box::new(vendor.auth.clone()),
            _data: data,
        })
    }

    /// Runs the package on one folder, which is the `at`th.
    async fn test(&self, package: &str, folder: &Folder, at: usize, bless: bool) -> Result<Tested> {
        let (came, cost, strange) = match self {
            Self::Transform { host } => {
                let batch = Batch::of(folder)?;
                let mut usage = None;
                let came = batch.run(host, package, &mut usage).await;
                let bytes_in = batch.input.as_bytes().len();
                (came, Cost::Transform { usage, bytes_in }, Vec::new())
            }
            Self::Connector { host, auth, .. } => {
                let name = format!("golden-{at}");
                let called = Call::of(folder)?.run(host, package, auth, &name).await?;
                let requests = called.requests;
                (called.came, Cost::Connector { requests }, called.strange)
            }
        };
        let came = outcome(came)?;
        let mut difference = folder.difference(&came);
        // What is as expected stays as somebody wrote it.
        if bless && difference.take().is_some() {
            folder.bless(&came)?;
        }
        if !strange.is_empty() {
            let all = [strange, difference.into_iter().collect()].concat();
            difference = Some(all.join("\n"));
        }
        Ok(Tested {
            name: folder.name.clone(),
            cost,
            bytes_out: came.bytes(),
            difference,
        })
    }
}

/// What came out, unless the host itself has failed, which says nothing of the plugin.
fn outcome(came: Result<Outcome>) -> Result<Outcome> {
    came.or_else(|error| match error.downcast::<Error>() {
        Ok(error) if error.blame() != Blame::Host => Ok(Outcome::refused(&error)),
        Ok(error) => Err(error.into()),
        Err(other) => Err(other),
    })
}
