//! From an inbox into an object: each item of it is a record, which goes through
//! plugins and is written by the inbox's own connection or another one.

mod passing;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;

use crate::capability::clock::now_ms;
use crate::connection::Connection;
use crate::error::Error;
use crate::inbox::Inbox;
use crate::records::{Advice, Outcome, Problem, RecordResult, Records, WriteOptions};
use crate::store::{QueueOutcome, Settled, TakenItem};
use crate::transform::Transform;
use passing::Passed;

/// Records of one write: what goes in one call for most products.
const BATCH: u32 = 200;

/// How long a write may take before others may take up the same items. One that was
/// cut off by a crash goes on after this.
const LEASE: Duration = Duration::from_secs(60);

/// Pauses before a record is tried again, the first and the longest.
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// How often a record is tried that the product refuses for a moment, because it is
/// locked for instance.
const MAX_TRIES: u32 = 10;

/// How long an intake waits at most before it looks again: another process may have
/// put something, or brought something back.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How often what was done long ago is forgotten.
const PRUNE_EVERY: Duration = Duration::from_hours(1);

/// Writes what comes into an inbox, whose items are [records](crate::receiver::Shape).
///
/// With a key field a record is upserted: what was cut off, or whose answer was lost,
/// is written again and is there once. Without one it is created, and when nobody
/// knows whether it was, it is given up with that reason rather than created twice:
/// look, and let it wait again or throw it away.
///
/// Records of one key are written in the order in which they came, unless one of them is
/// put off: then a newer one may be written before it. Several processes may work on an
/// inbox, and each item is one's at a time; a record without a key that one has put off
/// counts as one of which nobody knows if another takes it up, and after a restart.
#[derive(Debug)]
pub struct Intake {
    /// Where records come from.
    pub inbox: Inbox,
    /// What they are written by, with the settings that they are to be written with.
    pub connection: Connection,
    /// The object that they become records of, by its API name.
    pub object: String,
    /// The field whose value tells which record is meant; `None` creates a record each
    /// time.
    pub key_field: Option<String>,
    /// What they go through before, in this order.
    pub plugins: Vec<Transform>,
    /// Those that are known not to have been written although they were taken before.
    unwritten: Mutex<BTreeSet<String>>,
}

/// What an intake did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenIn {
    /// Records that were written, or that a plugin has no use for.
    pub done: u64,
    /// Records that were given up, with a reason.
    pub given_up: u64,
    /// Records that are to be tried again.
    pub put_off: u64,
}

/// A record on its way.
struct Arrived {
    item: TakenItem,
    record: Box<RawValue>,
}

impl Intake {
    /// An intake that has done nothing yet; see its fields.
    #[must_use]
    pub const fn new(
        inbox: Inbox,
        connection: Connection,
        object: String,
        key_field: Option<String>,
        plugins: Vec<Transform>,
    ) -> Self {
        Self {
            inbox,
            connection,
            object,
            key_field,
            plugins,
            unwritten: Mutex::new(BTreeSet::new()),
        }
    }

    /// Writes whatever comes, as it comes. Goes on until its future is dropped, or the
    /// store fails.
    ///
    /// # Errors
    /// As [`Inbox::put`].
    pub async fn run(&self) -> Result<Infallible, Error> {
        let mut prune = tokio::time::interval(PRUNE_EVERY);
        loop {
            let wait = self.work().await?;
            tokio::select! {
                () = self.inbox.arrived() => {}
                () = tokio::time::sleep(wait.min(LONGEST_WAIT)) => {}
                _ = prune.tick() => {
                    self.inbox.prune().await?;
                }
            }
        }
    }

    /// Writes all that is due, and gives how long nothing else will be.
    async fn work(&self) -> Result<Duration, Error> {
        loop {
            let (done, next_due_ms) = self.step().await?;
            let wait_ms = next_due_ms.map(|due_ms| due_ms.saturating_sub(now_ms()));
            // Where something is wrong with all of them, not at once again.
            let is_stuck = done.put_off > 0 && done.done == 0;
            match wait_ms {
                Some(0) if !is_stuck => {}
                _ if done.put_off > 0 => return Ok(SHORTEST_PAUSE),
                Some(wait_ms) => return Ok(Duration::from_millis(wait_ms)),
                None => return Ok(LONGEST_WAIT),
            }
        }
    }

