//! Numbers and notes: what the sync counts and remembers by name.

use crate::error::DatabaseError;
use crate::sql::Sql;

/// The next number: greater than all before, in every process. It is also the lock
/// that makes writers of ours take turns, held to the end of the transaction.
pub(crate) fn next(sql: &mut dyn Sql) -> Result<i64, DatabaseError> {
    let rows = sql.rows("UPDATE ~counter SET value = value + 1 RETURNING value", &[])?;
    rows.first()
        .ok_or_else(|| DatabaseError::damaged("the counter is missing"))?
        .int(0)
}

/// A note, if there is one of this name.
pub(crate) fn note(sql: &mut dyn Sql, name: &str) -> Result<Option<String>, DatabaseError> {
    let rows = sql.rows("SELECT value FROM ~notes WHERE name = ?1", &[name.into()])?;
    rows.first().map(|row| row.text(0)).transpose()
}

pub(crate) fn set_note(sql: &mut dyn Sql, name: &str, value: &str) -> Result<(), DatabaseError> {
    sql.run(
        "INSERT INTO ~notes (name, value) VALUES (?1, ?2) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        &[name.into(), value.into()],
    )
    .map(|_| ())
}
