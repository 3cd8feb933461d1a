//! Records that are read again, and the comparison of all records of an object: what
//! nobody told of is found by it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::TryStreamExt as _;
use lockgate::{Pages, ScanOptions};
use serde_json::value::RawValue;

use super::load::{fields, text};
use super::pace::Pace;
use super::{Engine, SyncError};
use crate::incoming::{Batch, Gone, Incoming, Progress, Record, Stale};
use crate::kind::milliseconds;
use crate::plan::ObjectPlan;
use crate::status::KnownRecord;
use crate::unread::Unread;
use crate::value::Fields;

/// Records that are read at a time.
const READ_AT_A_TIME: u32 = 200;

/// Records of the database that are compared at a time.
const COMPARED_AT_A_TIME: u32 = 1_000;

/// How often marks are looked for that nobody told of.
const LOOK_EVERY: Duration = Duration::from_secs(10);

impl Engine {
    /// Reads what is marked, whenever something is.
    pub(super) async fn reread(&self, pace: &Pace) -> Result<(), SyncError> {
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
    /// those that differ. Both come in the order of their ids, so that neither is
    /// ever held as a whole.
    async fn compare(&self, object: &ObjectPlan) -> Result<(), SyncError> {
        let stamp = object.stamp_field();
        let options = ScanOptions {
            fields: stamp.into_iter().map(str::to_owned).collect(),
            ..ScanOptions::default()
        };
        let pages = self.backfill().scan(&object.object, options).await?;
        let mut org = InOrg::new(object, pages);
        let mut known = Known::new(self, object);
        let mut differing = Vec::new();
        let (mut there, mut here) = (org.next().await?, known.next().await?);
        loop {
            let order = match (&there, &here) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(there), Some(here)) => there.org_id.cmp(&here.org_id),
            };
            let is_changed = match (&there, &here) {
                (Some(there), Some(here)) if order.is_eq() => there.stamp_ms > here.stamp_ms,
                _ => true,
            };
            let id = if order.is_gt() { &here } else { &there };
            if is_changed {
                differing.extend(id.as_ref().map(|record| record.org_id.clone()));
            }
            if order.is_le() {
                there = org.next().await?;
            }
            if order.is_ge() {
                here = known.next().await?;
            }
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

/// The records of the org, by their ids.
struct InOrg<'a> {
    object: &'a ObjectPlan,
    pages: Pages,
    page: std::vec::IntoIter<KnownRecord>,
    last: Option<String>,
}

impl<'a> InOrg<'a> {
    fn new(object: &'a ObjectPlan, pages: Pages) -> Self {
        Self {
            object,
            pages,
            page: Vec::new().into_iter(),
            last: None,
        }
    }

    async fn next(&mut self) -> Result<Option<KnownRecord>, SyncError> {
        loop {
            if let Some(record) = self.page.next() {
                if self.last.as_ref() >= Some(&record.org_id) {
                    return Err(self.not_to_be_relied_on(&record.org_id));
                }
                self.last = Some(record.org_id.clone());
                return Ok(Some(record));
            }
            let Some(page) = self.pages.try_next().await? else {
                return Ok(None);
            };
            let mut records = Vec::with_capacity(page.records.len());
            for row in page.records.rows()? {
                let fields = fields(self.object, row.get().as_bytes())?;
                let org_id = text(&fields, &self.object.id_field)
                    .ok_or_else(|| self.not_to_be_relied_on("a record"))?;
                let stamp = self.object.stamp_field();
                let stamp = stamp.and_then(|stamp| text(&fields, stamp));
                records.push(KnownRecord {
                    org_id,
                    stamp_ms: stamp.and_then(|text| milliseconds(&text)).unwrap_or(0),
                });
            }
            self.page = records.into_iter();
        }
    }

    fn not_to_be_relied_on(&self, what: &str) -> SyncError {
        SyncError::Records {
            object: self.object.object.clone(),
            what: format!("a scan gave {what} out of the order of ids, or without one"),
        }
    }
}

/// The records that the database knows, by their ids.
struct Known<'a> {
    engine: &'a Engine,
    object: &'a ObjectPlan,
    page: std::vec::IntoIter<KnownRecord>,
    after: String,
    is_over: bool,
}

impl<'a> Known<'a> {
    fn new(engine: &'a Engine, object: &'a ObjectPlan) -> Self {
        Self {
            engine,
            object,
            page: Vec::new().into_iter(),
            after: String::new(),
            is_over: false,
        }
    }

    async fn next(&mut self) -> Result<Option<KnownRecord>, SyncError> {
        if self.page.len() == 0 && !self.is_over {
            let (object, limit) = (&self.object.object, COMPARED_AT_A_TIME);
            let database = &self.engine.database;
            let page = database.known_records(object, &self.after, limit).await?;
            match page.last() {
                Some(last) => self.after.clone_from(&last.org_id),
                None => self.is_over = true,
            }
            self.page = page.into_iter();
        }
        Ok(self.page.next())
    }
}
