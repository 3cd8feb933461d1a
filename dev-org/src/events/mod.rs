//! Events as data: what each write of a record or of a platform event becomes,
//! and the bus that keeps it for subscribers, however these are connected.

pub(crate) mod avro;
mod bitmap;
mod breaking;
pub(crate) mod bus;
mod change;
pub(crate) mod channel;
mod event;
pub(crate) mod json;
mod layout;
mod log;
mod switches;

pub(crate) use breaking::Breaking;
pub(crate) use bus::Bus;
pub(crate) use change::{ChangeType, Origin};
pub(crate) use event::Event;
pub(crate) use layout::Layout;
pub(crate) use log::{Read, Start};
pub use switches::{BadEvents, EventSwitches, GapEvent, StreamBreak};
