//! Channels: the names under which events are subscribed to, and which events
//! each of them carries.

use std::collections::HashMap;

use super::event::Event;
use super::layout::change_event_name;
use crate::schema::{Object, Schema};

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// The platform events, or the change events, of one object.
    One(String),
    /// `/data/ChangeEvents`: every change event.
    AllChanges,
    /// A channel that a test made of others.
    Custom(Vec<String>),
}

impl Channel {
    /// The channel of a name, which has case.
    pub(crate) fn find(
        schema: &Schema,
        custom: &HashMap<String, Vec<String>>,
        name: &str,
    ) -> Option<Self> {
        if name == "/data/ChangeEvents" {
            return Some(Self::AllChanges);
        }
        if let Some(members) = custom.get(name) {
            return Some(Self::Custom(members.clone()));
        }
        let (_, event) = name.rsplit_once('/')?;
        let object = object_of(schema, event)?;
        let prefix = if object.is_event() {
            "/event/"
        } else {
            "/data/"
        };
        (name.strip_prefix(prefix) == Some(event)).then(|| Self::One(event.to_owned()))
    }

    /// Whether it carries an event.
    pub(crate) fn carries(&self, event: &Event) -> bool {
        match self {
            Self::One(name) => *name == event.layout.name,
            Self::AllChanges => event.layout.is_change(),
            Self::Custom(members) => members.contains(&event.layout.name),
        }
    }
}

/// The object of an event's name: `AccountChangeEvent`, `Low_Ink__e`.
pub(crate) fn object_of<'s>(schema: &'s Schema, event: &str) -> Option<&'s Object> {
    let name = match event.strip_suffix("ChangeEvent") {
        None => event.to_owned(),
        Some(custom) if custom.ends_with("__") => format!("{custom}c"),
        Some(object) => object.to_owned(),
    };
    schema.object(&name).filter(|object| {
        let known = if object.is_event() {
            object.name.clone()
        } else {
            change_event_name(&object.name)
        };
        known == event && (object.is_event() || object.replicateable)
    })
}
