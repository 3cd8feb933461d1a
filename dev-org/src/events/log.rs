//! The events of the last three days in the order of their commits, each with
//! its replay number, and what a subscriber may read of them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::channel::Channel;
use super::event::Event;
use crate::value::DAY_MS;

/// How long events are kept.
const KEPT_MS: i64 = 3 * DAY_MS;
/// Most events that are kept, so that a million writes fit beside the records.
/// Older ones are gone as if their time were up.
const MOST: usize = 500_000;
/// The first replay number, large enough to look lived-in.
const FIRST: u64 = 487_000;
/// A quiet log gets a number without an event this often: a subscriber that
/// hears of it has a replay id that is good for days, though nothing happens.
const MARK_MS: i64 = 60 * 60 * 1000;

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    last: u64,
    /// Numbers of events that were delayed, with the time when they, and what is
    /// behind them, come into sight.
    late: VecDeque<(u64, i64)>,
    /// How long events stay out of sight after their commit.
    pub(crate) delay_ms: i64,
    /// Events behind this number are out of sight until they are let go.
    held_after: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    at_ms: i64,
    /// Nothing in a mark.
    event: Option<Arc<Event>>,
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With what happens from now on.
    Latest,
    /// With the oldest event there is.
    Earliest,
    /// Behind the event of this replay number.
    After(u64),
}

/// What a read gave.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Events with their replay numbers.
    pub(crate) events: Vec<(u64, Arc<Event>)>,
    /// The number behind which the next read goes on.
    pub(crate) position: u64,
    /// When the next event comes into sight, if one is delayed.
    pub(crate) more_at_ms: Option<i64>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            last: FIRST,
            late: VecDeque::new(),
            delay_ms: 0,
            held_after: None,
        }
    }
}

impl Log {
    /// Adds an event and gives its number.
    pub(crate) fn append(&mut self, now_ms: i64, event: Arc<Event>) -> u64 {
        if self.entries.len() >= MOST {
            self.entries.pop_front();
        }
        let number = self.push(now_ms, Some(event));
        if self.delay_ms > 0 {
            let seen_from_ms = now_ms.saturating_add(self.delay_ms);
            self.late.push_back((number, seen_from_ms));
        }
        number
    }

    fn push(&mut self, at_ms: i64, event: Option<Arc<Event>>) -> u64 {
        // Replay ids grow, and nobody may count on the next one.
        self.last += 1 + self.last % 3;
        self.entries.push_back(Entry {
            number: self.last,
            at_ms,
            event,
        });
        self.last
    }

    /// Keeps what comes from now on out of sight, or lets it all be seen.
    pub(crate) fn hold(&mut self, hold: bool) {
        self.held_after = hold.then_some(self.held_after.unwrap_or(self.last));
    }

    /// Whether later events are kept out of sight.
    pub(crate) fn is_held(&self) -> bool {
        self.held_after.is_some()
    }

    /// Forgets what is too old.
    fn age(&mut self, now_ms: i64) {
        while let Some(oldest) = self.entries.front()
            && now_ms - oldest.at_ms >= KEPT_MS
        {
            self.entries.pop_front();
        }
    }

    /// Forgets everything: all replay ids given so far are stale.
    pub(crate) fn expire(&mut self) {
        self.entries.clear();
    }

    /// The newest number in sight, made anew when that is old.
    pub(crate) fn newest(&mut self, now_ms: i64) -> u64 {
        self.age(now_ms);
        let is_quiet = |entry: &Entry| now_ms - entry.at_ms >= MARK_MS;
        let hides_nothing = self.held_after.is_none() && self.late.is_empty();
        if hides_nothing && self.entries.back().is_none_or(is_quiet) {
            self.push(now_ms, None);
        }
        let seen = self.seen(now_ms);
        let newest = seen
            .checked_sub(1)
            .and_then(|place| self.entries.get(place));
        newest.map_or(FIRST, |entry| entry.number)
    }

    /// How many entries are in sight. One that is late keeps back the rest, so
    /// that the order stays.
    fn seen(&mut self, now_ms: i64) -> usize {
        while self
            .late
            .front()
            .is_some_and(|(_, from_ms)| *from_ms <= now_ms)
        {
            self.late.pop_front();
        }
        let late = self.late.front().map_or(u64::MAX, |(number, _)| number - 1);
        let held = self.held_after.unwrap_or(u64::MAX);
        let last = late.min(held);
        self.entries.partition_point(|entry| entry.number <= last)
    }

    /// The number behind which a subscription reads first. Nothing for a replay
    /// number that was never given or is too old.
    pub(crate) fn start(&mut self, start: Start, now_ms: i64) -> Option<u64> {
        self.age(now_ms);
        match start {
            Start::Latest => Some(self.newest(now_ms)),
            Start::Earliest => Some(0),
            Start::After(number) => self
                .entries
                .binary_search_by_key(&number, |entry| entry.number)
                .is_ok()
                .then_some(number),
        }
    }

    /// Up to `most` events of a channel behind a number.
    pub(crate) fn read(&mut self, channel: &Channel, after: u64, most: usize, now_ms: i64) -> Read {
        self.age(now_ms);
        let from = self.entries.partition_point(|entry| entry.number <= after);
        let seen = self.seen(now_ms);
        let mut read = Read {
            position: after,
            more_at_ms: self.late.front().map(|(_, from_ms)| *from_ms),
            ..Read::default()
        };
        for entry in self.entries.iter().take(seen).skip(from) {
            if let Some(event) = &entry.event
                && channel.carries(event)
            {
                if read.events.len() >= most {
                    return read;
                }
                read.events.push((entry.number, Arc::clone(event)));
            }
            read.position = entry.number;
        }
        read
    }

    /// Adds the last `count` events of a channel once more, as they were.
    pub(crate) fn repeat(&mut self, channel: &Channel, count: usize, now_ms: i64) {
        let events = self.entries.iter().rev().filter_map(|entry| {
            let event = entry.event.as_ref()?;
            channel.carries(event).then(|| Arc::clone(event))
        });
        let mut events: Vec<Arc<Event>> = events.take(count).collect();
        while let Some(event) = events.pop() {
            self.append(now_ms, event);
        }
    }
}
