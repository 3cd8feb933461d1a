//! Creates, updates and upserts. The order of the checks is Salesforce's:
//! fields, values, required, references, the object's own rules, unique keys,
//! validation rules, duplicate rules, locks.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::body::{Purpose, malformed_id};
use super::check::{check_required, check_value};
use super::draft::Draft;
use super::{AutoAssign, Org, WriteOptions};
use crate::fault::Fault;
use crate::id::{self, Id};
use crate::schema::{FieldKind, ID_COLUMN, Object};
use crate::table::Row;
use crate::user::User;
use crate::value::Value;

impl Org {
    /// Creates a record.
    ///
    /// # Errors
    /// Every way in which Salesforce refuses one; the org is then as before.
    pub fn create(
        &mut self,
        who: &User,
        object: &str,
        body: &Map<String, Json>,
        options: &WriteOptions,
    ) -> Result<Id, Fault> {
        let schema = Arc::clone(&self.schema);
        let object = self.visible_object(&schema, who, object)?;
        check_operation(object.createable, object, "create")?;
        check_permission(who.object_permissions(&object.name).create)?;
        let given = self.read_body(who, object, body, Purpose::Create)?;
        let given = with_files(object, given, options);
        self.create_from(who, object, given, options)
    }

    /// Creates a record of values that were read from a body already.
    pub(super) fn create_from(
        &mut self,
        who: &User,
        object: &Object,
        given: Vec<(usize, Value)>,
        options: &WriteOptions,
    ) -> Result<Id, Fault> {
        let mut draft = Draft::new(object);
        give_all(&mut draft, given)?;
        give_defaults(&mut draft, who);
        self.name_person(&mut draft)?;
        self.give_record_type(&mut draft);
        check_required(object, &draft.values)?;
        self.check_references(&mut draft)?;
        self.check_record_type(&draft)?;
        self.assign_lead(&mut draft, options)?;
        self.derive(who, &mut draft)?;
        self.check_unique(object, None, &draft.values)?;
        self.check_validation_rules(&draft)?;
        self.check_duplicate_rules(&draft, options)?;
        self.check_parents_not_locked(&draft)?;
        if object.name == "ContentNote" {
            return Ok(self.create_note(who, &draft));
        }
        if object.is_event() {
            return Ok(self.publish(who, &mut draft));
        }
        let id = self.store_new(who, &mut draft);
        self.after_write(who, &draft, &id);
        Ok(id)
    }

    /// Changes a record.
    ///
    /// # Errors
    /// Every way in which Salesforce refuses it; the org is then as before.
    pub fn update(
        &mut self,
        who: &User,
        object: &str,
        id: &str,
        body: &Map<String, Json>,
        options: &WriteOptions,
    ) -> Result<(), Fault> {
        let schema = Arc::clone(&self.schema);
        let object = self.visible_object(&schema, who, object)?;
        check_operation(object.updateable, object, "update")?;
        check_permission(who.object_permissions(&object.name).edit)?;
        let place = self.live_place(object, id)?;
        let given = self.read_body(who, object, body, Purpose::Update)?;
        let given = with_files(object, given, options);
        self.update_from(who, object, place, given, options)
    }

    /// Changes a record by values that were read from a body already.
    pub(super) fn update_from(
        &mut self,
        who: &User,
        object: &Object,
        place: usize,
        given: Vec<(usize, Value)>,
        options: &WriteOptions,
    ) -> Result<(), Fault> {
        let Some(row) = self.table(object).row_at(place) else {
            return Err(Fault::not_there());
        };
        let mut draft = Draft::of(object, row);
        let id = row.shared_id();
        give_all(&mut draft, given)?;
        self.name_person(&mut draft)?;
        check_required(object, &draft.values)?;
        self.check_references(&mut draft)?;
        self.check_record_type(&draft)?;
        if matches!(options.auto_assign, AutoAssign::On | AutoAssign::Rule(_)) {
            self.assign_lead(&mut draft, options)?;
        }
        self.derive(who, &mut draft)?;
        self.check_unique(object, Some(&id), &draft.values)?;
        self.check_validation_rules(&draft)?;
        self.check_duplicate_rules(&draft, options)?;
        self.check_not_locked(&id)?;
        self.check_parents_not_locked(&draft)?;
        self.stamp_change(who, &mut draft);
        let changed = Row::new(draft.values.clone());
        self.replace_row(object, place, changed);
        self.after_write(who, &draft, &id);
        Ok(())
    }

