//! The arithmetic of a rolling window: how many calls count now, and when they
//! cease to. No clock, no lock, no I/O.
//!
//! Calls are counted in buckets. A bucket counts until its last moment has left
//! the window, so we err to the careful side by one bucket at most.
//!
//! What the product says counts everybody's calls, and may lag: several answers
//! in a row can show the same number, and answers overtake each other. So a
//! number above our count raises it at once (others have been calling), and a
//! number below lowers it only by what the product must have counted by now:
//! our calls since its number last rose, and those of one bucket before that,
//! stay on top of what it says.
//!
//! When others made their calls is a guess, and so is when those leave the
//! window. Room that we owe to a guess is for one caller, whose answer says
//! whether it was right.

mod forecast;

use std::collections::BTreeMap;

use super::header::Usage;
use crate::store::{LedgerBucket, LedgerObservation};

/// How many buckets a window has: 5 minutes each for a day.
const BUCKETS: u64 = 288;

/// How long an answer may take that tells whether a guess was right, in
/// milliseconds. After that somebody else may try.
const ANSWER_MS: u64 = 60_000;

/// The shortest bucket, in milliseconds.
const SHORTEST_BUCKET_MS: u64 = 1_000;

/// The calls of a rolling window.
#[derive(Debug)]
pub(super) struct Window {
    window_ms: u64,
    bucket_ms: u64,
    /// What we sent, by the beginning of the bucket.
    own: BTreeMap<u64, u64>,
    /// What others sent, as far as we know, and when we think they did.
    others: BTreeMap<u64, u64>,
    /// The sum of both.
    used: u64,
    reported: Option<LedgerObservation>,
    /// When the product's number last rose.
    raised_ms: u64,
    /// Calls that have left since the product last spoke, by our guess.
    gone_by_guess: u64,
    /// When we last sent something to which the product has not spoken yet.
    unanswered_ms: Option<u64>,
}

impl Window {
    pub(super) fn new(window_ms: u64) -> Self {
        Self {
            window_ms,
            bucket_ms: (window_ms / BUCKETS).max(SHORTEST_BUCKET_MS),
            own: BTreeMap::new(),
            others: BTreeMap::new(),
            used: 0,
            reported: None,
            raised_ms: 0,
            gone_by_guess: 0,
            unanswered_ms: None,
        }
    }

    /// A window from what was stored. Our calls of the bucket in which the
    /// product last spoke may or may not be in its number: they are counted on
    /// top, until it speaks again.
    pub(super) fn restored(
        window_ms: u64,
        buckets: &[LedgerBucket],
        reported: Option<LedgerObservation>,
        now_ms: u64,
    ) -> Self {
        let mut window = Self::new(window_ms);
        let reported = reported.map(|reported| LedgerObservation {
            at_ms: reported.at_ms.min(now_ms),
            ..reported
        });
        let told_in = reported.map_or(0, |reported| window.bucket(reported.at_ms));
        let (before, since): (Vec<&LedgerBucket>, Vec<_>) = buckets
            .iter()
            .partition(|bucket| window.bucket(bucket.start_ms) < told_in);
        for bucket in before {
            window.count(bucket.start_ms, bucket.calls);
        }
        if let Some(reported) = reported {
            let usage = Usage {
                used: reported.used,
                limit: reported.limit,
            };
            window.observe(reported.at_ms, usage);
        }
        for bucket in since {
            window.count(bucket.start_ms, bucket.calls);
        }
        window.advance(now_ms);
        window
    }

    /// The beginning of the bucket of a moment.
    pub(super) const fn bucket(&self, at_ms: u64) -> u64 {
        at_ms - at_ms % self.bucket_ms
    }

