//! Up to 25 requests in one call: `composite`, whose parts may use what earlier
//! ones answered, and `composite-batch`, whose parts know nothing of one another.
//!
//! Each part tells its own outcome: one that failed is told apart from those
//! that were only undone or left out because of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::{at_most, told};
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::fault::{Effect, Fault, refused};
use crate::host::{Host, Level, Method};
use crate::names;
use crate::wire::{self, RowResult};

/// Salesforce's bound of requests in one.
const MAX_PARTS: usize = 25;
/// Its bound of queries and collections among those of a composite.
const MAX_HEAVY: usize = 5;

/// The code of parts that were undone or not tried because of others.
const HALTED: &str = "PROCESSING_HALTED";
/// How its message starts where the part itself is not to blame.
const BLAMELESS: &str = "The transaction was rolled back";
/// How a batch answers for what it left out.
const LEFT_OUT: u16 = 412;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompositeInput<'a> {
    #[serde(borrow)]
    pub(super) requests: Vec<PartInput<'a>>,
    #[serde(default)]
    pub(super) all_or_none: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchInput<'a> {
    #[serde(borrow)]
    requests: Vec<BatchPartInput<'a>>,
    #[serde(default)]
    halt_on_error: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartInput<'a> {
    #[serde(default, rename = "ref")]
    name: Option<String>,
    method: Verb,
    url: String,
    #[serde(default, borrow)]
    body: Option<&'a RawValue>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchPartInput<'a> {
    method: Verb,
    url: String,
    #[serde(default, borrow)]
    body: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// A part as Salesforce reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    method: Verb,
    url: String,
    reference_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    http_headers: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchPart<'a> {
    method: Verb,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rich_input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Answers<'a> {
    #[serde(borrow, rename = "compositeResponse")]
    parts: Vec<PartAnswer<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartAnswer<'a> {
    #[serde(default, borrow)]
    body: Option<&'a RawValue>,
    http_status_code: u16,
    /// Nothing where all parts are refused together.
    #[serde(default)]
    reference_id: Option<String>,
}

#[derive(Deserialize)]
struct BatchAnswers<'a> {
    #[serde(borrow)]
    results: Vec<BatchAnswer<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchAnswer<'a> {
    status_code: u16,
    #[serde(default, borrow)]
    result: Option<&'a RawValue>,
}

/// A composite that is ready to be sent.
pub(super) struct Asked {
    names: Vec<String>,
    verbs: Vec<Verb>,
    body: Vec<u8>,
}

/// What became of a part.
pub(super) struct Fate<'a> {
    name: Option<&'a str>,
    pub(super) outcome: &'static str,
    status: u16,
    pub(super) body: Option<&'a RawValue>,
    pub(super) problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    outcome: &'static str,
    status: u16,
    body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<told::Told<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    done: usize,
    results: Vec<Told<'a>>,
}

impl<'a> PartInput<'a> {
    /// A part without headers, named by its place.
    pub(super) const fn new(method: Verb, url: String, body: Option<&'a RawValue>) -> Self {
        Self {
            name: None,
            method,
            url,
            body,
            headers: BTreeMap::new(),
        }
    }
}

/// Does requests one after another; later ones may use what earlier ones
/// answered.
pub(super) async fn composite<H: Host>(
    api: &Api<H>,
    input: CompositeInput<'_>,
) -> Result<Vec<u8>, Error> {
    let Some(mut asked) = Asked::of(&input, &api.version().await?)? else {
        return Ok(none());
    };
    let answer = asked.send(api).await?;
    Ok(written(&asked.fates(api, &answer)?))
}

impl Asked {
    /// The requests as Salesforce reads them; nothing if there are none.
    pub(super) fn of(input: &CompositeInput<'_>, version: &str) -> Result<Option<Self>, Error> {
        let requests = &input.requests;
        at_most("requests", requests.len(), MAX_PARTS)?;
        let names = part_names(requests)?;
        let mut parts = Vec::with_capacity(requests.len());
        for (request, name) in requests.iter().zip(&names) {
            parts.push(Part {
                method: request.method,
                url: format!("/services/data/{}", below_data(&request.url, version)?),
                reference_id: name,
                body: request.body,
                http_headers: &request.headers,
            });
        }
        let heavy = parts.iter().filter(|part| is_heavy(&part.url)).count();
        at_most("queries and collections", heavy, MAX_HEAVY)?;
        let verbs = requests.iter().map(|request| request.method).collect();
        let body = json!({ "allOrNone": input.all_or_none }).to_string();
        let body = with_list(&body, "compositeRequest", &parts);
        Ok(body.map(|body| Self { names, verbs, body }))
    }