    /// Where the live record of an id from a URL is.
    pub(super) fn live_place(&self, object: &Object, id: &str) -> Result<usize, Fault> {
        let Some(normal) = id::normalize(id) else {
            return Err(object
                .fields
                .first()
                .map_or_else(Fault::not_there, |field| Fault {
                    fields: vec!["Id".to_owned()],
                    ..malformed_id(field, id)
                }));
        };
        let table = self.table(object);
        let place = table.place_of(&normal).ok_or_else(Fault::not_there)?;
        if table.row_at(place).is_none_or(Row::is_deleted) {
            return Err(Fault::new(404, "ENTITY_IS_DELETED", "entity is deleted"));
        }
        Ok(place)
    }

    /// Checks references that the body gave, and makes them share their
    /// parent's id.
    fn check_references(&self, draft: &mut Draft<'_>) -> Result<(), Fault> {
        for (column, field) in draft.object.fields.iter().enumerate() {
            if field.kind != FieldKind::Reference || !draft.is_given_at(column) {
                continue;
            }
            let value = self.check_reference(field, draft.at(column))?;
            if field.name == "OwnerId" {
                self.check_owner_is_active(&value)?;
            }
            draft.put(column, value);
        }
        Ok(())
    }

    fn check_owner_is_active(&self, owner: &Value) -> Result<(), Fault> {
        let Some(object) = self.schema.object("User") else {
            return Ok(());
        };
        let id = owner.as_str().unwrap_or_default();
        let is_active = object
            .column("IsActive")
            .zip(self.table(object).get(id))
            .is_none_or(|(column, row)| row.get(column).is_true());
        if is_active {
            return Ok(());
        }
        Err(Fault::bad_request(
            "INACTIVE_OWNER_OR_USER",
            format!("operation performed with inactive user [{id}] as owner of record"),
        ))
    }

    /// A child locks its master, so a locked master keeps children from being
    /// written.
    fn check_parents_not_locked(&self, draft: &Draft<'_>) -> Result<(), Fault> {
        for (column, field) in draft.object.fields.iter().enumerate() {
            if field.cascade_delete
                && let Some(parent) = draft.at(column).as_str()
            {
                self.check_not_locked(parent)?;
            }
        }
        Ok(())
    }

    /// Gives an id, numbers and audit values, and adds the row.
    pub(super) fn store_new(&mut self, who: &User, draft: &mut Draft<'_>) -> Id {
        let object = draft.object;
        let prefix = object.key_prefix.as_deref().unwrap_or("000");
        let id = self.table(object).next_id(prefix);
        self.store_new_as(who, draft, &id);
        id
    }

    /// As `store_new` with an id that another object has given.
    pub(super) fn store_new_as(&mut self, who: &User, draft: &mut Draft<'_>, id: &Id) {
        let object = draft.object;
        draft.put(ID_COLUMN, Value::Text(Arc::clone(id)));
        if let Some(table) = self.tables.get_mut(object.index) {
            for (column, field) in object.fields.iter().enumerate() {
                if let Some(pattern) = &field.auto_number {
                    table.last_number += 1;
                    draft.put(column, Value::text(numbered(pattern, table.last_number)));
                }
            }
        }
        let stamp = self.stamp();
        let system = object.system;
        let user = Value::Text(Arc::clone(&who.id));
        for (column, value) in [
            (system.is_deleted, &Value::Bool(false)),
            (system.created_date, &stamp),
            (system.created_by_id, &user),
            (system.last_modified_date, &stamp),
            (system.last_modified_by_id, &user),
            (system.system_modstamp, &stamp),
        ] {
            if let Some(column) = column {
                draft.put(column, value.clone());
            }
        }
        let row = Row::new(std::mem::take(&mut draft.values));
        draft.values = row.to_values(object.fields.len());
        self.insert_row(object, row);
    }

