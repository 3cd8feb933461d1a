//! The event bus: transactions come in from the records' lock, subscribers read
//! behind their replay number and are woken by news. Everything is behind one
//! lock, taken after the records' own and never held over an await.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::change::{self, Change, ChangeType, Origin, Transaction};
use super::channel::Channel;
use super::event::{Body, Event};
use super::layout::Layout;
use super::log::{Log, Read, Start};
use super::switches::{BadEvents, EventSwitches, Switches};
use crate::bulk::Daily;
use crate::config::Config;
use crate::control::Quota;
use crate::org::{Done, Listener, Org};
use crate::schema::{Object, Schema};
use crate::table::Row;

/// Most changes that one transaction tells of; behind them every object has one
/// overflow. Each changed field of an update counts.
const MOST_CHANGES: usize = 100_000;

/// The bus.
#[derive(Debug)]
pub(crate) struct Bus {
    state: Mutex<State>,
    /// Told whenever a subscriber may have something to do.
    news: watch::Sender<()>,
}

/// What is behind the lock.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) log: Log,
    pub(crate) switches: Switches,
    /// The schema that `current` is of.
    schema: Arc<Schema>,
    /// By object: the layout that events have now.
    current: HashMap<String, Arc<Layout>>,
    /// By schema id: every layout that events ever had.
    known: HashMap<String, Arc<Layout>>,
    commits: i64,
    /// Events that subscribers got.
    deliveries: Daily,
    /// Streams that follow a channel.
    pub(super) following: usize,
    /// The org stops.
    pub(super) is_closed: bool,
}

impl Default for Bus {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            news: watch::Sender::new(()),
        }
    }
}

impl Bus {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of news, for those who are waiting for some.
    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Wakes all subscribers.
    pub(crate) fn changed(&self) {
        self.news.send_replace(());
    }

    /// Begins to tell of the changes of these objects.
    pub(crate) fn begin(&self, org: &mut Org, config: &Config) -> anyhow::Result<()> {
        let wanted = EventSwitches {
            objects: Some(config.change_events.clone()),
            deliveries_max: Some(
                config
                    .daily_deliveries
                    .unwrap_or_else(|| config.edition.daily_deliveries()),
            ),
            ..EventSwitches::default()
        };
        self.set(org, &wanted)?;
        let mut state = self.state();
        state.follow(&org.schema);
        // One that has no schema is better found now than at its first event.
        let schema = Arc::clone(&org.schema);
        for object in schema.objects() {
            if object.is_event() || state.switches.selected.contains(&object.name) {
                state.try_layout(object)?;
            }
        }
        Ok(())
    }

    /// Changes switches, or none of them when one cannot be set so.
    pub(crate) fn set(&self, org: &mut Org, wanted: &EventSwitches) -> Result<(), BadEvents> {
        let names = |objects: &Option<Vec<String>>| -> Result<Option<BTreeSet<String>>, BadEvents> {
            let found = objects.as_ref().map(|objects| {
                let names = objects.iter().map(|name| changing(org, name));
                names.map(|object| Ok(object?.name.clone())).collect()
            });
            found.transpose()
        };
        let (selected, gaps) = (names(&wanted.objects)?, names(&wanted.gaps)?);
        let mut state = self.state();
        if let Some(selected) = selected {
            let places = selected
                .iter()
                .filter_map(|name| Some(org.schema.object(name)?.index))
                .collect();
            state.switches.selected = selected;
            org.listen_to(Listener::Events, places);
        }
        if let Some(gaps) = gaps {
            state.switches.gaps = gaps;
        }
        if let Some(delay_ms) = wanted.delay_ms {
            state.log.delay_ms = delay_ms;
        }
        if let Some(hold) = wanted.hold {
            state.log.hold(hold);
        }
        if let Some(max) = wanted.deliveries_max {
            state.deliveries.max = max;
        }
        if let Some(used) = wanted.deliveries_used {
            state.deliveries.set_used(org.now_ms(), used);
        }
        drop(state);
        self.changed();
        Ok(())
    }

    /// Makes events of what a transaction has done.
    pub(crate) fn commit(&self, org: &Org, done: Vec<Done>, origin: &Origin) {
        let mut state = self.state();
        state.commit(org, done, origin);
        drop(state);
        self.changed();
    }

    /// Adds a platform event that came ready, and gives its replay number.
    pub(crate) fn publish(&self, layout: &Arc<Layout>, uuid: String, row: Row, now_ms: i64) -> u64 {
        let event = Event::new(uuid, layout, Body::Published(row));
        let number = self.state().log.append(now_ms, Arc::new(event));
        self.changed();
        number
    }

    /// The channel of a name.
    pub(crate) fn channel(&self, schema: &Schema, name: &str) -> Option<Channel> {
        Channel::find(schema, &self.state().switches.channels, name)
    }

    /// What is used up of the events that subscribers may get in 24 hours.
    pub(crate) fn deliveries(&self, now_ms: i64) -> Quota {
        self.state().deliveries.show(now_ms)
    }

