//! Bytes out of a guest's stream, no faster than they are taken.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_channel::{mpsc, oneshot};
use wasmtime::component::{Source, StreamConsumer, StreamResult};

use wasmtime::{AsContextMut as _, StoreContextMut};

use crate::patience::Patience;
use crate::state::ConnectorState;

/// The most that goes up in one piece, and is taken from a guest in one.
pub(crate) const MAX_PART_BYTES: usize = 256 * 1024;

/// How much of a file moves before limits count afresh. Small enough for a slow
/// line to manage within the wall clock, large enough that a guest that moves
/// single bytes gains nothing.
const AFRESH_BYTES: u64 = 1024 * 1024;

/// The writing end of a pipe, to be put at the end of a guest's stream. When the
/// reading end is gone, the guest finds its stream dropped.
#[derive(Debug)]
pub(crate) struct Outflow {
    parts: mpsc::Sender<Bytes>,
    progress: Option<Progress>,
    /// Goes with this, which tells that no more will come.
    watched: Option<oneshot::Sender<()>>,
}

impl Outflow {
    /// A pipe that holds one part.
    pub(crate) fn new(progress: Option<Progress>) -> (Self, mpsc::Receiver<Bytes>) {
        let (parts, taken) = mpsc::channel(0);
        let outflow = Self {
            parts,
            progress,
            watched: None,
        };
        (outflow, taken)
    }

    /// The same, and what ends when the guest's stream has.
    pub(crate) fn watched(mut self) -> (Self, oneshot::Receiver<()>) {
        let (watched, gone) = oneshot::channel();
        self.watched = Some(watched);
        (self, gone)
    }
}

impl StreamConsumer<ConnectorState> for Outflow {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'_, ConnectorState>,
        mut source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.parts.poll_ready(context) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let part = {
            let mut source = source.reborrow().as_direct(store.as_context_mut());
            let written = source.remaining();
            let part = Bytes::copy_from_slice(written.get(..MAX_PART_BYTES).unwrap_or(written));
            source.mark_read(part.len());
            part
        };
        // A write of no bytes only asks whether there is room.
        if part.is_empty() {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        if let Some(progress) = &mut self.progress {
            progress.moved(part.len(), store.data_mut());
        }
        let outcome = match self.parts.start_send(part) {
            Ok(()) => StreamResult::Completed,
            Err(_) => StreamResult::Dropped,
        };
        Poll::Ready(Ok(outcome))
    }
}

/// Begins the limits of a call anew with each MiB that moves.
#[derive(Debug)]
pub(crate) struct Progress {
    patience: Patience,
    moved: u64,
}

impl Progress {
    pub(crate) const fn new(patience: Patience) -> Self {
        Self { patience, moved: 0 }
    }

    /// Notes so many bytes.
    pub(crate) fn moved(&mut self, bytes: usize, state: &mut ConnectorState) {
        self.moved += bytes as u64;
        if self.moved >= AFRESH_BYTES {
            self.moved = 0;
            self.patience.renew();
            state.rearm();
        }
    }
}
