//! Rows of a bulk job: a header that is resolved once for the whole job, and
//! rows of text that take the same write path as a REST body.
//!
//! What differs from a body: everything is text, an empty value says nothing,
//! `#N/A` clears, nothing is trimmed, and one unknown name in the header is
//! wrong for all rows.

use std::sync::Arc;

use super::body::{Purpose, id_in_body, listed, malformed_id, not_writable, round_to};
use super::external::{ambiguous, key_field};
use super::write::{check_operation, check_permission};
use super::{Org, Upserted, WriteOptions};
use crate::fault::Fault;
use crate::id;
use crate::schema::{Field, FieldKind, ID_COLUMN, Object, Schema};
use crate::user::User;
use crate::value::{Value, parse_date, parse_datetime, parse_time};

/// The text that clears a field.
const CLEAR: &str = "#N/A";

/// What a bulk job does with its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Insert,
    Update,
    Upsert,
    Delete,
    HardDelete,
}

/// A header, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    /// The object's name as the schema spells it.
    pub(crate) object: String,
    operation: Operation,
    columns: Vec<Target>,
    /// Which value of a row is the id or the external id, and its column in
    /// the object.
    key: Option<(usize, usize)>,
}

/// What one value of every row is for.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// The id or external id that finds the record.
    Key,
    /// A field of the record.
    Field {
        column: usize,
        creates: bool,
        updates: bool,
    },
    /// A reference to the parent that has a key.
    Parent {
        column: usize,
        object: usize,
        key: usize,
        creates: bool,
        updates: bool,
    },
}

impl Sheet {
    /// Which value of a row finds its record.
    pub(crate) fn key(&self) -> Option<usize> {
        self.key.map(|(at, _)| at)
    }
}