    /// Writes some of what is due, and gives what became of it and when the next is
    /// due, in milliseconds since 1970; `None` if nothing waits.
    ///
    /// # Errors
    /// As [`Inbox::put`]. What goes wrong with records or with the connection is
    /// written down with the items.
    pub async fn step(&self) -> Result<(TakenIn, Option<u64>), Error> {
        let taken = self.inbox.take(BATCH, LEASE).await?;
        let mut done = TakenIn::default();
        let (mut arrived, mut settled) = (Vec::with_capacity(taken.items.len()), Vec::new());
        for item in taken.items {
            match self.look_at(&item) {
                Ok(record) => arrived.push(Arrived { item, record }),
                Err(problem) => settled.push(settle(&item, QueueOutcome::Dead { problem })),
            }
        }
        self.put_away(&mut done, settled).await?;
        let (passed, failed) = self.through_plugins(arrived).await;
        self.put_away(&mut done, failed).await?;
        // One after the other: records of one key must not meet in a request.
        for wave in self.waves(passed) {
            let settled = self.write(wave).await;
            self.put_away(&mut done, settled).await?;
        }
        Ok((done, taken.next_due_ms))
    }

    /// The record of an item, if it may be written now.
    fn look_at(&self, item: &TakenItem) -> Result<Box<RawValue>, String> {
        let unwritten = self.unwritten.lock();
        let mut unwritten = unwritten.unwrap_or_else(PoisonError::into_inner);
        let is_unwritten = unwritten.remove(&item.id);
        if item.tries > 1 && !is_unwritten && self.key_field.is_none() {
            return Err(format!(
                "it was being written when that was cut off: look whether the record is in {}, \
                 then send it again or discard it",
                self.object
            ));
        }
        let text = str::from_utf8(&item.bytes).ok();
        let record = text.and_then(|text| RawValue::from_string(text.to_owned()).ok());
        record
            .filter(|record| record.get().starts_with('{'))
            .ok_or_else(|| "it is no JSON object".to_owned())
    }

    /// Gives the records that are left, and what became of the others.
    async fn through_plugins(&self, arrived: Vec<Arrived>) -> (Vec<Arrived>, Vec<Settled>) {
        let mut settled = Vec::new();
        let mut left = arrived;
        for plugin in &self.plugins {
            let records: Vec<&RawValue> = left.iter().map(|one| &*one.record).collect();
            let plugin = plugin.on_behalf_of(self.connection.key());
            let passed = passing::pass(&plugin, &self.object, &records).await;
            let mut next = Vec::with_capacity(left.len());
            for (mut one, passed) in left.into_iter().zip(passed) {
                match passed {
                    Passed::Kept(record) => {
                        one.record = record;
                        next.push(one);
                    }
                    Passed::LeftOut => settled.push(settle(&one.item, QueueOutcome::Done)),
                    Passed::Rejected(problem) => {
                        settled.push(settle(&one.item, QueueOutcome::Dead { problem }));
                    }
                    Passed::NotNow(problem) => settled.push(self.later(&one.item, problem, None)),
                }
            }
            left = next;
        }
        (left, settled)
    }

    /// Records in groups in which no key is twice, in the order in which they came.
    fn waves(&self, records: Vec<Arrived>) -> Vec<Vec<Arrived>> {
        let Some(key_field) = &self.key_field else {
            return vec![records];
        };
        let mut waves: Vec<Vec<Arrived>> = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for one in records {
            let wave = match key(&one.record, key_field) {
                Some(key) => {
                    let next = seen.entry(key).or_insert(0);
                    *next += 1;
                    *next - 1
                }
                None => 0,
            };
            match waves.get_mut(wave) {
                Some(wave) => wave.push(one),
                None => waves.push(vec![one]),
            }
        }
        waves
    }

    async fn write(&self, wave: Vec<Arrived>) -> Vec<Settled> {
        if wave.is_empty() {
            return Vec::new();
        }
        let records: Vec<&RawValue> = wave.iter().map(|one| &*one.record).collect();
        let written = match Records::from_items(&records) {
            Ok(records) => self.write_records(&records).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(results) if results.len() == wave.len() => {
                let results = wave.iter().zip(&results);
                results
                    .map(|(one, result)| self.became(&one.item, result))
                    .collect()
            }
            Ok(results) => {
                let n_results = results.len();
                let problem = format!("{n_results} results for {} records", wave.len());
                let dead = |one: &Arrived| {
                    let problem = problem.clone();
                    settle(&one.item, QueueOutcome::Dead { problem })
                };
                wave.iter().map(dead).collect()
            }
            Err(error) => wave
                .iter()
                .map(|one| self.not_written(&one.item, &error))
                .collect(),
        }
    }

