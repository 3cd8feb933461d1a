//! Rows of users' tables, and what the sync knows of each.

use crate::error::DatabaseError;
use crate::merge;
use crate::plan::{ID_COLUMN, KEY_COLUMN, ObjectPlan, Plan};
use crate::sql::{self, Cell, Row, Sql};
use crate::value::{Fields, Value, fields_from_json, fields_to_json};

/// What is known of a row and its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) local_key: String,
    pub(crate) org_id: Option<String>,
    /// What both sides last agreed on.
    pub(crate) base: Fields,
    /// When the org last changed the record, as far as was told; 0 if never.
    pub(crate) stamp_ms: i64,
    /// When it went, by the org's clock; kept for a while, so that what still comes of
    /// it is known to be late.
    pub(crate) gone_ms: Option<i64>,
    /// When that was seen here, by our own clock.
    pub(crate) gone_seen_ms: Option<i64>,
}

impl Known {
    /// A row of which nothing is agreed yet.
    pub(crate) fn fresh(local_key: String, org_id: Option<String>) -> Self {
        Self {
            local_key,
            org_id,
            base: Fields::new(),
            stamp_ms: 0,
            gone_ms: None,
            gone_seen_ms: None,
        }
    }

    /// The record is gone.
    pub(crate) fn go(&mut self, gone_ms: i64, now_ms: i64) {
        let before = self.gone_ms.unwrap_or(gone_ms);
        self.gone_ms = Some(gone_ms.max(before));
        self.gone_seen_ms = Some(now_ms);
        self.base.clear();
    }

    fn of(row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            local_key: row.text(0)?,
            org_id: row.maybe_text(1)?,
            base: stored_fields(&row.text(2)?)?,
            stamp_ms: row.int(3)?,
            gone_ms: row.maybe_int(4)?,
            gone_seen_ms: row.maybe_int(5)?,
        })
    }
}

/// Fields that were kept as JSON.
pub(crate) fn stored_fields(json: &str) -> Result<Fields, DatabaseError> {
    fields_from_json(json.as_bytes())
        .map_err(|error| DatabaseError::damaged(format!("kept fields are no JSON: {error}")))
}

const KNOWN: &str = "SELECT local_key, org_id, base, stamp_ms, gone_ms, gone_seen_ms \
                     FROM ~rows";

/// What is known of the record with this id.
pub(crate) fn by_id(
    sql: &mut dyn Sql,
    object: &str,
    org_id: &str,
) -> Result<Option<Known>, DatabaseError> {
    let query = format!("{KNOWN} WHERE object = ?1 AND org_id = ?2");
    let rows = sql.rows(&query, &[object.into(), org_id.into()])?;
    rows.first().map(Known::of).transpose()
}

/// What is known of the row with this key.
pub(crate) fn by_key(
    sql: &mut dyn Sql,
    object: &str,
    local_key: &str,
) -> Result<Option<Known>, DatabaseError> {
    let query = format!("{KNOWN} WHERE object = ?1 AND local_key = ?2");
    let rows = sql.rows(&query, &[object.into(), local_key.into()])?;
    rows.first().map(Known::of).transpose()
}

/// Keeps what is known.
pub(crate) fn keep(sql: &mut dyn Sql, object: &str, known: &Known) -> Result<(), DatabaseError> {
    sql.run(
        "INSERT INTO ~rows (object, local_key, org_id, base, stamp_ms, gone_ms, gone_seen_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (object, local_key) DO UPDATE SET org_id = excluded.org_id, \
         base = excluded.base, stamp_ms = excluded.stamp_ms, gone_ms = excluded.gone_ms, \
         gone_seen_ms = excluded.gone_seen_ms",
        &[
            object.into(),
            known.local_key.as_str().into(),
            known.org_id.clone().into(),
            fields_to_json(&known.base).into(),
            known.stamp_ms.into(),
            known.gone_ms.into(),
            known.gone_seen_ms.into(),
        ],
    )
    .map(|_| ())
}

