//! Conflicts: kept with both values, also where a policy has decided, listed, and
//! resolved by hand.

use serde::Serialize;

use crate::error::DatabaseError;
use crate::mapping::Policy;
use crate::merge::{self, FieldConflict, Taken};
use crate::numbers;
use crate::outbox;
use crate::plan::{ObjectPlan, Plan};
use crate::rows::{self, Known};
use crate::sql::{Cell, Row, Sql};
use crate::value::{Fields, Value};

/// A conflict as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Its number.
    pub number: i64,
    /// The object.
    pub object: String,
    /// The row.
    pub local_key: String,
    /// The record, if it was there.
    pub org_id: Option<String>,
    /// The field, by its API name; `None` if one side deleted what the other changed.
    pub field: Option<String>,
    /// What both had before. Of whole records: null.
    pub base: Value,
    /// What the row had; of whole records `deleted`, or the changed fields as JSON.
    pub local: Value,
    /// What the org had, likewise.
    pub incoming: Value,
    /// By which policy it was decided.
    pub policy: String,
    /// Who won: `org`, `local`, or `undecided`.
    pub taken: String,
    /// When it was found, in milliseconds since 1970.
    pub found_ms: i64,
    /// When somebody resolved it by hand.
    pub resolved_ms: Option<i64>,
}

/// How a person, or a plugin, resolves a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// What the org has now.
    Org,
    /// What the row had when the conflict was found.
    Local,
    /// This.
    Value(Value),
}

/// A conflict that is to be kept.
pub(crate) struct Kept<'a> {
    object: &'a str,
    local_key: &'a str,
    org_id: Option<&'a str>,
    field: String,
    base: Value,
    local: Value,
    incoming: Value,
    policy: Policy,
    taken: Taken,
}

impl<'a> Kept<'a> {
    pub(crate) fn of_field(
        object: &'a ObjectPlan,
        known: &'a Known,
        conflict: FieldConflict,
    ) -> Self {
        Self {
            object: &object.object,
            local_key: &known.local_key,
            org_id: known.org_id.as_deref(),
            field: conflict.field,
            base: conflict.base,
            local: conflict.local,
            incoming: conflict.incoming,
            policy: conflict.policy,
            taken: conflict.taken,
        }
    }

    /// One side deleted what the other changed.
    pub(crate) fn of_record(
        object: &'a ObjectPlan,
        known: &'a Known,
        local: &str,
        incoming: &str,
        taken: Taken,
    ) -> Self {
        Self {
            object: &object.object,
            local_key: &known.local_key,
            org_id: known.org_id.as_deref(),
            field: String::new(),
            base: Value::Null,
            local: Value::text(local),
            incoming: Value::text(incoming),
            policy: object.policy,
            taken,
        }
    }
}

fn json(value: &Value) -> Cell {
    Cell::Text(serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()))
}

/// Keeps a conflict. An undecided one of the same field takes the new values: there
/// is one question to answer, not two.
pub(crate) fn put(sql: &mut dyn Sql, kept: &Kept<'_>, now_ms: i64) -> Result<(), DatabaseError> {
    if kept.taken == Taken::Undecided {
        sql.run(
            "DELETE FROM ~conflicts WHERE object = ?1 AND local_key = ?2 AND field = ?3 \
             AND taken = 'undecided' AND resolved_ms IS NULL",
            &[
                kept.object.into(),
                kept.local_key.into(),
                kept.field.as_str().into(),
            ],
        )?;
    }
    let number = numbers::next(sql)?;
    sql.run(
        "INSERT INTO ~conflicts (number, object, local_key, org_id, field, base, local, \
         incoming, policy, taken, found_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        &[
            number.into(),
            kept.object.into(),
            kept.local_key.into(),
            kept.org_id.map(str::to_owned).into(),
            kept.field.as_str().into(),
            json(&kept.base),
            json(&kept.local),
            json(&kept.incoming),
            kept.policy.word().into(),
            kept.taken.word().into(),
            now_ms.into(),
        ],
    )
    .map(|_| ())
}

