//! Attacks with events: deliveries that lie, that never come or that come too
//! much at once, and subscriptions that fail, trap or only listen.

use std::cell::{Cell, RefCell};

use futures_util::future::join;
use serde_json::json;

use super::exchange::{self, Open};
use crate::guest::bindings::exports::lockgate::connector::events::{
    Change, ChangeKind, Delivery, Event, Message, Stale, Start, SubscriptionOptions,
};
use crate::guest::bindings::exports::lockgate::connector::records::{Advice, Error, Problem, Way};
use crate::guest::bindings::lockgate::connector::clock;

/// Where the newest events are.
const NEWEST: u64 = 1_000;

/// A subscription under way. The first source is a command.
pub(crate) struct Feed {
    command: String,
    way: String,
    /// How many events there were before the next.
    place: Cell<u64>,
    /// How often `next` was called.
    calls: Cell<u64>,
    open: RefCell<Option<Open>>,
}

impl Feed {
    pub(crate) async fn begin(
        sources: Vec<String>,
        options: SubscriptionOptions,
    ) -> Result<Self, Error> {
        let command = sources.into_iter().next().unwrap_or_default();
        if let Some(command) = command.strip_prefix("now ") {
            super::run(command).await?;
        }
        let place = match options.start {
            Start::Newest => NEWEST,
            Start::Oldest => 0,
            Start::After(checkpoint) => read(&checkpoint)?,
        };
        Ok(Self {
            command,
            way: options.way.unwrap_or_else(|| "attack".to_owned()),
            place: Cell::new(place),
            calls: Cell::new(0),
            open: RefCell::default(),
        })
    }

    pub(crate) fn way(&self) -> Way {
        Way {
            name: self.way.clone(),
            reason: "\u{1b}[31mit is the only one".to_owned(),
        }
    }

    pub(crate) async fn next(&self) -> Result<Delivery, Error> {
        let n_before = self.calls.replace(self.calls.get() + 1);
        let (command, rest) = self.command.split_once(' ').unwrap_or((&self.command, ""));
        match command {
            "count" => Ok(self.count(rest.parse().unwrap_or(1))),
            "kinds" => Ok(self.deliver(vec![change(1), stale(2), message(3, b"{}".to_vec())])),
            "lie" => Ok(self.lie(rest)),
            // Fails once, and goes on.
            "fail" if n_before == 0 => Err(super::failure(rest)),
            "fail" => Ok(self.count(1)),
            "do" => {
                super::run(rest).await?;
                Ok(self.deliver(Vec::new()))
            }
            "then" if n_before == 0 => Ok(self.count(1)),
            "then" => {
                super::run(rest).await?;
                Ok(self.deliver(Vec::new()))
            }
            "exchange" => self.hear(rest).await,
            "listen" => self.listen(rest).await,
            _ => Ok(self.deliver(Vec::new())),
        }
    }

    /// So many changes, numbered on.
    fn count(&self, count: u64) -> Delivery {
        let first = self.place.get();
        self.place.set(first + count);
        self.deliver((first..first + count).map(change).collect())
    }

    fn deliver(&self, events: Vec<Event>) -> Delivery {
        Delivery {
            events,
            checkpoint: self.place.get().to_string().into_bytes(),
        }
    }

    /// A delivery of which the second event is none, or all of it.
    fn lie(&self, kind: &str) -> Delivery {
        let mut delivery = self.deliver(vec![self::change(1), lying(kind)]);
        match kind {
            "flood" => delivery.events = (0..1_001).map(self::change).collect(),
            "no-checkpoint" => delivery.checkpoint.clear(),
            "long-checkpoint" => delivery.checkpoint = vec![b'c'; 4 * 1024 + 1],
            "endless-checkpoint" => delivery.checkpoint = vec![b'c'; 60 * 1024 * 1024],
            _ => {}
        }
        delivery
    }

