//! Turns a schema file into objects, and ties objects together.

use std::sync::Arc;

use super::load::{
    Access, Audit, Choice, FieldSpec, File, ObjectSpec, OnDelete, Values, expand_address,
};
use super::types::{Field, Object, PicklistValue, SystemColumns};
use super::{FieldKind, Schema, SchemaError};
use crate::value::{Value, parse_date};

impl Schema {
    /// Adds what a file declares; `link` must follow.
    pub(super) fn read(&mut self, text: &str, custom: bool) -> Result<(), SchemaError> {
        let file: File = toml::from_str(text).map_err(|error| SchemaError(error.to_string()))?;
        self.switch_on(file.org)?;
        for (name, choices) in file.picklists {
            self.picklists.insert(name, picklist(&choices));
        }
        for spec in file.object {
            self.add_object(spec, custom)?;
        }
        for extension in file.extend {
            let mut fields = Vec::new();
            for spec in expanded(extension.fields) {
                let is_custom = custom && spec.name.ends_with("__c");
                fields.push(self.field_from(spec, is_custom)?);
            }
            let object = self.object_mut(&extension.object)?;
            for field in fields {
                object.fields.push(field);
            }
        }
        self.add_record_types(file.record_type)?;
        self.add_currency_fields()?;
        self.validation_rules.extend(file.validation);
        self.duplicate_rules.extend(file.duplicate);
        Ok(())
    }

    pub(super) fn object_mut(&mut self, name: &str) -> Result<&mut Object, SchemaError> {
        self.objects
            .iter_mut()
            .find(|object| object.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| SchemaError(format!("there is no object {name}")))
    }

    fn add_object(&mut self, spec: ObjectSpec, custom: bool) -> Result<(), SchemaError> {
        if spec.name.ends_with("__e") {
            return self.add_event(spec);
        }
        let mut specs = vec![FieldSpec {
            id_lookup: true,
            ..FieldSpec::system("Id", &format!("{} ID", spec.label), FieldKind::Id)
        }];
        if spec.audit != Audit::Undeletable {
            specs.push(FieldSpec {
                default: Some(toml::Value::Boolean(false)),
                ..FieldSpec::system("IsDeleted", "Deleted", FieldKind::Boolean)
            });
        }
        specs.extend(expanded(spec.fields));
        if spec.owned {
            specs.push(reference("OwnerId", "Owner ID", "Owner", Access::Write));
        }
        if spec.audit != Audit::Modstamp {
            let when = |name, label| FieldSpec::system(name, label, FieldKind::DateTime);
            specs.push(when("CreatedDate", "Created Date"));
            specs.push(reference(
                "CreatedById",
                "Created By ID",
                "CreatedBy",
                Access::Read,
            ));
            specs.push(when("LastModifiedDate", "Last Modified Date"));
            specs.push(reference(
                "LastModifiedById",
                "Last Modified By ID",
                "LastModifiedBy",
                Access::Read,
            ));
        }
        specs.push(FieldSpec::system(
            "SystemModstamp",
            "System Modstamp",
            FieldKind::DateTime,
        ));
        let mut fields = Vec::with_capacity(specs.len());
        for field in specs {
            let standard_field = !field.name.ends_with("__c");
            fields.push(self.field_from(field, custom && !standard_field)?);
        }
        if spec.activities {
            self.add_activity_target(&spec.name);
        }
        let bin = spec.audit != Audit::Undeletable;
        self.objects.push(Object {
            name: spec.name,
            label: spec.label,
            label_plural: spec.plural,
            key_prefix: spec.prefix,
            fields,
            children: Vec::new(),
            createable: spec.createable,
            updateable: spec.updateable,
            deletable: spec.deletable,
            queryable: true,
            undeletable: bin && spec.deletable,
            replicateable: bin,
            searchable: spec.searchable,
            custom,
            system: SystemColumns::default(),
            name_column: None,
            index: 0,
            by_name: Default::default(),
            by_relationship: Default::default(),
        });
        Ok(())
    }

    /// Lets tasks, notes and files be about the records of an object.
    fn add_activity_target(&mut self, name: &str) {
        for (object, field) in [
            ("Task", "WhatId"),
            ("Note", "ParentId"),
            ("Attachment", "ParentId"),
            ("ContentDocumentLink", "LinkedEntityId"),
        ] {
            for target in self
                .objects
                .iter_mut()
                .filter(|candidate| candidate.name == object)
                .flat_map(|candidate| &mut candidate.fields)
                .filter(|candidate| candidate.name == field)
            {
                target.reference_to.push(name.to_owned());
            }
        }
    }

