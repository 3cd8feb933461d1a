//! Reads a request body into values by column: unknown and read-only fields,
//! JSON types, and parents named by external id.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::Org;
use crate::fault::Fault;
use crate::id;
use crate::schema::{Field, FieldKind, Object};
use crate::user::User;
use crate::value::{Value, parse_date, parse_datetime, parse_time};

/// Whether a body makes a record or changes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Create,
    Update,
}

impl Org {
    /// What a body sets, by column, in the body's order.
    pub(super) fn read_body(
        &self,
        who: &User,
        object: &Object,
        body: &Map<String, Json>,
        purpose: Purpose,
    ) -> Result<Vec<(usize, Value)>, Fault> {
        let mut set = Vec::with_capacity(body.len());
        let mut refused: Vec<String> = Vec::new();
        for (key, json) in body {
            if key == "attributes" {
                continue;
            }
            let field = object
                .field(key)
                .filter(|(_, field)| who.can_read(&object.name, &field.name));
            let Some((column, field)) = field else {
                set.push(self.parent_by_external_id(who, object, key, json)?);
                continue;
            };
            if field.kind == FieldKind::Id {
                return Err(id_in_body(purpose));
            }
            let writable = match purpose {
                Purpose::Create => field.createable,
                Purpose::Update => field.updateable,
            };
            if !writable || !who.can_edit(&object.name, &field.name) {
                refused.push(field.name.clone());
                continue;
            }
            set.push((column, value_from_json(field, json, body)?));
        }
        if refused.is_empty() {
            return Ok(set);
        }
        Err(not_writable(refused))
    }

    /// `"Account": {"External_Id__c": "x"}`: the parent's reference field and
    /// the id of the one record with that key.
    fn parent_by_external_id(
        &self,
        who: &User,
        object: &Object,
        key: &str,
        json: &Json,
    ) -> Result<(usize, Value), Fault> {
        let (column, field) = object
            .relationship(key)
            .filter(|(_, field)| who.can_read(&object.name, &field.name))
            .ok_or_else(|| no_such_column(key, object))?;
        let Json::Object(parent) = json else {
            return if json.is_null() {
                Ok((column, Value::Null))
            } else {
                Err(no_such_column(key, object))
            };
        };
        // The type stands in the attributes; `type` by itself is taken as well,
        // where the parent has no field of that name.
        let names_type = |name: &str| {
            let mut targets = field.reference_to.iter();
            targets.any(|target| target.eq_ignore_ascii_case(name))
        };
        let bare_type = parent
            .get("type")
            .and_then(Json::as_str)
            .filter(|name| names_type(name));
        // Where it matters, they have to come before everything else.
        let comes_first = parent.keys().next().is_some_and(|key| key == "attributes");
        let stated_type = parent
            .get("attributes")
            .filter(|_| comes_first || field.reference_to.len() == 1)
            .and_then(|attributes| attributes.get("type"))
            .and_then(Json::as_str)
            .or(bare_type);
        let target = match (stated_type, field.reference_to.as_slice()) {
            (Some(name), targets) => targets.iter().find(|to| to.eq_ignore_ascii_case(name)),
            (None, [only]) => Some(only),
            (None, _) => {
                return Err(Fault::bad_request(
                    "JSON_PARSER_ERROR",
                    "Nested object for polymorphic foreign key must have an attributes field \
                     before any other fields.",
                ));
            }
        };
        let target = target
            .and_then(|name| self.schema.object(name))
            .ok_or_else(|| no_such_column(key, object))?;
        let mut keys = parent
            .iter()
            .filter(|(name, _)| *name != "attributes" && !(*name == "type" && bare_type.is_some()));
        let (Some((name, value)), None) = (keys.next(), keys.next()) else {
            return Err(Fault::bad_request(
                "INVALID_FIELD",
                format!("{key}: a parent is named by exactly one external id field"),
            ));
        };
        let (target_column, target_field) = target
            .field(name)
            .filter(|(_, field)| field.id_lookup || field.kind == FieldKind::Id)
            .ok_or_else(|| {
                Fault::bad_request(
                    "INVALID_FIELD",
                    format!(
                        "{name} is not an External ID or indexed field for {}",
                        target.name
                    ),
                )
            })?;
        let wanted = value_from_json(target_field, value, parent)?;
        let shown = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let parent = self.parent_with_key(target, target_column, &wanted, &shown)?;
        Ok((column, parent))
    }

