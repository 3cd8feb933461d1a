//! Files and notes: a ContentNote is a ContentDocument of the same id, with a
//! ContentVersion for each text that it had.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Org;
use super::check::missing_fields;
use super::draft::Draft;
use super::note;
use crate::fault::Fault;
use crate::id::Id;
use crate::schema::Schema;
use crate::user::User;
use crate::value::Value;

/// The file type of notes.
const NOTE_TYPE: &str = "SNOTE";

/// What a version is made of.
struct Version<'a> {
    document: &'a Id,
    title: Value,
    data: Value,
    file_type: &'a str,
    extension: Value,
    number: usize,
}

/// Content must be base64, and a new file must have some and a name.
pub(super) fn check_content(draft: &mut Draft<'_>) -> Result<(), Fault> {
    let field = match draft.object.name.as_str() {
        "ContentNote" => "Content",
        "ContentVersion" => "VersionData",
        _ => "Body",
    };
    if draft.is_new() && field == "VersionData" {
        let missing = ["VersionData", "PathOnClient"].into_iter();
        let missing = missing.filter(|field| draft.get(field).is_null());
        missing_fields(missing.map(str::to_owned).collect())?;
    }
    let decoded = match draft.get(field) {
        Value::Text(text) => Some(STANDARD.decode(text.as_bytes())),
        _ => None,
    };
    match decoded {
        Some(Ok(content)) => {
            let content = match field {
                "Content" => note::admitted(content)?,
                _ => content,
            };
            draft.set(field, Value::blob(content));
        }
        Some(Err(_)) => {
            return Err(Fault::bad_request(
                "INVALID_TYPE_ON_FIELD_IN_RECORD",
                format!("{field}: value not of required type: the content is not base64"),
            )
            .on(field));
        }
        None if draft.get(field).is_null() => return Ok(()),
        None => {}
    }
    let size = content_size(draft.get(field));
    draft.set("BodyLength", size);
    Ok(())
}

impl Org {
    /// Makes a note: document, first version, link to its owner, and itself.
    pub(super) fn create_note(&mut self, who: &User, draft: &Draft<'_>) -> Id {
        let schema = Arc::clone(&self.schema);
        let title = draft.get("Title").clone();
        let id = self.create_document(who, &schema, &title, NOTE_TYPE, Value::text("snote"));
        let version = self.add_version(
            who,
            &schema,
            &Version {
                document: &id,
                title: title.clone(),
                data: draft.get("Content").clone(),
                file_type: NOTE_TYPE,
                extension: Value::text("snote"),
                number: 1,
            },
        );
        let mut note = Draft::new(draft.object);
        note.values.clone_from(&draft.values);
        note.set("FileType", Value::text(NOTE_TYPE));
        note.set("FileExtension", Value::text("snote"));
        describe_note(&mut note, &version);
        self.store_new_as(who, &mut note, &id);
        id
    }

    /// A changed note is a new version of its document.
    pub(super) fn publish_note_change(&mut self, who: &User, draft: &Draft<'_>, id: &str) {
        let schema = Arc::clone(&self.schema);
        let document: Id = Arc::from(id);
        let number = self.versions_of(id).len() + 1;
        let version = self.add_version(
            who,
            &schema,
            &Version {
                document: &document,
                title: draft.get("Title").clone(),
                data: draft.get("Content").clone(),
                file_type: NOTE_TYPE,
                extension: Value::text("snote"),
                number,
            },
        );
        let mut note = Draft::new(draft.object);
        note.values.clone_from(&draft.values);
        describe_note(&mut note, &version);
        let fields: Vec<(&str, Value)> = [
            "ContentSize",
            "TextPreview",
            "LatestPublishedVersionId",
            "LatestContentId",
        ]
        .into_iter()
        .map(|field| (field, note.get(field).clone()))
        .collect();
        self.set_computed(id, &fields);
    }

    /// A version that names no document makes one; one that does becomes the
    /// document's latest.
    pub(super) fn publish_version(&mut self, who: &User, draft: &Draft<'_>, id: &str) {
        let schema = Arc::clone(&self.schema);
        let path = draft.text("PathOnClient");
        let extension = path.rsplit_once('.').map_or("", |(_, end)| end).to_owned();
        let title = match draft.get("Title") {
            Value::Null => Value::text(path.rsplit(['/', '\\']).next().unwrap_or(path)),
            title => title.clone(),
        };
        let extension_value = if extension.is_empty() {
            Value::Null
        } else {
            Value::text(extension.as_str())
        };
        let file_type = if extension.is_empty() {
            "UNKNOWN".to_owned()
        } else {
            extension.to_uppercase()
        };
        let document: Id = match draft.get("ContentDocumentId") {
            Value::Text(document) => Arc::clone(document),
            _ => self.create_document(who, &schema, &title, &file_type, extension_value.clone()),
        };
        let older = self.versions_of(&document);
        for other in older.iter().filter(|other| ***other != *id) {
            self.set_computed(other, &[("IsLatest", Value::Bool(false))]);
        }
        let number = older.iter().filter(|other| ***other != *id).count() + 1;
        let size = content_size(draft.get("VersionData"));
        self.set_computed(
            id,
            &[
                ("ContentDocumentId", Value::Text(Arc::clone(&document))),
                ("Title", title.clone()),
                ("IsLatest", Value::Bool(true)),
                ("VersionNumber", Value::text(number.to_string())),
                ("FileType", Value::text(file_type)),
                ("FileExtension", extension_value),
                ("ContentSize", size.clone()),
            ],
        );
        self.set_computed(
            &document,
            &[
                ("LatestPublishedVersionId", Value::text(id)),
                ("Title", title),
                ("ContentSize", size),
                ("ContentModifiedDate", self.stamp()),
            ],
        );
        if let Value::Text(place) = draft.get("FirstPublishLocationId") {
            let place = Arc::clone(place);
            self.link_document(who, &schema, &document, &place, "V");
        }
    }

