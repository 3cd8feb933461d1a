//! What became of graphs: which node failed, and which were only undone with
//! it.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::node::{NodeInput, Verb};
use super::plan::Plan;
use crate::actions::told;
use crate::bindings::exports::lockgate::connector::records::{Advice, Problem};
use crate::fault::{Fault, problem};
use crate::wire::{self, RowResult};

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
    /// As it is told.
    Known { saved: bool, told: Value },
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
    let told: Vec<Value> = if answer.is_successful {
        nodes
            .iter()
            .map(|(node, answer)| done(node, answer))
            .collect()
    } else {
        let failures: Vec<Option<Vec<Problem>>> = nodes
            .iter()
            .map(|(node, answer)| failure(node, answer))
            .collect();
        if failures.iter().all(Option::is_none) {
            return Some(Fate::NotTried);
        }
        let told = nodes.iter().zip(failures);
        told.map(|((node, _), failure)| match failure {
            Some(problems) => json!({
                "ref": node.name, "outcome": "failed", "problems": told::problems(&problems),
            }),
            None => json!({ "ref": node.name, "outcome": "rolled-back" }),
        })
        .collect()
    };
    let outcome = if answer.is_successful {
        "saved"
    } else {
        "failed"
    };
    Some(Fate::Known {
        saved: answer.is_successful,
        told: json!({ "outcome": outcome, "nodes": told }),
    })
}

fn done(node: &NodeInput<'_>, answer: &NodeAnswer<'_>) -> Value {
    let result: Option<RowResult> = wire::read(answer.body());
    let created = result.as_ref().and_then(|result| result.created);
    let outcome = match (node.verb, created, answer.http_status_code) {
        (Verb::Delete, ..) => "deleted",
        (Verb::Create, ..) | (Verb::Upsert, Some(true), _) | (Verb::Upsert, None, 201) => "created",
        (Verb::Update | Verb::Upsert, ..) => "updated",
    };
    let id = result
        .and_then(|result| result.id)
        .or_else(|| node.known_id());
    json!({ "ref": node.name, "outcome": outcome, "id": id })
}

/// Why a node failed; nothing for one that was only undone.
fn failure(node: &NodeInput<'_>, answer: &NodeAnswer<'_>) -> Option<Vec<Problem>> {
    let status = answer.http_status_code;
    match status {
        300 => {
            let mut several = problem(
                Advice::ResolveDuplicate,
                "DUPLICATE_EXTERNAL_ID",
                "several records hold this key",
            );
            several.object = Some(node.object.clone());
            return Some(vec![several]);
        }
        200..=299 => return None,
        _ => {}
    }
    let fault = Fault::read(status, answer.body());
    let mut problems = fault.all_problems(Some(&node.object));
    let blameless =
        |problem: &Problem| problem.code == HALTED && problem.message.starts_with(BLAMELESS);
    if problems.iter().all(blameless) {
        return None;
    }
    for problem in &mut problems {
        // A halted node with words of its own refers to what is not there; and
        // what a create or an upsert does not find is no record.
        let not_found = problem.code == "NOT_FOUND";
        if problem.code == HALTED {
            problem.advice = Advice::FixRecord;
        } else if not_found && matches!(node.verb, Verb::Create | Verb::Upsert) {
            problem.advice = Advice::FixSchema;
        }
    }
    Some(problems)
}
