//! Records with their children inside, created in one request, all or none:
//! `save-tree`.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{at_most, told};
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::fault::{Effect, Entry, Fault, refused};
use crate::host::{Host, Level, Method};
use crate::names;
use crate::wire::{self, Members, push_text};

/// Salesforce's bounds of one request: records of all levels, kinds of objects,
/// and levels, that of the roots included.
const MAX_RECORDS: usize = 200;
const MAX_KINDS: usize = 5;
const MAX_LEVELS: usize = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TreeInput<'a> {
    object: String,
    #[serde(borrow)]
    records: Vec<RecordInput<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordInput<'a> {
    #[serde(default, rename = "ref")]
    name: Option<String>,
    #[serde(default, borrow)]
    fields: Option<Members<'a>>,
    /// By the name of the relationship: `Contacts`.
    #[serde(default, borrow)]
    children: BTreeMap<String, TreeInput<'a>>,
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<RecordAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordAnswer {
    reference_id: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    errors: Vec<Entry>,
}

/// The records of all levels, each before its children, and how they are
/// written.
#[derive(Default)]
struct Plan {
    body: Vec<u8>,
    /// Names and objects.
    records: Vec<(String, String)>,
}

/// Creates the records of a tree, all or none.
pub(super) async fn save<H: Host>(api: &Api<H>, input: &TreeInput<'_>) -> Result<Vec<u8>, Error> {
    let mut plan = Plan::default();
    plan.body.extend_from_slice(b"{\"records\":");
    plan.push(input, 1)?;
    plan.body.push(b'}');
    plan.check()?;
    if plan.records.is_empty() {
        return Ok(br#"{"saved":0,"records":[]}"#.to_vec());
    }
    let path = format!("/composite/tree/{}", input.object);
    let ask = Ask::new(Method::Post, path, Kind::Write).body(plan.body);
    let answer = api.send(ask).await?;
    let read: Option<Answer> = wire::read(&answer.body);
    let results = match (answer.status, read) {
        (200 | 201 | 400, Some(read)) => read.results,
        (200 | 201, None) => return Err(unreadable(api)),
        (status, _) => {
            let fault = Fault::read(status, &answer.body);
            return Err(fault.error(Some(&input.object), Effect::Write));
        }
    };
    let results: HashMap<&str, &RecordAnswer> = results
        .iter()
        .map(|result| (result.reference_id.as_str(), result))
        .collect();
    let saved = answer.status != 400;
    let told = plan.records.iter().map(|(name, object)| {
        let result = results.get(name.as_str());
        tell(name, object, saved, result.copied())
    });
    let Some(told) = told.collect::<Option<Vec<Value>>>() else {
        return Err(unreadable(api));
    };
    let saved = if saved { told.len() } else { 0 };
    Ok(json!({ "saved": saved, "records": told })
        .to_string()
        .into_bytes())
}

impl Plan {
    fn push(&mut self, tree: &TreeInput<'_>, level: usize) -> Result<(), Error> {
        at_most("levels", level, MAX_LEVELS)?;
        names::object(&tree.object)?;
        self.body.push(b'[');
        for (at, record) in tree.records.iter().enumerate() {
            if at > 0 {
                self.body.push(b',');
            }
            self.push_record(&tree.object, record, level)?;
        }
        self.body.push(b']');
        Ok(())
    }

    fn push_record(
        &mut self,
        object: &str,
        record: &RecordInput<'_>,
        level: usize,
    ) -> Result<(), Error> {
        let made_up = || format!("r{}", self.records.len());
        let name = record.name.clone().unwrap_or_else(made_up);
        if names::key_field(&name).is_err() {
            return Err(wrong(
                "a ref has letters, digits and _ only, and starts with a letter",
            ));
        }
        // Salesforce wants the attributes before all fields.
        self.body.extend_from_slice(b"{\"attributes\":{\"type\":");
        push_text(&mut self.body, object);
        self.body.extend_from_slice(b",\"referenceId\":");
        push_text(&mut self.body, &name);
        self.body.push(b'}');
        self.records.push((name, object.to_owned()));
        for (field, value) in record.fields.iter().flat_map(|fields| &fields.0) {
            names::key_field(field)?;
            if field.eq_ignore_ascii_case("attributes") {
                return Err(wrong("a record's attributes are added by the action"));
            }
            self.push_key(field);
            self.body.extend_from_slice(value.get().as_bytes());
        }
        for (relationship, children) in &record.children {
            names::key_field(relationship)?;
            self.push_key(relationship);
            self.body.extend_from_slice(b"{\"records\":");
            self.push(children, level + 1)?;
            self.body.push(b'}');
        }
        self.body.push(b'}');
        Ok(())
    }

    fn push_key(&mut self, key: &str) {
        self.body.push(b',');
        push_text(&mut self.body, key);
        self.body.push(b':');
    }

    fn check(&self) -> Result<(), Error> {
        at_most("records", self.records.len(), MAX_RECORDS)?;
        let kinds: HashSet<String> = self
            .records
            .iter()
            .map(|(_, object)| object.to_ascii_lowercase())
            .collect();
        at_most("kinds of records", kinds.len(), MAX_KINDS)?;
        let mut seen = HashSet::new();
        for (name, _) in &self.records {
            if !seen.insert(name) {
                return Err(wrong(&format!("two records bear the ref {name}")));
            }
        }
        Ok(())
    }
}

/// A record's outcome; nothing if the answer does not tell it.
fn tell(name: &str, object: &str, saved: bool, result: Option<&RecordAnswer>) -> Option<Value> {
    if saved {
        let id = result?.id.as_deref()?;
        return Some(json!({ "ref": name, "outcome": "created", "id": id }));
    }
    let errors = result.map_or(&[][..], |result| &result.errors);
    if errors.is_empty() {
        return Some(json!({ "ref": name, "outcome": "rolled-back" }));
    }
    let problems: Vec<Problem> = errors
        .iter()
        .map(|entry| entry.problem(400, Some(object)))
        .collect();
    Some(json!({ "ref": name, "outcome": "failed", "problems": told::problems(&problems) }))
}

fn unreadable<H: Host>(api: &Api<H>) -> Error {
    api.host
        .log(Level::Error, "the answer to a write could not be read", &[]);
    Error::UnknownOutcome
}

fn wrong(message: &str) -> Error {
    refused(Advice::FixRecord, "INVALID_INPUT", message)
}

#[cfg(test)]
mod tests;
