//! From events to what is sent: an id that stays the same, and a JSON body.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Endpoint;
use crate::error::Error;
use crate::events::{Change, ChangeKind, Event, Message, Stale};
use crate::store::{ConnectionKey, NewItem};
use crate::webhook;

/// The largest body, in bytes; receivers seldom take more. What goes beyond it is sent
/// without its fields, to be read.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A body as the specification recommends it.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    data: Data<'a>,
}

/// What a body tells. Each type has its members.
#[derive(Default, Serialize)]
struct Data<'a> {
    tenant: &'a str,
    connection: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_ids: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<&'a [String]>,
}

/// What is sent of a connection's events.
pub(super) struct Teller<'a> {
    pub(super) connection: &'a ConnectionKey,
    pub(super) endpoint: &'a Endpoint,
}

impl Teller<'_> {
    /// What is sent of an event; `None` of an own change that is not told.
    pub(super) fn event(&self, event: &Event) -> Result<Option<NewItem>, Error> {
        let bytes = match event {
            Event::Change(change) if change.own && !self.endpoint.tell_own => return Ok(None),
            Event::Change(change) => self.change(change)?,
            Event::Stale(stale) => self.stale(stale)?,
            Event::Message(message) => self.message(message)?,
        };
        let id = webhook_id(event.id());
        Ok(Some(NewItem { id, bytes }))
    }

    /// That events were missed.
    pub(super) fn missed(&self, now_ms: u64) -> Result<NewItem, Error> {
        let data = Data {
            sources: Some(&self.endpoint.sources),
            ..self.data()
        };
        Ok(NewItem {
            id: fresh_id("missed"),
            bytes: bytes("events.missed", now_ms, data)?,
        })
    }

    /// A test.
    pub(super) fn test(&self, now_ms: u64) -> Result<NewItem, Error> {
        Ok(NewItem {
            id: fresh_id("test"),
            bytes: bytes("webhook.test", now_ms, self.data())?,
        })
    }

    fn change(&self, change: &Change) -> Result<Vec<u8>, Error> {
        let kind = match change.kind {
            ChangeKind::Created => "record.created",
            ChangeKind::Updated => "record.updated",
            ChangeKind::Deleted => "record.deleted",
            ChangeKind::Undeleted => "record.undeleted",
        };
        let data = Data {
            object: Some(&change.object),
            record_ids: Some(&change.record_ids),
            fields: Some(&change.fields),
            own: Some(change.own),
            transaction: change.transaction.as_deref(),
            user: change.user.as_deref(),
            ..self.data()
        };
        let whole = bytes(kind, change.committed_ms, data)?;
        if whole.len() <= MAX_BODY_BYTES {
            return Ok(whole);
        }
        self.stale(&Stale {
            id: change.id.clone(),
            object: change.object.clone(),
            record_ids: change.record_ids.clone(),
            committed_ms: change.committed_ms,
        })
    }

    fn stale(&self, stale: &Stale) -> Result<Vec<u8>, Error> {
        let data = Data {
            object: Some(&stale.object),
            record_ids: Some(&stale.record_ids),
            ..self.data()
        };
        let whole = bytes("record.stale", stale.committed_ms, data)?;
        if whole.len() <= MAX_BODY_BYTES {
            return Ok(whole);
        }
        // Too many to name: all of the object.
        let data = Data {
            object: Some(&stale.object),
            record_ids: Some(&[]),
            ..self.data()
        };
        bytes("record.stale", stale.committed_ms, data)
    }

    fn message(&self, message: &Message) -> Result<Vec<u8>, Error> {
        let data = |payload| Data {
            name: Some(&message.name),
            payload: Some(payload),
            ..self.data()
        };
        let at_ms = message.published_ms;
        let whole = bytes("message.published", at_ms, data(&message.payload))?;
        if whole.len() <= MAX_BODY_BYTES {
            return Ok(whole);
        }
        bytes("message.published", at_ms, data(RawValue::NULL))
    }

    fn data(&self) -> Data<'_> {
        Data {
            tenant: self.connection.tenant(),
            connection: self.connection.name(),
            ..Data::default()
        }
    }
}

fn bytes(kind: &str, at_ms: u64, data: Data<'_>) -> Result<Vec<u8>, Error> {
    let body = Body {
        kind,
        timestamp: moment(at_ms)?,
        data,
    };
    serde_json::to_vec(&body).map_err(|error| Error::Input(format!("an event is no JSON: {error}")))
}

/// A moment as JSON has it, in UTC.
fn moment(at_ms: u64) -> Result<String, Error> {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000);
    let text = moment.ok().and_then(|moment| moment.format(&Rfc3339).ok());
    text.ok_or_else(|| Error::Input(format!("{at_ms} ms since 1970 is no moment of an event")))
}