    /// The id of the one live record with a key, for a reference to it. `shown`
    /// is the key as it was sent.
    pub(super) fn parent_with_key(
        &self,
        target: &Object,
        key: usize,
        wanted: &Value,
        shown: &str,
    ) -> Result<Value, Fault> {
        let name = target
            .fields
            .get(key)
            .map_or("", |field| field.name.as_str());
        let mut found = self
            .table(target)
            .find(key, wanted)
            .into_iter()
            .filter(|row| !row.is_deleted());
        match (found.next(), found.next()) {
            (Some(row), None) => Ok(Value::Text(row.shared_id())),
            (Some(_), Some(_)) => Err(Fault::bad_request(
                "INVALID_FIELD",
                format!(
                    "Foreign key external ID: {shown} is not unique for field {name} in entity {}",
                    target.name
                ),
            )),
            _ => Err(Fault::bad_request(
                "INVALID_FIELD",
                format!(
                    "Foreign key external ID: {} not found for field {name} in entity {}",
                    shown.to_lowercase(),
                    target.name
                ),
            )),
        }
    }
}

/// The error for a key that is no field.
pub(super) fn no_such_column(key: &str, object: &Object) -> Fault {
    Fault::bad_request(
        "INVALID_FIELD",
        format!("No such column '{key}' on sobject of type {}", object.name),
    )
}

/// The error for fields that the user sees and may not set.
pub(super) fn not_writable(fields: Vec<String>) -> Fault {
    let mut fault = Fault::bad_request(
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        format!(
            "Unable to create/update fields: {}. Please check the security settings of this \
             field and verify that it is read/write for your profile or permission set.",
            fields.join(", ")
        ),
    );
    fault.fields = fields;
    fault
}

pub(super) fn id_in_body(purpose: Purpose) -> Fault {
    match purpose {
        Purpose::Create => Fault::bad_request(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "cannot specify Id in an insert call",
        )
        .on("Id"),
        Purpose::Update => Fault::bad_request(
            "INVALID_FIELD",
            "The Id field should not be specified in the sobject data.",
        ),
    }
}

/// A field's value from JSON. `body` is only looked at to say where an error is.
pub(super) fn value_from_json(
    field: &Field,
    json: &Json,
    body: &Map<String, Json>,
) -> Result<Value, Fault> {
    if json.is_null() {
        return if field.kind == FieldKind::Boolean {
            Err(Fault::bad_request(
                "INVALID_TYPE_ON_FIELD_IN_RECORD",
                format!("{}: value not of required type: null", field.label),
            )
            .on(&field.name))
        } else {
            Ok(Value::Null)
        };
    }
    let text = match json {
        Json::String(text) => Some(text.trim()),
        _ => None,
    };
    // An empty text clears a field of any kind.
    if text == Some("") && field.kind != FieldKind::Boolean {
        return Ok(Value::Null);
    }
    let value = match field.kind {
        FieldKind::Boolean => match (json, text) {
            (Json::Bool(flag), _) => Some(Value::Bool(*flag)),
            (_, Some("true")) => Some(Value::Bool(true)),
            (_, Some("false")) => Some(Value::Bool(false)),
            _ => None,
        },
        FieldKind::Int => whole_number(json, text).map(Value::Int),
        FieldKind::Double | FieldKind::Currency | FieldKind::Percent => json
            .as_f64()
            .or_else(|| text?.parse().ok())
            .filter(|number| number.is_finite())
            .map(|number| Value::Double(round_to(number, field.scale))),
        FieldKind::Date => text.and_then(parse_date).map(Value::Date),
        FieldKind::DateTime => text.and_then(parse_datetime).map(Value::DateTime),
        FieldKind::Time => text.and_then(parse_time).map(Value::Time),
        FieldKind::Id | FieldKind::Reference => {
            return match text {
                Some(text) => id::normalize(text)
                    .map(Value::text)
                    .ok_or_else(|| malformed_id(field, text)),
                None => Err(parser_error(field, json, body)),
            };
        }
        FieldKind::Picklist | FieldKind::Combobox => {
            as_text(json, text).map(|text| listed(field, &text))
        }
        FieldKind::Address => None,
        _ => as_text(json, text).map(Value::text),
    };
    value.ok_or_else(|| parser_error(field, json, body))
}

