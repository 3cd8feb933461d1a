//! The request log: what reached the org, in order of arrival, so that tests
//! and the demo can count calls instead of trusting the caller's own numbers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

/// One request as the org saw it.
#[derive(Clone, Debug, Serialize)]
pub struct LoggedRequest {
    /// Counts up from 1 over the life of the org.
    pub number: u64,
    /// Arrival, in milliseconds since 1970 on the org's clock.
    pub at_ms: i64,
    /// HTTP method.
    pub method: String,
    /// Path without the query string.
    pub path: String,
    /// Query string, still percent-encoded; absent when there was none.
    pub query: Option<String>,
    /// Status answered; 0 when the connection ended before an answer.
    pub status: u16,
    /// Whether the request was taken from the daily quota.
    pub counted: bool,
    /// Username of the session, when there was a valid one.
    pub user: Option<String>,
    /// From arrival to the answer's headers.
    pub duration_ms: u64,
    /// Kind of the fault that was played on this request, if any.
    pub fault: Option<&'static str>,
}

#[derive(Debug, Default)]
struct Entries {
    last_number: u64,
    kept: VecDeque<LoggedRequest>,
}

/// The log itself; clones write to the same one.
#[derive(Clone, Debug)]
pub(crate) struct RequestLog {
    entries: Arc<Mutex<Entries>>,
    capacity: usize,
}

impl RequestLog {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            entries: Arc::default(),
            capacity,
        }
    }

    pub(crate) fn all(&self) -> Vec<LoggedRequest> {
        self.lock().kept.iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.lock().kept.clear();
    }

    /// Opens an entry that is written when the request ends, however it ends.
    pub(crate) fn open(
        &self,
        at_ms: i64,
        method: &str,
        path: &str,
        query: Option<&str>,
    ) -> OpenEntry {
        OpenEntry {
            log: self.clone(),
            started: Instant::now(),
            entry: LoggedRequest {
                number: 0,
                at_ms,
                method: method.to_owned(),
                path: path.to_owned(),
                query: query.map(str::to_owned),
                status: 0,
                counted: false,
                user: None,
                duration_ms: 0,
                fault: None,
            },
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on its way. Dropping it writes the entry: a handler that is
/// cancelled because the connection died is logged with status 0.
#[derive(Debug)]
pub(crate) struct OpenEntry {
    log: RequestLog,
    started: Instant,
    entry: LoggedRequest,
}

impl OpenEntry {
    pub(crate) fn fault(&mut self, kind: &'static str) {
        self.entry.fault = Some(kind);
    }

    pub(crate) fn admitted(&mut self, user: &str, counted: bool) {
        self.entry.user = Some(user.to_owned());
        self.entry.counted = counted;
    }

    pub(crate) fn answered(&mut self, status: u16) {
        self.entry.status = status;
    }
}

impl Drop for OpenEntry {
    fn drop(&mut self) {
        self.entry.duration_ms =
            u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut entries = self.log.lock();
        entries.last_number += 1;
        self.entry.number = entries.last_number;
        if entries.kept.len() >= self.log.capacity {
            entries.kept.pop_front();
        }
        entries.kept.push_back(self.entry.clone());
    }
}
