//! Records as a look at an object gives them.

use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::bindings::exports::lockgate::connector::events::{Change, ChangeKind};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::events::value::{self, Kind};
use crate::fault::unexpected;
use crate::soql;
use crate::wire::{self, Members, push_text};

/// One record.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) stamp_ms: u64,
    created_ms: Option<u64>,
    modified_by: Option<String>,
    /// Its fields in their order, values as JSON.
    fields: Vec<(String, Box<RawValue>)>,
}

/// Reads the records of a page.
pub(super) fn read(records: &[u8]) -> Result<Vec<Row>, Error> {
    let records: Vec<&RawValue> =
        wire::read(records).ok_or_else(|| unexpected("a page of records"))?;
    let rows: Option<Vec<Row>> = records.into_iter().map(Row::read).collect();
    rows.ok_or_else(|| unexpected("records with Id and SystemModstamp"))
}

impl Row {
    fn read(raw: &RawValue) -> Option<Self> {
        let members = Members::of(raw)?;
        let text = |name: &str| Some(wire::text(members.get(name)?)?.into_owned());
        let time = |name: &str| moment(&text(name)?);
        let fields = members.0.iter().filter(|(name, _)| name != "attributes");
        Some(Self {
            id: text("Id")?,
            stamp_ms: time("SystemModstamp")?,
            created_ms: time("CreatedDate"),
            modified_by: text("LastModifiedById"),
            fields: fields
                .map(|(name, value)| (name.clone().into_owned(), (*value).to_owned()))
                .collect(),
        })
    }

    /// The change that led to it. What came after the newest record that was known
    /// is new.
    pub(super) fn change(self, object: &str, known_ms: u64) -> Change {
        let is_new = self
            .created_ms
            .is_some_and(|created_ms| created_ms > known_ms || created_ms == self.stamp_ms);
        let mut fields = vec![b'{'];
        for (name, value) in &self.fields {
            if is_new && value.get() == "null" {
                continue;
            }
            if fields.len() > 1 {
                fields.push(b',');
            }
            push_text(&mut fields, name);
            fields.push(b':');
            fields.extend_from_slice(value.get().as_bytes());
        }
        fields.push(b'}');
        Change {
            id: format!("poll/{}/{}", self.id, self.stamp_ms),
            object: object.to_owned(),
            record_ids: vec![self.id],
            kind: if is_new {
                ChangeKind::Created
            } else {
                ChangeKind::Updated
            },
            fields,
            committed_ms: self.stamp_ms,
            transaction: None,
            user: self.modified_by,
            // Nobody tells by which client.
            own: false,
        }
    }
}

/// A moment as Salesforce writes it, in milliseconds since 1970.
pub(super) fn moment(text: &str) -> Option<u64> {
    let moment = OffsetDateTime::parse(&soql::moment(text)?, &Rfc3339).ok()?;
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

/// A moment as Salesforce reads it.
pub(super) fn text_of(ms: u64) -> String {
    let text = i64::try_from(ms)
        .ok()
        .and_then(|ms| value::moment(Kind::DateTime, ms));
    text.unwrap_or_default().replace("+0000", "Z")
}
