//! Records that go out as collections without being read here: the host holds them,
//! makes the bodies of them, and tells of those that were not simply written.
//!
//! Only records that need no look go this way: new ones, with nothing in them but
//! plain values. Which of them name one parent is told by a column or two.

use super::collections::{Slots, explain_fields};
use super::held::Chunk;
use super::pace::Pace;
use super::parent::{grouped, may_be_parent, named};
use super::plan::{Job, MAX_ROWS, Verb};
use super::send::{Parents, is_locked, overlapping, send_locked};
use super::{COLLECTIONS_ROWS, State, Writer, failed, failed_as_one, route, row_result};
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{
    Error, Outcome, RecordResult, RowResult,
};
use crate::body::{Row, collection_head, read_rows};
use crate::describe::is_about_fields;
use crate::fault::as_problem;
use crate::host::{BatchFrame, Form, Host, Method, Sent, Told};
use crate::wire;

/// The most columns that are read to find parents: for more, all is read.
const MAX_COLUMNS: usize = 4;

/// How the records of a batch go out.
#[derive(Debug)]
pub(super) struct Plan {
    /// By their places, those of one parent beside one another.
    order: Vec<u32>,
    /// The parent that each names; empty if none does.
    parents: Vec<Option<String>>,
}

/// What became of the records of a batch, by their places.
#[derive(Debug)]
pub(super) struct Passed<W> {
    /// Those of which there is more to say than that they were created.
    pub(super) told: Vec<(u32, RecordResult)>,
    /// Answers that told of the others, and of which records.
    pub(super) written: Vec<(W, Vec<u32>)>,
}

/// What is known after a push.
#[derive(Debug)]
pub(crate) struct Pushed<W> {
    pub(crate) rows: Vec<RowResult>,
    /// Answers that told of records that were created, and the number of each.
    pub(crate) written: Vec<(W, Vec<u64>)>,
}

impl<W> Default for Pushed<W> {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

impl<W> Pushed<W> {
    pub(super) const fn of(rows: Vec<RowResult>) -> Self {
        Self {
            rows,
            written: Vec::new(),
        }
    }

    /// Whether nothing is known.
    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.written.is_empty()
    }

    /// Adds what else is known.
    pub(super) fn add(&mut self, more: Self) {
        self.rows.extend(more.rows);
        self.written.extend(more.written);
    }
}

impl<H: Host> Writer<H> {
    /// Takes records that the host holds, and gives results that are known by now.
    pub(crate) async fn push_batch(&self, batch: &H::Batch) -> Result<Pushed<H::Written>, Error> {
        let mut state = self.take_state()?;
        let outcome = self.push_to(&mut state, batch).await;
        self.state.replace(Some(state));
        outcome
    }

    async fn push_to(
        &self,
        state: &mut State<H>,
        batch: &H::Batch,
    ) -> Result<Pushed<H::Written>, Error> {
        let host = &self.api.host;
        self.choose_unread(state, batch).await?;
        if self.goes_by_file(state) {
            return self.by_file(state, batch).await;
        }
        let may_pass = (2..=COLLECTIONS_ROWS).contains(&host.count(batch));
        let plan = match self.may_go_at_once(state) && may_pass {
            true => Plan::of(host, batch, self.job().verb),
            false => None,
        };
        match plan {
            Some(plan) => self.pass(state, batch, &plan).await,
            None => self.take(state, &host.json(batch)).await,
        }
    }

