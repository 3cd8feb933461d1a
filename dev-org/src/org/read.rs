//! Records as the API gives them out.

use std::io::Write as _;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use super::Org;
use super::body::no_such_column;
use crate::fault::Fault;
use crate::schema::{Field, FieldKind, ID_COLUMN, Object};
use crate::table::Row;
use crate::user::User;
use crate::value::write_json_text;

/// The parts of an address on the wire, with the ends of their fields' names.
const ADDRESS_PARTS: [(&str, &str); 8] = [
    ("city", "City"),
    ("country", "Country"),
    ("geocodeAccuracy", "GeocodeAccuracy"),
    ("latitude", "Latitude"),
    ("longitude", "Longitude"),
    ("postalCode", "PostalCode"),
    ("state", "State"),
    ("street", "Street"),
];

impl Org {
    /// A record with its `attributes`: the fields asked for, or all that this
    /// user sees. `version` is that of the URLs, as `v60.0`.
    ///
    /// # Errors
    /// When the object, the record or a field is not there for this user.
    pub fn read(
        &self,
        who: &User,
        object: &str,
        id: &str,
        fields: Option<&[String]>,
        version: &str,
    ) -> Result<Json, Fault> {
        let object = self.visible_object(&self.schema, who, object)?;
        let row = self.live_row(object, id)?;
        let columns = match fields {
            None => self.visible_columns(who, object).collect(),
            Some(names) => {
                let mut columns = Vec::with_capacity(names.len());
                for name in names {
                    let (column, _) = object
                        .field(name.trim())
                        .filter(|(_, field)| who.can_read(&object.name, &field.name))
                        .ok_or_else(|| no_such_column(name, object))?;
                    columns.push(column);
                }
                columns
            }
        };
        let mut record = Map::new();
        record.insert(
            "attributes".to_owned(),
            json!({"type": object.name, "url": record_url(object, row.id(), version)}),
        );
        for column in columns {
            if let Some(field) = object.fields.get(column) {
                let value = field_json(object, row, column, field, version);
                record.insert(field.name.clone(), value);
            }
        }
        Ok(Json::Object(record))
    }

    /// The columns that this user sees.
    pub fn visible_columns<'a>(
        &self,
        who: &'a User,
        object: &'a Object,
    ) -> impl Iterator<Item = usize> + use<'a> {
        object
            .fields
            .iter()
            .enumerate()
            .filter(|(_, field)| who.can_read(&object.name, &field.name))
            .map(|(column, _)| column)
    }

    /// The bytes of a base64 field.
    ///
    /// # Errors
    /// When there is no such record or field, or the field has no content.
    pub fn blob(&self, who: &User, object: &str, id: &str, field: &str) -> Result<Bytes, Fault> {
        let object = self.visible_object(&self.schema, who, object)?;
        let row = self.live_row(object, id)?;
        object
            .field(field)
            .filter(|(_, field)| field.kind == FieldKind::Base64)
            .filter(|(_, field)| who.can_read(&object.name, &field.name))
            .and_then(|(column, _)| row.get(column).as_blob())
            .cloned()
            .ok_or_else(Fault::not_there)
    }

    /// The live record of an id from a URL, for reading.
    fn live_row(&self, object: &Object, id: &str) -> Result<&Row, Fault> {
        let Some(normal) = crate::id::normalize(id) else {
            return Err(if id.len() == 15 || id.len() == 18 {
                Fault::bad_request("MALFORMED_ID", format!("malformed id {id}"))
            } else {
                Fault::new(
                    404,
                    "NOT_FOUND",
                    format!("Provided external ID field does not exist or is not accessible: {id}"),
                )
            });
        };
        self.table(object)
            .get(&normal)
            .filter(|row| !row.is_deleted())
            .ok_or_else(Fault::not_there)
    }
}

/// `/services/data/v60.0/sobjects/Account/001...`
pub fn record_url(object: &Object, id: &str, version: &str) -> String {
    format!("/services/data/{version}/sobjects/{}/{id}", object.name)
}

fn field_json(object: &Object, row: &Row, column: usize, field: &Field, version: &str) -> Json {
    match field.kind {
        FieldKind::Address | FieldKind::Base64 => {
            let mut out = Vec::new();
            write_field(&mut out, object, row, column, version);
            serde_json::from_slice(&out).unwrap_or(Json::Null)
        }
        _ => row.get(column).to_json(),
    }
}

/// Writes one field's JSON to a buffer: an address as its parts, base64 content
/// as the URL to get it from, all else as the value itself.
pub fn write_field(out: &mut Vec<u8>, object: &Object, row: &Row, column: usize, version: &str) {
    let Some(field) = object.fields.get(column) else {
        out.extend_from_slice(b"null");
        return;
    };
    match field.kind {
        FieldKind::Address => write_address(out, object, row, field),
        FieldKind::Base64 if !row.get(column).is_null() => {
            // Writing to a Vec cannot fail.
            drop(write!(
                out,
                "\"{}/{}\"",
                record_url(
                    object,
                    row.get(ID_COLUMN).as_str().unwrap_or_default(),
                    version
                ),
                field.name
            ));
        }
        _ => row.get(column).write_json(out),
    }
}

fn write_address(out: &mut Vec<u8>, object: &Object, row: &Row, address: &Field) {
    let parts: Vec<usize> = object
        .parts(&address.name)
        .map(|(column, _)| column)
        .collect();
    if parts.iter().all(|column| row.get(*column).is_null()) {
        out.extend_from_slice(b"null");
        return;
    }
    out.push(b'{');
    for (number, (name, end)) in ADDRESS_PARTS.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_json_text(name, out);
        out.push(b':');
        let column = parts.iter().find(|column| {
            object
                .fields
                .get(**column)
                .is_some_and(|field| field.name.ends_with(end))
        });
        match column {
            Some(column) => row.get(*column).write_json(out),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
}
