//! Records that are reached from others: by the value of a key, or along a
//! relationship.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::api::{Api, Ask, Kind, Path};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::body::segment;
use crate::describe::{Age, described, explain_unseen};
use crate::fault::{Effect, Fault, problem, refused, unexpected};
use crate::host::{Answer, Host, Method};
use crate::names;
use crate::wire::{self, QueryPage};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyInput {
    object: String,
    field: String,
    value: String,
    #[serde(default)]
    fields: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GoneKeyInput {
    object: String,
    field: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelatedInput {
    object: String,
    id: String,
    relationship: String,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Serialize)]
struct Related<'a> {
    records: Vec<&'a RawValue>,
    total: u64,
    next: Option<&'a str>,
}

/// The one record with this key; `null` if there is none.
pub(super) async fn by_key<H: Host>(api: &Api<H>, input: KeyInput) -> Result<Vec<u8>, Error> {
    let KeyInput {
        object,
        field,
        value,
        fields,
    } = input;
    let path = key_path(&object, &field, &value)?;
    let answer = api.send(with_fields(path, Kind::Read, &fields)?).await?;
    if answer.status == 200 {
        let record: &RawValue = wire::read(&answer.body).ok_or_else(|| unexpected("a record"))?;
        return Ok(format!("{{\"record\":{}}}", record.get()).into_bytes());
    }
    if is_missing(&answer) {
        check_key_field(api, &object, &field).await?;
        return Ok(br#"{"record":null}"#.to_vec());
    }
    Err(key_refusal(&answer, &object, &field, Effect::Read))
}

/// Deletes the one record with this key.
pub(super) async fn delete_by_key<H: Host>(
    api: &Api<H>,
    input: GoneKeyInput,
) -> Result<Vec<u8>, Error> {
    let GoneKeyInput {
        object,
        field,
        value,
    } = input;
    let path = key_path(&object, &field, &value)?;
    let ask = Ask::new(Method::Delete, path, Kind::Write);
    let answer = api.send(ask).await?;
    if matches!(answer.status, 200 | 204) {
        return Ok(br#"{"outcome":"deleted"}"#.to_vec());
    }
    if is_missing(&answer) {
        check_key_field(api, &object, &field).await?;
        return Ok(br#"{"outcome":"not-there"}"#.to_vec());
    }
    Err(key_refusal(&answer, &object, &field, Effect::Write))
}

/// The records at the other end of a relationship, a page at a time.
pub(super) async fn related<H: Host>(api: &Api<H>, input: &RelatedInput) -> Result<Vec<u8>, Error> {
    names::object(&input.object)?;
    names::key_field(&input.relationship)?;
    let id = names::id(&input.id).map_err(Error::Refused)?;
    let kind = Kind::Query { page_size: None };
    let ask = match &input.next {
        Some(next) => {
            let mut ask = Ask::new(Method::Get, "", kind);
            ask.path = Path::Given(next_page(next)?);
            ask
        }
        None => {
            let path = format!("/sobjects/{}/{id}/{}", input.object, input.relationship);
            with_fields(path, kind, &input.fields)?
        }
    };
    let answer = api.send(ask).await?;
    if answer.status == 404 && input.next.is_none() {
        return nothing_related(api, input, &id).await;
    }
    if answer.status != 200 {
        let error = Fault::read(answer.status, &answer.body).error(None, Effect::Read);
        return Err(match error {
            Error::Refused(problem) => Error::Refused(explain_unseen(problem)),
            error => error,
        });
    }
    let text = std::str::from_utf8(&answer.body).unwrap_or_default();
    let related = match QueryPage::read(text) {
        Some(page) => {
            let records = page
                .records
                .iter()
                .map(|record| wire::read(record.as_bytes()));
            let output = Related {
                records: records
                    .collect::<Option<_>>()
                    .ok_or_else(|| unexpected("a page of records"))?,
                total: page.total_size.unwrap_or_default(),
                next: page.next_records_url.as_deref().filter(|_| !page.done),
            };
            serde_json::to_vec(&output)
        }
        // A lookup leads to one record.
        None => {
            let record = wire::read(&answer.body).ok_or_else(|| unexpected("a record"))?;
            serde_json::to_vec(&Related {
                records: vec![record],
                total: 1,
                next: None,
            })
        }
    };
    Ok(related.unwrap_or_default())
}

/// One answer stands for a record, a relationship and a lookup's record that
/// are not there.
async fn nothing_related<H: Host>(
    api: &Api<H>,
    input: &RelatedInput,
    id: &str,
) -> Result<Vec<u8>, Error> {
    let (description, _) = described(api, &input.object, Age::Anew).await?;
    let is_named = |name: &str| name.eq_ignore_ascii_case(&input.relationship);
    let is_child = description
        .children
        .iter()
        .any(|child| child.relationship.as_deref().is_some_and(is_named));
    let is_lookup = description.fields.iter().any(|field| {
        let custom = field
            .name
            .strip_suffix("__c")
            .map(|name| format!("{name}__r"));
        let standard = || field.name.strip_suffix("Id").map(str::to_owned);
        let name = custom.or_else(standard);
        !field.references.is_empty() && name.is_some_and(|name| is_named(&name))
    });
    if !is_child && !is_lookup {
        return Err(refused(
            Advice::FixSchema,
            "INVALID_FIELD",
            &format!(
                "{} has no relationship {} for the connected user",
                input.object, input.relationship
            ),
        ));
    }
    let path = format!("/sobjects/{}/{id}", input.object);
    let ask = Ask::new(Method::Get, path, Kind::Read).pair("fields", "Id");
    api.fetch(ask, Some(&input.object)).await?;
    Ok(br#"{"records":[],"total":0,"next":null}"#.to_vec())
}

pub(super) fn key_path(object: &str, field: &str, value: &str) -> Result<String, Error> {
    names::object(object)?;
    names::key_field(field)?;
    if value.is_empty() {
        return Err(wrong("a key's value is not empty"));
    }
    Ok(format!("/sobjects/{object}/{field}/{}", segment(value)))
}

fn with_fields(path: String, kind: Kind, fields: &[String]) -> Result<Ask, Error> {
    for field in fields {
        names::field(field)?;
    }
    let ask = Ask::new(Method::Get, path, kind);
    Ok(if fields.is_empty() {
        ask
    } else {
        ask.pair("fields", fields.join(","))
    })
}

/// Where Salesforce said that the records go on.
fn next_page(next: &str) -> Result<String, Error> {
    let is_page = next.starts_with("/services/data/v")
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if is_page {
        return Ok(next.to_owned());
    }
    Err(wrong("next is what the call before gave as next"))
}

pub(super) fn is_missing(answer: &Answer) -> bool {
    if answer.status != 404 {
        return false;
    }
    let fault = Fault::read(answer.status, &answer.body);
    let problems = fault.all_problems(None);
    fault.is_from_api()
        && !problems
            .iter()
            .any(|problem| problem.message.contains("external ID field"))
}

/// The answer for a record that is not there also stands for an object or a
/// field that is not.
pub(super) async fn check_key_field<H: Host>(
    api: &Api<H>,
    object: &str,
    field: &str,
) -> Result<(), Error> {
    let (description, _) = described(api, object, Age::Anew).await?;
    let is_key = description
        .fields
        .iter()
        .any(|found| found.external_id && found.name.eq_ignore_ascii_case(field));
    if is_key || field.eq_ignore_ascii_case("Id") {
        return Ok(());
    }
    Err(no_key(object, field))
}

fn no_key(object: &str, field: &str) -> Error {
    let mut problem = problem(
        Advice::FixSchema,
        "INVALID_FIELD",
        &format!("{field} is no external id of {object} for the connected user"),
    );
    problem.object = Some(object.to_owned());
    problem.fields = vec![field.to_owned()];
    Error::Refused(problem)
}

pub(super) fn key_refusal(answer: &Answer, object: &str, field: &str, effect: Effect) -> Error {
    if answer.status == 404 {
        return no_key(object, field);
    }
    if answer.status == 300 {
        // The addresses of all records that hold it.
        let addresses: Vec<String> = wire::read(&answer.body).unwrap_or_default();
        let ids: Vec<&str> = addresses
            .iter()
            .filter_map(|address| address.rsplit('/').next())
            .take(10)
            .collect();
        let mut several = problem(
            Advice::ResolveDuplicate,
            "DUPLICATE_EXTERNAL_ID",
            &format!("several records hold this key: {}", ids.join(", ")),
        );
        several.object = Some(object.to_owned());
        several.fields = vec![field.to_owned()];
        return Error::Refused(several);
    }
    Fault::read(answer.status, &answer.body).error(Some(object), effect)
}

fn wrong(message: &str) -> Error {
    refused(Advice::FixRecord, "INVALID_INPUT", message)
}

#[cfg(test)]
mod tests;