    /// Sends records by collections as they come, without reading them.
    async fn pass(
        &self,
        state: &mut State<H>,
        batch: &H::Batch,
        plan: &Plan,
    ) -> Result<Pushed<H::Written>, Error> {
        let rows = self.api.host.count(batch);
        let first = state.held.pass(rows);
        state.n_pushed += rows;
        match run(&self.api, &self.job(), batch, plan, &self.pace).await {
            Ok(passed) => {
                let row = |row: u32| first + u64::from(row);
                let told = passed.told.into_iter();
                let told = told.map(|(at, result)| row_result(row(at), result));
                let written = passed.written.into_iter();
                let written =
                    written.map(|(told, rows)| (told, rows.into_iter().map(row).collect()));
                Ok(Pushed {
                    rows: told.collect(),
                    written: written.collect(),
                })
            }
            Err(error) => {
                let json = self.api.host.json(batch);
                let chunk = Chunk { first, rows, json };
                failed_as_one(state, chunk, error).map(Pushed::of)
            }
        }
    }
}

impl Plan {
    /// How records go out unread, if they can.
    pub(super) fn of<H: Host>(host: &H, batch: &H::Batch, verb: Verb<'_>) -> Option<Self> {
        // Others are found by an id or a key, which is looked at.
        if verb != Verb::Create {
            return None;
        }
        let members = host.outline(batch)?;
        let is_plain = |name: &str, nested: bool| !nested && name != "attributes";
        if !members
            .iter()
            .all(|member| is_plain(&member.name, member.nested))
        {
            return None;
        }
        let columns = members.iter().enumerate();
        let columns: Vec<(usize, &str)> = columns
            .filter(|(_, member)| member.texts && may_be_parent(&member.name))
            .map(|(at, member)| (at, member.name.as_str()))
            .collect();
        if columns.len() > MAX_COLUMNS {
            return None;
        }
        let count = host.count(batch);
        let parents = parents(host, batch, &columns, count);
        let mut order: Vec<u32> = (0..u32::try_from(count).ok()?).collect();
        if order.len() > MAX_ROWS && !parents.is_empty() {
            order = grouped(order, |row| parents.get(*row as usize)?.as_deref());
        }
        Some(Self { order, parents })
    }

    fn parent(&self, row: Option<&u32>) -> Option<&str> {
        self.parents.get(*row? as usize)?.as_deref()
    }
}

/// The parent that each record names in one of these columns; none if none does.
fn parents<H: Host>(
    host: &H,
    batch: &H::Batch,
    columns: &[(usize, &str)],
    count: usize,
) -> Vec<Option<String>> {
    let mut best: Vec<Option<(usize, String)>> = vec![None; count];
    for (at, name) in columns {
        for (value, best) in host.column(batch, *at).iter().zip(&mut best) {
            let named = value.as_deref().and_then(|value| named(name, value));
            let Some((rank, key)) = named else { continue };
            if best.as_ref().is_none_or(|(other, _)| rank < *other) {
                *best = Some((rank, key.to_owned()));
            }
        }
    }
    if best.iter().all(Option::is_none) {
        return Vec::new();
    }
    let best = best.into_iter();
    best.map(|best| best.map(|(_, key)| key)).collect()
}

/// Sends the records, and those that were locked again.
pub(super) async fn run<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    batch: &H::Batch,
    plan: &Plan,
    pace: &Pace,
) -> Result<Passed<H::Written>, Error> {
    // Before anything overlaps, so that it is asked once.
    api.version().await?;
    let chunks: Vec<&[u32]> = plan.order.chunks(MAX_ROWS).collect();
    let _reserved = if chunks.len() > 1 {
        Some(api.reserve(chunks.len()).await?)
    } else {
        None
    };
    let parents = chunks.iter().map(|chunk| Parents {
        first: plan.parent(chunk.first()),
        last: plan.parent(chunk.last()),
    });
    let parents: Vec<Parents<'_>> = parents.collect();
    let (frame, form) = (frame(job), form());
    let send = async |at: usize| {
        let rows = chunks.get(at).copied().unwrap_or_default();
        collection(api, job, batch, (rows, &frame), &form).await
    };
    let has_locked =
        |told: &Collection<H::Written>| told.others.iter().any(|(_, result)| is_locked(result));
    let answers = overlapping(api, &parents, pace, send, has_locked).await?;
    let mut passed = Passed {
        told: Vec::new(),
        written: Vec::with_capacity(chunks.len()),
    };
    for (rows, answer) in chunks.iter().zip(answers) {
        match answer {
            Ok(told) => {
                let row_of = |(at, result)| Some((*rows.get(at)?, result));
                passed
                    .told
                    .extend(told.others.into_iter().filter_map(row_of));
                passed.written.push((told.written, rows.to_vec()));
            }
            Err(error) => {
                let lost = |row: &u32| (*row, failed(None, vec![as_problem(&error)]));
                passed.told.extend(rows.iter().map(lost));
            }
        }
    }
    if passed.told.iter().any(|(_, result)| wants_a_look(result)) {
        look_again(api, job, batch, pace, &mut passed.told).await;
    }
    Ok(passed)
}

