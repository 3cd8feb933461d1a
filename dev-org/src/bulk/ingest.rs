//! The work of an ingest job: rows are read a slice at a time, and a slice is
//! written under the records' lock. Rows that somebody else has locked are
//! tried again at the end of their batch.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::csv::{Broken, Reader, Row, Span};
use super::job::{Refused, Saved, Task, Work};
use super::jobs::Ended;
use super::quota::BATCH_ROWS;
use super::switches::BulkJobState as State;
use crate::events::Origin;
use crate::fault::Fault;
use crate::org::{AutoAssign, Operation, Sheet, WriteOptions};
use crate::state::Shared;
use crate::user::User;

/// Rows that are written at once, as in a transaction of Salesforce.
const SLICE_ROWS: u64 = 200;
/// How often locked rows of a batch are tried again.
const RETRIES: u64 = 10;
/// Most characters of the header.
const HEADER_CHARS: usize = 32_000;
/// Most columns.
const COLUMNS: usize = 5_000;
/// Most characters of a value.
const VALUE_CHARS: usize = 131_072;
/// Most characters of a row.
const ROW_CHARS: usize = 400_000;

/// Loads all rows of a job.
pub(super) async fn load(shared: &Arc<Shared>, work: &Arc<Work>) -> Result<(), Ended> {
    let Some(mut loader) = Loader::open(shared, work)? else {
        return Ok(());
    };
    while loader.batch().await? {}
    Ok(())
}

/// The state of the work between two slices.
struct Loader<'s> {
    shared: &'s Arc<Shared>,
    work: &'s Arc<Work>,
    data: Arc<str>,
    sheet: Sheet,
    options: WriteOptions,
    /// How many columns every row has to have.
    width: usize,
    /// Where the next row starts.
    at: usize,
    /// Rows of the slice; kept for their memory.
    rows: Vec<Row>,
    /// What came of reading each.
    read: Vec<Result<(), Broken>>,
}

impl<'s> Loader<'s> {
    /// Reads the header. `None` when there is no data at all.
    fn open(shared: &'s Arc<Shared>, work: &'s Arc<Work>) -> Result<Option<Self>, Ended> {
        let fail = |message: &str| Err(Ended::Failed(message.to_owned()));
        let Task::Ingest {
            operation,
            key,
            assignment_rule,
        } = &work.task
        else {
            return Ok(None);
        };
        let mut outcome = work.outcome();
        let data = Arc::clone(&outcome.data);
        if outcome.is_garbled {
            return fail("ClientInputError : The data is not UTF-8");
        }
        // Editors put a byte order mark in front of the first name.
        let start = if data.starts_with('\u{feff}') { 3 } else { 0 };
        outcome.rest = start;
        let mut reader = Reader::at(&data, start, work.dialect);
        let mut header = Row::default();
        match reader.next(&mut header) {
            None => return Ok(None),
            Some(Ok(())) => {}
            Some(Err(Broken::LineEnding)) => return Err(wrong_line_ending(work)),
            Some(Err(_)) => {
                return fail(
                    "InvalidBatch : Failed to parse CSV header. Error: Found unescaped quote. A \
                     value with quote should be within a quote",
                );
            }
        }
        if header.span.of(&data).chars().count() > HEADER_CHARS || header.len() > COLUMNS {
            return fail("InvalidBatch : The header row is too long");
        }
        let who = user(shared, work);
        let sheet = shared
            .org()
            .sheet(
                &who,
                &work.object,
                *operation,
                key.as_deref(),
                header.values(),
            )
            .map_err(Ended::Failed)?;
        outcome.header = Some((header.span, header.len()));
        outcome.rest = reader.position();
        Ok(Some(Self {
            shared,
            work,
            sheet,
            options: WriteOptions {
                auto_assign: assignment_rule
                    .clone()
                    .map_or(AutoAssign::Off, AutoAssign::Rule),
                ..WriteOptions::default()
            },
            width: header.len(),
            at: reader.position(),
            data: Arc::clone(&data),
            rows: Vec::new(),
            read: Vec::new(),
        }))
    }

