//! Interface `storage`: a package's own values for one connection, over the
//! host's store. Whose they are is never an argument.

use std::sync::Arc;

use wasmtime::component::Accessor;

use super::clock::now_ms;
use crate::bindings::contract::storage as wit;
use crate::grant::Grant;
use crate::guest::HostFault;
use crate::limits::Limits;
use crate::rehearsal::{Expect, Rehearsal};
use crate::state::{ConnectorHost, ConnectorState};
use crate::store::{Scope, Store, StoreError};

/// The longest key in bytes. The contract promises it.
const MAX_KEY_BYTES: usize = 256;

/// How long a guest should wait when the store is busy.
const BUSY_RETRY_MS: u64 = 200;

/// Where values are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// There is nothing to keep: no call reaches a store.
    Nowhere,
    Store(Arc<dyn Store>),
    Rehearsal(Rehearsal),
}

/// The storage of one call. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    place: Place,
    /// Values that the guest has read, and lists of keys.
    pub(crate) reads: u64,
    /// Values that it has written or removed.
    pub(crate) writes: u64,
    scope: Arc<Scope>,
    value_bytes: u64,
    total_bytes: u64,
}

impl Storage {
    pub(crate) fn new(place: Place, scope: Scope, limits: &Limits) -> Self {
        Self {
            place,
            reads: 0,
            writes: 0,
            scope: Arc::new(scope),
            value_bytes: limits.storage_value_bytes,
            total_bytes: limits.storage_total_bytes,
        }
    }

    async fn get(&self, key: &str) -> Outcome<Option<wit::Entry>> {
        check_key(key)?;
        let value = match &self.place {
            Place::Store(store) => store.value_get(&self.scope, key).await?,
            Place::Rehearsal(rehearsal) => rehearsal.stored().get(key),
            Place::Nowhere => return Err(closed()),
        };
        Ok(value.map(|value| wit::Entry {
            value: value.bytes,
            version: value.version,
        }))
    }

    async fn put(&self, key: &str, value: &[u8]) -> Outcome<u64> {
        self.check(key, value)?;
        let limit = self.total_bytes;
        Ok(match &self.place {
            Place::Store(store) => store.value_put(&self.scope, key, value, limit).await?,
            Place::Rehearsal(rehearsal) => {
                rehearsal
                    .stored()
                    .put(key, Expect::Anything, value, limit)?
            }
            Place::Nowhere => return Err(closed()),
        })
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<u64>,
        value: &[u8],
    ) -> Outcome<u64> {
        self.check(key, value)?;
        let (scope, limit) = (&self.scope, self.total_bytes);
        Ok(match &self.place {
            Place::Store(store) => {
                let swapped = store.value_compare_and_swap(scope, key, expected, value, limit);
                swapped.await?
            }
            Place::Rehearsal(rehearsal) => {
                let expect = Expect::Version(expected.unwrap_or(0));
                rehearsal.stored().put(key, expect, value, limit)?
            }
            Place::Nowhere => return Err(closed()),
        })
    }

    async fn delete(&self, key: &str) -> Outcome<()> {
        check_key(key)?;
        match &self.place {
            Place::Store(store) => {
                store.value_delete(&self.scope, key).await?;
            }
            Place::Rehearsal(rehearsal) => rehearsal.stored().delete(key),
            Place::Nowhere => return Err(closed()),
        }
        Ok(())
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Outcome<wit::KeyPage> {
        if !prefix.is_empty() {
            check_key(prefix)?;
        }
        let page = match &self.place {
            Place::Store(store) => store.value_list(&self.scope, prefix, after, limit).await?,
            Place::Rehearsal(rehearsal) => rehearsal.stored().list(prefix, after, limit),
            Place::Nowhere => return Err(closed()),
        };
        Ok(wit::KeyPage {
            keys: page.keys,
            next: page.next,
        })
    }

    fn check(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
        check_key(key)?;
        if value.len() as u64 > self.value_bytes {
            return Err(Failure::Guest(wit::Error::TooLarge(self.value_bytes)));
        }
        Ok(())
    }
}

/// What the interface answers, or the host's own fault.
pub(crate) enum Failure {
    Guest(wit::Error),
    Host(StoreError),
}

type Outcome<T> = Result<T, Failure>;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full { limit } => Self::Guest(wit::Error::Full(limit)),
            StoreError::Conflict { current } => Self::Guest(wit::Error::Conflict(current)),
            error @ StoreError::Busy => {
                tracing::warn!(%error, "the store is busy");
                Self::Guest(wit::Error::Unavailable(BUSY_RETRY_MS))
            }
            error => Self::Host(error),
        }
    }
}

