//! What became of graphs: which node failed, and which were only undone with
//! it.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Saved;
use super::node::{NodeInput, Verb};
use super::plan::Plan;
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Outcome, Problem, RecordResult,
};
use crate::fault::{Fault, problem};
use crate::wire::{self, RowResult};
use crate::write;

/// The code of nodes that were undone or not tried because of others.
const HALTED: &str = "PROCESSING_HALTED";
/// How its message starts where the node itself is not to blame.
const BLAMELESS: &str = "The transaction was rolled back";

#[derive(Deserialize)]
struct Answers<'a> {
    #[serde(borrow)]
    graphs: Vec<GraphAnswer<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GraphAnswer<'a> {
    graph_id: String,
    is_successful: bool,
    #[serde(borrow)]
    graph_response: GraphResponse<'a>,
}

#[derive(Deserialize)]
struct GraphResponse<'a> {
    #[serde(borrow, rename = "compositeResponse")]
    nodes: Vec<NodeAnswer<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeAnswer<'a> {
    #[serde(default, borrow)]
    body: Option<&'a RawValue>,
    http_status_code: u16,
    reference_id: String,
}

impl NodeAnswer<'_> {
    fn body(&self) -> &[u8] {
        self.body.map_or(b"", |body| body.get().as_bytes())
    }
}

/// What became of one graph.
#[derive(Debug)]
pub(super) enum Fate {
    Known(Saved),
    /// Salesforce stopped before this graph, since too many others failed.
    NotTried,
}

/// Reads the answer; nothing for a graph of which it does not speak legibly.
pub(super) fn read(body: &[u8], sent: &[(String, &Plan<'_>)]) -> Option<Vec<Option<Fate>>> {
    let Answers { graphs } = wire::read(body)?;
    let answers: HashMap<&str, &GraphAnswer<'_>> = graphs
        .iter()
        .map(|graph| (graph.graph_id.as_str(), graph))
        .collect();
    let fates = sent
        .iter()
        .map(|(id, plan)| fate(plan, answers.get(id.as_str())?));
    Some(fates.collect())
}

fn fate(plan: &Plan<'_>, answer: &GraphAnswer<'_>) -> Option<Fate> {
    let answers: HashMap<&str, &NodeAnswer<'_>> = answer
        .graph_response
        .nodes
        .iter()
        .map(|node| (node.reference_id.as_str(), node))
        .collect();
    let nodes = plan
        .nodes
        .iter()
        .map(|node| Some((node, *answers.get(node.name.as_str())?)));
    let nodes: Vec<(&NodeInput<'_>, &NodeAnswer<'_>)> = nodes.collect::<Option<_>>()?;
    let is_done = |answer: &NodeAnswer<'_>| (200..=299).contains(&answer.http_status_code);
    if nodes
        .iter()
        .any(|(_, node)| is_done(node) != answer.is_successful)
    {
        // Whole or not at all: this is neither.
        return None;
    }
    if answer.is_successful {
        let done = nodes.iter().map(|(node, answer)| done(node, answer));
        return Some(Fate::Known(Saved::Whole(done.collect())));
    }
    let refusals: Vec<Vec<Problem>> = nodes
        .iter()
        .map(|(node, answer)| refusals(node, answer))
        .collect();
    if was_not_tried(&refusals) {
        return Some(Fate::NotTried);
    }
    Some(Fate::Known(Saved::Undone(refusals)))
}

fn done(node: &NodeInput<'_>, answer: &NodeAnswer<'_>) -> RecordResult {
    let result: Option<RowResult> = wire::read(answer.body());
    let created = result.as_ref().and_then(|result| result.created);
    let outcome = match (node.verb, created, answer.http_status_code) {
        (Verb::Delete, ..) => Outcome::Deleted,
        (Verb::Create, ..) | (Verb::Upsert, Some(true), _) | (Verb::Upsert, None, 201) => {
            Outcome::Created
        }
        (Verb::Update | Verb::Upsert, ..) => Outcome::Updated,
    };
    let id = result
        .and_then(|result| result.id)
        .or_else(|| node.known_id());
    write::told(id, outcome)
}

/// Whether a node was only undone with others.
pub(super) fn is_blameless(problem: &Problem) -> bool {
    problem.code == HALTED && problem.message.starts_with(BLAMELESS)
}

/// Without a culprit among them, all nodes are halted with the same words.
fn was_not_tried(refusals: &[Vec<Problem>]) -> bool {
    let mut all = refusals.iter().flatten();
    let first = all.next();
    first.is_some_and(|first| {
        first.code == HALTED
            && all.all(|other| other.code == HALTED && other.message == first.message)
    })
}

/// What Salesforce says against a node.
fn refusals(node: &NodeInput<'_>, answer: &NodeAnswer<'_>) -> Vec<Problem> {
    let status = answer.http_status_code;
    if status == 300 {
        let mut several = problem(
            Advice::ResolveDuplicate,
            "DUPLICATE_EXTERNAL_ID",
            "several records hold this key",
        );
        several.object = Some(node.object.clone());
        return vec![several];
    }
    let fault = Fault::read(status, answer.body());
    let mut problems = fault.all_problems(Some(&node.object));
    for problem in problems.iter_mut().filter(|problem| !is_blameless(problem)) {
        // A halted node with words of its own refers to what is not there; and
        // what a create or an upsert does not find is no record.
        let not_found = problem.code == "NOT_FOUND";
        if problem.code == HALTED {
            problem.advice = Advice::FixRecord;
        } else if not_found && matches!(node.verb, Verb::Create | Verb::Upsert) {
            problem.advice = Advice::FixSchema;
        }
    }
    problems
}
