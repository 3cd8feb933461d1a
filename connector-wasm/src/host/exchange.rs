//! Exchanges of messages, as the interface `stream` has them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};

use super::{Ending, Heard, StreamError, clock, stream};
use crate::bindings::wit_stream;

/// The endpoint of the manifest.
const ENDPOINT: &str = "pubsub";

/// What is said of an exchange whose end was told already: the connection is gone.
const GONE: u32 = 14;

/// An exchange under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// None once no more will be said.
    writer: Option<StreamWriter<Vec<u8>>>,
    reader: StreamReader<Vec<u8>>,
    /// None once it was told.
    ending: Option<FutureReader<Ending>>,
    /// What came while others were heard.
    heard: VecDeque<Vec<u8>>,
    /// No more comes.
    is_over: bool,
}

impl Exchange {
    pub(super) async fn open(method: &str) -> Result<Self, StreamError> {
        let (writer, outgoing) = wit_stream::new();
        let opened = stream::open(ENDPOINT.to_owned(), method.to_owned(), outgoing).await;
        let (reader, ending) = opened?;
        Ok(Self {
            writer: Some(writer),
            reader,
            ending: Some(ending),
            heard: VecDeque::new(),
            is_over: false,
        })
    }

    pub(super) async fn say(&mut self, message: Vec<u8>) {
        if let Some(writer) = &mut self.writer {
            // A message that is given back was not wanted: the end is on its way.
            let _given_back = writer.write_one(message).await;
        }
    }

    pub(super) fn say_no_more(&mut self) {
        self.writer = None;
    }

    /// Notes what a read has come to.
    fn note(&mut self, status: StreamResult, messages: Vec<Vec<u8>>) {
        self.heard.extend(messages);
        self.is_over |= matches!(status, StreamResult::Dropped);
    }

    /// What is there already, if something is.
    async fn take(&mut self) -> Option<Heard> {
        if let Some(message) = self.heard.pop_front() {
            return Some(Heard::Message(message));
        }
        if !self.is_over {
            return None;
        }
        let ending = match self.ending.take() {
            Some(ending) => ending.await,
            None => Ending {
                status: GONE,
                trailers: Vec::new(),
            },
        };
        Some(Heard::Ended(ending))
    }
}

/// Waits for the first of some exchanges to say something.
pub(super) async fn hear(
    mut exchanges: Vec<&mut Exchange>,
    wait_ms: u32,
) -> Option<(usize, Heard)> {
    if let Some(heard) = first(&mut exchanges).await {
        return Some(heard);
    }
    let mut reads: Vec<_> = exchanges
        .iter_mut()
        .map(|exchange| Some(Box::pin(exchange.reader.read(Vec::with_capacity(1)))))
        .collect();
    let mut alarm = pin!(clock::wait(wait_ms));
    let mut came: Vec<Option<(StreamResult, Vec<Vec<u8>>)>> = Vec::new();
    came.resize_with(reads.len(), || None);
    poll_fn(|context| {
        let mut is_there = false;
        for (read, came) in reads.iter_mut().zip(&mut came) {
            let polled = read.as_mut().map(|read| read.as_mut().poll(context));
            if let Some(Poll::Ready(outcome)) = polled {
                *read = None;
                *came = Some(outcome);
                is_there = true;
            }
        }
        if is_there {
            return Poll::Ready(());
        }
        alarm.as_mut().poll(context)
    })
    .await;
    // Dropping a read could lose what it has read.
    for (read, came) in reads.iter_mut().zip(&mut came) {
        if let Some(read) = read {
            *came = Some(read.as_mut().cancel());
        }
    }
    drop(reads);
    for (exchange, came) in exchanges.iter_mut().zip(came) {
        if let Some((status, messages)) = came {
            exchange.note(status, messages);
        }
    }
    first(&mut exchanges).await
}

/// The first that has something to say.
async fn first(exchanges: &mut [&mut Exchange]) -> Option<(usize, Heard)> {
    for (at, exchange) in exchanges.iter_mut().enumerate() {
        if let Some(heard) = exchange.take().await {
            return Some((at, heard));
        }
    }
    None
}
