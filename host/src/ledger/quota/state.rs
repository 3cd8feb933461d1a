//! What a budget's lock guards, and whether it may give calls.

use std::collections::BTreeMap;
use std::time::Duration;

use super::QuotaError;
use crate::ledger::Reserve;
use crate::ledger::backoff::Backoff;
use crate::ledger::queue::{Place, Queue};
use crate::ledger::window::Window;
use crate::store::{LedgerBucket, LedgerObservation};

/// How long to wait when only reservations of others or an answer that is to come
/// stand in the way, in milliseconds. They can end or come at any time, and wake
/// whoever waits when they do.
const RESERVED_WAIT_MS: u64 = 1_000;

/// The longest that calls are parked when the product says that the budget is
/// used up, in milliseconds. Not longer, because our estimate of when calls free
/// up rests on guesses of what others do.
pub(super) const LONGEST_PARK_MS: u64 = 3_600_000;

#[derive(Debug)]
pub(super) struct State {
    pub(super) window: Window,
    pub(super) reserve: Reserve,
    /// Calls set aside and not yet spent.
    pub(super) reserved: u64,
    pub(super) queue: Queue,
    pub(super) parked_until_ms: u64,
    pub(super) backoff: Backoff,
    pub(super) unsaved: BTreeMap<u64, u64>,
    pub(super) unsaved_calls: u64,
    pub(super) unsaved_report: bool,
}

impl State {
    pub(super) fn new(window: Window, reserve: Reserve) -> Self {
        Self {
            window,
            reserve,
            reserved: 0,
            queue: Queue::default(),
            parked_until_ms: 0,
            backoff: Backoff::default(),
            unsaved: BTreeMap::new(),
            unsaved_calls: 0,
            unsaved_report: false,
        }
    }

    /// Whether so many calls may be given now to whoever stands there.
    pub(super) fn admit(
        &mut self,
        now_ms: u64,
        calls: u64,
        place: Place,
    ) -> Result<(), QuotaError> {
        self.window.advance(now_ms);
        let usable = self
            .window
            .limit()
            .map(|limit| self.reserve.usable_by(limit, place.priority));
        if let Some(most) = usable
            && calls > most
        {
            return Err(QuotaError::TooMany { most });
        }
        self.pause(now_ms)?;
        let Some(usable) = usable else {
            return Ok(());
        };
        // Those ahead find what they wait for.
        let ahead = self.queue.ahead(place, now_ms);
        let wanted = self.committed().saturating_add(ahead).saturating_add(calls);
        let missing = wanted.saturating_sub(usable);
        if missing == 0 && self.is_sure(now_ms, wanted, usable) {
            return Ok(());
        }
        // More than ever frees up only if those ahead want it: they come first.
        let freed = match ahead {
            0 => missing,
            _ => missing.min(self.window.used()),
        };
        Err(self.exhausted(now_ms, freed))
    }

    /// Whether a call that was set aside may be sent now. Others may have used up
    /// meanwhile what it was to be taken from, and the operator's reserve is not
    /// ours. What our priority leaves to higher ones is: this was promised before.
    pub(super) fn admit_reserved(&mut self, now_ms: u64) -> Result<(), QuotaError> {
        self.window.advance(now_ms);
        self.pause(now_ms)?;
        let Some(limit) = self.window.limit() else {
            return Ok(());
        };
        let (wanted, usable) = (self.window.used() + 1, self.reserve.usable(limit));
        match wanted.saturating_sub(usable) {
            0 if self.is_sure(now_ms, wanted, usable) => Ok(()),
            missing => Err(self.exhausted(now_ms, missing)),
        }
    }

    /// Whether so many calls fit for sure. Room that is only guessed is for one to
    /// try.
    fn is_sure(&self, now_ms: u64, wanted: u64, usable: u64) -> bool {
        let guessed = self.window.used_at_most() - self.window.used();
        wanted.saturating_add(guessed) <= usable || !self.window.is_asking(now_ms)
    }

    /// The refusal while so many calls are missing.
    fn exhausted(&self, now_ms: u64, missing: u64) -> QuotaError {
        let wait_ms = match missing {
            0 => RESERVED_WAIT_MS,
            missing => self
                .window
                .until_freed_ms(now_ms, missing)
                .unwrap_or(RESERVED_WAIT_MS),
        };
        QuotaError::Exhausted {
            wait: Duration::from_millis(wait_ms.max(1)),
        }
    }

    /// Whether the product has asked for a pause.
    pub(super) fn pause(&mut self, now_ms: u64) -> Result<(), QuotaError> {
        // A clock that was set back must not make it longer.
        self.parked_until_ms = self
            .parked_until_ms
            .min(now_ms.saturating_add(LONGEST_PARK_MS));
        let parked_ms = self.parked_until_ms.saturating_sub(now_ms);
        if parked_ms > 0 {
            return Err(QuotaError::Exhausted {
                wait: Duration::from_millis(parked_ms),
            });
        }
        match self.backoff.wait_ms(now_ms, random()) {
            0 => Ok(()),
            wait_ms => Err(QuotaError::BackingOff {
                wait: Duration::from_millis(wait_ms),
            }),
        }
    }

    /// What is used or set aside.
    pub(super) fn committed(&self) -> u64 {
        self.window.used().saturating_add(self.reserved)
    }
}

/// What a ledger has not stored yet.
#[derive(Debug)]
pub(in crate::ledger) struct Unsaved {
    pub(in crate::ledger) calls: Vec<LedgerBucket>,
    pub(in crate::ledger) report: Option<LedgerObservation>,
}

impl Unsaved {
    pub(in crate::ledger) const fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.report.is_none()
    }
}

/// Only for jitter: none is as good as any.
pub(super) fn random() -> u64 {
    getrandom::u64().unwrap_or(0)
}
