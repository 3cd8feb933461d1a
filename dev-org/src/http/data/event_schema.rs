//! The Avro schemas of events by REST, for subscribers who have no other way to
//! them. Only the compact form: the other one describes CometD's JSON.

use super::call::{Answer, Call};
use crate::fault::Fault;
use crate::http::answer;

/// `GET /sobjects/Low_Ink__e/eventSchema`
pub(super) fn of_object(call: &Call, object: &str) -> Answer {
    let org = call.org();
    let object = org.schema.object(object).filter(|object| object.is_event());
    let layout = object.and_then(|object| call.shared.events.layout(&org.schema, object));
    let layout = layout.ok_or_else(Fault::not_there)?;
    Ok(answer::bytes(200, layout.json.clone().into_bytes()))
}

/// `GET /event/eventSchema/8y1L6AvVNJ-Yx_MkMe8u2Q`
pub(super) fn of_id(call: &Call, id: &str) -> Answer {
    let layout = call.shared.events.layout_of_id(id);
    let layout = layout.ok_or_else(Fault::not_there)?;
    Ok(answer::bytes(200, layout.json.clone().into_bytes()))
}
