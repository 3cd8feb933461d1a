//! Contents of files as an embedder gives and gets them: streams of bytes, with
//! back-pressure, that end the transfer when they are dropped.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_channel::{mpsc, oneshot};
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use tokio::io::{AsyncRead, ReadBuf};
use wasmtime::StoreContextMut;
use wasmtime::component::{Destination, FutureConsumer, Source, StreamProducer, StreamResult};

use crate::bindings::connector::exports::lockgate::connector::records as wit;
use crate::connector::Instance;
use crate::error::Error;
use crate::guest::CallerFault;
use crate::outflow::{Outflow, Progress};
use crate::patience::Patience;
use crate::state::ConnectorState;

/// How much is read of a file at a time.
const READ_BYTES: usize = 64 * 1024;

/// The content of a file to be uploaded.
pub struct Content {
    parts: BoxStream<'static, io::Result<Bytes>>,
    length: Option<u64>,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Content {
    /// What a stream gives. Give the length in bytes if it is known: then what is
    /// too large is refused before it is sent, and what does not have it is never
    /// written.
    pub fn from_stream(
        parts: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        length: Option<u64>,
    ) -> Self {
        Self {
            parts: parts.boxed(),
            length,
        }
    }

    /// What a reader gives, for instance a file; the length as with
    /// [`Self::from_stream`].
    pub fn from_reader(
        reader: impl AsyncRead + Send + Unpin + 'static,
        length: Option<u64>,
    ) -> Self {
        let parts = stream::try_unfold(reader, |mut reader| async move {
            let mut buffer = vec![0; READ_BYTES];
            let mut filled = ReadBuf::new(&mut buffer);
            std::future::poll_fn(|context| Pin::new(&mut reader).poll_read(context, &mut filled))
                .await?;
            let n_bytes = filled.filled().len();
            buffer.truncate(n_bytes);
            Ok((n_bytes > 0).then(|| (Bytes::from(buffer), reader)))
        });
        Self::from_stream(parts, length)
    }

    /// Bytes that are all here.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let length = bytes.len() as u64;
        Self::from_stream(stream::iter([Ok(bytes)]), Some(length))
    }

    /// The length in bytes, if it is known.
    #[must_use]
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    /// The content as a guest's stream. Time that the caller takes for it does
    /// not count as the guest's.
    pub(crate) fn feed(self, patience: &Patience) -> Feed {
        Feed {
            parts: self.parts,
            length: self.length,
            given: 0,
            rest: Bytes::new(),
            patience: patience.clone(),
            progress: Progress::new(patience.clone()),
        }
    }
}

/// Feeds a content to a guest. It ends only if it is whole: otherwise the call
/// does, since a guest could not tell half of a file from all of it.
pub(crate) struct Feed {
    parts: BoxStream<'static, io::Result<Bytes>>,
    length: Option<u64>,
    given: u64,
    rest: Bytes,
    patience: Patience,
    progress: Progress,
}

impl Feed {
    /// Counts a part, and holds it against the length.
    fn take(&mut self, part: Bytes) -> Result<(), CallerFault> {
        self.given += part.len() as u64;
        match self.length {
            Some(length) if self.given > length => Err(CallerFault(format!(
                "the content is longer than the {length} bytes that were given as its length"
            ))),
            _ => {
                self.rest = part;
                Ok(())
            }
        }
    }

    fn end(&self) -> Result<StreamResult, CallerFault> {
        match self.length {
            Some(length) if self.given < length => Err(CallerFault(format!(
                "the content has {} bytes, and {length} were given as its length",
                self.given
            ))),
            _ => Ok(StreamResult::Dropped),
        }
    }
}

