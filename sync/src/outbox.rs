//! What other programs did to the tables, as the triggers have captured it.
//!
//! An entry says that a row has changed and when; what is to be sent is worked out
//! from row and base when it is sent. So entries can be read again, merged and lost
//! track of without any harm but a needless look.

use std::collections::BTreeMap;

use crate::error::DatabaseError;
use crate::plan::ObjectPlan;
use crate::rows::{self, Local};
use crate::sql::Sql;

/// When each field of a row was last changed by other programs; the empty name
/// stands for the row as a whole.
pub(crate) fn changed_ms(
    sql: &mut dyn Sql,
    object: &str,
    local_key: &str,
) -> Result<BTreeMap<String, i64>, DatabaseError> {
    let rows = sql.rows(
        "SELECT fields, captured_ms FROM ~outbox WHERE object = ?1 AND local_key = ?2 \
         ORDER BY seq",
        &[object.into(), local_key.into()],
    )?;
    let mut changed = BTreeMap::new();
    for row in &rows {
        let (fields, captured_ms) = (row.text(0)?, row.int(1)?);
        // Each list ends with a comma, so the empty name is among its parts.
        for field in fields.split(',') {
            changed.insert(field.to_owned(), captured_ms);
        }
    }
    Ok(changed)
}

/// When one field was last changed, as far as is known: an insert names none.
pub(crate) fn of(changed: &BTreeMap<String, i64>, field: &str) -> i64 {
    let moment = changed.get(field).or_else(|| changed.get(""));
    moment.copied().unwrap_or(0)
}

/// A row with the last of its entries.
pub(crate) struct Look {
    /// The row, which nobody else can change until the end of the transaction;
    /// `None` if there is none.
    pub(crate) local: Option<Local>,
    last: Option<i64>,
}

impl Look {
    /// Whether the row has entries: other programs have changed it.
    pub(crate) const fn is_captured(&self) -> bool {
        self.last.is_some()
    }
}

/// Looks at a row and its entries together.
pub(crate) fn look(
    sql: &mut dyn Sql,
    object: &ObjectPlan,
    local_key: &str,
) -> Result<Look, DatabaseError> {
    let local = rows::read(sql, object, local_key)?;
    let last = last(sql, &object.object, local_key)?;
    let local = match local {
        Some(local) => Some(local),
        // There was no row to lock, and another program may just have inserted one of
        // the same key: then its entry may be among these.
        None => rows::read(sql, object, local_key)?,
    };
    Ok(Look { local, last })
}

fn last(sql: &mut dyn Sql, object: &str, local_key: &str) -> Result<Option<i64>, DatabaseError> {
    let rows = sql.rows(
        "SELECT max(seq) FROM ~outbox WHERE object = ?1 AND local_key = ?2",
        &[object.into(), local_key.into()],
    )?;
    rows.first().map_or(Ok(None), |row| row.maybe_int(0))
}

/// Marks the entries that were looked at as sent with `send`.
pub(crate) fn mark(
    sql: &mut dyn Sql,
    object: &str,
    local_key: &str,
    look: &Look,
    send: i64,
) -> Result<(), DatabaseError> {
    sql.run(
        "UPDATE ~outbox SET send = ?4 WHERE object = ?1 AND local_key = ?2 AND seq <= ?3",
        &[
            object.into(),
            local_key.into(),
            look.last.unwrap_or(0).into(),
            send.into(),
        ],
    )
    .map(|_| ())
}

/// Removes the entries that were sent with `send`, and no others.
pub(crate) fn remove_sent(sql: &mut dyn Sql, send: i64) -> Result<(), DatabaseError> {
    sql.run("DELETE FROM ~outbox WHERE send = ?1", &[send.into()])
        .map(|_| ())
}

/// Takes the mark of a send away: its entries wait again.
pub(crate) fn unmark(sql: &mut dyn Sql, send: i64) -> Result<(), DatabaseError> {
    sql.run(
        "UPDATE ~outbox SET send = NULL WHERE send = ?1",
        &[send.into()],
    )
    .map(|_| ())
}

/// Removes the entries that were looked at.
pub(crate) fn remove(
    sql: &mut dyn Sql,
    object: &str,
    local_key: &str,
    look: &Look,
) -> Result<(), DatabaseError> {
    sql.run(
        "DELETE FROM ~outbox WHERE object = ?1 AND local_key = ?2 AND seq <= ?3",
        &[
            object.into(),
            local_key.into(),
            look.last.unwrap_or(0).into(),
        ],
    )
    .map(|_| ())
}

/// Adds an entry of our own: the row has something to send.
pub(crate) fn add(
    sql: &mut dyn Sql,
    object: &str,
    local_key: &str,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    sql.run(
        "INSERT INTO ~outbox (object, local_key, op, fields, captured_ms) \
         VALUES (?1, ?2, 'update', '', ?3)",
        &[object.into(), local_key.into(), now_ms.into()],
    )
    .map(|_| ())
}
