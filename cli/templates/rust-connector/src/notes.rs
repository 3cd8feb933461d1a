//! The one object, `Note`: its fields, and reading it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api;
use crate::exports::lockgate::connector::records::{
    Advice, Error, Field, ObjectDescription, ObjectSummary, Page, PageRecords,
};

/// The object's name.
pub(crate) const NOTE: &str = "Note";

/// Notes that are asked for at a time.
const PAGE: &str = "200";

/// Ids that the product takes in one request.
const MAX_IDS: usize = 200;

/// Name, label, kind and longest text of each field.
const FIELDS: [(&str, &str, &str, u32); 3] = [
    ("id", "Note ID", "id", 20),
    ("title", "Title", "string", 200),
    ("updated_at", "Updated at", "datetime", 0),
];

type Note = Map<String, Value>;

/// What the product answers with.
#[derive(Deserialize)]
struct List {
    notes: Vec<Note>,
    /// Whether there are more behind the last of these. A search does not say it.
    #[serde(default)]
    more: bool,
}

/// Notes in the order of their ids, page by page.
pub(crate) struct Pages {
    /// The fields that are wanted; all if there are none.
    fields: Vec<String>,
    /// Where the next page begins; `None` after the last one.
    next: RefCell<Option<Start>>,
}

#[derive(Clone)]
enum Start {
    First,
    Behind(String),
}

impl Pages {
    /// All notes, with all their fields.
    pub(crate) fn all() -> Self {
        Self::behind(None, Vec::new())
    }

    /// The notes behind one.
    pub(crate) fn behind(after: Option<String>, mut fields: Vec<String>) -> Self {
        if !fields.is_empty() {
            fields.push("id".to_owned());
        }
        let start = after.map_or(Start::First, Start::Behind);
        Self {
            fields,
            next: RefCell::new(Some(start)),
        }
    }

    /// The next page. After an error that passes, the same one is asked for again.
    pub(crate) async fn next(&self) -> Result<Option<Page>, Error> {
        let Some(start) = self.next.borrow().clone() else {
            return Ok(None);
        };
        let mut query = vec![("limit".to_owned(), PAGE.to_owned())];
        if let Start::Behind(id) = start {
            query.push(("after".to_owned(), id));
        }
        let list: List = api::get("/v1/notes", query).await?;
        let last = list.notes.last().and_then(|note| note.get("id")?.as_str());
        *self.next.borrow_mut() = match last {
            Some(id) if list.more => Some(Start::Behind(id.to_owned())),
            _ => None,
        };
        let notes = list.notes.into_iter().map(|note| only(note, &self.fields));
        Ok(Some(Page {
            records: PageRecords::Json(to_bytes(&notes.collect::<Vec<_>>())?),
            total: None,
        }))
    }
}

/// Reads notes by their ids; `null` stands for one that is not there.
pub(crate) async fn get(ids: &[String], fields: &[String]) -> Result<Vec<u8>, Error> {
    let mut found = BTreeMap::new();
    // There may be any number of ids, but only 100 requests in a call.
    for ids in ids.chunks(MAX_IDS) {
        let list: List = api::search("/v1/notes/search", &json!({ "id": ids })).await?;
        for note in list.notes {
            let id = note.get("id").and_then(Value::as_str).map(str::to_owned);
            let id = id.ok_or_else(|| Error::Unexpected("there is a note without id".to_owned()))?;
            found.insert(id, only(note, fields));
        }
    }
    to_bytes(&ids.iter().map(|id| found.get(id)).collect::<Vec<_>>())
}

pub(crate) fn check_object(object: &str) -> Result<(), Error> {
    match object {
        NOTE => Ok(()),
        _ => Err(api::refused(
            Advice::FixSchema,
            "unknown_object",
            &format!("there is one object, {NOTE}"),
        )),
    }
}

pub(crate) fn summary() -> ObjectSummary {
    ObjectSummary {
        name: NOTE.to_owned(),
        label: NOTE.to_owned(),
        custom: false,
        createable: false,
        updateable: false,
        deletable: false,
        queryable: true,
    }
}

pub(crate) fn description() -> ObjectDescription {
    let field = |(name, label, kind, max_length): (&str, &str, &str, u32)| Field {
        name: name.to_owned(),
        label: label.to_owned(),
        kind: kind.to_owned(),
        max_length,
        required: false,
        nillable: false,
        createable: false,
        updateable: false,
        custom: false,
        unique: name == "id",
        external_id: false,
        references: Vec::new(),
        picklist: Vec::new(),
        restricted: false,
    };
    ObjectDescription {
        summary: summary(),
        fields: FIELDS.into_iter().map(field).collect(),
        children: Vec::new(),
        stamp_fields: vec!["updated_at".to_owned()],
    }
}

/// A note with these of its fields; with all if none are named.
fn only(mut note: Note, fields: &[String]) -> Note {
    if !fields.is_empty() {
        note.retain(|name, _| fields.iter().any(|field| field == name));
    }
    note
}

fn to_bytes<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Unexpected(error.to_string()))
}
