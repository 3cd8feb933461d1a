//! A connection as people and programs see it. No secret is among what the host
//! gives, so none can be shown.

use anyhow::Result;
use lockgate::{ConnectionRecord, ConnectionState};
use serde_json::{Value as Json, json};

use crate::args::Shape;
use crate::output;

/// `ready`, `pending` or `needs-reconnect`.
pub(super) fn state(record: &ConnectionRecord) -> &'static str {
    match record.state {
        ConnectionState::Pending => "pending",
        ConnectionState::Ready => "ready",
        ConnectionState::NeedsReconnect { .. } => "needs-reconnect",
    }
}

/// Why a person is needed, if one is.
pub(super) fn reason(record: &ConnectionRecord) -> Option<&str> {
    match &record.state {
        ConnectionState::NeedsReconnect { reason } => Some(reason),
        _ => None,
    }
}

pub(super) fn json(record: &ConnectionRecord) -> Json {
    json!({
        "tenant": record.key.tenant(),
        "name": record.key.name(),
        "connector": record.package,
        "state": state(record),
        "reason": reason(record),
        "flow": record.flow.name(),
        "login_origin": record.login_origin,
        "origin": record.origin,
        "identity": record.identity,
        "client_id": record.client_id,
        "redirect_uri": record.redirect_uri,
        "username": record.username,
        "scopes": record.scopes,
        "settings": record.settings,
        "reserve": record.reserve,
        "grants": record.grants.as_ref().map(|grants| &grants.given),
        "refused": record.grants.as_ref().map(|grants| &grants.refused),
        "created_ms": record.created_ms,
        "updated_ms": record.updated_ms,
    })
}

/// Tells what was done with a connection.
pub(super) fn told(record: &ConnectionRecord, shape: Shape, what: &str) -> Result<()> {
    if shape.is_json() {
        return output::json(&json(record));
    }
    let origin = record.origin.as_deref().unwrap_or(&record.login_origin);
    output::line(&format!("{} {what}: {origin}", record.key))
}
