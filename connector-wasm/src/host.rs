//! The one seam to the host: every import that the connector uses goes through
//! the trait `Host`.
//!
//! The component gets `Imports`; tests get a scripted org (`fake.rs`), so that
//! all the rest runs natively.

use crate::bindings::lockgate::connector::{clock, http, log, quota, storage};

pub(crate) use http::{Error as HttpError, Header, Method, Request};
pub(crate) use log::Level;
pub(crate) use quota::Error as QuotaError;

/// The largest answer that is taken, in bytes: what the contract allows by
/// default. Pages of queries and lists of objects stay far below it.
const MAX_BODY_BYTES: u64 = 32 * 1024 * 1024;

/// The headers of answers that are looked at here; the budget's is the host's.
const LOCATOR: &str = "Sforce-Locator";
const ETAG: &str = "ETag";
const LAST_MODIFIED: &str = "Last-Modified";

/// An answer with its whole body.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What `Sforce-Locator` says: where the results of a job go on.
    pub(crate) locator: Option<String>,
    /// What to ask with whether the answer has changed since.
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    pub(crate) body: Vec<u8>,
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

/// What the connector needs of its host.
pub(crate) trait Host {
    /// Calls set aside; returned to the budget when this is dropped.
    type Reserved;

    /// Sends a request and takes the whole answer.
    async fn send(&self, request: Request) -> Result<Answer, Lost>;
    /// How many calls may still be made, if that is known.
    fn calls_left(&self) -> Option<u64>;
    /// Sets calls aside without waiting.
    async fn reserve(&self, calls: u32) -> Result<Self::Reserved, QuotaError>;
    /// A stored value; `None` also if the store cannot be reached, since all
    /// that is kept there can be asked of the org again.
    async fn load(&self, key: &str) -> Option<Vec<u8>>;
    /// Stores a value if the store can be reached.
    async fn store(&self, key: &str, value: Vec<u8>);
    /// Forgets a value if the store can be reached.
    async fn forget(&self, key: &str);
    /// Returns after so many milliseconds.
    async fn wait(&self, duration_ms: u32);
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
    /// Writes one message for the operator.
    fn log(&self, level: Level, message: &str, fields: &[(&str, String)]);
}

/// The host's real imports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Imports;

impl Host for Imports {
    type Reserved = quota::Reservation;

    async fn send(&self, request: Request) -> Result<Answer, Lost> {
        let response = http::send(request).await.map_err(Lost::Head)?;
        let status = response.status();
        let locator = response.header(LOCATOR);
        let etag = response.header(ETAG);
        let last_modified = response.header(LAST_MODIFIED);
        let body = http::Response::take_body(response, MAX_BODY_BYTES)
            .await
            .map_err(Lost::Body)?;
        Ok(Answer {
            status,
            locator,
            etag,
            last_modified,
            body,
        })
    }

    fn calls_left(&self) -> Option<u64> {
        quota::status().available
    }

    async fn reserve(&self, calls: u32) -> Result<Self::Reserved, QuotaError> {
        quota::reserve(calls, 0).await
    }

    async fn load(&self, key: &str) -> Option<Vec<u8>> {
        match storage::get(key.to_owned()).await {
            Ok(entry) => entry.map(|entry| entry.value),
            Err(error) => {
                self.note_storage(key, &error);
                None
            }
        }
    }

    async fn store(&self, key: &str, value: Vec<u8>) {
        if let Err(error) = storage::put(key.to_owned(), value).await {
            self.note_storage(key, &error);
        }
    }

    async fn forget(&self, key: &str) {
        if let Err(error) = storage::delete(key.to_owned()).await {
            self.note_storage(key, &error);
        }
    }

    async fn wait(&self, duration_ms: u32) {
        clock::wait(duration_ms).await;
    }

    fn now_ms(&self) -> u64 {
        clock::now_ms()
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, String)]) {
        let fields: Vec<(String, String)> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        log::write(level, message, &fields);
    }
}

impl Imports {
    fn note_storage(self, key: &str, error: &storage::Error) {
        let reason = match error {
            storage::Error::InvalidKey => "invalid key",
            storage::Error::TooLarge(_) => "value too large",
            storage::Error::Full(_) => "full",
            storage::Error::Conflict(_) => "conflict",
            storage::Error::Unavailable(_) => "unavailable",
        };
        self.log(
            Level::Warn,
            "went on without storage",
            &[("key", key.to_owned()), ("reason", reason.to_owned())],
        );
    }
}
