//! Validation rules and duplicate rules, as schema files declare them.

use serde::Deserialize;

/// A rule that refuses a record when all of its conditions hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationRule {
    /// The object whose writes it guards.
    pub object: String,
    /// The rule's name.
    #[serde(default)]
    pub name: String,
    /// The conditions of an invalid record; all must hold.
    pub when: Vec<Condition>,
    /// What the user reads.
    pub message: String,
    /// The field that the message stands at; without it, the page.
    #[serde(default)]
    pub field: Option<String>,
    /// Whether the rule is on.
    #[serde(default = "yes")]
    pub active: bool,
}

/// One comparison of a field's new value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The field.
    pub field: String,
    /// How to compare.
    pub is: Comparison,
    /// What to compare with, where the comparison needs it.
    #[serde(default)]
    pub value: Option<toml::Value>,
}

/// How a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// There is no value.
    Blank,
    /// There is a value.
    NotBlank,
    /// The write changes the value of an existing record.
    Changed,
    /// Same value; text without case.
    Equal,
    /// Another value, or none.
    NotEqual,
    /// A smaller number or an earlier date.
    Less,
    /// A bigger number or a later date.
    Greater,
    /// Text that contains a text, without case.
    Contains,
    /// Text with more characters than a number.
    LongerThan,
}

/// A rule that finds records like the one being written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuplicateRule {
    /// The object whose records are compared.
    pub object: String,
    /// The rule's name, as `Standard_Contact_Duplicate_Rule`.
    pub name: String,
    /// The fields that must all be the same, without case, and filled.
    #[serde(rename = "match")]
    pub match_fields: Vec<String>,
    /// Whether a duplicate may be saved with `allowSave`.
    #[serde(default)]
    pub action: DuplicateAction,
    /// What the user reads.
    #[serde(default = "default_alert")]
    pub message: String,
    /// Whether updates are looked at as well as creates.
    #[serde(default = "yes")]
    pub on_update: bool,
    /// Whether the rule is on.
    #[serde(default = "yes")]
    pub active: bool,
}

/// What a duplicate rule does about a duplicate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DuplicateAction {
    /// Refuses, unless the request says `allowSave=true`.
    #[default]
    Alert,
    /// Refuses always.
    Block,
}

fn yes() -> bool {
    true
}

fn default_alert() -> String {
    "Use one of these records?".to_owned()
}
