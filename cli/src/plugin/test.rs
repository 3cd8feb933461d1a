//! `lockgate plugin test`: a plugin on its golden folders, in the real sandbox and
//! under its own limits, with what each batch has cost.

use std::path::{Path, PathBuf};

use anyhow::Result;
use lockgate::manifest::World;
use lockgate::{Error, Host, Package, Usage};
use serde_json::{Value as Json, json};

use super::golden::{Case, Outcome};
use super::{build, package_directory};
use crate::args::{Common, Shape};
use crate::exit::Status;
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

Each batch gets an instance of its own. Instructions are those of WebAssembly from the
instance's start to the end of the batch, and the same on every machine; to count them
code is compiled that is slower than the usual, so this says nothing of time.

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
    /// None if the settings were refused.
    usage: Option<Usage>,
    bytes_in: usize,
    bytes_out: usize,
    difference: Option<String>,
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
        let cases = Case::all(plugin)?;
        let host = session::counting(common).await?;
        packages::load(&host, package, World::Transform).await?;
        let mut tests = Vec::new();
        for case in cases {
            tests.push(test(&host, package, &case, bless).await?);
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
            output::line(&format!("{verdict} {name:width$}  {}", test.cost()))?;
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
            json!({
                "name": test.name,
                "ok": test.difference.is_none(),
                "instructions": test.usage.and_then(|usage| usage.instructions),
                "memory_bytes": test.usage.map(|usage| usage.memory_bytes),
                "host_calls": test.usage.map(|usage| usage.host_calls),
                "bytes_in": test.bytes_in,
                "bytes_out": test.bytes_out,
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

impl Tested {
    fn cost(&self) -> String {
        let Some(usage) = self.usage else {
            return "its settings were refused".to_owned();
        };
        let lines = usize::try_from(usage.host_calls).unwrap_or(usize::MAX);
        format!(
            "{} instructions, {:.1} MiB, {} bytes in, {} out, {}",
            text::grouped(usage.instructions.unwrap_or_default()),
            usage.memory_bytes as f64 / (1024.0 * 1024.0),
            text::grouped(self.bytes_in as u64),
            text::grouped(self.bytes_out as u64),
            text::counted(lines, "log line"),
        )
    }
}

async fn test(host: &Host, package: &Package, case: &Case, bless: bool) -> Result<Tested> {
    let mut tested = Tested {
        name: case.name.clone(),
        usage: None,
        bytes_in: case.input.as_bytes().len(),
        bytes_out: 0,
        difference: None,
    };
    let came = match apply(host, package, case, &mut tested).await {
        Ok(outcome) => outcome,
        // The host's own failure says nothing of the plugin.
        Err(error) => match error.downcast::<Error>() {
            Ok(error) if is_of_the_plugin(&error) => Outcome::refused(&error),
            Ok(error) => return Err(error.into()),
            Err(other) => return Err(other),
        },
    };
    tested.difference = case.difference(&came);
    // What is as expected stays as somebody wrote it.
    if bless && tested.difference.take().is_some() {
        case.bless(&came)?;
    }
    Ok(tested)
}

async fn apply(
    host: &Host,
    package: &Package,
    case: &Case,
    tested: &mut Tested,
) -> Result<Outcome> {
    let transform = host.transform(package.name(), &case.settings).await?;
    let mut instance = transform.warm().await?;
    let done = instance.apply(&case.object, &case.input).await;
    tested.usage = Some(instance.usage());
    let done = done?;
    tested.bytes_out = done.records.as_bytes().len();
    Outcome::of(&case.input, &done)
}

const fn is_of_the_plugin(error: &Error) -> bool {
    matches!(
        error,
        Error::Transform { .. }
            | Error::UnknownObject { .. }
            | Error::Settings { .. }
            | Error::LimitExceeded { .. }
            | Error::Crashed { .. }
            | Error::BrokenContract { .. }
    )
}