    pub(super) fn field_from(&self, spec: FieldSpec, custom: bool) -> Result<Field, SchemaError> {
        let length = spec.length.unwrap_or_else(|| spec.kind.default_length());
        let default_value = spec
            .default
            .as_ref()
            .map(|value| default_value(&spec, value))
            .transpose()?;
        let picklist = match &spec.values {
            None => Vec::new(),
            Some(Values::Listed(choices)) => picklist(choices),
            Some(Values::Shared(name)) => self
                .picklists
                .get(name)
                .cloned()
                .ok_or_else(|| SchemaError(format!("there is no value set {name}")))?,
        };
        let boolean = spec.kind == FieldKind::Boolean;
        let createable = matches!(spec.access, Access::Write | Access::Create)
            && !spec.calculated
            && spec.auto_number.is_none();
        let updateable = matches!(spec.access, Access::Write | Access::Update)
            && !spec.calculated
            && spec.auto_number.is_none();
        let nillable = !spec.required && !boolean;
        let decimal = spec.kind.is_decimal();
        let (precision, scale) = match spec.kind {
            FieldKind::Percent if spec.precision.is_none() => (3, spec.scale.unwrap_or(0)),
            _ if decimal => (spec.precision.unwrap_or(18), spec.scale.unwrap_or(2)),
            _ => (0, 0),
        };
        Ok(Field {
            label: spec.label.unwrap_or_else(|| words_of(&spec.name)),
            default_value: match default_value {
                None if boolean => Some(Value::Bool(false)),
                given => given,
            },
            defaulted_on_create: spec
                .defaulted
                .unwrap_or(boolean || spec.default.is_some() || spec.auto_number.is_some()),
            permissionable: spec.permissionable.unwrap_or(
                (nillable || boolean)
                    && createable
                    && spec.compound.as_deref() != Some("Name")
                    && !spec.name_field,
            ),
            filterable: spec.filterable.unwrap_or(spec.kind.is_filterable(length)),
            sortable: spec.sortable.unwrap_or(spec.kind.is_sortable(length)),
            groupable: spec.groupable.unwrap_or(spec.kind.is_groupable(length)),
            // Most references to User are audit columns: a handful of values
            // over all rows, where an index costs memory and saves nothing.
            indexed: spec.external_id
                || spec.unique
                || (spec.id_lookup && spec.kind != FieldKind::Id)
                || (spec.kind == FieldKind::Reference && spec.to != ["User"]),
            id_lookup: spec.id_lookup || spec.external_id,
            name: spec.name,
            kind: spec.kind,
            length,
            precision,
            scale,
            nillable,
            createable,
            updateable,
            external_id: spec.external_id,
            unique: spec.unique,
            case_sensitive: spec.case_sensitive,
            restricted_picklist: spec.restricted,
            calculated: spec.calculated,
            auto_number: spec.auto_number,
            custom,
            name_field: spec.name_field,
            picklist,
            reference_to: spec.to,
            relationship_name: spec.parent,
            cascade_delete: spec.on_delete == OnDelete::Cascade,
            restricted_delete: spec.on_delete == OnDelete::Restrict,
            compound: spec.compound,
            extra_type_info: spec.extra,
            help: spec.help,
            children_name: spec.children,
        })
    }
}

/// The fields with every address as its parts.
pub(super) fn expanded(specs: Vec<FieldSpec>) -> Vec<FieldSpec> {
    let mut all = Vec::with_capacity(specs.len());
    for spec in specs {
        if spec.kind == FieldKind::Address {
            expand_address(spec, &mut all);
        } else {
            all.push(spec);
        }
    }
    all
}

pub(super) fn reference(name: &str, label: &str, parent: &str, access: Access) -> FieldSpec {
    FieldSpec {
        access,
        to: vec!["User".to_owned()],
        parent: Some(parent.to_owned()),
        permissionable: Some(false),
        ..FieldSpec::system(name, label, FieldKind::Reference)
    }
}

fn picklist(choices: &[Choice]) -> Vec<PicklistValue> {
    choices
        .iter()
        .map(|choice| match choice {
            Choice::Plain(value) => PicklistValue {
                value: Arc::from(value.as_str()),
                label: value.clone(),
                active: true,
                default: false,
            },
            Choice::Full {
                value,
                label,
                active,
                default,
            } => PicklistValue {
                value: Arc::from(value.as_str()),
                label: label.clone().unwrap_or_else(|| value.clone()),
                active: *active,
                default: *default,
            },
        })
        .collect()
}

fn default_value(spec: &FieldSpec, value: &toml::Value) -> Result<Value, SchemaError> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "defaults are written by hand and small"
    )]
    let found = match (value, spec.kind) {
        (toml::Value::Boolean(flag), FieldKind::Boolean) => Some(Value::Bool(*flag)),
        (toml::Value::Integer(number), FieldKind::Int) => Some(Value::Int(*number)),
        (toml::Value::Integer(number), kind) if kind.is_decimal() => {
            Some(Value::Double(*number as f64))
        }
        (toml::Value::Float(number), kind) if kind.is_decimal() => Some(Value::Double(*number)),
        (toml::Value::String(text), FieldKind::Date) => parse_date(text).map(Value::Date),
        (toml::Value::String(text), kind) if kind.is_text() => Some(Value::text(text.as_str())),
        _ => None,
    };
    found.ok_or_else(|| SchemaError(format!("{} cannot default to {value}", spec.name)))
}

/// `TotalAmount` as `Total Amount`, for fields whose label is their name.
fn words_of(name: &str) -> String {
    let bare = name.strip_suffix("__c").unwrap_or(name);
    let mut words = String::with_capacity(bare.len() + 4);
    let mut last_was_lower = false;
    for letter in bare.chars() {
        if letter.is_ascii_uppercase() && last_was_lower {
            words.push(' ');
        }
        last_was_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        words.push(if letter == '_' { ' ' } else { letter });
    }
    words
}
