//! The sync's own tables, and the users' tables as the plan wants them.
//!
//! Everything is compared first with what is there. A table or column is made or
//! changed only if no value can suffer; everything else is told, all of it at
//! once, and nothing is changed at all.

mod own;

use std::collections::BTreeMap;

use crate::error::DatabaseError;
use crate::kind::Kind;
use crate::own as own_tables;
use crate::plan::{ColumnPlan, ID_COLUMN, KEY_COLUMN, ObjectPlan, Plan};
use crate::sql::{Cell, FoundColumn, Sql};
use crate::{numbers, unread};

/// Brings the tables to the plan. To be called within a transaction, which the
/// caller undoes after an error.
///
/// Gives the statements that changed users' tables.
pub(crate) fn prepare(
    sql: &mut dyn Sql,
    plan: &Plan,
    now_ms: i64,
) -> Result<Vec<String>, DatabaseError> {
    own::prepare(sql)?;
    let mut work = Work {
        sql,
        now_ms,
        problems: Vec::new(),
        statements: Vec::new(),
    };
    for object in &plan.objects {
        work.object(object)?;
    }
    let Work {
        sql,
        problems,
        statements,
        ..
    } = work;
    if !problems.is_empty() {
        return Err(DatabaseError::Tables { problems });
    }
    keep_plan(sql, plan)?;
    Ok(statements)
}

/// The note that holds the plan.
const PLAN: &str = "plan";

fn keep_plan(sql: &mut dyn Sql, plan: &Plan) -> Result<(), DatabaseError> {
    let json = serde_json::to_string(plan)
        .map_err(|error| DatabaseError::damaged(format!("a plan cannot be kept: {error}")))?;
    numbers::set_note(sql, PLAN, &json)
}

/// The plan that the tables were last brought to.
pub(crate) fn kept_plan(sql: &mut dyn Sql) -> Result<Plan, DatabaseError> {
    if sql.found_columns("~notes")?.is_empty() {
        return Err(DatabaseError::NoSync);
    }
    let json = numbers::note(sql, PLAN)?.ok_or(DatabaseError::NoSync)?;
    serde_json::from_str(&json)
        .map_err(|error| DatabaseError::damaged(format!("the plan that is kept: {error}")))
}

struct Work<'a> {
    sql: &'a mut dyn Sql,
    now_ms: i64,
    problems: Vec<String>,
    statements: Vec<String>,
}

/// A column that was made for a field, now or earlier.
struct Known {
    table: String,
    column: String,
    kind: Kind,
    max_length: u32,
}

