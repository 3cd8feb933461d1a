//! A body on its way to a guest: what was read ahead, then the rest, with every
//! credential taken out.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::redact::{RedactedStream, Redactor};
use crate::store::ConnectionKey;
use crate::transport::TransportError;

/// A body under way.
pub(super) type Body = BoxStream<'static, Result<Bytes, TransportError>>;

struct Source {
    /// Read ahead to find out what the answer means.
    ahead: VecDeque<Result<Bytes, TransportError>>,
    rest: crate::transport::Body,
    redacted: RedactedStream,
    /// Redacted and not handed on yet.
    ready: VecDeque<Bytes>,
    ended: bool,
    connection: ConnectionKey,
}

/// Puts what was read ahead before the rest and takes the secrets out of both.
pub(super) fn redacted(
    ahead: Vec<Result<Bytes, TransportError>>,
    rest: crate::transport::Body,
    redactor: &Redactor,
    connection: ConnectionKey,
) -> Body {
    let source = Source {
        ahead: ahead.into(),
        rest,
        redacted: redactor.stream(),
        ready: VecDeque::new(),
        ended: false,
        connection,
    };
    stream::unfold(source, |mut source| async move {
        let part = source.next().await?;
        Some((part, source))
    })
    .boxed()
}

impl Source {
    async fn next(&mut self) -> Option<Result<Bytes, TransportError>> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Some(Ok(part));
            }
            if self.ended {
                return None;
            }
            let next = match self.ahead.pop_front() {
                Some(part) => Some(part),
                None => self.rest.chunk().await,
            };
            match next {
                Some(Ok(part)) => self
                    .ready
                    .extend(self.redacted.push(part).into_iter().flatten()),
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                None => {
                    self.ended = true;
                    self.ready.extend(self.redacted.finish());
                }
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let removed = self.redacted.removed();
        if removed > 0 {
            tracing::warn!(
                connection = %self.connection, removed,
                "the product sent a credential back; it was kept from the guest"
            );
        }
    }
}
