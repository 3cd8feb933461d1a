//! Dead letters: what could not be applied or sent, with the reason, until somebody
//! has mended it and sends it again.

use serde::Serialize;

use crate::error::DatabaseError;
use crate::mapping::Direction;
use crate::numbers;
use crate::outbox;
use crate::sql::{Row, Sql};
use crate::unread;

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// Its number.
    pub number: i64,
    /// `in` if it came from the org, `out` if it was to go there.
    pub direction: String,
    /// The object.
    pub object: String,
    /// The row, of those to go out.
    pub local_key: Option<String>,
    /// The record, if it is known.
    pub org_id: Option<String>,
    /// Why, for people.
    pub reason: String,
    /// The fields, a JSON object.
    pub content: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A letter that is to be kept.
pub(crate) struct New<'a> {
    pub(crate) direction: Direction,
    pub(crate) object: &'a str,
    pub(crate) local_key: Option<&'a str>,
    pub(crate) org_id: Option<&'a str>,
    pub(crate) reason: &'a str,
    pub(crate) content: &'a str,
}

/// Keeps a letter. An older one of the same row or record is replaced: it is the
/// same trouble, or its content is out of date.
pub(crate) fn put(sql: &mut dyn Sql, letter: &New<'_>, now_ms: i64) -> Result<(), DatabaseError> {
    let (direction, place) = match letter.direction {
        Direction::Out => ("out", letter.local_key.map(|key| ("local_key", key))),
        Direction::In | Direction::Both => ("in", letter.org_id.map(|id| ("org_id", id))),
    };
    if let Some((column, value)) = place {
        sql.run(
            &format!(
                "DELETE FROM ~letters \
                 WHERE direction = ?1 AND object = ?2 AND {column} = ?3"
            ),
            &[direction.into(), letter.object.into(), value.into()],
        )?;
    }
    let number = numbers::next(sql)?;
    sql.run(
        "INSERT INTO ~letters \
         (number, direction, object, local_key, org_id, reason, content, at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        &[
            number.into(),
            direction.into(),
            letter.object.into(),
            letter.local_key.map(str::to_owned).into(),
            letter.org_id.map(str::to_owned).into(),
            letter.reason.into(),
            letter.content.into(),
            now_ms.into(),
        ],
    )
    .map(|_| ())
}

/// Removes the letters of a row: it went out.
pub(crate) fn remove_of(
    sql: &mut dyn Sql,
    object: &str,
    local_key: &str,
) -> Result<(), DatabaseError> {
    sql.run(
        "DELETE FROM ~letters \
         WHERE direction = 'out' AND object = ?1 AND local_key = ?2",
        &[object.into(), local_key.into()],
    )
    .map(|_| ())
}

const COLUMNS: &str =
    "number, direction, object, local_key, org_id, reason, content, at_ms FROM ~letters";

fn letter(row: &Row) -> Result<Letter, DatabaseError> {
    Ok(Letter {
        number: row.int(0)?,
        direction: row.text(1)?,
        object: row.text(2)?,
        local_key: row.maybe_text(3)?,
        org_id: row.maybe_text(4)?,
        reason: row.text(5)?,
        content: row.text(6)?,
        at_ms: row.int(7)?,
    })
}

/// The letters behind the number `after`, the oldest first.
pub(crate) fn list(
    sql: &mut dyn Sql,
    after: i64,
    limit: u32,
) -> Result<Vec<Letter>, DatabaseError> {
    let rows = sql.rows(
        &format!("SELECT {COLUMNS} WHERE number > ?1 ORDER BY number LIMIT ?2"),
        &[after.into(), i64::from(limit).into()],
    )?;
    rows.iter().map(letter).collect()
}

/// Sends a letter again: a row waits to be sent as it is then, a record to be read
/// anew. A record without an id cannot be read; its letter stays.
pub(crate) fn again(sql: &mut dyn Sql, number: i64, now_ms: i64) -> Result<(), DatabaseError> {
    let rows = sql.rows(
        &format!("SELECT {COLUMNS} WHERE number = ?1"),
        &[number.into()],
    )?;
    let missing = DatabaseError::NoSuch {
        what: "dead letter",
        number,
    };
    let letter = rows.first().map(letter).transpose()?.ok_or(missing)?;
    match (letter.local_key, letter.org_id) {
        (Some(key), _) => outbox::add(sql, &letter.object, &key, now_ms)?,
        (None, Some(id)) => unread::mark(sql, &letter.object, &id, now_ms)?,
        (None, None) => {
            return Err(DatabaseError::Rule {
                detail: "the letter names neither a row nor a record: load the object anew".into(),
            });
        }
    }
    remove(sql, number)
}

/// Throws a letter away.
pub(crate) fn remove(sql: &mut dyn Sql, number: i64) -> Result<(), DatabaseError> {
    let count = sql.run("DELETE FROM ~letters WHERE number = ?1", &[number.into()])?;
    if count == 0 {
        return Err(DatabaseError::NoSuch {
            what: "dead letter",
            number,
        });
    }
    Ok(())
}
