//! What tests choose of the event bus: which objects are told of, and what goes
//! wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};

/// The switches behind the bus's lock.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    /// The objects whose changes are told of, as the schema spells them.
    pub(crate) selected: BTreeSet<String>,
    /// Of these only gaps are told.
    pub(crate) gaps: BTreeSet<String>,
    /// Channels by name, with the events that each carries.
    pub(crate) channels: HashMap<String, Vec<String>>,
    /// By object, how often its schema id was renewed.
    pub(crate) editions: BTreeMap<String, u32>,
    /// How the next streams end, one each.
    pub(crate) breaks: VecDeque<StreamBreak>,
    /// Counts the orders to end all streams.
    pub(crate) ended: u64,
    /// How the last order wants them to end.
    pub(crate) how_ended: StreamBreak,
}

/// What of the event bus is to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventSwitches {
    /// The objects whose changes are told of.
    pub objects: Option<Vec<String>>,
    /// Objects of whose changes only gaps are told.
    pub gaps: Option<Vec<String>>,
    /// How long events of later commits stay out of sight, on the org's clock.
    pub delay_ms: Option<i64>,
    /// Keeps later events out of sight until it is false again.
    pub hold: Option<bool>,
    /// Events that subscribers may get in 24 hours, all together.
    pub deliveries_max: Option<u64>,
    /// Events that count as delivered.
    pub deliveries_used: Option<u64>,
}

/// A gap event that no write has made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GapEvent {
    /// The object.
    pub object: String,
    /// What happened: `CREATE`, `UPDATE`, `DELETE`, `UNDELETE` or `OVERFLOW`.
    pub change: String,
    /// The records, or one id with `*` for all that begin so. Of an overflow
    /// none are named.
    #[serde(default)]
    pub ids: Vec<String>,
}

/// How a stream of events is broken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamBreak {
    /// After so many events.
    pub after_events: u64,
    /// Closes the connection, with all of its streams, instead of ending the one
    /// with an error.
    pub reset: bool,
}

/// A switch that cannot be set so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadEvents(pub(crate) String);

impl fmt::Display for BadEvents {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for BadEvents {}