/// A picklist's value. Records share the schema's own copy of a listed one.
pub(super) fn listed(field: &Field, text: &str) -> Value {
    let choice = field
        .picklist
        .iter()
        .find(|choice| choice.value.eq_ignore_ascii_case(text));
    choice.map_or_else(
        || Value::text(text),
        |choice| Value::Text(Arc::clone(&choice.value)),
    )
}

/// The error for an id that is none.
pub(super) fn malformed_id(field: &Field, text: &str) -> Fault {
    Fault::bad_request(
        "MALFORMED_ID",
        format!("{}: id value of incorrect type: {text}", field.label),
    )
    .on(&field.name)
}

fn as_text(json: &Json, text: Option<&str>) -> Option<String> {
    match json {
        Json::String(_) => text.map(str::to_owned),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn whole_number(json: &Json, text: Option<&str>) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the value is whole and within the range of i32"
    )]
    let from_float = |number: f64| {
        (number.fract() == 0.0 && number.abs() <= f64::from(i32::MAX)).then_some(number as i64)
    };
    json.as_i64()
        .or_else(|| json.as_f64().and_then(from_float))
        .or_else(|| text?.parse().ok())
}

/// Rounds to a field's digits after the point, as the database does.
pub(super) fn round_to(number: f64, scale: u32) -> f64 {
    let power = 10_f64.powi(i32::try_from(scale).unwrap_or(0));
    let rounded = (number * power).round() / power;
    if rounded.is_finite() { rounded } else { number }
}

fn parser_error(field: &Field, json: &Json, body: &Map<String, Json>) -> Fault {
    let (token, shown) = match json {
        Json::Null => ("VALUE_NULL", "null".to_owned()),
        Json::Bool(true) => ("VALUE_TRUE", "true".to_owned()),
        Json::Bool(false) => ("VALUE_FALSE", "false".to_owned()),
        Json::Number(number) if number.is_f64() => ("VALUE_NUMBER_FLOAT", number.to_string()),
        Json::Number(number) => ("VALUE_NUMBER_INT", number.to_string()),
        Json::String(text) => ("VALUE_STRING", text.clone()),
        Json::Array(_) => ("START_ARRAY", "[".to_owned()),
        Json::Object(_) => ("START_OBJECT", "{".to_owned()),
    };
    let wanted = match field.kind {
        FieldKind::Boolean => "boolean",
        FieldKind::Int => "int",
        FieldKind::Double | FieldKind::Currency | FieldKind::Percent => "double",
        FieldKind::Date => "date",
        FieldKind::DateTime => "datetime",
        FieldKind::Time => "time",
        FieldKind::Id | FieldKind::Reference => "reference",
        FieldKind::Address => "address",
        _ => "string",
    };
    Fault::bad_request(
        "JSON_PARSER_ERROR",
        format!(
            "Cannot deserialize instance of {wanted} from {token} value {shown} or request may be \
             missing a required field at [line:1, column:{}]",
            column_of(body, json)
        ),
    )
}

/// Where a value stands in the body, had it been sent without white space.
fn column_of(body: &Map<String, Json>, wanted: &Json) -> usize {
    let mut column = 2;
    for (key, value) in body {
        column += key.len() + 3;
        if std::ptr::eq(value, wanted) {
            break;
        }
        column += value.to_string().len() + 1;
    }
    column
}
