//! The body of an answer: decompressed, counted against its limit, and given up
//! if it stalls, breaks off or swells.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use futures_util::Stream;

use super::error::{Part, TransportError, clean, innermost};
use super::pace::Pace;

/// The limit of a body unless the caller sets another, in bytes once
/// decompressed: what one call may take by default.
pub const DEFAULT_BODY_BYTES: u64 = 32 * 1024 * 1024;

/// How much larger than its compressed form a body may be. Tables of records
/// with long field names reach 30 to 60; deflate itself ends at 1,032.
pub const MAX_RATIO: u64 = 200;

/// Bodies up to this size may have any ratio: they do no harm, and a short run
/// of blanks is no attack.
const RATIO_FREE_BYTES: u64 = 1024 * 1024;

/// How much is decompressed at a time: at most 4 MiB come of it.
const INFLATE_STEP: usize = 4 * 1024;

/// The most memory that `collect` sets aside on the word of the other side.
const MAX_TRUSTED_LENGTH: u64 = 1024 * 1024;

type Source = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// The body of an answer, to be read once, as a stream or as a whole.
///
/// After the first error it is at its end.
pub struct Body {
    host: String,
    source: Source,
    declared: Option<u64>,
    gunzip: Option<Gunzip>,
    limit: u64,
    given: u64,
    pace: Pace,
    ended: bool,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("given", &self.given)
            .field("limit", &self.limit)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Body {
    pub(super) fn new(host: String, response: reqwest::Response, gzip: bool) -> Self {
        let declared = response.content_length().filter(|_| !gzip);
        Self {
            host,
            source: Box::pin(response.bytes_stream()),
            declared,
            gunzip: gzip.then(Gunzip::new),
            limit: DEFAULT_BODY_BYTES,
            given: 0,
            pace: Pace::new(),
            ended: false,
        }
    }

    /// Sets how many bytes, once decompressed, the body may have.
    #[must_use]
    pub fn limited(mut self, max_bytes: u64) -> Self {
        self.limit = max_bytes;
        self
    }

    /// The next part; `None` at the end.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, TransportError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The whole body.
    ///
    /// # Errors
    /// `TooLarge` if it has more than `max_bytes`; otherwise as the stream does.
    pub async fn collect(self, max_bytes: u64) -> Result<Bytes, TransportError> {
        let mut body = self.limited(max_bytes);
        let Some(first) = body.chunk().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let Some(second) = body.chunk().await.transpose()? else {
            return Ok(first);
        };
        let expected = body.declared.unwrap_or(0).min(MAX_TRUSTED_LENGTH);
        let mut whole = BytesMut::with_capacity(usize::try_from(expected).unwrap_or(0));
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(chunk) = body.chunk().await.transpose()? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Counts a part, and refuses it if it is beyond the limit.
    fn give(&mut self, chunk: Bytes) -> Result<Bytes, TransportError> {
        self.given = self.given.saturating_add(chunk.len() as u64);
        if self.given > self.limit {
            return Err(self.too_large());
        }
        Ok(chunk)
    }

    fn too_large(&self) -> TransportError {
        TransportError::TooLarge {
            part: Part::Body,
            limit: self.limit,
        }
    }

    fn broken(&self, cause: String) -> TransportError {
        TransportError::Broken {
            host: self.host.clone(),
            cause,
            maybe_sent: true,
        }
    }

    /// What is decompressed and not given out yet.
    fn inflated(&mut self) -> Option<Result<Bytes, TransportError>> {
        let gunzip = self.gunzip.as_mut()?;
        match gunzip.step() {
            Ok(None) => None,
            Ok(Some(chunk)) => Some(self.give(chunk)),
            Err(error) => Some(Err(self.inflate_error(error))),
        }
    }

    fn inflate_error(&self, error: InflateError) -> TransportError {
        match error {
            InflateError::Bomb => TransportError::Bomb { limit: MAX_RATIO },
            InflateError::Malformed(error) => self.broken(format!(
                "its gzip encoding is malformed ({})",
                clean(&error.to_string())
            )),
        }
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        if self.given == 0 && self.declared.is_some_and(|length| length > self.limit) {
            return Poll::Ready(Some(Err(self.too_large())));
        }
        loop {
            if let Some(result) = self.inflated() {
                return Poll::Ready(Some(result));
            }
            let Poll::Ready(next) = self.source.as_mut().poll_next(cx) else {
                let limit = ready!(self.pace.poll(cx));
                return Poll::Ready(Some(Err(TransportError::TimedOut {
                    host: self.host.clone(),
                    part: Part::Body,
                    limit,
                    maybe_sent: true,
                })));
            };
            match next {
                Some(Ok(chunk)) => {
                    self.pace.arrived(chunk.len());
                    match &mut self.gunzip {
                        Some(gunzip) => gunzip.feed(chunk),
                        None if chunk.is_empty() => {}
                        None => return Poll::Ready(Some(self.give(chunk))),
                    }
                }
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(self.broken(innermost(&error)))));
                }
                None => {
                    let rest = self.gunzip.take().map_or(Ok(None), Gunzip::finish);
                    return Poll::Ready(match rest {
                        Ok(None) => None,
                        Ok(Some(chunk)) => Some(self.give(chunk)),
                        Err(error) => Some(Err(self.inflate_error(error))),
                    });
                }
            }
        }
    }
}

impl Stream for Body {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = ready!(self.poll_part(cx));
        self.ended = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }
}

/// Decompresses in small steps, so that no input can make much of itself before
/// it is stopped.
struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    waiting: Bytes,
    taken: u64,
    made: u64,
}

enum InflateError {
    Bomb,
    Malformed(io::Error),
}

impl From<io::Error> for InflateError {
    fn from(error: io::Error) -> Self {
        Self::Malformed(error)
    }
}

impl Gunzip {
    fn new() -> Self {
        Self {
            decoder: MultiGzDecoder::new(Vec::new()),
            waiting: Bytes::new(),
            taken: 0,
            made: 0,
        }
    }

    /// Takes compressed bytes; all given before have been taken by `step`.
    fn feed(&mut self, chunk: Bytes) {
        self.waiting = chunk;
    }

    /// Decompresses until something comes of it; `None` if more input is needed.
    fn step(&mut self) -> Result<Option<Bytes>, InflateError> {
        while !self.waiting.is_empty() {
            let input = self.waiting.split_to(self.waiting.len().min(INFLATE_STEP));
            self.taken = self.taken.saturating_add(input.len() as u64);
            self.decoder.write_all(&input)?;
            self.decoder.flush()?;
            if let Some(output) = self.output()? {
                return Ok(Some(output));
            }
        }
        Ok(None)
    }

    /// Checks that the compressed form is whole. No input at all is an empty
    /// body: the answer to HEAD, for one.
    fn finish(mut self) -> Result<Option<Bytes>, InflateError> {
        if self.taken == 0 {
            return Ok(None);
        }
        self.decoder.try_finish()?;
        self.output()
    }

    fn output(&mut self) -> Result<Option<Bytes>, InflateError> {
        let output = std::mem::take(self.decoder.get_mut());
        if output.is_empty() {
            return Ok(None);
        }
        self.made = self.made.saturating_add(output.len() as u64);
        if self.made > RATIO_FREE_BYTES && self.made > self.taken.saturating_mul(MAX_RATIO) {
            return Err(InflateError::Bomb);
        }
        Ok(Some(Bytes::from(output)))
    }
}