impl Work<'_> {
    fn object(&mut self, object: &ObjectPlan) -> Result<(), DatabaseError> {
        let known = self.known(object)?;
        let found = self.sql.found_columns(&object.table)?;
        if known.is_empty()
            && !found.is_empty()
            && let Some(other) = self.holder(&object.table)?
        {
            self.problems.push(format!(
                "{}: the sync {other} of this database has this table; choose another name in the mapping",
                object.table
            ));
            return Ok(());
        }
        let other_table = known
            .values()
            .map(|known| &known.table)
            .find(|table| **table != object.table);
        if let Some(other) = other_table {
            self.problems.push(format!(
                "{}: its records are in the table `{other}`; call it so in the mapping, or reset the sync",
                object.object
            ));
        } else if known.is_empty() && found.is_empty() {
            self.create(object)?;
        } else if found.is_empty() {
            self.problems.push(format!(
                "{}: its table was dropped, or another database holds it; reset the sync to make and fill it anew",
                object.table
            ));
        } else if known.is_empty() {
            self.adopt(object, &found)?;
        } else {
            self.change(object, &known, &found)?;
        }
        if self.problems.is_empty() {
            self.watch(object)?;
        }
        Ok(())
    }

    fn known(&mut self, object: &ObjectPlan) -> Result<BTreeMap<String, Known>, DatabaseError> {
        let rows = self.sql.rows(
            "SELECT field, table_name, column_name, kind, max_length FROM ~columns \
             WHERE object = ?1",
            &[object.object.as_str().into()],
        )?;
        let known = rows.iter().map(|row| {
            let kind = row.text(3)?;
            let known = Known {
                table: row.text(1)?,
                column: row.text(2)?,
                kind: serde_json::from_value(kind.clone().into())
                    .map_err(|_| DatabaseError::damaged(format!("no kind is called {kind}")))?,
                max_length: u32::try_from(row.int(4)?).unwrap_or(0),
            };
            Ok((row.text(0)?, known))
        });
        known.collect()
    }

    /// The other sync of this database that has a table, in words.
    fn holder(&mut self, table: &str) -> Result<Option<String>, DatabaseError> {
        for prefix in self.sql.other_syncs()? {
            let quoted = prefix.replace('"', "\"\"");
            let held = self.sql.rows(
                &format!("SELECT 1 FROM \"{quoted}columns\" WHERE table_name = ?1 LIMIT 1"),
                &[table.into()],
            )?;
            if !held.is_empty() {
                let name = own_tables::name_in(&prefix);
                return Ok(Some(name.map_or_else(
                    || "without a name".to_owned(),
                    |name| format!("`{name}`"),
                )));
            }
        }
        Ok(None)
    }

    fn create(&mut self, object: &ObjectPlan) -> Result<(), DatabaseError> {
        let mut lines = vec![
            format!("{KEY_COLUMN} {}", self.sql.key_definition()),
            format!(
                "{ID_COLUMN} {} UNIQUE",
                self.sql.column_type(Kind::Text, object.id_length)
            ),
        ];
        let columns = object.columns.iter();
        lines.extend(columns.map(|column| self.definition(column)));
        self.define(format!(
            "CREATE TABLE {} (\n  {}\n)",
            object.table,
            lines.join(",\n  ")
        ))?;
        for column in &object.columns {
            self.index(object, column)?;
        }
        self.document(object, &object.columns)
    }

    /// References are looked for whenever a parent gets its id, and joined by people.
    fn index(&mut self, object: &ObjectPlan, column: &ColumnPlan) -> Result<(), DatabaseError> {
        if column.references.is_empty() {
            return Ok(());
        }
        let (table, column) = (&object.table, &column.column);
        self.define(format!(
            "CREATE INDEX IF NOT EXISTS lockgate_{table}_{column}_index ON {table} ({column})"
        ))
    }

    fn definition(&self, column: &ColumnPlan) -> String {
        let column_type = self.sql.column_type(column.kind, column.max_length);
        format!("{} {column_type}", column.column)
            .trim_end()
            .to_owned()
    }

    /// Takes over a table that somebody made, if it has what ours would have.
    fn adopt(&mut self, object: &ObjectPlan, found: &[FoundColumn]) -> Result<(), DatabaseError> {
        let table = &object.table;
        let mut wrong = Vec::new();
        let id = self.sql.column_type(Kind::Text, object.id_length);
        let key = self.sql.column_type(Kind::Text, 0);
        let planned = object.columns.iter().map(|column| {
            let column_type = self.sql.column_type(column.kind, column.max_length);
            (column.column.as_str(), column_type)
        });
        let wanted: Vec<(&str, String)> = [(KEY_COLUMN, key), (ID_COLUMN, id)]
            .into_iter()
            .chain(planned)
            .collect();
        for (name, column_type) in &wanted {
            match found.iter().find(|column| column.name == *name) {
                None => wrong.push(format!("it has no column {name}")),
                Some(column) if !column.column_type.eq_ignore_ascii_case(column_type) => {
                    let [is, should] = [&column.column_type, column_type]
                        .map(|text| if text.is_empty() { "of no type" } else { text });
                    wrong.push(format!("its column {name} is {is} and not {should}"));
                }
                Some(_) => (),
            }
        }
        for column in found.iter().filter(|column| column.is_required) {
            if !wanted.iter().any(|(name, _)| *name == column.name) {
                wrong.push(format!("its column {} must be given", column.name));
            }
        }
        if !wrong.is_empty() {
            self.problems.push(format!(
                "{table}: there is a table of this name that is not ours: {}; rename it, or choose another name in the mapping",
                wrong.join(", ")
            ));
            return Ok(());
        }
        let values = [object.object.as_str().into(), Cell::Int(self.now_ms)];
        self.sql.run(
            &format!(
                "INSERT INTO ~rows (object, local_key, org_id, base, stamp_ms) \
                 SELECT ?1, {KEY_COLUMN}, {ID_COLUMN}, '{{}}', 0 FROM {table} \
                 WHERE {ID_COLUMN} IS NOT NULL"
            ),
            &[object.object.as_str().into()],
        )?;
        if object.sends() {
            self.sql.run(
                &format!(
                    "INSERT INTO ~outbox (object, local_key, op, fields, captured_ms) \
                     SELECT ?1, {KEY_COLUMN}, 'insert', '', ?2 FROM {table} \
                     WHERE {ID_COLUMN} IS NULL"
                ),
                &values,
            )?;
        }
        self.document(object, &object.columns)
    }

    fn change(
        &mut self,
        object: &ObjectPlan,
        known: &BTreeMap<String, Known>,
        found: &[FoundColumn],
    ) -> Result<(), DatabaseError> {
        let table = &object.table;
        let has = |name: &str| found.iter().any(|column| column.name == name);
        for name in [KEY_COLUMN, ID_COLUMN].iter().filter(|name| !has(name)) {
            self.problems.push(format!(
                "{table}.{name}: the column was dropped, and no row can be known without it; reset the sync"
            ));
        }
        let mut fresh = Vec::new();
        for column in &object.columns {
            let name = &column.column;
            match known.get(&column.field) {
                Some(known) if known.column != *name => self.problems.push(format!(
                    "{}.{}: its values are in the column `{}`; call it so in the mapping, or reset the sync",
                    object.object, column.field, known.column
                )),
                // A field whose column somebody dropped comes as a new one does.
                Some(known) if has(name) => self.widen(table, column, known)?,
                None if has(name) => self.problems.push(format!(
                    "{table}.{name}: there is a column of this name that is not ours; choose another for {}.{} in the mapping",
                    object.object, column.field
                )),
                _ => fresh.push(column.clone()),
            }
        }
        if !self.problems.is_empty() {
            return Ok(());
        }
        for column in &fresh {
            let definition = self.definition(column);
            self.define(format!("ALTER TABLE {table} ADD COLUMN {definition}"))?;
            self.index(object, column)?;
        }
        if !fresh.is_empty() && object.takes() {
            // What the records have there is not known yet.
            unread::mark(self.sql, &object.object, unread::ALL, self.now_ms)?;
        }
        self.document(object, &object.columns)
    }

    fn widen(
        &mut self,
        table: &str,
        column: &ColumnPlan,
        known: &Known,
    ) -> Result<(), DatabaseError> {
        let (from, to) = (
            (known.kind, known.max_length),
            (column.kind, column.max_length),
        );
        // Values that fitted still do if the field became shorter.
        let is_shorter = known.kind == column.kind && known.max_length > column.max_length;
        if from == to || (is_shorter && column.max_length > 0) {
            return Ok(());
        }
        match self.sql.widen(table, &column.column, from, to) {
            Some(statement) if statement.is_empty() => Ok(()),
            Some(statement) => self.define(statement),
            None => {
                self.problems.push(format!(
                    "{table}.{}: {} was {:?} and is {:?} now, and values could suffer; \
                     leave the field out of the mapping, or give it a column of another name after a reset",
                    column.column, column.field, known.kind, column.kind
                ));
                Ok(())
            }
        }
    }

    /// Keeps which field each column is for, where people can read it as well.
    fn document(
        &mut self,
        object: &ObjectPlan,
        columns: &[ColumnPlan],
    ) -> Result<(), DatabaseError> {
        for column in columns {
            let kind = serde_json::to_value(column.kind).unwrap_or_default();
            let access = match (column.createable, column.updateable) {
                (_, true) => "read and write",
                (true, false) => "given on insert",
                (false, false) => "told by the org",
            };
            let picklist = column.picklist.join(";");
            let same = self.sql.rows(
                "SELECT 1 FROM ~columns WHERE object = ?1 AND field = ?2 AND kind = ?3 \
                 AND max_length = ?4 AND label = ?5 AND product_kind = ?6 AND access = ?7 \
                 AND picklist = ?8",
                &[
                    object.object.as_str().into(),
                    column.field.as_str().into(),
                    kind.as_str().unwrap_or_default().into(),
                    i64::from(column.max_length).into(),
                    column.label.as_str().into(),
                    column.product_kind.as_str().into(),
                    access.into(),
                    picklist.as_str().into(),
                ],
            )?;
            // To write a comment waits for others as every change of a table does.
            if !same.is_empty() {
                continue;
            }
            self.sql.run(
                "INSERT INTO ~columns (object, field, table_name, column_name, kind, \
                 max_length, label, product_kind, access, picklist) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
                 ON CONFLICT (object, field) DO UPDATE SET kind = excluded.kind, \
                 max_length = excluded.max_length, label = excluded.label, \
                 product_kind = excluded.product_kind, access = excluded.access, \
                 picklist = excluded.picklist",
                &[
                    object.object.as_str().into(),
                    column.field.as_str().into(),
                    object.table.as_str().into(),
                    column.column.as_str().into(),
                    kind.as_str().unwrap_or_default().into(),
                    i64::from(column.max_length).into(),
                    column.label.as_str().into(),
                    column.product_kind.as_str().into(),
                    access.into(),
                    picklist.as_str().into(),
                ],
            )?;
            let mut text = format!("{}: {}, {access}", column.label, column.product_kind);
            if !picklist.is_empty() {
                text += &format!("; one of {picklist}");
            }
            self.sql.document(&object.table, &column.column, &text)?;
        }
        Ok(())
    }

    /// Puts the triggers on, unless they are there already: to change them waits for
    /// every program that is writing to the table.
    fn watch(&mut self, object: &ObjectPlan) -> Result<(), DatabaseError> {
        let statements = self.sql.watch(object);
        let name = format!("watch:{}", object.object);
        if numbers::note(self.sql, &name)?.as_deref() != Some(statements.as_str()) {
            self.sql.define(&statements)?;
            numbers::set_note(self.sql, &name, &statements)?;
        }
        Ok(())
    }

    fn define(&mut self, statement: String) -> Result<(), DatabaseError> {
        self.sql.define(&statement)?;
        self.statements.push(statement);
        Ok(())
    }
}

/// Ends the sync of a database: the triggers and our own tables go, the users'
/// tables stay with all that is in them.
pub(crate) fn forget(sql: &mut dyn Sql) -> Result<(), DatabaseError> {
    if sql.found_columns("~columns")?.is_empty() {
        return Ok(());
    }
    let tables = sql.rows("SELECT DISTINCT table_name FROM ~columns", &[])?;
    for table in &tables {
        let table = table.text(0)?;
        if !sql.found_columns(&table)?.is_empty() {
            let statements = sql.unwatch(&table);
            sql.define(&statements)?;
        }
    }
    own::drop(sql)
}
