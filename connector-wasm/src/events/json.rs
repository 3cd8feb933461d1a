//! Events in JSON, as CometD carries them: only what an event tells of stands in
//! it, and times are texts.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::change::{Fields, Header};
use super::datum::{Object, Read};
use super::layout::{HEADER, part_name};
use super::value::{self, Kind};
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::events::{ChangeKind, Event, Message};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::describe::{Age, described};
use crate::fault::unexpected;
use crate::host::Host;
use crate::soql;
use crate::wire::{self, Members, push_text};

/// One event.
#[derive(Debug, Deserialize)]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    payload: &'a RawValue,
    #[serde(borrow)]
    event: About<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct About<'a> {
    #[serde(borrow)]
    replay_id: &'a RawValue,
    #[serde(default, rename = "EventUuid")]
    uuid: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeaderWire {
    entity_name: String,
    record_ids: Vec<String>,
    change_type: String,
    #[serde(default)]
    change_origin: String,
    #[serde(default)]
    transaction_key: String,
    #[serde(default)]
    sequence_number: i64,
    commit_timestamp: u64,
    #[serde(default)]
    commit_user: String,
}

impl Data<'_> {
    /// Its place, as a number in digits.
    pub(super) fn replay_id(&self) -> String {
        self.event.replay_id.get().trim_matches('"').to_owned()
    }
}

/// What is known of the fields of a channel's events: which are moments, object by
/// object.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<String, BTreeMap<String, Kind>>);

impl Told {
    /// The events of one that came on a channel.
    pub(super) async fn events<H: Host>(
        &mut self,
        api: &Api<H>,
        channel: &str,
        data: &Data<'_>,
    ) -> Result<Read, Error> {
        let none = || unexpected("an event in JSON");
        let members = Members::of(data.payload).ok_or_else(none)?;
        let Some(header) = members.get(HEADER) else {
            let (_, name) = channel.rsplit_once('/').ok_or_else(none)?;
            let kinds = self.kinds(api, name).await;
            let id = data.event.uuid.clone();
            let id = id.unwrap_or_else(|| format!("{name}/{}", data.replay_id()));
            return message(name, id, &members, kinds).ok_or_else(none);
        };
        let wire: HeaderWire = wire::read(header.get().as_bytes()).ok_or_else(none)?;
        let kinds = self.kinds(api, &wire.entity_name).await;
        let header = Header {
            object: wire.entity_name,
            ids: wire.record_ids,
            kind: wire.change_type,
            origin: wire.change_origin,
            transaction: wire.transaction_key,
            sequence: wire.sequence_number,
            committed_ms: wire.commit_timestamp,
            user: wire.commit_user,
        };
        let fields = header.change().map(|change| Fields {
            json: fields(&members, change, kinds),
            in_part: false,
        });
        Ok(Read {
            object: Some(header.object.clone()),
            committed_ms: header.committed_ms,
            events: header.events("", api.settings.client(), fields),
        })
    }

    /// The kinds of an object's fields; none if it cannot be described, and then
    /// moments are told as they came.
    async fn kinds<H: Host>(&mut self, api: &Api<H>, object: &str) -> &BTreeMap<String, Kind> {
        if !self.0.contains_key(object) {
            let kinds = match described(api, object, Age::Recent).await {
                Ok((description, _)) => description
                    .fields
                    .into_iter()
                    .map(|field| (field.name, Kind::described(&field.kind)))
                    .collect(),
                Err(_) => BTreeMap::new(),
            };
            self.0.insert(object.to_owned(), kinds);
        }
        self.0.entry(object.to_owned()).or_default()
    }
}

fn message(
    name: &str,
    id: String,
    members: &Members<'_>,
    kinds: &BTreeMap<String, Kind>,
) -> Option<Read> {
    let published = wire::text(members.get("CreatedDate")?)?;
    let published_ms = u64::try_from(milliseconds(&published)?).ok()?;
    let mut payload = Object::default();
    for (name, value) in &members.0 {
        payload.member(name, |out| push(out, kinds.get(name.as_ref()), value));
    }
    Some(Read {
        object: None,
        committed_ms: published_ms,
        events: vec![Event::Message(Message {
            id,
            name: name.to_owned(),
            payload: payload.end(),
            published_ms,
        })],
    })
}

/// The fields of a change: of an update all that stand there, emptied ones too.
fn fields(members: &Members<'_>, change: ChangeKind, kinds: &BTreeMap<String, Kind>) -> Vec<u8> {
    let mut object = Object::default();
    let mut tell = |name: &str, value: &RawValue| {
        if change == ChangeKind::Updated || value.get() != "null" {
            object.member(name, |out| push(out, kinds.get(name), value));
        }
    };
    let is_told = change != ChangeKind::Deleted;
    let fields = members
        .0
        .iter()
        .filter(|(name, _)| is_told && name != HEADER);
    for (name, value) in fields {
        // Only compound fields are objects. Persons have their names in parts.
        let record = if name == "Name" {
            "PersonName"
        } else {
            "Address"
        };
        match Members::of(value) {
            Some(parts) => {
                for (part, value) in parts.0 {
                    tell(&part_name(name, record, &part), value);
                }
            }
            None => tell(name, value),
        }
    }
    object.end()
}

/// Appends a value, moments in the words of REST.
fn push(out: &mut Vec<u8>, kind: Option<&Kind>, value: &RawValue) {
    if kind == Some(&Kind::DateTime)
        && let Some(text) = wire::text(value)
        && let Some(text) = milliseconds(&text).and_then(|ms| value::moment(Kind::DateTime, ms))
    {
        return push_text(out, &text);
    }
    out.extend_from_slice(value.get().as_bytes());
}

/// A moment in milliseconds since 1970.
fn milliseconds(text: &str) -> Option<i64> {
    let moment = OffsetDateTime::parse(&soql::moment(text)?, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}
