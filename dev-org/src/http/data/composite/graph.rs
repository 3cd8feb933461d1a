//! `POST /composite/graph`: several composites of up to 500 parts, each of them
//! a transaction of its own.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Outcome, ROLLED_BACK, Subrequest, all_or_none, references, target, written};
use crate::fault::Fault;
use crate::http::answer;
use crate::http::data::call::{Answer, Call};
use crate::http::data::resource::Resource;

/// Most graphs in one request.
const MOST_GRAPHS: usize = 75;
/// Most parts of all graphs together.
const MOST_NODES: usize = 500;
/// Most parts that hang on one another in a row.
const MOST_DEEP: usize = 15;
/// Most kinds of parts: version, method and object together.
const MOST_KINDS: usize = 15;
/// With one more failed graph the rest is not tried.
const MOST_FAILED: usize = 14;
/// Most characters of a graph's id.
const LONGEST_ID: usize = 40;

#[derive(Debug, Deserialize)]
struct Graphs {
    graphs: Vec<Graph>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Graph {
    graph_id: String,
    composite_request: Vec<Subrequest>,
}

/// Answers all graphs, in order.
pub(in crate::http::data) fn run(call: &Call) -> Answer {
    let body: Graphs = call.json()?;
    check(&body.graphs)?;
    let mut failed = 0;
    let mut graphs = Vec::with_capacity(body.graphs.len());
    for graph in &body.graphs {
        let outcomes = if failed > MOST_FAILED {
            halted(graph)
        } else {
            all_or_none(call, &graph.composite_request, admit)
        };
        let good = outcomes.iter().all(|outcome| outcome.good);
        failed += usize::from(!good);
        graphs.push(json!({
            "graphId": graph.graph_id,
            "graphResponse": { "compositeResponse": written(outcomes) },
            "isSuccessful": good,
        }));
    }
    Ok(answer::json(200, &json!({ "graphs": graphs })))
}

fn halted(graph: &Graph) -> Vec<Outcome> {
    let requests = graph.composite_request.iter();
    requests
        .map(|request| Outcome::refused(&request.reference_id, "PROCESSING_HALTED", ROLLED_BACK))
        .collect()
}

/// Graphs are made of records, not of queries or collections.
fn admit(resource: &Resource) -> Result<(), String> {
    match resource {
        Resource::Object(_) | Resource::Row { .. } | Resource::External { .. } => Ok(()),
        _ => Err("A composite graph supports only sObject resources.".to_owned()),
    }
}

/// The limits of the request as a whole.
fn check(graphs: &[Graph]) -> Result<(), Fault> {
    let too_many = |what: &str, most: usize| {
        Err(Fault::bad_request(
            "LIMIT_EXCEEDED",
            format!("The composite graph request exceeds the limit of {most} {what}."),
        ))
    };
    if graphs.len() > MOST_GRAPHS {
        return too_many("graphs", MOST_GRAPHS);
    }
    let all = || graphs.iter().flat_map(|graph| &graph.composite_request);
    if all().count() > MOST_NODES {
        return too_many("nodes", MOST_NODES);
    }
    let kinds: HashSet<_> = all().map(kind).collect();
    if kinds.len() > MOST_KINDS {
        return too_many("different nodes", MOST_KINDS);
    }
    if graphs.iter().any(|graph| depth(graph) > MOST_DEEP) {
        return too_many("levels in a graph", MOST_DEEP);
    }
    let mut ids = HashSet::new();
    for graph in graphs {
        let id = graph.graph_id.as_str();
        let fits = id.starts_with(|first: char| first.is_ascii_alphanumeric())
            && id.len() <= LONGEST_ID
            && !id.contains(['.', '{', '}', '"']);
        if !fits || !ids.insert(id) {
            return Err(Fault::bad_request(
                "INVALID_INPUT",
                format!(
                    "The graphId '{id}' has to be unique, start with a letter or a number and have {LONGEST_ID} characters at most."
                ),
            ));
        }
    }
    Ok(())
}

/// What makes two nodes different: version, method and object.
fn kind(request: &Subrequest) -> (String, String, String) {
    let place = target(&request.url).map(|(version, resource, _)| {
        let object = match resource {
            Resource::Object(object)
            | Resource::Row { object, .. }
            | Resource::External { object, .. } => object,
            _ => String::new(),
        };
        (version.name(), object.to_lowercase())
    });
    let (version, object) = place.unwrap_or_default();
    (version, request.method.to_uppercase(), object)
}

/// The longest chain of nodes that use one another's answers.
fn depth(graph: &Graph) -> usize {
    let mut depths: HashMap<&str, usize> = HashMap::new();
    for request in &graph.composite_request {
        let body = request.body.as_ref().map(Value::to_string);
        let used = references::names(&request.url);
        let of_body = references::names(body.as_deref().unwrap_or_default());
        let above = used
            .iter()
            .chain(&of_body)
            .filter_map(|name| depths.get(*name));
        let depth = 1 + above.max().copied().unwrap_or(0);
        depths.insert(&request.reference_id, depth);
    }
    depths.into_values().max().unwrap_or(0)
}
