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
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Outcome, Problem, RecordResult,
};
use crate::fault::{Effect, Fault, as_problem, refused};
use crate::host::{Host, Level, Method};
use answer::Fate;
use plan::MAX_KINDS;

pub(crate) use node::NodeInput;
pub(crate) use plan::{MAX_GRAPHS, MAX_NODES, Plan};

/// Graphs of one call: as many requests as a caller can wait for.
const MAX_GRAPHS_OF_CALL: usize = 300;
/// A bound of ours for one request's body, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;
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
    if !are_spoken(api).await? {
        let version = api.version().await?;
        return Err(refused(
            Advice::FixSchema,
            "UNSUPPORTED_API_VERSION",
            &format!("graphs need version {GRAPHS_SINCE}.0 of the API, and {version} is spoken"),
        ));
    }
    let saved = save_plans(api, &plans).await?;
    let n_whole = saved.iter().filter(|saved| saved.is_whole()).count();
    let told: Vec<Value> = plans
        .iter()
        .zip(&saved)
        .map(|(plan, saved)| saved.told(plan))
        .collect();
    Ok(json!({ "saved": n_whole, "graphs": told })
        .to_string()
        .into_bytes())
}

/// Whether the version that is spoken has graphs.
pub(crate) async fn are_spoken<H: Host>(api: &Api<H>) -> Result<bool, Error> {
    let version = api.version().await?;
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    Ok(major.is_none_or(|major: u32| major >= GRAPHS_SINCE))
}

/// What became of one graph.
#[derive(Clone, Debug)]
pub(crate) enum Saved {
    /// It was saved: what was done for each node, in the caller's order.
    Whole(Vec<RecordResult>),
    /// Nothing of it was saved: what was said against each node. Those that are
    /// not to blame say that they were undone.
    Undone(Vec<Vec<Problem>>),
    /// It came to nothing as a whole, or nobody knows to what.
    Broken {
        outcome: &'static str,
        problem: Problem,
    },
}

impl Saved {
    const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole(_))
    }

    /// As the action's output says it.
    fn told(&self, plan: &Plan<'_>) -> Value {
        let names = plan.nodes.iter().map(|node| &node.name);
        match self {
            Self::Whole(results) => {
                let nodes = names.zip(results).map(|(name, result)| {
                    let outcome = match result.outcome {
                        Outcome::Updated => "updated",
                        Outcome::Deleted => "deleted",
                        _ => "created",
                    };
                    json!({ "ref": name, "outcome": outcome, "id": result.id })
                });
                json!({ "outcome": "saved", "nodes": nodes.collect::<Vec<_>>() })
            }
            Self::Undone(refusals) => {
                let nodes = names.zip(refusals).map(|(name, problems)| {
                    if problems.iter().all(answer::is_blameless) {
                        json!({ "ref": name, "outcome": "rolled-back" })
                    } else {
                        json!({
                            "ref": name, "outcome": "failed", "problems": told::problems(problems),
                        })
                    }
                });
                json!({ "outcome": "failed", "nodes": nodes.collect::<Vec<_>>() })
            }
            Self::Broken { outcome, problem } => {
                let nodes: Vec<Value> = names
                    .map(|name| json!({ "ref": name, "outcome": outcome }))
                    .collect();
                json!({
                    "outcome": outcome,
                    "problems": told::problems(std::slice::from_ref(problem)),
                    "nodes": nodes,
                })
            }
        }
    }
}

/// Saves graphs in as few requests as hold them, and says what became of each, in
/// their order.
///
/// An error means that nothing is known of any of them; one that can be tried
/// again, that nothing was done.
pub(crate) async fn save_plans<H: Host>(
    api: &Api<H>,
    plans: &[Plan<'_>],
) -> Result<Vec<Saved>, Error> {
    let version = api.version().await?;
    let headers = node::headers(api);
    let written = plans.iter().enumerate().map(|(at, plan)| Written {
        at,
        id: format!("g{at}"),
        plan,
        body: plan.written(&format!("g{at}"), &version, &headers),
    });
    let written: Vec<Written<'_>> = written.collect();
    let mut saving = Saving {
        saved: vec![None; plans.len()],
    };
    saving.all(api, &written).await?;
    Ok(saving.saved.into_iter().flatten().collect())
}

/// A graph as it goes out.
struct Written<'p> {
    at: usize,
    id: String,
    plan: &'p Plan<'p>,
    body: Vec<u8>,
}

struct Saving {
    saved: Vec<Option<Saved>>,
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
                Err(error) if self.saved.iter().all(Option::is_none) => return Err(error),
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
                    Some(Fate::Known(saved)) => self.note(graph, saved),
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

    fn note(&mut self, graph: &Written<'_>, saved: Saved) {
        if let Some(place) = self.saved.get_mut(graph.at) {
            *place = Some(saved);
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
            let problem = problem.clone();
            self.note(graph, Saved::Broken { outcome, problem });
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
