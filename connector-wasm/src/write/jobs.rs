//! Bulk jobs as the writer has them: records become their rows as soon as they are
//! pushed, full ones are started, and how much memory all of them take is bounded.

use super::bulk::{BulkJob, File, Sheet};
use super::held::{Chunk, Held};
use super::passing::Pushed;
use super::plan::Job;
use super::{State, UnderWay, Writer, failed, row_result, tree};
use crate::bindings::exports::lockgate::connector::records::{
    Error, Problem, RecordResult, RowResult,
};
use crate::body::Row;
use crate::host::Host;

/// How much memory the bulk jobs of a write may take, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// From here on the job in front is looked at with each push, so that what is
    /// known of its rows can go.
    pub(super) some: usize,
    /// From here on a push waits until it can: half of what a guest has.
    pub(super) most: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            some: 24 * 1024 * 1024,
            most: 64 * 1024 * 1024,
        }
    }
}

/// How often a push looks before its caller is told to come later, four
/// minutes in all, and after how many milliseconds.
const LOOKS: u32 = 24;
const LATER_MS: u64 = 10_000;

/// Results of a bulk job that are given at a time.
pub(super) const RESULTS: usize = 10_000;

impl<H: Host> Writer<H> {
    /// Makes records into the rows of jobs, and starts those that are full.
    pub(super) async fn by_bulk(
        &self,
        state: &mut State<H>,
        is_end: bool,
    ) -> Result<Pushed<H::Written>, Error> {
        let mut pushed = Pushed::default();
        // Those that could not be started before.
        self.start_jobs(state).await?;
        if let Err(error) = self.fill_jobs(state, is_end, &mut pushed.rows).await {
            return state.or_later(pushed, error);
        }
        if is_end {
            self.close_file(state);
            self.close_job(state);
            if let Err(error) = self.start_jobs(state).await {
                return state.or_later(pushed, error);
            }
            return Ok(pushed);
        }
        match self.make_room(state, &mut pushed).await {
            Err(error) if pushed.is_empty() => Err(error),
            _ => Ok(pushed),
        }
    }

    /// Makes what is held into the rows of jobs.
    pub(super) async fn fill_jobs(
        &self,
        state: &mut State<H>,
        is_end: bool,
        results: &mut Vec<RowResult>,
    ) -> Result<(), Error> {
        // Where a job without a name is cut does not matter.
        while let Some(piece) = state.held.take_piece(is_end || self.goes_by_file(state)) {
            let (rest, outcome) = match self.goes_by_file(state) {
                true => self.file_piece(state, piece).await?,
                false => (Some(piece), Ok(())),
            };
            if let Some(rest) = rest {
                self.read_piece(state, rest, results)?;
            }
            outcome?;
            self.start_jobs(state).await?;
        }
        Ok(())
    }

    /// Makes records into the rows of a job here.
    fn read_piece(
        &self,
        state: &mut State<H>,
        piece: Chunk,
        results: &mut Vec<RowResult>,
    ) -> Result<(), Error> {
        let rows = self.rows(&piece.json)?;
        if self.makes_trees() && rows.iter().flatten().any(tree::holds_children) {
            drop(rows);
            return state.add_trees(piece);
        }
        for (number, row) in (piece.first..).zip(rows) {
            if let Err(problem) = row.and_then(|row| self.add_row(state, number, &row)) {
                results.push(row_result(number, refused_row(problem, &self.object)));
            }
        }
        Ok(())
    }

    /// Puts a row into the next job, or says why it cannot be in one.
    fn add_row(&self, state: &mut State<H>, number: u64, row: &Row<'_>) -> Result<(), Problem> {
        let is_full = |sheet: &Sheet| !sheet.has_room_for(row);
        if state.next_job.as_ref().is_some_and(is_full) {
            self.close_job(state);
        }
        let new = || Sheet::new(self.job().verb);
        let sheet = state.next_job.get_or_insert_with(new);
        sheet.push(usize::try_from(number).unwrap_or(usize::MAX), row)
    }

