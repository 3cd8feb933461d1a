//! Reads schema files: TOML with an object's fields one a line.
//!
//! A file declares value sets (`[picklists]`), new objects (`[[object]]`),
//! fields added to objects that exist (`[[extend]]`), rules (`[[validation]]`,
//! `[[duplicate]]`), record types (`[[record_type]]`), and switches (`[org]`). `schema/demo.toml` shows all of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::features::{Features, RecordType};
use super::kind::FieldKind;
use super::rules::{DuplicateRule, ValidationRule};

/// A whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Value sets that several picklists share.
    #[serde(default)]
    pub(super) picklists: BTreeMap<String, Vec<Choice>>,
    /// New objects.
    #[serde(default)]
    pub(super) object: Vec<ObjectSpec>,
    /// Fields for objects that exist.
    #[serde(default)]
    pub(super) extend: Vec<Extension>,
    /// Validation rules.
    #[serde(default)]
    pub(super) validation: Vec<ValidationRule>,
    /// Duplicate rules.
    #[serde(default)]
    pub(super) duplicate: Vec<DuplicateRule>,
    /// Record types.
    #[serde(default)]
    pub(super) record_type: Vec<RecordType>,
    /// Switches of the whole org.
    #[serde(default)]
    pub(super) org: Features,
}

/// Fields added to an object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extension {
    pub(super) object: String,
    pub(super) fields: Vec<FieldSpec>,
}

/// A new object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectSpec {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) plural: String,
    pub(super) prefix: Option<String>,
    /// Which columns the org fills.
    #[serde(default)]
    pub(super) audit: Audit,
    /// Whether records have an owner without saying so in the fields.
    #[serde(default)]
    pub(super) owned: bool,
    /// Whether tasks, notes and files can be about its records.
    #[serde(default)]
    pub(super) activities: bool,
    #[serde(default = "yes")]
    pub(super) createable: bool,
    #[serde(default = "yes")]
    pub(super) updateable: bool,
    #[serde(default = "yes")]
    pub(super) deletable: bool,
    #[serde(default = "yes")]
    pub(super) searchable: bool,
    pub(super) fields: Vec<FieldSpec>,
}

/// Which audit columns an object has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Audit {
    /// `IsDeleted`, created, last modified, modstamp.
    #[default]
    Full,
    /// As `Full` without `IsDeleted`: records that are never in the recycle bin.
    Undeletable,
    /// `IsDeleted` and modstamp only.
    Modstamp,
}

/// What the API may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Access {
    /// Create and update.
    #[default]
    Write,
    /// Create only.
    Create,
    /// Update only.
    Update,
    /// Neither: the org fills it.
    Read,
}

/// One field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldSpec {
    pub(super) name: String,
    pub(super) label: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: FieldKind,
    pub(super) length: Option<u32>,
    pub(super) precision: Option<u32>,
    pub(super) scale: Option<u32>,
    #[serde(default)]
    pub(super) required: bool,
    #[serde(default)]
    pub(super) access: Access,
    pub(super) default: Option<toml::Value>,
    pub(super) defaulted: Option<bool>,
    #[serde(default)]
    pub(super) external_id: bool,
    #[serde(default)]
    pub(super) id_lookup: bool,
    #[serde(default)]
    pub(super) unique: bool,
    #[serde(default)]
    pub(super) case_sensitive: bool,
    #[serde(default)]
    pub(super) restricted: bool,
    #[serde(default)]
    pub(super) calculated: bool,
    pub(super) auto_number: Option<String>,
    #[serde(default)]
    pub(super) name_field: bool,
    /// A value set's name or the values themselves.
    pub(super) values: Option<Values>,
    #[serde(default)]
    pub(super) to: Vec<String>,
    /// The relationship to the parent.
    pub(super) parent: Option<String>,
    /// The relationship from the parent to this object's records.
    pub(super) children: Option<String>,
    /// What the parent's delete does.
    #[serde(default)]
    pub(super) on_delete: OnDelete,
    pub(super) compound: Option<String>,
    /// For an address: the prefix of its parts' names.
    pub(super) parts: Option<String>,
    pub(super) extra: Option<String>,
    pub(super) help: Option<String>,
    pub(super) filterable: Option<bool>,
    pub(super) sortable: Option<bool>,
    pub(super) groupable: Option<bool>,
    pub(super) permissionable: Option<bool>,
}

