//! The real store, with writes that fail when they are told to.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use crate::grant::{GrantChange, Grants};
use crate::store::{
    Authorization, ConnectionKey, ConnectionRecord, ConnectionState, KeyPage, LedgerBucket,
    LedgerObservation, QueueCounts, QueueKey, QueuePage, QueuePut, QueueState, QueueTake, Scope,
    Sealed, Settled, SqliteStore, Store, StoreError, Taken, TokenUpdate, Value, Which,
};

#[derive(Debug)]
pub(super) struct FaultyStore {
    inner: SqliteStore,
    failing_saves: AtomicUsize,
}

impl FaultyStore {
    pub(super) fn new(inner: SqliteStore) -> Self {
        Self {
            inner,
            failing_saves: AtomicUsize::new(0),
        }
    }

    /// Lets the next writes of tokens fail, as a full disk does.
    pub(super) fn fail_saves(&self, times: usize) {
        self.failing_saves.store(times, Ordering::SeqCst);
    }
}

/// Hands a method on.
macro_rules! pass {
    ($(async fn $name:ident(&self $(, $arg:ident: $kind:ty)*) -> $result:ty;)*) => {
        #[async_trait]
        impl Store for FaultyStore {
            $(async fn $name(&self $(, $arg: $kind)*) -> Result<$result, StoreError> {
                self.inner.$name($($arg),*).await
            })*

            async fn save_tokens(
                &self,
                key: &ConnectionKey,
                update: &TokenUpdate,
            ) -> Result<(), StoreError> {
                let fewer = |left: usize| left.checked_sub(1);
                let failing = &self.failing_saves;
                if failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok() {
                    return Err(StoreError::Backend {
                        doing: "write",
                        source: "the disk is full".into(),
                    });
                }
                self.inner.save_tokens(key, update).await
            }
        }
    };
}

pass! {
    async fn key_check(&self, fresh: &[u8]) -> Vec<u8>;
    async fn replace_key_check(&self, old: &[u8], fresh: &[u8]) -> ();
    async fn insert_connection(&self, record: &ConnectionRecord) -> ();
    async fn update_connection(&self, record: &ConnectionRecord) -> ();
    async fn change_grants(&self, key: &ConnectionKey, change: &GrantChange, at_ms: u64) -> ConnectionRecord;
    async fn settle_grants(&self, package: &str, grants: &Grants) -> u64;
    async fn connection(&self, key: &ConnectionKey) -> ConnectionRecord;
    async fn connections(&self, tenant: Option<&str>) -> Vec<ConnectionRecord>;
    async fn erase_connection(&self, key: &ConnectionKey) -> ();
    async fn erase_tenant(&self, tenant: &str) -> u64;
    async fn put_secret(&self, key: &ConnectionKey, name: &str, expected: Option<u64>, sealed: &Sealed) -> ();
    async fn secret(&self, key: &ConnectionKey, name: &str) -> Option<Sealed>;
    async fn secret_names(&self) -> Vec<(ConnectionKey, String)>;
    async fn delete_secret(&self, key: &ConnectionKey, name: &str) -> bool;
    async fn set_state(&self, key: &ConnectionKey, expected: Option<u64>, state: &ConnectionState, at_ms: u64) -> ();
    async fn put_authorization(&self, state_digest: [u8; 32], authorization: &Authorization) -> ();
    async fn take_authorization(&self, state_digest: [u8; 32], now_ms: u64) -> Option<Authorization>;
    async fn purge_authorizations(&self, now_ms: u64) -> u64;
    async fn value_get(&self, scope: &Scope, key: &str) -> Option<Value>;
    async fn value_put(&self, scope: &Scope, key: &str, bytes: &[u8], limit: u64) -> u64;
    async fn value_compare_and_swap(&self, scope: &Scope, key: &str, expected: Option<u64>, bytes: &[u8], limit: u64) -> u64;
    async fn value_delete(&self, scope: &Scope, key: &str) -> bool;
    async fn value_list(&self, scope: &Scope, prefix: &str, after: Option<&str>, limit: u32) -> KeyPage;
    async fn ledger_add(&self, key: &ConnectionKey, calls: &[LedgerBucket], observed: Option<&LedgerObservation>) -> ();
    async fn ledger(&self, key: &ConnectionKey, since_ms: u64) -> (Vec<LedgerBucket>, Option<LedgerObservation>);
    async fn ledger_prune(&self, key: &ConnectionKey, before_ms: u64) -> u64;
    async fn queue_put(&self, queue: &QueueKey, put: &QueuePut) -> u64;
    async fn queue_checkpoint(&self, queue: &QueueKey) -> Option<Vec<u8>>;
    async fn queue_take(&self, queue: &QueueKey, take: QueueTake) -> Taken;
    async fn queue_settle(&self, queue: &QueueKey, settled: &[Settled], at_ms: u64) -> u64;
    async fn queue_list(&self, queue: &QueueKey, state: QueueState, after: Option<u64>, limit: u32) -> QueuePage;
    async fn queue_again(&self, queue: &QueueKey, which: &Which, now_ms: u64) -> u64;
    async fn queue_discard(&self, queue: &QueueKey, which: &Which, at_ms: u64) -> u64;
    async fn queue_counts(&self, queue: &QueueKey) -> QueueCounts;
    async fn queue_prune(&self, queue: &QueueKey, before_ms: u64) -> u64;
    async fn queue_erase(&self, queue: &QueueKey) -> bool;
}