    async fn write_records(&self, records: &Records) -> Result<Vec<RecordResult>, Error> {
        let options = WriteOptions::default();
        match &self.key_field {
            Some(key_field) => {
                let upserted = self
                    .connection
                    .upsert(&self.object, key_field, records, options);
                upserted.await
            }
            None => self.connection.create(&self.object, records, options).await,
        }
    }

    /// What becomes of a record by its result.
    fn became(&self, item: &TakenItem, result: &RecordResult) -> Settled {
        if result.is_ok() {
            return settle(item, QueueOutcome::Done);
        }
        let related = result.related.iter().map(|related| &related.outcome);
        let problems: Vec<&Problem> = std::iter::once(&result.outcome)
            .chain(related)
            .filter_map(|outcome| match outcome {
                Outcome::Failed { problems } => Some(problems),
                _ => None,
            })
            .flatten()
            .collect();
        let problem = problems
            .iter()
            .map(|problem| problem.to_string())
            .collect::<Vec<_>>()
            .join(" | ");
        let is_in_doubt = |problem: &&Problem| problem.advice == Advice::CheckOutcome;
        let may_do_again = match problems.iter().any(is_in_doubt) {
            true => self.key_field.is_some(),
            false => problems.iter().all(|problem| problem.advice.is_retryable()),
        };
        // What was written in part must not be created once more.
        let is_untouched = !result.outcome.is_ok() || self.key_field.is_some();
        match may_do_again && is_untouched && item.tries < MAX_TRIES {
            true => self.later(item, problem, None),
            false => settle(item, QueueOutcome::Dead { problem }),
        }
    }

    /// What becomes of a record whose write failed as a whole.
    fn not_written(&self, item: &TakenItem, error: &Error) -> Settled {
        let problem = error.to_string();
        let may_do_again = match error {
            // The object, the key field or a permission is missing, for instance.
            Error::Refused { problem: told, .. } => told.advice.is_retryable(),
            Error::Input(_) => false,
            // The host says that it has not begun.
            Error::OverQuota { .. }
            | Error::Unavailable { .. }
            | Error::Busy { .. }
            | Error::NeedsReconnect { .. }
            | Error::NotLoaded { .. }
            | Error::Auth(_)
            | Error::Store(_)
            | Error::Key(_) => true,
            _ => self.key_field.is_some() && item.tries < MAX_TRIES,
        };
        match may_do_again {
            true => self.later(item, problem, error.retry_after()),
            false => settle(item, QueueOutcome::Dead { problem }),
        }
    }

    /// Tries an item again, after a pause that grows with its tries.
    fn later(&self, item: &TakenItem, problem: String, after: Option<Duration>) -> Settled {
        let mut unwritten = self
            .unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        unwritten.insert(item.id.clone());
        let doubled = 1_u32
            .checked_shl(item.tries.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let pause = SHORTEST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
        let pause = after.unwrap_or(pause).max(SHORTEST_PAUSE);
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let due_ms = now_ms().saturating_add(pause_ms);
        settle(item, QueueOutcome::Again { due_ms, problem })
    }

    /// Writes down what became of items, and counts it.
    async fn put_away(&self, done: &mut TakenIn, settled: Vec<Settled>) -> Result<(), Error> {
        if settled.is_empty() {
            return Ok(());
        }
        for one in &settled {
            match &one.outcome {
                QueueOutcome::Done => done.done += 1,
                QueueOutcome::Again { .. } => done.put_off += 1,
                QueueOutcome::Dead { .. } => done.given_up += 1,
            }
        }
        self.inbox.settle(&settled).await.map(|_| ())
    }
}

fn settle(item: &TakenItem, outcome: QueueOutcome) -> Settled {
    Settled {
        id: item.id.clone(),
        leased_until_ms: item.leased_until_ms,
        outcome,
    }
}

/// The value of a record's key field, in lower case: products differ in whether case
/// tells keys apart.
fn key(record: &RawValue, key_field: &str) -> Option<String> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(record.get()).ok()?;
    let mut members = members.into_iter();
    let (_, value) = members.find(|(name, _)| name.eq_ignore_ascii_case(key_field))?;
    Some(value.get().to_lowercase())
}