/// Keeps that a record is gone, under a key of its own: its row lives on without
/// it.
pub(crate) fn keep_gone(
    sql: &mut dyn Sql,
    object: &str,
    org_id: &str,
    gone_ms: i64,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    let mut gone = Known::fresh(new_key()?, Some(org_id.to_owned()));
    gone.go(gone_ms, now_ms);
    keep(sql, object, &gone)
}

pub(crate) fn forget(
    sql: &mut dyn Sql,
    object: &str,
    local_key: &str,
) -> Result<(), DatabaseError> {
    sql.run(
        "DELETE FROM ~rows WHERE object = ?1 AND local_key = ?2",
        &[object.into(), local_key.into()],
    )
    .map(|_| ())
}

/// Forgets that a record is gone.
pub(crate) fn forget_gone(
    sql: &mut dyn Sql,
    object: &str,
    org_id: &str,
) -> Result<(), DatabaseError> {
    sql.run(
        "DELETE FROM ~rows WHERE object = ?1 AND org_id = ?2 AND gone_ms IS NOT NULL",
        &[object.into(), org_id.into()],
    )
    .map(|_| ())
}

/// A key for a row: the form that the tables' default has, too.
pub(crate) fn new_key() -> Result<String, DatabaseError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| DatabaseError::Backend {
        doing: "make a key for a row".to_owned(),
        source: error.into(),
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A row as it is in the user's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) id: Option<String>,
    pub(crate) fields: Fields,
}

/// Reads a row; nobody else can change it until the end of the transaction.
pub(crate) fn read(
    sql: &mut dyn Sql,
    object: &ObjectPlan,
    local_key: &str,
) -> Result<Option<Local>, DatabaseError> {
    let columns = object.columns.iter();
    let columns: Vec<String> = [ID_COLUMN.to_owned()]
        .into_iter()
        .chain(columns.map(|column| sql.read(&column.column, column.kind)))
        .collect();
    let query = format!(
        "SELECT {} FROM {} WHERE {KEY_COLUMN} = ?1{}",
        columns.join(", "),
        object.table,
        sql.for_update()
    );
    let rows = sql.rows(&query, &[local_key.into()])?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let mut fields = Fields::new();
    for (at, column) in object.columns.iter().enumerate() {
        let value = sql::value(column.kind, row.cell(at + 1)?);
        fields.insert(column.field.clone(), value);
    }
    Ok(Some(Local {
        id: row.maybe_text(0)?,
        fields,
    }))
}

/// Inserts a row with these of its fields that have a column.
pub(crate) fn insert(
    sql: &mut dyn Sql,
    object: &ObjectPlan,
    local_key: &str,
    org_id: &str,
    fields: &Fields,
) -> Result<(), DatabaseError> {
    let mut columns = vec![KEY_COLUMN, ID_COLUMN];
    let mut values = vec![local_key.into(), org_id.into()];
    for column in &object.columns {
        let value = merge::of(fields, &column.field);
        if !value.is_null() {
            columns.push(&column.column);
            values.push(sql.cell(column.kind, value));
        }
    }
    let places: Vec<String> = (1..=values.len()).map(|at| format!("?{at}")).collect();
    sql.run(
        &format!(
            "INSERT INTO {} ({}) VALUES ({})",
            object.table,
            columns.join(", "),
            places.join(", ")
        ),
        &values,
    )
    .map(|_| ())
}

