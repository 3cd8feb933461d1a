//! What every backend must do, as tests against the trait.
//!
//! A backend runs all of it with one call of [`run`], and so cannot forget a
//! case. Each case gets a place of its own, which it can open more than once:
//! what is opened twice shares its data, as two processes would.

mod authorizations;
mod connections;
mod ledger;
mod queues;
mod secrets;
mod values;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{
    ConnectionKey, ConnectionRecord, ConnectionState, Flow, Scope, Sealed, Store, StoreError,
};
use crate::grant::{ConnectionGrants, Grant, GrantChange, Grants};
use crate::ledger::Reserve;

/// Opens a case's place; each time anew.
#[derive(Clone)]
pub(crate) struct Place(
    pub(crate) Arc<dyn Fn() -> BoxFuture<'static, Arc<dyn Store>> + Send + Sync>,
);

impl Place {
    async fn open(&self) -> Arc<dyn Store> {
        (self.0)().await
    }
}

/// One promise: the sentence, and what shows it.
type Case = (&'static str, fn(Place) -> BoxFuture<'static, ()>);

/// Makes a case of a sentence and an async function.
macro_rules! case {
    ($name:ident) => {
        (stringify!($name), |place| Box::pin($name(place)))
    };
}
use case;

/// Runs every case in a place that `fresh` makes, and fails with the sentences
/// that do not hold.
pub(crate) async fn run(fresh: impl Fn() -> Place) {
    let cases = [
        connections::CASES,
        secrets::CASES,
        authorizations::CASES,
        values::CASES,
        ledger::CASES,
        queues::CASES,
    ];
    let mut failed = Vec::new();
    let mut held = 0;
    for (sentence, show) in cases.concat() {
        match tokio::spawn(show(fresh())).await {
            Ok(()) => held += 1,
            Err(_) => failed.push(sentence),
        }
    }
    assert!(
        failed.is_empty(),
        "{held} promises hold, these do not: {failed:#?}"
    );
}

fn key(tenant: &str, name: &str) -> ConnectionKey {
    ConnectionKey::new(tenant, name).unwrap()
}

/// A connection with every member set to something of its own.
pub(crate) fn record(tenant: &str, name: &str) -> ConnectionRecord {
    ConnectionRecord {
        key: key(tenant, name),
        package: "some-connector".to_owned(),
        login_origin: "https://login.example.com".to_owned(),
        origin: Some("https://api.example.com".to_owned()),
        identity: Some("https://login.example.com/id/1".to_owned()),
        flow: Flow::JwtBearer,
        client_id: "client \u{1f512}".to_owned(),
        redirect_uri: Some("https://app.example.com/callback".to_owned()),
        scopes: vec!["api".to_owned(), "refresh_token".to_owned()],
        username: Some("someone@example.com".to_owned()),
        state: ConnectionState::NeedsReconnect {
            reason: "the grant was revoked".to_owned(),
        },
        settings: serde_json::json!({"z": 1, "a": [true, null, "x"]}),
        local_origins: vec!["http://127.0.0.1:8080".to_owned()],
        reserve: Reserve {
            max_share_percent: Some(80),
            keep_calls: Some(5_000),
            sync_leaves_percent: None,
            backfill_leaves_percent: Some(30),
        },
        grants: Some(ConnectionGrants::decided(
            &Grants::from([Grant::Http, Grant::Quota]),
            &Grants::from([Grant::Http]),
        )),
        created_ms: 1_700_000_000_000,
        updated_ms: 1_700_000_000_001,
    }
}

fn sealed(version: u64, bytes: &[u8]) -> Sealed {
    Sealed {
        version,
        bytes: bytes.to_owned(),
    }
}

fn scope(tenant: &str, name: &str, package: &str) -> Scope {
    Scope {
        connection: key(tenant, name),
        package: package.to_owned(),
    }
}

/// A store with these connections.
async fn with_connections(place: &Place, keys: &[(&str, &str)]) -> Arc<dyn Store> {
    let store = place.open().await;
    for (tenant, name) in keys {
        store
            .insert_connection(&record(tenant, name))
            .await
            .unwrap();
    }
    store
}

fn is_not_found<T>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::NotFound(_)))
}

/// The version that a refused compare-and-swap found.
fn conflict<T>(result: Result<T, StoreError>) -> Option<u64> {
    match result {
        Err(StoreError::Conflict { current }) => Some(current),
        _ => None,
    }
}
