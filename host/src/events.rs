//! What happens in an org, as plain values: changes of records, messages, and the
//! checkpoints between them. The same for every connector.

mod contract;

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::Error;

pub(crate) use contract::{Flaw, delivery, events, sources};

/// The longest checkpoint, in bytes. The contract promises it.
const MAX_CHECKPOINT_BYTES: usize = 4 * 1024;

/// Bytes of a checkpoint that are shown to tell it from others.
const SHOWN_BYTES: usize = 8;

/// How to subscribe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Where to begin.
    pub start: Start,
    /// The connector's name of the way to hear of events; `None` leaves the choice
    /// to the connector. A name that it does not know is refused with the list of
    /// those that it knows.
    pub way: Option<String>,
}

/// Where a subscription begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With what happens from now on.
    #[default]
    Newest,
    /// With the oldest event that the product still keeps.
    Oldest,
    /// Behind everything that was delivered up to this checkpoint. It goes with
    /// the sources whose delivery has given it.
    After(Checkpoint),
}

/// A place among the events of a subscription, which only its connector can read.
///
/// Serialises as text in base64, as [`fmt::Display`] shows it and [`FromStr`]
/// reads it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Checkpoint(Bytes);

impl Checkpoint {
    /// Takes the bytes of a checkpoint that was kept.
    ///
    /// # Errors
    /// [`Error::Input`] if there are none, or more than 4 KiB.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        let bytes = bytes.into();
        match bytes.len() {
            1..=MAX_CHECKPOINT_BYTES => Ok(Self(bytes)),
            length => Err(Error::Input(format!(
                "a checkpoint has 1 to {MAX_CHECKPOINT_BYTES} bytes, not {length}"
            ))),
        }
    }

    /// Its bytes, at most 4 KiB.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.0))
    }
}

impl fmt::Debug for Checkpoint {
    /// Shows its beginning only: what else is in it is the connector's affair.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checkpoint({} bytes: ", self.0.len())?;
        for byte in self.0.iter().take(SHOWN_BYTES) {
            write!(f, "{byte:02x}")?;
        }
        let rest = if self.0.len() > SHOWN_BYTES {
            "…"
        } else {
            ""
        };
        write!(f, "{rest})")
    }
}

impl FromStr for Checkpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = BASE64.decode(text).map_err(|_| {
            Error::Input("a checkpoint is text in base64, whole as it was given".to_owned())
        })?;
        Self::from_bytes(bytes)
    }
}

impl Serialize for Checkpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Checkpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What came at one time.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// What happened, in the product's order; at most 1,000, and none if only the
    /// checkpoint moves on.
    pub events: Vec<Event>,
    /// The place behind these events. Keep it once all their effects are durable,
    /// best in the same transaction: a subscription after it brings none of them
    /// again, and one after an older checkpoint brings all.
    pub checkpoint: Checkpoint,
}

/// Something that happened in an org.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Records changed, and how.
    Change(Change),
    /// Records changed, and the product does not tell how: read them.
    Stale(Stale),
    /// Something that the org itself defines and publishes.
    Message(Message),
}

impl Event {
    /// The same for the same event however often it is delivered, at most 128
    /// bytes: what to keep so that nothing is done twice.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Change(change) => &change.id,
            Self::Stale(stale) => &stale.id,
            Self::Message(message) => &message.id,
        }
    }
}

/// What happened to records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// They are new.
    Created,
    /// Some of their fields have other values.
    Updated,
    /// They are gone.
    Deleted,
    /// They were deleted, and are there again.
    Undeleted,
}

impl ChangeKind {
    /// The kind as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Undeleted => "undeleted",
        }
    }
}

/// A change of records.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// See [`Event::id`].
    pub id: String,
    /// The object of the records.
    pub object: String,
    /// The records, mostly one and never none: equal changes of one transaction
    /// can come as one.
    pub record_ids: Vec<String>,
    /// What happened.
    pub kind: ChangeKind,
    /// A JSON object with the fields that changed and their values after the
    /// change, `null` for what was emptied; of records that are new or there again
    /// all that have a value, of deleted ones none.
    pub fields: Box<RawValue>,
    /// When it was committed, in milliseconds since 1970-01-01T00:00:00Z.
    pub committed_ms: u64,
    /// What all changes of one transaction have in common, if the product tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// The id of the product's user who did it, if the product tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// It came through this connector, so it may be the echo of a write of ours.
    /// The org may have changed more on the way than was written.
    pub own: bool,
}

/// Records of which only this is known: something happened to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// See [`Event::id`].
    pub id: String,
    /// Their object.
    pub object: String,
    /// The records; none means that any of the object may have changed, or be
    /// gone: read all of them anew.
    pub record_ids: Vec<String>,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub committed_ms: u64,
}

/// Something that the org itself defines and publishes.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// See [`Event::id`].
    pub id: String,
    /// The name of the kind of message.
    pub name: String,
    /// A JSON object with its fields.
    pub payload: Box<RawValue>,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub published_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_text_outside_and_only_begun_in_debug_output() {
        let checkpoint = Checkpoint::from_bytes(&b"\x00\xffreplay id 4711"[..]).unwrap();
        let text = serde_json::to_string(&checkpoint).unwrap();
        assert_eq!(text, format!("\"{checkpoint}\""));
        let read: Checkpoint = serde_json::from_str(&text).unwrap();
        assert_eq!(read, checkpoint);
        assert_eq!(checkpoint.to_string().parse::<Checkpoint>().unwrap(), read);
        let shown = format!("{checkpoint:?}");
        assert_eq!(shown, "Checkpoint(16 bytes: 00ff7265706c6179…)");
    }

    #[test]
    fn what_is_no_checkpoint_is_refused_with_the_reason() {
        assert!(Checkpoint::from_bytes(vec![0; MAX_CHECKPOINT_BYTES]).is_ok());
        let long = Checkpoint::from_bytes(vec![0; MAX_CHECKPOINT_BYTES + 1]).unwrap_err();
        assert_eq!(
            long.to_string(),
            "a checkpoint has 1 to 4096 bytes, not 4097"
        );
        // What `--from` takes besides must never be one.
        for text in ["", "newest", "oldest", "AAA", "AAA=\n", "AA==AA=="] {
            let outcome = text.parse::<Checkpoint>();
            assert!(matches!(outcome, Err(Error::Input(_))), "{text:?}");
        }
    }

    #[test]
    fn an_event_serialises_flat_with_its_fields_as_they_came() {
        let change = Event::Change(Change {
            id: "e-1".to_owned(),
            object: "Contact".to_owned(),
            record_ids: vec!["003".to_owned()],
            kind: ChangeKind::Updated,
            fields: RawValue::from_string(r#"{"B":1.10,"A":null}"#.to_owned()).unwrap(),
            committed_ms: 1_700_000_000_000,
            transaction: None,
            user: None,
            own: true,
        });
        assert_eq!(
            serde_json::to_string(&change).unwrap(),
            r#"{"event":"change","id":"e-1","object":"Contact","record_ids":["003"],"kind":"updated","fields":{"B":1.10,"A":null},"committed_ms":1700000000000,"own":true}"#
        );
    }
}