/// Writes these fields into a row.
pub(crate) fn write(
    sql: &mut dyn Sql,
    object: &ObjectPlan,
    local_key: &str,
    fields: &Fields,
) -> Result<(), DatabaseError> {
    let mut changes = Vec::new();
    let mut values: Vec<Cell> = vec![local_key.into()];
    for (field, value) in fields {
        if let Some(column) = object.column(field) {
            values.push(sql.cell(column.kind, value));
            changes.push(format!("{} = ?{}", column.column, values.len()));
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    sql.run(
        &format!(
            "UPDATE {} SET {} WHERE {KEY_COLUMN} = ?1",
            object.table,
            changes.join(", ")
        ),
        &values,
    )
    .map(|_| ())
}

/// Writes the org's id into a row, or takes it away.
pub(crate) fn write_id(
    sql: &mut dyn Sql,
    object: &ObjectPlan,
    local_key: &str,
    org_id: Option<&str>,
) -> Result<(), DatabaseError> {
    sql.run(
        &format!(
            "UPDATE {} SET {ID_COLUMN} = ?2 WHERE {KEY_COLUMN} = ?1",
            object.table
        ),
        &[local_key.into(), org_id.map(str::to_owned).into()],
    )
    .map(|_| ())
}

pub(crate) fn delete(
    sql: &mut dyn Sql,
    object: &ObjectPlan,
    local_key: &str,
) -> Result<(), DatabaseError> {
    sql.run(
        &format!("DELETE FROM {} WHERE {KEY_COLUMN} = ?1", object.table),
        &[local_key.into()],
    )
    .map(|_| ())
}

/// The fields that have a column, in the form of their kinds.
pub(crate) fn canonical(object: &ObjectPlan, fields: &Fields) -> Fields {
    let known = object.columns.iter().filter_map(|column| {
        let value = fields.get(&column.field)?;
        Some((column.field.clone(), column.kind.canonical(value.clone())))
    });
    known.collect()
}

/// Gives columns that no local write can ever send their agreed values back. A
/// program can write them only in the moment before the org's answer to a create,
/// or by replacing a row.
pub(crate) fn undo_unwritable(
    sql: &mut dyn Sql,
    object: &ObjectPlan,
    known: &Known,
    local: &mut Local,
) -> Result<(), DatabaseError> {
    let mut undone = Fields::new();
    for column in object.columns.iter().filter(|column| !column.updateable) {
        let agreed = merge::of(&known.base, &column.field);
        if merge::of(&local.fields, &column.field) != agreed {
            undone.insert(column.field.clone(), agreed.clone());
        }
    }
    write(sql, object, &known.local_key, &undone)?;
    local.fields.extend(undone);
    if local.id != known.org_id {
        write_id(sql, object, &known.local_key, known.org_id.as_deref())?;
        local.id.clone_from(&known.org_id);
    }
    Ok(())
}

/// The text of a field.
pub(crate) fn text_of(fields: &Fields, field: &str) -> Option<String> {
    match fields.get(field) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

/// Fills the id of a record in where rows name it by the key of its row.
pub(crate) fn fill_in_id(
    sql: &mut dyn Sql,
    plan: &Plan,
    parent: &ObjectPlan,
    local_key: &str,
    org_id: &str,
) -> Result<(), DatabaseError> {
    for object in &plan.objects {
        let columns = object.columns.iter();
        for column in columns.filter(|column| column.references.contains(&parent.object)) {
            sql.run(
                &format!(
                    "UPDATE {} SET {1} = ?2 WHERE {1} = ?1",
                    object.table, column.column
                ),
                &[local_key.into(), org_id.into()],
            )?;
        }
    }
    Ok(())
}

/// Puts the ids of records in where a row names them by the keys of their rows: a
/// program may do so also when the id is there already, and the org knows ids only.
pub(crate) fn name_by_id(
    sql: &mut dyn Sql,
    object: &ObjectPlan,
    local_key: &str,
    local: &mut Local,
) -> Result<(), DatabaseError> {
    let mut named = Fields::new();
    for column in &object.columns {
        let Some(text) = text_of(&local.fields, &column.field) else {
            continue;
        };
        for parent in &column.references {
            if let Some(known) = by_key(sql, parent, &text)?
                && let Some(org_id) = known.org_id.filter(|_| known.gone_ms.is_none())
            {
                named.insert(column.field.clone(), Value::Text(org_id));
            }
        }
    }
    write(sql, object, local_key, &named)?;
    local.fields.extend(named);
    Ok(())
}