    /// How many events subscribers may still get.
    pub(crate) fn deliveries_left(&self, now_ms: i64) -> usize {
        let left = self.state().deliveries.left(now_ms);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// Counts what a subscriber got.
    pub(crate) fn delivered(&self, events: usize, now_ms: i64) {
        self.state().deliveries.take(now_ms, events as u64);
    }

    /// Up to `most` events of a channel behind a number.
    pub(crate) fn read(&self, channel: &Channel, after: u64, most: usize, now_ms: i64) -> Read {
        self.state().log.read(channel, after, most, now_ms)
    }

    /// The number behind which a subscription reads first; nothing for one that
    /// cannot be replayed from.
    pub(crate) fn start(&self, start: Start, now_ms: i64) -> Option<u64> {
        self.state().log.start(start, now_ms)
    }

    /// The newest replay number in sight.
    pub(crate) fn newest(&self, now_ms: i64) -> u64 {
        self.state().log.newest(now_ms)
    }

    /// The layout of a schema id.
    pub(crate) fn layout_of_id(&self, id: &str) -> Option<Arc<Layout>> {
        self.state().known.get(id).map(Arc::clone)
    }

    /// The layout that the events of an object have now.
    pub(crate) fn layout(&self, schema: &Arc<Schema>, object: &Object) -> Option<Arc<Layout>> {
        let mut state = self.state();
        state.follow(schema);
        state.layout(object)
    }
}

impl State {
    fn commit(&mut self, org: &Org, done: Vec<Done>, origin: &Origin) {
        self.follow(&org.schema);
        let schema = Arc::clone(&org.schema);
        let now_ms = org.now_ms();
        let transaction = self.transaction(now_ms, origin.clone());
        let mut events = Vec::with_capacity(done.len());
        let mut changes = 0;
        let mut overflown: Vec<Arc<Layout>> = Vec::new();
        for done in done {
            match done {
                Done::Changed {
                    object,
                    before,
                    after,
                } => {
                    let layout = schema
                        .objects()
                        .nth(object)
                        .filter(|object| self.switches.selected.contains(&object.name))
                        .and_then(|object| self.layout(object));
                    let Some((layout, change)) = layout.and_then(|layout| {
                        let before = before.as_ref();
                        let change = Change::between(&layout, before, &after, &transaction)?;
                        Some((layout, change))
                    }) else {
                        continue;
                    };
                    changes += change.changed.len().max(1);
                    if changes > MOST_CHANGES {
                        if !overflown.iter().any(|known| Arc::ptr_eq(known, &layout)) {
                            overflown.push(layout);
                        }
                        continue;
                    }
                    let change = match self.switches.gaps.contains(&layout.object) {
                        true => change.into_gap(),
                        false => change,
                    };
                    change::append(&mut events, &layout, change);
                }
                Done::Published { object, event } => {
                    let Some(object) = schema.objects().nth(object) else {
                        continue;
                    };
                    let uuid = object
                        .column("EventUuid")
                        .and_then(|column| event.get(column).as_str());
                    let uuid = uuid.unwrap_or_default().to_owned();
                    if let Some(layout) = self.layout(object) {
                        events.push(Event::new(uuid, &layout, Body::Published(event)));
                    }
                }
            }
        }
        for layout in overflown {
            let overflow = Change::gap(ChangeType::GapOverflow, Vec::new(), &transaction);
            change::append(&mut events, &layout, overflow);
        }
        for event in events {
            self.log.append(now_ms, Arc::new(event));
        }
    }

    /// A new transaction.
    fn transaction(&mut self, now_ms: i64, origin: Origin) -> Arc<Transaction> {
        self.commits += 1;
        Arc::new(Transaction {
            key: crate::random::new_uuid(),
            origin,
            commit_ms: now_ms - now_ms.rem_euclid(1000),
            commit_number: now_ms
                .saturating_mul(1_000_000)
                .saturating_add(self.commits),
        })
    }

    /// Adds a gap that no write of this org has made.
    pub(crate) fn append_gap(
        &mut self,
        object: &Object,
        kind: ChangeType,
        ids: Vec<crate::id::Id>,
        origin: Origin,
        now_ms: i64,
    ) {
        let transaction = self.transaction(now_ms, origin);
        if let Some(layout) = self.layout(object) {
            let mut events = Vec::new();
            change::append(&mut events, &layout, Change::gap(kind, ids, &transaction));
            for event in events {
                self.log.append(now_ms, Arc::new(event));
            }
        }
    }

    /// Makes layouts anew when the schema is another one.
    pub(crate) fn follow(&mut self, schema: &Arc<Schema>) {
        if !Arc::ptr_eq(&self.schema, schema) {
            self.schema = Arc::clone(schema);
            self.current.clear();
        }
    }

    /// Forgets the layout of an object, which gets another schema id.
    pub(crate) fn renew(&mut self, object: &str) {
        *self.switches.editions.entry(object.to_owned()).or_default() += 1;
        self.current.remove(object);
    }

    fn layout(&mut self, object: &Object) -> Option<Arc<Layout>> {
        self.try_layout(object)
            .inspect_err(|error| tracing::error!(%error, "an event is lost"))
            .ok()
    }

    fn try_layout(&mut self, object: &Object) -> anyhow::Result<Arc<Layout>> {
        if let Some(layout) = self.current.get(&object.name) {
            return Ok(Arc::clone(layout));
        }
        let edition = self.switches.editions.get(&object.name).copied();
        let layout = Layout::of(object, edition.unwrap_or(0))?;
        let id = layout.id.clone();
        let layout = Arc::clone(self.known.entry(id).or_insert_with(|| Arc::new(layout)));
        self.current
            .insert(object.name.clone(), Arc::clone(&layout));
        Ok(layout)
    }
}

/// An object that can have change events.
pub(crate) fn changing<'o>(org: &'o Org, name: &str) -> Result<&'o Object, BadEvents> {
    let object = known(org, name)?;
    if !object.replicateable || object.is_event() {
        return Err(BadEvents(format!("{name} has no change events")));
    }
    Ok(object)
}

/// An object by name.
pub(crate) fn known<'o>(org: &'o Org, name: &str) -> Result<&'o Object, BadEvents> {
    let object = org.schema.object(name);
    object.ok_or_else(|| BadEvents(format!("there is no object {name}")))
}
