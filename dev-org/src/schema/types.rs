//! What an sObject and its fields are, as the rest of the org reads them.

use std::collections::HashMap;
use std::sync::Arc;

use super::kind::FieldKind;
use crate::value::Value;

/// One sObject.
#[derive(Clone, Debug)]
pub struct Object {
    /// The API name, `Account` or `ns__Invoice__c`.
    pub name: String,
    /// The label for one record.
    pub label: String,
    /// The label for many.
    pub label_plural: String,
    /// The first three characters of its ids.
    pub key_prefix: Option<String>,
    /// The fields; a field's place here is its column in every row.
    pub fields: Vec<Field>,
    /// Relationships from other objects to this one.
    pub children: Vec<ChildRelationship>,
    /// Whether the API creates records.
    pub createable: bool,
    /// Whether the API changes records.
    pub updateable: bool,
    /// Whether the API deletes records.
    pub deletable: bool,
    /// Whether SOQL reads it.
    pub queryable: bool,
    /// Whether deleted records can be restored.
    pub undeletable: bool,
    /// Whether getUpdated and getDeleted work.
    pub replicateable: bool,
    /// Whether SOSL finds it.
    pub searchable: bool,
    /// Whether it was declared by an extension.
    pub custom: bool,
    /// Columns that the org fills by itself.
    pub system: SystemColumns,
    /// The column of the name field.
    pub name_column: Option<usize>,
    /// Its place among the schema's objects, which is its table's place.
    pub(crate) index: usize,
    /// Columns by lower-case field name.
    pub(crate) by_name: HashMap<Box<str>, usize>,
    /// Columns by lower-case relationship name.
    pub(crate) by_relationship: HashMap<Box<str>, usize>,
}

/// Columns that the org fills by itself, where an object has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemColumns {
    /// `IsDeleted`.
    pub is_deleted: Option<usize>,
    /// `OwnerId`.
    pub owner_id: Option<usize>,
    /// `CreatedDate`.
    pub created_date: Option<usize>,
    /// `CreatedById`.
    pub created_by_id: Option<usize>,
    /// `LastModifiedDate`.
    pub last_modified_date: Option<usize>,
    /// `LastModifiedById`.
    pub last_modified_by_id: Option<usize>,
    /// `SystemModstamp`.
    pub system_modstamp: Option<usize>,
}

/// The column of `Id`, the first in every row.
pub const ID_COLUMN: usize = 0;

impl Object {
    /// Whether its records are platform events, which are published and never
    /// kept.
    pub fn is_event(&self) -> bool {
        self.name.ends_with("__e")
    }

    /// A field and its column, by name without case.
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        let column = *self.by_name.get(name.to_ascii_lowercase().as_str())?;
        Some((column, self.fields.get(column)?))
    }

    /// The column of a field.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.field(name).map(|(column, _)| column)
    }

    /// The reference field behind a relationship: `Account`, `Parent__r`.
    pub fn relationship(&self, name: &str) -> Option<(usize, &Field)> {
        let column = *self
            .by_relationship
            .get(name.to_ascii_lowercase().as_str())?;
        Some((column, self.fields.get(column)?))
    }

    /// A child relationship by name: `Contacts`.
    pub fn child(&self, name: &str) -> Option<&ChildRelationship> {
        self.children.iter().find(|child| {
            child
                .name
                .as_deref()
                .is_some_and(|child| child.eq_ignore_ascii_case(name))
        })
    }

    /// The fields that make up a compound field, with their columns.
    pub fn parts<'a>(&'a self, compound: &'a str) -> impl Iterator<Item = (usize, &'a Field)> {
        self.fields
            .iter()
            .enumerate()
            .filter(move |(_, field)| field.compound.as_deref() == Some(compound))
    }
}

/// One field.
#[derive(Clone, Debug)]
pub struct Field {
    /// The API name.
    pub name: String,
    /// The label, which error messages use.
    pub label: String,
    /// What kind of value it holds.
    pub kind: FieldKind,
    /// Most characters of text; 0 for other kinds.
    pub length: u32,
    /// Digits of a number.
    pub precision: u32,
    /// Digits after the point.
    pub scale: u32,
    /// Whether it may be empty.
    pub nillable: bool,
    /// Whether a create may set it.
    pub createable: bool,
    /// Whether an update may set it.
    pub updateable: bool,
    /// Whether a create that leaves it out gets a value.
    pub defaulted_on_create: bool,
    /// Whether it is an external id of a custom field.
    pub external_id: bool,
    /// Whether upserts and references may use it as a key.
    pub id_lookup: bool,
    /// Whether two live records may not share a value.
    pub unique: bool,
    /// Whether unique values differ by case.
    pub case_sensitive: bool,
    /// Whether only listed picklist values are let in.
    pub restricted_picklist: bool,
    /// Whether the org computes it.
    pub calculated: bool,
    /// Whether the org numbers it, and how: `{00000000}` or `INV-{0000}`.
    pub auto_number: Option<String>,
    /// Whether an extension declared it.
    pub custom: bool,
    /// Whether WHERE may name it.
    pub filterable: bool,
    /// Whether ORDER BY may name it.
    pub sortable: bool,
    /// Whether GROUP BY may name it.
    pub groupable: bool,
    /// Whether it is the object's name field.
    pub name_field: bool,
    /// Whether field-level security can hide it.
    pub permissionable: bool,
    /// The values of a picklist.
    pub picklist: Vec<PicklistValue>,
    /// The objects whose ids it holds.
    pub reference_to: Vec<String>,
    /// The relationship from here to the parent: `Account`.
    pub relationship_name: Option<String>,
    /// Whether the parent's delete takes this record along.
    pub cascade_delete: bool,
    /// Whether the parent cannot be deleted while this record is there.
    pub restricted_delete: bool,
    /// The compound field that this is a part of: `BillingAddress`, `Name`.
    pub compound: Option<String>,
    /// The value of a create that leaves it out.
    pub default_value: Option<Value>,
    /// `extraTypeInfo` of describe.
    pub extra_type_info: Option<String>,
    /// Help text of a custom field.
    pub help: Option<String>,
    /// The relationship from the parent to this object's records: `Contacts`.
    pub(crate) children_name: Option<String>,
    /// Whether tables keep an index on it.
    pub(crate) indexed: bool,
}

impl Field {
    /// Whether a create must set it.
    pub fn required_on_create(&self) -> bool {
        self.createable && !self.nillable && !self.defaulted_on_create
    }

    /// Whether it points at records of several objects.
    pub fn is_polymorphic(&self) -> bool {
        self.reference_to.len() > 1
    }
}

/// One value of a picklist.
#[derive(Clone, Debug)]
pub struct PicklistValue {
    /// The value that records hold, shared by all of them.
    pub value: Arc<str>,
    /// The label.
    pub label: String,
    /// Whether new records may use it.
    pub active: bool,
    /// Whether it is the default.
    pub default: bool,
}

/// A relationship from a child object's reference field to its parent.
#[derive(Clone, Debug)]
pub struct ChildRelationship {
    /// The name for subqueries, `Contacts`; some have none.
    pub name: Option<String>,
    /// The child object.
    pub object: String,
    /// The child's reference field.
    pub field: String,
    /// Whether deleting the parent deletes the children.
    pub cascade_delete: bool,
    /// Whether children keep the parent from being deleted.
    pub restricted_delete: bool,
}
