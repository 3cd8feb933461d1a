//! How the records of an object lie in its events: the Avro schema that
//! subscribers ask for, and the columns that its fields are read from.

use std::collections::HashSet;

use anyhow::Context as _;
use apache_avro::Schema;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::change::ChangeType;
use crate::schema::{Field, FieldKind, Object};

/// The namespace of every event's schema.
const NAMESPACE: &str = "com.sforce.eventbus";

/// Columns that are no part of change events: the id is in the header, and the
/// rest changes without anybody's doing.
const LEFT_OUT: [&str; 7] = [
    "Id",
    "IsDeleted",
    "SystemModstamp",
    "LastActivityDate",
    "LastViewedDate",
    "LastReferencedDate",
    "MasterRecordId",
];

/// The layout of one object's events.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The object whose records or events these are: `Account`, `Low_Ink__e`.
    pub(crate) object: String,
    /// The event's own name: `AccountChangeEvent`, `Low_Ink__e`.
    pub(crate) name: String,
    /// The schema id: a fingerprint of the schema, another for every change.
    pub(crate) id: String,
    /// The schema as subscribers get it.
    pub(crate) json: String,
    pub(crate) avro: Schema,
    /// In the order of the schema. Of a change event the header is the first.
    pub(crate) slots: Vec<Slot>,
    /// The column of `LastModifiedDate`, which every update changes.
    pub(crate) last_modified: Option<usize>,
}

/// One field of an event.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) shape: Shape,
}

/// What a field of an event is made of.
#[derive(Debug)]
pub(crate) enum Shape {
    /// The header of a change event.
    Header,
    /// One column.
    One {
        column: usize,
        kind: FieldKind,
        required: bool,
    },
    /// A record of several columns: an address, the name of a person.
    Parts(Vec<Part>),
    /// A name that is text or, of a person, a record.
    Switchable { whole: usize, parts: Vec<Part> },
}

/// One field of a record inside of an event.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// Nothing when the org's objects do not have it.
    pub(crate) column: Option<usize>,
    pub(crate) kind: FieldKind,
}

impl Layout {
    /// The layout of an object's change events, or of its platform events.
    /// Layouts of different `edition`s have different ids.
    pub(crate) fn of(object: &Object, edition: u32) -> anyhow::Result<Self> {
        let (name, slots) = if object.is_event() {
            (object.name.clone(), published_slots(object))
        } else {
            (change_event_name(&object.name), change_slots(object))
        };
        let fields = schema_fields(object, &slots);
        let mut schema = json!({
            "name": name,
            "namespace": NAMESPACE,
            "type": "record",
            "fields": fields,
        });
        let mut digest = Sha256::new();
        digest.update(schema.to_string());
        digest.update(edition.to_be_bytes());
        let digest: [u8; 32] = digest.finalize().into();
        let id = URL_SAFE_NO_PAD.encode(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("uuid".to_owned(), json!(id));
        }
        let avro = Schema::parse(&schema)
            .with_context(|| format!("the events of {} have no Avro schema", object.name))?;
        Ok(Self {
            object: object.name.clone(),
            name,
            id,
            json: schema.to_string(),
            avro,
            slots,
            last_modified: object.system.last_modified_date,
        })
    }

    /// Whether these are events of changes.
    pub(crate) fn is_change(&self) -> bool {
        matches!(
            self.slots.first(),
            Some(Slot {
                shape: Shape::Header,
                ..
            })
        )
    }

    /// The columns that events tell of.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().flat_map(|slot| slot.shape.columns())
    }
}

impl Shape {
    /// The columns that it is made of.
    pub(crate) fn columns(&self) -> Vec<usize> {
        let of = |parts: &[Part]| parts.iter().filter_map(|part| part.column).collect();
        match self {
            Self::Header => Vec::new(),
            Self::One { column, .. } => vec![*column],
            Self::Parts(parts) => of(parts),
            Self::Switchable { whole, parts } => {
                let mut columns: Vec<usize> = of(parts);
                columns.push(*whole);
                columns
            }
        }
    }
}

/// `AccountChangeEvent`, `Invoice__ChangeEvent`.
pub(crate) fn change_event_name(object: &str) -> String {
    match object.strip_suffix("__c") {
        Some(bare) => format!("{bare}__ChangeEvent"),
        None => format!("{object}ChangeEvent"),
    }
}

fn published_slots(object: &Object) -> Vec<Slot> {
    let columns = object.fields.iter().enumerate();
    columns
        .filter(|(_, field)| !matches!(field.name.as_str(), "Id" | "ReplayId" | "EventUuid"))
        .map(|(column, field)| Slot {
            name: field.name.clone(),
            shape: Shape::One {
                column,
                kind: field.kind,
                required: !field.nillable && field.kind != FieldKind::Boolean,
            },
        })
        .collect()
}

fn change_slots(object: &Object) -> Vec<Slot> {
    let header = Slot {
        name: "ChangeEventHeader".to_owned(),
        shape: Shape::Header,
    };
    let columns = object.fields.iter().enumerate();
    let told = columns.filter(|(_, field)| {
        let is_part = field.compound.as_deref();
        let is_part = is_part.is_some_and(|whole| object.column(whole).is_some());
        !is_part
            && !field.calculated
            && field.kind != FieldKind::Base64
            && !LEFT_OUT.contains(&field.name.as_str())
    });
    let slots = told.map(|(column, field)| Slot {
        name: field.name.clone(),
        shape: change_shape(object, column, field),
    });
    std::iter::once(header).chain(slots).collect()
}