/// The id of an event as the id of a webhook: the same if it can be one.
fn webhook_id(event_id: &str) -> String {
    if webhook::is_id(event_id) {
        return event_id.to_owned();
    }
    let mut id = "event_".to_owned();
    for byte in Sha256::digest(event_id.as_bytes()) {
        // Nothing can go wrong when text is written.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// An id for something that happens once. Without random bytes it is at least another
/// one than before a while ago.
fn fresh_id(kind: &str) -> String {
    let random = getrandom::u64().unwrap_or_else(|_| crate::capability::clock::now_ms());
    format!("{kind}_{random:016x}")
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;
    use crate::webhook::Secret;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn change(fields: &str) -> Change {
        Change {
            id: "e-1".to_owned(),
            object: "Contact".to_owned(),
            record_ids: vec!["003".to_owned()],
            kind: ChangeKind::Updated,
            fields: raw(fields),
            committed_ms: 1_700_000_000_250,
            transaction: Some("t-1".to_owned()),
            user: None,
            own: true,
        }
    }

    fn told(endpoint: &Endpoint, event: &Event) -> Option<(String, String)> {
        let teller = Teller {
            connection: &ConnectionKey::new("acme", "crm").unwrap(),
            endpoint,
        };
        let item = teller.event(event).unwrap()?;
        Some((item.id, String::from_utf8(item.bytes).unwrap()))
    }

    fn endpoint() -> Endpoint {
        let secret = Secret::generate().unwrap();
        Endpoint::new("app", "https://app.example.com/", secret, &["Contact"])
    }

    #[test]
    fn a_change_is_told_with_its_fields_as_they_came() {
        let event = Event::Change(change(r#"{"B":1.10,"A":null}"#));
        let (id, body) = told(&endpoint(), &event).unwrap();
        assert_eq!(id, "e-1");
        assert_eq!(
            body,
            r#"{"type":"record.updated","timestamp":"2023-11-14T22:13:20.25Z","data":{"tenant":"acme","connection":"crm","object":"Contact","record_ids":["003"],"fields":{"B":1.10,"A":null},"own":true,"transaction":"t-1"}}"#
        );
    }

    #[test]
    fn each_kind_of_event_has_its_type() {
        let message = Message {
            id: "m-1".to_owned(),
            name: "Order_Event__e".to_owned(),
            payload: raw(r#"{"No":7}"#),
            published_ms: 0,
        };
        let (_, body) = told(&endpoint(), &Event::Message(message)).unwrap();
        assert_eq!(
            body,
            r#"{"type":"message.published","timestamp":"1970-01-01T00:00:00Z","data":{"tenant":"acme","connection":"crm","name":"Order_Event__e","payload":{"No":7}}}"#
        );
        for (kind, name) in [
            (ChangeKind::Created, "record.created"),
            (ChangeKind::Deleted, "record.deleted"),
            (ChangeKind::Undeleted, "record.undeleted"),
        ] {
            let change = Change {
                kind,
                ..change("{}")
            };
            let (_, body) = told(&endpoint(), &Event::Change(change)).unwrap();
            let body: Json = serde_json::from_str(&body).unwrap();
            assert_eq!(body["type"], name);
        }
    }

    #[test]
    fn own_changes_are_left_out_if_they_are_not_to_be_told() {
        let quiet = Endpoint {
            tell_own: false,
            ..endpoint()
        };
        assert_eq!(told(&quiet, &Event::Change(change("{}"))), None);
        let theirs = Change {
            own: false,
            ..change("{}")
        };
        assert!(told(&quiet, &Event::Change(theirs)).is_some());
    }

    #[test]
    fn what_is_too_large_is_told_without_its_fields() {
        let text = "x".repeat(MAX_BODY_BYTES);
        let event = Event::Change(change(&format!(r#"{{"Notes":"{text}"}}"#)));
        let (_, body) = told(&endpoint(), &event).unwrap();
        let body: Json = serde_json::from_str(&body).unwrap();
        assert_eq!(body["type"], "record.stale");
        assert_eq!(body["data"]["record_ids"][0], "003");
        let many = Event::Stale(Stale {
            id: "s-1".to_owned(),
            object: "Contact".to_owned(),
            record_ids: vec![text.clone()],
            committed_ms: 1,
        });
        let (_, body) = told(&endpoint(), &many).unwrap();
        let body: Json = serde_json::from_str(&body).unwrap();
        assert_eq!(body["data"]["record_ids"], serde_json::json!([]));
        let message = Event::Message(Message {
            id: "m-1".to_owned(),
            name: "Large__e".to_owned(),
            payload: raw(&format!("\"{text}\"")),
            published_ms: 0,
        });
        let (_, body) = told(&endpoint(), &message).unwrap();
        assert!(body.ends_with(r#""name":"Large__e","payload":null}}"#));
    }

    #[test]
    fn an_id_that_cannot_be_signed_becomes_one_that_can_and_stays_the_same() {
        assert_eq!(webhook_id("gone/003/17"), "gone/003/17");
        let id = webhook_id("1.2 ä");
        assert!(webhook::is_id(&id) && id.starts_with("event_"), "{id}");
        assert_eq!(webhook_id("1.2 ä"), id);
        assert_ne!(webhook_id("1.3 ä"), id);
        assert_ne!(fresh_id("test"), fresh_id("test"));
        assert!(webhook::is_id(&fresh_id("missed")));
    }
}