impl Org {
    /// Resolves a header for a user. What the user may not see is not found.
    ///
    /// # Errors
    /// The text that a job fails with.
    pub(crate) fn sheet<'h>(
        &self,
        who: &User,
        object: &str,
        operation: Operation,
        key: Option<&str>,
        header: impl Iterator<Item = &'h str>,
    ) -> Result<Sheet, String> {
        let not_found = |name: &str| format!("InvalidBatch : Field name not found : {name}");
        let object = self
            .visible_object(&self.schema, who, object)
            .map_err(|_| format!("InvalidJob : Unable to find object: {object}"))?;
        let key = match operation {
            Operation::Insert => None,
            Operation::Upsert => key,
            Operation::Update | Operation::Delete | Operation::HardDelete => Some("Id"),
        };
        let mut sheet = Sheet {
            object: object.name.clone(),
            operation,
            columns: Vec::new(),
            key: None,
        };
        for (at, name) in header.enumerate() {
            let target = if key.is_some_and(|key| key.eq_ignore_ascii_case(name)) {
                let column = object.column(name).ok_or_else(|| not_found(name))?;
                sheet.key = Some((at, column));
                Target::Key
            } else if matches!(operation, Operation::Delete | Operation::HardDelete) {
                return Err(format!(
                    "InvalidBatch : A delete takes the Id column only, not : {name}"
                ));
            } else if name.contains('.') {
                self.parent_column(who, object, name)?
            } else {
                object
                    .field(name)
                    .filter(|(_, field)| who.can_read(&object.name, &field.name))
                    .map(|(column, field)| field_column(who, object, column, field))
                    .ok_or_else(|| not_found(name))?
            };
            sheet.columns.push(target);
        }
        match key {
            Some(key) if sheet.key.is_none() => Err(not_found(key)),
            _ => Ok(sheet),
        }
    }

    /// `Account.Ext__c`, and for a parent that may be of several objects
    /// `Lead:Who.Email`. The type is also taken behind the relationship.
    fn parent_column(&self, who: &User, object: &Object, name: &str) -> Result<Target, String> {
        let not_found = || format!("InvalidBatch : Field name not found : {name}");
        let (path, key) = name.split_once('.').ok_or_else(not_found)?;
        let (left, right) = path.split_once(':').unwrap_or(("", path));
        let (stated, (column, field)) = object
            .relationship(right)
            .map(|found| (left, found))
            .or_else(|| Some((right, object.relationship(left)?)))
            .filter(|(_, (_, field))| who.can_read(&object.name, &field.name))
            .ok_or_else(not_found)?;
        // Owners may be queues in other orgs, so clients state their type.
        let may_state = field.is_polymorphic() || field.name == "OwnerId";
        let target = match (stated, field.reference_to.as_slice()) {
            ("", [only]) => Some(only),
            ("", _) => None,
            (stated, targets) if may_state => {
                targets.iter().find(|to| to.eq_ignore_ascii_case(stated))
            }
            _ => None,
        };
        let target = target
            .and_then(|target| self.schema.object(target))
            .ok_or_else(not_found)?;
        let (parent_key, key_field) = target.field(key).ok_or_else(not_found)?;
        if !key_field.id_lookup && key_field.kind != FieldKind::Id {
            return Err(format!(
                "InvalidBatch : Field name provided, {key} is not an External ID or indexed field \
                 for {}",
                target.name
            ));
        }
        Ok(Target::Parent {
            column,
            object: target.index,
            key: parent_key,
            creates: field.createable && who.can_edit(&object.name, &field.name),
            updates: field.updateable && who.can_edit(&object.name, &field.name),
        })
    }

    /// Writes one row. `value` gives the text under a column of the header.
    ///
    /// # Errors
    /// As for `create`, `update`, `upsert` and `delete`.
    pub(crate) fn write_row<'r>(
        &mut self,
        who: &User,
        sheet: &Sheet,
        value: impl Fn(usize) -> &'r str,
        options: &WriteOptions,
    ) -> Result<Upserted, Fault> {
        let schema = Arc::clone(&self.schema);
        let object = schema.object(&sheet.object).ok_or_else(Fault::not_there)?;
        let key = sheet.key.map(|(at, column)| (value(at), column));
        match (sheet.operation, key) {
            (Operation::Delete | Operation::HardDelete, Some((id, _))) => {
                check_id_given(id)?;
                match sheet.operation {
                    Operation::Delete => self.delete(who, &sheet.object, id)?,
                    _ => self.hard_delete(who, &sheet.object, id)?,
                }
                Ok(updated(id))
            }
            (Operation::Update, Some((id, _))) => {
                check_id_given(id)?;
                self.update_row(who, &schema, object, sheet, id, &value, options)
            }
            (Operation::Upsert, Some((text, ID_COLUMN))) if !text.is_empty() => {
                self.update_row(who, &schema, object, sheet, text, &value, options)
            }
            (Operation::Upsert, Some((text, column))) if column != ID_COLUMN => {
                let (_, field) = key_field(who, object, &field_name(object, column))?;
                if text.is_empty() || text == CLEAR {
                    let message = format!("{} not specified", field.name);
                    return Err(Fault::bad_request("MISSING_ARGUMENT", message).on(&field.name));
                }
                let wanted = read_text(field, text)?;
                match self.live_ids(object, column, &wanted).as_slice() {
                    [] => {
                        let key = (column, wanted);
                        self.create_row(who, &schema, object, sheet, Some(key), &value, options)
                    }
                    [id] => {
                        let id = Arc::clone(id);
                        self.update_row(who, &schema, object, sheet, &id, &value, options)
                    }
                    many => Err(ambiguous(field, many)),
                }
            }
            _ => self.create_row(who, &schema, object, sheet, None, &value, options),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one step of write_row")]
    fn create_row<'r>(
        &mut self,
        who: &User,
        schema: &Schema,
        object: &Object,
        sheet: &Sheet,
        key: Option<(usize, Value)>,
        value: &impl Fn(usize) -> &'r str,
        options: &WriteOptions,
    ) -> Result<Upserted, Fault> {
        check_operation(object.createable, object, "create")?;
        check_permission(who.object_permissions(&object.name).create)?;
        let mut given = self.read_row(schema, object, sheet, Purpose::Create, value)?;
        given.extend(key);
        let id = self.create_from(who, object, given, options)?;
        Ok(Upserted { id, created: true })
    }

    #[expect(clippy::too_many_arguments, reason = "one step of write_row")]
    fn update_row<'r>(
        &mut self,
        who: &User,
        schema: &Schema,
        object: &Object,
        sheet: &Sheet,
        id: &str,
        value: &impl Fn(usize) -> &'r str,
        options: &WriteOptions,
    ) -> Result<Upserted, Fault> {
        check_operation(object.updateable, object, "update")?;
        check_permission(who.object_permissions(&object.name).edit)?;
        let place = self.live_place(object, id)?;
        let given = self.read_row(schema, object, sheet, Purpose::Update, value)?;
        self.update_from(who, object, place, given, options)?;
        Ok(updated(id))
    }

    /// What a row sets, by column. Empty values set nothing.
    fn read_row<'r>(
        &self,
        schema: &Schema,
        object: &Object,
        sheet: &Sheet,
        purpose: Purpose,
        value: &impl Fn(usize) -> &'r str,
    ) -> Result<Vec<(usize, Value)>, Fault> {
        let mut given = Vec::with_capacity(sheet.columns.len());
        let mut refused = Vec::new();
        for (at, target) in sheet.columns.iter().enumerate() {
            let text = value(at);
            if text.is_empty() {
                continue;
            }
            let (column, creates, updates) = match *target {
                Target::Key => continue,
                Target::Field {
                    column,
                    creates,
                    updates,
                }
                | Target::Parent {
                    column,
                    creates,
                    updates,
                    ..
                } => (column, creates, updates),
            };
            let Some(field) = object.fields.get(column) else {
                continue;
            };
            if field.kind == FieldKind::Id {
                return Err(id_in_body(purpose));
            }
            let allowed = match purpose {
                Purpose::Create => creates,
                Purpose::Update => updates,
            };
            if !allowed {
                refused.push(field.name.clone());
                continue;
            }
            let value = match *target {
                Target::Parent { object, key, .. } if text != CLEAR => {
                    self.read_parent(schema, object, key, text)?
                }
                _ => read_text(field, text)?,
            };
            given.push((column, value));
        }
        if refused.is_empty() {
            return Ok(given);
        }
        Err(not_writable(refused))
    }

    fn read_parent(
        &self,
        schema: &Schema,
        object: usize,
        key: usize,
        text: &str,
    ) -> Result<Value, Fault> {
        let target = schema.objects().nth(object).ok_or_else(Fault::not_there)?;
        let field = target.fields.get(key).ok_or_else(Fault::not_there)?;
        let wanted = read_text(field, text)?;
        self.parent_with_key(target, key, &wanted, text)
    }
}

