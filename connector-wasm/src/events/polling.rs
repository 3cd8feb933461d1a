//! The way `polling`, for orgs and objects without Change Data Capture: which
//! records have another `SystemModstamp`, and which are gone.
//!
//! A look at an object costs two calls, whatever it finds. A record tells all of
//! its fields, since nobody knows which have changed, and several changes between
//! two looks are one.

mod place;
mod row;

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use serde::Deserialize;

use super::NEXT_MS;
use super::begin::{Begin, CLOCK_SKEW_MS, stale};
use super::checkpoint::Mark;
use super::source::Source;
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::events::{
    Change, ChangeKind, Delivery, Event, Stale,
};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, QueryOptions};
use crate::describe::{Age, described};
use crate::fault::{refused, unexpected};
use crate::host::{Host, Method};
use crate::query::{self, Records};
use crate::wire;
use place::{Cursor, Spot};
use row::{Row, text_of};

/// The name of the way.
pub(super) const NAME: &str = "polling";

/// Records of one look, and events of one delivery.
const MOST_ROWS: u32 = 1_000;
/// How far behind the newest record a look begins, in milliseconds: a record is
/// stamped when it is written, and seen when its transaction ends, which may take
/// some minutes.
const OVERLAP_MS: u64 = 5 * 60 * 1000;
/// The shortest window of deletions that Salesforce takes, in milliseconds; it
/// ignores seconds.
const SHORTEST_WINDOW_MS: u64 = 2 * 60 * 1000;
/// Pauses between two rounds, in milliseconds. They double while nothing happens.
const FIRST_PAUSE_MS: u64 = 10_000;
const LONGEST_PAUSE_MS: u64 = 300_000;
/// Objects that are looked at in one delivery: each costs some requests, of which
/// a call may make a hundred.
const OBJECTS_A_DELIVERY: usize = 16;
/// Records of which a new subscription knows that they are old.
const KNOWN_AT_FIRST: u32 = 200;

/// What it costs to follow so many objects, for people.
pub(super) fn cost(objects: usize) -> String {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let calls = 2 * objects as u64;
    format!(
        "; a round takes up to {calls} API calls, which is {} a day while nothing happens and up to \
         {} while something always does",
        calls * (DAY_MS / LONGEST_PAUSE_MS),
        calls * (DAY_MS / FIRST_PAUSE_MS),
    )
}

/// Events under way.
#[derive(Debug)]
pub(super) struct Poll {
    mark: Mark,
    objects: Vec<Watched>,
    /// The object that is looked at next.
    at: usize,
    /// The round so far has found something.
    found: bool,
    pause_ms: u64,
    /// When the next round begins, by the clock that never goes back.
    due_ms: u64,
}

/// One object.
#[derive(Debug)]
struct Watched {
    name: String,
    /// What is selected; none before the first look.
    fields: Vec<String>,
    spot: Spot,
    /// What was told of the time of the overlap: id and moment.
    told: BTreeSet<(u64, String)>,
    /// Deletions that do not fit into one delivery, and until when they are all.
    gone: VecDeque<Event>,
    gone_until_ms: Option<u64>,
}

impl Poll {
    /// Reads where to begin.
    pub(super) async fn open<H: Host>(
        api: &Rc<Api<H>>,
        sources: &[Source],
        begin: &Begin,
    ) -> Result<Self, Error> {
        let mark = Mark::new(NAME, sources.iter().map(Source::name));
        if let Some(message) = sources
            .iter()
            .find(|source| matches!(source, Source::Message(_)))
        {
            return Err(refused(
                Advice::FixRecord,
                "WAY_NOT_POSSIBLE",
                &format!(
                    "{} is a message, and polling hears of records only",
                    message.name()
                ),
            ));
        }
        let mut objects = Vec::with_capacity(sources.len());
        match begin {
            Begin::After(checkpoint) => {
                let places = mark.read(checkpoint, sources.len())?;
                for (source, place) in sources.iter().zip(places) {
                    let spot = Spot::read(&place);
                    let spot = spot.ok_or_else(|| stale("the place in the checkpoint is none"))?;
                    objects.push(Watched::new(source.name(), spot, BTreeSet::new()));
                }
            }
            Begin::Newest(at_ms) => {
                for source in sources {
                    objects.push(Watched::newest(api, source.name(), *at_ms).await?);
                }
            }
            Begin::Oldest => {
                return Err(refused(
                    Advice::FixRecord,
                    "WAY_NOT_POSSIBLE",
                    "polling keeps no events: subscribe to what is new, then read everything once",
                ));
            }
        }
        Ok(Self {
            mark,
            objects,
            at: 0,
            found: false,
            pause_ms: FIRST_PAUSE_MS,
            due_ms: 0,
        })
    }

