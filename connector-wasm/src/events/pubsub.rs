//! The way `pubsub`: Salesforce's Pub/Sub API, one exchange for each channel.
//!
//! A place in a channel moves only with what is handed on, so an exchange can be
//! let go of at any time: another one goes on from there, and what was on its way
//! comes once more.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prost::Message as _;

use super::begin::{Begin, Newness, stale};
use super::checkpoint::{Mark, Place};
use super::datum::Reader;
use super::eventbus::{ConsumerEvent, FetchResponse};
use super::layout::Layout;
use super::line::{self, Line};
use super::schemas::Schemas;
use super::source::{Source, topics};
use super::trailers::{self, Verdict};
use super::{NEXT_MS, change, explain, unary};
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::events::{Delivery, Event, Stale};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fault::{QUOTA_PAUSE_MS, unexpected};
use crate::host::{Ending, Heard, Host, Level, StreamError};

/// The name of the way.
pub(super) const NAME: &str = "pubsub";

/// Channels at a time: the `exchanges` of the manifest less one, by which schemas
/// are asked for.
const MOST_TOPICS: usize = 7;
/// What a new subscription asks for before anybody wants an event: so much that
/// Salesforce notes where it begins.
const FIRST_WANTED: u32 = 1;
const WANTED: u32 = 100;
/// Exchanges in a row that may end with the session before a person is asked.
const MOST_ENDED_SESSIONS: u32 = 3;
/// Ten bytes are usual.
const MAX_REPLAY_ID_BYTES: usize = 64;

/// Events under way.
#[derive(Debug)]
pub(super) struct Feed<E> {
    mark: Mark,
    lines: Vec<Line<E>>,
    /// Which channel is listened to first, so that one where much happens does not
    /// keep the others waiting.
    turn: usize,
    schemas: Schemas,
}

impl<E> Feed<E> {
    /// Reads where to begin, and opens all channels, so that what happens from now
    /// on is part of a new subscription. The second error is that of a channel
    /// that could not be opened at all.
    pub(super) async fn open<H: Host<Exchange = E>>(
        api: &Api<H>,
        sources: &[Source],
        begin: &Begin,
    ) -> Result<Result<Self, StreamError>, Error> {
        let topics = topics(sources, MOST_TOPICS)?;
        let channels = topics.iter().map(|topic| topic.channel.as_str());
        let mark = Mark::new(NAME, channels.chain(sources.iter().map(Source::name)));
        let now_ms = api.host.now_ms();
        let places = begin.places(&mark, topics.len())?;
        let mut lines = Vec::with_capacity(topics.len());
        for (topic, place) in topics.into_iter().zip(places) {
            let newness = Newness::of(&place, begin, now_ms)?;
            if matches!(place, Place::Behind(_)) && place.replay_id().is_none() {
                return Err(stale("the replay id in the checkpoint is none"));
            }
            lines.push(Line::new(topic, place, newness));
        }
        for line in &mut lines {
            match line::open(&api.host).await {
                Ok(exchange) => line.begin(&api.host, exchange, FIRST_WANTED).await,
                Err(error) => return Ok(Err(error)),
            }
        }
        if !matches!(begin, Begin::After(_)) {
            for line in &lines {
                check(api, line).await?;
            }
        }
        Ok(Ok(Self {
            mark,
            lines,
            turn: 0,
            schemas: Schemas::default(),
        }))
    }

    /// The next delivery.
    pub(super) async fn next<H: Host<Exchange = E>>(
        &mut self,
        api: &Api<H>,
    ) -> Result<Delivery, Error> {
        let host = &api.host;
        let until_ms = host.monotonic_ms() + NEXT_MS;
        loop {
            self.open_due(api).await?;
            for line in &mut self.lines {
                line.ask_for_more(host).await;
            }
            let now_ms = host.monotonic_ms();
            if now_ms >= until_ms {
                return self.quiet(now_ms);
            }
            let lines = self.lines.iter();
            let patience_ms = lines.map(|line| line.patience_ms(now_ms)).min();
            let wait_ms = (until_ms - now_ms).min(patience_ms.unwrap_or(0)).max(1);
            let turn = self.turn;
            let lines = self.lines.iter_mut().enumerate();
            let mut open: Vec<(usize, &mut E)> = lines
                .filter_map(|(at, line)| Some((at, line.exchange.as_mut()?)))
                .collect();
            let first = open.partition_point(|(at, _)| *at < turn);
            open.rotate_left(first);
            let (at, exchanges): (Vec<usize>, Vec<&mut E>) = open.into_iter().unzip();
            let heard = host.hear(exchanges, clamp(wait_ms)).await;
            let passed_ms = host.monotonic_ms().saturating_sub(now_ms);
            self.note_silence(passed_ms, api);
            let Some((place, heard)) = heard else {
                continue;
            };
            let Some(at) = at.get(place).copied() else {
                continue;
            };
            match heard {
                Heard::Message(message) => return self.arrived(api, at, &message).await,
                Heard::Ended(ending) => self.ended(api, at, &ending).await?,
            }
        }
    }

