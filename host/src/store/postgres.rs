//! The store on PostgreSQL: one schema of a database, shared by all the hosts that
//! are given its address.
//!
//! Each method is one transaction. Those that write for a connection lock its row
//! first, so that hosts on several machines take turns for it and never for another
//! one; what is read and then written is so as if nobody else were there. The ledger
//! only adds, and locks nothing but its buckets.
//!
//! Tables have the names that they have in SQLite, and mean the same. What people
//! wrote is `text`; names that are compared byte by byte are `bytea` or have the
//! collation `C`, so that both backends give the same order.

mod authorizations;
mod connect;
mod connections;
mod errors;
mod ledger;
mod queues;
mod schema;
mod secrets;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;

use async_trait::async_trait;
use deadpool_postgres::{Pool, Transaction};

use super::{
    Authorization, ConnectionKey, ConnectionRecord, ConnectionState, KeyPage, LedgerBucket,
    LedgerObservation, QueueCounts, QueueKey, QueuePage, QueuePut, QueueState, QueueTake, Scope,
    Sealed, Settled, Store, StoreError, Taken, TokenUpdate, Value, Which,
};
use crate::grant::{GrantChange, Grants};
use errors::Failure;
use values::Expect;

/// The store on PostgreSQL.
pub struct PostgresStore {
    pool: Pool,
    /// The server and the database, without a password.
    place: String,
}

impl PostgresStore {
    /// Opens the store in the first schema of the user's search path, whose tables are
    /// made if they do not exist. `address` is `postgres://USER:PASSWORD@HOST/DATABASE`
    /// as libpq has it.
    ///
    /// The connection is by TLS if the server can, and its certificate is checked by
    /// the platform's roots; `?sslmode=require` insists on it, and `?sslmode=disable`
    /// does without. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::BadAddress`], [`StoreError::Unreachable`], or
    /// [`StoreError::Newer`] if a newer version made the tables.
    pub async fn open(address: &str) -> Result<Self, StoreError> {
        let (pool, place) = connect::connect(address)?;
        let store = Self { pool, place };
        let mut client = store
            .pool
            .get()
            .await
            .map_err(|e| store.told(e, "connect"))?;
        let migrated = schema::migrate(&mut client, &store.place).await;
        migrated.map_err(|failure| failure.told(&store.place, "make its tables"))?;
        drop(client);
        Ok(store)
    }

    fn told(&self, error: impl Into<Failure>, doing: &'static str) -> StoreError {
        error.into().told(&self.place, doing)
    }
}