    /// Sends them, and gives the body of the answer.
    pub(super) async fn send<H: Host>(&mut self, api: &Api<H>) -> Result<Vec<u8>, Error> {
        let body = std::mem::take(&mut self.body);
        send(api, "/composite", &self.verbs, body).await
    }

    /// What became of each part, in their order.
    pub(super) fn fates<'a, H: Host>(
        &'a self,
        api: &Api<H>,
        answer: &'a [u8],
    ) -> Result<Vec<Fate<'a>>, Error> {
        let answers: Option<Answers<'_>> = wire::read(answer);
        let parts = answers.map(|answers| answers.parts).unwrap_or_default();
        if let [refusal] = parts.as_slice()
            && refusal.reference_id.is_none()
            && let Some(body) = refusal.body
        {
            let fault = Fault::read(refusal.http_status_code, body.get().as_bytes());
            return Err(fault.error(None, Effect::Write));
        }
        let by_name: HashMap<&str, &PartAnswer<'_>> = parts
            .iter()
            .filter_map(|part| Some((part.reference_id.as_deref()?, part)))
            .collect();
        let fates = self.names.iter().zip(&self.verbs).map(|(name, verb)| {
            let part = *by_name.get(name.as_str())?;
            Some(fate(Some(name), *verb, part.http_status_code, part.body))
        });
        let Some(mut fates) = fates.collect::<Option<Vec<Fate<'_>>>>() else {
            return Err(unreadable(api, &self.verbs));
        };
        tell_culprits(&mut fates);
        Ok(fates)
    }
}

/// Does requests that know nothing of one another.
pub(super) async fn batch<H: Host>(api: &Api<H>, input: BatchInput<'_>) -> Result<Vec<u8>, Error> {
    let requests = input.requests;
    at_most("requests", requests.len(), MAX_PARTS)?;
    let version = api.version().await?;
    let mut parts = Vec::with_capacity(requests.len());
    for request in &requests {
        parts.push(BatchPart {
            method: request.method,
            url: below_data(&request.url, &version)?,
            rich_input: request.body,
        });
    }
    let verbs: Vec<Verb> = requests.iter().map(|request| request.method).collect();
    let body = json!({ "haltOnError": input.halt_on_error }).to_string();
    let Some(body) = with_list(&body, "batchRequests", &parts) else {
        return Ok(none());
    };
    let answer = send(api, "/composite/batch", &verbs, body).await?;
    let results = wire::read::<BatchAnswers<'_>>(&answer).map(|answers| answers.results);
    let Some(results) = results.filter(|results| results.len() == verbs.len()) else {
        return Err(unreadable(api, &verbs));
    };
    let fates = results.iter().zip(&verbs);
    let fates: Vec<Fate<'_>> = fates
        .map(|(result, verb)| {
            let mut fate = fate(None, *verb, result.status_code, result.result);
            if result.status_code == LEFT_OUT && fate.problems.iter().any(is_halted) {
                fate.outcome = "not-tried";
            }
            fate
        })
        .collect();
    Ok(written(&fates))
}

