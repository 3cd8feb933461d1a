//! What can be done beyond records: `invoke`.
//!
//! Each action has its schemas beside this file in `actions.json`; a test runs
//! each against them.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Action, Advice, Error};
use crate::describe::explain_unseen;
use crate::fault::{refused, unexpected};
use crate::host::{Host, Method};
use crate::names;
use crate::soql::{Literal, moment};
use crate::wire;

/// Names, sentences and schemas.
const CATALOGUE: &str = include_str!("actions.json");

/// The most records that `find` gives: more than a handful are a query's work.
const MAX_FOUND: u32 = 200;

#[derive(Deserialize)]
struct Listed {
    name: String,
    summary: String,
    input: Value,
    output: Value,
}

/// The actions, as `describe` lists them.
pub(crate) fn list() -> Vec<Action> {
    let listed: Vec<Listed> = serde_json::from_str(CATALOGUE).unwrap_or_default();
    listed
        .into_iter()
        .map(|action| Action {
            name: action.name,
            summary: action.summary,
            input_schema: action.input.to_string(),
            output_schema: action.output.to_string(),
        })
        .collect()
}

/// Does an action.
pub(crate) async fn invoke<H: Host>(
    api: &Api<H>,
    action: &str,
    input: &[u8],
) -> Result<Vec<u8>, Error> {
    match action {
        "limits" => {
            read::<Nothing>(input)?;
            limits(api).await
        }
        "record-counts" => record_counts(api, read(input)?).await,
        "updated" => changes(api, "updated", &read(input)?).await,
        "deleted" => changes(api, "deleted", &read(input)?).await,
        "find" => find(api, read(input)?).await,
        _ => Err(refused(
            Advice::FixRecord,
            "INVALID_ACTION",
            "there is no such action: describe lists them",
        )),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn read<'i, T: Deserialize<'i>>(input: &'i [u8]) -> Result<T, Error> {
    let input: &[u8] = if input.is_empty() { b"{}" } else { input };
    let text = std::str::from_utf8(input).unwrap_or_default();
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        refused(
            Advice::FixRecord,
            "JSON_PARSER_ERROR",
            &format!("the input does not fit the action's schema: line {line}, column {column}"),
        )
    })
}

/// The org's allocations and what is left of them.
async fn limits<H: Host>(api: &Api<H>) -> Result<Vec<u8>, Error> {
    let body = api
        .fetch(Ask::new(Method::Get, "/limits", Kind::Read), None)
        .await?;
    let limits: Map<String, Value> =
        wire::read(&body).ok_or_else(|| unexpected("an object of limits"))?;
    let mut found = Vec::with_capacity(limits.len());
    push_limits(&mut found, "", &limits);
    Ok(json!({ "limits": found }).to_string().into_bytes())
}

