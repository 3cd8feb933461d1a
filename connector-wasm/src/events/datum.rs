//! Events in Avro: bare values without a container, read by the schema that each
//! event names.

use std::io;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;

use super::bitmap::Bitmap;
use super::change::{Fields, Header};
use super::layout::{HEADER, Layout, Slot};
use super::value::{bare, push};
use crate::bindings::exports::lockgate::connector::events::{ChangeKind, Event, Message};
use crate::wire::push_text;

/// The most that one value may claim to need, in bytes: a message has 4 MiB at most, and
/// apache-avro takes what a length says before it reads on. Without this bound a damaged
/// length would end the guest at its limit on memory, at each try, rather than be told.
const MAX_VALUE_BYTES: usize = 16 * 1024 * 1024;

/// Reads events of one schema.
pub(super) struct Reader<'l> {
    layout: &'l Layout,
    reader: GenericDatumReader<'l>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("layout", &self.layout.name)
            .finish_non_exhaustive()
    }
}

impl<'l> Reader<'l> {
    pub(super) fn new(layout: &'l Layout) -> Option<Self> {
        apache_avro::util::max_allocation_bytes(MAX_VALUE_BYTES);
        let reader = GenericDatumReader::builder(&layout.schema).build().ok()?;
        Some(Self { layout, reader })
    }

    /// Whether it reads events of this schema.
    pub(super) fn is_of(&self, layout: &Layout) -> bool {
        std::ptr::eq(self.layout, layout)
    }

    /// The events of a payload, and the object of a change; `None` if it does not
    /// fit the schema.
    pub(super) fn events(&self, id: &str, payload: &[u8], client: &str) -> Option<Read> {
        let mut payload = Payload {
            rest: payload,
            is_cut_off: false,
        };
        let Avro::Record(values) = self.reader.read_value(&mut payload).ok()? else {
            return None;
        };
        let is_change = self.layout.slots.first()?.name == HEADER;
        let is_whole = payload.rest.is_empty() && !payload.is_cut_off;
        if !is_whole || values.len() != self.layout.slots.len() {
            return None;
        }
        if !is_change {
            let message = message(self.layout, id, &values)?;
            return Some(Read {
                object: None,
                committed_ms: message.published_ms,
                events: vec![Event::Message(message)],
            });
        }
        let (_, first) = values.first()?;
        let (header, lists) = header(first)?;
        let fields = match header.change() {
            Some(kind) => fields(self.layout, &values, kind, &lists),
            None => None,
        };
        Some(Read {
            object: Some(header.object.clone()),
            committed_ms: header.committed_ms,
            events: header.events(id, client, fields),
        })
    }
}

/// The bytes of a payload. apache-avro takes a union behind their end for null, and
/// with that a payload that was cut off for a whole one: fields that have changed would
/// seem emptied.
struct Payload<'p> {
    rest: &'p [u8],
    /// More was asked for than there is.
    is_cut_off: bool,
}

impl io::Read for Payload<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.is_cut_off |= room.len() > self.rest.len();
        self.rest.read(room)
    }
}

/// What a payload says.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) events: Vec<Event>,
    /// Of a change.
    pub(super) object: Option<String>,
    pub(super) committed_ms: u64,
}

/// The lists of fields in a header.
#[derive(Debug, Default)]
struct Lists {
    nulled: Vec<String>,
    diff: Vec<String>,
    changed: Vec<String>,
}

fn header(value: &Avro) -> Option<(Header, Lists)> {
    let Avro::Record(members) = bare(value) else {
        return None;
    };
    let (mut header, mut lists) = (Header::default(), Lists::default());
    for (name, value) in members {
        match name.as_str() {
            "entityName" => header.object = text(value)?,
            "recordIds" => header.ids = texts(value)?,
            "changeType" => header.kind = text(value)?,
            "changeOrigin" => header.origin = text(value)?,
            "transactionKey" => header.transaction = text(value)?,
            "sequenceNumber" => header.sequence = integer(value)?,
            "commitTimestamp" => header.committed_ms = u64::try_from(integer(value)?).ok()?,
            "commitUser" => header.user = text(value)?,
            "nulledFields" => lists.nulled = texts(value)?,
            "diffFields" => lists.diff = texts(value)?,
            "changedFields" => lists.changed = texts(value)?,
            _ => {}
        }
    }
    (!header.object.is_empty() && !header.kind.is_empty()).then_some((header, lists))
}

