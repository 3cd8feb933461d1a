//! The store on SQLite: one file in the data directory.
//!
//! Two threads own one connection each: one writes, one reads. So a read never
//! waits for another call's flush to disk, and the async runtime waits for
//! neither. Handing a job over and its answer back costs some 10 microseconds,
//! which is less than the flush of a write by two orders.
//!
//! Write-ahead log, `synchronous=FULL`: each commit is flushed before it is
//! answered. `NORMAL` would lose the last commits in a power cut, and with a
//! rotated refresh token that means losing the grant: the product has already
//! made the old token worthless. Ledger and stored values share the file and
//! the promise; a flush per second and connection is all that the ledger costs.
//!
//! Several processes may have the file open: writes take the lock at their
//! beginning (`BEGIN IMMEDIATE`), so none can fail half way for being outrun.

mod authorizations;
mod backup;
mod connections;
mod ledger;
mod open;
mod queues;
mod schema;
mod secrets;
#[cfg(test)]
mod tests;
mod values;
mod worker;

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use rusqlite::Transaction;

use super::{
    Authorization, ConnectionKey, ConnectionRecord, ConnectionState, KeyPage, LedgerBucket,
    LedgerObservation, QueueCounts, QueueKey, QueuePage, QueuePut, QueueState, QueueTake, Scope,
    Sealed, Settled, Store, StoreError, Taken, TokenUpdate, Value, Which,
};
use crate::grant::{GrantChange, Grants};
use worker::{Access, Failure, Worker};

pub use backup::{back_up, restore};

/// The store's file in the data directory. Beside it SQLite keeps its log in
/// files of the same name with `-wal` and `-shm`.
pub const FILE_NAME: &str = "lockgate.db";

/// The store on SQLite.
pub struct SqliteStore {
    path: String,
    writer: Worker,
    reader: Worker,
}

impl SqliteStore {
    /// Opens the store of a data directory; both are made if they do not exist,
    /// for the owner only.
    ///
    /// # Errors
    /// [`StoreError::NotOurs`], [`StoreError::Newer`], [`StoreError::Corrupt`]
    /// and [`StoreError::TooOpen`] refuse the file as it is; nothing in it was
    /// changed.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let data_dir = data_dir.to_owned();
        let opened = tokio::task::spawn_blocking(move || open::open(&data_dir))
            .await
            .map_err(|source| StoreError::Backend {
                doing: "be opened",
                source: source.into(),
            })??;
        Ok(Self {
            writer: Worker::start("lockgate-write", opened.writer, Access::Write)?,
            reader: Worker::start("lockgate-read", opened.reader, Access::Read)?,
            path: opened.path,
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.reader.run(doing, job).await
    }

    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(doing, job).await
    }

    /// After an erasure, which has happened even if this fails.
    async fn wipe_log(&self) {
        if let Err(error) = self.writer.wipe_log().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "erased data stays in the store's log until its next checkpoint"
            );
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn key_check(&self, fresh: &[u8]) -> Result<Vec<u8>, StoreError> {
        let fresh = fresh.to_owned();
        self.write("keep the key check", move |tx| {
            secrets::key_check(tx, &fresh)
        })
        .await
    }

    async fn replace_key_check(&self, old: &[u8], fresh: &[u8]) -> Result<(), StoreError> {
        let (old, fresh) = (old.to_owned(), fresh.to_owned());
        self.write("replace the key check", move |tx| {
            secrets::replace_key_check(tx, &old, &fresh)
        })
        .await
    }

    async fn insert_connection(&self, record: &ConnectionRecord) -> Result<(), StoreError> {
        let record = record.clone();
        self.write("add a connection", move |tx| {
            connections::insert(tx, &record)
        })
        .await
    }

    async fn update_connection(&self, record: &ConnectionRecord) -> Result<(), StoreError> {
        let record = record.clone();
        self.write("update a connection", move |tx| {
            connections::update(tx, &record)
        })
        .await
    }

    async fn change_grants(
        &self,
        key: &ConnectionKey,
        change: &GrantChange,
        at_ms: u64,
    ) -> Result<ConnectionRecord, StoreError> {
        let (key, change) = (key.clone(), change.clone());
        self.write("change grants", move |tx| {
            connections::change_grants(tx, &key, &change, at_ms)
        })
        .await
    }

    async fn settle_grants(&self, package: &str, grants: &Grants) -> Result<u64, StoreError> {
        let (package, grants) = (package.to_owned(), grants.clone());
        self.write("settle grants", move |tx| {
            connections::settle_grants(tx, &package, &grants)
        })
        .await
    }

