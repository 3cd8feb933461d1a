//! What the org has: its objects, their fields as the connected user sees them,
//! and what that says about a refused field.

use serde::Deserialize;

use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Child, Error, Field, ObjectDescription, ObjectSummary, Problem,
};
use crate::fault::{cut, unexpected};
use crate::host::{Host, Method};
use crate::names;
use crate::wire;

/// The contract's bound of a message, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;

#[derive(Deserialize)]
struct GlobalWire {
    sobjects: Vec<SummaryWire>,
}

#[derive(Deserialize)]
struct SummaryWire {
    name: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    custom: bool,
    #[serde(default)]
    createable: bool,
    #[serde(default)]
    updateable: bool,
    #[serde(default)]
    deletable: bool,
    #[serde(default)]
    queryable: bool,
}

impl From<SummaryWire> for ObjectSummary {
    fn from(wire: SummaryWire) -> Self {
        Self {
            name: wire.name,
            label: wire.label,
            custom: wire.custom,
            createable: wire.createable,
            updateable: wire.updateable,
            deletable: wire.deletable,
            queryable: wire.queryable,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectWire {
    // The summary's members once more: serde can only flatten what it first
    // builds as a tree, and this answer is half a megabyte.
    name: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    custom: bool,
    #[serde(default)]
    createable: bool,
    #[serde(default)]
    updateable: bool,
    #[serde(default)]
    deletable: bool,
    #[serde(default)]
    queryable: bool,
    #[serde(default)]
    key_prefix: Option<String>,
    fields: Vec<FieldWire>,
    #[serde(default)]
    child_relationships: Vec<ChildWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FieldWire {
    name: String,
    #[serde(default)]
    label: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    length: u32,
    #[serde(default)]
    nillable: bool,
    #[serde(default)]
    defaulted_on_create: bool,
    #[serde(default)]
    createable: bool,
    #[serde(default)]
    updateable: bool,
    #[serde(default)]
    custom: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    external_id: bool,
    #[serde(default)]
    id_lookup: bool,
    #[serde(default)]
    restricted_picklist: bool,
    #[serde(default)]
    reference_to: Vec<String>,
    #[serde(default)]
    picklist_values: Vec<PicklistWire>,
}

#[derive(Deserialize)]
struct PicklistWire {
    #[serde(default)]
    active: bool,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChildWire {
    #[serde(rename = "childSObject")]
    object: String,
    #[serde(default)]
    field: String,
    #[serde(default)]
    relationship_name: Option<String>,
}

impl From<FieldWire> for Field {
    fn from(wire: FieldWire) -> Self {
        Self {
            required: wire.createable && !wire.nillable && !wire.defaulted_on_create,
            // The standard keys, `Email` for instance, are marked as lookups.
            external_id: wire.external_id || wire.id_lookup,
            name: wire.name,
            label: wire.label,
            kind: wire.kind,
            max_length: wire.length,
            nillable: wire.nillable,
            createable: wire.createable,
            updateable: wire.updateable,
            custom: wire.custom,
            unique: wire.unique,
            references: wire.reference_to,
            picklist: wire
                .picklist_values
                .into_iter()
                .filter(|value| value.active)
                .filter_map(|value| value.value)
                .collect(),
            restricted: wire.restricted_picklist,
        }
    }
}

/// All objects that the user can see.
pub(crate) async fn global<H: Host>(api: &Api<H>) -> Result<Vec<ObjectSummary>, Error> {
    let body = api
        .fetch(Ask::new(Method::Get, "/sobjects", Kind::Read), None)
        .await?;
    let global: GlobalWire = wire::read(&body).ok_or_else(|| unexpected("a list of sobjects"))?;
    Ok(global
        .sobjects
        .into_iter()
        .map(ObjectSummary::from)
        .collect())
}

/// An object's description as Salesforce words it.
pub(crate) async fn describe_body<H: Host>(api: &Api<H>, object: &str) -> Result<Vec<u8>, Error> {
    names::object(object)?;
    let ask = Ask::new(
        Method::Get,
        format!("/sobjects/{object}/describe"),
        Kind::Read,
    );
    let answer = api.fetch(ask, Some(object)).await;
    answer.map_err(|error| match error {
        // The route of an object that is not there is not there either.
        Error::Refused(mut problem) if problem.code == "NOT_FOUND" => {
            problem.advice = Advice::FixSchema;
            Error::Refused(problem)
        }
        error => error,
    })
}

/// An object's description and the first three characters of its ids, if it has
/// its own.
pub(crate) async fn described<H: Host>(
    api: &Api<H>,
    object: &str,
) -> Result<(ObjectDescription, Option<String>), Error> {
    let body = describe_body(api, object).await?;
    let wire: ObjectWire =
        wire::read(&body).ok_or_else(|| unexpected("a description of an sobject"))?;
    let children = wire.child_relationships.into_iter().map(|child| Child {
        object: child.object,
        field: child.field,
        relationship: child.relationship_name,
    });
    let description = ObjectDescription {
        summary: ObjectSummary {
            name: wire.name,
            label: wire.label,
            custom: wire.custom,
            createable: wire.createable,
            updateable: wire.updateable,
            deletable: wire.deletable,
            queryable: wire.queryable,
        },
        fields: wire.fields.into_iter().map(Field::from).collect(),
        children: children.collect(),
    };
    Ok((description, wire.key_prefix))
}

/// What a record was refused at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Create,
    Update,
}

/// Whether a problem is one that a description can explain.
pub(crate) fn is_about_fields(problem: &Problem) -> bool {
    problem.advice == Advice::FixSchema
        && (problem.code == "INVALID_FIELD" || problem.code == "INVALID_FIELD_FOR_INSERT_UPDATE")
}

/// Names the fields that the user cannot see or edit, and says that permissions
/// are the likely cause.
///
/// Salesforce answers for a hidden field as for one that does not exist, and
/// does not always name it; `touched` are the fields of the request.
pub(crate) fn explain<'f>(
    problem: &mut Problem,
    description: &ObjectDescription,
    touched: impl Iterator<Item = &'f str>,
    access: Access,
) {
    let find = |name: &str| {
        description
            .fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
    };
    let editable = |field: &Field| match access {
        Access::Read => true,
        Access::Create => field.createable,
        Access::Update => field.updateable,
    };
    if problem.fields.is_empty() {
        problem.fields = touched
            // Relationships (`Account`, `Parent__r`) are no fields.
            .filter(|name| !name.contains('.') && !name.ends_with("__r"))
            .filter(|name| find(name).is_none_or(|field| !editable(field)))
            .filter(|name| find(&format!("{name}Id")).is_none())
            .map(str::to_owned)
            .collect();
    }
    let mut hidden = Vec::new();
    let mut locked = Vec::new();
    for name in &problem.fields {
        match find(name) {
            None => hidden.push(name.as_str()),
            Some(field) if !editable(field) => locked.push(name.as_str()),
            Some(_) => {}
        }
    }
    let mut advice = String::new();
    if !hidden.is_empty() {
        advice.push_str(&format!(
            "{} cannot be seen by the connected user: most likely field-level security hides it, \
             unless it does not exist. ",
            hidden.join(", ")
        ));
    }
    if !locked.is_empty() {
        advice.push_str(&format!(
            "{} can be seen but not edited by the connected user: most likely field permissions, \
             unless the field is calculated. ",
            locked.join(", ")
        ));
    }
    if !advice.is_empty() {
        problem
            .object
            .get_or_insert_with(|| description.summary.name.clone());
        problem.message = cut(
            format!("{advice}Salesforce says: {}", problem.message),
            MAX_MESSAGE_BYTES,
        );
    }
}

/// The same for a reading request, where Salesforce's message names the field.
pub(crate) fn explain_unseen(mut problem: Problem) -> Problem {
    if is_about_fields(&problem) && !problem.fields.is_empty() {
        problem.message = cut(
            format!(
                "{} cannot be seen by the connected user: most likely field-level security hides \
                 it, unless it does not exist. Salesforce says: {}",
                problem.fields.join(", "),
                problem.message
            ),
            MAX_MESSAGE_BYTES,
        );
    }
    problem
}

#[cfg(test)]
mod tests;
