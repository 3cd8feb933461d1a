//! `lockgate plugin conform`: a connector against its own recorded exchanges, with faults
//! put in, rule by rule of the contract.

mod rules;
mod scene;
mod trace;

use std::path::PathBuf;

use anyhow::Result;
use lockgate::Package;
use serde_json::{Value as Json, json};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::call::Call;
use super::golden::{Folder, Outcome};
use super::stand::Stand;
use super::{build, test};
use crate::args::{Common, Shape};
use crate::exit::{Status, usage};
use crate::progress::Progress;
use crate::{output, text};
use rules::{Failure, Rule, Verdict};
use scene::Scene;

const EXAMPLES: &str = "\
Examples:
  lockgate plugin conform ./my-connector
  lockgate plugin conform ./my-connector --package ./packages/my-connector --output json

Each golden folder that does not expect an error is played again and again, each time with
a fault in another place: an expired token, a quota that is used up, HTML or half of the
JSON or nothing in the place of an answer, a connection that ends. What comes of it is held
against the contract, whose item is named with each rule.

A rule is `not applicable` if no folder has what it is about; docs/authoring.md says which
folders cover all of them.

Exit code 0 if no rule is broken, else 1.";

/// Failures of one rule that are shown to people.
const SHOWN: usize = 5;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The connector's directory
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// A package that is built already, in place of building one
    #[arg(long, value_name = "DIR")]
    package: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

/// What came of all rules.
struct Report(Vec<Judged>);

struct Judged {
    name: &'static str,
    item: &'static str,
    says: &'static str,
    verdict: Verdict,
}

pub(super) async fn run(common: &Common, args: Args) -> Result<Status> {
    let package = build::given_or_made(common, &args.directory, args.package.as_deref()).await?;
    let Some(vendor) = &package.manifest().vendor else {
        return Err(usage(
            "only connectors have a product to be played; of a transform the golden folders say \
             all: `lockgate plugin test`",
        ));
    };
    let folders = Folder::named(&args.directory, &[])?;
    let stand = Stand::new(common, &package, vendor).await?;
    let report = {
        let progress = Progress::spinner("playing".to_owned());
        let judging = Report::of(&stand, &package, &folders);
        let report = match common.verbose {
            // That requests fail is what is played, and no news.
            0 => judging.with_subscriber(NoSubscriber::default()).await,
            _ => judging.await,
        };
        drop(progress);
        report?
    };
    match args.shape.is_json() {
        true => output::json(&report.as_json(&package))?,
        false => report.show()?,
    }
    Ok(match report.n_broken() {
        0 => Status::Done,
        _ => Status::Failed,
    })
}

impl Report {
    async fn of(stand: &Stand, package: &Package, folders: &[Folder]) -> Result<Self> {
        let mut calls = Vec::new();
        let mut failures = Vec::new();
        for folder in folders {
            let looked = look(stand, package, folder).await;
            match looked.or_else(|error| test::unusable(error).map(Look::Differs))? {
                Look::Differs(what) => failures.push(Failure {
                    folder: folder.name.clone(),
                    request: String::new(),
                    fault: "none",
                    what: format!("{what}; see `lockgate plugin test`"),
                }),
                Look::Error => {}
                Look::Good(call) => calls.push((folder.name.as_str(), call)),
            }
        }
        let mut scenes = Vec::new();
        for (name, call) in &calls {
            scenes.extend(Scene::new(stand, name, call).await?);
        }
        let mut judged = vec![Judged {
            name: "golden",
            item: "records",
            says: "every golden folder comes out as expected; the rules below play those that do",
            verdict: Verdict::Played {
                n_runs: folders.len(),
                failures,
            },
        }];
        for rule in Rule::ALL {
            judged.push(Judged {
                name: rule.name(),
                item: rule.item(),
                says: rule.says(),
                verdict: rule.play(&scenes, stand.vendor()).await?,
            });
        }
        Ok(Self(judged))
    }

