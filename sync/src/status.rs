//! The state of a sync as plain data, and what a reconciliation compares.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::error::DatabaseError;
use crate::incoming::Progress;
use crate::numbers;
use crate::plan::Plan;
use crate::sql::Sql;

/// How a sync is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyncStatus {
    /// By object.
    pub objects: BTreeMap<String, ObjectStatus>,
    /// Of each source: when its checkpoint was last kept, in milliseconds since 1970.
    pub checkpoints_ms: BTreeMap<String, i64>,
    /// Rows with changes that are to be sent.
    pub pending: u64,
    /// Since when the oldest of them waits.
    pub pending_since_ms: Option<i64>,
    /// Sends that were not settled.
    pub under_way: u64,
    /// Records that must be read again; one stands for all of an object, if so.
    pub unread: u64,
    /// Conflicts that nobody has decided.
    pub undecided: u64,
    /// Conflicts that were decided by a policy and that nobody has looked at.
    pub decided: u64,
    /// Dead letters from the org.
    pub letters_in: u64,
    /// Dead letters to the org.
    pub letters_out: u64,
}

/// About how many rows or records one call reads or writes.
const RECORDS_A_CALL: u64 = 200;

impl SyncStatus {
    /// About how many API calls it takes to send what waits here, each part after a look
    /// whether somebody was faster, and to read again what must be. A load under way is
    /// not among it: how much there is still to come, only the org knows.
    #[must_use]
    pub const fn calls_to_do(&self) -> u64 {
        self.pending.div_ceil(RECORDS_A_CALL) * 2 + self.unread.div_ceil(RECORDS_A_CALL)
    }
}

/// How an object is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ObjectStatus {
    /// How far its load is; `None` before it began.
    pub progress: Option<Progress>,
    /// Rows that have a record in the org.
    pub rows: u64,
}

/// A record as it is known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownRecord {
    /// The org's id.
    pub org_id: String,
    /// When the org last changed it, as far as is known; milliseconds since 1970.
    pub stamp_ms: i64,
}

pub(crate) fn status(sql: &mut dyn Sql, plan: &Plan) -> Result<SyncStatus, DatabaseError> {
    let mut status = SyncStatus::default();
    for object in &plan.objects {
        let rows = count(
            sql,
            "SELECT count(*) FROM ~rows \
             WHERE object = ?1 AND org_id IS NOT NULL AND gone_ms IS NULL",
            Some(&object.object),
        )?;
        let progress = progress(sql, &object.object)?;
        status
            .objects
            .insert(object.object.clone(), ObjectStatus { progress, rows });
    }
    for row in sql.rows("SELECT source, saved_ms FROM ~checkpoints", &[])? {
        status.checkpoints_ms.insert(row.text(0)?, row.int(1)?);
    }
    let counts: [(&mut u64, &str); 7] = [
        (
            &mut status.pending,
            "FROM (SELECT DISTINCT object, local_key FROM ~outbox) AS pending",
        ),
        (
            &mut status.under_way,
            "FROM ~sent WHERE state IN ('under-way', 'told')",
        ),
        (&mut status.unread, "FROM ~unread"),
        (
            &mut status.undecided,
            "FROM ~conflicts WHERE resolved_ms IS NULL AND taken = 'undecided'",
        ),
        (
            &mut status.decided,
            "FROM ~conflicts WHERE resolved_ms IS NULL AND taken <> 'undecided'",
        ),
        (
            &mut status.letters_in,
            "FROM ~letters WHERE direction = 'in'",
        ),
        (
            &mut status.letters_out,
            "FROM ~letters WHERE direction = 'out'",
        ),
    ];
    for (place, rest) in counts {
        *place = count(sql, &format!("SELECT count(*) {rest}"), None)?;
    }
    let oldest = sql.rows("SELECT min(captured_ms) FROM ~outbox", &[])?;
    if let Some(row) = oldest.first() {
        status.pending_since_ms = row.maybe_int(0)?;
    }
    Ok(status)
}

fn count(sql: &mut dyn Sql, query: &str, object: Option<&str>) -> Result<u64, DatabaseError> {
    let values: Vec<_> = object.into_iter().map(Into::into).collect();
    let rows = sql.rows(query, &values)?;
    let count = rows.first().map_or(Ok(0), |row| row.int(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// How far an object is.
pub(crate) fn progress(sql: &mut dyn Sql, object: &str) -> Result<Option<Progress>, DatabaseError> {
    let note = numbers::note(sql, &format!("progress:{object}"))?;
    let parsed = note.map(|text| serde_json::from_str(&text));
    parsed
        .transpose()
        .map_err(|error| DatabaseError::damaged(format!("a progress is no JSON: {error}")))
}

/// The checkpoint of a source.
pub(crate) fn checkpoint(
    sql: &mut dyn Sql,
    source: &str,
) -> Result<Option<Vec<u8>>, DatabaseError> {
    let rows = sql.rows(
        "SELECT checkpoint FROM ~checkpoints WHERE source = ?1",
        &[source.into()],
    )?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let bytes = STANDARD.decode(row.text(0)?);
    bytes
        .map(Some)
        .map_err(|error| DatabaseError::damaged(format!("a checkpoint is no base64: {error}")))
}

/// Records that are known of an object, those behind the id `after`, ordered by it.
pub(crate) fn known_records(
    sql: &mut dyn Sql,
    object: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<KnownRecord>, DatabaseError> {
    let order = sql.by_bytes("org_id");
    let rows = sql.rows(
        &format!(
            "SELECT org_id, stamp_ms FROM ~rows \
             WHERE object = ?1 AND org_id IS NOT NULL AND gone_ms IS NULL AND {order} > ?2 \
             ORDER BY {order} LIMIT ?3"
        ),
        &[object.into(), after.into(), i64::from(limit).into()],
    )?;
    let record = |row: &crate::sql::Row| {
        Ok(KnownRecord {
            org_id: row.text(0)?,
            stamp_ms: row.int(1)?,
        })
    };
    rows.iter().map(record).collect()
}
