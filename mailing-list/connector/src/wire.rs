//! The service's JSON.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A JSON object, in the order in which it came.
pub(crate) type Fields = Map<String, Value>;

/// A page of members, or what a search found.
#[derive(Debug, Deserialize)]
pub(crate) struct Members {
    pub(crate) members: Vec<Fields>,
    /// The id to go on behind.
    #[serde(default)]
    pub(crate) next: Option<String>,
}

/// What became of a batch, one result for each member, in their order.
#[derive(Debug, Deserialize)]
pub(crate) struct Batch {
    pub(crate) results: Vec<Written>,
}

/// What became of one member.
#[derive(Debug, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub(crate) enum Written {
    Created { id: String },
    Updated { id: String },
    Deleted { id: String },
    Failed { error: Refusal },
}

/// What happened behind a cursor.
#[derive(Debug, Deserialize)]
pub(crate) struct Changes {
    pub(crate) changes: Vec<Change>,
    pub(crate) cursor: String,
}

/// Something that happened to a member.
#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) member: String,
    pub(crate) fields: Fields,
    pub(crate) at_ms: u64,
    pub(crate) own: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Created,
    Updated,
    Deleted,
}

/// An answer that is no success.
#[derive(Debug, Deserialize)]
pub(crate) struct Refused {
    pub(crate) error: Refusal,
}

/// Why the service refuses.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) field: Option<String>,
    /// The member that is in the way.
    #[serde(default)]
    pub(crate) id: Option<String>,
}
