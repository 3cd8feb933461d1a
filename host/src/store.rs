//! What must outlive a process, behind one trait.
//!
//! Connections, their sealed secrets, authorizations under way, what packages
//! store for a connection, the ledger of calls, and queues of what is still to be
//! done all live behind [`Store`], so that the rest of the host never learns which
//! database is below it. A backend is right if it passes the conformance suite
//! beside this file.
//!
//! Every method is one transaction: when it returns `Ok` the change is durable,
//! when it returns `Err` nothing was changed, but for [`StoreError::InDoubt`]. A
//! method whose future is dropped may still take effect.
//!
//! Nothing that is secret reaches a store unsealed: see [`crate::seal`]. What
//! packages store is theirs to protect, and is kept as it is given.

mod columns;
#[cfg(test)]
pub(crate) mod conformance;
mod error;
mod postgres;
pub(crate) mod queue;
mod record;
mod sqlite;

use std::fmt::Debug;

use async_trait::async_trait;

use crate::grant::{GrantChange, Grants};

pub use error::{BadConnectionKey, StoreError};
pub use postgres::PostgresStore;
pub use queue::{
    ListedItem, MAX_QUEUE_CHECKPOINT_BYTES, MAX_QUEUE_ID_BYTES, MAX_QUEUE_ITEM_BYTES,
    MAX_QUEUE_NAME_BYTES, MAX_QUEUE_PAGE_BYTES, MAX_QUEUE_PAGE_ITEMS, MAX_QUEUE_PROBLEM_BYTES,
    NewItem, QUEUE_ITEM_OVERHEAD_BYTES, QueueCounts, QueueKey, QueueOutcome, QueuePage,
    QueueProblem, QueuePut, QueueState, QueueTake, Settled, Taken, TakenItem, Which,
};
pub use record::{
    Authorization, ConnectionKey, ConnectionRecord, ConnectionState, Flow, KeyPage, LedgerBucket,
    LedgerObservation, Scope, Sealed, TokenUpdate, Value,
};
pub use sqlite::{FILE_NAME, SqliteStore, back_up, restore};

/// The most keys that one [`Store::value_list`] gives.
pub const MAX_LISTED_KEYS: u32 = 1_000;

/// What one stored value costs of its package's share beyond its key and its
/// bytes: about what a row costs on disk. Without it, a million empty values
/// would be free.
pub const VALUE_OVERHEAD_BYTES: u64 = 64;

/// The name of the secret that holds a connection's tokens.
pub const TOKENS: &str = "tokens";

