//! Records that are read again: those of which only is known that something happened
//! to them, and those that a comparison of all records finds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::value::RawValue;

use super::compare::Comparison;
use super::load::fields;
use super::pace::Pace;
use super::{Engine, SyncError};
use crate::incoming::{Batch, Gone, Incoming, Progress, Record, Stale};
use crate::plan::ObjectPlan;
use crate::unread::Unread;
use crate::value::Fields;

/// Records that are read at a time.
const READ_AT_A_TIME: u32 = 200;

/// How often marks are looked for that nobody told of.
const LOOK_EVERY: Duration = Duration::from_secs(10);

impl Engine {
    /// Reads what is marked, whenever something is.
    pub(super) async fn reread(&self, pace: &Pace<'_>) -> Result<(), SyncError> {
        let mut listening = self.is_listening.subscribe();
        loop {
            let is_listening = *listening.borrow_and_update();
            self.reread_all(is_listening).await?;
            pace.went_well();
            tokio::select! {
                () = self.to_reread.notified() => {}
                _ = listening.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Reads what is marked until nothing is. Whole objects only if `with_all`, once
    /// everything that happens later is told, and only those that are loaded.
    pub(super) async fn reread_all(&self, with_all: bool) -> Result<(), SyncError> {
        loop {
            let unread = self.database.unread(READ_AT_A_TIME).await?;
            let mut has_done = false;
            for object in self.taken() {
                let of_object = unread.iter().filter(|one| one.object == object.object);
                let (records, all): (Vec<&Unread>, Vec<&Unread>) =
                    of_object.partition(|one| one.org_id.is_some());
                if !records.is_empty() {
                    self.read_again(object, &records).await?;
                    has_done = true;
                }
                let is_loaded = self
                    .database
                    .progress(&object.object)
                    .await?
                    .is_some_and(is_live);
                for mark in all.iter().filter(|_| with_all && is_loaded) {
                    self.compare(object).await?;
                    let (name, ticket) = (&object.object, mark.ticket);
                    self.database.object_was_read(name, ticket).await?;
                    self.activity.send_modify(|activity| activity.compared += 1);
                    has_done = true;
                }
            }
            if !has_done {
                return Ok(());
            }
        }
    }

    async fn read_again(&self, object: &ObjectPlan, marks: &[&Unread]) -> Result<(), SyncError> {
        let ids: Vec<String> = marks
            .iter()
            .filter_map(|mark| mark.org_id.clone())
            .collect();
        let records = self.read(object, &ids).await?;
        let mut items = Vec::with_capacity(marks.len());
        for ((mark, org_id), record) in marks.iter().zip(ids).zip(records) {
            let (object, ticket) = (object.object.clone(), Some(mark.ticket));
            items.push(match record {
                None => Incoming::Gone(Gone {
                    object,
                    org_id,
                    ticket,
                }),
                Some(fields) => Incoming::Record(Record {
                    object,
                    fields,
                    ticket,
                }),
            });
        }
        self.apply(Batch {
            items,
            ..Batch::default()
        })
        .await
    }

    /// Reads records by their ids; nothing for those that are not there.
    pub(super) async fn read(
        &self,
        object: &ObjectPlan,
        ids: &[String],
    ) -> Result<Vec<Option<Fields>>, SyncError> {
        let wanted = object.fields_to_read();
        let read = self.connection.get(&object.object, ids, &wanted).await?;
        let rows: Vec<Option<&RawValue>> =
            serde_json::from_slice(&read).map_err(|error| SyncError::Records {
                object: object.object.clone(),
                what: error.to_string(),
            })?;
        let rows = rows.into_iter();
        rows.map(|row| {
            row.map(|row| fields(object, row.get().as_bytes()))
                .transpose()
        })
        .collect()
    }

    /// Compares all records of an object with those that are known here, and marks
    /// those that differ.
    async fn compare(&self, object: &ObjectPlan) -> Result<(), SyncError> {
        let mut comparison = Comparison::begin(self, object).await?;
        let mut differing = Vec::new();
        while let Some((_, org_id)) = comparison.next().await? {
            differing.push(org_id);
            if differing.len() >= READ_AT_A_TIME as usize {
                self.mark(object, std::mem::take(&mut differing)).await?;
            }
        }
        if !differing.is_empty() {
            self.mark(object, differing).await?;
        }
        Ok(())
    }

    async fn mark(&self, object: &ObjectPlan, org_ids: Vec<String>) -> Result<(), SyncError> {
        let mut stale = stale_of(object, "compared");
        stale.record_ids = org_ids;
        self.apply(Batch {
            items: vec![Incoming::Stale(stale)],
            ..Batch::default()
        })
        .await
    }

    /// Marks all records of all objects to be compared, for a reason.
    pub(super) async fn mark_all(&self, reason: &str) -> Result<(), SyncError> {
        let marks = self
            .taken()
            .into_iter()
            .map(|object| everything_of(object, reason));
        self.apply(Batch {
            items: marks.collect(),
            ..Batch::default()
        })
        .await
    }

    /// Has all records compared from time to time.
    pub(super) async fn reconcile_at_times(&self) -> Result<std::convert::Infallible, SyncError> {
        let Some(every) = self.options.reconcile_every else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(every).await;
            self.mark_all("schedule").await?;
        }
    }
}

fn is_live(progress: Progress) -> bool {
    progress == Progress::Live
}

/// Says that any record of an object may have changed.
pub(super) fn everything_of(object: &ObjectPlan, reason: &str) -> Incoming {
    Incoming::Stale(stale_of(object, reason))
}

/// A mark of our own. Its id is one that none ever had.
fn stale_of(object: &ObjectPlan, reason: &str) -> Stale {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Stale {
        id: format!("{reason}:{}:{}", object.object, now.as_nanos()),
        object: object.object.clone(),
        record_ids: Vec::new(),
        committed_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
    }
}
