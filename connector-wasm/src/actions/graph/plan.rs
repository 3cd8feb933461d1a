//! A graph before it is sent: checked as a whole, and its nodes in an order in
//! which each comes after those that it refers to.

use std::collections::HashSet;

use super::node::{NodeInput, Places, Verb};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::fault::problem;
use crate::wire::push_text;

/// Salesforce's bounds of one request: nodes of all graphs together, graphs,
/// and kinds of nodes (method and object).
pub(crate) const MAX_NODES: usize = 500;
pub(crate) const MAX_GRAPHS: usize = 75;
pub(super) const MAX_KINDS: usize = 15;
/// Salesforce's bound of nodes that refer to one another in a row.
const MAX_DEPTH: usize = 15;

/// A graph that can be sent.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// In the caller's order.
    pub(super) nodes: Vec<NodeInput<'a>>,
    /// In the order in which they are sent.
    order: Vec<usize>,
}

impl<'a> Plan<'a> {
    /// Checks a graph; the problem names the node.
    pub(crate) fn new(nodes: Vec<NodeInput<'a>>) -> Result<Self, Problem> {
        if nodes.is_empty() || nodes.len() > MAX_NODES {
            return Err(wrong(&format!(
                "a graph has 1 to {MAX_NODES} nodes: split what does not depend on one another"
            )));
        }
        let places = places(&nodes);
        if places.len() < nodes.len() {
            return Err(wrong("two nodes have the same ref"));
        }
        let mut used = Vec::with_capacity(nodes.len());
        for node in &nodes {
            let places_used = resolve(node, &nodes, &places).map_err(|mut problem| {
                problem.message = format!("node {}: {}", node.name, problem.message);
                problem.object.get_or_insert_with(|| node.object.clone());
                problem
            })?;
            used.push(places_used);
        }
        let order = order(&used)?;
        let plan = Self { nodes, order };
        let kinds: HashSet<_> = plan.kinds().collect();
        if kinds.len() > MAX_KINDS {
            return Err(wrong(&format!(
                "Salesforce takes {MAX_KINDS} kinds of nodes, each a method and an object"
            )));
        }
        Ok(plan)
    }

    /// What Salesforce counts as different nodes.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (Verb, String)> {
        self.nodes.iter().map(|node| {
            // Both are PATCH.
            let verb = match node.verb {
                Verb::Upsert => Verb::Update,
                verb => verb,
            };
            (verb, node.object.to_ascii_lowercase())
        })
    }

    /// The graph as Salesforce wants it.
    pub(super) fn written(&self, id: &str, version: &str, headers: &[u8]) -> Vec<u8> {
        let places = places(&self.nodes);
        let mut out = b"{\"graphId\":".to_vec();
        push_text(&mut out, id);
        out.extend_from_slice(b",\"compositeRequest\":[");
        let nodes = self.order.iter().filter_map(|at| self.nodes.get(*at));
        for (at, node) in nodes.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            node.push(&mut out, version, headers, &self.nodes, &places);
        }
        out.extend_from_slice(b"]}");
        out
    }
}

fn places<'n>(nodes: &'n [NodeInput<'_>]) -> Places<'n> {
    let nodes = nodes.iter().enumerate();
    nodes.map(|(at, node)| (node.name.as_str(), at)).collect()
}

/// The places of the nodes that a node refers to.
fn resolve(
    node: &NodeInput<'_>,
    nodes: &[NodeInput<'_>],
    places: &Places<'_>,
) -> Result<Vec<usize>, Problem> {
    let used = node.check()?;
    let place = |name: &String| {
        let at = places
            .get(name.as_str())
            .copied()
            .ok_or_else(|| wrong(&format!("there is no node with the ref {name}")))?;
        match nodes.get(at) {
            Some(other) if other.verb == Verb::Delete => Err(wrong(&format!(
                "{name} is deleted, so nothing can refer to it"
            ))),
            _ => Ok(at),
        }
    };
    used.iter().map(place).collect()
}

/// An order in which each node comes after those it uses: the caller's, where
/// that is one.
fn order(used: &[Vec<usize>]) -> Result<Vec<usize>, Problem> {
    let mut depths: Vec<Option<usize>> = vec![None; used.len()];
    let mut order = Vec::with_capacity(used.len());
    let depth_of = |depths: &[Option<usize>], at: usize| -> Option<usize> {
        let above = used.get(at)?.iter();
        let above: Option<Vec<usize>> = above
            .map(|other| depths.get(*other).copied().flatten())
            .collect();
        Some(1 + above?.into_iter().max().unwrap_or(0))
    };
    while order.len() < used.len() {
        let next = (0..used.len()).find_map(|at| {
            let is_open = depths.get(at).is_some_and(Option::is_none);
            let depth = is_open.then(|| depth_of(&depths, at)).flatten()?;
            Some((at, depth))
        });
        let Some((at, depth)) = next else {
            return Err(wrong("nodes refer to one another in a circle"));
        };
        if depth > MAX_DEPTH {
            return Err(wrong(&format!(
                "more than {MAX_DEPTH} nodes refer to one another in a row"
            )));
        }
        if let Some(place) = depths.get_mut(at) {
            *place = Some(depth);
        }
        order.push(at);
    }
    Ok(order)
}

fn wrong(message: &str) -> Problem {
    problem(Advice::FixRecord, "INVALID_INPUT", message)
}

/// The refusal of a call because of one of its graphs.
pub(super) fn in_graph(at: usize, mut problem: Problem) -> Error {
    problem.message = format!("graph {}: {}", at + 1, problem.message);
    Error::Refused(problem)
}
