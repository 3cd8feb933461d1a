//! What the database checks of a record, in Salesforce's order: lengths,
//! formats, ranges, picklists, required fields, references, unique keys.

use super::Org;
use super::body::malformed_id;
use crate::fault::Fault;
use crate::id;
use crate::schema::{Field, FieldKind, Object};
use crate::value::Value;

/// Most whole digits of a whole-number field, plus one.
const INT_LIMIT: f64 = 1e9;

/// Checks one value by itself.
pub(super) fn check_value(field: &Field, value: &Value) -> Result<(), Fault> {
    match value {
        Value::Text(text) => check_text(field, text),
        Value::Int(_) | Value::Double(_) => {
            let number = value.as_f64().unwrap_or(0.0);
            let limit = match field.kind {
                FieldKind::Int => INT_LIMIT,
                _ => 10_f64
                    .powi(i32::try_from(field.precision.saturating_sub(field.scale)).unwrap_or(0)),
            };
            if number.abs() < limit {
                return Ok(());
            }
            Err(Fault::bad_request(
                "NUMBER_OUTSIDE_VALID_RANGE",
                format!(
                    "{}: value outside of valid range on numeric field: {}",
                    field.label,
                    value.to_json()
                ),
            )
            .on(&field.name))
        }
        _ => Ok(()),
    }
}

fn check_text(field: &Field, text: &str) -> Result<(), Fault> {
    if field.kind.is_text() && field.length > 0 {
        let length = text.chars().count();
        if length > usize::try_from(field.length).unwrap_or(usize::MAX) {
            return Err(Fault::bad_request(
                "STRING_TOO_LONG",
                format!(
                    "{}: data value too large: {text} (max length={})",
                    field.label, field.length
                ),
            )
            .on(&field.name));
        }
    }
    match field.kind {
        FieldKind::Email if !is_email(text) => Err(Fault::bad_request(
            "INVALID_EMAIL_ADDRESS",
            format!("{}: invalid email address: {text}", field.label),
        )
        .on(&field.name)),
        FieldKind::Picklist if field.restricted_picklist => check_listed(field, text),
        FieldKind::MultiPicklist if field.restricted_picklist => text
            .split(';')
            .try_for_each(|part| check_listed(field, part)),
        _ => Ok(()),
    }
}

fn check_listed(field: &Field, text: &str) -> Result<(), Fault> {
    if field
        .picklist
        .iter()
        .any(|choice| choice.active && &*choice.value == text)
    {
        return Ok(());
    }
    Err(not_listed(field, text))
}

/// The error for a value that a picklist does not have.
pub(super) fn not_listed(field: &Field, text: &str) -> Fault {
    Fault::bad_request(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        format!(
            "{}: bad value for restricted picklist field: {text}",
            field.label
        ),
    )
    .on(&field.name)
}

/// The local part, one `@`, and a domain with a dot inside.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let plain = |part: &str| {
        !part.is_empty()
            && !part.contains("..")
            && !part.starts_with('.')
            && !part.ends_with('.')
            && part
                .chars()
                .all(|c| !c.is_whitespace() && !c.is_control() && !"@,;:<>()[]\\\"".contains(c))
    };
    plain(local) && plain(domain) && domain.contains('.')
}

/// Names every required field that is empty. On an update only fields that the
/// body empties can be.
pub(super) fn check_required(object: &Object, values: &[Value]) -> Result<(), Fault> {
    let missing: Vec<String> = object
        .fields
        .iter()
        .zip(values)
        .filter(|(field, value)| {
            value.is_null() && !field.nillable && (field.createable || field.updateable)
        })
        .map(|(field, _)| field.name.clone())
        .collect();
    missing_fields(missing)
}

/// The error for required fields that are empty; fine when there are none.
pub(super) fn missing_fields(missing: Vec<String>) -> Result<(), Fault> {
    if missing.is_empty() {
        return Ok(());
    }
    let mut fault = Fault::bad_request(
        "REQUIRED_FIELD_MISSING",
        format!("Required fields are missing: [{}]", missing.join(", ")),
    );
    fault.fields = missing;
    Err(fault)
}

impl Org {
    /// Checks that a reference names a live record of the right object, and
    /// gives the value to store, which shares the parent's id.
    pub(super) fn check_reference(&self, field: &Field, value: &Value) -> Result<Value, Fault> {
        let Value::Text(target) = value else {
            return Ok(Value::Null);
        };
        let prefix = id::prefix(target);
        let known = self
            .schema
            .objects()
            .filter(|object| object.key_prefix.as_deref() == Some(prefix));
        let mut is_right_type = false;
        let mut is_known_type = false;
        for object in known {
            is_known_type = true;
            if !field.reference_to.contains(&object.name) {
                continue;
            }
            is_right_type = true;
            if let Some(row) = self.table(object).get(target) {
                return if row.is_deleted() {
                    Err(Fault::bad_request("ENTITY_IS_DELETED", "entity is deleted"))
                } else {
                    Ok(Value::Text(row.shared_id()))
                };
            }
        }
        if is_right_type {
            return Err(Fault::bad_request(
                "INVALID_CROSS_REFERENCE_KEY",
                "invalid cross reference id",
            ));
        }
        let fault = malformed_id(field, target);
        // A well-formed id of the wrong object is an integrity error.
        Err(if is_known_type {
            Fault {
                code: "FIELD_INTEGRITY_EXCEPTION",
                ..fault
            }
        } else {
            fault
        })
    }

    /// Checks that no other live record holds a unique value.
    pub(super) fn check_unique(
        &self,
        object: &Object,
        own_id: Option<&str>,
        values: &[Value],
    ) -> Result<(), Fault> {
        for (column, (field, value)) in object.fields.iter().zip(values).enumerate() {
            if !field.unique || value.is_null() {
                continue;
            }
            let other = self
                .table(object)
                .find(column, value)
                .into_iter()
                .find(|row| !row.is_deleted() && Some(row.id()) != own_id);
            if let Some(other) = other {
                return Err(Fault::bad_request(
                    "DUPLICATE_VALUE",
                    format!(
                        "duplicate value found: {} duplicates value on record with id: {}",
                        field.name,
                        other.id()
                    ),
                ));
            }
        }
        Ok(())
    }
}