    /// How far back a stored bucket can still count.
    pub(super) const fn oldest_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.window_ms + self.bucket_ms)
    }

    pub(super) const fn window_ms(&self) -> u64 {
        self.window_ms
    }

    pub(super) const fn used(&self) -> u64 {
        self.used
    }

    /// What counts if all that we guessed since the product last spoke is wrong.
    pub(super) const fn used_at_most(&self) -> u64 {
        self.used.saturating_add(self.gone_by_guess)
    }

    /// Whether a call is under way whose answer will say how right they are.
    pub(super) fn is_asking(&self, now_ms: u64) -> bool {
        self.unanswered_ms
            .is_some_and(|sent_ms| now_ms.abs_diff(sent_ms) < ANSWER_MS)
    }

    pub(super) fn limit(&self) -> Option<u64> {
        self.reported.map(|reported| reported.limit)
    }

    /// What the product last said.
    pub(super) const fn reported(&self) -> Option<LedgerObservation> {
        self.reported
    }

    /// Lets go what has left the window.
    pub(super) fn advance(&mut self, now_ms: u64) {
        let latest = self.bucket(now_ms);
        let told_ms = self.reported.map_or(0, |reported| reported.at_ms);
        for (buckets, are_ours) in [(&mut self.own, true), (&mut self.others, false)] {
            while let Some(first) = buckets.first_entry() {
                let leaves_ms = first.key() + self.window_ms;
                if leaves_ms + self.bucket_ms > now_ms {
                    break;
                }
                let gone = first.remove();
                self.used = self.used.saturating_sub(gone);
                // If the product spoke while ours were leaving, some of what it
                // counted may have been others' in the place of ours.
                if !are_ours || told_ms >= leaves_ms {
                    self.gone_by_guess += gone;
                }
            }
            // The clock was set back: what was counted under a later time would
            // count until that time comes again, which may be years.
            let ahead = buckets.split_off(&latest.saturating_add(self.bucket_ms * 2));
            if !ahead.is_empty() {
                *buckets.entry(latest).or_default() += ahead.values().sum::<u64>();
            }
        }
    }

    /// Counts calls that we send now.
    pub(super) fn count(&mut self, now_ms: u64, calls: u64) {
        let bucket = self.bucket(now_ms);
        *self.own.entry(bucket).or_default() += calls;
        self.used += calls;
        self.unanswered_ms = Some(now_ms);
    }

    /// Takes in what the product says.
    pub(super) fn observe(&mut self, now_ms: u64, usage: Usage) {
        self.advance(now_ms);
        if self.reported.is_none_or(|before| usage.used > before.used) {
            self.raised_ms = now_ms;
        }
        if usage.used > self.used {
            let since_ms = self.reported.map_or(0, |before| before.at_ms);
            self.spread(since_ms, now_ms, usage.used - self.used);
        } else {
            let settled_ms = self.bucket(self.raised_ms.saturating_sub(self.bucket_ms));
            let unsettled: u64 = self.own.range(settled_ms..).map(|(_, calls)| calls).sum();
            let sure = usage.used + unsettled;
            self.lower(self.used.saturating_sub(sure));
        }
        (self.gone_by_guess, self.unanswered_ms) = (0, None);
        self.reported = Some(LedgerObservation {
            used: usage.used,
            limit: usage.limit,
            at_ms: now_ms,
        });
    }

    /// How long until `calls` of those that count now have left the window;
    /// `None` if there are not so many.
    pub(super) fn until_freed_ms(&self, now_ms: u64, calls: u64) -> Option<u64> {
        let mut freed = 0;
        let (mut own, mut others) = (self.own.iter().peekable(), self.others.iter().peekable());
        while freed < calls {
            // The older of the two next ones.
            let own_first = match (own.peek(), others.peek()) {
                (Some((ours, _)), Some((theirs, _))) => ours <= theirs,
                (ours, _) => ours.is_some(),
            };
            let (start, count) = if own_first { own.next() } else { others.next() }?;
            freed += count;
            if freed >= calls {
                let left_at = start + self.bucket_ms + self.window_ms;
                return Some(left_at.saturating_sub(now_ms));
            }
        }
        Some(0)
    }

    /// Others made these calls some time since `since_ms`, we do not know when:
    /// evenly is the best guess.
    fn spread(&mut self, since_ms: u64, now_ms: u64, calls: u64) {
        let latest = self.bucket(now_ms);
        let earliest = self.bucket(
            since_ms
                .max(now_ms.saturating_sub(self.window_ms))
                .min(now_ms),
        );
        let buckets = (latest - earliest) / self.bucket_ms + 1;
        let (each, rest) = (calls / buckets, calls % buckets);
        if each > 0 {
            for number in 0..buckets {
                let start = earliest + number * self.bucket_ms;
                *self.others.entry(start).or_default() += each;
            }
        }
        *self.others.entry(latest).or_default() += rest;
        self.used += calls;
    }

    /// The product counts less than we thought: the oldest calls have left its
    /// window, those of others first, since of those we know least.
    fn lower(&mut self, mut calls: u64) {
        for buckets in [&mut self.others, &mut self.own] {
            while calls > 0
                && let Some(mut first) = buckets.first_entry()
            {
                let gone = calls.min(*first.get());
                *first.get_mut() -= gone;
                if *first.get() == 0 {
                    first.remove();
                }
                calls -= gone;
                self.used = self.used.saturating_sub(gone);
            }
        }
    }
}