fn text(value: &Avro) -> Option<String> {
    match bare(value) {
        Avro::String(text) | Avro::Enum(_, text) => Some(text.clone()),
        Avro::Null => Some(String::new()),
        _ => None,
    }
}

fn texts(value: &Avro) -> Option<Vec<String>> {
    match bare(value) {
        Avro::Array(items) => items.iter().map(text).collect(),
        Avro::Null => Some(Vec::new()),
        _ => None,
    }
}

fn integer(value: &Avro) -> Option<i64> {
    match bare(value) {
        Avro::Int(number) => Some(i64::from(*number)),
        Avro::Long(number) => Some(*number),
        _ => None,
    }
}

/// What is told of the fields; `None` if the lists of the header cannot be read.
fn fields(
    layout: &Layout,
    values: &[(String, Avro)],
    kind: ChangeKind,
    lists: &Lists,
) -> Option<Fields> {
    let mut told = Told(Object::default());
    let nulled = Bitmap::read(&lists.nulled)?;
    let diff = Bitmap::read(&lists.diff)?;
    let changed = Bitmap::read(&lists.changed)?;
    let body = layout.slots.iter().zip(values).enumerate().skip(1);
    for (at, (slot, (_, value))) in body {
        let is_named = |part: Option<usize>| match part {
            None => changed.has(at) || nulled.has(at),
            Some(part) => changed.has_part(at, part) || nulled.has_part(at, part),
        };
        match kind {
            ChangeKind::Deleted => {}
            // Long texts come as what is different: that is no value.
            _ if diff.has(at) => {}
            ChangeKind::Updated if !changed.is_empty() => told.slot(slot, value, is_named, true),
            // Without a list only what is there can be told from what is not.
            ChangeKind::Updated => told.slot(slot, value, is_named, false),
            ChangeKind::Created | ChangeKind::Undeleted => told.slot(slot, value, |_| false, false),
        }
    }
    Some(Fields {
        json: told.0.end(),
        in_part: !diff.is_empty(),
    })
}

/// The fields that are told.
struct Told(Object);

impl Told {
    /// Tells a field by its parts, if it has any: those that are named, and unless
    /// `only_named` those that have a value.
    fn slot(
        &mut self,
        slot: &Slot,
        value: &Avro,
        is_named: impl Fn(Option<usize>) -> bool,
        only_named: bool,
    ) {
        let value = bare(value);
        let tells = |part: Option<usize>, value: &Avro| {
            is_named(part) || (!only_named && !matches!(bare(value), Avro::Null))
        };
        let parts = match value {
            Avro::Record(parts) => parts.as_slice(),
            Avro::Null if !slot.parts.is_empty() => &[],
            // A name that is a text or, of a person, a record: here a text.
            value => {
                if tells(None, value) {
                    self.0.member(&slot.name, |out| push(out, slot.kind, value));
                }
                return;
            }
        };
        for (at, part) in slot.parts.iter().enumerate() {
            let value = parts.get(at).map_or(&Avro::Null, |(_, value)| value);
            if tells(Some(at), value) {
                self.0.member(&part.name, |out| push(out, part.kind, value));
            }
        }
    }
}

fn message(layout: &Layout, id: &str, values: &[(String, Avro)]) -> Option<Message> {
    if id.is_empty() {
        return None;
    }
    let mut payload = Object::default();
    let mut published_ms = 0;
    for (slot, (_, value)) in layout.slots.iter().zip(values) {
        payload.member(&slot.name, |out| push(out, slot.kind, value));
        if slot.name == "CreatedDate" {
            published_ms = integer(value).and_then(|ms| u64::try_from(ms).ok())?;
        }
    }
    Some(Message {
        id: id.to_owned(),
        name: layout.name.clone(),
        payload: payload.end(),
        published_ms,
    })
}

/// A JSON object as it is written.
#[derive(Debug, Default)]
pub(super) struct Object(Vec<u8>);

impl Object {
    pub(super) fn member(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        push_text(&mut self.0, name);
        self.0.push(b':');
        value(&mut self.0);
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        if self.0.is_empty() {
            self.0.push(b'{');
        }
        self.0.push(b'}');
        self.0
    }
}

#[cfg(test)]
pub(super) mod tests;
