//! A write that writes nothing: each record is held against the description of its
//! object, upserts are looked up where that decides, and the way and its calls are
//! told.

use std::collections::HashSet;

use super::absent::Keys;
use super::check::{Asked, Question, Seen};
use super::choice::{Kind, Work};
use super::held::Chunk;
use super::plan::Verb;
use super::tree::Trees;
use super::{
    FOREST_BYTES, FOREST_ROWS, State, Writer, collections, failed, failed_as_one,
    may_be_tried_again, row_result, told,
};
use crate::actions::graph::MAX_NODES;
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Outcome, Problem, RecordResult, RelatedResult, RowResult,
};
use crate::body::{Row, read_rows};
use crate::fault::problem;
use crate::host::Host;

/// What a dry run has found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    seen: Seen,
    keys: Keys,
    /// What would be written.
    pub(super) work: Work,
    /// Objects whose descriptions the write needs as well.
    needed: HashSet<String>,
}

impl Found {
    /// About how many calls the write takes.
    pub(super) fn calls(&self, kind: Kind) -> usize {
        self.work.calls(kind) + self.needed.len()
    }
}

impl<H: Host> Writer<H> {
    /// Gives results of records that are held, until none are.
    pub(super) async fn check(
        &self,
        state: &mut State<H>,
        kind: Option<Kind>,
        is_end: bool,
    ) -> Result<Vec<RowResult>, Error> {
        if self.all_or_none && !is_end {
            return Ok(Vec::new());
        }
        let max_rows = if self.all_or_none {
            MAX_NODES
        } else {
            FOREST_ROWS
        };
        let mut results = Vec::new();
        let mut n_look_ups = 0;
        while let Some(chunk) = state.held.take(max_rows, FOREST_BYTES) {
            let (found, n) = (&mut state.found, &mut n_look_ups);
            let checked = match self.hold_children(&chunk.json) {
                true => self.check_trees(kind, &chunk, found, n).await,
                false => self.check_rows(&chunk, found, n).await,
            };
            match checked {
                Ok(Some(checked)) => results.extend(checked),
                // The next call goes on.
                Ok(None) => {
                    state.held.put_back(chunk);
                    break;
                }
                // What is known is told first; the next call meets the error again.
                Err(_) if !results.is_empty() => {
                    state.held.put_back(chunk);
                    break;
                }
                Err(error) => {
                    if !may_be_tried_again(&error) {
                        state.found.keys = Keys::default();
                    }
                    results.extend(failed_as_one(state, chunk, error)?);
                }
            }
        }
        if self.all_or_none && results.iter().any(|row| !is_sound(&row.outcome)) {
            for row in &mut results {
                if is_sound(&row.outcome) {
                    row.outcome = collections::rolled_back();
                }
            }
            state.found.work = Work::default();
        }
        Ok(results)
    }

    /// Results of records that hold no others; `None` if too many look-ups are needed
    /// for this call.
    async fn check_rows(
        &self,
        chunk: &Chunk,
        found: &mut Found,
        n_look_ups: &mut usize,
    ) -> Result<Option<Vec<RowResult>>, Error> {
        let described = self.schema.of(&self.api, &self.object).await?;
        let job = self.job();
        let rows = self.rows(&chunk.json)?;
        let asked = rows.iter().map(|row| match row {
            Ok(row) => Ok(Question::new(job.verb, &described, &self.schema, None, row)),
            Err(problem) => Err(vec![of_object(problem.clone(), job.object)]),
        });
        let mut asked: Vec<Asked<'_, '_>> = asked.collect();
        if !found.keys.tell(&self.api, n_look_ups, &mut asked).await? {
            return Ok(None);
        }
        if job.verb == Verb::Delete && chunk.rows > 1 {
            found.needed.insert(self.object.clone());
        }
        let results = (chunk.first..).zip(asked).map(|(number, asked)| {
            let outcome = match asked {
                Ok(question) => {
                    let problems = question.problems(&mut found.seen);
                    if problems.is_empty() {
                        found.work.add_row(question.row.size());
                    }
                    answer(problems)
                }
                Err(problems) => answer(problems),
            };
            row_result(number, outcome)
        });
        Ok(Some(results.collect()))
    }

