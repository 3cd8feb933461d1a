//! What a budget's lock guards, and whether it may give calls.

use std::collections::BTreeMap;
use std::time::Duration;

use super::QuotaError;
use crate::ledger::Reserve;
use crate::ledger::backoff::Backoff;
use crate::ledger::window::Window;
use crate::store::{LedgerBucket, LedgerObservation};

/// How long to wait when only reservations of others stand in the way, in
/// milliseconds. They can end at any time, and wake whoever waits when they do.
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
            parked_until_ms: 0,
            backoff: Backoff::default(),
            unsaved: BTreeMap::new(),
            unsaved_calls: 0,
            unsaved_report: false,
        }
    }

    /// Whether so many calls may be given now.
    pub(super) fn admit(&mut self, now_ms: u64, calls: u64) -> Result<(), QuotaError> {
        self.window.advance(now_ms);
        if let Some(limit) = self.window.limit() {
            let most = self.reserve.usable(limit);
            if calls > most {
                return Err(QuotaError::TooMany { most });
            }
        }
        self.pause(now_ms)?;
        let Some(available) = self.available() else {
            return Ok(());
        };
        if calls <= available {
            return Ok(());
        }
        let usable = self
            .window
            .limit()
            .map_or(0, |limit| self.reserve.usable(limit));
        let committed = self.window.used().saturating_add(self.reserved);
        let missing = committed.saturating_add(calls).saturating_sub(usable);
        let wait_ms = self
            .window
            .until_freed_ms(now_ms, missing)
            .unwrap_or(RESERVED_WAIT_MS);
        Err(QuotaError::Exhausted {
            wait: Duration::from_millis(wait_ms.max(1)),
        })
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

    pub(super) fn available(&self) -> Option<u64> {
        let usable = self.reserve.usable(self.window.limit()?);
        let committed = self.window.used().saturating_add(self.reserved);
        Some(usable.saturating_sub(committed))
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