/// What happens to a record when its parent is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnDelete {
    /// The reference is cleared, or left alone where it is required.
    #[default]
    Clear,
    /// The record is deleted with it.
    Cascade,
    /// The parent cannot be deleted.
    Restrict,
}

/// A picklist's values.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Values {
    /// A set of `[picklists]`.
    Shared(String),
    /// Values in place.
    Listed(Vec<Choice>),
}

/// One value of a picklist.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Choice {
    /// Value and label in one.
    Plain(String),
    /// Everything said.
    Full {
        value: String,
        label: Option<String>,
        #[serde(default = "yes")]
        active: bool,
        #[serde(default)]
        default: bool,
    },
}

fn yes() -> bool {
    true
}

impl FieldSpec {
    /// A field of a name, a label and a kind, all else as by default.
    pub(super) fn new(name: String, label: String, kind: FieldKind) -> Self {
        Self {
            name,
            label: Some(label),
            kind,
            length: None,
            precision: None,
            scale: None,
            required: false,
            access: Access::Write,
            default: None,
            defaulted: None,
            external_id: false,
            id_lookup: false,
            unique: false,
            case_sensitive: false,
            restricted: false,
            calculated: false,
            auto_number: None,
            name_field: false,
            values: None,
            to: Vec::new(),
            parent: None,
            children: None,
            on_delete: OnDelete::Clear,
            compound: None,
            parts: None,
            extra: None,
            help: None,
            filterable: None,
            sortable: None,
            groupable: None,
            permissionable: None,
        }
    }

    /// A field that the org fills on create and that is never empty.
    pub(super) fn system(name: &str, label: &str, kind: FieldKind) -> Self {
        Self {
            required: true,
            access: Access::Read,
            defaulted: Some(true),
            ..Self::new(name.to_owned(), label.to_owned(), kind)
        }
    }
}

/// The fields that an address declaration stands for: its parts, then itself.
pub(super) fn expand_address(spec: FieldSpec, out: &mut Vec<FieldSpec>) {
    let prefix = spec.parts.clone().unwrap_or_default();
    let words = if prefix.is_empty() {
        String::new()
    } else {
        format!("{prefix} ")
    };
    let mut part = |name: &str, label: &str, kind, length: u32| {
        let mut part = FieldSpec::new(format!("{prefix}{name}"), format!("{words}{label}"), kind);
        part.compound = Some(spec.name.clone());
        part.length = (length > 0).then_some(length);
        match kind {
            FieldKind::Double => {
                part.precision = Some(18);
                part.scale = Some(15);
            }
            FieldKind::TextArea => part.extra = Some("plaintextarea".to_owned()),
            FieldKind::Picklist => {
                part.values = Some(Values::Shared("GeocodeAccuracy".to_owned()));
                part.restricted = true;
            }
            _ => {}
        }
        out.push(part);
    };
    part("Street", "Street", FieldKind::TextArea, 255);
    part("City", "City", FieldKind::Text, 40);
    part("State", "State/Province", FieldKind::Text, 80);
    part("PostalCode", "Zip/Postal Code", FieldKind::Text, 20);
    part("Country", "Country", FieldKind::Text, 80);
    part("Latitude", "Latitude", FieldKind::Double, 0);
    part("Longitude", "Longitude", FieldKind::Double, 0);
    part(
        "GeocodeAccuracy",
        "Geocode Accuracy",
        FieldKind::Picklist,
        40,
    );
    out.push(FieldSpec {
        access: Access::Read,
        permissionable: Some(true),
        ..spec
    });
}
