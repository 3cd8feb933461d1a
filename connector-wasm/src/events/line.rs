//! One channel of the Pub/Sub API: its exchange, how much is asked for, and how
//! far it has come.

use prost::Message as _;

use super::begin::Newness;
use super::checkpoint::Place;
use super::eventbus::{FetchRequest, ReplayPreset};
use super::source::Topic;
use crate::host::Host;

/// The method that gives events.
const SUBSCRIBE: &str = "/eventbus.v1.PubSub/Subscribe";
/// Salesforce's bound of events that are asked for and have not come.
const MOST_PENDING: u32 = 100;
/// When more are asked for: not with each event.
const FEW_PENDING: u32 = 50;
/// Salesforce shows within 60 s that a subscription lives (it promises 270). In
/// silence twice as long, it is dead.
const MOST_SILENT_MS: u64 = 120_000;
/// The pause before an exchange is opened again, in milliseconds; it doubles.
const FIRST_PAUSE_MS: u64 = 500;
const LONGEST_PAUSE_MS: u64 = 60_000;
/// Failures in a row that are borne in silence: about a minute.
const PATIENT_FAILURES: u32 = 7;

/// One channel. Times are of the host's clock that never goes back.
#[derive(Debug)]
pub(super) struct Line<E> {
    pub(super) topic: Topic,
    pub(super) place: Place,
    pub(super) newness: Newness,
    pub(super) exchange: Option<E>,
    pending: u32,
    /// For how long it was listened to and said nothing.
    silent_ms: u64,
    failures: u32,
    retry_at_ms: u64,
    /// Exchanges in a row that ended with the session.
    pub(super) ended_sessions: u32,
}

impl<E> Line<E> {
    pub(super) const fn new(topic: Topic, place: Place, newness: Newness) -> Self {
        Self {
            topic,
            place,
            newness,
            exchange: None,
            pending: 0,
            silent_ms: 0,
            failures: 0,
            retry_at_ms: 0,
            ended_sessions: 0,
        }
    }

    /// Whether it is time to open it.
    pub(super) const fn is_due(&self, now_ms: u64) -> bool {
        self.exchange.is_none() && self.retry_at_ms <= now_ms
    }

    /// How long it can be waited until something is to be done about it.
    pub(super) const fn patience_ms(&self, now_ms: u64) -> u64 {
        if self.exchange.is_some() {
            MOST_SILENT_MS.saturating_sub(self.silent_ms)
        } else {
            self.retry_at_ms.saturating_sub(now_ms)
        }
    }

    /// Something came.
    pub(super) const fn heard(&mut self, events: u32, pending: i32) {
        self.pending = if pending <= 0 {
            0
        } else {
            self.pending.saturating_sub(events)
        };
        self.silent_ms = 0;
        self.failures = 0;
        self.ended_sessions = 0;
    }

    /// Nothing came for so long; whether it is dead by now.
    pub(super) const fn was_silent(&mut self, ms: u64) -> bool {
        if self.exchange.is_none() {
            return false;
        }
        self.silent_ms += ms;
        self.silent_ms >= MOST_SILENT_MS
    }

    /// Lets go of the exchange. What was asked for and not taken comes again.
    pub(super) fn close(&mut self) {
        self.exchange = None;
        self.pending = 0;
        self.silent_ms = 0;
    }

    /// Lets go of the exchange for a while that grows; gives the pause if there
    /// were so many failures that the caller should know.
    pub(super) fn fail(&mut self, now_ms: u64) -> Option<u64> {
        self.close();
        let pause_ms = FIRST_PAUSE_MS << self.failures.min(16);
        let pause_ms = pause_ms.min(LONGEST_PAUSE_MS);
        self.failures += 1;
        self.retry_at_ms = now_ms + pause_ms;
        (self.failures > PATIENT_FAILURES).then_some(pause_ms)
    }

    /// Asks for more when few are left to come.
    pub(super) async fn ask_for_more<H: Host<Exchange = E>>(&mut self, host: &H) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        if self.pending > FEW_PENDING {
            return;
        }
        let request = FetchRequest {
            num_requested: number(MOST_PENDING - self.pending),
            ..FetchRequest::default()
        };
        self.pending = MOST_PENDING;
        host.say(exchange, request.encode_to_vec()).await;
    }

    /// Takes an exchange that is open and asks for `wanted` events from the place
    /// on.
    pub(super) async fn begin<H: Host<Exchange = E>>(
        &mut self,
        host: &H,
        mut exchange: E,
        wanted: u32,
    ) {
        let (preset, replay_id) = match (&self.place, self.place.replay_id()) {
            (_, Some(replay_id)) => (ReplayPreset::Custom, replay_id),
            (Place::Since(_), None) if self.newness.is_pinned() => {
                (ReplayPreset::Latest, Vec::new())
            }
            (_, None) => (ReplayPreset::Earliest, Vec::new()),
        };
        let request = FetchRequest {
            topic_name: self.topic.channel.clone(),
            replay_preset: preset.into(),
            replay_id,
            num_requested: number(wanted),
        };
        host.say(&mut exchange, request.encode_to_vec()).await;
        self.newness.began();
        self.pending = wanted;
        self.silent_ms = 0;
        self.exchange = Some(exchange);
    }
}

fn number(events: u32) -> i32 {
    i32::try_from(events).unwrap_or(i32::MAX)
}

/// Opens an exchange for events.
pub(super) async fn open<H: Host>(host: &H) -> Result<H::Exchange, crate::host::StreamError> {
    host.exchange(SUBSCRIBE).await
}
