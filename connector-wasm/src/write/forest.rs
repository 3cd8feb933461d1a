//! Trees on their way. A tree that fits goes in a graph, which Salesforce saves
//! whole or not at all, many of them in one request. One that does not goes level
//! by level: parents first, then their children with the parents' ids.
//!
//! A tree with a record that is wrong by itself is not sent at all. Going level by
//! level, children of a parent that was not written are not sent either, and say
//! so.

use std::collections::HashSet;

use super::bulk::{BulkJob, JOB_ROWS};
use super::collections;
use super::jobs::bulk_job;
use super::plan::Job;
use super::send::{LOCK_PAUSE_MS, LOCK_TRIES, is_locked};
use super::tree::Trees;
use super::{COLLECTIONS_ROWS, Kind, Writer, failed, lost, may_be_tried_again};
use crate::actions::graph::{self, MAX_BODY_BYTES, MAX_GRAPHS, MAX_NODES, NodeInput, Plan, Saved};
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Outcome, Problem, RecordResult, RelatedResult, RowResult,
};
use crate::body::{Key, read_rows};
use crate::fault::{as_problem, problem};
use crate::host::Host;
use crate::wire::{self, push_text};

/// The most graphs and records that one call of the writer sends: some twenty
/// requests, and twice that if Salesforce stops at failed graphs. The host lets
/// 100 of a call out.
const GRAPHS_OF_STEP: usize = 300;
const NODES_OF_STEP: usize = 12 * MAX_NODES;

/// The most bytes of records that go by one bulk job: they are held several times
/// while they are taken apart.
const LEVEL_BYTES: usize = 8 * 1024 * 1024;

/// Records with their children, and what is known of each.
#[derive(Debug)]
pub(super) struct Forest<H: Host> {
    /// The number of the first root among all records of the write.
    first: u64,
    trees: Trees,
    /// The places of each tree's records.
    members: Vec<Vec<usize>>,
    results: Vec<Option<RecordResult>>,
    /// Trees that go in graphs and are not done.
    in_graphs: Vec<bool>,
    lock_tries: u32,
    bulk: Option<(Vec<usize>, BulkJob<H>)>,
    /// Records that were locked in a job, and go again by collections.
    locked: HashSet<usize>,
    n_jobs: usize,
}

impl<H: Host> Forest<H> {
    pub(super) fn new(trees: Trees, first: u64, writer: &Writer<H>) -> Self {
        let mut members = vec![Vec::new(); trees.n_roots];
        for (at, node) in trees.nodes.iter().enumerate() {
            if let Some(members) = members.get_mut(node.root) {
                members.push(at);
            }
        }
        let in_graphs = members.iter().map(|members: &Vec<usize>| {
            // More records without children than one request takes go in fewer calls
            // by collections.
            let pays = members.len() > 1 || trees.n_roots <= MAX_GRAPHS;
            writer.kind() == Some(Kind::Graph) && (pays || writer.is_forced)
        });
        let mut forest = Self {
            in_graphs: in_graphs.collect(),
            first,
            results: vec![None; trees.nodes.len()],
            members,
            trees,
            lock_tries: 0,
            bulk: None,
            locked: HashSet::new(),
            n_jobs: 0,
        };
        let is_wrong = |tree: &Vec<usize>| {
            let mut nodes = tree.iter().filter_map(|at| forest.trees.nodes.get(*at));
            nodes.any(|node| node.problem.is_some())
        };
        let wrong: Vec<bool> = forest.members.iter().map(is_wrong).collect();
        let is_any = wrong.contains(&true);
        for (tree, is_wrong) in wrong.into_iter().enumerate() {
            if is_wrong || (writer.all_or_none && is_any) {
                forest.leave_out(tree);
            }
        }
        forest
    }

    /// A tree that is not sent, since something in it is wrong.
    fn leave_out(&mut self, tree: usize) {
        for at in self.members.get(tree).cloned().unwrap_or_default() {
            let node = self.trees.nodes.get_mut(at);
            let problem = node
                .and_then(|node| node.problem.take())
                .unwrap_or_else(|| not_sent("another record that is written with it is wrong"));
            self.tell(at, failed(None, vec![problem]));
        }
        self.out_of_graphs(tree);
    }