    fn n_broken(&self) -> usize {
        self.0.iter().filter(|judged| judged.is_broken()).count()
    }

    fn show(&self) -> Result<()> {
        let width = self.0.iter().map(|judged| judged.name.len()).max();
        let width = width.unwrap_or_default();
        for judged in &self.0 {
            let name = judged.name;
            match &judged.verdict {
                Verdict::NotApplicable(why) => {
                    output::line(&format!("n/a    {name:width$}  {why}"))?;
                }
                Verdict::Played { n_runs, failures } if failures.is_empty() => {
                    output::line(&format!(
                        "ok     {name:width$}  {}",
                        text::counted(*n_runs, "run")
                    ))?;
                }
                Verdict::Played { n_runs, failures } => {
                    let runs = text::counted(*n_runs, "run");
                    output::line(&format!(
                        "FAILED {name:width$}  {} of {runs}",
                        failures.len()
                    ))?;
                    output::line(&format!("       {}: {}", judged.item, judged.says))?;
                    for failure in failures.iter().take(SHOWN) {
                        output::line(&format!("       - {}", text::clean(&failure.to_string())))?;
                    }
                    if failures.len() > SHOWN {
                        let more = failures.len() - SHOWN;
                        output::line(&format!("       - and {more} more: --output json"))?;
                    }
                }
            }
        }
        let all = self.0.len();
        output::line(&match self.n_broken() {
            0 => format!("no rule of {all} is broken"),
            broken => format!("{broken} of {all} rules are broken"),
        })
    }

    fn as_json(&self, package: &Package) -> Json {
        let count = |outcome: &str| {
            let fits = |judged: &&Judged| judged.outcome() == outcome;
            self.0.iter().filter(fits).count()
        };
        json!({
            "name": package.name(),
            "digest": package.digest(),
            "passed": count("ok"),
            "failed": count("failed"),
            "not_applicable": count("not-applicable"),
            "rules": self.0.iter().map(Judged::as_json).collect::<Vec<_>>(),
        })
    }
}

impl Judged {
    const fn is_broken(&self) -> bool {
        matches!(&self.verdict, Verdict::Played { failures, .. } if !failures.is_empty())
    }

    const fn outcome(&self) -> &'static str {
        match &self.verdict {
            Verdict::NotApplicable(_) => "not-applicable",
            _ if self.is_broken() => "failed",
            _ => "ok",
        }
    }

    fn as_json(&self) -> Json {
        let (n_runs, failures, reason) = match &self.verdict {
            Verdict::Played { n_runs, failures } => (*n_runs, failures.as_slice(), None),
            Verdict::NotApplicable(why) => (0, &[][..], Some(why)),
        };
        json!({
            "name": self.name,
            "item": self.item,
            "says": self.says,
            "outcome": self.outcome(),
            "reason": reason,
            "runs": n_runs,
            "failures": failures,
        })
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.folder)?;
        if !self.request.is_empty() {
            write!(f, ", {} at {}", self.fault, self.request)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// How a folder comes out.
enum Look {
    /// As expected: it can be played.
    Good(Box<Call>),
    /// As expected, with an error.
    Error,
    Differs(String),
}

async fn look(stand: &Stand, package: &Package, folder: &Folder) -> Result<Look> {
    let (call, expected) = (Call::of(folder)?, folder.expected()?);
    let called = call.run(stand).await?;
    let came = test::outcome(called.came, package)?;
    if let Some(strange) = called.strange.first() {
        return Ok(Look::Differs(strange.clone()));
    }
    Ok(match expected {
        Some(expected) if expected.difference(&came).is_none() => match came {
            Outcome::Refused(_) => Look::Error,
            Outcome::Done { .. } => Look::Good(Box::new(call)),
        },
        _ => Look::Differs("it comes out otherwise".to_owned()),
    })
}