    /// Sets who changed a record and when.
    pub(super) fn stamp_change(&self, who: &User, draft: &mut Draft<'_>) {
        let stamp = self.stamp();
        let system = draft.object.system;
        let user = Value::Text(Arc::clone(&who.id));
        for (column, value) in [
            (system.last_modified_date, &stamp),
            (system.last_modified_by_id, &user),
            (system.system_modstamp, &stamp),
        ] {
            if let Some(column) = column {
                draft.put(column, value.clone());
            }
        }
    }

    /// Changes fields that the org computes on another record, without the
    /// checks of a user's write. The record counts as modified by the system.
    pub(super) fn set_computed(&mut self, id: &str, fields: &[(&str, Value)]) {
        let schema = Arc::clone(&self.schema);
        for object in schema.objects() {
            let has_prefix = object.key_prefix.as_deref() == Some(id::prefix(id));
            let table = self.table(object);
            let Some(place) = has_prefix.then(|| table.place_of(id)).flatten() else {
                continue;
            };
            let Some(row) = table.row_at(place).filter(|row| !row.is_deleted()) else {
                continue;
            };
            let mut draft = Draft::of(object, row);
            for (field, value) in fields {
                draft.set(field, value.clone());
            }
            if fields.iter().all(|(field, _)| !draft.is_changed(field)) {
                continue;
            }
            if let Some(column) = object.system.system_modstamp {
                draft.put(column, self.stamp());
            }
            self.follow_row(object, place, Row::new(draft.values));
        }
    }
}

/// Puts contents that came as they are in the place of base64.
fn with_files(
    object: &Object,
    mut given: Vec<(usize, Value)>,
    options: &WriteOptions,
) -> Vec<(usize, Value)> {
    for (field, content) in &options.files {
        let column = object.column(field);
        if let Some((_, value)) = given.iter_mut().find(|(at, _)| Some(*at) == column) {
            *value = Value::blob(content.clone());
        }
    }
    given
}

fn give_all(draft: &mut Draft<'_>, given: Vec<(usize, Value)>) -> Result<(), Fault> {
    for (column, value) in given {
        if let Some(field) = draft.object.fields.get(column) {
            check_value(field, &value)?;
        }
        draft.give(column, value);
    }
    Ok(())
}

/// Fills what a create left out. A field that was given as null stays null.
pub(super) fn give_defaults(draft: &mut Draft<'_>, who: &User) {
    for (column, field) in draft.object.fields.iter().enumerate() {
        if !draft.is_given_at(column)
            && let Some(value) = &field.default_value
        {
            let listed = field
                .picklist
                .iter()
                .find(|choice| Some(&*choice.value) == value.as_str());
            let value = listed.map_or_else(
                || value.clone(),
                |choice| Value::Text(Arc::clone(&choice.value)),
            );
            draft.put(column, value);
        }
    }
    if let Some(column) = draft.object.system.owner_id
        && draft.at(column).is_null()
    {
        draft.put(column, Value::Text(Arc::clone(&who.id)));
    }
}

/// `INV-{0000}` and 7 as `INV-0007`.
fn numbered(pattern: &str, number: u64) -> String {
    let Some((before, rest)) = pattern.split_once('{') else {
        return format!("{pattern}{number}");
    };
    let (digits, after) = rest.split_once('}').unwrap_or((rest, ""));
    let width = digits.len();
    format!("{before}{number:0width$}{after}")
}

pub(super) fn check_operation(allowed: bool, object: &Object, verb: &str) -> Result<(), Fault> {
    if allowed {
        return Ok(());
    }
    Err(Fault::bad_request(
        "INVALID_TYPE_FOR_OPERATION",
        format!("entity type {} does not support {verb}", object.name),
    ))
}

pub(super) fn check_permission(allowed: bool) -> Result<(), Fault> {
    if allowed {
        return Ok(());
    }
    Err(Fault::new(
        403,
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "insufficient access rights on object id",
    ))
}
