//! Records that must be read again: something happened to them, and what they are
//! now is not known. Kept here, since the checkpoint moves on without them.

use crate::error::DatabaseError;
use crate::numbers;
use crate::sql::{Row, Sql};

/// The id that stands for all records of an object.
pub(crate) const ALL: &str = "";

/// A record to be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its object.
    pub object: String,
    /// The org's id of it; `None` for all records of the object.
    pub org_id: Option<String>,
    /// To be given back with what was read. What happens to the record from now on
    /// gives it another ticket, so that no reading answers what came after it.
    pub ticket: i64,
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
}

/// Marks a record. The reading must begin after this.
pub(crate) fn mark(
    sql: &mut dyn Sql,
    object: &str,
    org_id: &str,
    since_ms: i64,
) -> Result<(), DatabaseError> {
    let ticket = numbers::next(sql)?;
    sql.run(
        "INSERT INTO ~unread (object, org_id, ticket, since_ms) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (object, org_id) DO UPDATE SET ticket = excluded.ticket",
        &[object.into(), org_id.into(), ticket.into(), since_ms.into()],
    )
    .map(|_| ())
}

/// Takes the mark away, if it is still the one of this ticket.
pub(crate) fn answered(
    sql: &mut dyn Sql,
    object: &str,
    org_id: &str,
    ticket: i64,
) -> Result<(), DatabaseError> {
    sql.run(
        "DELETE FROM ~unread WHERE object = ?1 AND org_id = ?2 AND ticket = ?3",
        &[object.into(), org_id.into(), ticket.into()],
    )
    .map(|_| ())
}

pub(crate) fn list(sql: &mut dyn Sql, limit: u32) -> Result<Vec<Unread>, DatabaseError> {
    let rows = sql.rows(
        "SELECT object, org_id, ticket, since_ms FROM ~unread ORDER BY ticket LIMIT ?1",
        &[i64::from(limit).into()],
    )?;
    let unread = |row: &Row| {
        Ok(Unread {
            object: row.text(0)?,
            org_id: Some(row.text(1)?).filter(|id| id != ALL),
            ticket: row.int(2)?,
            since_ms: row.int(3)?,
        })
    };
    rows.iter().map(unread).collect()
}
