//! The switches of events that tests turn, in process; `/__control/events` does
//! the same over HTTP.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::events::bus;
use crate::events::channel::{self, Channel};
use crate::events::{BadEvents, ChangeType, EventSwitches, GapEvent, Origin, StreamBreak};
use crate::org::ADMIN;
use crate::state::Shared;

/// Steers the events of a running org.
#[derive(Clone, Debug)]
pub struct EventControl {
    shared: Arc<Shared>,
}

impl EventControl {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Changes switches.
    ///
    /// # Errors
    /// When an object is not there or has no change events. Nothing is changed
    /// then.
    pub fn set(&self, wanted: &EventSwitches) -> Result<(), BadEvents> {
        self.shared.events.set(&mut self.shared.org_mut(), wanted)
    }

    /// Forgets all events so far, as three days do: their replay ids are stale.
    pub fn expire(&self) {
        self.shared.events.state().log.expire();
        self.shared.events.changed();
    }

    /// Tells of a change that nobody made, as a gap.
    ///
    /// # Errors
    /// When the object has no change events, or the change is none of the words.
    pub fn gap(&self, gap: &GapEvent) -> Result<(), BadEvents> {
        let org = self.shared.org();
        let object = bus::changing(&org, &gap.object)?;
        let kind = ChangeType::parse(&format!("GAP_{}", gap.change)).ok_or_else(|| {
            let words = "CREATE, UPDATE, DELETE, UNDELETE or OVERFLOW";
            BadEvents(format!("a gap is of {words}, not {:?}", gap.change))
        })?;
        let ids = gap.ids.iter().map(|id| id.as_str().into()).collect();
        let user = org.user(ADMIN).map(|user| Arc::clone(&user.id));
        let origin = Origin::browser(user.unwrap_or_else(|| "".into()));
        let mut state = self.shared.events.state();
        state.follow(&org.schema);
        state.append_gap(object, kind, ids, origin, org.now_ms());
        drop(state);
        self.shared.events.changed();
        Ok(())
    }

    /// Makes a channel that carries several events: `/data/Sales__chn` of
    /// `["AccountChangeEvent"]`, or `/event/All__chn` of platform events.
    ///
    /// # Errors
    /// When the name is none of a channel, or an event is not there.
    pub fn set_channel(&self, name: &str, members: &[String]) -> Result<(), BadEvents> {
        let is_data = name.starts_with("/data/");
        if !(is_data || name.starts_with("/event/")) || !name.ends_with("__chn") {
            let message = "a channel is called /data/Name__chn or /event/Name__chn";
            return Err(BadEvents(message.to_owned()));
        }
        let org = self.shared.org();
        for member in members {
            let object = channel::object_of(&org.schema, member);
            if object.is_none_or(|object| object.is_event() == is_data) {
                return Err(BadEvents(format!("{name} cannot carry {member}")));
            }
        }
        let mut state = self.shared.events.state();
        let channels = &mut state.switches.channels;
        channels.insert(name.to_owned(), members.to_vec());
        Ok(())
    }

    /// Gives the later events of an object another schema id, though the schema
    /// stays what it is. The ids before it still lead to their schemas.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn renew_schema(&self, object: &str) -> Result<(), BadEvents> {
        let org = self.shared.org();
        let object = bus::known(&org, object)?;
        self.shared.events.state().renew(&object.name);
        Ok(())
    }

    /// Sends the last events of a channel once more, under new replay ids.
    ///
    /// # Errors
    /// When there is no such channel.
    pub fn repeat(&self, channel: &str, count: usize) -> Result<(), BadEvents> {
        let channel = self.channel(channel)?;
        let now_ms = self.shared.clock.now_ms();
        self.shared
            .events
            .state()
            .log
            .repeat(&channel, count, now_ms);
        self.shared.events.changed();
        Ok(())
    }

    /// Ends every stream of events that is open.
    pub fn end_streams(&self, how: StreamBreak) {
        let mut state = self.shared.events.state();
        state.switches.ended += 1;
        state.switches.how_ended = how;
        drop(state);
        self.shared.events.changed();
    }

    /// Makes the next stream that opens break; for several, in turn.
    pub fn break_next_stream(&self, how: StreamBreak) {
        self.shared.events.state().switches.breaks.push_back(how);
    }

    /// Waits until so many streams follow a channel: what happens then is new to
    /// all of them.
    pub async fn subscribed(&self, streams: usize) {
        self.shared.events.subscribed(streams).await;
    }

    /// The events of a channel that are kept and in sight, oldest first, in the
    /// form that CometD has for them.
    ///
    /// # Errors
    /// When there is no such channel.
    pub fn kept(&self, channel: &str) -> Result<Vec<Value>, BadEvents> {
        let channel = self.channel(channel)?;
        let now_ms = self.shared.clock.now_ms();
        let read = self.shared.events.read(&channel, 0, usize::MAX, now_ms);
        let events = read.events.iter();
        Ok(events
            .map(|(number, event)| crate::events::json::data(event, *number))
            .collect())
    }

    pub(crate) fn show(&self) -> Value {
        let deliveries = self.shared.events.deliveries(self.shared.clock.now_ms());
        let state = self.shared.events.state();
        let switches = &state.switches;
        json!({
            "objects": switches.selected,
            "gaps": switches.gaps,
            "delay_ms": state.log.delay_ms,
            "hold": state.log.is_held(),
            "channels": switches.channels,
            "breaks": switches.breaks,
            "deliveries": deliveries,
        })
    }

    fn channel(&self, name: &str) -> Result<Channel, BadEvents> {
        let org = self.shared.org();
        self.shared
            .events
            .channel(&org.schema, name)
            .ok_or_else(|| BadEvents(format!("there is no channel {name}")))
    }
}
