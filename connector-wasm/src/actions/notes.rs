//! Notes as one thing. Salesforce has two kinds: `Note`, plain text on one
//! record, and `ContentNote`, a file of HTML that links tie to records.

mod html;
mod read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use super::composite::{Asked, CompositeInput, PartInput, Verb};
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Operation};
use crate::fault::refused;
use crate::host::Host;
use crate::wire::{self, RowResult};
use crate::{names, write};

pub(super) use read::of;

/// What ids of notes of old start with, and those of notes that are files.
const NOTE_PREFIX: &str = "002";
const CONTENT_PREFIX: &str = "069";

/// In one composite, the note stands before its link, and answers by this name.
const NOTE_REFERENCE: &str = "@{r0.id}";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    // In the order in which notes of the same moment come.
    Note,
    ContentNote,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoteInput {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    kind: Option<Kind>,
    #[serde(default)]
    parent_id: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    is_private: Option<bool>,
}

impl Kind {
    const fn object(self) -> &'static str {
        match self {
            Self::Note => "Note",
            Self::ContentNote => "ContentNote",
        }
    }

    fn of_id(id: &str) -> Result<Self, Error> {
        match id.get(..3) {
            Some(NOTE_PREFIX) => Ok(Self::Note),
            Some(CONTENT_PREFIX) => Ok(Self::ContentNote),
            _ => Err(refused(
                Advice::FixRecord,
                "MALFORMED_ID",
                "this is no note: their ids start with 002 or 069",
            )),
        }
    }
}

/// Writes a new note of either kind, or changes one.
pub(super) async fn save<H: Host>(api: &Api<H>, input: NoteInput) -> Result<Vec<u8>, Error> {
    let (id, kind, outcome) = match &input.id {
        Some(id) => {
            let id = names::id(id).map_err(Error::Refused)?;
            let kind = change(api, &id, &input).await?;
            (Some(id), kind, "updated")
        }
        None => {
            let kind = input.kind.ok_or_else(|| {
                wrong("a new note needs its kind, note or content-note; a change needs an id")
            })?;
            (create(api, kind, &input).await?, kind, "created")
        }
    };
    Ok(json!({ "id": id, "kind": kind, "outcome": outcome })
        .to_string()
        .into_bytes())
}

async fn change<H: Host>(api: &Api<H>, id: &str, input: &NoteInput) -> Result<Kind, Error> {
    let kind = Kind::of_id(id)?;
    if input.kind.is_some_and(|named| named != kind) {
        return Err(wrong("the id is that of a note of the other kind"));
    }
    if input.parent_id.is_some() {
        return Err(wrong(
            "a note stays where it is: leave parent_id out; a content note is put beside another \
             record by creating a ContentDocumentLink",
        ));
    }
    if kind == Kind::ContentNote && input.is_private == Some(true) {
        return Err(not_private());
    }
    let mut fields = fields(kind, input)?;
    if fields.is_empty() {
        return Err(wrong("there is nothing to change: give a title or a text"));
    }
    fields.insert("Id".to_owned(), json!(id));
    let row = Value::Object(fields).to_string();
    let result = write::one(api, kind.object(), &Operation::Update, &row).await?;
    super::written(result)?;
    Ok(kind)
}

async fn create<H: Host>(
    api: &Api<H>,
    kind: Kind,
    input: &NoteInput,
) -> Result<Option<String>, Error> {
    let parent = input.parent_id.as_deref().map(names::id).transpose();
    let parent = parent.map_err(Error::Refused)?;
    let mut fields = fields(kind, input)?;
    if !fields.contains_key("Title") {
        return Err(wrong("a new note needs a title"));
    }
    match (kind, parent) {
        (Kind::Note, None) => {
            return Err(wrong("a note needs the record that it is on: parent_id"));
        }
        (Kind::Note, Some(parent)) => {
            fields.insert("ParentId".to_owned(), json!(parent));
        }
        (Kind::ContentNote, Some(_)) if input.is_private == Some(true) => {
            return Err(not_private());
        }
        (Kind::ContentNote, Some(parent)) => return create_beside(api, fields, &parent).await,
        // Beside no record, it is its owner's alone.
        (Kind::ContentNote, None) => {}
    }
    let row = Value::Object(fields).to_string();
    let result = write::one(api, kind.object(), &Operation::Create, &row).await?;
    super::written(result)
}