    async fn connection(&self, key: &ConnectionKey) -> Result<ConnectionRecord, StoreError> {
        let key = key.clone();
        self.read("read a connection", move |tx| connections::one(tx, &key))
            .await
    }

    async fn connections(&self, tenant: Option<&str>) -> Result<Vec<ConnectionRecord>, StoreError> {
        let tenant = tenant.map(str::to_owned);
        self.read("list connections", move |tx| {
            connections::list(tx, tenant.as_deref())
        })
        .await
    }

    async fn erase_connection(&self, key: &ConnectionKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.write("erase a connection", move |tx| connections::erase(tx, &key))
            .await?;
        self.wipe_log().await;
        Ok(())
    }

    async fn erase_tenant(&self, tenant: &str) -> Result<u64, StoreError> {
        let tenant = tenant.to_owned();
        let erased = self
            .write("erase a tenant", move |tx| {
                connections::erase_tenant(tx, &tenant)
            })
            .await?;
        self.wipe_log().await;
        Ok(erased)
    }

    async fn put_secret(
        &self,
        key: &ConnectionKey,
        name: &str,
        expected: Option<u64>,
        sealed: &Sealed,
    ) -> Result<(), StoreError> {
        let (key, name, sealed) = (key.clone(), name.to_owned(), sealed.clone());
        self.write("write a secret", move |tx| {
            secrets::put(tx, &key, &name, expected, &sealed)
        })
        .await
    }

    async fn secret(&self, key: &ConnectionKey, name: &str) -> Result<Option<Sealed>, StoreError> {
        let (key, name) = (key.clone(), name.to_owned());
        self.read("read a secret", move |tx| secrets::get(tx, &key, &name))
            .await
    }

    async fn secret_names(&self) -> Result<Vec<(ConnectionKey, String)>, StoreError> {
        self.read("list secrets", secrets::names).await
    }

    async fn delete_secret(&self, key: &ConnectionKey, name: &str) -> Result<bool, StoreError> {
        let (key, name) = (key.clone(), name.to_owned());
        self.write("remove a secret", move |tx| {
            secrets::delete(tx, &key, &name)
        })
        .await
    }

    async fn save_tokens(
        &self,
        key: &ConnectionKey,
        update: &TokenUpdate,
    ) -> Result<(), StoreError> {
        let (key, update) = (key.clone(), update.clone());
        self.write("save tokens", move |tx| {
            secrets::save_tokens(tx, &key, &update)
        })
        .await
    }

    async fn set_state(
        &self,
        key: &ConnectionKey,
        expected: Option<u64>,
        state: &ConnectionState,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        let (key, state) = (key.clone(), state.clone());
        self.write("set a connection's state", move |tx| {
            secrets::set_state(tx, &key, expected, &state, at_ms)
        })
        .await
    }

    async fn put_authorization(
        &self,
        state_digest: [u8; 32],
        authorization: &Authorization,
    ) -> Result<(), StoreError> {
        let authorization = authorization.clone();
        self.write("keep an authorization", move |tx| {
            authorizations::put(tx, state_digest, &authorization)
        })
        .await
    }

    async fn take_authorization(
        &self,
        state_digest: [u8; 32],
        now_ms: u64,
    ) -> Result<Option<Authorization>, StoreError> {
        self.write("take an authorization", move |tx| {
            authorizations::take(tx, state_digest, now_ms)
        })
        .await
    }

    async fn purge_authorizations(&self, now_ms: u64) -> Result<u64, StoreError> {
        self.write("purge authorizations", move |tx| {
            authorizations::purge(tx, now_ms)
        })
        .await
    }

    async fn value_get(&self, scope: &Scope, key: &str) -> Result<Option<Value>, StoreError> {
        let (scope, key) = (scope.clone(), key.to_owned());
        self.read("read a value", move |tx| values::get(tx, &scope, &key))
            .await
    }

    async fn value_put(
        &self,
        scope: &Scope,
        key: &str,
        bytes: &[u8],
        limit: u64,
    ) -> Result<u64, StoreError> {
        let (scope, key, bytes) = (scope.clone(), key.to_owned(), bytes.to_owned());
        self.write("write a value", move |tx| {
            values::put(tx, &scope, &key, values::Expect::Anything, &bytes, limit)
        })
        .await
    }

    async fn value_compare_and_swap(
        &self,
        scope: &Scope,
        key: &str,
        expected: Option<u64>,
        bytes: &[u8],
        limit: u64,
    ) -> Result<u64, StoreError> {
        let (scope, key, bytes) = (scope.clone(), key.to_owned(), bytes.to_owned());
        let expect = values::Expect::Version(expected.unwrap_or(0));
        self.write("write a value", move |tx| {
            values::put(tx, &scope, &key, expect, &bytes, limit)
        })
        .await
    }