    /// Makes a job of the rows that are there for it.
    fn close_job(&self, state: &mut State<H>) {
        let sheet = state.next_job.take();
        let Some(sheet) = sheet.filter(|sheet| !sheet.is_empty()) else {
            return;
        };
        let name = self.name.as_ref();
        let note = name.map(|name| format!("write/{name}/{}", state.n_jobs));
        state.n_jobs += 1;
        let job = BulkJob::of(&self.job(), sheet, note);
        state.under_way.push_back(UnderWay::Job(Box::new(job)));
    }

    pub(super) async fn start_jobs(&self, state: &mut State<H>) -> Result<(), Error> {
        for under_way in &mut state.under_way {
            if let UnderWay::Job(job) = under_way {
                job.start(&self.api, &self.job()).await?;
            }
        }
        Ok(())
    }

    /// Takes results of the job in front if there are any, or if the jobs take too
    /// much memory.
    async fn make_room(
        &self,
        state: &mut State<H>,
        pushed: &mut Pushed<H::Written>,
    ) -> Result<(), Error> {
        for _ in 0..LOOKS {
            let bytes = state.bytes_of_jobs();
            let Some(UnderWay::Job(job)) = state.under_way.front_mut() else {
                return Ok(());
            };
            if bytes < self.room.some && !job.is_told() {
                return Ok(());
            }
            match self.results_of(job).await {
                Ok((some, is_over)) => {
                    pushed.add(some);
                    if is_over {
                        state.under_way.pop_front();
                    }
                }
                Err(error) if bytes >= self.room.most => return Err(error),
                // A later call meets it again.
                Err(_) => return Ok(()),
            }
            if state.bytes_of_jobs() < self.room.most {
                return Ok(());
            }
        }
        Err(Error::Unavailable(LATER_MS))
    }
}

impl<H: Host> State<H> {
    /// Holds a piece of records of which some hold others.
    fn add_trees(&mut self, piece: Chunk) -> Result<(), Error> {
        let piece = match self.under_way.back_mut() {
            Some(UnderWay::Trees(held, None)) => held.append(piece)?,
            _ => Some(piece),
        };
        if let Some(piece) = piece {
            let trees = UnderWay::Trees(Held::of(piece)?, None);
            self.under_way.push_back(trees);
        }
        Ok(())
    }

    /// Neither results nor the jobs under way must be lost to an error, which the
    /// next call meets again.
    pub(super) fn or_later(
        &self,
        pushed: Pushed<H::Written>,
        error: Error,
    ) -> Result<Pushed<H::Written>, Error> {
        match pushed.is_empty() && self.under_way.len() <= 1 {
            true => Err(error),
            false => Ok(pushed),
        }
    }

    fn bytes_of_jobs(&self) -> usize {
        let under_way = self.under_way.iter().map(|under_way| match under_way {
            UnderWay::Job(job) => job.bytes(),
            UnderWay::Trees(..) => 0,
        });
        let next_job = self.next_job.as_ref().map_or(0, Sheet::bytes);
        let next_file = self.next_file.as_ref().map_or(0, File::bytes);
        next_job + next_file + under_way.sum::<usize>()
    }
}

/// A job of numbered rows, and the results of those that cannot go by one.
pub(super) fn bulk_job<'r, H: Host>(
    job: &Job<'_>,
    rows: impl Iterator<Item = (usize, Result<Row<'r>, Problem>)>,
    note: Option<String>,
) -> (BulkJob<H>, Vec<(usize, RecordResult)>) {
    let mut sheet = Sheet::new(job.verb);
    let mut refused = Vec::new();
    for (at, row) in rows {
        if let Err(problem) = row.and_then(|row| sheet.push(at, &row)) {
            refused.push((at, refused_row(problem, job.object)));
        }
    }
    (BulkJob::of(job, sheet, note), refused)
}

/// The result of a record that is wrong by itself.
fn refused_row(mut problem: Problem, object: &str) -> RecordResult {
    problem.object.get_or_insert_with(|| object.to_owned());
    failed(None, vec![problem])
}
