//! Which way a write goes, and why.

use super::bulk::{JOB_BYTES, JOB_ROWS};
use super::collections::too_many_for_all_or_none;
use super::plan::MAX_ROWS;
use super::{State, Writer, wrong};
use crate::actions::graph::{self, MAX_GRAPHS, MAX_NODES};
use crate::bindings::exports::lockgate::connector::records::{Error, Operation, WriteOptions};
use crate::host::{Host, Member};
use crate::names;

/// From here on a bulk job costs fewer calls than collections, and Salesforce
/// asks for it.
pub(super) const BULK_FROM_ROWS: usize = 2_000;

/// The longest name of a write that can be taken up again, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// The ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Collections,
    Bulk,
    /// A bulk job that deletes for good: past the bin, from which records could
    /// be taken back.
    HardDelete,
    Graph,
}

impl Kind {
    /// What callers call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Collections => "collections",
            Self::Bulk => "bulk",
            Self::HardDelete => "hard-delete",
            Self::Graph => "graph",
        }
    }

    fn named(name: &str) -> Result<Self, Error> {
        [
            Self::Collections,
            Self::Bulk,
            Self::HardDelete,
            Self::Graph,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| {
            wrong(
                "a write goes by one of the ways `collections`, `bulk`, `graph` and `hard-delete`",
            )
        })
    }
}

/// About how many calls a bulk job takes: three to begin, one or two for its
/// results, and looks at it between them.
const CALLS_OF_JOB: usize = 7;

/// How much there is to write.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    /// Records, and those that they hold.
    rows: usize,
    bytes: usize,
    /// Those of them that go in graphs, and the graphs.
    rows_in_graphs: usize,
    graphs: usize,
    /// Those that go one level after the other.
    rows_in_levels: usize,
}

impl Work {
    pub(super) const fn of_rows(rows: usize, bytes: usize) -> Self {
        Self {
            rows,
            bytes,
            rows_in_graphs: rows,
            graphs: rows,
            rows_in_levels: 0,
        }
    }

    /// One more record.
    pub(super) const fn add_row(&mut self, bytes: usize) {
        self.add_tree(1, bytes, true);
    }

    /// One more record with those that it holds.
    pub(super) const fn add_tree(&mut self, rows: usize, bytes: usize, fits_a_graph: bool) {
        if rows == 0 {
            return;
        }
        self.rows += rows;
        self.bytes += bytes;
        if fits_a_graph {
            self.rows_in_graphs += rows;
            self.graphs += 1;
        } else {
            self.rows_in_levels += rows;
        }
    }

    /// About how many calls a way takes, descriptions of objects left out.
    pub(super) fn calls(&self, kind: Kind) -> usize {
        let by_collections = |rows: usize| rows.div_ceil(MAX_ROWS);
        match kind {
            Kind::Collections => by_collections(self.rows),
            Kind::Bulk | Kind::HardDelete => {
                let jobs = self
                    .rows
                    .div_ceil(JOB_ROWS)
                    .max(self.bytes.div_ceil(JOB_BYTES));
                jobs * CALLS_OF_JOB
            }
            Kind::Graph => {
                let by_graphs = self.graphs.div_ceil(MAX_GRAPHS);
                by_graphs.max(self.rows_in_graphs.div_ceil(MAX_NODES))
                    + by_collections(self.rows_in_levels)
            }
        }
    }
}

/// A way, and why it is taken.
pub(super) type Choice = (Kind, String);

/// The way that the options leave.
pub(super) fn forced(
    options: &WriteOptions,
    operation: &Operation,
) -> Result<Option<Choice>, Error> {
    if let Some(name) = &options.name {
        let is_sound = (1..=MAX_NAME_BYTES).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !is_sound {
            return Err(wrong(
                "a write's name has 1 to 64 characters of A-Z a-z 0-9 . _ -",
            ));
        }
    }
    let asked = options.way.as_deref().map(Kind::named).transpose()?;
    match (asked, options.all_or_none, &options.name) {
        (Some(Kind::HardDelete), ..) if !matches!(operation, Operation::Delete) => {
            Err(wrong("the way `hard-delete` is one of deleting"))
        }
        (Some(Kind::Bulk | Kind::HardDelete), true, _) => {
            Err(wrong("a bulk job cannot undo all if one record fails"))
        }
        (Some(Kind::Collections | Kind::Graph), _, Some(_)) => Err(wrong(
            "only a write by a bulk job has a name and can be taken up again",
        )),
        (Some(Kind::Graph), ..) if matches!(operation, Operation::Update | Operation::Delete) => {
            Err(wrong("a write by graphs creates or upserts"))
        }
        (_, true, Some(_)) => Err(wrong(
            "a write that undoes all if one record fails cannot be taken up again",
        )),
        (Some(kind), ..) => Ok(Some((kind, "it was asked for".to_owned()))),
        (None, _, Some(_)) => Ok(Some((
            Kind::Bulk,
            "the write has a name, and only a bulk job can be taken up again".to_owned(),
        ))),
        (None, _, None) => Ok(None),
    }
}

