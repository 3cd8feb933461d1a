//! One event as the bus keeps it: not yet in any form of the wire, since few
//! events are ever asked for and those that are in more than one form.

use std::sync::Arc;

use super::change::Change;
use super::layout::Layout;
use crate::table::Row;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The id under which every subscriber gets it, however often.
    pub(crate) uuid: String,
    pub(crate) layout: Arc<Layout>,
    pub(crate) body: Body,
}

/// What it is about.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// A change of records.
    Change(Change),
    /// A platform event, with the values of its object's columns.
    Published(Row),
}

impl Event {
    pub(crate) fn new(uuid: String, layout: &Arc<Layout>, body: Body) -> Self {
        Self {
            uuid,
            layout: Arc::clone(layout),
            body,
        }
    }
}
