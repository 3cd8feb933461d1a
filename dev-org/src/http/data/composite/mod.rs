//! Several requests in one: `composite`, whose parts may use what earlier parts
//! answered, and its relatives in files of their own. Whatever they hold, each
//! is one request to the daily limit.

pub(super) mod batch;
pub(super) mod graph;
mod part;
mod references;
pub(super) mod tree;

use std::collections::{BTreeMap, HashSet};

use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::part::{Done, error};
use self::references::Known;
use super::call::{Answer, Call};
use super::resource::Resource;
use super::transaction::{self, Held};
use super::version::Version;
use crate::http::answer;

/// Most requests in one.
const MOST: usize = 25;

/// Most of them that are queries or collections.
const MOST_HEAVY: usize = 5;

/// From this version on reference ids are held to their alphabet.
const STRICT_REFERENCES_SINCE: u16 = 54;

const ROLLED_BACK: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Composite {
    #[serde(default)]
    all_or_none: bool,
    /// Lets Salesforce work on several at once; their answers are the same.
    #[serde(rename = "collateSubrequests", default)]
    _collate: bool,
    composite_request: Vec<Subrequest>,
}

/// One request of a composite or a node of a graph.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subrequest {
    method: String,
    /// Begins with `/services/data/`.
    url: String,
    reference_id: String,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    http_headers: BTreeMap<String, String>,
}

/// What came of one request.
#[derive(Debug)]
struct Outcome {
    reference: String,
    done: Done,
    /// Whether the rest may go on as if all were well.
    good: bool,
}

impl Outcome {
    fn refused(reference: &str, code: &str, message: &str) -> Self {
        Self {
            reference: reference.to_owned(),
            done: Done::refused(400, code, message),
            good: false,
        }
    }

    fn json(self) -> Value {
        json!({
            "body": self.done.body,
            "httpHeaders": self.done.headers,
            "httpStatusCode": self.done.status,
            "referenceId": self.reference,
        })
    }
}

/// `GET /composite`
pub(super) fn resources(call: &Call) -> Answer {
    let root = format!("{}/composite", call.version.path());
    let all: Map<String, Value> = ["tree", "batch", "sobjects", "graph"]
        .into_iter()
        .map(|name| (name.to_owned(), json!(format!("{root}/{name}"))))
        .collect();
    Ok(answer::json(200, &Value::Object(all)))
}

/// `POST /composite`
pub(super) fn run(call: &Call) -> Answer {
    let composite: Composite = call.json()?;
    let requests = composite.composite_request;
    let heavy = requests.iter().filter(|request| is_heavy(request)).count();
    let refusal = if requests.len() > MOST {
        Some(format!(
            "The request can’t contain more than {MOST} operations."
        ))
    } else if heavy > MOST_HEAVY {
        Some(format!(
            "The request can’t contain more than {MOST_HEAVY} query or sObject Collections operations."
        ))
    } else {
        None
    };
    if let Some(message) = refusal {
        // Refused as a whole, in the shape of an answer to a part.
        let refused = json!({
            "body": error("LIMIT_EXCEEDED", &message),
            "httpHeaders": {},
            "httpStatusCode": 400,
            "referenceId": null,
        });
        let answer = json!({ "compositeResponse": [refused] });
        return Ok(answer::json(200, &answer));
    }
    let outcomes = if composite.all_or_none {
        all_or_none(call, &requests, |_| Ok(()))
    } else {
        sequence(call, &requests, None, |_| Ok(()))
    };
    let answer = json!({ "compositeResponse": written(outcomes) });
    Ok(answer::json(200, &answer))
}

fn written(outcomes: Vec<Outcome>) -> Value {
    outcomes.into_iter().map(Outcome::json).collect()
}

/// Runs requests of which all are kept or none.
fn all_or_none(
    call: &Call,
    requests: &[Subrequest],
    admit: impl Fn(&Resource) -> Result<(), String>,
) -> Vec<Outcome> {
    let outcomes = transaction::alone(call, |held| {
        let outcomes = sequence(call, requests, Some(held), admit);
        let good = outcomes.iter().all(|outcome| outcome.good);
        (good, outcomes)
    });
    if outcomes.iter().all(|outcome| outcome.good) {
        return outcomes;
    }
    // The culprit keeps its error; all others share the same one.
    let mut outcomes = outcomes.into_iter();
    requests
        .iter()
        .map(|request| match outcomes.next() {
            Some(culprit) if !culprit.good => culprit,
            _ => Outcome::refused(&request.reference_id, "PROCESSING_HALTED", ROLLED_BACK),
        })
        .collect()
}

