//! What comes of requests and exchanges, as the rest of the connector sees it.

use super::{Ending, HttpError};

/// An answer with its whole body.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What to ask with whether the answer has changed since.
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    /// When it was given, by the org's clock.
    pub(crate) date: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// An answer of which only the head is there, if it is a content.
#[derive(Debug)]
pub(crate) enum Opened<D> {
    Content {
        length: Option<u64>,
        /// What `Sforce-Locator` says: where the results of a job go on.
        locator: Option<String>,
        body: D,
    },
    Refused(Answer),
}

/// Why a request has no whole answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// No answer began.
    Head(HttpError),
    /// The answer began, so the request was carried out or refused, and broke
    /// off.
    Body(HttpError),
}

/// Rows of a table that the host has read and holds.
#[derive(Debug)]
pub(crate) struct Part<R> {
    pub(crate) rows: R,
    pub(crate) count: u32,
    /// How many bytes of the table they are.
    pub(crate) bytes: u64,
    pub(crate) is_last: bool,
}

/// What became of a request whose body the host made.
#[derive(Debug)]
pub(crate) enum Sent<W> {
    /// What the answer tells of each record.
    Told(Told<W>),
    /// It is a success, and tells nothing that can be read.
    Unreadable,
    /// An answer with another status than 200 and 201.
    Refused(Answer),
}

/// What an answer tells of records that the host has sent.
#[derive(Debug)]
pub(crate) struct Told<W> {
    pub(crate) count: usize,
    /// Objects that tell of anything but a written record, by their places.
    pub(crate) others: Vec<(usize, String)>,
    /// All others, which the host holds.
    pub(crate) written: W,
}

/// What came of an exchange.
#[derive(Debug)]
pub(crate) enum Heard {
    Message(Vec<u8>),
    /// Nothing comes after.
    Ended(Ending),
}