    /// What comes in an exchange, as messages. It lasts from one delivery to the
    /// next.
    async fn hear(&self, method: &str) -> Result<Delivery, Error> {
        let mut open = self.opened(method).await?;
        let heard = open.reader.next().await;
        self.open.replace(Some(open));
        let heard = heard.ok_or(Error::Unavailable(0))?;
        let place = self.place.replace(self.place.get() + 1);
        let payload = json!({ "bytes": heard.len() }).to_string().into_bytes();
        Ok(self.deliver(vec![message(place, payload)]))
    }

    /// Hears on and on, a message a second, and tells nothing of it.
    async fn listen(&self, method: &str) -> Result<Delivery, Error> {
        let mut open = self.opened(method).await?;
        loop {
            let saying = open.writer.write_one(b"ping".to_vec());
            let (_, heard) = join(saying, open.reader.next()).await;
            if heard.is_none() {
                return Err(Error::Unexpected("nothing to listen to".to_owned()));
            }
            clock::wait(1_000).await;
        }
    }

    async fn opened(&self, method: &str) -> Result<Open, Error> {
        match self.open.take() {
            Some(open) => Ok(open),
            None => exchange::opened(method)
                .await
                .map_err(|error| Error::Unexpected(format!("{error:?}"))),
        }
    }
}

/// The place of a checkpoint, which is its number.
fn read(checkpoint: &[u8]) -> Result<u64, Error> {
    let text = std::str::from_utf8(checkpoint).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Error::Refused(Problem {
            advice: Advice::Refetch,
            code: "NO_SUCH_PLACE".to_owned(),
            message: "the events behind this checkpoint are gone".to_owned(),
            object: None,
            fields: Vec::new(),
        })
    })
}

fn base(number: u64) -> Change {
    Change {
        id: format!("event-{number}"),
        object: "Thing".to_owned(),
        record_ids: vec![format!("record-{number}")],
        kind: ChangeKind::Updated,
        fields: format!("{{ \"Number\": {number}.50, \"Gone\": null }}").into_bytes(),
        committed_ms: 1_700_000_000_000 + number,
        transaction: None,
        user: Some("user-1".to_owned()),
        own: number.is_multiple_of(2),
    }
}

/// An event that is none.
pub(super) fn lying(kind: &str) -> Event {
    let mut change = base(2);
    let json: &[u8] = match kind {
        "fields-utf8" | "payload-utf8" => b"{\"a\":\"\xff\"}",
        "fields-array" | "payload-array" => b"[1,2]",
        "fields-two" | "payload-two" => b"{} {}",
        "fields-cut" | "payload-cut" => b"{\"a\":",
        "fields-none" | "payload-none" => b"",
        _ => b"{}",
    };
    change.fields = json.to_vec();
    match kind {
        "no-id" => change.id.clear(),
        "long-id" => change.id = "i".repeat(129),
        "forging-id" => change.id = "e\u{1b}[2J".to_owned(),
        "no-object" => change.object.clear(),
        "long-object" => change.object = "o".repeat(257),
        "no-records" => change.record_ids.clear(),
        "empty-record" => change.record_ids.push(String::new()),
        "long-record" => change.record_ids.push("r".repeat(257)),
        "forging-record" => change.record_ids.push("a\r\nb".to_owned()),
        "empty-transaction" => change.transaction = Some(String::new()),
        "long-user" => change.user = Some("u".repeat(257)),
        "late" => change.committed_ms = u64::MAX,
        _ => {}
    }
    if kind.starts_with("payload-") {
        message(2, json.to_vec())
    } else {
        Event::Change(change)
    }
}

pub(super) fn change(number: u64) -> Event {
    Event::Change(base(number))
}

fn stale(number: u64) -> Event {
    Event::Stale(Stale {
        id: format!("event-{number}"),
        object: "Thing".to_owned(),
        record_ids: Vec::new(),
        committed_ms: 1_700_000_000_000 + number,
    })
}

fn message(number: u64, payload: Vec<u8>) -> Event {
    Event::Message(Message {
        id: format!("event-{number}"),
        name: "Thing_Told__e".to_owned(),
        payload,
        published_ms: 1_700_000_000_000 + number,
    })
}