/// The fields of a row about which nobody has decided yet: they are not sent.
pub(crate) fn undecided(
    sql: &mut dyn Sql,
    object: &str,
    local_key: &str,
) -> Result<Vec<String>, DatabaseError> {
    let rows = sql.rows(
        "SELECT field FROM ~conflicts WHERE object = ?1 AND local_key = ?2 \
         AND taken = 'undecided' AND resolved_ms IS NULL",
        &[object.into(), local_key.into()],
    )?;
    rows.iter().map(|row| row.text(0)).collect()
}

const COLUMNS: &str = "number, object, local_key, org_id, field, base, local, incoming, policy, \
                       taken, found_ms, resolved_ms";

fn conflict(row: &Row) -> Result<Conflict, DatabaseError> {
    let value = |at| {
        let json = row.text(at)?;
        serde_json::from_str(&json)
            .map_err(|error| DatabaseError::damaged(format!("a kept value is no JSON: {error}")))
    };
    Ok(Conflict {
        number: row.int(0)?,
        object: row.text(1)?,
        local_key: row.text(2)?,
        org_id: row.maybe_text(3)?,
        field: Some(row.text(4)?).filter(|field| !field.is_empty()),
        base: value(5)?,
        local: value(6)?,
        incoming: value(7)?,
        policy: row.text(8)?,
        taken: row.text(9)?,
        found_ms: row.int(10)?,
        resolved_ms: row.maybe_int(11)?,
    })
}

/// Conflicts that nobody has resolved by hand, those behind the number `after`, the
/// oldest first.
pub(crate) fn list(
    sql: &mut dyn Sql,
    after: i64,
    limit: u32,
) -> Result<Vec<Conflict>, DatabaseError> {
    let rows = sql.rows(
        &format!(
            "SELECT {COLUMNS} FROM ~conflicts \
             WHERE resolved_ms IS NULL AND number > ?1 ORDER BY number LIMIT ?2"
        ),
        &[after.into(), i64::from(limit).into()],
    )?;
    rows.iter().map(conflict).collect()
}

/// Resolves a conflict: writes the value into the row, and sends it if the org has
/// another. Of a whole record, it only ends the listing: a record that is gone on
/// one side is inserted or deleted by whoever wants it otherwise.
pub(crate) fn resolve(
    sql: &mut dyn Sql,
    plan: &Plan,
    number: i64,
    resolution: &Resolution,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    numbers::next(sql)?;
    let rows = sql.rows(
        &format!(
            "SELECT {COLUMNS} FROM ~conflicts \
             WHERE resolved_ms IS NULL AND number = ?1"
        ),
        &[number.into()],
    )?;
    let conflict = rows.first().map(conflict).transpose()?;
    let missing = DatabaseError::NoSuch {
        what: "conflict",
        number,
    };
    let conflict = conflict.ok_or(missing)?;
    sql.run(
        "UPDATE ~conflicts SET resolved_ms = ?2 WHERE number = ?1",
        &[number.into(), now_ms.into()],
    )?;
    let (Some(object), Some(field)) = (plan.object(&conflict.object), conflict.field) else {
        return Ok(());
    };
    let Some(column) = object.column(&field) else {
        return Ok(());
    };
    let Some(known) = rows::by_key(sql, &conflict.object, &conflict.local_key)? else {
        return Ok(());
    };
    if outbox::look(sql, object, &known.local_key)?.local.is_none() {
        return Ok(());
    }
    let theirs = merge::of(&known.base, &field);
    let value = match resolution {
        Resolution::Org => theirs.clone(),
        Resolution::Local => conflict.local,
        Resolution::Value(value) => column.kind.canonical(value.clone()),
    };
    if let Some(wrong) = column.kind.problem(&value, column.max_length) {
        let detail = format!("the value for {}.{field} {wrong}", conflict.object);
        return Err(DatabaseError::Rule { detail });
    }
    if &value != theirs {
        outbox::add(sql, &object.object, &known.local_key, now_ms)?;
    }
    let fields = Fields::from([(field, value)]);
    rows::write(sql, object, &known.local_key, &fields)
}