    /// The next delivery: of the first object that has news, or of none after one
    /// round.
    pub(super) async fn next<H: Host>(&mut self, api: &Rc<Api<H>>) -> Result<Delivery, Error> {
        if self.at == 0 && !self.wait(api).await {
            return Ok(self.delivery(Vec::new()));
        }
        for _ in 0..OBJECTS_A_DELIVERY {
            let Some(object) = self.objects.get_mut(self.at) else {
                break;
            };
            let look = object.look(api).await?;
            self.found |= !look.events.is_empty();
            if look.is_all {
                self.at += 1;
            }
            if !look.events.is_empty() {
                return Ok(self.end_of_round(api, look.events));
            }
        }
        Ok(self.end_of_round(api, Vec::new()))
    }

    /// Waits until the next round is due; whether it is.
    async fn wait<H: Host>(&self, api: &Api<H>) -> bool {
        let until_ms = api.host.monotonic_ms() + NEXT_MS;
        loop {
            let now_ms = api.host.monotonic_ms();
            let left_ms = self.due_ms.min(until_ms).saturating_sub(now_ms);
            if left_ms == 0 {
                return now_ms >= self.due_ms;
            }
            let wait_ms = u32::try_from(left_ms).unwrap_or(u32::MAX);
            api.host.wait(wait_ms).await;
        }
    }

    fn end_of_round<H: Host>(&mut self, api: &Api<H>, events: Vec<Event>) -> Delivery {
        if self.at >= self.objects.len() {
            self.pause_ms = if self.found {
                FIRST_PAUSE_MS
            } else {
                (self.pause_ms * 2).min(LONGEST_PAUSE_MS)
            };
            self.due_ms = api.host.monotonic_ms() + self.pause_ms;
            self.at = 0;
            self.found = false;
        }
        self.delivery(events)
    }

    pub(super) fn delivery(&self, events: Vec<Event>) -> Delivery {
        let places = self.objects.iter().map(|object| object.spot.place());
        Delivery {
            events,
            checkpoint: self.mark.write(places.collect()),
        }
    }
}

/// What a look at an object gave.
struct Look {
    events: Vec<Event>,
    /// There is nothing more to see now.
    is_all: bool,
}

impl Watched {
    fn new(name: &str, spot: Spot, told: BTreeSet<(u64, String)>) -> Self {
        Self {
            name: name.to_owned(),
            fields: Vec::new(),
            spot,
            told,
            gone: VecDeque::new(),
            gone_until_ms: None,
        }
    }

    /// An object whose newest records are known already.
    async fn newest<H: Host>(api: &Rc<Api<H>>, name: &str, at_ms: u64) -> Result<Self, Error> {
        let soql = format!(
            "SELECT Id, SystemModstamp FROM {name} ORDER BY SystemModstamp DESC, Id DESC \
             LIMIT {KNOWN_AT_FIRST}"
        );
        let mut told = BTreeSet::new();
        let mut newest_ms = 0;
        for row in rows(api, &soql).await? {
            newest_ms = newest_ms.max(row.stamp_ms);
            told.insert((row.stamp_ms, row.id));
        }
        let spot = Spot {
            newest_ms,
            gone_ms: at_ms.saturating_sub(CLOCK_SKEW_MS),
            cursor: None,
        };
        Ok(Self::new(name, spot, told))
    }

    /// Looks once. A place is moved only with what is handed on.
    async fn look<H: Host>(&mut self, api: &Rc<Api<H>>) -> Result<Look, Error> {
        if let Some(look) = self.gone_so_far() {
            return Ok(look);
        }
        let (events, is_all) = self.changed(api).await?;
        if !is_all || !events.is_empty() {
            // Deletions come after changes, with the next look.
            return Ok(Look {
                events,
                is_all: false,
            });
        }
        self.ask_what_is_gone(api).await?;
        Ok(self.gone_so_far().unwrap_or(Look {
            events: Vec::new(),
            is_all: true,
        }))
    }