    /// The same of trees.
    async fn check_trees(
        &self,
        kind: Option<Kind>,
        chunk: &Chunk,
        found: &mut Found,
        n_look_ups: &mut usize,
    ) -> Result<Option<Vec<RowResult>>, Error> {
        let (api, schema) = (&self.api, &self.schema);
        let trees = Trees::of(api, schema, &self.object, &self.operation, &chunk.json).await?;
        if self.all_or_none && trees.nodes.len() > MAX_NODES {
            return Err(collections::too_many_for_all_or_none());
        }
        let mut described = Vec::with_capacity(trees.kinds.len());
        for kind in &trees.kinds {
            described.push(schema.of(api, &kind.object).await?);
        }
        let texts = (0..trees.nodes.len()).map(|at| format!("[{}]", trees.json(at, None)));
        let texts: Vec<String> = texts.collect();
        let rows = trees.nodes.iter().zip(&texts).map(|(node, text)| {
            let keyed_by = trees.kinds.get(node.kind)?.verb().keyed_by();
            read_rows(text.as_bytes(), keyed_by).ok()?.pop()
        });
        let rows: Vec<Option<Result<Row<'_>, Problem>>> = rows.collect();
        let asked = trees.nodes.iter().zip(&rows).map(|(node, row)| {
            if let Some(problem) = &node.problem {
                return Err(vec![problem.clone()]);
            }
            let place = node.kind;
            let (Some(kind), Some(described)) = (trees.kinds.get(place), described.get(place))
            else {
                return Err(Vec::new());
            };
            let parent_field = kind.parent_field.as_deref();
            match row {
                Some(Ok(row)) => {
                    let verb = kind.verb();
                    Ok(Question::new(verb, described, schema, parent_field, row))
                }
                Some(Err(problem)) => Err(vec![of_object(problem.clone(), &kind.object)]),
                None => Err(Vec::new()),
            }
        });
        let mut asked: Vec<Asked<'_, '_>> = asked.collect();
        if !found.keys.tell(api, n_look_ups, &mut asked).await? {
            return Ok(None);
        }
        let problems = asked.into_iter().map(|asked| match asked {
            Ok(question) => question.problems(&mut found.seen),
            Err(problems) => problems,
        });
        let problems: Vec<Vec<Problem>> = problems.collect();
        let parents = trees.nodes.iter().filter_map(|node| node.parent);
        let parents = parents.filter_map(|parent| trees.kind_of(parent));
        found.needed.extend(parents.map(|kind| kind.object.clone()));
        let mut members = vec![Vec::new(); trees.n_roots];
        for (at, node) in trees.nodes.iter().enumerate() {
            if let Some(members) = members.get_mut(node.root) {
                members.push(at);
            }
        }
        let has_problem = |at: &usize| problems.get(*at).is_some_and(|found| !found.is_empty());
        let results = members.iter().enumerate().map(|(root, members)| {
            let is_whole = kind == Some(Kind::Graph) && members.len() <= MAX_NODES;
            // What is wrong by itself keeps the whole tree from being sent.
            let mut nodes = members.iter().filter_map(|at| trees.nodes.get(*at));
            let is_wrong = nodes.any(|node| node.problem.is_some())
                || (is_whole && members.iter().any(has_problem));
            let outcome = |at: usize| {
                let found = problems.get(at).cloned().unwrap_or_default();
                let parent = trees.nodes.get(at).and_then(|node| node.parent);
                match found.is_empty() {
                    true if is_wrong => answer(vec![not_sent()]),
                    // Parents stand before their children.
                    true if parent.as_ref().is_some_and(has_problem) => answer(vec![not_sent()]),
                    _ => answer(found),
                }
            };
            let mut whole = outcome(root);
            let mut sound = usize::from(is_sound(&whole));
            for at in members.iter().copied().filter(|at| *at != root) {
                let (Some(node), Some(kind)) = (trees.nodes.get(at), trees.kind_of(at)) else {
                    continue;
                };
                let result = outcome(at);
                sound += usize::from(is_sound(&result));
                whole.related.push(RelatedResult {
                    pointer: node.pointer.clone(),
                    object: kind.object.clone(),
                    id: result.id,
                    outcome: result.outcome,
                });
            }
            let bytes = members.iter().map(|at| trees.size(*at)).sum();
            found
                .work
                .add_tree(sound, bytes, members.len() <= MAX_NODES);
            row_result(chunk.first + root as u64, whole)
        });
        Ok(Some(results.collect()))
    }
}

fn answer(problems: Vec<Problem>) -> RecordResult {
    match problems.is_empty() {
        true => told(None, Outcome::Checked),
        false => failed(None, problems),
    }
}

fn is_sound(result: &RecordResult) -> bool {
    result.outcome == Outcome::Checked
}

fn of_object(mut problem: Problem, object: &str) -> Problem {
    problem.object.get_or_insert_with(|| object.to_owned());
    problem
}

fn not_sent() -> Problem {
    problem(
        Advice::RolledBack,
        "PROCESSING_HALTED",
        "this record is fine, but it would not be written: another one that is written with it is \
         wrong",
    )
}