/// Refuses records of a write that undoes all if one fails which do not go in one
/// request.
fn keep_to_one_request<H: Host>(state: &State<H>, kind: Option<Kind>) -> Result<(), Error> {
    let max_rows = match kind {
        Some(Kind::Collections) if state.has_trees => {
            return Err(wrong(
                "only a graph undoes records with those that they hold: leave the way out, or take \
                 `graph`",
            ));
        }
        Some(Kind::Collections) => MAX_ROWS,
        // Before the end, more may come, and hold children.
        _ => MAX_NODES,
    };
    match state.n_pushed > max_rows {
        true => Err(too_many_for_all_or_none()),
        false => Ok(()),
    }
}

impl<H: Host> Writer<H> {
    /// The way, once it can be told; all records are there at the end.
    pub(super) async fn choose(
        &self,
        state: &State<H>,
        is_end: bool,
    ) -> Result<Option<Kind>, Error> {
        if self.way.borrow().is_none() {
            let chosen = self.chosen(state, is_end).await?;
            self.way.replace(chosen);
        }
        let kind = self.kind();
        if self.all_or_none {
            keep_to_one_request(state, kind)?;
        }
        Ok(kind)
    }

    /// The way of new records that their number alone tells, before any is read.
    pub(super) async fn choose_unread(
        &self,
        state: &mut State<H>,
        batch: &H::Batch,
    ) -> Result<(), Error> {
        let host = &self.api.host;
        let count = host.count(batch);
        let is_open = self.way.borrow().is_none() && !(self.all_or_none || self.dry_run);
        let is_many = !state.has_trees && state.n_pushed + count >= BULK_FROM_ROWS;
        if !(is_open && is_many && matches!(self.operation, Operation::Create)) {
            return Ok(());
        }
        let is_plain = |members: Vec<Member>| members.iter().all(|member| !member.nested);
        if host.outline(batch).is_some_and(is_plain) {
            state.n_pushed += count;
            let chosen = self.choose(state, false).await;
            state.n_pushed -= count;
            chosen?;
        }
        Ok(())
    }

    async fn chosen(&self, state: &State<H>, is_end: bool) -> Result<Option<Choice>, Error> {
        let rows = state.n_pushed;
        if self.all_or_none {
            // More may come, and hold children.
            let choice = match state.has_trees {
                true => (Kind::Graph, "one graph is saved whole or not at all"),
                false => (Kind::Collections, "only they undo all if one record fails"),
            };
            return Ok(is_end.then(|| (choice.0, choice.1.to_owned())));
        }
        let work = Work::of_rows(rows, state.held.bytes());
        if state.has_trees {
            let (kind, reason) = self.chosen_for_trees().await?;
            return Ok(Some(
                self.within_budget(kind, work).unwrap_or((kind, reason)),
            ));
        }
        if let Some(reason) = self.no_bulk(&self.object) {
            return Ok(Some((Kind::Collections, reason)));
        }
        if rows >= BULK_FROM_ROWS {
            let reason = format!("from {BULK_FROM_ROWS} records on it costs fewer calls");
            return Ok(Some((Kind::Bulk, reason)));
        }
        if !is_end {
            return Ok(None);
        }
        let reason = format!("{rows} records are few, and their results come at once");
        let choice = self.within_budget(Kind::Collections, work);
        Ok(Some(choice.unwrap_or((Kind::Collections, reason))))
    }

    /// A bulk job, if a way takes more calls than are left and the job does not.
    fn within_budget(&self, kind: Kind, work: Work) -> Option<Choice> {
        let left = self.api.host.calls_left()?;
        let fits = |calls: usize| u64::try_from(calls).is_ok_and(|calls| calls <= left);
        let (calls, of_bulk) = (work.calls(kind), work.calls(Kind::Bulk));
        if fits(calls) || !fits(of_bulk) || self.no_bulk(&self.object).is_some() {
            return None;
        }
        let (way, bulk) = (kind.name(), Kind::Bulk);
        let reason = format!(
            "the way {way} takes {calls} calls, and of the day's budget {left} are left; this takes \
             about {of_bulk}"
        );
        Some((bulk, reason))
    }

    async fn chosen_for_trees(&self) -> Result<Choice, Error> {
        if graph::are_spoken(&self.api).await? {
            let reason = "records that hold others are saved whole or not at all, many in one call";
            return Ok((Kind::Graph, reason.to_owned()));
        }
        let reason = "the API version has no graphs: records go before those that they hold";
        Ok((Kind::Collections, reason.to_owned()))
    }

    /// Why records of an object cannot go by a bulk job.
    fn no_bulk(&self, object: &str) -> Option<String> {
        if let Some(header) = self.api.settings.header_of_single_requests() {
            return Some(format!("a bulk job does not heed the setting {header}"));
        }
        (!names::is_bulk_object(object)).then(|| format!("bulk jobs do not know {object}"))
    }

    /// Whether some records of one level of trees go by a bulk job.
    pub(super) fn level_goes_by_bulk(&self, object: &str, rows: usize) -> bool {
        match self.kind() {
            Some(Kind::Bulk) if self.is_forced => true,
            Some(Kind::Collections) if self.is_forced => false,
            _ => rows >= BULK_FROM_ROWS && self.no_bulk(object).is_none(),
        }
    }
}
