//! Records by the text of one field.

use std::fmt::Write as _;

use serde::Deserialize;

use super::at_most;
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::describe::explain_unseen;
use crate::fault::{refused, unexpected};
use crate::host::{Host, Method};
use crate::names;
use crate::soql::Literal;
use crate::wire;

/// The most records that are given: more than a handful are a query's work.
const MAX_FOUND: u32 = 200;
/// The most fields of each.
const MAX_FIELDS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindInput {
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
pub(super) async fn find<H: Host>(api: &Api<H>, input: FindInput) -> Result<Vec<u8>, Error> {
    #[derive(Deserialize)]
    struct Found<'a> {
        #[serde(borrow)]
        records: &'a serde_json::value::RawValue,
    }

    at_most("fields", input.fields.len(), MAX_FIELDS)?;
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