impl StreamProducer<ConnectorState> for Feed {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, ConnectorState>,
        mut destination: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of no bytes only asks whether some are there.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        while self.rest.is_empty() {
            let part = self.parts.poll_next_unpin(context);
            if part.is_pending() {
                self.patience.hold();
            } else {
                self.patience.go_on();
            }
            let outcome = match part {
                Poll::Ready(Some(Ok(part))) => self.take(part),
                Poll::Ready(Some(Err(error))) => {
                    Err(CallerFault(format!("the content cannot be read: {error}")))
                }
                Poll::Ready(None) => return Poll::Ready(Ok(self.end()?)),
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            };
            outcome?;
        }
        let room = destination.remaining(&mut store).unwrap_or(READ_BYTES);
        let n_bytes = self.rest.len().min(room);
        let part = self.rest.split_to(n_bytes);
        self.progress.moved(n_bytes, store.data_mut());
        destination.set_buffer(part);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// The content of a file on its way down: a stream of its bytes, at the pace at
/// which it is read. Dropping it ends the transfer.
///
/// It ends without an error only if it is whole: what broke off ends with one,
/// and so does a transfer that a limit stopped.
pub struct Download {
    length: Option<u64>,
    parts: mpsc::Receiver<Bytes>,
    /// The call that the bytes come from; `None` once it has ended.
    transfer: Option<BoxFuture<'static, Result<(), Error>>>,
    patience: Patience,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Download {
    pub(crate) fn new(mut instance: Instance, content: wit::Content) -> Self {
        let patience = Patience::new(instance.wall());
        patience.hold();
        let (outflow, parts) = Outflow::new(Some(Progress::new(patience.clone())));
        let length = content.length;
        let transfer = {
            let patience = patience.clone();
            async move { transfer(&mut instance, content, outflow, &patience).await }
        };
        Self {
            length,
            parts,
            transfer: Some(transfer.boxed()),
            patience,
        }
    }

    /// How long the content is in bytes, if the product has said so.
    #[must_use]
    pub const fn length(&self) -> Option<u64> {
        self.length
    }
}

impl Stream for Download {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Poll::Ready(Some(part)) = this.parts.poll_next_unpin(context) {
                // From here on it is the reader's time.
                this.patience.hold();
                return Poll::Ready(Some(Ok(part)));
            }
            let Some(transfer) = &mut this.transfer else {
                return Poll::Ready(None);
            };
            this.patience.go_on();
            match transfer.poll_unpin(context) {
                Poll::Ready(outcome) => {
                    this.transfer = None;
                    if let Err(error) = outcome {
                        this.parts.close();
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                // It may have put a part into the pipe that it waits behind.
                Poll::Pending => match this.parts.poll_next_unpin(context) {
                    Poll::Ready(Some(part)) => {
                        this.patience.hold();
                        return Poll::Ready(Some(Ok(part)));
                    }
                    _ => return Poll::Pending,
                },
            }
        }
    }
}

/// Lets the bytes out until the guest has said how they ended.
async fn transfer(
    instance: &mut Instance,
    content: wit::Content,
    outflow: Outflow,
    patience: &Patience,
) -> Result<(), Error> {
    let wit::Content { bytes, ended, .. } = content;
    let told = instance
        .call_within(patience, "download", async |_, accessor| {
            let (ending, told) = oneshot::channel();
            let all_out = accessor.with(|mut access| {
                let (outflow, all_out) = outflow.watched();
                bytes.pipe(&mut access, outflow)?;
                ended.pipe(&mut access, Ending(Some(ending)))?;
                wasmtime::error::Ok(all_out)
            })?;
            let Ok(outcome) = told.await else {
                return Ok(Ok(false));
            };
            if outcome.is_ok() {
                // Ends when the pipe is let go of, and says nothing.
                let _ = all_out.await;
            }
            Ok(outcome.map(|()| true))
        })
        .await?;
    if told {
        Ok(())
    } else {
        let what = "it does not say how the content ended".to_owned();
        Err(instance.broken("download", what))
    }
}

/// Takes what a guest says of the end.
struct Ending(Option<oneshot::Sender<Result<(), wit::Error>>>);

impl FutureConsumer<ConnectorState> for Ending {
    type Item = Result<(), wit::Error>;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        store: StoreContextMut<'_, ConnectorState>,
        mut source: Source<'_, Self::Item>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut said = None;
        source.read(store, &mut said)?;
        if let (Some(ending), Some(said)) = (self.0.take(), said) {
            // Nobody waits if the call was given up.
            let _ = ending.send(said);
        }
        Poll::Ready(Ok(()))
    }
}