    /// Nothing happened: the same checkpoint once more. While channels are closed
    /// nobody knows.
    fn quiet(&self, now_ms: u64) -> Result<Delivery, Error> {
        let closed = self.lines.iter().filter(|line| line.exchange.is_none());
        match closed.map(|line| line.patience_ms(now_ms)).max() {
            Some(pause_ms) => Err(Error::Unavailable(pause_ms.max(1))),
            None => Ok(self.delivery(Vec::new())),
        }
    }

    pub(super) fn delivery(&self, events: Vec<Event>) -> Delivery {
        let places = self.lines.iter().map(|line| line.place.clone());
        Delivery {
            events,
            checkpoint: self.mark.write(places.collect()),
        }
    }

    /// Opens the channels whose pause is over.
    async fn open_due<H: Host<Exchange = E>>(&mut self, api: &Api<H>) -> Result<(), Error> {
        let now_ms = api.host.monotonic_ms();
        for line in self.lines.iter_mut().filter(|line| line.is_due(now_ms)) {
            let error = match line::open(&api.host).await {
                Ok(exchange) => {
                    line.begin(&api.host, exchange, WANTED).await;
                    continue;
                }
                Err(error) => unary::not_opened(error),
            };
            // Too many at a time, which passes, is not told from an address that
            // is refused; but this address has been reached before.
            let passes = match &error {
                Error::Unavailable(_) => true,
                Error::Refused(problem) => problem.code == "REQUEST_DENIED",
                _ => false,
            };
            if !passes {
                return Err(error);
            }
            if let Some(pause_ms) = line.fail(now_ms) {
                return Err(Error::Unavailable(pause_ms));
            }
        }
        Ok(())
    }

    fn note_silence<H: Host<Exchange = E>>(&mut self, passed_ms: u64, api: &Api<H>) {
        for line in &mut self.lines {
            if line.was_silent(passed_ms) {
                api.host.log(
                    Level::Warn,
                    "a subscription said nothing for two minutes and is opened anew",
                    &[("channel", line.topic.channel.clone())],
                );
                line.close();
            }
        }
    }

    /// Reads what came on a channel.
    async fn arrived<H: Host<Exchange = E>>(
        &mut self,
        api: &Api<H>,
        at: usize,
        message: &[u8],
    ) -> Result<Delivery, Error> {
        let response = FetchResponse::decode(message).map_err(|_| unexpected("a FetchResponse"))?;
        let Some(line) = self.lines.get_mut(at) else {
            return Err(unexpected("a channel that is followed"));
        };
        let mut layouts = Vec::with_capacity(response.events.len());
        for event in &response.events {
            let schema_id = event
                .event
                .as_ref()
                .map_or("", |event| event.schema_id.as_str());
            match self.schemas.layout(api, schema_id).await {
                Ok(layout) => layouts.push(layout),
                Err(error) => {
                    // Its place has not moved, so it comes again.
                    line.fail(api.host.monotonic_ms());
                    return Err(error);
                }
            }
        }
        let events = read(api, line, &response.events, &layouts)?;
        let last = response.events.last().map(|event| &event.replay_id);
        let replay_id = Some(&response.latest_replay_id)
            .filter(|id| !id.is_empty())
            .or(last);
        if let Some(replay_id) = replay_id.filter(|id| !id.is_empty()) {
            if replay_id.len() > MAX_REPLAY_ID_BYTES {
                return Err(unexpected("a replay id of a few bytes"));
            }
            line.place = Place::behind(replay_id);
        }
        let count = u32::try_from(response.events.len()).unwrap_or(u32::MAX);
        line.heard(count, response.pending_num_requested);
        self.turn = at + 1;
        Ok(self.delivery(events))
    }

