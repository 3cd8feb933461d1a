//! Full-text search: a whole SOSL statement as the caller wrote it, or words
//! that are taken as words.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::at_most;
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::describe::explain_unseen;
use crate::fault::{refused, unexpected};
use crate::host::{Host, Method};
use crate::soql::{Literal, search_words};
use crate::{names, wire};

/// How long a statement can be once it is part of an address, in bytes:
/// Salesforce takes 16,384 for the address and the headers together.
const MAX_ENCODED_BYTES: usize = 12_000;
/// The most characters that are searched for.
const MAX_TEXT_CHARS: usize = 1_000;
/// Salesforce's bound of records in one answer.
const MAX_FOUND: u32 = 2_000;
/// Salesforce's bound of objects in one search.
const MAX_OBJECTS: usize = 20;
/// The most fields of each, and the most conditions.
const MAX_FIELDS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchInput {
    sosl: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WordsInput {
    text: String,
    #[serde(default)]
    prefix: bool,
    #[serde(default, rename = "in")]
    scope: Scope,
    objects: Vec<Wanted>,
    #[serde(default)]
    limit: Option<u32>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scope {
    #[default]
    All,
    Name,
    Email,
    Phone,
    Sidebar,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    object: String,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    equals: Map<String, Value>,
    #[serde(default)]
    limit: Option<u32>,
}

#[derive(Deserialize)]
struct Found<'a> {
    #[serde(borrow, rename = "searchRecords")]
    records: &'a RawValue,
}

/// Runs a SOSL statement.
pub(super) async fn statement<H: Host>(api: &Api<H>, input: SearchInput) -> Result<Vec<u8>, Error> {
    let encoded = input
        .sosl
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { 1 } else { 3 })
        .sum::<usize>();
    if encoded > MAX_ENCODED_BYTES {
        return Err(refused(
            Advice::FixRecord,
            "MALFORMED_SEARCH",
            "the statement is too long to be sent: parameterized-search takes longer ones",
        ));
    }
    run(
        api,
        Ask::new(Method::Get, "/search", Kind::Read).pair("q", input.sosl),
    )
    .await
}

/// Searches for words, in objects of which the conditions are met.
pub(super) async fn words<H: Host>(api: &Api<H>, input: WordsInput) -> Result<Vec<u8>, Error> {
    at_most(
        "characters of text",
        input.text.chars().count(),
        MAX_TEXT_CHARS,
    )?;
    at_most("objects", input.objects.len(), MAX_OBJECTS)?;
    let words = search_words(&input.text, input.prefix);
    if words.is_empty() || input.objects.is_empty() {
        return Err(refused(
            Advice::FixRecord,
            "MALFORMED_SEARCH",
            "a search needs text with at least one word, and objects to look for",
        ));
    }
    let objects: Vec<Sobject<'_>> = input
        .objects
        .iter()
        .map(sobject)
        .collect::<Result<_, _>>()?;
    let scope = match input.scope {
        Scope::All => "ALL",
        Scope::Name => "NAME",
        Scope::Email => "EMAIL",
        Scope::Phone => "PHONE",
        Scope::Sidebar => "SIDEBAR",
    };
    let body = json!({
        "q": words,
        "in": scope,
        "sobjects": objects,
        "overallLimit": input.limit.unwrap_or(MAX_FOUND).clamp(1, MAX_FOUND),
    });
    run(
        api,
        Ask::new(Method::Post, "/parameterizedSearch", Kind::Read)
            .body(body.to_string().into_bytes()),
    )
    .await
}

async fn run<H: Host>(api: &Api<H>, ask: Ask) -> Result<Vec<u8>, Error> {
    let body = api.fetch(ask, None).await.map_err(|error| match error {
        Error::Refused(problem) => Error::Refused(explain_unseen(problem)),
        error => error,
    })?;
    let found: Found<'_> =
        wire::read(&body).ok_or_else(|| unexpected("records that were found"))?;
    Ok(format!("{{\"records\":{}}}", found.records.get()).into_bytes())
}

/// An object to search, as Salesforce wants it. Without fields it gives the ids.
#[derive(Serialize)]
struct Sobject<'w> {
    name: &'w str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fields: &'w [String],
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
}

fn sobject(wanted: &Wanted) -> Result<Sobject<'_>, Error> {
    names::object(&wanted.object)?;
    at_most("fields", wanted.fields.len(), MAX_FIELDS)?;
    at_most("conditions", wanted.equals.len(), MAX_FIELDS)?;
    for field in wanted.fields.iter().chain(wanted.equals.keys()) {
        names::field(field)?;
    }
    let conditions = wanted.equals.iter();
    let conditions: Vec<String> = conditions
        .map(|(field, value)| condition(field, value))
        .collect::<Result<_, _>>()?;
    Ok(Sobject {
        name: &wanted.object,
        fields: &wanted.fields,
        condition: (!conditions.is_empty()).then(|| conditions.join(" AND ")),
        limit: wanted.limit.map(|limit| limit.clamp(1, MAX_FOUND)),
    })
}

fn condition(field: &str, value: &Value) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(format!("{field} = {}", Literal::text(text))),
        Value::Number(_) | Value::Bool(_) | Value::Null => Ok(format!("{field} = {value}")),
        Value::Array(_) | Value::Object(_) => Err(refused(
            Advice::FixRecord,
            "MALFORMED_SEARCH",
            "what a field equals is a text, a number, true, false or null",
        )),
    }
}