/// What stands around the records of a collection, and before each of them.
fn frame(job: &Job<'_>) -> BatchFrame {
    let head = String::from_utf8(collection_head(job.object)).unwrap_or_default();
    BatchFrame {
        before: "{\"allOrNone\":false,\"records\":[".to_owned(),
        first: head.strip_prefix('{').unwrap_or_default().to_owned(),
        after: "]}".to_owned(),
    }
}

/// How a record is told of that was created, and of which no rule has a remark.
fn form() -> Form {
    let written = [("success", "true"), ("errors", "[]")];
    Form {
        id: "id".to_owned(),
        written: written
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    }
}

/// What the answer to one collection tells, by the places of its records in it.
struct Collection<W> {
    others: Vec<(usize, RecordResult)>,
    written: W,
}

async fn collection<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    batch: &H::Batch,
    body: (&[u32], &BatchFrame),
    form: &Form,
) -> Result<Collection<H::Written>, Error> {
    let ask = Ask::new(Method::Post, route::COLLECTIONS, Kind::Records);
    let told = match api.send_batch(ask, batch, body, form).await? {
        Sent::Refused(answer) => return Err(route::refusal(job, &answer)),
        Sent::Told(told) if told.count == body.0.len() => told,
        Sent::Told(_) | Sent::Unreadable => return Err(route::unreadable(api)),
    };
    let Told {
        others, written, ..
    } = told;
    let read = |(at, object): (usize, String)| {
        let result = wire::read::<wire::RowResult>(object.as_bytes())?;
        Some((at, route::row_result(api, job, None, result)))
    };
    let others: Option<Vec<_>> = others.into_iter().map(read).collect();
    match others {
        Some(others) => Ok(Collection { others, written }),
        None => Err(route::unreadable(api)),
    }
}

/// Whether a record itself is needed for what comes next.
fn wants_a_look(result: &RecordResult) -> bool {
    match &result.outcome {
        Outcome::Failed(problems) => is_locked(result) || problems.iter().any(is_about_fields),
        _ => false,
    }
}

/// Reads the records of which something was told, sends those that were locked again,
/// and explains refused fields.
async fn look_again<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    batch: &H::Batch,
    pace: &Pace,
    told: &mut Vec<(u32, RecordResult)>,
) {
    let json = api.host.json(batch);
    let Ok(all) = read_rows(&json, job.verb.keyed_by()) else {
        return;
    };
    told.sort_by_key(|(row, _)| *row);
    let (numbers, results): (Vec<u32>, Vec<RecordResult>) =
        std::mem::take(told).into_iter().unzip();
    let mut slots: Slots = results.into_iter().map(Some).collect();
    let mut rows: Vec<(usize, Row<'_>)> = Vec::with_capacity(slots.len());
    for (number, row) in (0..).zip(all) {
        if let (Ok(slot), Ok(row)) = (numbers.binary_search(&number), row) {
            rows.push((slot, row));
        }
    }
    send_locked(api, job, rows.iter().collect(), pace, &mut slots).await;
    explain_fields(api, job, &rows, &mut slots).await;
    told.extend(
        numbers
            .into_iter()
            .zip(slots)
            .filter_map(|(number, slot)| Some((number, slot?))),
    );
}
