//! What a connector says of itself and of an org's objects, as plain values.

use serde::Serialize;

/// One object of an org, briefly.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectSummary {
    /// The API name.
    pub name: String,
    /// The name for people.
    pub label: String,
    /// The user or the org added it.
    pub custom: bool,
    /// Records can be created.
    pub createable: bool,
    /// Records can be changed.
    pub updateable: bool,
    /// Records can be deleted.
    pub deletable: bool,
    /// Records can be queried.
    pub queryable: bool,
}

/// One object of an org with its fields, as the connected user sees them.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectDescription {
    /// The object.
    #[serde(flatten)]
    pub summary: ObjectSummary,
    /// The fields that the user may read.
    pub fields: Vec<Field>,
    /// Objects that refer to this one.
    pub children: Vec<Child>,
    /// Fields that say when a record was last changed, the finest first.
    pub stamp_fields: Vec<String>,
}

/// One field.
#[derive(Clone, Debug, Serialize)]
pub struct Field {
    /// The API name.
    pub name: String,
    /// The name for people.
    pub label: String,
    /// The product's name of the type.
    pub kind: String,
    /// The longest text in characters; 0 if it does not apply.
    pub max_length: u32,
    /// A value must be given on create.
    pub required: bool,
    /// It may be empty.
    pub nillable: bool,
    /// It can be set on create.
    pub createable: bool,
    /// It can be changed.
    pub updateable: bool,
    /// The user or the org added it.
    pub custom: bool,
    /// No two records have the same value.
    pub unique: bool,
    /// It can be the key of an upsert.
    pub external_id: bool,
    /// Objects that a reference may point to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// The active values of a picklist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub picklist: Vec<String>,
    /// Other values are refused.
    pub restricted: bool,
}

/// An object that refers to another.
#[derive(Clone, Debug, Serialize)]
pub struct Child {
    /// The object that refers.
    pub object: String,
    /// The field that does it.
    pub field: String,
    /// The name under which a query reaches the children.
    pub relationship: Option<String>,
}

/// What a connector is.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectorDescription {
    /// The product.
    pub product: String,
    /// One sentence.
    pub summary: String,
    /// Objects that the connector was made for.
    pub objects: Vec<String>,
    /// What can be done beyond records.
    pub actions: Vec<Action>,
    /// Kinds of event that can be delivered.
    pub events: Vec<EventKind>,
    /// The JSON Schema of its settings.
    pub settings_schema: String,
}

/// Something that can be done beyond records.
#[derive(Clone, Debug, Serialize)]
pub struct Action {
    /// The name to call it by.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// The JSON Schema of the input.
    pub input_schema: String,
    /// The JSON Schema of the output.
    pub output_schema: String,
}

/// A kind of event.
#[derive(Clone, Debug, Serialize)]
pub struct EventKind {
    /// The name to subscribe by.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// The JSON Schema of its payload.
    pub payload_schema: String,
}