fn field_column(who: &User, object: &Object, column: usize, field: &Field) -> Target {
    let editable = who.can_edit(&object.name, &field.name);
    Target::Field {
        column,
        creates: field.createable && editable,
        updates: field.updateable && editable,
    }
}

fn field_name(object: &Object, column: usize) -> String {
    object
        .fields
        .get(column)
        .map(|field| field.name.clone())
        .unwrap_or_default()
}

fn check_id_given(id: &str) -> Result<(), Fault> {
    if id.is_empty() || id == CLEAR {
        let message = "Id not specified in an update call";
        return Err(Fault::bad_request("MISSING_ARGUMENT", message).on("Id"));
    }
    Ok(())
}

fn updated(id: &str) -> Upserted {
    let id = id::normalize(id).unwrap_or_else(|| id.to_owned());
    Upserted {
        id: id.into(),
        created: false,
    }
}

/// A field's value from the text in a row.
fn read_text(field: &Field, text: &str) -> Result<Value, Fault> {
    if text == CLEAR && field.kind != FieldKind::Boolean {
        return Ok(Value::Null);
    }
    let bare = text.trim();
    let value = match field.kind {
        FieldKind::Boolean => read_flag(bare).map(Value::Bool),
        FieldKind::Int => read_whole(bare).map(Value::Int),
        FieldKind::Double | FieldKind::Currency | FieldKind::Percent => bare
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .map(|number| Value::Double(round_to(number, field.scale))),
        // A day may carry the letter of UTC.
        FieldKind::Date => parse_date(
            bare.strip_suffix('Z')
                .filter(|day| day.len() == 10)
                .unwrap_or(bare),
        )
        .map(Value::Date),
        FieldKind::DateTime => parse_datetime(bare).map(Value::DateTime),
        FieldKind::Time => parse_time(bare).map(Value::Time),
        FieldKind::Id | FieldKind::Reference => {
            return id::normalize(bare)
                .map(Value::text)
                .ok_or_else(|| malformed_id(field, text));
        }
        FieldKind::Picklist | FieldKind::Combobox => Some(listed(field, text)),
        FieldKind::Address => None,
        _ => Some(Value::text(text)),
    };
    value.ok_or_else(|| {
        Fault::bad_request(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            format!("{}: value not of required type: {text}", field.label),
        )
        .on(&field.name)
    })
}

/// The words that the Bulk API takes for a checkbox.
fn read_flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number, which a spreadsheet may have written as `5.0`.
fn read_whole(text: &str) -> Option<i64> {
    let whole = text
        .split_once('.')
        .filter(|(_, fraction)| fraction.bytes().all(|digit| digit == b'0'))
        .map_or(text, |(whole, _)| whole);
    whole.parse().ok()
}
