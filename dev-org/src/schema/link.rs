//! Ties the objects of a schema together and refuses one that does not hold
//! together: lookups by name, child relationships, key prefixes, rules.

use std::collections::HashMap;

use super::types::{ChildRelationship, Object, SystemColumns};
use super::{FieldKind, Schema, SchemaError};

/// Most fields of one object; rows keep one bit for each.
pub(crate) const MAX_FIELDS: usize = 256;

impl Schema {
    /// Computes everything that follows from the declarations.
    pub(super) fn link(&mut self) -> Result<(), SchemaError> {
        self.number_objects()?;
        self.give_prefixes()?;
        for object in &mut self.objects {
            link_fields(object)?;
        }
        self.link_children()?;
        self.check_rules()
    }

    fn number_objects(&mut self) -> Result<(), SchemaError> {
        self.by_name.clear();
        for (index, object) in self.objects.iter_mut().enumerate() {
            object.index = index;
            let key = object.name.to_ascii_lowercase().into_boxed_str();
            if self.by_name.insert(key, index).is_some() {
                return Err(SchemaError(format!("{} is declared twice", object.name)));
            }
        }
        Ok(())
    }

    /// Custom objects without a prefix get `a00`, `a01` and so on, as an org
    /// gives them, and platform events `e00`, `e01`.
    fn give_prefixes(&mut self) -> Result<(), SchemaError> {
        let taken: Vec<String> = self
            .objects
            .iter()
            .filter_map(|object| object.key_prefix.clone())
            .collect();
        let free = |letter: char| {
            (0..1296_u32)
                .map(move |number| {
                    let digit = |value| char::from_digit(value, 36).unwrap_or('0');
                    format!("{letter}{}{}", digit(number / 36), digit(number % 36))
                })
                .filter(|prefix| !taken.contains(prefix))
        };
        let (mut for_objects, mut for_events) = (free('a'), free('e'));
        self.by_prefix.clear();
        for object in &mut self.objects {
            if object.key_prefix.is_none() && object.custom {
                let free = if object.is_event() {
                    &mut for_events
                } else {
                    &mut for_objects
                };
                object.key_prefix = free.next();
            }
            let Some(prefix) = &object.key_prefix else {
                continue;
            };
            if prefix.len() != 3 || !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(SchemaError(format!(
                    "{}: the key prefix {prefix} is not three letters or digits",
                    object.name
                )));
            }
            self.by_prefix
                .entry(prefix.as_str().into())
                .or_insert(object.index);
        }
        Ok(())
    }

    fn link_children(&mut self) -> Result<(), SchemaError> {
        let mut children: HashMap<usize, Vec<ChildRelationship>> = HashMap::new();
        for object in &self.objects {
            for field in &object.fields {
                for parent in &field.reference_to {
                    let parent = self.object(parent).ok_or_else(|| {
                        SchemaError(format!(
                            "{}.{} refers to {parent}, which is not there",
                            object.name, field.name
                        ))
                    })?;
                    children
                        .entry(parent.index)
                        .or_default()
                        .push(ChildRelationship {
                            name: field.children_name.clone(),
                            object: object.name.clone(),
                            field: field.name.clone(),
                            cascade_delete: field.cascade_delete,
                            restricted_delete: field.restricted_delete,
                        });
                }
            }
        }
        for object in &mut self.objects {
            object.children = children.remove(&object.index).unwrap_or_default();
        }
        Ok(())
    }

    /// Rules name objects and fields that exist; their spelling becomes the
    /// schema's.
    fn check_rules(&mut self) -> Result<(), SchemaError> {
        let mut validation = std::mem::take(&mut self.validation_rules);
        for rule in &mut validation {
            let object = self.known_object(&rule.object)?;
            rule.object = object.name.clone();
            let named = rule.when.iter_mut().map(|condition| &mut condition.field);
            for field in named.chain(rule.field.as_mut()) {
                *field = known_field(object, field)?;
            }
        }
        self.validation_rules = validation;
        let mut duplicate = std::mem::take(&mut self.duplicate_rules);
        for rule in &mut duplicate {
            let object = self.known_object(&rule.object)?;
            rule.object = object.name.clone();
            let index = object.index;
            for field in &mut rule.match_fields {
                *field = known_field(object, field)?;
            }
            let first = rule
                .match_fields
                .first()
                .and_then(|name| object.column(name));
            // The first field finds the candidates, so it needs an index.
            if let Some(field) = first.and_then(|column| {
                self.objects
                    .get_mut(index)
                    .and_then(|object| object.fields.get_mut(column))
            }) {
                field.indexed = true;
            }
        }
        self.duplicate_rules = duplicate;
        Ok(())
    }

    fn known_object(&self, name: &str) -> Result<&Object, SchemaError> {
        self.object(name)
            .ok_or_else(|| SchemaError(format!("a rule names {name}, which is not there")))
    }
}

fn known_field(object: &Object, name: &str) -> Result<String, SchemaError> {
    object
        .field(name)
        .map(|(_, field)| field.name.clone())
        .ok_or_else(|| {
            SchemaError(format!(
                "a rule names {}.{name}, which is not there",
                object.name
            ))
        })
}

fn link_fields(object: &mut Object) -> Result<(), SchemaError> {
    if object.fields.len() > MAX_FIELDS {
        return Err(SchemaError(format!(
            "{} has more than {MAX_FIELDS} fields",
            object.name
        )));
    }
    object.by_name.clear();
    object.by_relationship.clear();
    for (column, field) in object.fields.iter_mut().enumerate() {
        let key = field.name.to_ascii_lowercase().into_boxed_str();
        if object.by_name.insert(key, column).is_some() {
            return Err(SchemaError(format!(
                "{}.{} is declared twice",
                object.name, field.name
            )));
        }
        if field.kind == FieldKind::Reference {
            if field.reference_to.is_empty() {
                return Err(SchemaError(format!(
                    "{}.{} refers to nothing",
                    object.name, field.name
                )));
            }
            if field.custom && field.relationship_name.is_none() {
                field.relationship_name = field
                    .name
                    .strip_suffix("__c")
                    .map(|bare| format!("{bare}__r"));
            }
            if let Some(name) = &field.relationship_name {
                let key = name.to_ascii_lowercase().into_boxed_str();
                object.by_relationship.insert(key, column);
            }
        }
    }
    let column = |name: &str| object.by_name.get(name).copied();
    object.system = SystemColumns {
        is_deleted: column("isdeleted"),
        owner_id: column("ownerid"),
        created_date: column("createddate"),
        created_by_id: column("createdbyid"),
        last_modified_date: column("lastmodifieddate"),
        last_modified_by_id: column("lastmodifiedbyid"),
        system_modstamp: column("systemmodstamp"),
    };
    object.name_column = object.fields.iter().position(|field| field.name_field);
    Ok(())
}
