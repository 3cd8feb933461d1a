//! How streams end before their time: by an order that all of them hear, or
//! because the next one was told to.

use super::bus::Bus;
use super::switches::StreamBreak;

/// What one open stream knows of its end.
#[derive(Debug)]
pub(crate) struct Breaking {
    /// The orders to end that came before it was opened.
    heard: u64,
    /// How it is going to break by itself.
    how: Option<StreamBreak>,
    delivered: u64,
}

impl Breaking {
    /// How many events may come before the next look, out of `wanted`.
    pub(crate) fn at_most(&self, wanted: usize) -> usize {
        let left = self
            .how
            .as_ref()
            .map(|how| how.after_events - self.delivered);
        let left = left.and_then(|left| usize::try_from(left).ok());
        left.map_or(wanted, |left| wanted.min(left))
    }

    /// Counts what was delivered.
    pub(crate) fn delivered(&mut self, events: usize) {
        self.delivered += events as u64;
    }
}

impl Bus {
    /// Counts a stream in.
    pub(crate) fn open_stream(&self) -> Breaking {
        let mut state = self.state();
        Breaking {
            heard: state.switches.ended,
            how: state.switches.breaks.pop_front(),
            delivered: 0,
        }
    }

    /// How a stream is to end, if it is to end now.
    pub(crate) fn broken(&self, stream: &Breaking) -> Option<StreamBreak> {
        let state = self.state();
        if state.is_closed {
            return Some(StreamBreak::default());
        }
        if state.switches.ended > stream.heard {
            return Some(state.switches.how_ended.clone());
        }
        let how = stream.how.as_ref();
        how.filter(|how| stream.delivered >= how.after_events)
            .cloned()
    }

    /// A stream follows a channel from now on.
    pub(crate) fn stream_follows(&self) {
        self.state().following += 1;
        self.changed();
    }

    /// A stream that followed a channel has ended.
    pub(crate) fn stream_left(&self) {
        self.state().following -= 1;
        self.changed();
    }

    /// Waits until so many streams follow channels.
    pub(crate) async fn subscribed(&self, streams: usize) {
        let mut news = self.listen();
        while self.state().following != streams && news.changed().await.is_ok() {}
    }

    /// Ends all streams, since the org stops.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.changed();
    }

    /// Waits until the org stops.
    pub(crate) async fn closed(&self) {
        let mut news = self.listen();
        while !self.state().is_closed && news.changed().await.is_ok() {}
    }
}