/// Runs requests in order; in a transaction the first failure ends it.
fn sequence(
    call: &Call,
    requests: &[Subrequest],
    held: Option<&Held>,
    admit: impl Fn(&Resource) -> Result<(), String>,
) -> Vec<Outcome> {
    let mut known = Known::default();
    let mut names = HashSet::new();
    let mut outcomes = Vec::with_capacity(requests.len());
    for request in requests {
        let name = request.reference_id.as_str();
        let outcome = if !names.insert(name) {
            let duplicate = "Duplicate ReferenceId provided in the request.";
            Outcome::refused(name, "INVALID_INPUT", duplicate)
        } else if let Err(message) = check_name(call, name) {
            Outcome::refused(name, "PROCESSING_HALTED", &message)
        } else {
            one(call, request, &known, held, &admit)
        };
        if outcome.good {
            known.add(name, outcome.done.body.clone());
        }
        let ends = held.is_some() && !outcome.good;
        outcomes.push(outcome);
        if ends {
            break;
        }
    }
    outcomes
}

fn one(
    call: &Call,
    request: &Subrequest,
    known: &Known,
    held: Option<&Held>,
    admit: impl Fn(&Resource) -> Result<(), String>,
) -> Outcome {
    let name = request.reference_id.as_str();
    let url = known.in_text(&request.url);
    let body = request.body.as_ref().map(|body| known.in_value(body));
    let (url, body) = match (url, body.transpose()) {
        (Ok(url), Ok(body)) => (url, body),
        (Err(message), _) | (_, Err(message)) => {
            return Outcome::refused(name, "PROCESSING_HALTED", &message);
        }
    };
    let Some((version, resource, query)) = target(&url) else {
        let message = "The requested resource does not exist";
        return Outcome {
            done: Done::refused(404, "NOT_FOUND", message),
            ..Outcome::refused(name, "NOT_FOUND", message)
        };
    };
    if let Err(message) = admit(&resource).and_then(|()| check_kind(&resource)) {
        return Outcome::refused(name, "INVALID_INPUT", &message);
    }
    let all_or_none = body
        .as_ref()
        .and_then(|body| body.get("allOrNone"))
        .is_some_and(|flag| flag == &json!(true));
    let body = body.map_or_else(Default::default, |body| body.to_string().into());
    let mut part = call
        .part(version, &request.method, query, body)
        .within(held);
    for (header, value) in &request.http_headers {
        let (Ok(header), Ok(value)) = (header.parse::<HeaderName>(), HeaderValue::from_str(value))
        else {
            continue;
        };
        part.headers.insert(header, value);
    }
    let done = part::run(&part, &resource);
    // A collection that was rolled back answers 200 all the same.
    let rolled_back = all_or_none && has_failed_records(&done.body);
    Outcome {
        reference: name.to_owned(),
        good: done.is_good() && !rolled_back,
        done,
    }
}

fn has_failed_records(body: &Value) -> bool {
    body.as_array()
        .is_some_and(|records| records.iter().any(|one| one["success"] == json!(false)))
}

/// Version, resource and query string of `/services/data/v60.0/...`.
fn target(url: &str) -> Option<(Version, Resource, &str)> {
    let below = url.strip_prefix("/services/data/")?;
    let (path, query) = below.split_once('?').unwrap_or((below, ""));
    let mut segments = super::segments(path);
    let version = Version::parse(&segments.next()?).ok()?;
    let resource = Resource::parse(&segments.collect::<Vec<_>>())?;
    Some((version, resource, query))
}

/// What a part may ask for. A list of what may, not of what may not: while a
/// transaction holds the records, work that looks for them in the shared place
/// would wait for itself.
fn check_kind(resource: &Resource) -> Result<(), String> {
    use Resource as R;
    match resource {
        R::Root
        | R::Limits
        | R::RecordCount
        | R::Recent
        | R::Objects
        | R::Object(_)
        | R::Describe(_)
        | R::Layouts(..)
        | R::PicklistValues { .. }
        | R::Updated(_)
        | R::Deleted(_)
        | R::Row { .. }
        | R::RowPart { .. }
        | R::External { .. }
        | R::Collections
        | R::CollectionsOf(_)
        | R::CollectionsUpsert { .. }
        | R::Query
        | R::QueryAll
        | R::QueryMore(_)
        | R::Search
        | R::ParameterizedSearch => Ok(()),
        _ => Err("This resource cannot be a part of a composite request.".to_owned()),
    }
}

fn is_heavy(request: &Subrequest) -> bool {
    matches!(
        target(&request.url),
        Some((
            _,
            Resource::Query
                | Resource::QueryAll
                | Resource::QueryMore(_)
                | Resource::Collections
                | Resource::CollectionsOf(_)
                | Resource::CollectionsUpsert { .. },
            _
        ))
    )
}

fn check_name(call: &Call, name: &str) -> Result<(), String> {
    let fits = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if fits || !call.version.is_at_least(STRICT_REFERENCES_SINCE) {
        return Ok(());
    }
    Err(format!(
        "Provided referenceId ('{name}') must start with a letter or a number, and it can contain only letters, numbers and underscores ('_')."
    ))
}
