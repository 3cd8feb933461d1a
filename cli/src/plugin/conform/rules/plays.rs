//! What each rule plays, and what is wrong about what comes of it.

use std::time::Duration;

use anyhow::Result;
use lockgate::manifest::{Meaning, VendorManifest};
use lockgate::{Advice, Error, Outcome};

use super::faults::{signal, unreadable_forms, used_up};
use super::{Failure, Verdict};
use crate::plugin::conform::scene::{Played, Scene};
use crate::plugin::conform::trace::{self, Trace};
use crate::plugin::product::Fault;

/// How long an answer is waited for that nobody wants any more, until it is noticed.
const PATIENCE: Duration = Duration::from_secs(10);

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

pub(super) async fn pages(scenes: &[Scene<'_>]) -> Result<Verdict> {
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

pub(super) async fn expired_token(
    scenes: &[Scene<'_>],
    vendor: &VendorManifest,
) -> Result<Verdict> {
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

pub(super) async fn over_quota(scenes: &[Scene<'_>], vendor: &VendorManifest) -> Result<Verdict> {
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

pub(super) async fn unreadable(scenes: &[Scene<'_>]) -> Result<Verdict> {
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

pub(super) async fn broken_off(scenes: &[Scene<'_>]) -> Result<Verdict> {
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

pub(super) async fn given_up(scenes: &[Scene<'_>]) -> Result<Verdict> {
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

pub(super) async fn big_batch(scenes: &[Scene<'_>], vendor: &VendorManifest) -> Result<Verdict> {
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

pub(super) async fn lost_create(scenes: &[Scene<'_>]) -> Result<Verdict> {
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
