//! What came in by webhooks and waits until somebody has done something with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::capability::clock::now_ms;
use crate::connection::{Connection, Queue, no_connection};
use crate::error::Error;
use crate::store::{ConnectionKey, NewItem, QueuePut, QueueTake, Settled, Taken};

/// What names of queues of webhooks that come in begin with.
const IN: &str = "in:";

/// What waits or was given up may take so much, in bytes; then requests are answered
/// with 503.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// How long an id is known after its item is done. Senders try again for some days at
/// most.
const IDS_KEPT: Duration = Duration::from_hours(7 * 24);

/// The inbox of one webhook: a durable queue. Clones are one inbox, and know at once
/// of what comes by one of them.
///
/// [`Self::take`] gives what is due, and [`Self::settle`] tells what became of it. What
/// is taken and never settled, since the process was killed for instance, comes again
/// when its lease ends: so everything comes at least once, under an id that stays the
/// same. What was given up, and why, is in its [`Queue`].
#[derive(Clone, Debug)]
pub struct Inbox {
    queue: Queue,
    arrived: Arc<Notify>,
}

impl Connection {
    /// The inbox of this name, 1 to 64 bytes. It is made with what is put first, and
    /// erased with the connection.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that is none.
    pub fn inbox(&self, name: &str) -> Result<Inbox, Error> {
        Ok(Inbox {
            queue: self.queue(IN, name)?,
            arrived: Arc::default(),
        })
    }
}

impl Inbox {
    /// Whose it is.
    #[must_use]
    pub const fn connection(&self) -> &ConnectionKey {
        &self.queue.key.connection
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = &self.queue.key.name;
        name.strip_prefix(IN).unwrap_or(name)
    }

    /// How it is, what is in it, and what was given up.
    #[must_use]
    pub const fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Keeps items durably, all or none, and gives the number of those that were not
    /// known by their id. Ids are known until a week after their item is done.
    ///
    /// # Errors
    /// [`Error::Store`] with [`StoreError::QueueFull`] from 256 MiB on, and any other
    /// failure of the store, also below: nothing was kept then. [`Error::NoConnection`].
    ///
    /// [`StoreError::QueueFull`]: crate::store::StoreError::QueueFull
    pub async fn put(&self, items: Vec<NewItem>) -> Result<u64, Error> {
        let put = QueuePut {
            items,
            checkpoint: None,
            at_ms: now_ms(),
            limit_bytes: MAX_BYTES,
        };
        let Queue { host, key } = &self.queue;
        let new = host.store.queue_put(key, &put).await;
        let new = new.map_err(no_connection)?;
        if new > 0 {
            self.wake();
        }
        Ok(new)
    }

    /// Takes items that are due, longest first, at most 1,000 and about 16 MiB. Nobody
    /// else gets them before the lease ends.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn take(&self, limit: u32, lease: Duration) -> Result<Taken, Error> {
        let take = QueueTake {
            now_ms: now_ms(),
            lease_ms: milliseconds(lease),
            limit,
        };
        let Queue { host, key } = &self.queue;
        let taken = host.store.queue_take(key, take).await;
        taken.map_err(no_connection)
    }

    /// Writes down what became of items, durably, and gives the number of those of
    /// which it was taken for true: that something is done always is, anything else
    /// only within the lease.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn settle(&self, settled: &[Settled]) -> Result<u64, Error> {
        let Queue { host, key } = &self.queue;
        let settled = host.store.queue_settle(key, settled, now_ms()).await;
        settled.map_err(no_connection)
    }

    /// Comes when something was put by this inbox or a clone of it, at once if that was
    /// since it came last. One waits at a time.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Has the one who waits look again: something else has put an item, or brought
    /// one back.
    pub fn wake(&self) {
        self.arrived.notify_one();
    }

    /// Forgets the ids of what was done more than a week ago, and gives their number.
    /// To be called now and then.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn prune(&self) -> Result<u64, Error> {
        let before_ms = now_ms().saturating_sub(milliseconds(IDS_KEPT));
        let Queue { host, key } = &self.queue;
        let pruned = host.store.queue_prune(key, before_ms).await;
        pruned.map_err(no_connection)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