    /// The records that changed, a page of them, and whether there are no more.
    async fn changed<H: Host>(&mut self, api: &Rc<Api<H>>) -> Result<(Vec<Event>, bool), Error> {
        if self.fields.is_empty() {
            self.fields = selected(api, &self.name).await?;
        }
        let from_ms = self.spot.newest_ms.saturating_sub(OVERLAP_MS);
        let from = self.spot.cursor.clone().unwrap_or(Cursor {
            stamp_ms: from_ms,
            id: String::new(),
        });
        let soql = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY SystemModstamp, Id LIMIT {MOST_ROWS}",
            self.fields.join(", "),
            self.name,
            from.condition(),
        );
        let rows = rows(api, &soql).await?;
        let is_last = rows.len() < MOST_ROWS as usize;
        let last = rows.last().map(|row| Cursor {
            stamp_ms: row.stamp_ms,
            id: row.id.clone(),
        });
        let known_ms = self.spot.newest_ms;
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            self.spot.newest_ms = self.spot.newest_ms.max(row.stamp_ms);
            if self.told.insert((row.stamp_ms, row.id.clone())) {
                events.push(Event::Change(row.change(&self.name, known_ms)));
            }
        }
        self.spot.cursor = if is_last { None } else { last };
        if is_last {
            let overlap_ms = self.spot.newest_ms.saturating_sub(OVERLAP_MS);
            self.told = self.told.split_off(&(overlap_ms, String::new()));
        }
        Ok((events, is_last))
    }

    /// Asks for the deletions since the last time.
    async fn ask_what_is_gone<H: Host>(&mut self, api: &Api<H>) -> Result<(), Error> {
        let now_ms = api.host.now_ms();
        if self.spot.gone_ms + SHORTEST_WINDOW_MS > now_ms {
            return Ok(());
        }
        let ask = Ask::new(
            Method::Get,
            format!("/sobjects/{}/deleted/", self.name),
            Kind::Read,
        )
        .pair("start", text_of(self.spot.gone_ms))
        .pair("end", text_of(now_ms));
        let body = match api.fetch(ask, Some(&self.name)).await {
            Ok(body) => body,
            Err(Error::Refused(problem)) if problem.code == "INVALID_REPLICATION_DATE" => {
                return Err(stale(&format!(
                    "deletions can be asked for some 15 days. Salesforce says: {}",
                    problem.message
                )));
            }
            Err(Error::Refused(problem)) if problem.code == "EXCEEDED_ID_LIMIT" => {
                self.gone.push_back(Event::Stale(Stale {
                    id: format!("gone/{}/{now_ms}", self.name),
                    object: self.name.clone(),
                    record_ids: Vec::new(),
                    committed_ms: now_ms,
                }));
                self.gone_until_ms = Some(now_ms.saturating_sub(CLOCK_SKEW_MS));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let deleted: Deleted<'_> =
            wire::read(&body).ok_or_else(|| unexpected("deletions of an object"))?;
        let until_ms = row::moment(deleted.latest_date_covered)
            .ok_or_else(|| unexpected("until when deletions are all there"))?;
        let earliest = deleted.earliest_date_available.and_then(row::moment);
        // Seconds are ignored on both sides.
        if earliest.is_some_and(|earliest_ms| earliest_ms > self.spot.gone_ms + 60_000) {
            return Err(stale("deletions are not kept for so long"));
        }
        for gone in deleted.deleted_records {
            let at_ms = row::moment(gone.deleted_date)
                .ok_or_else(|| unexpected("when a record was deleted"))?;
            let id = crate::names::id(gone.id).map_err(Error::Refused)?;
            if self.told.insert((at_ms, format!("gone/{id}"))) {
                self.gone
                    .push_back(Event::Change(deletion(&self.name, id, at_ms)));
            }
        }
        self.gone_until_ms = Some(until_ms);
        Ok(())
    }

    /// The next of the deletions that were asked for; `None` if none were.
    fn gone_so_far(&mut self) -> Option<Look> {
        let until_ms = self.gone_until_ms?;
        let count = self.gone.len().min(MOST_ROWS as usize);
        let events = self.gone.drain(..count).collect();
        let is_all = self.gone.is_empty();
        if is_all {
            self.spot.gone_ms = self.spot.gone_ms.max(until_ms);
            self.gone_until_ms = None;
        }
        Some(Look { events, is_all })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deleted<'a> {
    #[serde(borrow)]
    deleted_records: Vec<Gone<'a>>,
    latest_date_covered: &'a str,
    #[serde(default)]
    earliest_date_available: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Gone<'a> {
    id: &'a str,
    deleted_date: &'a str,
}

fn deletion(object: &str, id: String, at_ms: u64) -> Change {
    Change {
        id: format!("gone/{id}/{at_ms}"),
        object: object.to_owned(),
        record_ids: vec![id],
        kind: ChangeKind::Deleted,
        fields: b"{}".to_vec(),
        committed_ms: at_ms,
        transaction: None,
        user: None,
        own: false,
    }
}

/// The fields of an object that a query can give as values.
async fn selected<H: Host>(api: &Api<H>, object: &str) -> Result<Vec<String>, Error> {
    const NO_VALUES: [&str; 5] = ["address", "location", "base64", "complexvalue", "json"];
    let (description, _) = described(api, object, Age::Recent).await?;
    let fields = description.fields.into_iter();
    Ok(fields
        .filter(|field| !NO_VALUES.contains(&field.kind.as_str()))
        .map(|field| field.name)
        .collect())
}

/// All records of a query.
async fn rows<H: Host>(api: &Rc<Api<H>>, soql: &str) -> Result<Vec<Row>, Error> {
    let options = QueryOptions {
        include_deleted: false,
        page_size: MOST_ROWS,
        way: Some("rest".to_owned()),
    };
    let pages = query::open(Rc::clone(api), soql, options).await?;
    let mut rows = Vec::new();
    while let Some(page) = pages.next().await? {
        let Records::Json(records) = page.records else {
            return Err(unexpected("records as JSON, which they are by REST"));
        };
        rows.extend(row::read(&records)?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
