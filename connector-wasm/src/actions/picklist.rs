//! The values that picklists take, which differ from record type to record
//! type: a description of the object lists those of all together.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fault::unexpected;
use crate::host::{Host, Method};
use crate::{names, wire};

/// The record type of records that have none.
const MASTER: &str = "012000000000000AAA";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PicklistInput {
    object: String,
    #[serde(default)]
    record_type: Option<String>,
    #[serde(default)]
    field: Option<String>,
}

#[derive(Deserialize)]
struct Picklists {
    #[serde(rename = "picklistFieldValues")]
    fields: BTreeMap<String, Picklist>,
}

#[derive(Deserialize)]
struct Picklist {
    /// Values of the picklist that this one depends on, and the numbers that
    /// stand for them.
    #[serde(default, rename = "controllerValues")]
    controllers: BTreeMap<String, u32>,
    #[serde(default, rename = "defaultValue")]
    default: Option<Choice>,
    values: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    label: Option<String>,
    value: String,
    #[serde(default, rename = "validFor")]
    valid_for: Vec<u32>,
}

/// The values of one picklist of an object, or of all.
pub(super) async fn values<H: Host>(api: &Api<H>, input: PicklistInput) -> Result<Vec<u8>, Error> {
    names::object(&input.object)?;
    let record_type = input.record_type.as_deref().unwrap_or(MASTER);
    let record_type = names::id(record_type).map_err(Error::Refused)?;
    let mut path = format!(
        "/ui-api/object-info/{}/picklist-values/{record_type}",
        input.object
    );
    if let Some(field) = &input.field {
        names::key_field(field)?;
        path.push('/');
        path.push_str(field);
    }
    let body = api
        .fetch(Ask::new(Method::Get, path, Kind::Read), Some(&input.object))
        .await
        .map_err(|error| explain_missing(error, input.field.is_some()))?;
    let fields: Vec<Value> = match &input.field {
        Some(field) => wire::read::<Picklist>(&body)
            .map(|picklist| vec![told(field, &picklist)])
            .ok_or_else(|| unexpected("the values of a picklist"))?,
        None => wire::read::<Picklists>(&body)
            .ok_or_else(|| unexpected("the values of picklists"))?
            .fields
            .iter()
            .map(|(field, picklist)| told(field, picklist))
            .collect(),
    };
    Ok(json!({ "fields": fields }).to_string().into_bytes())
}

fn told(field: &str, picklist: &Picklist) -> Value {
    let controllers = &picklist.controllers;
    let values = picklist.values.iter().map(|choice| {
        let label = choice.label.as_deref().unwrap_or(&choice.value);
        if controllers.is_empty() {
            return json!({ "value": choice.value, "label": label });
        }
        let valid_for: Vec<&str> = controllers
            .iter()
            .filter(|(_, number)| choice.valid_for.contains(number))
            .map(|(controller, _)| controller.as_str())
            .collect();
        json!({ "value": choice.value, "label": label, "valid_for": valid_for })
    });
    let values: Vec<Value> = values.collect();
    json!({
        "field": field,
        "default": picklist.default.as_ref().map(|choice| &choice.value),
        "values": values,
    })
}

/// One answer stands for an object, a record type or a field that is not there.
fn explain_missing(error: Error, has_field: bool) -> Error {
    match error {
        Error::Refused(mut problem) if problem.code == "NOT_FOUND" => {
            problem.advice = Advice::FixSchema;
            problem.message = format!(
                "there is no such object, or it has no such record type{}, for the connected user",
                if has_field { " or picklist" } else { "" }
            );
            Error::Refused(problem)
        }
        error => error,
    }
}