/// Limits can hold limits: `PermissionSets` has its own and `CreateCustom`.
fn push_limits(found: &mut Vec<Value>, parent: &str, limits: &Map<String, Value>) {
    for (name, limit) in limits {
        let Value::Object(members) = limit else {
            continue;
        };
        let name = if parent.is_empty() {
            name.clone()
        } else {
            format!("{parent}.{name}")
        };
        if let (Some(max), Some(remaining)) = (members.get("Max"), members.get("Remaining")) {
            found.push(json!({ "name": name, "max": max, "remaining": remaining }));
        }
        push_limits(found, &name, members);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountsInput {
    objects: Vec<String>,
}

/// About how many records objects have. Salesforce leaves out empty ones.
async fn record_counts<H: Host>(api: &Api<H>, input: CountsInput) -> Result<Vec<u8>, Error> {
    #[derive(Deserialize)]
    struct Counts {
        #[serde(rename = "sObjects")]
        objects: Vec<Count>,
    }
    #[derive(Deserialize)]
    struct Count {
        name: String,
        count: u64,
    }

    for object in &input.objects {
        names::object(object)?;
    }
    let ask = Ask::new(Method::Get, "/limits/recordCount", Kind::Read)
        .pair("sObjects", input.objects.join(","));
    let body = api.fetch(ask, None).await?;
    let counts: Counts = wire::read(&body).ok_or_else(|| unexpected("counts of records"))?;
    let counted = input.objects.iter().map(|object| {
        let found = counts
            .objects
            .iter()
            .find(|c| c.name.eq_ignore_ascii_case(object));
        json!({ "object": object, "count": found.map_or(0, |found| found.count) })
    });
    Ok(json!({ "counts": counted.collect::<Vec<_>>() })
        .to_string()
        .into_bytes())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowInput {
    object: String,
    start: String,
    end: String,
}

/// Ids of records that changed, or went, in a window of time.
async fn changes<H: Host>(api: &Api<H>, what: &str, input: &WindowInput) -> Result<Vec<u8>, Error> {
    names::object(&input.object)?;
    let moment = |text: &str| {
        moment(text).ok_or_else(|| {
            refused(
                Advice::FixRecord,
                "INVALID_REPLICATION_DATE",
                "a moment is written 2026-05-01T07:25:37Z",
            )
        })
    };
    let ask = Ask::new(
        Method::Get,
        format!("/sobjects/{}/{what}/", input.object),
        Kind::Read,
    )
    .pair("start", moment(&input.start)?)
    .pair("end", moment(&input.end)?);
    let body = api.fetch(ask, Some(&input.object)).await?;
    // Small, and ours to promise the shape of.
    let mut changes: Map<String, Value> =
        wire::read(&body).ok_or_else(|| unexpected("changes of an object"))?;
    let list = if what == "updated" {
        "ids"
    } else {
        "deletedRecords"
    };
    let covered = changes.remove("latestDateCovered").unwrap_or_default();
    let Some(Value::Array(records)) = changes.remove(list) else {
        return Err(unexpected("a list of changes"));
    };
    let mut output = Map::new();
    let earliest = changes.remove("earliestDateAvailable");
    output.insert(
        if what == "updated" { "ids" } else { "records" }.to_owned(),
        records.into(),
    );
    output.insert("latest_covered".to_owned(), covered);
    if let Some(earliest) = earliest {
        output.insert("earliest_available".to_owned(), earliest);
    }
    Ok(Value::Object(output).to_string().into_bytes())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FindInput {
    object: String,
    fields: Vec<String>,
    field: String,
    #[serde(default)]
    equals: Option<String>,
    #[serde(default)]
    starts_with: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
}

/// Records by the text of one field, for instance to see whether a create whose
/// answer was lost has happened.
async fn find<H: Host>(api: &Api<H>, input: FindInput) -> Result<Vec<u8>, Error> {
    #[derive(Deserialize)]
    struct Found<'a> {
        #[serde(borrow)]
        records: &'a serde_json::value::RawValue,
    }

    names::object(&input.object)?;
    names::field(&input.field)?;
    for field in &input.fields {
        names::field(field)?;
    }
    let (operator, literal) = match (&input.equals, &input.starts_with) {
        (Some(text), None) => ("=", Literal::text(text)),
        (None, Some(start)) => ("LIKE", Literal::starting_with(start)),
        _ => {
            return Err(refused(
                Advice::FixRecord,
                "MALFORMED_QUERY",
                "give either equals or starts_with",
            ));
        }
    };
    let mut soql = String::from("SELECT Id");
    for field in input
        .fields
        .iter()
        .filter(|field| !field.eq_ignore_ascii_case("Id"))
    {
        let _written = write!(soql, ",{field}");
    }
    let limit = input.limit.unwrap_or(MAX_FOUND).clamp(1, MAX_FOUND);
    let _written = write!(
        soql,
        " FROM {} WHERE {} {operator} {literal} LIMIT {limit}",
        input.object, input.field
    );
    let ask = Ask::new(Method::Get, "/query", Kind::Query { page_size: None }).pair("q", soql);
    let body = api
        .fetch(ask, Some(&input.object))
        .await
        .map_err(|error| match error {
            Error::Refused(problem) => Error::Refused(explain_unseen(problem)),
            error => error,
        })?;
    let found: Found<'_> = wire::read(&body).ok_or_else(|| unexpected("a page of a query"))?;
    Ok(format!("{{\"records\":{}}}", found.records.get()).into_bytes())
}

#[cfg(test)]
mod tests;
