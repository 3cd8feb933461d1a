//! What comes of requests and exchanges, as the rest of the connector sees it, and
//! how answers of the real host are taken.

use super::{Ending, HttpError, Request, http, tables};

/// The largest answer that is taken, in bytes: what the contract allows by
/// default. Pages of queries and lists of objects stay far below it.
pub(super) const MAX_BODY_BYTES: u64 = 32 * 1024 * 1024;

/// The headers of answers that are looked at here; the budget's is the host's.
const LOCATOR: &str = "Sforce-Locator";
const ETAG: &str = "ETag";
const LAST_MODIFIED: &str = "Last-Modified";
const DATE: &str = "Date";

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

/// Lines of a file that were found in rows of a table.
#[derive(Debug)]
pub(crate) struct Found<W> {
    /// One for each row, in the order of the rows.
    pub(crate) lines: Vec<u32>,
    /// What was to be read out, row by row.
    pub(crate) cells: Vec<String>,
    /// The records of the lines, if they were wanted and can be told.
    pub(crate) records: Vec<Option<String>>,
    /// The ids of the rows, which the host holds.
    pub(crate) written: W,
    pub(crate) is_last: bool,
}

/// What came of an exchange.
#[derive(Debug)]
pub(crate) enum Heard {
    Message(Vec<u8>),
    /// Nothing comes after.
    Ended(Ending),
}

/// Sends a request, and takes what may be a content by `take`.
pub(super) async fn opened<D>(
    request: Request,
    take: impl FnOnce(http::Response) -> D,
) -> Result<Opened<D>, Lost> {
    let response = http::send(request).await.map_err(Lost::Head)?;
    if response.status() != 200 {
        return Ok(Opened::Refused(whole(response).await?));
    }
    let length = response.header("Content-Length");
    Ok(Opened::Content {
        length: length.and_then(|length| length.parse().ok()),
        locator: response.header(LOCATOR),
        body: take(response),
    })
}

/// The answer with its whole body.
pub(super) async fn whole(response: http::Response) -> Result<Answer, Lost> {
    let status = response.status();
    let etag = response.header(ETAG);
    let last_modified = response.header(LAST_MODIFIED);
    let date = response.header(DATE);
    let body = http::Response::take_body(response, MAX_BODY_BYTES)
        .await
        .map_err(Lost::Body)?;
    Ok(Answer {
        status,
        etag,
        last_modified,
        date,
        body,
    })
}

/// How the body of a table broke off.
pub(super) const fn lost_table(error: tables::Error) -> Lost {
    Lost::Body(match error {
        tables::Error::Unavailable(retry_after_ms) => HttpError::Unavailable(http::Interruption {
            maybe_sent: true,
            retry_after_ms,
        }),
        tables::Error::TooLarge(bytes) => HttpError::TooLarge(bytes),
        tables::Error::Denied => HttpError::Denied,
    })
}
