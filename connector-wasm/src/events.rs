//! Events: what a subscription is, and which way it goes.
//!
//! Every way gives the same events, and checkpoints from which it goes on. Unless
//! the caller says which, it is the Pub/Sub API.

mod begin;
mod bitmap;
mod change;
mod checkpoint;
mod cometd;
mod datum;
mod eventbus;
mod explain;
mod json;
mod layout;
mod line;
mod polling;
pub(crate) mod publish;
mod pubsub;
mod schemas;
mod source;
mod trailers;
mod unary;
mod value;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::events::{Delivery, SubscriptionOptions};
use crate::bindings::exports::lockgate::connector::records::{self, Advice, Error, Way};
use crate::fault::refused;
use crate::host::{Host, StreamError};
use begin::Begin;
use cometd::Comet;
use polling::Poll;
use pubsub::Feed;

/// How long one delivery may be waited for, in milliseconds: less than the two
/// minutes of the contract.
const NEXT_MS: u64 = 110_000;

/// Tries to reach the Pub/Sub API before another way is taken.
const OPEN_TRIES: u32 = 3;

/// Events under way.
#[derive(Debug)]
pub(crate) struct Subscription<H: Host> {
    api: Rc<Api<H>>,
    way: Way,
    /// None while it is used, and at its end.
    state: RefCell<Option<State<H::Exchange>>>,
    /// It began with what is new, and nobody has its place yet.
    is_new: Cell<bool>,
}

#[derive(Debug)]
enum State<E> {
    PubSub(Feed<E>),
    Comet(Comet),
    Polling(Poll),
}

/// Subscribes. What is wrong with the sources or the form of the checkpoint shows
/// here; whether events behind it are still kept, with the first delivery.
pub(crate) async fn subscribe<H: Host>(
    api: Rc<Api<H>>,
    sources: &[String],
    options: SubscriptionOptions,
) -> Result<Subscription<H>, Error> {
    let sources = source::read(sources)?;
    let begin = Begin::read(&api, options.start).await;
    let kept = match &begin {
        Begin::After(checkpoint) => Some(checkpoint::way(checkpoint)?),
        Begin::Newest(_) | Begin::Oldest => None,
    };
    // Neither the caller nor the checkpoint says which.
    let is_open = options.way.is_none() && kept.is_none();
    let (mut name, mut reason) = match (options.way, kept) {
        (Some(way), _) => (way, "asked for".to_owned()),
        (None, Some(way)) => (way, "the checkpoint is of this way".to_owned()),
        (None, None) => (pubsub::NAME.to_owned(), "it costs no API calls".to_owned()),
    };
    let state = match name.as_str() {
        pubsub::NAME => match patiently(&api, &sources, &begin).await? {
            Ok(feed) => State::PubSub(feed),
            Err(error) if is_open && is_out_of_reach(error) => {
                cometd::NAME.clone_into(&mut name);
                "the Pub/Sub API cannot be reached; it costs no API calls".clone_into(&mut reason);
                State::Comet(Comet::open(&api, &sources, &begin).await?)
            }
            Err(error) => return Err(unary::not_opened(error)),
        },
        cometd::NAME => State::Comet(Comet::open(&api, &sources, &begin).await?),
        polling::NAME => {
            reason.push_str(&polling::cost(sources.len()));
            State::Polling(Poll::open(&api, &sources, &begin).await?)
        }
        _ => {
            return Err(refused(
                Advice::FixRecord,
                "UNKNOWN_WAY",
                "there is no such way to hear of events; the ways are: pubsub, cometd, \
                 polling",
            ));
        }
    };
    Ok(Subscription {
        api,
        way: Way { name, reason },
        state: RefCell::new(Some(state)),
        is_new: Cell::new(matches!(begin, Begin::Newest(_))),
    })
}

/// Opens the way `pubsub`, with some tries: another way would be gone on by for as
/// long as its checkpoints are.
async fn patiently<H: Host>(
    api: &Api<H>,
    sources: &[source::Source],
    begin: &Begin,
) -> Result<Result<Feed<H::Exchange>, StreamError>, Error> {
    let mut tries = 1;
    loop {
        match Feed::open(api, sources, begin).await? {
            Err(StreamError::Unavailable(ms)) if tries < OPEN_TRIES => {
                api.host.wait(u32::try_from(ms).unwrap_or(u32::MAX)).await;
                tries += 1;
            }
            outcome => return Ok(outcome),
        }
    }
}

/// Whether an exchange did not come about because of the network.
const fn is_out_of_reach(error: StreamError) -> bool {
    matches!(error, StreamError::Unavailable(_) | StreamError::Denied)
}

impl<H: Host> Subscription<H> {
    /// Which way was chosen, and why.
    pub(crate) fn way(&self) -> Way {
        self.way.clone()
    }

    /// The next delivery; of a new subscription first where it begins. After an error
    /// that passes it goes on where it was.
    pub(crate) async fn next(&self) -> Result<Delivery, Error> {
        let Some(mut state) = self.state.take() else {
            return Err(refused(
                Advice::FixRecord,
                "SUBSCRIPTION_ENDED",
                "this subscription is at its end: subscribe again, after the last checkpoint",
            ));
        };
        if self.is_new.take() {
            let place = state.place();
            self.state.replace(Some(state));
            return Ok(place);
        }
        let delivery = match &mut state {
            State::PubSub(feed) => feed.next(&self.api).await,
            State::Comet(comet) => comet.next(&self.api).await,
            State::Polling(poll) => poll.next(&self.api).await,
        };
        if !matches!(&delivery, Err(error) if !is_passing(error)) {
            self.state.replace(Some(state));
        }
        delivery
    }
}

impl<E> State<E> {
    /// A delivery of nothing but the checkpoint.
    fn place(&self) -> Delivery {
        match self {
            Self::PubSub(feed) => feed.delivery(Vec::new()),
            Self::Comet(comet) => comet.delivery(Vec::new()),
            Self::Polling(poll) => poll.delivery(Vec::new()),
        }
    }
}

/// Whether a subscription goes on after an error.
const fn is_passing(error: &Error) -> bool {
    matches!(error, Error::OverQuota(_) | Error::Unavailable(_))
}

/// Objects whose changes every org can tell of, for the description.
const OBJECTS: [&str; 10] = [
    "Account",
    "Contact",
    "Lead",
    "Opportunity",
    "OpportunityLineItem",
    "Task",
    "Order",
    "OrderItem",
    "Product2",
    "PricebookEntry",
];

/// The kinds of event, as `describe` lists them. Custom objects and platform
/// events are there as well, under the names that the org gives them.
pub(crate) fn list() -> Vec<records::Event> {
    let schema =
        r#"{"type":"object","description":"The fields that changed, as a query gives them"}"#;
    let event = |object: &str| records::Event {
        name: object.to_owned(),
        summary: format!("Records of {object} were created, changed, deleted or undeleted"),
        payload_schema: schema.to_owned(),
    };
    OBJECTS.map(event).to_vec()
}

/// What one event tells, as a subscription reads it.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_one(
    schema: &str,
    payload: &[u8],
) -> Option<Vec<crate::bindings::exports::lockgate::connector::events::Event>> {
    let layout = layout::Layout::read(schema)?;
    let read = datum::Reader::new(&layout)?.events("uuid-1", payload, "Lockgate")?;
    Some(read.events)
}

#[cfg(test)]
mod tests;
