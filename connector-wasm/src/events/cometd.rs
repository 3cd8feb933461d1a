//! The way `cometd`: the Streaming API by long polling, for networks that let no
//! gRPC through.
//!
//! A client of CometD is greeted, subscribes to channels with the place behind
//! which each goes on, and asks again and again what there is. Salesforce forgets
//! clients that stay away for long; another one goes on where they were.

mod said;

use serde_json::{Value as Json, json};

use super::begin::{Begin, Newness, stale};
use super::checkpoint::{Mark, Place};
use super::explain;
use super::json::{Data, Told};
use super::source::{Source, Topic, topics};
use crate::api::{Api, Ask, Kind, Path};
use crate::bindings::exports::lockgate::connector::events::{Delivery, Event};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fault::{Effect, Fault, QUOTA_PAUSE_MS, unexpected};
use crate::host::{Host, Level, Method};
use crate::wire;
use said::{Said, Trouble};

/// The name of the way.
pub(super) const NAME: &str = "cometd";

/// The manifest names this path as one that costs no calls.
const PATH: &str = "/cometd/60.0";
/// Channels of one client.
const MOST_TOPICS: usize = 32;
/// Events of one delivery, at most; the contract has 1,000, and one can become two.
const MOST_EVENTS: usize = 500;
/// How long a delivery may have taken when it asks once more, in milliseconds: the
/// first answer of a client comes at once, later ones after up to 110 s.
const ASK_AGAIN_MS: u64 = 5_000;
/// Clients in a row that Salesforce may forget, or whose session may end, before
/// somebody is told.
const MOST_FORGOTTEN: u32 = 3;
/// The pause when too many clients are there, or one was forgotten too often, in
/// milliseconds.
const PAUSE_MS: u64 = 60_000;

/// Events under way.
#[derive(Debug)]
pub(super) struct Comet {
    mark: Mark,
    channels: Vec<Channel>,
    /// The id that Salesforce knows us by; none before the greeting.
    client: Option<String>,
    forgotten: u32,
}

/// One channel.
#[derive(Debug)]
struct Channel {
    topic: Topic,
    place: Place,
    newness: Newness,
    /// What is known of its fields.
    told: Told,
}

impl Comet {
    /// Reads where to begin, and greets Salesforce, so that what happens from now
    /// on is part of a new subscription.
    pub(super) async fn open<H: Host>(
        api: &Api<H>,
        sources: &[Source],
        begin: &Begin,
    ) -> Result<Self, Error> {
        let topics = topics(sources, MOST_TOPICS)?;
        let mark = Mark::new(NAME, sources.iter().map(Source::name));
        let places = begin.places(&mark, topics.len())?;
        let mut channels = Vec::with_capacity(topics.len());
        for (topic, place) in topics.into_iter().zip(places) {
            let newness = Newness::of(&place, begin, api.host.now_ms())?;
            if matches!(&place, Place::Behind(text) if text.parse::<u64>().is_err()) {
                return Err(stale("the replay id in the checkpoint is none"));
            }
            channels.push(Channel {
                topic,
                place,
                newness,
                told: Told::default(),
            });
        }
        let mut comet = Self {
            mark,
            channels,
            client: None,
            forgotten: 0,
        };
        if let Err(trouble) = comet.begin(api).await {
            comet.mend(api, trouble).await?;
        }
        Ok(comet)
    }

    /// The next delivery.
    pub(super) async fn next<H: Host>(&mut self, api: &Api<H>) -> Result<Delivery, Error> {
        let began_ms = api.host.monotonic_ms();
        loop {
            let outcome = match self.begin(api).await {
                Ok(()) => self.connect(api).await,
                Err(trouble) => Err(trouble),
            };
            match outcome {
                Ok(data) if !data.is_empty() => return self.arrived(api, data).await,
                Ok(_) => {
                    self.forgotten = 0;
                    if api.host.monotonic_ms() >= began_ms + ASK_AGAIN_MS {
                        return Ok(self.delivery(Vec::new()));
                    }
                }
                Err(trouble) => self.mend(api, trouble).await?,
            }
        }
    }

    pub(super) fn delivery(&self, events: Vec<Event>) -> Delivery {
        let places = self.channels.iter().map(|channel| channel.place.clone());
        Delivery {
            events,
            checkpoint: self.mark.write(places.collect()),
        }
    }

    /// Greets Salesforce and subscribes, unless that is done.
    async fn begin<H: Host>(&mut self, api: &Api<H>) -> Result<(), Trouble> {
        if self.client.is_some() {
            return Ok(());
        }
        let greeting = json!([{
            "channel": "/meta/handshake",
            "version": "1.0",
            "minimumVersion": "1.0",
            "supportedConnectionTypes": ["long-polling"],
            "ext": { "replay": true },
        }]);
        let said = say(api, &greeting).await?;
        let greeted = said.iter().find(|said| said.channel == "/meta/handshake");
        let greeted = greeted.ok_or_else(|| unexpected("an answer to a handshake"))?;
        greeted.check()?;
        let client = greeted.client_id.clone();
        let client = client.ok_or_else(|| unexpected("a client id in the handshake's answer"))?;
        let subscriptions: Vec<Json> = self
            .channels
            .iter()
            .map(|channel| {
                let name = &channel.topic.channel;
                json!({
                    "channel": "/meta/subscribe",
                    "clientId": client,
                    "subscription": name,
                    "ext": { "replay": { name: channel.replay() } },
                })
            })
            .collect();
        let said = say(api, &Json::Array(subscriptions)).await?;
        let answers = || said.iter().filter(|said| said.channel == "/meta/subscribe");
        for answer in answers() {
            answer.check()?;
        }
        for channel in &mut self.channels {
            let name = Some(channel.topic.channel.as_str());
            if !answers().any(|answer| answer.subscription.as_deref() == name) {
                return Err(unexpected("an answer to each subscription").into());
            }
            channel.newness.began();
        }
        self.client = Some(client);
        Ok(())
    }

