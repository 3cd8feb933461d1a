//! A field that holds keys of another system: an external id, added to an object by
//! the Tooling API, with a permission set that lets the connected user see it.
//!
//! Salesforce shows a field that was added by the API to nobody, not even to
//! administrators, until a permission says so. Whatever is there already stays as it
//! is, so doing all of it again after a lost answer makes nothing twice.

use serde::Deserialize;
use serde_json::json;

use super::{query, written};
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Operation};
use crate::fault::{Effect, Fault, refused, unexpected};
use crate::host::{Host, Method};
use crate::soql::Literal;
use crate::{names, wire, write};

/// The permission set that such fields are put into, and how people see it.
const SET: &str = "Lockgate_Keys";
const SET_LABEL: &str = "Lockgate keys";

/// How long keys may be: more than any that a sync makes.
const LENGTH: u32 = 64;

/// The longest label that Salesforce takes.
const MAX_LABEL: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFieldInput {
    object: String,
    field: String,
    #[serde(default)]
    label: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    id: String,
}

/// Sees to it that an object has the field, and that the connected user may write it.
pub(super) async fn add<H: Host>(api: &Api<H>, input: KeyFieldInput) -> Result<Vec<u8>, Error> {
    names::object(&input.object)?;
    names::key_field(&input.field)?;
    let Some(base) = input.field.strip_suffix("__c") else {
        return Err(wrong("fields that are added have names that end in __c"));
    };
    let label = match input.label {
        Some(label) => label,
        None => base.replace('_', " "),
    };
    if label.chars().count() > MAX_LABEL {
        return Err(wrong("a label has at most 40 characters"));
    }
    let name = format!("{}.{}", input.object, input.field);
    let is_new = add_field(api, &name, &label).await?;
    let set = permission_set(api).await?;
    permit(api, &set, &input.object, &name).await?;
    assign(api, &set).await?;
    let outcome = if is_new { "created" } else { "unchanged" };
    let output = json!({
        "object": input.object,
        "field": input.field,
        "outcome": outcome,
        "permission_set": SET,
    });
    Ok(output.to_string().into_bytes())
}

/// Adds the field; false if there is one of this name.
async fn add_field<H: Host>(api: &Api<H>, name: &str, label: &str) -> Result<bool, Error> {
    let body = json!({
        "FullName": name,
        "Metadata": {
            "type": "Text",
            "label": label,
            "description": "Keys of the records in another system. Lockgate writes it.",
            "length": LENGTH,
            "externalId": true,
            "unique": true,
            "caseSensitive": true,
            "required": false,
        },
    });
    let body = body.to_string().into_bytes();
    let ask = Ask::new(Method::Post, "/tooling/sobjects/CustomField", Kind::Write).body(body);
    let answer = api.send(ask).await?;
    if answer.status == 201 {
        return Ok(true);
    }
    let fault = Fault::read(answer.status, &answer.body);
    match fault.code() {
        "DUPLICATE_DEVELOPER_NAME" => Ok(false),
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
        | "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INSUFFICIENT_ACCESS" => Err(refused(
            Advice::AskPermission,
            fault.code(),
            &format!(
                "the connected user may not add fields (`Customize Application`): have an \
                 administrator add {name}, a text of 32 characters or more that is unique and \
                 an external id"
            ),
        )),
        _ => Err(fault.error(None, Effect::Write)),
    }
}

/// The id of the permission set, which is made if it is not there.
async fn permission_set<H: Host>(api: &Api<H>) -> Result<String, Error> {
    let soql = format!(
        "SELECT Id FROM PermissionSet WHERE Name = {}",
        Literal::text(SET)
    );
    if let Some(id) = first(api, soql, "PermissionSet").await? {
        return Ok(id);
    }
    let row = json!({
        "Name": SET,
        "Label": SET_LABEL,
        "Description": "Fields with keys of records in other systems, which Lockgate added.",
    });
    let made = write::one(api, "PermissionSet", &Operation::Create, &row.to_string()).await?;
    written(made)?.ok_or_else(|| unexpected("the id of a permission set"))
}

async fn permit<H: Host>(api: &Api<H>, set: &str, object: &str, field: &str) -> Result<(), Error> {
    let soql = format!(
        "SELECT Id FROM FieldPermissions WHERE ParentId = {} AND Field = {}",
        Literal::text(set),
        Literal::text(field)
    );
    if first(api, soql, "FieldPermissions").await?.is_some() {
        return Ok(());
    }
    let row = json!({
        "ParentId": set,
        "SobjectType": object,
        "Field": field,
        "PermissionsRead": true,
        "PermissionsEdit": true,
    });
    let made = write::one(
        api,
        "FieldPermissions",
        &Operation::Create,
        &row.to_string(),
    )
    .await?;
    written(made).map(|_| ())
}

/// Assigns the permission set to the connected user.
async fn assign<H: Host>(api: &Api<H>, set: &str) -> Result<(), Error> {
    let user = user(api).await?;
    let soql = format!(
        "SELECT Id FROM PermissionSetAssignment WHERE PermissionSetId = {} AND AssigneeId = {}",
        Literal::text(set),
        Literal::text(&user)
    );
    if first(api, soql, "PermissionSetAssignment").await?.is_some() {
        return Ok(());
    }
    let row = json!({ "PermissionSetId": set, "AssigneeId": user }).to_string();
    let made = write::one(api, "PermissionSetAssignment", &Operation::Create, &row).await?;
    written(made).map(|_| ())
}

/// The id of the connected user: the end of the address that the list of resources
/// has of them.
async fn user<H: Host>(api: &Api<H>) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct Resources {
        identity: String,
    }

    let body = api
        .fetch(Ask::new(Method::Get, "", Kind::Read), None)
        .await?;
    let resources: Option<Resources> = wire::read(&body);
    let id = resources.and_then(|resources| {
        let id = resources.identity.rsplit('/').next()?;
        names::id(id).ok()
    });
    id.ok_or_else(|| unexpected("who the connected user is in the list of resources"))
}

async fn first<H: Host>(api: &Api<H>, soql: String, object: &str) -> Result<Option<String>, Error> {
    let rows: Vec<Row> = query(api, soql, object).await?;
    let first = rows.into_iter().next();
    first
        .map(|row| names::id(&row.id).map_err(|_| unexpected("an id of a record")))
        .transpose()
}

fn wrong(message: &str) -> Error {
    refused(Advice::FixRecord, "INVALID_INPUT", message)
}

#[cfg(test)]
mod tests;
