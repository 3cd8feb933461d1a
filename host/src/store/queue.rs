//! Queues of a connection: plain records, and the bounds of what a queue holds.

use std::fmt;

use super::{ConnectionKey, StoreError};

/// The longest name of a queue, in bytes.
pub const MAX_QUEUE_NAME_BYTES: usize = 80;

/// The longest id of an item, in bytes.
pub const MAX_QUEUE_ID_BYTES: usize = 256;

/// The largest item, in bytes.
pub const MAX_QUEUE_ITEM_BYTES: usize = 8 * 1024 * 1024;

/// The longest checkpoint of a reader, in bytes.
pub const MAX_QUEUE_CHECKPOINT_BYTES: usize = 64 * 1024;

/// The longest text of a problem, in bytes.
pub const MAX_QUEUE_PROBLEM_BYTES: usize = 1024;

/// What one item costs of its queue's share beyond its bytes: about what a row with
/// its places in the indexes costs on disk.
pub const QUEUE_ITEM_OVERHEAD_BYTES: u64 = 256;

/// The most items that one take or one listing gives.
pub const MAX_QUEUE_PAGE_ITEMS: u32 = 1_000;

/// About the most bytes that one take or one listing gives; the item that goes beyond
/// it is the last one.
pub const MAX_QUEUE_PAGE_BYTES: u64 = 16 * 1024 * 1024;

/// How far the clocks of processes that share a queue may be apart, in milliseconds. One
/// that is further behind than this was set back.
pub(super) const CLOCK_SKEW_MS: u64 = 5 * 60 * 1000;

/// How often a queue in which nothing happens notes what time it is, in milliseconds.
pub(super) const CLOCK_NOTED_EVERY_MS: u64 = 60 * 1000;

/// Which queue: one of a connection, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueKey {
    /// The connection.
    pub connection: ConnectionKey,
    /// The name, 1 to [`MAX_QUEUE_NAME_BYTES`] bytes.
    pub name: String,
}

/// Something to be done, as it is put into a queue.
#[derive(Clone, PartialEq, Eq)]
pub struct NewItem {
    /// The same for the same thing however often it is put; 1 to
    /// [`MAX_QUEUE_ID_BYTES`] bytes.
    pub id: String,
    /// What it is, at most [`MAX_QUEUE_ITEM_BYTES`].
    pub bytes: Vec<u8>,
}

impl fmt::Debug for NewItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewItem")
            .field("id", &self.id)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// What goes into a queue in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePut {
    /// In their order. Those whose id the queue knows already are left out.
    pub items: Vec<NewItem>,
    /// How far the reader has come with these; `None` leaves what is kept. At most
    /// [`MAX_QUEUE_CHECKPOINT_BYTES`].
    pub checkpoint: Option<Vec<u8>>,
    /// Now, in milliseconds since 1970: from then on they are due.
    pub at_ms: u64,
    /// From how much on, of waiting and dead items, the queue takes nothing new, counting
    /// for each its bytes and [`QUEUE_ITEM_OVERHEAD_BYTES`]. A put that begins below it
    /// is taken whole, so that none is too large for ever.
    pub limit_bytes: u64,
}

/// What is to be taken out of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueTake {
    /// Now, in milliseconds since 1970.
    pub now_ms: u64,
    /// How long nobody else gets these, in milliseconds.
    pub lease_ms: u64,
    /// At most so many, and never more than [`MAX_QUEUE_PAGE_ITEMS`].
    pub limit: u32,
}

/// What was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Those that were due, longest first.
    pub items: Vec<TakenItem>,
    /// When the next one is due, in milliseconds since 1970; `None` if no other waits.
    pub next_due_ms: Option<u64>,
}

/// An item that is being worked on.
#[derive(Clone, PartialEq, Eq)]
pub struct TakenItem {
    /// Its id.
    pub id: String,
    /// What it is.
    pub bytes: Vec<u8>,
    /// When it was put, in milliseconds since 1970.
    pub put_ms: u64,
    /// How often it was taken since it was put or brought back, this time included.
    pub tries: u32,
    /// Until when it is nobody else's, in milliseconds since 1970. Names this taking
    /// when the item is settled.
    pub leased_until_ms: u64,
}

