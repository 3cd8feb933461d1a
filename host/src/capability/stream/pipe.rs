//! The two ends of an exchange in a guest: messages that depart, no faster than
//! they are sent, and messages that arrive, no faster than they are read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_channel::mpsc;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{Destination, Source, StreamConsumer, StreamProducer, StreamResult};

use super::driver::{Driver, Event};
use super::tape::Message;
use crate::bindings::contract::stream as wit;
use crate::grant::Grant;
use crate::grant::live::Live;
use crate::patience::Patience;
use crate::state::ConnectorState;
use crate::transport::BrokenOff;

/// Takes a guest's messages, one at a time.
#[derive(Debug)]
pub(super) struct Departures {
    messages: mpsc::Sender<Message>,
    max_message_bytes: u32,
}

impl Departures {
    /// A pipe that holds one message.
    pub(super) fn new(max_message_bytes: u32) -> (Self, mpsc::Receiver<Message>) {
        let (messages, taken) = mpsc::channel(0);
        let departures = Self {
            messages,
            max_message_bytes,
        };
        (departures, taken)
    }
}

impl StreamConsumer<ConnectorState> for Departures {
    type Item = Vec<u8>;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'_, ConnectorState>,
        mut source: Source<'_, Vec<u8>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.messages.poll_ready(context) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        // A write of nothing only asks whether there is room.
        let mut written: Option<Vec<u8>> = None;
        source.read(&mut store, &mut written)?;
        let Some(message) = written else {
            return Poll::Ready(Ok(StreamResult::Completed));
        };
        store.data().meter.traffic().went(message.len());
        let is_short = message.len() <= self.max_message_bytes as usize;
        let message = is_short.then(|| Bytes::from(message)).ok_or(BrokenOff);
        let is_taken = self.messages.start_send(message).is_ok();
        Poll::Ready(Ok(if is_short && is_taken {
            StreamResult::Completed
        } else {
            StreamResult::Dropped
        }))
    }
}

/// Feeds what comes of an exchange to a guest, and tells at the end how it ended.
pub(super) struct Arrivals {
    events: BoxStream<'static, Event>,
    end: Option<oneshot::Sender<wit::Ending>>,
    /// The clock that stands still, if the guest waits.
    held: Option<Patience>,
}

impl Arrivals {
    /// Messages come for as long as the grant is given: a guest that only reads makes no
    /// calls of the host at which it could be denied.
    pub(super) fn new(driver: Driver, grants: Arc<Live>) -> (Self, oneshot::Receiver<wit::Ending>) {
        let (end, ended) = oneshot::channel();
        let events = stream::unfold(Some((driver, grants)), |open| async move {
            let (mut driver, grants) = open?;
            let event = tokio::select! {
                biased;
                () = grants.taken(Grant::Stream) => Event::Taken,
                event = driver.next() => event,
            };
            match event {
                message @ Event::Message(_) => Some((message, Some((driver, grants)))),
                // The exchange is closed, and its place free, before it is told.
                ended @ (Event::Ended(_) | Event::Taken) => Some((ended, None)),
            }
        });
        let arrivals = Self {
            events: events.boxed(),
            end: Some(end),
            held: None,
        };
        (arrivals, ended)
    }

    fn go_on(&mut self) {
        if let Some(patience) = self.held.take() {
            patience.go_on();
        }
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.go_on();
    }
}

impl StreamProducer<ConnectorState> for Arrivals {
    type Item = Vec<u8>;
    type Buffer = Option<Vec<u8>>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, ConnectorState>,
        mut destination: Destination<'a, Vec<u8>, Option<Vec<u8>>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of nothing only asks whether something is there.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let event = self.events.poll_next_unpin(context);
        if event.is_pending() && !finish {
            let patience = store.data().stream.patience.clone();
            patience.hold();
            self.held = Some(patience);
            return Poll::Pending;
        }
        self.go_on();
        Poll::Ready(Ok(match event {
            Poll::Ready(Some(Event::Message(message))) => {
                let state = store.data_mut();
                state.meter.traffic().came(message.len());
                state.stream.patience.renew();
                state.rearm();
                destination.set_buffer(Some(message));
                StreamResult::Completed
            }
            Poll::Ready(Some(Event::Ended(ending))) => {
                if let Some(end) = self.end.take() {
                    // A guest that dropped the future does not want to know.
                    let _ = end.send(ending);
                }
                StreamResult::Dropped
            }
            Poll::Ready(Some(Event::Taken)) => {
                store.data().grants().check(Grant::Stream)?;
                // It was given again meanwhile; the exchange is closed all the same.
                StreamResult::Dropped
            }
            Poll::Ready(None) => StreamResult::Dropped,
            Poll::Pending => StreamResult::Cancelled,
        }))
    }
}
