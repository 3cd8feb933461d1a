//! Events in Avro, as the Pub/Sub API carries them: bare values without a
//! container. What a publisher sends is read back here, too.

use apache_avro::AvroResult;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;

use super::bitmap;
use super::change::Change;
use super::event::{Body, Event};
use super::layout::{Layout, Part, Shape};
use crate::schema::FieldKind;
use crate::table::Row;
use crate::value::{DAY_MS, Value};

/// The bytes of an event.
pub(crate) fn payload(event: &Event) -> AvroResult<Vec<u8>> {
    let layout = &*event.layout;
    let fields = layout.slots.iter().map(|slot| {
        let value = match (&event.body, &slot.shape) {
            (Body::Change(change), Shape::Header) => header(layout, change),
            (Body::Change(change), shape) => shaped(shape, |column| change.told(column)),
            (Body::Published(row), shape) => shaped(shape, |column| Some(row.get(column))),
        };
        (slot.name.clone(), value)
    });
    let record = Avro::Record(fields.collect());
    GenericDatumWriter::builder(&layout.avro)
        .build()?
        .write_value_to_vec(record)
}

/// What a publisher sent, as the values of an object of so many columns; an
/// error is a sentence for the publisher.
pub(crate) fn published(layout: &Layout, columns: usize, payload: &[u8]) -> Result<Row, String> {
    let unreadable = |error: apache_avro::Error| {
        format!("The payload does not fit the schema {}: {error}", layout.id)
    };
    let mut rest = payload;
    let read = GenericDatumReader::builder(&layout.avro)
        .build()
        .and_then(|reader| reader.read_value(&mut rest))
        .map_err(unreadable)?;
    if !rest.is_empty() {
        return Err(format!(
            "{} bytes are left over behind the event",
            rest.len()
        ));
    }
    let Avro::Record(fields) = read else {
        return Err("The payload is no record".to_owned());
    };
    let mut values = vec![Value::Null; columns];
    for (slot, (_, value)) in layout.slots.iter().zip(fields) {
        if let Shape::One { column, kind, .. } = slot.shape
            && let Some(place) = values.get_mut(column)
        {
            *place = value_of(kind, value);
        }
    }
    Ok(Row::new(values))
}

fn header(layout: &Layout, change: &Change) -> Avro {
    let text = |text: &str| Avro::String(text.to_owned());
    let list = |items: Vec<String>| Avro::Array(items.into_iter().map(Avro::String).collect());
    let transaction = &*change.transaction;
    let is_null = |column: &&usize| change.told(**column).is_some_and(Value::is_null);
    let nulled: Vec<usize> = change.changed.iter().filter(is_null).copied().collect();
    let kind = Avro::Enum(change.kind.number(), change.kind.name().to_owned());
    let ids = change.ids.iter().map(|id| id.to_string()).collect();
    let fields = [
        ("entityName", text(&layout.object)),
        ("recordIds", list(ids)),
        ("changeType", kind),
        ("changeOrigin", text(&transaction.origin.name)),
        ("transactionKey", text(&transaction.key)),
        ("sequenceNumber", Avro::Int(change.sequence)),
        ("commitTimestamp", Avro::Long(transaction.commit_ms)),
        ("commitNumber", Avro::Long(transaction.commit_number)),
        ("commitUser", text(&transaction.origin.user)),
        ("nulledFields", list(bitmap::of(layout, &nulled))),
        // Only for long texts, which are told whole here.
        ("diffFields", list(Vec::new())),
        ("changedFields", list(bitmap::of(layout, &change.changed))),
    ];
    Avro::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

/// The value of a field, from the columns that the event tells of.
fn shaped<'v>(shape: &Shape, told: impl Fn(usize) -> Option<&'v Value>) -> Avro {
    let record = |parts: &[Part]| {
        let told = |part: &Part| part.column.and_then(&told).unwrap_or(&Value::Null);
        let is_there = parts.iter().any(|part| !told(part).is_null());
        let fields = parts
            .iter()
            .map(|part| (part.name.clone(), optional(part.kind, told(part))));
        is_there.then(|| Avro::Record(fields.collect()))
    };
    let or_null = |value: Option<Avro>, branch: u32| match value {
        Some(value) => Avro::Union(branch, Box::new(value)),
        None => Avro::Union(0, Box::new(Avro::Null)),
    };
    match shape {
        Shape::Header => Avro::Null,
        Shape::One {
            column,
            kind,
            required: true,
        } => told(*column).map_or(Avro::Null, |value| plain(*kind, value)),
        Shape::One { column, kind, .. } => optional(*kind, told(*column).unwrap_or(&Value::Null)),
        Shape::Parts(parts) => or_null(record(parts), 1),
        Shape::Switchable { whole, parts } => match record(parts) {
            Some(person) => or_null(Some(person), 2),
            None => optional(FieldKind::Text, told(*whole).unwrap_or(&Value::Null)),
        },
    }
}

fn optional(kind: FieldKind, value: &Value) -> Avro {
    match value {
        Value::Null => Avro::Union(0, Box::new(Avro::Null)),
        value => Avro::Union(1, Box::new(plain(kind, value))),
    }
}

fn plain(kind: FieldKind, value: &Value) -> Avro {
    match value {
        Value::Null => Avro::Null,
        Value::Bool(flag) => Avro::Boolean(*flag),
        Value::Int(number) if kind == FieldKind::Int => {
            Avro::Int(i32::try_from(*number).unwrap_or(i32::MAX))
        }
        Value::Int(_) | Value::Double(_) => Avro::Double(value.as_f64().unwrap_or(0.0)),
        Value::Text(text) => Avro::String(text.to_string()),
        Value::Date(days) => Avro::Long(i64::from(*days) * DAY_MS),
        Value::DateTime(ms) => Avro::Long(*ms),
        Value::Time(ms) => Avro::Long(i64::from(*ms)),
        Value::Blob(_) => Avro::String(String::new()),
    }
}

fn value_of(kind: FieldKind, value: Avro) -> Value {
    match (kind, value) {
        (kind, Avro::Union(_, value)) => value_of(kind, *value),
        (_, Avro::Boolean(flag)) => Value::Bool(flag),
        (_, Avro::Int(number)) => Value::Int(number.into()),
        (_, Avro::Double(number)) => Value::Double(number),
        (_, Avro::String(text)) => Value::text(text),
        (FieldKind::Date, Avro::Long(ms)) => Value::Date(crate::value::day_of_ms(ms)),
        (FieldKind::Time, Avro::Long(ms)) => Value::Time(u32::try_from(ms).unwrap_or(0)),
        (_, Avro::Long(ms)) => Value::DateTime(ms),
        _ => Value::Null,
    }
}