    async fn value_delete(&self, scope: &Scope, key: &str) -> Result<bool, StoreError> {
        let (scope, key) = (scope.clone(), key.to_owned());
        self.write("remove a value", move |tx| values::delete(tx, &scope, &key))
            .await
    }

    async fn value_list(
        &self,
        scope: &Scope,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<KeyPage, StoreError> {
        let (scope, prefix) = (scope.clone(), prefix.to_owned());
        let after = after.map(str::to_owned);
        self.read("list keys", move |tx| {
            values::list(tx, &scope, &prefix, after.as_deref(), limit)
        })
        .await
    }

    async fn ledger_add(
        &self,
        key: &ConnectionKey,
        calls: &[LedgerBucket],
        observed: Option<&LedgerObservation>,
    ) -> Result<(), StoreError> {
        let (key, calls, observed) = (key.clone(), calls.to_owned(), observed.copied());
        self.write("write a ledger", move |tx| {
            ledger::add(tx, &key, &calls, observed)
        })
        .await
    }

    async fn ledger(
        &self,
        key: &ConnectionKey,
        since_ms: u64,
    ) -> Result<(Vec<LedgerBucket>, Option<LedgerObservation>), StoreError> {
        let key = key.clone();
        self.read("read a ledger", move |tx| ledger::load(tx, &key, since_ms))
            .await
    }

    async fn ledger_prune(&self, key: &ConnectionKey, before_ms: u64) -> Result<u64, StoreError> {
        let key = key.clone();
        self.write("prune a ledger", move |tx| {
            ledger::prune(tx, &key, before_ms)
        })
        .await
    }

    async fn queue_put(&self, queue: &QueueKey, put: &QueuePut) -> Result<u64, StoreError> {
        queue.check()?;
        put.check()?;
        let (queue, put) = (queue.clone(), put.clone());
        self.write("put into a queue", move |tx| queues::put(tx, &queue, &put))
            .await
    }

    async fn queue_checkpoint(&self, queue: &QueueKey) -> Result<Option<Vec<u8>>, StoreError> {
        let queue = queue.clone();
        self.read("read a queue's checkpoint", move |tx| {
            queues::checkpoint(tx, &queue)
        })
        .await
    }

    async fn queue_take(&self, queue: &QueueKey, take: QueueTake) -> Result<Taken, StoreError> {
        let queue = queue.clone();
        self.write("take from a queue", move |tx| {
            queues::take(tx, &queue, take)
        })
        .await
    }

    async fn queue_settle(
        &self,
        queue: &QueueKey,
        settled: &[Settled],
        at_ms: u64,
    ) -> Result<u64, StoreError> {
        let (queue, settled) = (queue.clone(), settled.to_owned());
        self.write("settle items of a queue", move |tx| {
            queues::settle(tx, &queue, &settled, at_ms)
        })
        .await
    }

    async fn queue_list(
        &self,
        queue: &QueueKey,
        state: QueueState,
        after: Option<u64>,
        limit: u32,
    ) -> Result<QueuePage, StoreError> {
        let queue = queue.clone();
        self.read("list a queue", move |tx| {
            queues::list(tx, &queue, state, after, limit)
        })
        .await
    }

    async fn queue_again(
        &self,
        queue: &QueueKey,
        which: &Which,
        now_ms: u64,
    ) -> Result<u64, StoreError> {
        let (queue, which) = (queue.clone(), which.clone());
        self.write("bring items of a queue back", move |tx| {
            queues::again(tx, &queue, &which, now_ms)
        })
        .await
    }

    async fn queue_discard(
        &self,
        queue: &QueueKey,
        which: &Which,
        at_ms: u64,
    ) -> Result<u64, StoreError> {
        let (queue, which) = (queue.clone(), which.clone());
        self.write("throw items of a queue away", move |tx| {
            queues::discard(tx, &queue, &which, at_ms)
        })
        .await
    }

    async fn queue_counts(&self, queue: &QueueKey) -> Result<QueueCounts, StoreError> {
        let queue = queue.clone();
        self.read("count a queue", move |tx| queues::counts(tx, &queue))
            .await
    }

    async fn queue_prune(&self, queue: &QueueKey, before_ms: u64) -> Result<u64, StoreError> {
        let queue = queue.clone();
        self.write("prune a queue", move |tx| {
            queues::prune(tx, &queue, before_ms)
        })
        .await
    }

    async fn queue_erase(&self, queue: &QueueKey) -> Result<bool, StoreError> {
        let queue = queue.clone();
        let erased = self
            .write("erase a queue", move |tx| queues::erase(tx, &queue))
            .await?;
        self.wipe_log().await;
        Ok(erased)
    }
}
