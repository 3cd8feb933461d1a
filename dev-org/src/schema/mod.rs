//! The org's data model: sObjects, fields, relationships and rules, read from
//! the TOML files of `schema/`.

mod build;
mod event;
mod features;
mod kind;
mod link;
mod load;
mod rules;
mod types;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

pub use features::{Currency, Features, RecordType};
pub use kind::FieldKind;
pub use rules::{Comparison, Condition, DuplicateAction, DuplicateRule, ValidationRule};
pub use types::{ChildRelationship, Field, ID_COLUMN, Object, PicklistValue, SystemColumns};

/// An extension for demos and tests: external ids on the standard objects, a
/// lead score, and a custom object.
pub const DEMO: &str = include_str!("../../schema/demo.toml");

/// The standard objects. Value sets come first, since all others use them.
const STANDARD: &[&str] = &[
    include_str!("../../schema/picklists.toml"),
    include_str!("../../schema/account.toml"),
    include_str!("../../schema/contact.toml"),
    include_str!("../../schema/lead.toml"),
    include_str!("../../schema/opportunity.toml"),
    include_str!("../../schema/task.toml"),
    include_str!("../../schema/note.toml"),
    include_str!("../../schema/content.toml"),
    include_str!("../../schema/attachment.toml"),
    include_str!("../../schema/order.toml"),
    include_str!("../../schema/product.toml"),
    include_str!("../../schema/user.toml"),
    include_str!("../../schema/setup.toml"),
    include_str!("../../schema/access.toml"),
];

/// Why a schema file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError(pub(crate) String);

impl fmt::Display for SchemaError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "schema: {}", self.0)
    }
}

impl std::error::Error for SchemaError {}

/// All objects of the org, with its rules.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    objects: Vec<Object>,
    by_name: HashMap<Box<str>, usize>,
    by_prefix: HashMap<Box<str>, usize>,
    picklists: BTreeMap<String, Vec<PicklistValue>>,
    pub(crate) validation_rules: Vec<ValidationRule>,
    pub(crate) duplicate_rules: Vec<DuplicateRule>,
    pub(crate) record_types: Vec<RecordType>,
    /// What is switched on.
    pub features: Features,
}

impl Schema {
    /// The standard objects.
    ///
    /// # Errors
    /// When a data file of this crate is wrong; tests keep that from happening.
    pub fn standard() -> Result<Self, SchemaError> {
        let mut schema = Self::default();
        for text in STANDARD {
            schema.read(text, false)?;
        }
        schema.link()?;
        Ok(schema)
    }

    /// Adds the objects, fields and rules of a file, all marked custom.
    ///
    /// # Errors
    /// When the file is not TOML of the documented form, repeats a name, or
    /// refers to something that is not there. The schema is then as before.
    pub fn extend(&mut self, toml: &str) -> Result<(), SchemaError> {
        let mut extended = self.clone();
        extended.read(toml, true)?;
        extended.link()?;
        *self = extended;
        Ok(())
    }

    /// An object by name, without case.
    pub fn object(&self, name: &str) -> Option<&Object> {
        let index = self.by_name.get(name.to_ascii_lowercase().as_str())?;
        self.objects.get(*index)
    }

    /// All objects.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter()
    }

    /// The object that an id's key prefix names. `LeadStatus` and
    /// `OpportunityStage` share one, of which the first is given.
    pub fn object_of_id(&self, id: &str) -> Option<&Object> {
        let index = self.by_prefix.get(crate::id::prefix(id))?;
        self.objects.get(*index)
    }

    /// The rules that refuse invalid records of an object.
    pub fn validation_rules<'a>(
        &'a self,
        object: &'a str,
    ) -> impl Iterator<Item = &'a ValidationRule> {
        self.validation_rules
            .iter()
            .filter(move |rule| rule.active && rule.object == object)
    }

    /// The rules that find duplicates among an object's records.
    pub fn duplicate_rules<'a>(
        &'a self,
        object: &'a str,
    ) -> impl Iterator<Item = &'a DuplicateRule> {
        self.duplicate_rules
            .iter()
            .filter(move |rule| rule.active && rule.object == object)
    }
}
