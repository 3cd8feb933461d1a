//! From the contract's events to ours. What a guest gives is held against all that
//! the contract says of it before anything of a delivery reaches the app.

use serde_json::value::RawValue;

use super::{Change, ChangeKind, Checkpoint, Delivery, Event, Message, Stale, Start};
use crate::bindings::connector::exports::lockgate::connector::events as wit;
use crate::error::Error;
use crate::plain::is_forging;
use crate::records::bounded;

/// Sources of one subscription. The contract promises it.
const MAX_SOURCES: usize = 32;

/// Events of one delivery. The contract promises it.
const MAX_EVENTS: usize = 1_000;

/// The longest id of an event, in bytes. The contract promises it.
const MAX_EVENT_ID_BYTES: usize = 128;

/// The longest name, and the longest id of a record, a transaction or a user, in
/// bytes. The contract promises it; products take much less.
const MAX_NAME_BYTES: usize = 256;

/// The end of the year 9999 in milliseconds since 1970: a moment after it cannot
/// be written as a date.
const LAST_MS: u64 = 253_402_300_799_999;

/// What is wrong with a delivery, none of which is used then.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It is against the contract: the guest's fault.
    Broken(String),
    /// Its JSON is none, which most likely are the product's own bytes.
    NotUnderstood(String),
}

/// Holds sources against the contract, so that a guest may rely on it.
pub(crate) fn sources(sources: &[impl AsRef<str>]) -> Result<Vec<String>, Error> {
    let sources: Vec<&str> = sources.iter().map(AsRef::as_ref).collect();
    if !(1..=MAX_SOURCES).contains(&sources.len()) {
        return Err(Error::Input(format!(
            "a subscription is to 1 to {MAX_SOURCES} sources, not {}",
            sources.len()
        )));
    }
    for (at, source) in sources.iter().enumerate() {
        if !is_name(source, MAX_NAME_BYTES) {
            return Err(Error::Input(format!(
                "a source is a name of 1 to {MAX_NAME_BYTES} bytes, which `{}` is not",
                bounded(source)
            )));
        }
        if sources.iter().take(at).any(|other| other == source) {
            return Err(Error::Input(format!(
                "the source `{source}` is there twice"
            )));
        }
    }
    Ok(sources.iter().map(|&source| source.to_owned()).collect())
}

/// Takes a delivery over, whole or not at all.
pub(crate) fn delivery(delivery: wit::Delivery) -> Result<Delivery, Flaw> {
    let checkpoint = Checkpoint::from_bytes(delivery.checkpoint)
        .map_err(|error| Flaw::Broken(error.to_string()))?;
    Ok(Delivery {
        events: events(delivery.events)?,
        checkpoint,
    })
}

/// Takes events over that came at one time, all of them or none.
pub(crate) fn events(events: Vec<wit::Event>) -> Result<Vec<Event>, Flaw> {
    let n_events = events.len();
    if n_events > MAX_EVENTS {
        return Err(Flaw::Broken(format!(
            "{n_events} events are more than {MAX_EVENTS} at one time"
        )));
    }
    let events = events.into_iter().enumerate();
    let events = events.map(|(at, told)| event(told).map_err(|flaw| flaw.of_event(at)));
    events.collect()
}

fn event(event: wit::Event) -> Result<Event, Flaw> {
    Ok(match event {
        wit::Event::Change(change) => {
            if change.record_ids.is_empty() {
                return Err(Flaw::Broken("a change of no record".to_owned()));
            }
            Event::Change(Change {
                id: name("id", change.id, MAX_EVENT_ID_BYTES)?,
                object: name("object", change.object, MAX_NAME_BYTES)?,
                record_ids: record_ids(change.record_ids)?,
                kind: change.kind.into(),
                fields: object("fields", change.fields)?,
                committed_ms: moment(change.committed_ms)?,
                transaction: optional("transaction", change.transaction)?,
                user: optional("user", change.user)?,
                own: change.own,
            })
        }
        wit::Event::Stale(stale) => Event::Stale(Stale {
            id: name("id", stale.id, MAX_EVENT_ID_BYTES)?,
            object: name("object", stale.object, MAX_NAME_BYTES)?,
            record_ids: record_ids(stale.record_ids)?,
            committed_ms: moment(stale.committed_ms)?,
        }),
        wit::Event::Message(message) => Event::Message(Message {
            id: name("id", message.id, MAX_EVENT_ID_BYTES)?,
            name: name("name", message.name, MAX_NAME_BYTES)?,
            payload: object("payload", message.payload)?,
            published_ms: moment(message.published_ms)?,
        }),
    })
}