    /// Asks what there is, and waits for it.
    async fn connect<H: Host>(&self, api: &Api<H>) -> Result<Vec<Said>, Trouble> {
        let message = json!([{
            "channel": "/meta/connect",
            "clientId": self.client,
            "connectionType": "long-polling",
        }]);
        let (meta, data): (Vec<Said>, Vec<Said>) = say(api, &message)
            .await?
            .into_iter()
            .partition(|said| said.channel.starts_with("/meta/"));
        // Events that came with an end come before it.
        if data.is_empty() {
            for said in &meta {
                said.check()?;
            }
        }
        Ok(data)
    }

    /// Reads events. Their places move only when all of them can be read.
    async fn arrived<H: Host>(
        &mut self,
        api: &Api<H>,
        mut said: Vec<Said>,
    ) -> Result<Delivery, Error> {
        if said.len() > MOST_EVENTS {
            // Another client asks for the rest.
            said.truncate(MOST_EVENTS);
            self.client = None;
        }
        let mut events = Vec::with_capacity(said.len());
        let mut places: Vec<(usize, String)> = Vec::new();
        for said in said {
            let channels = &mut self.channels;
            let at = channels
                .iter()
                .position(|channel| channel.topic.channel == said.channel);
            let (Some(at), Some(data)) = (at, said.data) else {
                continue;
            };
            let Some(channel) = channels.get_mut(at) else {
                continue;
            };
            let data: Data<'_> =
                wire::read(data.get().as_bytes()).ok_or_else(|| unexpected("an event in JSON"))?;
            let replay_id = data.replay_id();
            let name = &channel.topic.channel;
            let read = match channel.told.events(api, name, &data).await {
                Ok(read) => read,
                Err(error) => {
                    // Another client goes on behind what was handed on.
                    self.client = None;
                    return Err(error);
                }
            };
            let is_wanted = read
                .object
                .as_deref()
                .is_none_or(|object| channel.topic.wants(object));
            if is_wanted && channel.newness.wants(read.committed_ms) {
                events.extend(read.events);
            }
            places.push((at, replay_id));
        }
        for (at, replay_id) in places {
            if let Some(channel) = self.channels.get_mut(at) {
                channel.place = Place::Behind(replay_id);
            }
        }
        self.forgotten = 0;
        Ok(self.delivery(events))
    }

    /// Does what trouble asks for; the error is that of the call.
    async fn mend<H: Host>(&mut self, api: &Api<H>, trouble: Trouble) -> Result<(), Error> {
        self.client = None;
        match trouble {
            Trouble::Error(error) => Err(error),
            Trouble::Forgotten => {
                self.forgotten += 1;
                api.host.log(
                    Level::Info,
                    "Salesforce has forgotten this client of CometD; another one goes on",
                    &[("times", self.forgotten.to_string())],
                );
                if self.forgotten >= MOST_FORGOTTEN {
                    self.forgotten = 0;
                    return Err(Error::Unavailable(PAUSE_MS));
                }
                Ok(())
            }
            Trouble::Session => {
                self.forgotten += 1;
                if self.forgotten >= MOST_FORGOTTEN {
                    return Err(Error::Reconnect);
                }
                // CometD tells of an ended session in its own words; REST does so in
                // those by which the host knows to renew it.
                let ask = Ask::new(Method::Get, "/", Kind::Read);
                api.fetch(ask, None).await.map(|_resources| ())
            }
            Trouble::Stale(said) => Err(stale(&said)),
            Trouble::OverQuota => Err(Error::OverQuota(QUOTA_PAUSE_MS)),
            Trouble::Crowded => Err(Error::Unavailable(PAUSE_MS)),
            Trouble::Refused { channel, said } => {
                let mut topics = self.channels.iter().map(|channel| &channel.topic);
                let topic = topics.find(|topic| topic.channel == channel);
                let Some(topic) = topic.cloned() else {
                    return Err(unexpected("CometD to take a message of the protocol"));
                };
                Err(explain::topic(api, &topic, &said).await)
            }
        }
    }
}

impl Channel {
    /// What CometD calls its place.
    fn replay(&self) -> i64 {
        match &self.place {
            Place::Behind(text) => text.parse().unwrap_or(-2),
            Place::Since(_) if self.newness.is_pinned() => -1,
            Place::Oldest | Place::Since(_) => -2,
        }
    }
}

/// Sends messages and gives the answers.
async fn say<H: Host>(api: &Api<H>, messages: &Json) -> Result<Vec<Said>, Trouble> {
    let mut ask = Ask::new(Method::Post, "", Kind::Query { page_size: None })
        .body(messages.to_string().into_bytes());
    ask.path = Path::Given(PATH.to_owned());
    let answer = api.send(ask).await?;
    if answer.status != 200 {
        return Err(Fault::read(answer.status, &answer.body)
            .error(None, Effect::Read)
            .into());
    }
    Ok(wire::read(&answer.body).ok_or_else(|| unexpected("messages of CometD"))?)
}

#[cfg(test)]
mod tests;