    /// Whether every record has its result.
    pub(super) fn is_done(&self) -> bool {
        self.results.iter().all(Option::is_some)
    }

    /// The results of the roots, with those of their children in them.
    pub(super) fn results(self) -> Vec<RowResult> {
        let mut results = self.results;
        let mut take = |at: usize| {
            let result = results.get_mut(at).and_then(Option::take);
            result.unwrap_or_else(lost)
        };
        let members = self.members.iter().enumerate();
        let rows = members.map(|(tree, members)| {
            let mut outcome = take(tree);
            for at in members.iter().copied().filter(|at| *at != tree) {
                let (Some(node), Some(kind)) = (self.trees.nodes.get(at), self.trees.kind_of(at))
                else {
                    continue;
                };
                let result = take(at);
                outcome.related.push(RelatedResult {
                    pointer: node.pointer.clone(),
                    object: kind.object.clone(),
                    id: result.id,
                    outcome: result.outcome,
                });
            }
            RowResult {
                row: self.first + tree as u64,
                outcome,
            }
        });
        rows.collect()
    }

    /// Goes on, by as many requests as one call may make. After an error that can
    /// be tried again nothing is lost.
    pub(super) async fn step(&mut self, writer: &Writer<H>) -> Result<(), Error> {
        if self.in_graphs.contains(&true) {
            return self.by_graphs(writer).await;
        }
        if self.bulk.is_some() {
            return self.look_at_job(writer).await;
        }
        self.next_level(writer).await
    }

    async fn by_graphs(&mut self, writer: &Writer<H>) -> Result<(), Error> {
        let groups = self.next_groups(writer.all_or_none);
        let texts: Vec<String> = groups
            .iter()
            .map(|group| self.graph(&self.places(group)))
            .collect();
        let mut plans = Vec::with_capacity(groups.len());
        let mut planned = Vec::with_capacity(groups.len());
        for (group, text) in groups.into_iter().zip(&texts) {
            let nodes: Option<Vec<NodeInput<'_>>> = wire::read(text.as_bytes());
            match Plan::new(nodes.unwrap_or_default()) {
                Ok(plan) => {
                    plans.push(plan);
                    planned.push(group);
                }
                Err(problem) if writer.all_or_none => return Err(Error::Refused(problem)),
                // Too large, too deep, too many kinds, or with a text that a graph
                // cannot hold.
                Err(_) => group.into_iter().for_each(|tree| self.out_of_graphs(tree)),
            }
        }
        if plans.is_empty() {
            return Ok(());
        }
        let saved = match graph::save_plans(&writer.api, &plans).await {
            Ok(saved) => saved,
            Err(error) if may_be_tried_again(&error) => return Err(error),
            Err(error) => {
                let problem = as_problem(&error);
                let outcome = "unknown";
                vec![Saved::Broken { outcome, problem }; planned.len()]
            }
        };
        self.note_graphs(writer, planned, saved).await;
        Ok(())
    }

    /// The next trees that go in graphs, each by itself or all together.
    fn next_groups(&mut self, all_or_none: bool) -> Vec<Vec<usize>> {
        let pending = self.in_graphs.iter().enumerate();
        let pending: Vec<usize> = pending
            .filter_map(|(tree, is_pending)| is_pending.then_some(tree))
            .collect();
        if all_or_none {
            return vec![pending];
        }
        let mut groups = Vec::new();
        let mut n_nodes = 0;
        for tree in pending.into_iter().take(GRAPHS_OF_STEP) {
            let places = self.places(&[tree]);
            let bytes: usize = places.iter().map(|at| self.trees.size(*at)).sum();
            if places.len() > MAX_NODES || bytes > MAX_BODY_BYTES {
                self.out_of_graphs(tree);
                continue;
            }
            n_nodes += places.len();
            if n_nodes > NODES_OF_STEP {
                break;
            }
            groups.push(vec![tree]);
        }
        groups
    }

    /// The records of some trees.
    fn places(&self, trees: &[usize]) -> Vec<usize> {
        let trees = trees.iter().filter_map(|tree| self.members.get(*tree));
        trees.flatten().copied().collect()
    }

