//! Record types: which one a record is of, and which picklist values it may
//! then have.

use super::Org;
use super::check::not_listed;
use super::draft::Draft;
use crate::fault::Fault;
use crate::id;
use crate::schema::{Field, Object, PicklistValue, RecordType};
use crate::table::Row;
use crate::user::User;
use crate::value::Value;

/// The record type of records without one.
pub(super) const MASTER: &str = "012000000000000AAA";

impl Org {
    /// Adds a row for each record type of the schema.
    pub(super) fn add_record_types(&mut self, admin: &User) {
        let schema = std::sync::Arc::clone(&self.schema);
        let kinds: Vec<&RecordType> = schema
            .objects()
            .flat_map(|object| schema.record_types(&object.name))
            .collect();
        for kind in kinds {
            self.add_setup_row(
                admin,
                "RecordType",
                &[
                    ("Name", Value::text(kind.name.as_str())),
                    ("DeveloperName", Value::text(kind.developer_name.as_str())),
                    ("SobjectType", Value::text(kind.object.as_str())),
                    ("IsActive", Value::Bool(kind.active)),
                    ("IsPersonType", Value::Bool(kind.person)),
                ],
            );
        }
    }

    /// The rows of an object's record types.
    pub(super) fn record_type_rows<'a>(&'a self, object: &'a Object) -> Vec<&'a Row> {
        let Some(types) = self.schema.object("RecordType") else {
            return Vec::new();
        };
        let Some(of_object) = types.column("SobjectType") else {
            return Vec::new();
        };
        self.table(types)
            .rows()
            .filter(|row| !row.is_deleted())
            .filter(|row| row.get(of_object).as_str() == Some(&object.name))
            .collect()
    }

    /// The declaration behind a record type's id; one that was made by the API
    /// has none.
    pub(super) fn declared_type(&self, object: &Object, kind: &str) -> Option<&RecordType> {
        let name = self.value_of(kind, "DeveloperName");
        self.schema
            .record_types
            .iter()
            .filter(|kind| kind.object == object.name)
            .find(|kind| Some(kind.developer_name.as_str()) == name.as_str())
    }

    /// The record type of new records that name none: the one that is declared
    /// the default, else the first.
    pub(super) fn default_type<'a>(&'a self, object: &'a Object) -> Option<&'a Row> {
        let rows = self.record_type_rows(object);
        let declared = |row: &&&Row| {
            self.declared_type(object, row.id())
                .is_some_and(|kind| kind.default)
        };
        rows.iter().find(declared).or(rows.first()).copied()
    }

    /// Gives a new record the default record type.
    pub(super) fn give_record_type(&self, draft: &mut Draft<'_>) {
        let Some(column) = draft.object.column("RecordTypeId") else {
            return;
        };
        if draft.at(column).is_null()
            && let Some(row) = self.default_type(draft.object)
        {
            draft.put(column, Value::Text(row.shared_id()));
        }
    }

    /// Checks that the record type is one of the object, and that picklists
    /// that the write changes keep to it.
    pub(super) fn check_record_type(&self, draft: &Draft<'_>) -> Result<(), Fault> {
        let kind = draft.text("RecordTypeId");
        if kind.is_empty() {
            return Ok(());
        }
        let known = self.record_type_rows(draft.object);
        if !known.iter().any(|row| id::same(row.id(), kind)) {
            return Err(Fault::bad_request(
                "INVALID_CROSS_REFERENCE_KEY",
                format!("Record Type ID: this ID value isn't valid for the user: {kind}"),
            )
            .on("RecordTypeId"));
        }
        for (column, field) in draft.object.fields.iter().enumerate() {
            let is_new_value = draft.is_given_at(column) || draft.is_changed("RecordTypeId");
            let Some(text) = draft.at(column).as_str().filter(|_| is_new_value) else {
                continue;
            };
            let is_kept = |part: &str| {
                let mut choices = self.choices(draft.object, field, kind);
                choices.any(|choice| &*choice.value == part)
            };
            if field.restricted_picklist
                && !field.picklist.is_empty()
                && !text.split(';').all(is_kept)
            {
                return Err(not_listed(field, text));
            }
        }
        Ok(())
    }

    /// The active values of a picklist that a record type keeps.
    pub(super) fn choices<'a>(
        &'a self,
        object: &Object,
        field: &'a Field,
        kind: &str,
    ) -> impl Iterator<Item = &'a PicklistValue> {
        let kept = self
            .declared_type(object, kind)
            .and_then(|kind| kind.picklists.get(&field.name));
        field.picklist.iter().filter(move |choice| {
            choice.active
                && kept.is_none_or(|kept| kept.iter().any(|value| **value == *choice.value))
        })
    }
}
