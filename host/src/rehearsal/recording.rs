//! Requests and their answers as the guest saw them: what it sent before the credential
//! was added, and what came after credentials were taken out. A token is never in it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most that is kept of bodies, in bytes: a test that needs more is none.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// A request with its answer.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordedExchange {
    /// The method in upper case.
    pub method: String,
    /// The path with its query, as they go over the wire.
    pub path: String,
    /// The body of the request; `None` if it had none.
    pub body: Option<Vec<u8>>,
    /// The status of the answer; `None` if none came.
    pub status: Option<u16>,
    /// The header fields of the answer that the connector has looked at and that were
    /// there, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// As much of the answer's body as the connector has read.
    pub answer: Vec<u8>,
    /// False if there is no answer, if it broke off, or if too much was recorded
    /// before.
    pub is_whole: bool,
}

impl fmt::Debug for RecordedExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bodies hold what customers have in their records.
        f.debug_struct("RecordedExchange")
            .field("method", &self.method)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// All that was sent in a rehearsal.
#[derive(Debug, Default)]
pub(crate) struct Recording(Mutex<Reel>);

#[derive(Debug, Default)]
struct Reel {
    exchanges: Vec<RecordedExchange>,
    bytes: usize,
}

/// One exchange of it, which is still under way.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    recording: Arc<Recording>,
    at: usize,
}

impl Recording {
    pub(super) fn all(&self) -> Vec<RecordedExchange> {
        self.reel().exchanges.clone()
    }

    /// Notes a request that goes out.
    pub(crate) fn begin(self: &Arc<Self>, method: &str, path: String) -> Entry {
        let mut reel = self.reel();
        reel.exchanges.push(RecordedExchange {
            method: method.to_owned(),
            path,
            body: None,
            status: None,
            headers: BTreeMap::new(),
            answer: Vec::new(),
            is_whole: false,
        });
        Entry {
            recording: Arc::clone(self),
            at: reel.exchanges.len() - 1,
        }
    }

    fn reel(&self) -> MutexGuard<'_, Reel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// A part of the request's body.
    pub(crate) fn sent(&self, part: &[u8]) {
        self.keep(part, |exchange| exchange.body.get_or_insert_default());
    }

    /// The head of the answer.
    pub(crate) fn answered(&self, status: u16) {
        self.change(|exchange| {
            exchange.status = Some(status);
            exchange.is_whole = true;
        });
    }

    /// A header field of the answer that the guest has asked for.
    pub(crate) fn told(&self, name: &str, value: &str) {
        self.change(|exchange| {
            let name = name.to_ascii_lowercase();
            exchange.headers.insert(name, value.to_owned());
        });
    }

    /// A part of the answer's body.
    pub(crate) fn came(&self, part: &[u8]) {
        self.keep(part, |exchange| &mut exchange.answer);
    }

    /// The answer broke off.
    pub(crate) fn broke_off(&self) {
        self.change(|exchange| exchange.is_whole = false);
    }

    fn keep(&self, part: &[u8], place: fn(&mut RecordedExchange) -> &mut Vec<u8>) {
        let mut reel = self.recording.reel();
        let bytes = reel.bytes.saturating_add(part.len());
        let Some(exchange) = reel.exchanges.get_mut(self.at) else {
            return;
        };
        if bytes > MAX_BYTES {
            exchange.is_whole = false;
            return;
        }
        place(exchange).extend_from_slice(part);
        reel.bytes = bytes;
    }

    fn change(&self, change: impl FnOnce(&mut RecordedExchange)) {
        if let Some(exchange) = self.recording.reel().exchanges.get_mut(self.at) {
            change(exchange);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_under_way_together_keep_their_own_answers() {
        let recording = Arc::<Recording>::default();
        let (first, second) = (
            recording.begin("GET", "/a".to_owned()),
            recording.begin("POST", "/b?c=d".to_owned()),
        );
        second.sent(b"{}");
        second.answered(201);
        second.came(b"tw");
        first.answered(200);
        first.told("ETag", "x");
        second.came(b"o");
        first.broke_off();
        let all = recording.all();
        assert_eq!((all[0].status, all[0].is_whole), (Some(200), false));
        assert_eq!(all[0].headers["etag"], "x");
        assert_eq!(all[0].body, None);
        assert_eq!((all[1].path.as_str(), all[1].is_whole), ("/b?c=d", true));
        assert_eq!(all[1].body.as_deref(), Some(&b"{}"[..]));
        assert_eq!(all[1].answer, b"two");
        assert!(!format!("{all:?}").contains("two"));
    }

    #[test]
    fn what_is_too_much_is_not_kept_and_says_so() {
        let recording = Arc::<Recording>::default();
        let entry = recording.begin("GET", "/".to_owned());
        entry.answered(200);
        let mebibyte = vec![0; 1024 * 1024];
        for _ in 0..=64 {
            entry.came(&mebibyte);
        }
        let all = recording.all();
        assert_eq!(all[0].answer.len(), MAX_BYTES);
        assert!(!all[0].is_whole);
    }
}
