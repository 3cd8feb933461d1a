//! Loads: all records of an object, page by page, each page in the transaction that
//! moves the place to go on from.

use futures_util::TryStreamExt as _;
use lockgate::{Page, ScanOptions};

use super::pace::Pace;
use super::reread::everything_of;
use super::{Engine, SyncError};
use crate::incoming::{Batch, Incoming, Progress, Record, Rejected};
use crate::plan::ObjectPlan;
use crate::value::{Fields, Value, fields_from_json};

impl Engine {
    /// Loads what was not loaded, and then has nothing to do any more.
    pub(super) async fn load_all(&self, pace: &Pace<'_>) -> Result<(), SyncError> {
        for object in self.taken() {
            self.load(object).await?;
            pace.went_well();
        }
        std::future::pending().await
    }

    /// Loads an object, from where an earlier load was.
    pub(super) async fn load(&self, object: &ObjectPlan) -> Result<(), SyncError> {
        let (mut place, mut records) = match self.database.progress(&object.object).await? {
            Some(Progress::Live) => return Ok(()),
            Some(Progress::Loading { place, records }) => (Some(place), records),
            None => (None, 0),
        };
        let options = ScanOptions {
            fields: object.fields_to_read(),
            after: place.clone(),
            ..ScanOptions::default()
        };
        let mut pages = self.backfill().scan(&object.object, options).await?;
        while let Some(page) = pages.try_next().await? {
            let items = incoming(object, &page)?;
            records += items.len() as u64;
            if let Some(last) = items.iter().rev().find_map(|item| id_of(object, item)) {
                place = Some(last);
            }
            let progress = place.clone().map(|place| {
                let progress = Progress::Loading { place, records };
                (object.object.clone(), progress)
            });
            self.apply(Batch {
                items,
                progress,
                ..Batch::default()
            })
            .await?;
        }
        // What changed while it was loaded, before anybody told of changes, is found
        // by a comparison.
        let mark = everything_of(object, "load");
        self.apply(Batch {
            items: vec![mark],
            progress: Some((object.object.clone(), Progress::Live)),
            ..Batch::default()
        })
        .await
    }

    /// Sends a batch through the plugins and applies it, and wakes who reads again if something is to be.
    pub(super) async fn apply(&self, batch: Batch) -> Result<(), SyncError> {
        let batch = self.through_plugins(batch).await?;
        let has_marks = batch
            .items
            .iter()
            .any(|item| matches!(item, Incoming::Stale(_)));
        let applied = self.database.apply(batch).await?;
        self.activity
            .send_modify(|activity| activity.applied += applied);
        if applied.conflicts > 0 {
            self.to_decide.notify_one();
        }
        if has_marks || applied.unread > 0 {
            self.to_reread.notify_one();
        }
        Ok(())
    }
}

impl ObjectPlan {
    /// The fields that a reading of a record asks for.
    pub(super) fn fields_to_read(&self) -> Vec<String> {
        let columns = self.columns.iter().map(|column| &column.field);
        let own = self.key_field.iter().chain([&self.id_field]);
        columns.chain(own).cloned().collect()
    }

    /// The field that says when a record was last changed, if the plan has one.
    pub(super) fn stamp_field(&self) -> Option<&str> {
        let stamps = self.stamp_fields.iter().map(String::as_str);
        let mut readable = stamps.filter(|stamp| self.column(stamp).is_some());
        readable.next()
    }
}

/// The records of a page. Those that a plugin turned away are told as that.
fn incoming(object: &ObjectPlan, page: &Page) -> Result<Vec<Incoming>, SyncError> {
    let mut items = Vec::with_capacity(page.records.len() + page.rejected.len());
    for row in page.records.rows()? {
        items.push(Incoming::Record(Record {
            object: object.object.clone(),
            fields: fields(object, row.get().as_bytes())?,
            ticket: None,
        }));
    }
    for rejected in &page.rejected {
        let fields = fields(object, &rejected.record)?;
        items.push(Incoming::Rejected(Rejected {
            object: object.object.clone(),
            org_id: text(&fields, &object.id_field),
            reason: rejected.reason.clone(),
            fields,
            ticket: None,
        }));
    }
    Ok(items)
}

/// The fields of a record.
pub(super) fn fields(object: &ObjectPlan, json: &[u8]) -> Result<Fields, SyncError> {
    fields_from_json(json).map_err(|error| SyncError::Records {
        object: object.object.clone(),
        what: error.to_string(),
    })
}

/// A field that holds a text.
pub(super) fn text(fields: &Fields, field: &str) -> Option<String> {
    fields
        .get(field)
        .and_then(Value::as_text)
        .map(str::to_owned)
}

fn id_of(object: &ObjectPlan, item: &Incoming) -> Option<String> {
    match item {
        Incoming::Record(record) => text(&record.fields, &object.id_field),
        Incoming::Rejected(rejected) => rejected.org_id.clone(),
        _ => None,
    }
}