    /// Works on one batch; false when no rows are left.
    async fn batch(&mut self) -> Result<bool, Ended> {
        let mut left = BATCH_ROWS;
        while left > 0 {
            let count = self.pass().await?.min(left);
            let has_wrong_ending = self.read(count);
            let read = self.read.len() as u64;
            if read > 0 {
                self.take_quota(left == BATCH_ROWS, read)?;
                self.write(false)?;
                left -= read;
            }
            if has_wrong_ending {
                return Err(wrong_line_ending(self.work));
            }
            if read < count {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.retry().await?;
        Ok(left == 0)
    }

    /// Tries the rows again that were locked.
    async fn retry(&mut self) -> Result<(), Ended> {
        for round in 1..=RETRIES {
            let locked = self.work.outcome().locked.clone();
            if locked.is_empty() {
                return Ok(());
            }
            self.work.retries.fetch_add(1, Ordering::AcqRel);
            let mut spans = locked.as_slice();
            while !spans.is_empty() {
                let count = usize::try_from(self.pass().await?).unwrap_or(usize::MAX);
                let (slice, rest) = spans.split_at(count.min(spans.len()));
                self.read_again(slice);
                self.work
                    .outcome()
                    .locked
                    .retain(|span| !slice.contains(span));
                self.write(round == RETRIES)?;
                spans = rest;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// How many rows the next slice may have.
    async fn pass(&self) -> Result<u64, Ended> {
        let now_ms = self.shared.clock.now_ms();
        let bulk = &self.shared.bulk;
        let rows = bulk.pass(self.work, State::InProgress, now_ms).await?;
        Ok(rows.min(SLICE_ROWS))
    }

    /// Takes rows from the daily limits. What is over them is lost: no result
    /// tells of it.
    fn take_quota(&self, is_new_batch: bool, rows: u64) -> Result<(), Ended> {
        let now_ms = self.shared.clock.now_ms();
        let mut jobs = self.shared.bulk.jobs();
        let quota = &mut jobs.quota;
        let is_there =
            (!is_new_batch || quota.batches.take(now_ms, 1)) && quota.rows.take(now_ms, rows);
        drop(jobs);
        if is_there {
            return Ok(());
        }
        self.work.outcome().rest = self.data.len();
        Err(Ended::Failed(
            "ExceededQuota : ApiBatchItems Limit exceeded.".to_owned(),
        ))
    }

    /// Reads up to so many rows. True when a wrong line ending came behind
    /// them, from which on the data means nothing.
    fn read(&mut self, count: u64) -> bool {
        self.read.clear();
        let mut reader = Reader::at(&self.data, self.at, self.work.dialect);
        while (self.read.len() as u64) < count {
            let at = self.read.len();
            if self.rows.len() == at {
                self.rows.push(Row::default());
            }
            let Some(row) = self.rows.get_mut(at) else {
                break;
            };
            match reader.next(row) {
                None => break,
                Some(Err(Broken::LineEnding)) => return true,
                Some(read) => self.read.push(read),
            }
            self.at = reader.position();
        }
        false
    }

    /// Reads rows once more, from where they stand.
    fn read_again(&mut self, spans: &[Span]) {
        self.read.clear();
        for (at, span) in spans.iter().enumerate() {
            if self.rows.len() == at {
                self.rows.push(Row::default());
            }
            let mut reader = Reader::at(&self.data, span.start as usize, self.work.dialect);
            if let Some(row) = self.rows.get_mut(at)
                && let Some(read) = reader.next(row)
            {
                self.read.push(read);
            }
        }
    }

    /// Writes the rows that were read.
    fn write(&mut self, is_last_try: bool) -> Result<(), Ended> {
        let started = Instant::now();
        let who = user(self.shared, self.work);
        let repeated = self.repeated_keys();
        let mut outcome = self.work.outcome();
        if self.work.is_stopped() {
            return Err(Ended::Stopped);
        }
        let (mut done, mut failed) = (0, 0);
        let version = self.work.version.number();
        let client = self.work.client.as_deref();
        let origin = Origin::api(&who, "bulkapi", version, client);
        let mut org = self.shared.org_mut_as(origin);
        for (row, read) in self.rows.iter().zip(&self.read) {
            let written = check_row(row, *read, self.width).and_then(|()| {
                self.check_key(row, &repeated)
                    .and_then(|()| {
                        org.write_row(&who, &self.sheet, |at| row.get(at), &self.options)
                    })
                    .map_err(|fault| Unwritten::of(&fault))
            });
            match written {
                Ok(saved) => outcome.saved.push(Saved {
                    span: row.span,
                    id: saved.id,
                    created: saved.created,
                }),
                Err(unwritten) if unwritten.is_locked && !is_last_try => {
                    outcome.locked.push(row.span);
                    continue;
                }
                Err(unwritten) => {
                    failed += 1;
                    outcome.refused.push(Refused {
                        span: row.span,
                        id: self.id_of(row),
                        error: unwritten.error.into(),
                    });
                }
            }
            done += 1;
        }
        drop(org);
        outcome.rest = self.at;
        self.work.processed.fetch_add(done, Ordering::AcqRel);
        self.work.failed.fetch_add(failed, Ordering::AcqRel);
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(0);
        self.work.active_us.fetch_add(micros, Ordering::AcqRel);
        Ok(())
    }

    /// The keys that more than one row of an upsert's slice has: all of them
    /// are refused, since none is the right one.
    fn repeated_keys(&self) -> HashMap<String, bool> {
        let mut seen: HashMap<String, bool> = HashMap::new();
        let is_upsert = matches!(
            self.work.task,
            Task::Ingest {
                operation: Operation::Upsert,
                ..
            }
        );
        let Some(key) = self.sheet.key().filter(|_| is_upsert) else {
            return seen;
        };
        let rows = self.rows.iter().zip(&self.read);
        for (row, _) in rows.filter(|(row, read)| read.is_ok() && !row.get(key).is_empty()) {
            seen.entry(row.get(key).to_lowercase())
                .and_modify(|repeated| *repeated = true)
                .or_insert(false);
        }
        seen.retain(|_, repeated| *repeated);
        seen
    }

    fn check_key(&self, row: &Row, repeated: &HashMap<String, bool>) -> Result<(), Fault> {
        let Some(key) = self.sheet.key().filter(|_| !repeated.is_empty()) else {
            return Ok(());
        };
        let key = row.get(key);
        if !repeated.contains_key(&key.to_lowercase()) {
            return Ok(());
        }
        let fault = Fault::bad_request(
            "DUPLICATE_VALUE",
            format!("Duplicate external id specified: {key}"),
        );
        match &self.work.task {
            Task::Ingest { key: Some(key), .. } => Err(fault.on(key)),
            _ => Err(fault),
        }
    }

    /// The id that a row names, which a failed row shows again.
    fn id_of(&self, row: &Row) -> Option<Box<str>> {
        let Task::Ingest { operation, key, .. } = &self.work.task else {
            return None;
        };
        let names_id = match operation {
            Operation::Insert => false,
            Operation::Upsert => key
                .as_deref()
                .is_some_and(|key| key.eq_ignore_ascii_case("Id")),
            Operation::Update | Operation::Delete | Operation::HardDelete => true,
        };
        let at = self.sheet.key().filter(|_| names_id)?;
        Some(row.get(at))
            .filter(|id| !id.is_empty())
            .map(Into::into)
    }
}

/// A row's error, as results show it.
struct Unwritten {
    error: String,
    is_locked: bool,
}

impl Unwritten {
    fn of(fault: &Fault) -> Self {
        Self {
            error: fault.to_bulk_error(),
            is_locked: fault.code == "UNABLE_TO_LOCK_ROW",
        }
    }
}

/// What is wrong with a row by itself.
fn check_row(row: &Row, read: Result<(), Broken>, width: usize) -> Result<(), Unwritten> {
    let text = match read {
        Err(Broken::OpenQuote) => "Found a quote that is never closed".to_owned(),
        Err(_) => "Found unescaped quote. A value with quote should be within a quote".to_owned(),
        Ok(()) if row.len() != width => {
            format!("The row has {} columns, the header {width}", row.len())
        }
        Ok(()) if (row.span.end - row.span.start) as usize > VALUE_CHARS => {
            let chars = |text: &str| text.chars().count();
            if row.values().map(chars).sum::<usize>() > ROW_CHARS {
                format!("The row has more than {ROW_CHARS} characters")
            } else if row.values().any(|value| chars(value) > VALUE_CHARS) {
                format!("A value has more than {VALUE_CHARS} characters")
            } else {
                return Ok(());
            }
        }
        Ok(()) => return Ok(()),
    };
    Err(Unwritten {
        error: format!("CLIENT_INPUT_ERROR:{text}:--"),
        is_locked: false,
    })
}

fn wrong_line_ending(work: &Work) -> Ended {
    Ended::Failed(format!(
        "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {}",
        work.dialect.line_ending.name()
    ))
}

/// The job's user as they are now: rights may have changed since.
fn user(shared: &Shared, work: &Work) -> Arc<User> {
    shared
        .org()
        .user(&work.user.username)
        .unwrap_or_else(|| Arc::clone(&work.user))
}
