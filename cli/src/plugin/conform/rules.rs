//! The rules of the suite: what each plays, and what the contract says must come of it.

use std::time::Duration;

use anyhow::Result;
use lockgate::manifest::{Meaning, VendorManifest};
use lockgate::{Advice, Error, Outcome};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::scene::{Played, Scene};
use super::trace::{self, Trace};
use crate::plugin::exchanges::Answer;
use crate::plugin::product::Fault;

/// How long an answer is waited for that nobody wants any more, until it is noticed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A page of a web server that stands in the way.
const HTML: &str = "<html><head><title>Maintenance</title></head><body>Back soon</body></html>";

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Pages,
    ExpiredToken,
    OverQuota,
    Unreadable,
    BrokenOff,
    GivenUp,
    BigBatch,
    LostCreate,
}

/// What came of a rule.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Played so often; nothing was wrong if there are no failures.
    Played {
        n_runs: usize,
        failures: Vec<Failure>,
    },
    /// Nothing to play it with.
    NotApplicable(&'static str),
}

/// Where a rule is broken.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) folder: String,
    /// The request that met the fault; empty if it was none.
    pub(super) request: String,
    /// What was done to it.
    pub(super) fault: &'static str,
    pub(super) what: String,
}

impl Rule {
    pub(super) const ALL: [Self; 8] = [
        Self::Pages,
        Self::ExpiredToken,
        Self::OverQuota,
        Self::Unreadable,
        Self::BrokenOff,
        Self::GivenUp,
        Self::BigBatch,
        Self::LostCreate,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::ExpiredToken => "expired-token",
            Self::OverQuota => "over-quota",
            Self::Unreadable => "unreadable-answer",
            Self::BrokenOff => "broken-off",
            Self::GivenUp => "given-up",
            Self::BigBatch => "big-batch",
            Self::LostCreate => "lost-create",
        }
    }

    /// The item of the contract that it is from.
    pub(super) const fn item(self) -> &'static str {
        match self {
            Self::Pages => "records.cursor.next",
            Self::ExpiredToken => "http.error",
            Self::OverQuota => "records.error.over-quota",
            Self::Unreadable => "records.error.unexpected",
            Self::BrokenOff => "records.error.unavailable",
            Self::GivenUp => "records.cursor, records.writer",
            Self::BigBatch => "records.writer",
            Self::LostCreate => "records.error.unknown-outcome",
        }
    }

    /// What that says.
    pub(super) const fn says(self) -> &'static str {
        match self {
            Self::Pages => {
                "pages end with `none`, and each record comes once, also after a page that \
                 failed with `unavailable`"
            }
            Self::ExpiredToken => {
                "an expired session is refreshed by the host, and the call notices nothing"
            }
            Self::OverQuota => {
                "a call that fails with `over-quota` has lost nothing: made again, it gives the \
                 same"
            }
            Self::Unreadable => {
                "what the connector cannot read is `unexpected`, never an answer and never a crash"
            }
            Self::BrokenOff => {
                "an answer that breaks off is `unavailable` where nothing was written, and the \
                 same call again gives the same"
            }
            Self::GivenUp => "dropping it ends it: nothing is asked for afterwards",
            Self::BigBatch => "every record of a write gets one result, in the end",
            Self::LostCreate => {
                "the answer to a write was lost: it may have happened, so it is not sent again"
            }
        }
    }

    /// Plays it on all scenes that it is about.
    pub(super) async fn play(
        self,
        scenes: &[Scene<'_>],
        vendor: &VendorManifest,
    ) -> Result<Verdict> {
        match self {
            Self::Pages => pages(scenes).await,
            Self::ExpiredToken => expired_token(scenes, vendor).await,
            Self::OverQuota => over_quota(scenes, vendor).await,
            Self::Unreadable => unreadable(scenes).await,
            Self::BrokenOff => broken_off(scenes).await,
            Self::GivenUp => given_up(scenes).await,
            Self::BigBatch => big_batch(scenes, vendor).await,
            Self::LostCreate => lost_create(scenes).await,
        }
    }
}

