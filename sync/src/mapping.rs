//! The mapping file: what a user wants otherwise than it would be by itself.
//!
//! ```toml
//! [objects.Contact]
//! table = "people"
//! direction = "both"             # or "in", "out"
//! policy = "newest"              # or "org", "local", "plugin"
//! key_field = "Sync_Key__c"      # an external id of 32 characters or more
//! leave_out = ["Fax", "Jigsaw"]
//!
//! [objects.Contact.fields.MailingStreet]
//! column = "street"
//! policy = "local"
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What to do otherwise than by default, by object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// By the object's API name.
    #[serde(default)]
    pub objects: BTreeMap<String, ObjectMapping>,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// With the place, when it is no TOML or has members that no mapping has.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The mapping as a file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // Maps of texts to plain values cannot fail.
        toml::to_string(self).unwrap_or_default()
    }
}

/// What to do otherwise with one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectMapping {
    /// The name of its table.
    pub table: Option<String>,
    /// Which way its records go.
    pub direction: Option<Direction>,
    /// Who wins where both sides changed a field.
    pub policy: Option<Policy>,
    /// The external id field that holds the rows' keys: with it, a record whose
    /// creation was cut off is found again rather than made twice.
    pub key_field: Option<String>,
    /// Fields without a column.
    #[serde(default)]
    pub leave_out: Vec<String>,
    /// By the field's API name.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldMapping>,
}

/// What to do otherwise with one field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMapping {
    /// The name of its column.
    pub column: Option<String>,
    /// Who wins where both sides changed it.
    pub policy: Option<Policy>,
}

/// Which way records go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// From the org into the table. Other writes to the table are refused.
    In,
    /// From the table to the org. What changes in the org stays there.
    Out,
}

/// Who wins where both sides changed the same field since they last agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The org.
    #[default]
    Org,
    /// The table.
    Local,
    /// Who wrote last, by the clocks of both; at the same millisecond the org.
    Newest,
    /// A plugin, [`crate::EngineOptions::decider`]: until it has spoken, both sides keep
    /// what they have, and the field is not sent.
    Plugin,
}

impl Policy {
    /// The word for it, as mapping files have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Org => "org",
            Self::Local => "local",
            Self::Newest => "newest",
            Self::Plugin => "plugin",
        }
    }
}