    /// Records as the nodes that the action `save-graph` takes.
    fn graph(&self, places: &[usize]) -> String {
        let mut out = b"[".to_vec();
        for at in places {
            if out.len() > 1 {
                out.push(b',');
            }
            self.push_node(&mut out, *at);
        }
        out.push(b']');
        String::from_utf8(out).unwrap_or_default()
    }

    fn push_node(&self, out: &mut Vec<u8>, at: usize) {
        let (Some(node), Some(kind)) = (self.trees.nodes.get(at), self.trees.kind_of(at)) else {
            return;
        };
        let parent = node
            .parent
            .map(|parent| format!("{{\"ref\":\"n{parent}\"}}"));
        let array = format!("[{}]", self.trees.json(at, parent.as_deref()));
        let rows = read_rows(array.as_bytes(), kind.verb().keyed_by());
        let Some(Ok(row)) = rows.ok().and_then(|mut rows| rows.pop()) else {
            return;
        };
        out.extend_from_slice(format!("{{\"ref\":\"n{at}\",\"object\":").as_bytes());
        push_text(out, &kind.object);
        match (&row.key, kind.verb().field()) {
            (Key::External { raw, .. }, Some(field)) => {
                out.extend_from_slice(b",\"method\":\"upsert\",\"key_field\":");
                push_text(out, field);
                out.extend_from_slice(b",\"key\":");
                out.extend_from_slice(raw.as_bytes());
            }
            (Key::Id(id), _) => {
                out.extend_from_slice(b",\"method\":\"update\",\"id\":");
                push_text(out, id);
            }
            _ => {}
        }
        out.extend_from_slice(b",\"fields\":");
        out.extend_from_slice(&row.alone());
        out.push(b'}');
    }

    /// Notes what became of graphs. Those that were locked, and those that were not
    /// sent beside others that were, go again with the next step.
    async fn note_graphs(
        &mut self,
        writer: &Writer<H>,
        groups: Vec<Vec<usize>>,
        saved: Vec<Saved>,
    ) {
        let is_passing = |saved: &Saved| {
            matches!(saved, Saved::Broken { problem, .. }
                if matches!(problem.advice, Advice::Retry | Advice::WaitForQuota))
        };
        let none_was_sent = saved.iter().all(is_passing);
        let mut is_locked = false;
        for (group, saved) in groups.into_iter().zip(saved) {
            if is_passing(&saved) && !none_was_sent {
                continue;
            }
            if self.lock_tries < LOCK_TRIES && met_a_lock(&saved) {
                is_locked = true;
                continue;
            }
            let places = self.places(&group);
            match saved {
                Saved::Whole(results) => {
                    for (at, result) in places.into_iter().zip(results) {
                        self.tell(at, result);
                    }
                }
                Saved::Undone(refusals) => {
                    for (at, problems) in places.into_iter().zip(refusals) {
                        self.tell(at, failed(None, problems));
                    }
                }
                Saved::Broken { problem, .. } => {
                    for at in places {
                        self.tell(at, failed(None, vec![problem.clone()]));
                    }
                }
            }
            group.into_iter().for_each(|tree| self.out_of_graphs(tree));
        }
        if is_locked {
            writer.api.host.wait(LOCK_PAUSE_MS << self.lock_tries).await;
            self.lock_tries += 1;
        }
    }

