//! Where a subscription begins, and what *new* means to it later on.

use super::checkpoint::{Mark, Place};
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::events::Start;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fault::refused;
use crate::host::Host;

/// How far the clocks of the org and of the host may be apart, in milliseconds.
pub(super) const CLOCK_SKEW_MS: u64 = 5 * 60 * 1000;
/// How long events are kept, in milliseconds: 72 hours.
const KEPT_MS: u64 = 72 * 60 * 60 * 1000;

/// Where to begin.
#[derive(Debug)]
pub(super) enum Begin {
    /// With what is new at this time of the org's, in milliseconds since 1970.
    Newest(u64),
    Oldest,
    After(Vec<u8>),
}

impl Begin {
    pub(super) async fn read<H: Host>(api: &Api<H>, start: Start) -> Self {
        match start {
            Start::Newest => Self::Newest(api.org_now_ms().await),
            Start::Oldest => Self::Oldest,
            Start::After(checkpoint) => Self::After(checkpoint),
        }
    }

    /// The places of so many channels.
    pub(super) fn places(&self, mark: &Mark, count: usize) -> Result<Vec<Place>, Error> {
        match self {
            Self::Newest(at_ms) => Ok(vec![Place::Since(*at_ms); count]),
            Self::Oldest => Ok(vec![Place::Oldest; count]),
            Self::After(checkpoint) => mark.read(checkpoint, count),
        }
    }
}

/// What is new to a channel of which nothing has come yet.
///
/// Salesforce knows what is new while it is subscribed to. A channel that breaks
/// before anything came from which its place is known begins at the oldest event
/// then, and what is older than the subscription is sifted out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newness {
    not_before_ms: u64,
    is_pinned: bool,
}

impl Newness {
    pub(super) fn of(place: &Place, begin: &Begin, now_ms: u64) -> Result<Self, Error> {
        let since_ms = match place {
            Place::Since(since_ms) => *since_ms,
            Place::Oldest | Place::Behind(_) => 0,
        };
        let is_pinned = matches!(begin, Begin::Newest(_));
        if !is_pinned && since_ms > 0 && since_ms.saturating_add(KEPT_MS) < now_ms {
            return Err(stale(
                "the subscription had heard nothing yet, and is older than that",
            ));
        }
        Ok(Self {
            not_before_ms: since_ms.saturating_sub(CLOCK_SKEW_MS),
            is_pinned,
        })
    }

    /// Whether what Salesforce calls new is new to the subscription.
    pub(super) const fn is_pinned(&self) -> bool {
        self.is_pinned
    }

    /// It was subscribed to.
    pub(super) const fn began(&mut self) {
        self.is_pinned = false;
    }

    /// Whether an event of this time is new, or the channel does not ask.
    pub(super) const fn wants(&self, at_ms: u64) -> bool {
        at_ms >= self.not_before_ms
    }
}

/// What the checkpoint leads to is gone.
pub(super) fn stale(why: &str) -> Error {
    refused(
        Advice::Refetch,
        "REPLAY_ID_INVALID",
        &format!(
            "what happened behind the checkpoint is no longer known, since Salesforce keeps \
             events for 72 hours: subscribe to what is new, then read everything once. {why}"
        ),
    )
}
