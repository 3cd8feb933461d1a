//! What the org has: its objects, their fields as the connected user sees them,
//! and what that says about a refused field.

mod kept;

use serde::{Deserialize, Serialize};

use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Child, Error, Field, ObjectDescription, ObjectSummary, Problem,
};
use crate::fault::{Effect, Fault, cut, unexpected};
use crate::host::{Host, Method};
use crate::names;
use crate::wire;

pub(crate) use kept::Age;
use kept::Kept;

/// The contract's bound of a message, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;

/// Whether a member says nothing that its absence does not: it is not kept.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Deserialize, Serialize)]
struct GlobalWire {
    sobjects: Vec<SummaryWire>,
}

#[derive(Deserialize, Serialize)]
struct SummaryWire {
    name: String,
    #[serde(default, skip_serializing_if = "is_default")]
    label: String,
    #[serde(default, skip_serializing_if = "is_default")]
    custom: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    createable: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    updateable: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    deletable: bool,
    #[serde(default, skip_serializing_if = "is_default")]
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

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectWire {
    // The summary's members once more: serde can only flatten what it first
    // builds as a tree, and this answer is half a megabyte.
    name: String,
    #[serde(default, skip_serializing_if = "is_default")]
    label: String,
    #[serde(default, skip_serializing_if = "is_default")]
    custom: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    createable: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    updateable: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    deletable: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    queryable: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    key_prefix: Option<String>,
    fields: Vec<FieldWire>,
    #[serde(default, skip_serializing_if = "is_default")]
    child_relationships: Vec<ChildWire>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct FieldWire {
    name: String,
    #[serde(default, skip_serializing_if = "is_default")]
    label: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default, skip_serializing_if = "is_default")]
    length: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    nillable: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    defaulted_on_create: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    createable: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    updateable: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    custom: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    unique: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    external_id: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    id_lookup: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    restricted_picklist: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    reference_to: Vec<String>,
    /// For queries: a description for the caller does without it.
    #[serde(default, skip_serializing_if = "is_default")]
    relationship_name: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    picklist_values: Vec<PicklistWire>,
}

#[derive(Deserialize, Serialize, PartialEq)]
struct PicklistWire {
    #[serde(default)]
    active: bool,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct ChildWire {
    #[serde(rename = "childSObject")]
    object: String,
    #[serde(default, skip_serializing_if = "is_default")]
    field: String,
    #[serde(default, skip_serializing_if = "is_default")]
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
    let (body, _) = trimmed(api, "", Age::Checked).await?;
    let global: GlobalWire = wire::read(&body).ok_or_else(|| unexpected("a list of sobjects"))?;
    Ok(global
        .sobjects
        .into_iter()
        .map(ObjectSummary::from)
        .collect())
}

/// An object's description as Salesforce words it, without what nothing here
/// reads, and whether the org was asked for it just now.
pub(crate) async fn describe_body<H: Host>(
    api: &Api<H>,
    object: &str,
    age: Age,
) -> Result<(Vec<u8>, bool), Error> {
    names::object(object)?;
    let answer = trimmed(api, object, age).await;
    answer.map_err(|error| match error {
        // The route of an object that is not there is not there either.
        Error::Refused(mut problem) if problem.code == "NOT_FOUND" => {
            problem.advice = Advice::FixSchema;
            Error::Refused(problem)
        }
        error => error,
    })
}

/// The description of an object, or the list of all if the name is empty: kept
/// if it is young enough, else asked for, whole only if it has changed.
async fn trimmed<H: Host>(api: &Api<H>, object: &str, age: Age) -> Result<(Vec<u8>, bool), Error> {
    let version = api.version().await?;
    let kept = match age {
        Age::Anew => None,
        Age::Recent | Age::Checked => Kept::load(api, object, &version).await,
    };
    let path = if object.is_empty() {
        "/sobjects".to_owned()
    } else {
        format!("/sobjects/{object}/describe")
    };
    let mut ask = Ask::new(Method::Get, path, Kind::Read);
    if let Some(kept) = &kept {
        if age == Age::Recent && kept.is_fresh(api.host.now_ms()) {
            return Ok((kept.body.clone(), false));
        }
        ask = kept.unless_same(ask);
    }
    let mut answer = api.send(ask).await?;
    match (answer.status, kept) {
        (304, Some(kept)) => Ok((kept.confirm(api).await, true)),
        (200, _) => {
            let whole = std::mem::take(&mut answer.body);
            let body = if object.is_empty() {
                trim::<GlobalWire>(&whole).ok_or_else(|| unexpected("a list of sobjects"))?
            } else {
                trim::<ObjectWire>(&whole)
                    .ok_or_else(|| unexpected("a description of an sobject"))?
            };
            Ok((Kept::keep(api, object, version, answer, body).await, true))
        }
        (status, _) => {
            let object = Some(object).filter(|object| !object.is_empty());
            Err(Fault::read(status, &answer.body).error(object, Effect::Read))
        }
    }
}

/// The members that are read here, of which a description has a small part.
fn trim<'a, T: Deserialize<'a> + Serialize>(body: &'a [u8]) -> Option<Vec<u8>> {
    serde_json::to_vec(&wire::read::<T>(body)?).ok()
}

/// An object's description and the first three characters of its ids, if it has
/// its own. `age` says how old it may be.
pub(crate) async fn described<H: Host>(
    api: &Api<H>,
    object: &str,
    age: Age,
) -> Result<(ObjectDescription, Option<String>), Error> {
    let (body, _) = describe_body(api, object, age).await?;
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
        stamp_fields: STAMP_FIELDS
            .iter()
            .filter(|stamp| wire.fields.iter().any(|field| field.name == **stamp))
            .map(|stamp| (*stamp).to_owned())
            .collect(),
        fields: wire.fields.into_iter().map(Field::from).collect(),
        children: children.collect(),
    };
    Ok((description, wire.key_prefix))
}

/// Fields that say when a record was last changed: the first counts what the org
/// writes by itself as well, and is not in change events.
const STAMP_FIELDS: [&str; 2] = ["SystemModstamp", "LastModifiedDate"];

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
                "{} is no field that the connected user can see: look for a typing mistake first, \
                 otherwise field-level security hides it. Salesforce says: {}",
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