    fn create_document(
        &mut self,
        who: &User,
        schema: &Schema,
        title: &Value,
        file_type: &str,
        extension: Value,
    ) -> Id {
        let Some(object) = schema.object("ContentDocument") else {
            return Arc::from("");
        };
        let mut document = Draft::new(object);
        document.set("Title", title.clone());
        document.set("OwnerId", Value::Text(Arc::clone(&who.id)));
        document.set("IsArchived", Value::Bool(false));
        document.set("PublishStatus", Value::text("R"));
        document.set("FileType", Value::text(file_type));
        document.set("FileExtension", extension);
        document.set("ContentModifiedDate", self.stamp());
        let id = self.store_new(who, &mut document);
        self.link_document(who, schema, &id, &who.id, "I");
        id
    }

    fn add_version(&mut self, who: &User, schema: &Schema, version: &Version<'_>) -> Id {
        let Some(object) = schema.object("ContentVersion") else {
            return Arc::from("");
        };
        for other in self.versions_of(version.document) {
            self.set_computed(&other, &[("IsLatest", Value::Bool(false))]);
        }
        let size = content_size(&version.data);
        let mut draft = Draft::new(object);
        draft.set(
            "ContentDocumentId",
            Value::Text(Arc::clone(version.document)),
        );
        draft.set("Title", version.title.clone());
        draft.set("IsLatest", Value::Bool(true));
        draft.set("ContentLocation", Value::text("S"));
        draft.set("VersionNumber", Value::text(version.number.to_string()));
        draft.set("FileType", Value::text(version.file_type));
        draft.set("FileExtension", version.extension.clone());
        draft.set("ContentSize", size.clone());
        draft.set("VersionData", version.data.clone());
        if version.file_type == NOTE_TYPE {
            draft.set("TextPreview", note::preview(&version.data));
        }
        draft.set("OwnerId", Value::Text(Arc::clone(&who.id)));
        let id = self.store_new(who, &mut draft);
        self.set_computed(
            version.document,
            &[
                ("LatestPublishedVersionId", Value::Text(Arc::clone(&id))),
                ("Title", version.title.clone()),
                ("ContentSize", size),
                ("ContentModifiedDate", self.stamp()),
            ],
        );
        id
    }

    fn link_document(&mut self, who: &User, schema: &Schema, document: &Id, to: &Id, share: &str) {
        let Some(object) = schema.object("ContentDocumentLink") else {
            return;
        };
        let mut link = Draft::new(object);
        link.set("ContentDocumentId", Value::Text(Arc::clone(document)));
        link.set("LinkedEntityId", Value::Text(Arc::clone(to)));
        link.set("ShareType", Value::text(share));
        link.set("Visibility", Value::text("AllUsers"));
        self.store_new(who, &mut link);
    }

    /// The ids of a document's versions, oldest first.
    fn versions_of(&self, document: &str) -> Vec<Id> {
        let Some(object) = self.schema.object("ContentVersion") else {
            return Vec::new();
        };
        let Some(column) = object.column("ContentDocumentId") else {
            return Vec::new();
        };
        self.table(object)
            .find(column, &Value::text(document))
            .into_iter()
            .filter(|row| !row.is_deleted())
            .map(crate::table::Row::shared_id)
            .collect()
    }
}

fn describe_note(draft: &mut Draft<'_>, version: &Id) {
    draft.set("TextPreview", note::preview(draft.get("Content")));
    draft.set("ContentSize", content_size(draft.get("Content")));
    draft.set("LatestPublishedVersionId", Value::Text(Arc::clone(version)));
    draft.set("LatestContentId", Value::Text(Arc::clone(version)));
    draft.set("IsReadOnly", Value::Bool(false));
}

fn content_size(data: &Value) -> Value {
    let bytes = data.as_blob().map_or(0, |bytes| bytes.len());
    Value::Int(i64::try_from(bytes).unwrap_or(i64::MAX))
}