/// A text that names something. It goes into logs, keys and on to terminals, and
/// changing it would make another name of it.
fn name(what: &str, text: String, max_bytes: usize) -> Result<String, Flaw> {
    if is_name(&text, max_bytes) {
        Ok(text)
    } else {
        Err(Flaw::Broken(format!(
            "its {what} is not 1 to {max_bytes} bytes of plain text: `{}`",
            bounded(&text)
        )))
    }
}

fn is_name(text: &str, max_bytes: usize) -> bool {
    (1..=max_bytes).contains(&text.len()) && !text.chars().any(is_forging)
}

fn optional(what: &str, text: Option<String>) -> Result<Option<String>, Flaw> {
    text.map(|text| name(what, text, MAX_NAME_BYTES))
        .transpose()
}

fn record_ids(ids: Vec<String>) -> Result<Vec<String>, Flaw> {
    let ids = ids.into_iter();
    ids.map(|id| name("record id", id, MAX_NAME_BYTES))
        .collect()
}

fn moment(ms: u64) -> Result<u64, Flaw> {
    if ms > LAST_MS {
        return Err(Flaw::Broken(format!(
            "{ms} ms since 1970 are after the year 9999"
        )));
    }
    Ok(ms)
}

fn object(what: &str, json: Vec<u8>) -> Result<Box<RawValue>, Flaw> {
    let wrong = |why: String| Flaw::NotUnderstood(format!("its {what} are no JSON object: {why}"));
    let text = String::from_utf8(json).map_err(|error| wrong(error.to_string()))?;
    let value = RawValue::from_string(text).map_err(|error| wrong(error.to_string()))?;
    if !value.get().starts_with('{') {
        return Err(wrong("it is another value".to_owned()));
    }
    Ok(value)
}

impl Flaw {
    fn of_event(self, at: usize) -> Self {
        let place = |what: String| format!("event {at}: {what}");
        match self {
            Self::Broken(what) => Self::Broken(place(what)),
            Self::NotUnderstood(what) => Self::NotUnderstood(place(what)),
        }
    }
}

impl From<wit::ChangeKind> for ChangeKind {
    fn from(kind: wit::ChangeKind) -> Self {
        match kind {
            wit::ChangeKind::Created => Self::Created,
            wit::ChangeKind::Updated => Self::Updated,
            wit::ChangeKind::Deleted => Self::Deleted,
            wit::ChangeKind::Undeleted => Self::Undeleted,
        }
    }
}

impl From<Start> for wit::Start {
    fn from(start: Start) -> Self {
        match start {
            Start::Newest => Self::Newest,
            Start::Oldest => Self::Oldest,
            Start::After(checkpoint) => Self::After(checkpoint.as_bytes().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_some_names_and_none_of_them_twice() {
        assert_eq!(sources(&["Account", "Contact"]).unwrap().len(), 2);
        let many: Vec<String> = (0..=MAX_SOURCES).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (wrong, told) in [
            (&[][..], "1 to 32 sources, not 0"),
            (&many, "1 to 32 sources, not 33"),
            (&["Account", ""], "which `` is not"),
            (&["a\u{1b}[2J"], "which `a\\u{1b}[2J` is not"),
            (&["Lead", "Account", "Lead"], "`Lead` is there twice"),
        ] {
            let error = sources(wrong).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert!(sources(&["x".repeat(MAX_NAME_BYTES + 1).as_str()]).is_err());
    }
}
