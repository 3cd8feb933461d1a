//! A queue of a connection as an app looks after it: how it is, what was given up and
//! why, and bringing that back.

use std::sync::Arc;

use super::{Connection, no_connection};
use crate::capability::clock::now_ms;
use crate::error::Error;
use crate::host::Inner;
use crate::store::{QueueCounts, QueueKey, QueuePage, QueueState, Which};

/// What names of queues of webhooks that go out begin with.
const OUT: &str = "out:";

/// The longest name that an app gives, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// What is still to be done for a connection, and what was given up. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    pub(crate) host: Arc<Inner>,
    pub(crate) key: QueueKey,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Queue").field(&self.key).finish()
    }
}

impl Connection {
    /// The queue of the webhooks of an endpoint, by the endpoint's name, whether or not
    /// a [`Courier`] is at work on it.
    ///
    /// # Errors
    /// [`Error::Input`] if the name does not have 1 to 64 bytes.
    ///
    /// [`Courier`]: crate::outbound::Courier
    pub fn outbox(&self, endpoint: &str) -> Result<Queue, Error> {
        self.queue(OUT, endpoint)
    }

    pub(crate) fn queue(&self, kind: &str, name: &str) -> Result<Queue, Error> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(Error::Input(format!(
                "a name of {} bytes: a queue has a name of 1 to {MAX_NAME_BYTES} bytes",
                name.len()
            )));
        }
        Ok(Queue {
            host: Arc::clone(&self.host),
            key: QueueKey {
                connection: self.key.clone(),
                name: format!("{kind}{name}"),
            },
        })
    }
}

impl Queue {
    /// How many items wait and were given up, since when, and the last problem.
    ///
    /// # Errors
    /// [`Error::NoConnection`] if the connection was removed, and [`Error::Store`]. So do
    /// all below.
    pub async fn counts(&self) -> Result<QueueCounts, Error> {
        let counts = self.host.store.queue_counts(&self.key).await;
        counts.map_err(no_connection)
    }

    /// Items in the order in which they were put, in pages: at most `limit` of them and
    /// never more than 1,000, or 16 MiB, behind the number that the page before gives.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn list(
        &self,
        state: QueueState,
        after: Option<u64>,
        limit: u32,
    ) -> Result<QueuePage, Error> {
        let page = self.host.store.queue_list(&self.key, state, after, limit);
        page.await.map_err(no_connection)
    }

    /// Takes up again what was given up: it is due at once, and has all its tries again.
    /// Gives the number of items.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn again(&self, which: &Which) -> Result<u64, Error> {
        let again = self.host.store.queue_again(&self.key, which, now_ms());
        again.await.map_err(no_connection)
    }

    /// Throws away what was given up. Gives the number of items.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn discard(&self, which: &Which) -> Result<u64, Error> {
        let discarded = self.host.store.queue_discard(&self.key, which, now_ms());
        discarded.await.map_err(no_connection)
    }

    /// Erases the queue with all that is in it and with the place up to which its reader
    /// has come, and says whether there was one. Whoever works on it should have ended.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn erase(&self) -> Result<bool, Error> {
        let erased = self.host.store.queue_erase(&self.key).await;
        erased.map_err(no_connection)
    }
}