/// What a guest is told that has no storage now.
const fn closed() -> Failure {
    Failure::Guest(wit::Error::Unavailable(BUSY_RETRY_MS))
}

/// Keys are plain ASCII, so that no two spellings of one text, and no text with a
/// meaning to a file system or a database, can be told apart differently by
/// different backends.
pub(crate) fn check_key(key: &str) -> Result<(), Failure> {
    match is_key(key) {
        true => Ok(()),
        false => Err(Failure::Guest(wit::Error::InvalidKey)),
    }
}

/// Whether a text may be a key, as the contract says.
pub(crate) fn is_key(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'/' | b'-');
    (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(plain)
}

fn answer<T>(outcome: Outcome<T>) -> wasmtime::Result<Result<T, wit::Error>> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Guest(error)) => Ok(Err(error)),
        Err(Failure::Host(error)) => {
            tracing::error!(%error, at_ms = now_ms(), "storage failed");
            Err(HostFault(format!("storage: {error}")).into())
        }
    }
}

fn reading(accessor: &Accessor<ConnectorState, ConnectorHost>) -> wasmtime::Result<Storage> {
    enter(accessor, |storage| storage.reads += 1)
}

fn writing(accessor: &Accessor<ConnectorState, ConnectorHost>) -> wasmtime::Result<Storage> {
    enter(accessor, |storage| storage.writes += 1)
}

fn enter(
    accessor: &Accessor<ConnectorState, ConnectorHost>,
    count: fn(&mut Storage),
) -> wasmtime::Result<Storage> {
    accessor.with(|mut access| {
        let state = access.get();
        state.enter(Grant::Storage)?;
        count(&mut state.storage);
        Ok(state.storage.clone())
    })
}

impl wit::Host for ConnectorState {}

impl wit::HostWithStore<ConnectorState> for ConnectorHost {
    async fn get(
        accessor: &Accessor<ConnectorState, Self>,
        key: String,
    ) -> wasmtime::Result<Result<Option<wit::Entry>, wit::Error>> {
        answer(reading(accessor)?.get(&key).await)
    }

    async fn put(
        accessor: &Accessor<ConnectorState, Self>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<u64, wit::Error>> {
        answer(writing(accessor)?.put(&key, &value).await)
    }

    async fn compare_and_swap(
        accessor: &Accessor<ConnectorState, Self>,
        key: String,
        expected: Option<u64>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<u64, wit::Error>> {
        answer(
            writing(accessor)?
                .compare_and_swap(&key, expected, &value)
                .await,
        )
    }

    async fn delete(
        accessor: &Accessor<ConnectorState, Self>,
        key: String,
    ) -> wasmtime::Result<Result<(), wit::Error>> {
        answer(writing(accessor)?.delete(&key).await)
    }

    async fn list(
        accessor: &Accessor<ConnectorState, Self>,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<wit::KeyPage, wit::Error>> {
        answer(
            reading(accessor)?
                .list(&prefix, after.as_deref(), limit)
                .await,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_mean_something_elsewhere_are_refused() {
        for good in [
            "a",
            "version",
            "cursor/Account:2026.01-x_y",
            &"k".repeat(256),
        ] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a\0",
            "ä",
            "a\\b",
            "a\n",
            "%2e",
            &"k".repeat(257),
        ] {
            assert!(check_key(bad).is_err(), "{bad:?}");
        }
    }
}