    /// Judges the end of a channel's exchange: another one is opened in its
    /// place, or the subscription is over.
    async fn ended<H: Host<Exchange = E>>(
        &mut self,
        api: &Api<H>,
        at: usize,
        ending: &Ending,
    ) -> Result<(), Error> {
        let Some(line) = self.lines.get_mut(at) else {
            return Ok(());
        };
        let now_ms = api.host.monotonic_ms();
        api.host.log(
            Level::Info,
            "a subscription has ended",
            &[
                ("channel", line.topic.channel.clone()),
                ("status", ending.status.to_string()),
                ("code", trailers::code(ending).unwrap_or_default()),
            ],
        );
        match trailers::verdict(ending) {
            Verdict::Session => {
                line.ended_sessions += 1;
                if line.ended_sessions >= MOST_ENDED_SESSIONS {
                    return Err(Error::Reconnect);
                }
                // The host has another one by now.
                line.close();
                Ok(())
            }
            Verdict::Passing => match line.fail(now_ms) {
                Some(pause_ms) => Err(Error::Unavailable(pause_ms)),
                None => Ok(()),
            },
            Verdict::OverQuota => {
                line.fail(now_ms);
                Err(Error::OverQuota(QUOTA_PAUSE_MS))
            }
            Verdict::Stale => Err(stale(&trailers::message(ending))),
            Verdict::Unknown | Verdict::Denied => {
                let topic = line.topic.clone();
                Err(explain::topic(api, &topic, &trailers::message(ending)).await)
            }
            Verdict::Invalid => Err(unexpected("the Pub/Sub API to accept a FetchRequest")),
        }
    }
}

/// Looks whether the org tells of a channel. The answer comes when Salesforce has
/// long heard what the channel's own exchange has said, so what is new begins
/// before the subscription is there.
async fn check<H: Host>(api: &Api<H>, line: &Line<H::Exchange>) -> Result<(), Error> {
    match unary::topic(api, &line.topic).await {
        Ok(info) if info.can_subscribe => Ok(()),
        Ok(_) => Err(explain::topic(api, &line.topic, "").await),
        // The channel itself will show what is wrong, if it lasts.
        Err(error) if super::is_passing(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The events of a channel that are wanted.
fn read<H: Host>(
    api: &Api<H>,
    line: &Line<H::Exchange>,
    events: &[ConsumerEvent],
    layouts: &[Rc<Layout>],
) -> Result<Vec<Event>, Error> {
    let mut told = Vec::with_capacity(events.len());
    let mut reader: Option<Reader<'_>> = None;
    for (event, layout) in events.iter().zip(layouts) {
        let Some(body) = &event.event else {
            continue;
        };
        if !change::is_id(&body.id) {
            return Err(unexpected("an event with a short id"));
        }
        if !reader.as_ref().is_some_and(|reader| reader.is_of(layout)) {
            reader = Reader::new(layout);
        }
        let read = reader
            .as_ref()
            .and_then(|reader| reader.events(&body.id, &body.payload, api.settings.client()));
        match (read, layout.object()) {
            (Some(read), _) => {
                let is_wanted = read.object.is_none_or(|object| line.topic.wants(&object));
                if is_wanted && line.newness.wants(read.committed_ms) {
                    told.extend(read.events);
                }
            }
            // What cannot be read is a change of some record all the same.
            (None, Some(object)) if line.topic.wants(&object) => {
                api.host.log(
                    Level::Error,
                    "a change does not fit its schema, so all of its object is stale",
                    &[
                        ("object", object.clone()),
                        ("schema", body.schema_id.clone()),
                    ],
                );
                told.push(Event::Stale(Stale {
                    id: STANDARD_NO_PAD.encode(&event.replay_id),
                    object,
                    record_ids: Vec::new(),
                    committed_ms: api.host.now_ms(),
                }));
            }
            (None, Some(_)) => {}
            (None, None) => return Err(unexpected("a message that fits its schema")),
        }
    }
    Ok(told)
}

fn clamp(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}
