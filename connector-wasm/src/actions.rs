//! What can be done beyond records: `invoke`.
//!
//! Each action has its schemas beside this file in `actions.json`; a test runs
//! each against them.

mod changes;
mod composite;
mod find;
pub(crate) mod graph;
mod key_field;
mod lead;
mod notes;
mod order;
mod picklist;
mod price;
mod related;
mod request;
mod search;
mod told;
mod tree;
mod update;
mod usage;

use serde::Deserialize;
use serde_json::Value;

use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{
    Action, Advice, Error, Outcome, RecordResult,
};
use crate::fault::{refused, unexpected};
use crate::host::{Host, Method};
use crate::wire;
use changes::Change;

/// Names, sentences and schemas.
const CATALOGUE: &str = include_str!("actions.json");

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
            usage::limits(api).await
        }
        "record-counts" => usage::record_counts(api, read(input)?).await,
        "updated" => changes::changes(api, Change::Updated, &read(input)?).await,
        "deleted" => changes::changes(api, Change::Deleted, &read(input)?).await,
        "find" => find::find(api, read(input)?).await,
        "search" => search::statement(api, read(input)?).await,
        "parameterized-search" => search::words(api, read(input)?).await,
        "activate-order" => order::activate(api, read(input)?).await,
        "add-key-field" => key_field::add(api, read(input)?).await,
        "set-price" => price::set(api, read(input)?).await,
        "convert-leads" => lead::convert(api, read(input)?).await,
        "get-by-key" => related::by_key(api, read(input)?).await,
        "delete-by-key" => related::delete_by_key(api, read(input)?).await,
        "update-by-key" => update::by_key(api, read(input)?).await,
        "update-if-unchanged" => update::if_unchanged(api, read(input)?).await,
        "related" => related::related(api, &read(input)?).await,
        "save-note" => notes::save(api, read(input)?).await,
        "notes-of" => notes::of(api, read(input)?).await,
        "save-graph" => graph::save(api, read(input)?).await,
        "save-tree" => tree::save(api, &read(input)?).await,
        "composite" => composite::composite(api, read(input)?).await,
        "composite-batch" => composite::batch(api, read(input)?).await,
        "request" => request::send(api, read(input)?).await,
        "publish-events" => crate::events::publish::publish(api, read(input)?).await,
        "picklist-values" => picklist::values(api, read(input)?).await,
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

/// Refuses lists that are longer than their schema says.
fn at_most(what: &str, n: usize, most: usize) -> Result<(), Error> {
    if n <= most {
        return Ok(());
    }
    Err(refused(
        Advice::FixRecord,
        "LIMIT_EXCEEDED",
        &format!("{n} {what}, and one call takes {most}: ask in parts"),
    ))
}

/// The rows of a query that gives few.
async fn query<H: Host, T: serde::de::DeserializeOwned>(
    api: &Api<H>,
    soql: String,
    object: &str,
) -> Result<Vec<T>, Error> {
    #[derive(Deserialize)]
    struct Found<T> {
        records: Vec<T>,
    }

    let ask = Ask::new(Method::Get, "/query", Kind::Query { page_size: None }).pair("q", soql);
    let body = api.fetch(ask, Some(object)).await?;
    wire::read::<Found<T>>(&body)
        .map(|found| found.records)
        .ok_or_else(|| unexpected("a page of a query"))
}

/// The id of a record that was written, or the first reason why it was not.
fn written(result: RecordResult) -> Result<Option<String>, Error> {
    match result.outcome {
        Outcome::Failed(problems) => {
            let first = problems.into_iter().next();
            Err(first.map_or(Error::UnknownOutcome, Error::Refused))
        }
        _ => Ok(result.id),
    }
}

#[cfg(test)]
mod tests;
