//! The field of `--key-field`: found in the objects of a sync, or added to them with the
//! operator's word.

use anyhow::Result;
use lockgate::Connection;
use serde_json::json;

use super::definition::Definition;
use crate::exit::advised;
use crate::output;

/// The action by which connectors add such a field, if their product can.
const ADD: &str = "add-key-field";

/// The mapping with the field as the key of all objects that have it, and of which the
/// mapping names no other. Where `may_add` is set, the others get it.
pub(super) async fn mapping(
    connection: &Connection,
    definition: &Definition,
    key_field: &str,
    may_add: bool,
) -> Result<String> {
    let mut mapping = definition.mapping()?;
    let mut has_any = false;
    for name in &definition.objects {
        let object = mapping.objects.entry(name.clone()).or_default();
        let is_meant = object
            .key_field
            .as_deref()
            .is_none_or(|named| named == key_field);
        let has_field = has(connection, name, key_field).await?;
        if may_add && is_meant && !has_field {
            add(connection, name, key_field).await?;
        }
        if has_field || may_add {
            object.key_field.get_or_insert_with(|| key_field.to_owned());
            has_any = true;
        }
    }
    if !has_any {
        return Err(advised(
            format!("no object of this sync has a field {key_field}"),
            "see their fields with `lockgate describe`; it must be an external id, a text of \
             32 characters or more. --add-key-field adds it",
        ));
    }
    Ok(mapping.to_toml())
}

async fn has(connection: &Connection, object: &str, field: &str) -> Result<bool> {
    let described = connection.describe(object).await?;
    Ok(described.fields.iter().any(|known| known.name == field))
}

async fn add(connection: &Connection, object: &str, field: &str) -> Result<()> {
    let connector = connection.connector().await?;
    if !connector.actions.iter().any(|action| action.name == ADD) {
        return Err(advised(
            format!("the connector for {} cannot add fields", connector.product),
            format!("have an administrator add {field} to {object}, and leave out --add-key-field"),
        ));
    }
    connection
        .invoke(ADD, &json!({ "object": object, "field": field }))
        .await?;
    if !has(connection, object, field).await? {
        return Err(advised(
            format!("{object} has the field {field} now, and the connected user does not see it"),
            "have an administrator give them the permission, then run the command again",
        ));
    }
    output::tell(&format!("added {field} to {object}"));
    Ok(())
}