impl fmt::Debug for TakenItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakenItem")
            .field("id", &self.id)
            .field("len", &self.bytes.len())
            .field("tries", &self.tries)
            .field("leased_until_ms", &self.leased_until_ms)
            .finish_non_exhaustive()
    }
}

/// What became of an item that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its id.
    pub id: String,
    /// As it was taken.
    pub leased_until_ms: u64,
    /// What became of it.
    pub outcome: QueueOutcome,
}

/// What becomes of an item. Texts of problems are cut at
/// [`MAX_QUEUE_PROBLEM_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueOutcome {
    /// It is done: its bytes go, its id stays known.
    Done,
    /// It is to be tried again.
    Again {
        /// When, in milliseconds since 1970.
        due_ms: u64,
        /// What was wrong.
        problem: String,
    },
    /// It is given up until somebody brings it back.
    Dead {
        /// What was wrong.
        problem: String,
    },
}

/// Which items of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// To be done, now or later, or being worked on.
    Waiting,
    /// Given up.
    Dead,
}

impl QueueState {
    /// The name, as stored.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Dead => "dead",
        }
    }
}

/// Which dead items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one with this id.
    One(String),
    /// All of them.
    All,
}

/// Some items of a queue, in the order in which they were put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueuePage {
    /// The items.
    pub items: Vec<ListedItem>,
    /// What to give as `after` to go on; `None` after the last page.
    pub next: Option<u64>,
}

/// An item as it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ListedItem {
    /// Its place in the order; grows.
    pub number: u64,
    /// Its id.
    pub id: String,
    /// What it is.
    pub bytes: Vec<u8>,
    /// When it was put, in milliseconds since 1970.
    pub put_ms: u64,
    /// Of a waiting one when it is due next, of a dead one since when it is, in
    /// milliseconds since 1970.
    pub due_ms: u64,
    /// How often it was tried.
    pub tries: u32,
    /// What was wrong the last time; `None` if nothing was yet.
    pub problem: Option<String>,
}

impl fmt::Debug for ListedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListedItem")
            .field("number", &self.number)
            .field("id", &self.id)
            .field("len", &self.bytes.len())
            .field("due_ms", &self.due_ms)
            .field("tries", &self.tries)
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}

/// How a queue is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Items that wait, those that are being worked on included.
    pub waiting: u64,
    /// Items that were given up.
    pub dead: u64,
    /// Items that were done since the queue was made.
    pub done: u64,
    /// When the item that has waited longest was put, in milliseconds since 1970.
    pub oldest_waiting_ms: Option<u64>,
    /// What waiting and dead items take of the share, in bytes.
    pub used_bytes: u64,
    /// The last problem that any item met.
    pub last_problem: Option<QueueProblem>,
}

/// Something that went wrong with an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueProblem {
    /// What.
    pub text: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

impl QueueKey {
    /// Refuses a name that is too long.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        bounded("name of a queue", self.name.len(), MAX_QUEUE_NAME_BYTES)
    }
}

impl QueuePut {
    /// Refuses what is too large.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        for item in &self.items {
            bounded("id of an item", item.id.len(), MAX_QUEUE_ID_BYTES)?;
            bounded("item", item.bytes.len(), MAX_QUEUE_ITEM_BYTES)?;
        }
        let checkpoint = self.checkpoint.as_ref().map_or(0, Vec::len);
        bounded("checkpoint", checkpoint, MAX_QUEUE_CHECKPOINT_BYTES)
    }
}

fn bounded(what: &'static str, len: usize, limit: usize) -> Result<(), StoreError> {
    if len > limit {
        return Err(StoreError::TooLarge { what, limit });
    }
    Ok(())
}

/// A problem at the length at which it is kept.
pub(crate) fn cut(problem: &str) -> &str {
    let mut end = problem.len().min(MAX_QUEUE_PROBLEM_BYTES);
    while !problem.is_char_boundary(end) {
        end -= 1;
    }
    problem.get(..end).unwrap_or_default()
}

/// What an item costs of the share.
pub(crate) const fn cost(len: u64) -> u64 {
    len + QUEUE_ITEM_OVERHEAD_BYTES
}