fn change_shape(object: &Object, column: usize, field: &Field) -> Shape {
    let person = ["Salutation", "FirstName", "LastName"].map(|name| {
        let part = object.field(name);
        let part = part.filter(|(_, part)| part.compound.as_deref() == Some(&*field.name));
        Part {
            name: name.to_owned(),
            column: part.map(|(column, _)| column),
            kind: FieldKind::Text,
        }
    });
    if field.kind == FieldKind::Address {
        let prefix = field.name.strip_suffix("Address").unwrap_or_default();
        let parts = object.parts(&field.name).map(|(column, part)| Part {
            name: part
                .name
                .strip_prefix(prefix)
                .unwrap_or(&part.name)
                .to_owned(),
            column: Some(column),
            kind: part.kind,
        });
        return Shape::Parts(parts.collect());
    }
    if field.extra_type_info.as_deref() == Some("switchablepersonname") {
        return Shape::Switchable {
            whole: column,
            parts: person.into(),
        };
    }
    if field.name_field && person.iter().any(|part| part.column.is_some()) {
        return Shape::Parts(person.into());
    }
    Shape::One {
        column,
        kind: field.kind,
        required: false,
    }
}

/// The fields of the schema. A record type is spelled out where it comes first
/// and called by its name from then on.
fn schema_fields(object: &Object, slots: &[Slot]) -> Vec<Json> {
    let mut known = HashSet::new();
    let mut record = |name: &'static str, parts: &[Part]| {
        if !known.insert(name) {
            return json!(name);
        }
        let fields = parts.iter().map(|part| {
            json!({ "name": part.name, "type": ["null", avro_name(part.kind)], "default": null })
        });
        json!({ "type": "record", "name": name, "fields": fields.collect::<Vec<_>>() })
    };
    slots
        .iter()
        .map(|slot| match &slot.shape {
            Shape::Header => json!({ "name": slot.name, "type": header_schema() }),
            Shape::One { kind, required, .. } => {
                let name = avro_name(*kind);
                let doc = doc_of(object, &slot.name, *kind);
                if *required {
                    json!({ "name": slot.name, "type": name, "doc": doc })
                } else {
                    json!({ "name": slot.name, "type": ["null", name], "doc": doc, "default": null })
                }
            }
            Shape::Parts(parts) => {
                let is_address = object
                    .field(&slot.name)
                    .is_some_and(|(_, field)| field.kind == FieldKind::Address);
                let name = if is_address { "Address" } else { "PersonName" };
                let record = record(name, parts);
                json!({ "name": slot.name, "type": ["null", record], "default": null })
            }
            Shape::Switchable { parts, .. } => {
                let record = record("Switchable_PersonName", parts);
                json!({ "name": slot.name, "type": ["null", "string", record], "default": null })
            }
        })
        .collect()
}

/// What a field is, in Salesforce's own words: `CreatedDate:DateTime`.
fn doc_of(object: &Object, name: &str, kind: FieldKind) -> String {
    let word = match kind {
        FieldKind::Boolean => "Boolean",
        FieldKind::Int | FieldKind::Double | FieldKind::Percent => "Double",
        FieldKind::Currency => "Currency",
        FieldKind::Date => "DateOnly",
        FieldKind::DateTime => "DateTime",
        FieldKind::Time => "TimeOnly",
        FieldKind::Id | FieldKind::Reference => "EntityId",
        FieldKind::Email => "EmailAddress",
        FieldKind::Phone => "Phone",
        FieldKind::Url => "Url",
        FieldKind::Picklist | FieldKind::MultiPicklist => "Picklist",
        _ => "Text",
    };
    match name {
        "CreatedDate" | "LastModifiedDate" => format!("{name}:{word}"),
        "CreatedById" => format!("CreatedBy:{word}"),
        "LastModifiedById" => format!("LastModifiedBy:{word}"),
        // The id of the field's own definition, which this org does not have.
        _ if name.ends_with("__c") => format!("Data:{word}:{}.{name}", object.name),
        _ => format!("Data:{word}"),
    }
}

fn header_schema() -> Json {
    let list = json!({ "type": "array", "items": "string" });
    let kinds = json!({ "type": "enum", "name": "ChangeType", "symbols": ChangeType::NAMES });
    let fields = [
        ("entityName", json!("string")),
        ("recordIds", list.clone()),
        ("changeType", kinds),
        ("changeOrigin", json!("string")),
        ("transactionKey", json!("string")),
        ("sequenceNumber", json!("int")),
        ("commitTimestamp", json!("long")),
        ("commitNumber", json!("long")),
        ("commitUser", json!("string")),
        ("nulledFields", list.clone()),
        ("diffFields", list.clone()),
        ("changedFields", list),
    ];
    let fields = fields.map(|(name, kind)| json!({ "name": name, "type": kind }));
    json!({ "type": "record", "name": "ChangeEventHeader", "fields": fields })
}

/// The Avro type of a kind of field.
fn avro_name(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Boolean => "boolean",
        FieldKind::Int => "int",
        FieldKind::Double | FieldKind::Currency | FieldKind::Percent => "double",
        FieldKind::Date | FieldKind::DateTime | FieldKind::Time => "long",
        _ => "string",
    }
}
