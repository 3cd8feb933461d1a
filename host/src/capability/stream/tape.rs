//! What a guest has said in an exchange before the product answered, so that it
//! can be said once more: under a new session, if the old one had ended.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_channel::mpsc;
use futures_util::stream::{Stream, StreamExt as _};

use crate::transport::BrokenOff;

/// How much is kept. Requests that begin a subscription have some hundred bytes;
/// whoever says more than this before it hears anything says it again by itself.
const MAX_KEPT_BYTES: usize = 256 * 1024;

/// A message, or that what goes out was broken off.
pub(super) type Message = Result<Bytes, BrokenOff>;

/// The messages of a guest, played to one exchange after another.
#[derive(Clone, Debug)]
pub(super) struct Tape(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    messages: mpsc::Receiver<Message>,
    kept: Vec<Bytes>,
    kept_bytes: usize,
    /// Nothing is kept any longer, since it will not be played again.
    is_final: bool,
    is_broken: bool,
    /// Which of the exchanges it is played to.
    turn: u32,
}

impl Tape {
    pub(super) fn new(messages: mpsc::Receiver<Message>) -> Self {
        Self(Arc::new(Mutex::new(State {
            messages,
            kept: Vec::new(),
            kept_bytes: 0,
            is_final: false,
            is_broken: false,
            turn: 0,
        })))
    }

    /// All messages from the first on; whoever was played to before gets no more.
    /// `None` if the first ones are gone.
    pub(super) fn play(&self) -> Option<Play> {
        let mut state = self.lock();
        if state.is_final {
            return None;
        }
        state.turn += 1;
        Some(Play {
            again: state.kept.clone().into_iter(),
            turn: state.turn,
            tape: self.clone(),
        })
    }

    /// It is not played again.
    pub(super) fn finish(&self) {
        self.lock().finish();
    }

    /// Whether what goes out was broken off.
    pub(super) fn is_broken(&self) -> bool {
        self.lock().is_broken
    }

    /// Never held over an await. A panic of another holder leaves nothing half
    /// done that matters to an exchange.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn finish(&mut self) {
        self.is_final = true;
        self.kept = Vec::new();
    }

    fn keep(&mut self, message: &Bytes) {
        self.kept_bytes += message.len();
        if self.kept_bytes > MAX_KEPT_BYTES {
            self.finish();
        } else if !self.is_final {
            self.kept.push(message.clone());
        }
    }
}

/// The messages as one exchange gets them.
pub(super) struct Play {
    again: std::vec::IntoIter<Bytes>,
    turn: u32,
    tape: Tape,
}

impl Stream for Play {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        if let Some(message) = self.again.next() {
            return Poll::Ready(Some(Ok(message)));
        }
        let mut state = self.tape.lock();
        if state.turn != self.turn {
            return Poll::Ready(None);
        }
        let message = ready!(state.messages.poll_next_unpin(context));
        match &message {
            Some(Ok(message)) => state.keep(message),
            Some(Err(BrokenOff)) => state.is_broken = true,
            None => {}
        }
        Poll::Ready(message)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, SinkExt as _};

    use super::*;

    async fn say(sender: &mut mpsc::Sender<Message>, message: &'static [u8]) {
        sender.send(Ok(Bytes::from_static(message))).await.unwrap();
    }

    async fn heard(play: &mut Play) -> Bytes {
        play.next().await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn what_was_said_is_played_again_and_goes_on_where_it_was() {
        let (mut sender, messages) = mpsc::channel(4);
        let tape = Tape::new(messages);
        let mut first = tape.play().unwrap();
        say(&mut sender, b"one").await;
        say(&mut sender, b"two").await;
        assert_eq!(heard(&mut first).await, "one");
        let mut second = tape.play().unwrap();
        assert!(first.next().await.is_none(), "its turn is over");
        assert_eq!(heard(&mut second).await, "one");
        assert_eq!(heard(&mut second).await, "two");
        assert!(second.next().now_or_never().is_none());
        drop(sender);
        assert!(second.next().await.is_none());
    }

    #[tokio::test]
    async fn a_tape_that_is_finished_or_too_long_is_not_played_again() {
        let (mut sender, messages) = mpsc::channel(4);
        let tape = Tape::new(messages);
        let mut play = tape.play().unwrap();
        say(&mut sender, b"one").await;
        tape.finish();
        assert_eq!(heard(&mut play).await, "one");
        assert!(tape.play().is_none());

        let (mut sender, messages) = mpsc::channel(4);
        let tape = Tape::new(messages);
        let mut play = tape.play().unwrap();
        say(&mut sender, &[0; MAX_KEPT_BYTES]).await;
        heard(&mut play).await;
        assert!(tape.play().is_some());
        let mut play = tape.play().unwrap();
        heard(&mut play).await;
        say(&mut sender, b"x").await;
        assert_eq!(heard(&mut play).await, "x");
        assert!(tape.play().is_none());
    }
}
