//! Records by external id: look-ups and upserts.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::body::value_from_json;
use super::{Org, Upserted, WriteOptions};
use crate::fault::Fault;
use crate::id::Id;
use crate::schema::{Field, FieldKind, Object, Schema};
use crate::user::User;
use crate::value::Value;

impl Org {
    /// The ids of the live records with this value in an external id, idLookup
    /// or Id field.
    ///
    /// # Errors
    /// When the field is not there for this user or is no such key.
    pub fn find_by_external_id(
        &self,
        who: &User,
        object: &str,
        field: &str,
        value: &str,
    ) -> Result<Vec<Id>, Fault> {
        let object = self.visible_object(&self.schema, who, object)?;
        let (column, field) = key_field(who, object, field)?;
        let value = key_value(field, value)?;
        Ok(self.live_ids(object, column, &value))
    }

    /// Creates or changes the record with this value in an external id,
    /// idLookup or Id field.
    ///
    /// # Errors
    /// As for `create` and `update`; status 300 with the ids in `extra` when
    /// several records have the value.
    pub fn upsert(
        &mut self,
        who: &User,
        object: &str,
        field: &str,
        value: &str,
        body: &Map<String, Json>,
        options: &WriteOptions,
    ) -> Result<Upserted, Fault> {
        let schema: Arc<Schema> = Arc::clone(&self.schema);
        let object = self.visible_object(&schema, who, object)?;
        let (column, field) = key_field(who, object, field)?;
        if body.keys().any(|key| key.eq_ignore_ascii_case(&field.name)) {
            return Err(Fault::bad_request(
                "INVALID_FIELD",
                format!(
                    "The {} field should not be specified in the sobject data.",
                    field.name
                ),
            ));
        }
        if field.kind == FieldKind::Id {
            self.update(who, &object.name, value, body, options)?;
            let id = crate::id::normalize(value).map_or_else(|| Arc::from(value), Id::from);
            return Ok(Upserted { id, created: false });
        }
        let key = key_value(field, value)?;
        let found = self.live_ids(object, column, &key);
        match found.as_slice() {
            [id] => {
                self.update(who, &object.name, id, body, options)?;
                Ok(Upserted {
                    id: Arc::clone(id),
                    created: false,
                })
            }
            [] if options.update_only => Err(Fault::not_there()),
            [] => {
                let mut body = body.clone();
                body.insert(field.name.clone(), key.to_json());
                let id = self.create(who, &object.name, &body, options)?;
                Ok(Upserted { id, created: true })
            }
            many => Err(ambiguous(field, many)),
        }
    }

    pub(super) fn live_ids(&self, object: &Object, column: usize, value: &Value) -> Vec<Id> {
        self.table(object)
            .find(column, value)
            .into_iter()
            .filter(|row| !row.is_deleted())
            .map(crate::table::Row::shared_id)
            .collect()
    }
}

/// The field that a URL names as a key.
pub(super) fn key_field<'a>(
    who: &User,
    object: &'a Object,
    name: &str,
) -> Result<(usize, &'a Field), Fault> {
    object
        .field(name)
        .filter(|(_, field)| who.can_read(&object.name, &field.name))
        .filter(|(_, field)| field.id_lookup || field.kind == FieldKind::Id)
        .ok_or_else(|| {
            Fault::new(
                404,
                "NOT_FOUND",
                format!("Provided external ID field does not exist or is not accessible: {name}"),
            )
        })
}

/// A key's value from the text of a URL.
fn key_value(field: &Field, text: &str) -> Result<Value, Fault> {
    value_from_json(field, &Json::from(text), &Map::new())
}

pub(super) fn ambiguous(field: &Field, ids: &[Id]) -> Fault {
    let listed: Vec<&str> = ids.iter().map(|id| &**id).collect();
    Fault::new(
        300,
        "DUPLICATE_EXTERNAL_ID",
        format!(
            "{}: more than one record found for external id field: [{}]",
            field.name,
            listed.join(", ")
        ),
    )
    .with("ids", Json::from(listed))
}