    /// Writes the next records whose parents are written.
    async fn next_level(&mut self, writer: &Writer<H>) -> Result<(), Error> {
        let Some((kind, mut places)) = self.next_ready() else {
            return Ok(());
        };
        let Some(kind) = self.trees.kinds.get(kind).cloned() else {
            return Ok(());
        };
        // Rows of one parent meet in a job, which has no order: those that were
        // locked go by themselves.
        let are_locked = places.iter().any(|at| self.locked.contains(at));
        if are_locked {
            places.retain(|at| self.locked.contains(at));
        }
        let by_bulk = !are_locked && writer.level_goes_by_bulk(&kind.object, places.len());
        let (max_rows, max_bytes) = match by_bulk {
            true => (JOB_ROWS, LEVEL_BYTES),
            false => (COLLECTIONS_ROWS, usize::MAX),
        };
        let mut json = b"[".to_vec();
        let mut some = Vec::new();
        for at in places.into_iter().take(max_rows) {
            let record = self.trees.json(at, self.parent_id(at).as_deref());
            if !some.is_empty() {
                if json.len() + record.len() > max_bytes {
                    break;
                }
                json.push(b',');
            }
            json.extend_from_slice(record.as_bytes());
            some.push(at);
        }
        json.push(b']');
        let job = Job::new(&kind.object, &kind.operation);
        let rows = read_rows(&json, job.verb.keyed_by())?;
        if by_bulk {
            let note = writer.name.as_ref().map(|name| {
                let (first, n_jobs) = (self.first, self.n_jobs);
                format!("write/{name}/{first}.{n_jobs}")
            });
            let numbered = some.iter().copied().zip(rows);
            let (bulk, refused) = bulk_job(&job, numbered, note);
            self.n_jobs += 1;
            for (at, result) in refused {
                self.tell(at, result);
            }
            if !bulk.is_empty() {
                let (_, bulk) = self.bulk.insert((some, bulk));
                bulk.start(&writer.api, &job).await?;
            }
            return Ok(());
        }
        let results = match collections::run(&writer.api, job, rows, &writer.pace).await {
            Ok(results) => results,
            Err(error) if may_be_tried_again(&error) => return Err(error),
            Err(error) => vec![failed(None, vec![as_problem(&error)]); some.len()],
        };
        for (at, result) in some.into_iter().zip(results) {
            self.tell(at, result);
        }
        Ok(())
    }

    /// The first kind of record that is not done, and its records whose parents
    /// are written. Those of other parents get their result here.
    fn next_ready(&mut self) -> Option<(usize, Vec<usize>)> {
        for kind in 0..self.trees.kinds.len() {
            let mut ready = Vec::new();
            for at in 0..self.results.len() {
                let is_open = self.results.get(at).is_some_and(Option::is_none);
                let node = self.trees.nodes.get(at).filter(|node| node.kind == kind);
                let Some(node) = node.filter(|_| is_open) else {
                    continue;
                };
                if node.parent.is_none() || self.parent_id(at).is_some() {
                    ready.push(at);
                } else {
                    let problem = not_sent("the record that holds it was not written");
                    self.tell(at, failed(None, vec![problem]));
                }
            }
            if !ready.is_empty() {
                return Some((kind, ready));
            }
        }
        None
    }

    /// The id of the record that holds this one, as JSON, if it was written.
    fn parent_id(&self, at: usize) -> Option<String> {
        let parent = self.trees.nodes.get(at)?.parent?;
        let result = self.results.get(parent)?.as_ref()?;
        match (&result.outcome, &result.id) {
            (Outcome::Failed(_), _) | (_, None) => None,
            (_, Some(id)) => Some(format!("\"{id}\"")),
        }
    }

    async fn look_at_job(&mut self, writer: &Writer<H>) -> Result<(), Error> {
        let Some((places, bulk)) = &mut self.bulk else {
            return Ok(());
        };
        let kind = places.first().and_then(|at| self.trees.kind_of(*at));
        let Some(kind) = kind else { return Ok(()) };
        let job = Job::new(&kind.object, &kind.operation);
        if !bulk.look(&writer.api, &job).await? {
            return Ok(());
        }
        let results = bulk.results(&job, usize::MAX).results;
        self.bulk = None;
        let goes_again = writer.locked_rows_go_again(job.verb);
        for (at, result) in results {
            if goes_again && is_locked(&result) {
                self.locked.insert(at);
            } else {
                self.tell(at, result);
            }
        }
        Ok(())
    }

    fn tell(&mut self, at: usize, result: RecordResult) {
        if let Some(place) = self.results.get_mut(at) {
            *place = Some(result);
        }
    }

    fn out_of_graphs(&mut self, tree: usize) {
        if let Some(place) = self.in_graphs.get_mut(tree) {
            *place = false;
        }
    }
}

fn met_a_lock(saved: &Saved) -> bool {
    match saved {
        Saved::Undone(refusals) => {
            let mut problems = refusals.iter().flatten();
            problems.any(|problem| problem.code == "UNABLE_TO_LOCK_ROW")
        }
        Saved::Whole(_) | Saved::Broken { .. } => false,
    }
}

/// A record that is fine by itself, as far as is known.
fn not_sent(why: &str) -> Problem {
    problem(
        Advice::RolledBack,
        "PROCESSING_HALTED",
        &format!("not sent: {why}"),
    )
}
