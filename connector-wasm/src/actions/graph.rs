//! Records that depend on one another, written in one request: each graph is
//! saved whole or not at all.
//!
//! Graphs do not depend on one another, so that many of them go in as few
//! requests as hold them. A request whose answer was lost is not sent again;
//! only graphs that Salesforce says it did not try are.

mod answer;
mod node;
mod plan;

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{at_most, told};
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fault::{Effect, Fault, as_problem, refused};
use crate::host::{Host, Level, Method};
use answer::Fate;
use node::NodeInput;
use plan::{MAX_GRAPHS, MAX_KINDS, MAX_NODES, Plan};

/// Graphs of one call: as many requests as a caller can wait for.
const MAX_GRAPHS_OF_CALL: usize = 300;
/// A bound of ours for one request's body, in bytes.
const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;
/// The version that brought graphs.
const GRAPHS_SINCE: u32 = 50;
/// The pause that a caller is told before what was not sent, in milliseconds.
const PAUSE_MS: u64 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GraphsInput<'a> {
    #[serde(borrow)]
    graphs: Vec<GraphInput<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphInput<'a> {
    #[serde(borrow)]
    nodes: Vec<NodeInput<'a>>,
}

/// Saves graphs, and tells of each what became of its nodes.
pub(super) async fn save<H: Host>(api: &Api<H>, input: GraphsInput<'_>) -> Result<Vec<u8>, Error> {
    at_most("graphs", input.graphs.len(), MAX_GRAPHS_OF_CALL)?;
    let plans = input.graphs.into_iter().enumerate();
    let plans: Vec<Plan<'_>> = plans
        .map(|(at, graph)| Plan::new(graph.nodes).map_err(|problem| plan::in_graph(at, problem)))
        .collect::<Result<_, _>>()?;
    let version = api.version().await?;
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    if major.is_some_and(|major: u32| major < GRAPHS_SINCE) {
        return Err(refused(
            Advice::FixSchema,
            "UNSUPPORTED_API_VERSION",
            &format!("graphs need version {GRAPHS_SINCE}.0 of the API, and {version} is spoken"),
        ));
    }
    let headers = node::headers(api);
    let written = plans.iter().enumerate().map(|(at, plan)| Written {
        at,
        id: format!("g{at}"),
        plan,
        body: plan.written(&format!("g{at}"), &version, &headers),
    });
    let written: Vec<Written<'_>> = written.collect();
    let mut saving = Saving {
        told: vec![None; plans.len()],
        saved: 0,
    };
    saving.all(api, &written).await?;
    let told: Vec<Value> = saving.told.into_iter().flatten().collect();
    Ok(json!({ "saved": saving.saved, "graphs": told })
        .to_string()
        .into_bytes())
}

/// A graph as it goes out.
struct Written<'p> {
    at: usize,
    id: String,
    plan: &'p Plan<'p>,
    body: Vec<u8>,
}

struct Saving {
    told: Vec<Option<Value>>,
    saved: usize,
}

impl Saving {
    async fn all<H: Host>(&mut self, api: &Api<H>, graphs: &[Written<'_>]) -> Result<(), Error> {
        let mut pending: Vec<&Written<'_>> = graphs.iter().collect();
        let calls = batches(&pending);
        let _reserved = if calls > 1 {
            Some(api.reserve(calls).await?)
        } else {
            None
        };
        while !pending.is_empty() {
            let (batch, rest) = pending.split_at(first_batch(&pending));
            let fates = match send(api, batch).await {
                Ok(fates) => fates,
                Err(error) if self.told.iter().all(Option::is_none) => return Err(error),
                Err(error) => {
                    // What is known of the others must not be lost.
                    self.broken(batch, &error);
                    let next = match error {
                        Error::UnknownOutcome | Error::Refused(_) | Error::Unexpected(_) => {
                            Error::Unavailable(PAUSE_MS)
                        }
                        error => error,
                    };
                    self.broken(rest, &next);
                    return Ok(());
                }
            };
            let mut untried = Vec::new();
            for (graph, fate) in batch.iter().zip(fates) {
                match fate {
                    Some(Fate::Known { saved, told }) => {
                        self.saved += usize::from(saved);
                        self.tell(graph, told);
                    }
                    Some(Fate::NotTried) => untried.push(*graph),
                    None => self.broken(&[graph], &Error::UnknownOutcome),
                }
            }
            if untried.len() == batch.len() {
                self.broken(&untried, &Error::Unavailable(PAUSE_MS));
                untried.clear();
            }
            pending = untried.into_iter().chain(rest.iter().copied()).collect();
        }
        Ok(())
    }

    fn tell(&mut self, graph: &Written<'_>, told: Value) {
        if let Some(place) = self.told.get_mut(graph.at) {
            *place = Some(told);
        }
    }

    /// Graphs that came to nothing, or to nobody knows what.
    fn broken(&mut self, graphs: &[&Written<'_>], error: &Error) {
        let outcome = match error {
            Error::UnknownOutcome | Error::Unexpected(_) => "unknown",
            Error::Refused(_) => "failed",
            _ => "not-sent",
        };
        let mut problem = as_problem(error);
        if outcome == "unknown" {
            "the answer was lost: all records of this graph may have been written, or none"
                .clone_into(&mut problem.message);
        }
        for graph in graphs {
            let nodes = graph.plan.nodes.iter();
            let nodes: Vec<Value> = nodes
                .map(|node| json!({ "ref": node.name, "outcome": outcome }))
                .collect();
            let told = json!({
                "outcome": outcome,
                "problems": told::problems(std::slice::from_ref(&problem)),
                "nodes": nodes,
            });
            self.tell(graph, told);
        }
    }
}

/// How many of these graphs the first request holds; at least one.
fn first_batch(graphs: &[&Written<'_>]) -> usize {
    let (mut nodes, mut bytes, mut kinds) = (0, 0, HashSet::new());
    let fitting = graphs.iter().take(MAX_GRAPHS).take_while(|graph| {
        nodes += graph.plan.nodes.len();
        bytes += graph.body.len();
        kinds.extend(graph.plan.kinds());
        nodes <= MAX_NODES && bytes <= MAX_BODY_BYTES && kinds.len() <= MAX_KINDS
    });
    fitting.count().clamp(1, graphs.len().max(1))
}

/// How many requests these graphs need if all are tried.
fn batches(graphs: &[&Written<'_>]) -> usize {
    let (mut rest, mut n) = (graphs, 0);
    while !rest.is_empty() {
        rest = rest.get(first_batch(rest)..).unwrap_or_default();
        n += 1;
    }
    n
}

async fn send<H: Host>(api: &Api<H>, batch: &[&Written<'_>]) -> Result<Vec<Option<Fate>>, Error> {
    let mut body = b"{\"graphs\":[".to_vec();
    for (at, graph) in batch.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&graph.body);
    }
    body.extend_from_slice(b"]}");
    let ask = Ask::new(Method::Post, "/composite/graph", Kind::Write).body(body);
    let answer = api.send(ask).await?;
    if answer.status != 200 {
        return Err(Fault::read(answer.status, &answer.body).error(None, Effect::Write));
    }
    let sent: Vec<(String, &Plan<'_>)> = batch
        .iter()
        .map(|graph| (graph.id.clone(), graph.plan))
        .collect();
    answer::read(&answer.body, &sent).ok_or_else(|| {
        api.host
            .log(Level::Error, "the answer to a write could not be read", &[]);
        Error::UnknownOutcome
    })
}

#[cfg(test)]
mod tests;
