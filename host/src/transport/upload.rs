//! The body of a request that goes up in parts: counted against its length and
//! its limit, and given up if the network does not take it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};

use super::BODY_IDLE;
use crate::patience::Patience;

/// Why a request's body was not sent to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyFlaw {
    /// It ended before its length.
    #[error("it ended after {given} of {length} bytes")]
    Short {
        /// Bytes that came.
        given: u64,
        /// Bytes that were promised.
        length: u64,
    },
    /// It went on beyond its length, or beyond the limit.
    #[error("it is longer than {0} bytes")]
    Long(u64),
}

/// A body that is sent as it comes.
pub struct Upload {
    parts: BoxStream<'static, Bytes>,
    length: Option<u64>,
    max_bytes: u64,
    given: u64,
    /// The part that completes the length, kept back until the end is seen: what
    /// goes on beyond its length must not be taken for whole.
    last: Option<Bytes>,
    ended: bool,
    head_timeout: Duration,
    watch: Watch,
}

/// What the sender of a body knows of it.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) patience: Patience,
    flaw: Arc<OnceLock<BodyFlaw>>,
    is_whole: Arc<AtomicBool>,
}

impl Watch {
    /// What was wrong with the body, if that is why it ended.
    pub(super) fn flaw(&self) -> Option<BodyFlaw> {
        self.flaw.get().copied()
    }

    /// Whether all of it was handed to the network. Before that no product can
    /// have carried the request out.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload")
            .field("length", &self.length)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

impl Upload {
    /// A body of these parts, of this length if it is known, and never longer
    /// than `max_bytes`.
    #[must_use]
    pub fn new(parts: BoxStream<'static, Bytes>, length: Option<u64>, max_bytes: u64) -> Self {
        Self {
            parts,
            length,
            max_bytes,
            given: 0,
            last: None,
            ended: false,
            head_timeout: BODY_IDLE,
            watch: Watch {
                patience: Patience::new(BODY_IDLE),
                flaw: Arc::default(),
                is_whole: Arc::default(),
            },
        }
    }

    pub(super) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Begins to count time: until the first part is asked for, and from the end
    /// to the head of the answer, it may take `head_timeout`.
    pub(super) fn begin(&mut self, head_timeout: Duration) -> Watch {
        self.head_timeout = head_timeout;
        self.watch.patience.renew_with(head_timeout);
        self.watch.clone()
    }

    fn fail(&mut self, flaw: BodyFlaw) -> Poll<Option<Result<Bytes, BodyFlaw>>> {
        self.ended = true;
        let flaw = *self.watch.flaw.get_or_init(|| flaw);
        Poll::Ready(Some(Err(flaw)))
    }

    fn finish(&mut self) -> Poll<Option<Result<Bytes, BodyFlaw>>> {
        if let Some(length) = self.length
            && self.given < length
        {
            let given = self.given;
            return self.fail(BodyFlaw::Short { given, length });
        }
        self.ended = true;
        self.watch.is_whole.store(true, Ordering::Release);
        self.watch.patience.renew_with(self.head_timeout);
        Poll::Ready(self.last.take().map(Ok))
    }
}

impl Stream for Upload {
    type Item = Result<Bytes, BodyFlaw>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        loop {
            // Who writes the body has the limits of its call, not those of the
            // network.
            self.watch.patience.hold();
            let Some(part) = ready!(self.parts.poll_next_unpin(cx)) else {
                return self.finish();
            };
            if part.is_empty() {
                continue;
            }
            self.given = self.given.saturating_add(part.len() as u64);
            let most = self
                .length
                .map_or(self.max_bytes, |n| n.min(self.max_bytes));
            if self.given > most {
                return self.fail(BodyFlaw::Long(most));
            }
            if self.length == Some(self.given) {
                self.last = Some(part);
                continue;
            }
            self.watch.patience.renew_with(BODY_IDLE);
            return Poll::Ready(Some(Ok(part)));
        }
    }
}
