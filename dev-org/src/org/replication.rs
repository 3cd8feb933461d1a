//! getUpdated and getDeleted: what changed in a window of time.

use super::Org;
use crate::fault::Fault;
use crate::id::Id;
use crate::schema::Object;
use crate::user::User;
use crate::value::{DAY_MS, Value};

/// How far back a window may start.
const OLDEST_START_MS: i64 = 30 * DAY_MS;
/// How long deleted records stay in the recycle bin.
const BIN_MS: i64 = 15 * DAY_MS;
/// Most ids of one answer.
const MAX_IDS: usize = 600_000;
/// Seconds of a window's ends are ignored.
const MINUTE_MS: i64 = 60_000;

/// The answer of getUpdated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdatedRecords {
    /// The live records created or changed in the window.
    pub ids: Vec<Id>,
    /// The end of the window that the answer covers, in milliseconds.
    pub latest_date_covered: i64,
}

/// The answer of getDeleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedRecords {
    /// The records deleted in the window.
    pub deleted: Vec<DeletedRecord>,
    /// The oldest start that can be asked for, in milliseconds.
    pub earliest_date_available: i64,
    /// The end of the window that the answer covers, in milliseconds.
    pub latest_date_covered: i64,
}

/// One deleted record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedRecord {
    /// Its id.
    pub id: Id,
    /// When it was deleted, in milliseconds.
    pub deleted_date: i64,
}

impl Org {
    /// The records of an object created or changed from `start` to `end`, both
    /// in milliseconds.
    ///
    /// # Errors
    /// When the object cannot be replicated or the window is not allowed.
    pub fn updated_ids(
        &self,
        who: &User,
        object: &str,
        start: i64,
        end: i64,
    ) -> Result<UpdatedRecords, Fault> {
        let (object, start, end) = self.window(who, object, start, end)?;
        let Some(modstamp) = object.system.system_modstamp else {
            return Err(not_replicateable(object));
        };
        let changed =
            |value: &Value| matches!(value, Value::DateTime(at) if (start..end).contains(at));
        let ids: Vec<Id> = self
            .table(object)
            .rows()
            .filter(|row| !row.is_deleted() && changed(row.get(modstamp)))
            .map(crate::table::Row::shared_id)
            .collect();
        check_count(ids.len())?;
        Ok(UpdatedRecords {
            ids,
            latest_date_covered: end,
        })
    }

    /// The records of an object deleted from `start` to `end`, both in
    /// milliseconds.
    ///
    /// # Errors
    /// When the object cannot be replicated or the window is not allowed.
    pub fn deleted_ids(
        &self,
        who: &User,
        object: &str,
        start: i64,
        end: i64,
    ) -> Result<DeletedRecords, Fault> {
        let (object, start, end) = self.window(who, object, start, end)?;
        let earliest = floor_minute(self.now_ms() - BIN_MS);
        if start < earliest {
            return Err(Fault::bad_request(
                "INVALID_REPLICATION_DATE",
                "startDate before org replication enabled date",
            ));
        }
        let deleted: Vec<DeletedRecord> = self
            .table(object)
            .rows()
            .filter_map(|row| Some((row, row.deleted?)))
            .filter(|(_, at)| (start..end).contains(at))
            .map(|(row, at)| DeletedRecord {
                id: row.shared_id(),
                deleted_date: at,
            })
            .collect();
        check_count(deleted.len())?;
        Ok(DeletedRecords {
            deleted,
            earliest_date_available: earliest,
            latest_date_covered: end,
        })
    }

    /// The object and the window in whole minutes.
    fn window(
        &self,
        who: &User,
        object: &str,
        start: i64,
        end: i64,
    ) -> Result<(&Object, i64, i64), Fault> {
        let object = self.visible_object(&self.schema, who, object)?;
        if !object.replicateable {
            return Err(not_replicateable(object));
        }
        let (start, end) = (floor_minute(start), floor_minute(end));
        if end <= start {
            return Err(Fault::bad_request(
                "INVALID_REPLICATION_DATE",
                "endDate must be at least one minute greater than startDate",
            ));
        }
        if start < self.now_ms() - OLDEST_START_MS {
            return Err(Fault::bad_request(
                "INVALID_REPLICATION_DATE",
                "startDate cannot be more than 30 days ago",
            ));
        }
        Ok((object, start, end))
    }
}

fn floor_minute(ms: i64) -> i64 {
    ms - ms.rem_euclid(MINUTE_MS)
}

fn check_count(count: usize) -> Result<(), Fault> {
    if count > MAX_IDS {
        return Err(Fault::bad_request(
            "EXCEEDED_ID_LIMIT",
            format!("too many ids: {count}; ask for a smaller window"),
        ));
    }
    Ok(())
}

fn not_replicateable(object: &Object) -> Fault {
    Fault::bad_request(
        "INVALID_TYPE_FOR_OPERATION",
        format!("entity type {} does not support replication", object.name),
    )
}