/// Runs and failures so far.
#[derive(Default)]
struct Plays {
    n_runs: usize,
    failures: Vec<Failure>,
}

impl Plays {
    /// Plays a fault in a place, and looks what came of it.
    async fn play(
        &mut self,
        scene: &Scene<'_>,
        place: usize,
        (name, fault): (&'static str, Fault),
        wrong: impl FnOnce(&Played) -> Option<String>,
    ) -> Result<()> {
        let Some(played) = scene.play(place, fault).await? else {
            return Ok(());
        };
        self.n_runs += 1;
        let what = stopped(&played.trace).or_else(|| wrong(&played));
        self.note(scene, scene.request(place), name, what);
        Ok(())
    }

    fn note(
        &mut self,
        scene: &Scene<'_>,
        request: String,
        fault: &'static str,
        what: Option<String>,
    ) {
        self.failures.extend(what.map(|what| Failure {
            folder: scene.folder.to_owned(),
            request,
            fault,
            what,
        }));
    }

    fn verdict(self, otherwise: &'static str) -> Verdict {
        match self.n_runs {
            0 => Verdict::NotApplicable(otherwise),
            n_runs => Verdict::Played {
                n_runs,
                failures: self.failures,
            },
        }
    }
}

async fn pages(scenes: &[Scene<'_>]) -> Result<Verdict> {
    let mut plays = Plays::default();
    let paged = scenes
        .iter()
        .filter(|scene| scene.is_paged() && scene.base.n_pages > 1);
    for scene in paged {
        plays.n_runs += 1;
        let doubled = scene.base.doubled();
        let what = doubled
            .first()
            .map(|id| format!("the record {id} came twice"));
        plays.note(scene, String::new(), "none", what);
        for place in scene.places() {
            let fault = ("no answer", Fault::NoAnswer);
            let wrong = |played: &Played| played.trace.lacks(&scene.base);
            plays.play(scene, place, fault, wrong).await?;
        }
    }
    Ok(plays.verdict("no golden folder reads more than one page"))
}

async fn expired_token(scenes: &[Scene<'_>], vendor: &VendorManifest) -> Result<Verdict> {
    let Some(expired) = signal(vendor, Meaning::SessionExpired) else {
        return Ok(Verdict::NotApplicable(
            "the manifest names no answer that means `session-expired`",
        ));
    };
    let mut plays = Plays::default();
    // The host refreshes once: a folder in which it does so already says the same.
    for scene in scenes.iter().filter(|scene| !scene.has(expired.status)) {
        for place in scene.places() {
            let fault = ("expired token", Fault::Instead(expired.clone()));
            let wrong = |played: &Played| match played.trace.errors.first() {
                Some(error) => Some(format!("the call was told: {}", trace::kind(error))),
                None => played.trace.lacks(&scene.base),
            };
            plays.play(scene, place, fault, wrong).await?;
        }
    }
    Ok(plays.verdict("no golden folder makes a request"))
}

async fn over_quota(scenes: &[Scene<'_>], vendor: &VendorManifest) -> Result<Verdict> {
    let mut plays = Plays::default();
    for scene in scenes {
        for place in scene.places() {
            let fault = ("quota used up", Fault::Instead(used_up(vendor)));
            let wrong = |played: &Played| {
                let trace = &played.trace;
                let other = trace
                    .errors
                    .iter()
                    .find(|error| !matches!(error, Error::OverQuota { .. }));
                match other {
                    Some(error) => Some(format!("it is told as {}", trace::kind(error))),
                    None => lost(trace, &scene.base, Advice::WaitForQuota),
                }
            };
            plays.play(scene, place, fault, wrong).await?;
        }
    }
    Ok(plays.verdict("no golden folder makes a request"))
}

async fn unreadable(scenes: &[Scene<'_>]) -> Result<Verdict> {
    let mut plays = Plays::default();
    for scene in scenes {
        for place in scene.places() {
            let Some(exchange) = scene.exchange(place) else {
                continue;
            };
            for (name, answer) in unreadable_forms(&exchange.response) {
                let wrong = |played: &Played| misread(scene, &played.trace);
                plays
                    .play(scene, place, (name, Fault::Instead(answer)), wrong)
                    .await?;
            }
        }
    }
    Ok(plays.verdict("no golden folder has an answer with a body"))
}

async fn broken_off(scenes: &[Scene<'_>]) -> Result<Verdict> {
    let mut plays = Plays::default();
    for scene in scenes {
        let written = match scene.is_write() {
            true => scene.places_of_writes(),
            false => Vec::new(),
        };
        for place in scene.places() {
            if written.contains(&place) {
                continue;
            }
            for fault in [
                ("no answer", Fault::NoAnswer),
                ("half an answer", Fault::HalfAnswer),
            ] {
                let wrong = |played: &Played| {
                    let mut errors = played.trace.errors.iter();
                    let other = errors.find(|error| !matches!(error, Error::Unavailable { .. }));
                    match other {
                        Some(error) => Some(format!("it is told as {}", trace::kind(error))),
                        None => played.trace.lacks(&scene.base),
                    }
                };
                plays.play(scene, place, fault, wrong).await?;
            }
        }
    }
    Ok(plays.verdict("no golden folder reads anything"))
}

async fn given_up(scenes: &[Scene<'_>]) -> Result<Verdict> {
    let mut plays = Plays::default();
    for scene in scenes
        .iter()
        .filter(|scene| scene.is_paged() || scene.is_write())
    {
        let Some(place) = scene.places().pop() else {
            continue;
        };
        let given_up = tokio::time::timeout(PATIENCE, scene.give_up(place)).await;
        let what = match given_up {
            Err(_) => Some("its request went on after it was dropped".to_owned()),
            Ok(came) => match came? {
                None => continue,
                Some(0) if scene.n_alive() == 0 => None,
                Some(0) => Some("an instance of it is still alive".to_owned()),
                Some(more) => Some(format!("{more} requests came after it was dropped")),
            },
        };
        plays.n_runs += 1;
        plays.note(scene, scene.request(place), "dropped meanwhile", what);
    }
    Ok(plays.verdict("no golden folder has a cursor or a writer"))
}

async fn big_batch(scenes: &[Scene<'_>], vendor: &VendorManifest) -> Result<Verdict> {
    let mut plays = Plays::default();
    for scene in scenes.iter().filter(|scene| scene.is_write()) {
        let places = scene.places_of_writes();
        if places.len() < 2 {
            continue;
        }
        let n_records = scene.base.results.len();
        for place in places {
            for fault in [
                ("quota used up", Fault::Instead(used_up(vendor))),
                ("no answer", Fault::NoAnswer),
            ] {
                let wrong = |played: &Played| {
                    let trace = &played.trace;
                    match trace.errors.last() {
                        // What is not told now nobody knows.
                        Some(Error::UnknownOutcome { .. }) => None,
                        Some(error) if !trace.is_done => {
                            Some(format!("it ended with: {}", trace::kind(error)))
                        }
                        _ if trace.results.len() == n_records => None,
                        _ => Some(format!(
                            "{} of {n_records} records have a result",
                            trace.results.len()
                        )),
                    }
                };
                plays.play(scene, place, fault, wrong).await?;
            }
        }
    }
    Ok(plays.verdict("no golden folder writes records by more than one request"))
}

async fn lost_create(scenes: &[Scene<'_>]) -> Result<Verdict> {
    let mut plays = Plays::default();
    for scene in scenes.iter().filter(|scene| scene.is_create()) {
        for place in scene.places_of_writes() {
            for fault in [
                ("no answer", Fault::NoAnswer),
                ("half an answer", Fault::HalfAnswer),
            ] {
                let wrong = |played: &Played| not_in_doubt(&scene.base, played);
                plays.play(scene, place, fault, wrong).await?;
            }
        }
    }
    Ok(plays.verdict("no golden folder creates anything"))
}

/// Why a lost creation is not told as such.
fn not_in_doubt(base: &Trace, played: &Played) -> Option<String> {
    let trace = &played.trace;
    if played.n_asked > 1 {
        let times = played.n_asked;
        return Some(format!(
            "the records were sent {times} times, and may be there as often"
        ));
    }
    let is_told = matches!(trace.errors.last(), Some(Error::UnknownOutcome { .. }));
    if is_told || trace.in_doubt() > 0 {
        return lost(trace, base, Advice::CheckOutcome).filter(|_| !is_told);
    }
    Some(match trace.errors.last() {
        Some(error) => format!("it is told as {}", trace::kind(error)),
        None => "no record is said to be in doubt".to_owned(),
    })
}

/// What is missing or other than without the fault, but for records that were not
/// written and say so with this advice.
fn lost(trace: &Trace, base: &Trace, excused: Advice) -> Option<String> {
    let is_excused = base.results.iter().all(|(row, wanted)| {
        trace
            .results
            .get(row)
            .is_some_and(|came| came == wanted || trace::advises(&came.outcome, excused))
    });
    if trace.is_done && !base.results.is_empty() && is_excused {
        return None;
    }
    trace.lacks(base)
}

/// How an unreadable answer was taken for something else.
fn misread(scene: &Scene<'_>, trace: &Trace) -> Option<String> {
    let is_write = scene.is_write();
    let other = trace.errors.iter().find(|error| match error {
        Error::Unexpected { .. } | Error::Unavailable { .. } => false,
        Error::UnknownOutcome { .. } => !is_write,
        _ => true,
    });
    if let Some(error) = other {
        return Some(format!("it is told as {}", trace::kind(error)));
    }
    if !trace.is_done {
        return None;
    }
    // Then it did without that answer, or asked again; or it took it for one.
    let fails = |(row, wanted): (&u64, &lockgate::RecordResult)| {
        trace
            .results
            .get(row)
            .is_some_and(|came| came == wanted || matches!(came.outcome, Outcome::Failed { .. }))
    };
    match is_write && scene.base.results.iter().all(fails) {
        true => None,
        false => trace
            .lacks(&scene.base)
            .map(|lacks| format!("it was taken for an answer: {lacks}")),
    }
}

/// How a guest was stopped, if it was.
fn stopped(trace: &Trace) -> Option<String> {
    let mut errors = trace.errors.iter();
    errors
        .find(|error| !trace::is_of_contract(error))
        .map(ToString::to_string)
}

/// An answer in forms that nobody can read.
fn unreadable_forms(answer: &Answer) -> Vec<(&'static str, Answer)> {
    let with = |body: Json, headers: Map<String, Json>| Answer {
        status: answer.status,
        headers,
        body,
    };
    let html = Map::from_iter([("content-type".to_owned(), Json::from("text/html"))]);
    let mut forms = Vec::new();
    if answer.body.is_null() {
        return forms;
    }
    forms.push(("HTML", with(Json::from(HTML), html)));
    // Half of a text may be one as well, and so may none of it.
    if answer.body.is_object() || answer.body.is_array() {
        let (_, content) = answer.content();
        let half = content.get(..content.len() / 2).unwrap_or_default();
        let half = String::from_utf8_lossy(half).into_owned();
        forms.push((
            "half of the JSON",
            with(Json::from(half), answer.headers.clone()),
        ));
        forms.push(("an empty body", with(Json::Null, answer.headers.clone())));
    }
    forms
}

/// An answer that has this meaning, as the manifest says it.
fn signal(vendor: &VendorManifest, meaning: Meaning) -> Option<Answer> {
    let signal = vendor
        .signals
        .iter()
        .find(|signal| signal.means == meaning)?;
    Some(Answer {
        status: signal.status,
        headers: Map::new(),
        body: Json::from(signal.contains.join(" ")),
    })
}

/// The answer of a product whose calls are used up: as the manifest says it, or as HTTP
/// does (RFC 6585).
fn used_up(vendor: &VendorManifest) -> Answer {
    let signal = signal(vendor, Meaning::BudgetExhausted);
    signal.unwrap_or_else(|| Answer {
        status: 429,
        headers: Map::from_iter([("retry-after".to_owned(), Json::from("1"))]),
        body: Json::Null,
    })
}