/// A content note and the link that ties it to a record, both or none.
async fn create_beside<H: Host>(
    api: &Api<H>,
    note: Map<String, Value>,
    parent: &str,
) -> Result<Option<String>, Error> {
    let title = note.get("Title").and_then(Value::as_str);
    if title.is_some_and(|title| title.contains("@{")) {
        return Err(wrong(
            "Salesforce reads @{ in a title as a reference: create the note without parent_id, \
             and then its ContentDocumentLink",
        ));
    }
    let link = json!({
        "ContentDocumentId": NOTE_REFERENCE,
        "LinkedEntityId": parent,
        // Who sees the record sees the note.
        "ShareType": "V",
    });
    let bodies = [raw(&Value::Object(note))?, raw(&link)?];
    let part =
        |object: &str, body| PartInput::new(Verb::Post, format!("/sobjects/{object}"), Some(body));
    let [note, link] = &bodies;
    let input = CompositeInput {
        requests: vec![part("ContentNote", note), part("ContentDocumentLink", link)],
        all_or_none: true,
    };
    let Some(mut asked) = Asked::of(&input, &api.version().await?)? else {
        return Ok(None);
    };
    let answer = asked.send(api).await?;
    let fates = asked.fates(api, &answer)?;
    let culprit = fates.iter().position(|fate| fate.outcome == "failed");
    let undone = fates.iter().position(|fate| fate.outcome != "done");
    if let Some(at) = culprit.or(undone) {
        let problem = fates.get(at).and_then(|fate| fate.problems.first());
        let Some(mut problem) = problem.cloned() else {
            return Err(Error::UnknownOutcome);
        };
        let object = if at == 0 {
            "ContentNote"
        } else {
            "ContentDocumentLink"
        };
        problem.object.get_or_insert_with(|| object.to_owned());
        return Err(Error::Refused(problem));
    }
    let saved = fates.first().and_then(|fate| fate.body);
    let saved = saved.and_then(|body| wire::read::<RowResult>(body.get().as_bytes()));
    match saved.and_then(|saved| saved.id) {
        Some(id) => Ok(Some(id)),
        None => Err(Error::UnknownOutcome),
    }
}

/// The fields that the input sets, as the kind names them.
fn fields(kind: Kind, input: &NoteInput) -> Result<Map<String, Value>, Error> {
    let mut fields = Map::new();
    if let Some(title) = &input.title {
        if title.trim().is_empty() {
            return Err(wrong("a note's title is not empty"));
        }
        fields.insert("Title".to_owned(), json!(title));
    }
    if let Some(text) = &input.text {
        let is_strange = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if text.contains(is_strange) {
            return Err(wrong(
                "the text of a note has no control characters but line breaks and tabs",
            ));
        }
        let (field, text) = match kind {
            Kind::Note => ("Body", text.clone()),
            Kind::ContentNote => ("Content", STANDARD.encode(html::of_text(text))),
        };
        fields.insert(field.to_owned(), json!(text));
    }
    if let (Kind::Note, Some(is_private)) = (kind, input.is_private) {
        fields.insert("IsPrivate".to_owned(), json!(is_private));
    }
    Ok(fields)
}

fn raw(value: &Value) -> Result<Box<RawValue>, Error> {
    to_raw_value(value).map_err(|_| wrong("the note cannot be written as JSON"))
}

fn not_private() -> Error {
    wrong(
        "a content note is seen by all who see a record that it stands beside: it is private \
         only without parent_id",
    )
}

fn wrong(message: &str) -> Error {
    refused(Advice::FixRecord, "INVALID_INPUT", message)
}

#[cfg(test)]
mod tests;