/// The names of parts, those made up that have none.
fn part_names(requests: &[PartInput<'_>]) -> Result<Vec<String>, Error> {
    let mut seen = HashSet::new();
    let names = requests.iter().enumerate().map(|(at, request)| {
        let name = request.name.clone().unwrap_or_else(|| format!("r{at}"));
        if names::key_field(&name).is_err() {
            return Err(wrong(
                "a ref has letters, digits and _ only, and starts with a letter",
            ));
        }
        if !seen.insert(name.clone()) {
            return Err(wrong(&format!("two requests bear the ref {name}")));
        }
        Ok(name)
    });
    names.collect()
}

/// What follows `/services/data/`: with the version that is spoken, unless the
/// address has one.
fn below_data(url: &str, version: &str) -> Result<String, Error> {
    match url.strip_prefix("/services/data/") {
        Some(below) => Ok(below.to_owned()),
        None if url.starts_with('/') && !url.starts_with("/services/") => {
            Ok(format!("v{version}{url}"))
        }
        None => Err(wrong(
            "a url starts with /, and is either below the version or begins with /services/data/",
        )),
    }
}

/// Whether Salesforce counts a part's address among the queries and
/// collections.
fn is_heavy(url: &str) -> bool {
    // `/services/data/v62.0/query?q=…`
    let resource = url.splitn(5, '/').nth(4).unwrap_or_default();
    let (resource, _) = resource.split_once('?').unwrap_or((resource, ""));
    matches!(resource.split('/').next(), Some("query" | "queryAll"))
        || resource.starts_with("composite/sobjects")
}

/// An object of JSON with one more member, a list; nothing if the list is
/// empty, since there is nothing to ask for then.
fn with_list<T: Serialize>(object: &str, name: &str, list: &[T]) -> Option<Vec<u8>> {
    let open = object.strip_suffix('}')?;
    let list = (!list.is_empty()).then(|| serde_json::to_string(list).ok())??;
    Some(format!("{open},\"{name}\":{list}}}").into_bytes())
}

fn none() -> Vec<u8> {
    br#"{"done":0,"results":[]}"#.to_vec()
}

async fn send<H: Host>(
    api: &Api<H>,
    path: &str,
    verbs: &[Verb],
    body: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    let kind = if only_reads(verbs) {
        Kind::Query { page_size: None }
    } else {
        Kind::Write
    };
    api.fetch(Ask::new(Method::Post, path, kind).body(body), None)
        .await
}

fn only_reads(verbs: &[Verb]) -> bool {
    verbs.iter().all(|verb| *verb == Verb::Get)
}

fn unreadable<H: Host>(api: &Api<H>, verbs: &[Verb]) -> Error {
    if only_reads(verbs) {
        return crate::fault::unexpected("an answer for each request");
    }
    api.host
        .log(Level::Error, "the answer to a write could not be read", &[]);
    Error::UnknownOutcome
}

/// What a part's answer says of it alone.
fn fate<'a>(
    name: Option<&'a str>,
    verb: Verb,
    status: u16,
    body: Option<&'a RawValue>,
) -> Fate<'a> {
    let bytes = body.map_or(b"".as_slice(), |body| body.get().as_bytes());
    let (outcome, problems) = match status {
        200..=299 | 304 if verb == Verb::Get => ("done", Vec::new()),
        200..=299 => of_rows(bytes),
        _ => {
            let problems = Fault::read(status, bytes).all_problems(None);
            let undone = problems.iter().all(is_blameless);
            (if undone { "rolled-back" } else { "failed" }, problems)
        }
    };
    Fate {
        name,
        outcome,
        status,
        body,
        problems,
    }
}

/// A collection is answered with 200 also if its records failed.
fn of_rows(body: &[u8]) -> (&'static str, Vec<Problem>) {
    let rows: Vec<RowResult> = wire::read(body).unwrap_or_default();
    let failed = rows.iter().filter(|row| !row.success);
    let problems: Vec<Problem> = failed
        .flat_map(|row| &row.errors)
        .map(|entry| entry.problem(400, None))
        .collect();
    let outcome = match rows.iter().filter(|row| row.success).count() {
        n if n == rows.len() => "done",
        0 => "failed",
        _ => "partly-done",
    };
    (outcome, problems)
}

/// A part that refers to one that failed is not to blame; one that refers to
/// what was never there is.
fn tell_culprits(fates: &mut [Fate<'_>]) {
    let is_halted = |fate: &Fate<'_>| {
        fate.outcome == "failed" && !fate.problems.is_empty() && fate.problems.iter().all(is_halted)
    };
    let others_failed = fates
        .iter()
        .any(|fate| fate.outcome == "failed" && !is_halted(fate));
    for fate in fates.iter_mut().filter(|fate| is_halted(fate)) {
        if others_failed {
            fate.outcome = "not-tried";
        } else {
            for problem in &mut fate.problems {
                problem.advice = Advice::FixRecord;
            }
        }
    }
}

fn is_halted(problem: &Problem) -> bool {
    problem.code == HALTED || problem.code == "BATCH_PROCESSING_HALTED"
}

fn is_blameless(problem: &Problem) -> bool {
    problem.code == HALTED && problem.message.starts_with(BLAMELESS)
}

fn written(fates: &[Fate<'_>]) -> Vec<u8> {
    let results = fates.iter().map(|fate| Told {
        name: fate.name,
        outcome: fate.outcome,
        status: fate.status,
        body: fate.body,
        problems: told::problems(&fate.problems),
    });
    let output = Output {
        done: fates.iter().filter(|fate| fate.outcome == "done").count(),
        results: results.collect(),
    };
    serde_json::to_vec(&output).unwrap_or_default()
}

fn wrong(message: &str) -> Error {
    refused(Advice::FixRecord, "INVALID_INPUT", message)
}

#[cfg(test)]
mod tests;
