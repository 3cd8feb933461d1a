//! An answer as a guest sees it: without credentials, its body taken once, whole
//! or as a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::StreamExt as _;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName};
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};

use super::body::Body;
use crate::bindings::contract::http as wit;
use crate::meter::Traffic;
use crate::redact::Redactor;
use crate::rehearsal::Entry;
use crate::transport::TransportError;

/// A sensible pause after a broken connection: long enough for a load balancer
/// to notice a dead server.
const RETRY_AFTER_MS: u64 = 1_000;

/// Fields that a guest never sees, whatever they hold.
const HIDDEN: [&str; 5] = [
    "set-cookie",
    "set-cookie2",
    "authorization",
    "proxy-authenticate",
    "www-authenticate",
];

/// Whether a guest never sees a field of an answer.
pub(crate) fn is_hidden(name: &HeaderName) -> bool {
    HIDDEN.contains(&name.as_str())
}

/// The most that goes to a guest in one piece of a stream.
const MAX_CHUNK_BYTES: usize = 256 * 1024;

/// The resource `response`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) redactor: Redactor,
    /// Where what the guest takes of it is noted, if it is.
    pub(super) entry: Option<Entry>,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Response {
    /// The same, with the bytes of its body counted as the guest reads them.
    pub(super) fn counted(mut self, traffic: &Arc<Traffic>) -> Self {
        let traffic = Arc::clone(traffic);
        let body = self.body.inspect(move |part| {
            if let Ok(part) = part {
                traffic.came(part.len());
            }
        });
        self.body = body.boxed();
        self
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        if is_hidden(&name) {
            return None;
        }
        let values: Vec<String> = self
            .headers
            .get_all(&name)
            .iter()
            .map(|value| {
                self.redactor
                    .text(&String::from_utf8_lossy(value.as_bytes()))
                    .content
                    .into_owned()
            })
            .collect();
        let value = (!values.is_empty()).then(|| values.join(", "))?;
        if let Some(entry) = &self.entry {
            entry.told(name.as_str(), &value);
        }
        Some(value)
    }

    /// Has what the guest takes of it noted.
    pub(super) fn noted(mut self, entry: Option<Entry>) -> Self {
        let Some(entry) = entry else {
            return self;
        };
        entry.answered(self.status.as_u16());
        let noted = entry.clone();
        let body = self.body.inspect(move |part| match part {
            Ok(part) => noted.came(part),
            Err(_) => noted.broke_off(),
        });
        self.body = body.boxed();
        self.entry = Some(entry);
        self
    }

    /// The whole body, if it holds at most `max_bytes`.
    pub(super) async fn collect(mut self, max_bytes: u64) -> Result<Vec<u8>, wit::Error> {
        let mut parts: Vec<Bytes> = Vec::new();
        let mut length: u64 = 0;
        while let Some(part) = self.body.next().await {
            let part = part.map_err(|error| refusal(&error))?;
            length += part.len() as u64;
            if length > max_bytes {
                return Err(wit::Error::TooLarge(max_bytes));
            }
            parts.push(part);
        }
        let mut parts = parts.into_iter();
        match (parts.next(), parts.len()) {
            (None, _) => Ok(Vec::new()),
            // The only owner of its bytes gives them up without a copy.
            (Some(only), 0) => Ok(only.into()),
            (Some(first), _) => {
                let mut whole = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
                whole.extend_from_slice(&first);
                parts.for_each(|part| whole.extend_from_slice(&part));
                Ok(whole)
            }
        }
    }
}

/// What the guest learns of a transport error.
pub(crate) fn refusal(error: &TransportError) -> wit::Error {
    match error {
        TransportError::Refused { .. } | TransportError::RedirectRefused { .. } => {
            wit::Error::Denied
        }
        TransportError::TooLarge { limit, .. } => wit::Error::TooLarge(*limit),
        TransportError::BadBody { .. } => wit::Error::Invalid(wit::InvalidPart::Body),
        TransportError::Bomb { .. } => wit::Error::Denied,
        error => wit::Error::Unavailable(wit::Interruption {
            maybe_sent: error.maybe_sent(),
            retry_after_ms: RETRY_AFTER_MS,
        }),
    }
}

/// The end of a stream that the guest let go of.
pub(super) const fn let_go() -> wit::Error {
    wit::Error::Unavailable(wit::Interruption {
        maybe_sent: true,
        retry_after_ms: 0,
    })
}

/// Feeds a body into a guest's `stream<u8>`, no faster than it reads, and tells
/// at the end how it ended.
pub(super) struct BodyProducer {
    body: Body,
    rest: Bytes,
    end: Option<oneshot::Sender<Result<(), wit::Error>>>,
}

impl BodyProducer {
    pub(super) fn new(body: Body) -> (Self, oneshot::Receiver<Result<(), wit::Error>>) {
        let (end, ended) = oneshot::channel();
        (
            Self {
                body,
                rest: Bytes::new(),
                end: Some(end),
            },
            ended,
        )
    }

    fn finish(&mut self, outcome: Result<(), wit::Error>) -> StreamResult {
        if let Some(end) = self.end.take() {
            // A guest that dropped the future does not want to know.
            let _ = end.send(outcome);
        }
        StreamResult::Dropped
    }
}

impl<D: 'static> StreamProducer<D> for BodyProducer {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, u8, VecBuffer<u8>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of no bytes only asks whether some are there.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        while self.rest.is_empty() {
            match self.body.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(part))) => self.rest = part,
                Poll::Ready(Some(Err(error))) => {
                    let outcome = Err(refusal(&error));
                    return Poll::Ready(Ok(self.finish(outcome)));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(self.finish(Ok(())))),
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let room = destination.remaining(&mut store).unwrap_or(MAX_CHUNK_BYTES);
        let n_bytes = self.rest.len().min(room).min(MAX_CHUNK_BYTES);
        let part = self.rest.split_to(n_bytes);
        destination.set_buffer(Vec::from(part).into());
        Poll::Ready(Ok(StreamResult::Completed))
    }
}
