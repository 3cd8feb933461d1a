//! How what a store keeps stands in columns, the same in every backend.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ConnectionState, Flow, StoreError, VALUE_OVERHEAD_BYTES};
use crate::grant::{ConnectionGrants, GrantChange};

/// A number for a column. Databases have 63 bits; no count or time of ours comes near.
pub(super) fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number from a column, never written negative.
pub(super) fn number(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// How often something was tried, from a column.
pub(super) fn tries(column: i64) -> u32 {
    u32::try_from(column).unwrap_or(u32::MAX)
}

/// The two columns of a state.
pub(super) fn of_state(state: &ConnectionState) -> (&'static str, Option<&str>) {
    match state {
        ConnectionState::Pending => ("pending", None),
        ConnectionState::Ready => ("ready", None),
        ConnectionState::NeedsReconnect { reason } => ("needs-reconnect", Some(reason)),
    }
}

pub(super) fn state(name: &str, reason: Option<String>) -> Option<ConnectionState> {
    match name {
        "pending" => Some(ConnectionState::Pending),
        "ready" => Some(ConnectionState::Ready),
        "needs-reconnect" => Some(ConnectionState::NeedsReconnect {
            reason: reason.unwrap_or_default(),
        }),
        _ => None,
    }
}

pub(super) fn flow(name: &str) -> Option<Flow> {
    Flow::ALL.into_iter().find(|flow| flow.name() == name)
}

/// What has members of its own stands as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Backend {
        doing: "write JSON",
        source: source.into(),
    })
}

pub(super) fn parsed<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// What is decided about grants after a change.
pub(super) fn changed_grants(
    known: Option<ConnectionGrants>,
    change: &GrantChange,
) -> ConnectionGrants {
    let known = known.unwrap_or_else(|| ConnectionGrants::decided(&change.before, &change.before));
    known.changed(change)
}

/// What a value costs of its package's share.
pub(super) const fn size_of_value(key: &str, len: u64) -> u64 {
    key.len() as u64 + len + VALUE_OVERHEAD_BYTES
}
