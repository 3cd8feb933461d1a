//! The notes of records: those of both kinds in one order, newest first.
//!
//! One composite asks for both kinds. The text of a content note is a file, which
//! no composite carries, so each costs a call of its own, unless its beginning is
//! enough. A page ends at a note, not at a place that Salesforce keeps: the next
//! one begins below it, whatever was written meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Kind, html, wrong};
use crate::actions::at_most;
use crate::actions::composite::{Asked, CompositeInput, PartInput, Verb};
use crate::api::{Api, Ask};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::body::segment;
use crate::fault::{Effect, Fault, unexpected};
use crate::host::{Host, Method};
use crate::soql::{self, Literal};
use crate::{api, names, wire};

/// Ids in one query, and notes of a page, each of which may cost a call: the host
/// lets 100 of an action out.
const MAX_PARENTS: usize = 200;
const MAX_NOTES: usize = 50;
/// Texts that are on their way at the same time.
const OVERLAP: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::actions) struct NotesInput {
    parent_ids: Vec<String>,
    #[serde(default)]
    kind: Option<Kind>,
    #[serde(default)]
    preview: bool,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Page<'a> {
    done: bool,
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NoteRow {
    id: String,
    parent_id: String,
    title: Option<String>,
    body: Option<String>,
    is_private: bool,
    owner_id: Option<String>,
    created_date: String,
    last_modified_date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LinkRow {
    id: String,
    linked_entity_id: String,
    content_document_id: String,
    content_document: Document,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    title: Option<String>,
    owner_id: Option<String>,
    created_date: String,
    last_modified_date: Option<String>,
    latest_published_version_id: Option<String>,
    latest_published_version: Option<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    text_preview: Option<String>,
}

#[derive(Serialize)]
struct Note {
    kind: Kind,
    id: String,
    parent_id: String,
    title: Option<String>,
    text: Option<String>,
    is_preview: bool,
    is_private: bool,
    owner_id: Option<String>,
    created: String,
    changed: Option<String>,
    /// Where a content note's text is.
    #[serde(skip)]
    version: Option<String>,
    #[serde(skip)]
    place: Place,
}

#[derive(Serialize)]
struct Output {
    notes: Vec<Note>,
    next: Option<String>,
}

/// Where a note stands in the order: newest first, at the same moment notes before
/// content notes, and within a kind by falling ids, those of the links for content
/// notes.
struct Place {
    created: String,
    kind: Kind,
    id: String,
}

/// Reads a page of the notes of records.
pub(in crate::actions) async fn of<H: Host>(
    api: &Api<H>,
    input: NotesInput,
) -> Result<Vec<u8>, Error> {
    at_most("parents", input.parent_ids.len(), MAX_PARENTS)?;
    let n_notes = input.limit.unwrap_or(MAX_NOTES).clamp(1, MAX_NOTES);
    let parents = input.parent_ids.iter().map(|id| names::id(id));
    let parents: Vec<String> = parents.collect::<Result<_, _>>().map_err(Error::Refused)?;
    let after = input.next.as_deref().map(Place::read).transpose()?;
    let (mut notes, mut is_last) = (Vec::new(), true);
    if !parents.is_empty() {
        (notes, is_last) = find(api, &parents, &input, after.as_ref(), n_notes + 1).await?;
    }
    is_last = is_last && notes.len() <= n_notes;
    notes.truncate(n_notes);
    let last = notes.last().filter(|_| !is_last);
    let next = last.map(|note| note.place.to_string());
    if !input.preview {
        give_texts(api, &mut notes).await?;
    }
    serde_json::to_vec(&Output { notes, next }).map_err(|_| unexpected("notes"))
}

/// The first notes after a place, of each kind so many, and whether Salesforce
/// gave as many as it has.
async fn find<H: Host>(
    api: &Api<H>,
    parents: &[String],
    input: &NotesInput,
    after: Option<&Place>,
    n_notes: usize,
) -> Result<(Vec<Note>, bool), Error> {
    let kinds = [Kind::Note, Kind::ContentNote];
    let kinds = kinds
        .into_iter()
        .filter(|kind| input.kind.is_none_or(|wanted| wanted == *kind));
    let kinds: Vec<Kind> = kinds.collect();
    let part = |kind: &Kind| {
        let soql = statement(*kind, parents, input.preview, after, n_notes);
        PartInput::new(Verb::Get, format!("/query?q={}", segment(&soql)), None)
    };
    let composite = CompositeInput {
        requests: kinds.iter().map(part).collect(),
        all_or_none: false,
    };
    let Some(mut asked) = Asked::of(&composite, &api.version().await?)? else {
        return Ok((Vec::new(), true));
    };
    let answer = asked.send(api).await?;
    let mut notes = Vec::new();
    let mut cut_short = Vec::new();
    for (kind, fate) in kinds.into_iter().zip(asked.fates(api, &answer)?) {
        if let Some(problem) = fate.problems.into_iter().next() {
            return Err(Error::Refused(problem));
        }
        let page = fate.body.and_then(|body| wire::read(body.get().as_bytes()));
        let page: Page<'_> = page.ok_or_else(|| unexpected("a page of a query"))?;
        for record in page.records {
            notes.push(kind.note(record).ok_or_else(|| unexpected("a note"))?);
        }
        if !page.done {
            cut_short.push(kind);
        }
    }
    // Each kind is in its order already, which a stable sort keeps.
    notes.sort_by(|one, other| {
        let newest_first = other.created.cmp(&one.created);
        newest_first.then(one.kind.cmp(&other.kind))
    });
    // Behind the last of a page that was cut short, others of its kind may come.
    for kind in &cut_short {
        let last = notes.iter().rposition(|note: &Note| note.kind == *kind);
        notes.truncate(last.map_or(0, |last| last + 1));
    }
    if notes.is_empty() && !cut_short.is_empty() {
        return Err(unexpected("a page of a query with a record"));
    }
    Ok((notes, cut_short.is_empty()))
}

/// The query for notes of a kind that come after a place.
fn statement(
    kind: Kind,
    parents: &[String],
    is_preview: bool,
    after: Option<&Place>,
    n_notes: usize,
) -> String {
    let parents: Vec<String> = parents
        .iter()
        .map(|parent| Literal::text(parent).to_string())
        .collect();
    let parents = parents.join(",");
    let (what, created) = match kind {
        Kind::Note => (
            format!(
                "SELECT Id,ParentId,Title,Body,IsPrivate,OwnerId,CreatedDate,LastModifiedDate \
                 FROM Note WHERE ParentId IN ({parents})"
            ),
            "CreatedDate",
        ),
        Kind::ContentNote => (
            format!(
                "SELECT Id,LinkedEntityId,ContentDocumentId,ContentDocument.Title,\
                 ContentDocument.OwnerId,ContentDocument.CreatedDate,\
                 ContentDocument.LastModifiedDate,ContentDocument.LatestPublishedVersionId{} \
                 FROM ContentDocumentLink WHERE LinkedEntityId IN ({parents}) \
                 AND ContentDocument.FileType = 'SNOTE'",
                if is_preview {
                    ",ContentDocument.LatestPublishedVersion.TextPreview"
                } else {
                    ""
                }
            ),
            "ContentDocument.CreatedDate",
        ),
    };
    let below = after.map_or_else(String::new, |place| place.below(kind, created));
    format!("{what}{below} ORDER BY {created} DESC,Id DESC LIMIT {n_notes}")
}

impl Kind {
    fn note(self, record: &RawValue) -> Option<Note> {
        let json = record.get();
        Some(match self {
            Self::Note => {
                let row: NoteRow = serde_json::from_str(json).ok()?;
                let place = Place::of(self, &row.created_date, &row.id);
                Note {
                    kind: self,
                    id: row.id,
                    parent_id: row.parent_id,
                    title: row.title,
                    text: Some(row.body.unwrap_or_default().replace("\r\n", "\n")),
                    is_preview: false,
                    is_private: row.is_private,
                    owner_id: row.owner_id,
                    created: row.created_date,
                    changed: row.last_modified_date,
                    version: None,
                    place,
                }
            }
            Self::ContentNote => {
                let row: LinkRow = serde_json::from_str(json).ok()?;
                let document = row.content_document;
                let preview = document.latest_published_version;
                let preview = preview.and_then(|version| version.text_preview);
                Note {
                    kind: self,
                    id: row.content_document_id,
                    parent_id: row.linked_entity_id,
                    title: document.title,
                    text: Some(html::to_text(&preview.unwrap_or_default())),
                    is_preview: true,
                    is_private: false,
                    owner_id: document.owner_id,
                    place: Place::of(self, &document.created_date, &row.id),
                    created: document.created_date,
                    changed: document.last_modified_date,
                    version: document.latest_published_version_id,
                }
            }
        })
    }
}

/// Gives content notes their whole texts, and none to those that were deleted
/// meanwhile.
async fn give_texts<H: Host>(api: &Api<H>, notes: &mut [Note]) -> Result<(), Error> {
    // A note beside several of the parents is read once.
    let versions: BTreeSet<String> = notes
        .iter()
        .filter_map(|note| note.version.clone())
        .collect();
    let _reserved = match versions.len() {
        0 | 1 => None,
        n_calls => Some(api.reserve(n_calls).await?),
    };
    let texts = versions.into_iter().map(|version| async move {
        let text = text_of(api, &version).await?;
        Ok::<_, Error>((version, text))
    });
    let mut texts = stream::iter(texts).buffered(OVERLAP);
    let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
    while let Some(text) = texts.next().await {
        known.extend([text?]);
    }
    for note in notes {
        if let Some(text) = note.version.as_ref().and_then(|version| known.get(version)) {
            note.text.clone_from(text);
            note.is_preview = false;
        }
    }
    Ok(())
}

/// The text of a version; nothing if it is gone.
async fn text_of<H: Host>(api: &Api<H>, version: &str) -> Result<Option<String>, Error> {
    let version = names::id(version).map_err(|_| unexpected("the id of a version"))?;
    let path = format!("/sobjects/ContentVersion/{version}/VersionData");
    let answer = api
        .send(Ask::new(Method::Get, path, api::Kind::File))
        .await?;
    match answer.status {
        200 => Ok(Some(html::to_text(&String::from_utf8_lossy(&answer.body)))),
        404 => Ok(None),
        status => {
            let fault = Fault::read(status, &answer.body);
            Err(fault.error(Some("ContentVersion"), Effect::Read))
        }
    }
}

impl Place {
    fn of(kind: Kind, created: &str, id: &str) -> Self {
        Self {
            created: created.to_owned(),
            kind,
            id: id.to_owned(),
        }
    }

    fn read(text: &str) -> Result<Self, Error> {
        let read = || {
            let (kind, rest) = text.split_once('/')?;
            let (id, created) = rest.split_once('/')?;
            let kind = match kind {
                "note" => Kind::Note,
                "content-note" => Kind::ContentNote,
                _ => return None,
            };
            Some(Self {
                created: soql::moment(created)?,
                kind,
                id: names::id(id).ok()?,
            })
        };
        read().ok_or_else(|| wrong("next is what the call before gave as next"))
    }

    /// The condition for notes of a kind that come after this place.
    fn below(&self, kind: Kind, created: &str) -> String {
        let at = &self.created;
        if kind == self.kind {
            let id = Literal::text(&self.id);
            return format!(" AND ({created} < {at} OR ({created} = {at} AND Id < {id}))");
        }
        let operator = if kind < self.kind { "<" } else { "<=" };
        format!(" AND {created} {operator} {at}")
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Note => "note",
            Kind::ContentNote => "content-note",
        };
        write!(f, "{kind}/{}/{}", self.id, self.created)
    }
}
