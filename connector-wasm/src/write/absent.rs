//! Which records of an upsert are new: a dry run looks up the keys of those that
//! would be wrong if they were, and of no others, since each look-up is a call.
//!
//! It is done before anything else is noted of the records, so that those whose
//! look-up failed can be checked again as if for the first time. What was looked up
//! until then stays known.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use super::check::Asked;
use super::plan::MAX_ROWS;
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Error, Field};
use crate::body::encode;
use crate::describe::explain_unseen;
use crate::fault::unexpected;
use crate::host::{Host, Method};
use crate::soql::Literal;
use crate::wire::{Members, decoded, read};

/// The longest query, in bytes once encoded: half of what Salesforce takes for the
/// address and all headers.
const MAX_QUERY_BYTES: usize = 8 * 1024;

/// The most look-ups of one call of the writer: the host lets 100 requests of a call
/// out, and some of them describe objects.
const MAX_LOOK_UPS: usize = 50;

/// Keys that were looked up, and those that are to be, by object and field.
#[derive(Debug, Default)]
pub(super) struct Keys {
    columns: BTreeMap<(String, String), Column>,
}

/// Keys of one field of one object.
#[derive(Debug, Default)]
struct Column {
    /// All of them, as they stand in queries.
    wanted: HashSet<Literal>,
    /// Those that are not looked up yet.
    open: Vec<Key>,
    /// Those that some record has.
    there: HashSet<String>,
}

/// One key.
#[derive(Clone, Debug)]
struct Key {
    /// As it came: there are fields that tell case apart.
    literal: Literal,
    /// The same for all keys that Salesforce may take for the same.
    folded: String,
}

impl Keys {
    /// Tells those records in question that are in doubt whether they are new. False
    /// if that takes more look-ups than one call of the writer makes: the next goes on.
    ///
    /// # Errors
    /// As of any read.
    pub(super) async fn tell<H: Host>(
        &mut self,
        api: &Api<H>,
        n_look_ups: &mut usize,
        asked: &mut [Asked<'_, '_>],
    ) -> Result<bool, Error> {
        let mut in_doubt = Vec::new();
        for question in asked.iter_mut().flatten() {
            let key = question.key_in_doubt();
            let key = key.and_then(|(field, value)| Some((field, Key::of(field, value)?)));
            let Some((field, key)) = key else {
                continue;
            };
            let name = (question.object().to_owned(), field.name.clone());
            let column = self.columns.entry(name.clone()).or_default();
            if column.wanted.insert(key.literal.clone()) {
                column.open.push(key.clone());
            }
            in_doubt.push((question, name, key.folded));
        }
        for ((object, field), column) in &mut self.columns {
            while !column.open.is_empty() {
                if *n_look_ups == MAX_LOOK_UPS {
                    return Ok(false);
                }
                *n_look_ups += 1;
                column.look_up(api, object, field).await?;
            }
        }
        for (question, name, key) in in_doubt {
            let column = self.columns.get(&name);
            question.is_new = column.map(|column| !column.there.contains(&key));
        }
        self.columns.clear();
        Ok(true)
    }
}

impl Column {
    /// Looks up as many of the first keys as fit into a request.
    async fn look_up<H: Host>(
        &mut self,
        api: &Api<H>,
        object: &str,
        field: &str,
    ) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Found<'f> {
            done: bool,
            #[serde(borrow)]
            records: Vec<Members<'f>>,
        }

        let (soql, n_keys) = self.statement(object, field);
        let ask = Ask::new(Method::Get, "/query", Kind::Query { page_size: None }).pair("q", soql);
        let body = api.fetch(ask, Some(object)).await;
        let body = body.map_err(|error| match error {
            Error::Refused(problem) => Error::Refused(explain_unseen(problem)),
            error => error,
        })?;
        let found: Found<'_> = read(&body).ok_or_else(|| unexpected("a page of a query"))?;
        let keys = found.records.iter().filter_map(|record| record.get(field));
        let keys = keys.filter_map(|key| {
            let json = key.get();
            decoded(json).map_or_else(|| fold_number(json), |text| Some(fold(&text)))
        });
        self.there.extend(keys);
        if found.done {
            self.open.drain(..n_keys);
            return Ok(());
        }
        // Keys that many records have, and not all of these are here. Those that are
        // need not be asked for again.
        let n_open = self.open.len();
        self.open.retain(|key| !self.there.contains(&key.folded));
        match self.open.len() < n_open {
            true => Ok(()),
            false => Err(unexpected("a page of a query with a record")),
        }
    }

    /// The query for the first keys, and how many they are.
    fn statement(&self, object: &str, field: &str) -> (String, usize) {
        let length = |text: &str| encode(text, |b| b.is_ascii_alphanumeric()).len();
        let mut soql = format!("SELECT {field} FROM {object} WHERE {field} IN (");
        let mut bytes = length(&soql) + length(")");
        let mut n_keys = 0;
        for key in self.open.iter().take(MAX_ROWS) {
            let literal = key.literal.to_string();
            bytes += length(&literal) + length(",");
            if n_keys > 0 && bytes > MAX_QUERY_BYTES {
                break;
            }
            if n_keys > 0 {
                soql.push(',');
            }
            soql.push_str(&literal);
            n_keys += 1;
        }
        soql.push(')');
        (soql, n_keys)
    }
}

impl Key {
    /// A key of a field; `None` if it can be none, or fields of this kind are none
    /// that records are found by.
    fn of(field: &Field, value: &str) -> Option<Self> {
        let value = value.trim();
        match field.kind.as_str() {
            "string" | "email" | "phone" | "url" => Some(Self {
                literal: Literal::text(value),
                folded: fold(value),
            }),
            "double" | "currency" | "percent" => Some(Self {
                literal: Literal::number(value)?,
                folded: fold_number(value)?,
            }),
            _ => None,
        }
        .filter(|_| !value.is_empty())
    }
}

/// Salesforce does not tell case apart in texts.
fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Large numbers come back in another form: `1.2345678E7`.
fn fold_number(text: &str) -> Option<String> {
    let number: f64 = text.parse().ok()?;
    // There is one zero.
    Some((number + 0.0).to_string())
}
