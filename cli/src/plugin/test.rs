//! `lockgate plugin test`: a plugin on its golden folders, in the real sandbox and
//! under its own limits, with what each has cost.

use std::path::{Path, PathBuf};

use anyhow::Result;
use lockgate::manifest::World;
use lockgate::{Blame, Error, Host, Package};

use super::batch::Batch;
use super::build;
use super::call::Call;
use super::golden::{Folder, Outcome};
use super::record::{self, RecordArgs};
use super::stand::Stand;
use super::tested::{Cost, Tested, Tests};
use crate::args::{Common, Shape};
use crate::exit::{Status, Usage};
use crate::{output, packages, session};

const EXAMPLES: &str = "\
Examples:
  lockgate plugin test
  lockgate plugin test ./my-plugin --bless      # what comes out now is right
  lockgate plugin test --output json | jq .cases[].instructions
  lockgate plugin test ./my-connector --case two-pages --record crm --bless
      Makes the call of that folder through the connection `crm`, and writes what was
      asked and answered, without secrets, as its exchanges.json.

A folder below golden/ holds input.json, a batch of records, and what must come out:
expected.json with the kept records, and verdicts.txt with `keep`, `drop` or `reject: why`
for each record of the input if not all are kept; or error.txt with a part of the error.
It may hold settings.json, and object.txt with what the records are (Contact otherwise).

A folder of a connector holds call.json, such as {\"do\": \"query\", \"text\": \"Note\"}, and
exchanges.json, the requests that it will make and the answers to them; expected.json holds
the records. Calls are objects, describe, get, query, scan, create, update, upsert, delete
and action. A server on loopback plays the product; the connector logs in to it by the
client credentials grant, which its manifest has to take.
stored.json may hold what the connector finds in its storage, stored-after.json what it must
leave there, and now.txt the time that its clock says, which only its own waits move: they
pass at once.

Each batch gets an instance of its own. Instructions are those of WebAssembly from the
instance's start to the end of the batch, of a transform the same on every machine; to
count them code is compiled that is slower than the usual, so this says nothing of time.

Exit code 0 if all came out as expected, else 1.";

/// What is wrong with a folder that says nothing yet.
const NOTHING_EXPECTED: &str =
    "there is neither expected.json nor error.txt; --bless writes what came out";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The plugin's directory
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// A package that is built already, in place of building one
    #[arg(long, value_name = "DIR")]
    package: Option<PathBuf>,
    /// Only this folder; may be given again
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// Write what comes out as what is expected from now on
    #[arg(long)]
    bless: bool,
    #[command(flatten)]
    record: RecordArgs,
    #[command(flatten)]
    shape: Shape,
}

/// A host with the package, as its world needs it.
enum Bench {
    Transform { host: Host },
    Connector(Stand),
}

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let package = build::given_or_made(common, &args.directory, args.package.as_deref()).await?;
    let folders = Folder::named(&args.directory, &args.cases)?;
    let recorded = match args.record.target() {
        Some(target) => {
            let folders = record::wanted(&folders, !args.cases.is_empty())?;
            record::run(common, &target, &package, &folders).await?
        }
        None => Vec::new(),
    };
    let mut tests = Tests::of(common, &folders, &package, args.bless).await?;
    tests.recorded = recorded;
    match args.shape.is_json() {
        true => output::json(&tests.as_json(&package))?,
        false => tests.show()?,
    }
    Ok(tests.status())
}

impl Tests {
    /// Runs a package on all golden folders of its plugin.
    pub(super) async fn run(common: &Common, plugin: &Path, package: &Package) -> Result<Self> {
        let folders = Folder::named(plugin, &[])?;
        Self::of(common, &folders, package, false).await
    }

    async fn of(
        common: &Common,
        folders: &[Folder],
        package: &Package,
        bless: bool,
    ) -> Result<Self> {
        let bench = Bench::new(common, package).await?;
        let mut tests = Self::default();
        for folder in folders {
            let tested = bench.test(package, folder, bless).await;
            let unusable = |error| {
                Ok::<_, anyhow::Error>(Tested {
                    name: folder.name.clone(),
                    cost: Cost::None,
                    bytes_out: 0,
                    difference: Some(unusable(error)?),
                })
            };
            tests.tested.push(tested.or_else(unusable)?);
        }
        Ok(tests)
    }
}

impl Bench {
    async fn new(common: &Common, package: &Package) -> Result<Self> {
        if let Some(vendor) = &package.manifest().vendor {
            return Ok(Self::Connector(Stand::new(common, package, vendor).await?));
        }
        let host = session::counting(common).await?;
        packages::load(&host, package, World::Transform).await?;
        Ok(Self::Transform { host })
    }

    /// Runs the package on one folder.
    async fn test(&self, package: &Package, folder: &Folder, bless: bool) -> Result<Tested> {
        let expected = folder.expected()?;
        let (came, cost, mut told) = match self {
            Self::Transform { host } => {
                let batch = Batch::of(folder)?;
                let mut usage = None;
                let came = batch.run(host, package.name(), &mut usage).await;
                let bytes_in = batch.input.as_bytes().len();
                (came, Cost::Transform { usage, bytes_in }, Vec::new())
            }
            Self::Connector(stand) => {
                let call = Call::of(folder)?;
                let called = call.run(stand).await?;
                let stored = call.difference_of_stored(folder, &called, bless)?;
                let cost = Cost::Connector {
                    usage: called.usage,
                    requests: called.requests,
                    bytes_in: called.bytes_in,
                };
                let told = called.strange.into_iter().chain(stored).collect();
                (called.came, cost, told)
            }
        };
        let came = outcome(came, package)?;
        let difference = match expected {
            Some(expected) => expected.difference(&came),
            None => Some(NOTHING_EXPECTED.to_owned()),
        };
        match difference {
            // What is as expected stays as somebody wrote it.
            Some(_) if bless => folder.bless(&came)?,
            difference => told.extend(difference),
        }
        Ok(Tested {
            name: folder.name.clone(),
            cost,
            bytes_out: came.bytes(),
            difference: (!told.is_empty()).then(|| told.join("\n")),
        })
    }
}

/// What is wrong with a folder of which a file cannot be used. It fails by itself: the
/// others are tested.
pub(super) fn unusable(error: anyhow::Error) -> Result<String> {
    match error.is::<Usage>() {
        true => Ok(error.to_string()),
        false => Err(error),
    }
}

/// What came out, unless the host itself has failed, which says nothing of the plugin.
pub(super) fn outcome(came: Result<Outcome>, package: &Package) -> Result<Outcome> {
    came.or_else(|error| match error.downcast::<Error>() {
        Ok(error) if error.blame() != Blame::Host => Ok(Outcome::refused(&error, package)),
        Ok(error) => Err(error.into()),
        Err(other) => Err(other),
    })
}
