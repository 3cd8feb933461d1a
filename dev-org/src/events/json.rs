//! Events in JSON, as CometD carries them: only what the event tells of, times
//! as text, and the names of changed fields in place of bits.

use serde_json::{Map, Value as Json, json};

use super::change::{Change, ChangeType};
use super::event::{Body, Event};
use super::layout::{Layout, Part, Shape};
use crate::value::{Value, datetime_to_wire};

/// `data` of a message with an event.
pub(crate) fn data(event: &Event, replay_id: u64) -> Json {
    let layout = &*event.layout;
    let mut payload = Map::new();
    for slot in &layout.slots {
        let value = match (&event.body, &slot.shape) {
            (Body::Change(change), Shape::Header) => Some(header(layout, change)),
            (Body::Change(change), shape) => shaped(shape, |column| {
                // Of an update a cleared field is told as well.
                let is_told =
                    |value: &&Value| change.kind == ChangeType::Update || !value.is_null();
                change.told(column).filter(is_told)
            }),
            (Body::Published(row), shape) => shaped(shape, |column| Some(row.get(column))),
        };
        if let Some(value) = value {
            payload.insert(slot.name.clone(), value);
        }
    }
    let mut about = json!({ "replayId": replay_id });
    if !layout.is_change()
        && let Some(about) = about.as_object_mut()
    {
        about.insert("EventUuid".to_owned(), json!(event.uuid));
        about.insert("EventApiName".to_owned(), json!(layout.name));
    }
    json!({ "schema": layout.id, "payload": payload, "event": about })
}

fn header(layout: &Layout, change: &Change) -> Json {
    let transaction = &*change.transaction;
    let ids: Vec<&str> = change.ids.iter().map(|id| &**id).collect();
    let mut header = json!({
        "entityName": layout.object,
        "recordIds": ids,
        "changeType": change.kind.name(),
        "changeOrigin": transaction.origin.name,
        "transactionKey": transaction.key,
        "sequenceNumber": change.sequence,
        "commitTimestamp": transaction.commit_ms,
        "commitNumber": transaction.commit_number,
        "commitUser": &*transaction.origin.user,
    });
    if change.kind == ChangeType::Update
        && let Some(header) = header.as_object_mut()
    {
        let names = names(layout, &change.changed);
        header.insert("changedFields".to_owned(), json!(names));
    }
    header
}

/// `Phone`, `Name.FirstName`.
fn names(layout: &Layout, changed: &[usize]) -> Vec<String> {
    let mut names = Vec::new();
    for slot in &layout.slots {
        let of = |parts: &[Part]| -> Vec<String> {
            let changed = parts
                .iter()
                .filter(|part| part.column.is_some_and(|column| changed.contains(&column)));
            changed
                .map(|part| format!("{}.{}", slot.name, part.name))
                .collect()
        };
        match &slot.shape {
            Shape::Header => {}
            Shape::One { column, .. } => {
                names.extend(changed.contains(column).then(|| slot.name.clone()));
            }
            Shape::Parts(parts) => names.extend(of(parts)),
            Shape::Switchable { whole, parts } => {
                let parts = of(parts);
                let is_whole = parts.is_empty() && changed.contains(whole);
                names.extend(is_whole.then(|| slot.name.clone()));
                names.extend(parts);
            }
        }
    }
    names
}

/// The value of a field; nothing when the event does not tell of it.
fn shaped<'v>(shape: &Shape, told: impl Fn(usize) -> Option<&'v Value>) -> Option<Json> {
    let record = |parts: &[Part]| -> Option<Json> {
        let told = parts.iter().filter_map(|part| {
            let value = part.column.and_then(&told)?;
            Some((part.name.clone(), plain(value)))
        });
        let fields: Map<String, Json> = told.collect();
        (!fields.is_empty()).then_some(Json::Object(fields))
    };
    match shape {
        Shape::Header => None,
        Shape::One { column, .. } => told(*column).map(plain),
        Shape::Parts(parts) => record(parts),
        Shape::Switchable { whole, parts } => record(parts).or_else(|| told(*whole).map(plain)),
    }
}

fn plain(value: &Value) -> Json {
    match value {
        // Events write UTC as a letter, unlike records.
        Value::DateTime(ms) => {
            let text = datetime_to_wire(*ms);
            json!(text.replace("+0000", "Z"))
        }
        value => value.to_json(),
    }
}