/// Does `$work` in one transaction, and commits it if it succeeds. A macro, because a
/// function that takes an async closure borrowing a transaction gives a future that
/// is not known to be `Send`.
macro_rules! transact {
    ($self:ident, $doing:literal, |$tx:ident| $work:expr) => {{
        let run = async {
            let mut client = $self.pool.get().await?;
            let $tx: Transaction<'_> = client.transaction().await?;
            let done = $work.await?;
            match $tx.commit().await {
                Ok(()) => Ok(done),
                Err(error) => Err(Failure::of_commit(error)),
            }
        };
        run.await
            .map_err(|failure: Failure| $self.told(failure, $doing))
    }};
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn key_check(&self, fresh: &[u8]) -> Result<Vec<u8>, StoreError> {
        transact!(self, "keep the key check", |tx| secrets::key_check(
            &tx, fresh
        ))
    }

    async fn replace_key_check(&self, old: &[u8], fresh: &[u8]) -> Result<(), StoreError> {
        transact!(self, "replace the key check", |tx| {
            secrets::replace_key_check(&tx, old, fresh)
        })
    }

    async fn insert_connection(&self, record: &ConnectionRecord) -> Result<(), StoreError> {
        transact!(self, "add a connection", |tx| connections::insert(
            &tx, record
        ))
    }

    async fn update_connection(&self, record: &ConnectionRecord) -> Result<(), StoreError> {
        transact!(self, "change a connection", |tx| connections::update(
            &tx, record
        ))
    }

    async fn change_grants(
        &self,
        key: &ConnectionKey,
        change: &GrantChange,
        at_ms: u64,
    ) -> Result<ConnectionRecord, StoreError> {
        transact!(self, "change grants", |tx| {
            connections::change_grants(&tx, key, change, at_ms)
        })
    }

    async fn settle_grants(&self, package: &str, grants: &Grants) -> Result<u64, StoreError> {
        transact!(self, "settle grants", |tx| {
            connections::settle_grants(&tx, package, grants)
        })
    }

    async fn connection(&self, key: &ConnectionKey) -> Result<ConnectionRecord, StoreError> {
        transact!(self, "read a connection", |tx| connections::one(&tx, key))
    }

    async fn connections(&self, tenant: Option<&str>) -> Result<Vec<ConnectionRecord>, StoreError> {
        transact!(self, "list connections", |tx| connections::list(
            &tx, tenant
        ))
    }

    async fn erase_connection(&self, key: &ConnectionKey) -> Result<(), StoreError> {
        transact!(self, "erase a connection", |tx| connections::erase(
            &tx, key
        ))
    }

    async fn erase_tenant(&self, tenant: &str) -> Result<u64, StoreError> {
        transact!(self, "erase a tenant", |tx| connections::erase_tenant(
            &tx, tenant
        ))
    }

    async fn put_secret(
        &self,
        key: &ConnectionKey,
        name: &str,
        expected: Option<u64>,
        sealed: &Sealed,
    ) -> Result<(), StoreError> {
        transact!(self, "write a secret", |tx| {
            secrets::put(&tx, key, name, expected, sealed)
        })
    }

    async fn secret(&self, key: &ConnectionKey, name: &str) -> Result<Option<Sealed>, StoreError> {
        transact!(self, "read a secret", |tx| secrets::get(&tx, key, name))
    }

    async fn secret_names(&self) -> Result<Vec<(ConnectionKey, String)>, StoreError> {
        transact!(self, "list secrets", |tx| secrets::names(&tx))
    }

    async fn delete_secret(&self, key: &ConnectionKey, name: &str) -> Result<bool, StoreError> {
        transact!(self, "remove a secret", |tx| secrets::delete(
            &tx, key, name
        ))
    }

    async fn save_tokens(
        &self,
        key: &ConnectionKey,
        update: &TokenUpdate,
    ) -> Result<(), StoreError> {
        transact!(self, "save tokens", |tx| secrets::save_tokens(
            &tx, key, update
        ))
    }

    async fn set_state(
        &self,
        key: &ConnectionKey,
        expected: Option<u64>,
        state: &ConnectionState,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        transact!(self, "set a connection's state", |tx| {
            secrets::set_state(&tx, key, expected, state, at_ms)
        })
    }

    async fn put_authorization(
        &self,
        state_digest: [u8; 32],
        authorization: &Authorization,
    ) -> Result<(), StoreError> {
        transact!(self, "keep an authorization", |tx| {
            authorizations::put(&tx, state_digest, authorization)
        })
    }

    async fn take_authorization(
        &self,
        state_digest: [u8; 32],
        now_ms: u64,
    ) -> Result<Option<Authorization>, StoreError> {
        transact!(self, "take an authorization", |tx| {
            authorizations::take(&tx, state_digest, now_ms)
        })
    }

    async fn purge_authorizations(&self, now_ms: u64) -> Result<u64, StoreError> {
        transact!(self, "purge authorizations", |tx| authorizations::purge(
            &tx, now_ms
        ))
    }

    async fn value_get(&self, scope: &Scope, key: &str) -> Result<Option<Value>, StoreError> {
        transact!(self, "read a value", |tx| values::get(&tx, scope, key))
    }

    async fn value_put(
        &self,
        scope: &Scope,
        key: &str,
        bytes: &[u8],
        limit: u64,
    ) -> Result<u64, StoreError> {
        transact!(self, "write a value", |tx| {
            values::put(&tx, scope, key, Expect::Anything, bytes, limit)
        })
    }

    async fn value_compare_and_swap(
        &self,
        scope: &Scope,
        key: &str,
        expected: Option<u64>,
        bytes: &[u8],
        limit: u64,
    ) -> Result<u64, StoreError> {
        let expect = Expect::Version(expected.unwrap_or(0));
        transact!(self, "write a value", |tx| {
            values::put(&tx, scope, key, expect, bytes, limit)
        })
    }

    async fn value_delete(&self, scope: &Scope, key: &str) -> Result<bool, StoreError> {
        transact!(self, "remove a value", |tx| values::delete(&tx, scope, key))
    }

    async fn value_list(
        &self,
        scope: &Scope,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<KeyPage, StoreError> {
        transact!(self, "list keys", |tx| values::list(
            &tx, scope, prefix, after, limit
        ))
    }

    async fn ledger_add(
        &self,
        key: &ConnectionKey,
        calls: &[LedgerBucket],
        observed: Option<&LedgerObservation>,
    ) -> Result<(), StoreError> {
        transact!(self, "write a ledger", |tx| ledger::add(
            &tx, key, calls, observed
        ))
    }

    async fn ledger(
        &self,
        key: &ConnectionKey,
        since_ms: u64,
    ) -> Result<(Vec<LedgerBucket>, Option<LedgerObservation>), StoreError> {
        transact!(self, "read a ledger", |tx| ledger::load(&tx, key, since_ms))
    }

    async fn ledger_prune(&self, key: &ConnectionKey, before_ms: u64) -> Result<u64, StoreError> {
        transact!(self, "prune a ledger", |tx| ledger::prune(
            &tx, key, before_ms
        ))
    }

    async fn queue_put(&self, queue: &QueueKey, put: &QueuePut) -> Result<u64, StoreError> {
        queue.check()?;
        put.check()?;
        transact!(self, "put into a queue", |tx| queues::put(&tx, queue, put))
    }

    async fn queue_checkpoint(&self, queue: &QueueKey) -> Result<Option<Vec<u8>>, StoreError> {
        transact!(self, "read a queue's checkpoint", |tx| {
            queues::checkpoint(&tx, queue)
        })
    }

    async fn queue_take(&self, queue: &QueueKey, take: QueueTake) -> Result<Taken, StoreError> {
        transact!(self, "take from a queue", |tx| queues::take(
            &tx, queue, take
        ))
    }

    async fn queue_settle(
        &self,
        queue: &QueueKey,
        settled: &[Settled],
        at_ms: u64,
    ) -> Result<u64, StoreError> {
        transact!(self, "settle items of a queue", |tx| {
            queues::settle(&tx, queue, settled, at_ms)
        })
    }

    async fn queue_list(
        &self,
        queue: &QueueKey,
        state: QueueState,
        after: Option<u64>,
        limit: u32,
    ) -> Result<QueuePage, StoreError> {
        transact!(self, "list a queue", |tx| {
            queues::list(&tx, queue, state, after, limit)
        })
    }

    async fn queue_again(
        &self,
        queue: &QueueKey,
        which: &Which,
        now_ms: u64,
    ) -> Result<u64, StoreError> {
        transact!(self, "bring items of a queue back", |tx| {
            queues::again(&tx, queue, which, now_ms)
        })
    }

    async fn queue_discard(
        &self,
        queue: &QueueKey,
        which: &Which,
        at_ms: u64,
    ) -> Result<u64, StoreError> {
        transact!(self, "throw items of a queue away", |tx| {
            queues::discard(&tx, queue, which, at_ms)
        })
    }

    async fn queue_counts(&self, queue: &QueueKey) -> Result<QueueCounts, StoreError> {
        transact!(self, "count a queue", |tx| queues::counts(&tx, queue))
    }

    async fn queue_prune(&self, queue: &QueueKey, before_ms: u64) -> Result<u64, StoreError> {
        transact!(self, "prune a queue", |tx| queues::prune(
            &tx, queue, before_ms
        ))
    }

    async fn queue_erase(&self, queue: &QueueKey) -> Result<bool, StoreError> {
        transact!(self, "erase a queue", |tx| queues::erase(&tx, queue))
    }
}