/// Where everything lives that must outlive a process.
///
/// Several processes may use the same store at a time: what a method reads and
/// then writes, it does in one transaction.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Keeps `fresh` if no key check is stored yet, and gives the one that is
    /// stored now. See [`crate::seal::Sealer::check`].
    async fn key_check(&self, fresh: &[u8]) -> Result<Vec<u8>, StoreError>;

    /// Replaces the key check.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is no longer `old`; its version means nothing.
    async fn replace_key_check(&self, old: &[u8], fresh: &[u8]) -> Result<(), StoreError>;

    /// Adds a connection.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is one of this key.
    async fn insert_connection(&self, record: &ConnectionRecord) -> Result<(), StoreError>;

    /// Writes what the operator decides about a connection: everything but
    /// `origin`, `identity` and `state`, which belong to the tokens and change
    /// only with [`Self::save_tokens`] and [`Self::set_state`], but `grants`, which
    /// change only with [`Self::change_grants`], and but `created_ms`. So a change of
    /// settings, one of grants and a refresh of tokens cannot undo each other.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn update_connection(&self, record: &ConnectionRecord) -> Result<(), StoreError>;

    /// Gives grants to a connection, refuses it others, and gives the record as it is
    /// then. One of which nothing was decided had `before` until now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn change_grants(
        &self,
        key: &ConnectionKey,
        change: &GrantChange,
        at_ms: u64,
    ) -> Result<ConnectionRecord, StoreError>;

    /// Gives these grants to the connections of a package of which nothing was decided,
    /// and gives their number.
    async fn settle_grants(&self, package: &str, grants: &Grants) -> Result<u64, StoreError>;

    /// One connection.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn connection(&self, key: &ConnectionKey) -> Result<ConnectionRecord, StoreError>;

    /// The connections of one tenant, or all of them, ordered by tenant and
    /// name, byte by byte.
    async fn connections(&self, tenant: Option<&str>) -> Result<Vec<ConnectionRecord>, StoreError>;

    /// Erases a connection with everything that belongs to it: secrets,
    /// authorizations, stored values, ledger, queues.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn erase_connection(&self, key: &ConnectionKey) -> Result<(), StoreError>;

    /// Erases all connections of a tenant as [`Self::erase_connection`] does,
    /// and gives their number; 0 if there was none.
    async fn erase_tenant(&self, tenant: &str) -> Result<u64, StoreError>;

    /// Writes a secret if it is still at version `expected` (`None`: if there is
    /// none). The new version must be greater than `expected`:
    /// [`Sealed::next_version`] gives it, and it is known before the write
    /// because the seal covers it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with the version that there is (0: none), or
    /// [`StoreError::NotFound`].
    async fn put_secret(
        &self,
        key: &ConnectionKey,
        name: &str,
        expected: Option<u64>,
        sealed: &Sealed,
    ) -> Result<(), StoreError>;

    /// A secret, `None` if the connection has none of this name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such connection.
    async fn secret(&self, key: &ConnectionKey, name: &str) -> Result<Option<Sealed>, StoreError>;

    /// All secrets that there are, by connection and name, ordered.
    async fn secret_names(&self) -> Result<Vec<(ConnectionKey, String)>, StoreError>;

    /// Removes a secret, and says whether there was one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such connection.
    async fn delete_secret(&self, key: &ConnectionKey, name: &str) -> Result<bool, StoreError>;

    /// Writes the secret [`TOKENS`] as [`Self::put_secret`] does, and with it,
    /// in the same transaction, what the token answer said of the connection.
    ///
    /// A rotated refresh token is durable before the new access token is used,
    /// and the origin that it came with is never that of another answer.
    ///
    /// # Errors
    /// As [`Self::put_secret`].
    async fn save_tokens(
        &self,
        key: &ConnectionKey,
        update: &TokenUpdate,
    ) -> Result<(), StoreError>;

    /// Sets the state of a connection if its [`TOKENS`] are still at version
    /// `expected` (`None`: if it has none).
    ///
    /// A dead grant is recorded with this: if somebody else has refreshed or
    /// reconnected in between, the state is theirs.
    ///
    /// # Errors
    /// As [`Self::put_secret`].
    async fn set_state(
        &self,
        key: &ConnectionKey,
        expected: Option<u64>,
        state: &ConnectionState,
        at_ms: u64,
    ) -> Result<(), StoreError>;

    /// Keeps an authorization under way, under the SHA-256 of its `state`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such connection, or
    /// [`StoreError::Conflict`] if the digest is taken.
    async fn put_authorization(
        &self,
        state_digest: [u8; 32],
        authorization: &Authorization,
    ) -> Result<(), StoreError>;

    /// Takes an authorization out: at most one caller ever gets it. One that has
    /// expired at `now_ms` is removed and not given.
    async fn take_authorization(
        &self,
        state_digest: [u8; 32],
        now_ms: u64,
    ) -> Result<Option<Authorization>, StoreError>;

    /// Removes the authorizations that have expired at `now_ms`, and gives their
    /// number.
    async fn purge_authorizations(&self, now_ms: u64) -> Result<u64, StoreError>;

    /// A stored value of a package.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such connection. So do all that
    /// take a [`Scope`].
    async fn value_get(&self, scope: &Scope, key: &str) -> Result<Option<Value>, StoreError>;

    /// Writes a value whatever was there, and gives its new version.
    ///
    /// Versions of a scope only ever grow, also over a removal.
    ///
    /// # Errors
    /// [`StoreError::Full`] if the scope would then hold more than `limit`
    /// bytes, counting for each value its key, its bytes and
    /// [`VALUE_OVERHEAD_BYTES`]. A write that does not make a value larger always
    /// fits, also if the share was made smaller since.
    async fn value_put(
        &self,
        scope: &Scope,
        key: &str,
        bytes: &[u8],
        limit: u64,
    ) -> Result<u64, StoreError>;

    /// Writes a value if it is still at version `expected` (`None`: if there is
    /// none), and gives its new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with the version that there is (0: none);
    /// [`StoreError::Full`] as [`Self::value_put`].
    async fn value_compare_and_swap(
        &self,
        scope: &Scope,
        key: &str,
        expected: Option<u64>,
        bytes: &[u8],
        limit: u64,
    ) -> Result<u64, StoreError>;

    /// Removes a value, and says whether there was one.
    async fn value_delete(&self, scope: &Scope, key: &str) -> Result<bool, StoreError>;

    /// Keys that start with `prefix` and stand after the key `after`, in byte
    /// order; at most `limit` of them, and never more than [`MAX_LISTED_KEYS`].
    async fn value_list(
        &self,
        scope: &Scope,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<KeyPage, StoreError>;

    /// Adds calls to the buckets of a ledger, and keeps `observed` if it is
    /// newer than what is kept.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such connection.
    async fn ledger_add(
        &self,
        key: &ConnectionKey,
        calls: &[LedgerBucket],
        observed: Option<&LedgerObservation>,
    ) -> Result<(), StoreError>;

    /// The buckets that begin at `since_ms` or later, the oldest first, and the
    /// newest observation.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such connection.
    async fn ledger(
        &self,
        key: &ConnectionKey,
        since_ms: u64,
    ) -> Result<(Vec<LedgerBucket>, Option<LedgerObservation>), StoreError>;

    /// Removes a connection's buckets that begin before `before_ms`, and gives
    /// their number.
    async fn ledger_prune(&self, key: &ConnectionKey, before_ms: u64) -> Result<u64, StoreError>;

    /// Puts items into a queue that is made with the first of them, and keeps the
    /// reader's checkpoint in the same transaction: what was read up to there is never
    /// lost, and never put twice. Gives the number of items that were new.
    ///
    /// An item whose id the queue knows, also of one that is done, is not put again.
    ///
    /// # Errors
    /// [`StoreError::QueueFull`] for new items where the queue has reached its limit, and
    /// [`StoreError::TooLarge`]; neither the items nor the checkpoint are kept then.
    /// [`StoreError::NotFound`] if there is no such connection. So do all that take a
    /// [`QueueKey`].
    async fn queue_put(&self, queue: &QueueKey, put: &QueuePut) -> Result<u64, StoreError>;

    /// The checkpoint that was put last; `None` if none was.
    async fn queue_checkpoint(&self, queue: &QueueKey) -> Result<Option<Vec<u8>>, StoreError>;

    /// Takes items that are due, those that have been due longest first. Nobody else
    /// gets them before their lease ends: whoever takes them and does not settle them
    /// until then, since it was killed for instance, leaves them to the next.
    ///
    /// A taking counts as a try, so that an item that kills whoever works on it is
    /// known by its tries.
    async fn queue_take(&self, queue: &QueueKey, take: QueueTake) -> Result<Taken, StoreError>;

    /// Writes down what became of items at `at_ms`, and gives the number of those of
    /// which it was taken for true: that something is done always is, and anything
    /// else only as long as nobody else has taken the item or settled it.
    async fn queue_settle(
        &self,
        queue: &QueueKey,
        settled: &[Settled],
        at_ms: u64,
    ) -> Result<u64, StoreError>;

    /// Items that were put after the one with the number `after`, in the order in which
    /// they were put; at most `limit` of them, never more than
    /// [`MAX_QUEUE_PAGE_ITEMS`] and about [`MAX_QUEUE_PAGE_BYTES`].
    async fn queue_list(
        &self,
        queue: &QueueKey,
        state: QueueState,
        after: Option<u64>,
        limit: u32,
    ) -> Result<QueuePage, StoreError>;

    /// Lets dead items wait again: due at `now_ms`, as if they had never been tried.
    /// Gives their number.
    async fn queue_again(
        &self,
        queue: &QueueKey,
        which: &Which,
        now_ms: u64,
    ) -> Result<u64, StoreError>;

    /// Throws dead items away at `at_ms`: their ids stay known as those of done ones do,
    /// but they do not count as done. Gives their number.
    async fn queue_discard(
        &self,
        queue: &QueueKey,
        which: &Which,
        at_ms: u64,
    ) -> Result<u64, StoreError>;

    /// How the queue is.
    async fn queue_counts(&self, queue: &QueueKey) -> Result<QueueCounts, StoreError>;

    /// Forgets items that were done or thrown away before `before_ms`, and gives their
    /// number. From then on their ids are new again.
    async fn queue_prune(&self, queue: &QueueKey, before_ms: u64) -> Result<u64, StoreError>;

    /// Erases the queue with its items and its checkpoint, and says whether there was
    /// one.
    async fn queue_erase(&self, queue: &QueueKey) -> Result<bool, StoreError>;
}
