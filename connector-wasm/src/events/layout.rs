//! How the fields of one kind of event lie in its Avro schema, and what each is
//! called where a query gives it.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema::RecordSchema;

use super::value::Kind;
use crate::bindings::exports::lockgate::connector::records::Field;

/// The first field of a change.
pub(super) const HEADER: &str = "ChangeEventHeader";

/// One schema.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) schema: Schema,
    /// The event's own name: `AccountChangeEvent`, `Low_Ink__e`.
    pub(super) name: String,
    /// In the order of the schema.
    pub(super) slots: Vec<Slot>,
}

/// One field.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Of a compound field, such as an address; else none.
    pub(super) parts: Vec<Part>,
}

/// A part of a compound field.
#[derive(Debug)]
pub(super) struct Part {
    /// By the name that a query gives it: `MailingCity`.
    pub(super) name: String,
    pub(super) kind: Kind,
}

impl Layout {
    /// Reads a schema; `None` if it is none of an event.
    pub(super) fn read(json: &str) -> Option<Self> {
        let schema = Schema::parse_str(json).ok()?;
        let Schema::Record(record) = &schema else {
            return None;
        };
        let mut records = BTreeMap::new();
        for field in &record.fields {
            collect(&field.schema, &mut records);
        }
        let slots = record.fields.iter().map(|field| Slot {
            name: field.name.clone(),
            kind: Kind::documented(field.doc.as_deref().unwrap_or_default()),
            parts: parts(&field.name, &field.schema, &records),
        });
        let (name, slots) = (record.name.name().to_owned(), slots.collect());
        Some(Self {
            schema,
            name,
            slots,
        })
    }

    /// The object that these are changes of; `None` of a message.
    pub(super) fn object(&self) -> Option<String> {
        let first = self.slots.first()?;
        if first.name != HEADER {
            return None;
        }
        let name = self.name.strip_suffix("ChangeEvent")?;
        Some(match name.strip_suffix("__") {
            Some(bare) => format!("{bare}__c"),
            None => name.to_owned(),
        })
    }

    /// Takes the kinds of the fields from their descriptions.
    pub(super) fn describe(&mut self, fields: &[Field]) {
        let known: BTreeMap<&str, &str> = fields
            .iter()
            .map(|field| (field.name.as_str(), field.kind.as_str()))
            .collect();
        for slot in &mut self.slots {
            if let Some(kind) = known.get(slot.name.as_str()) {
                slot.kind = Kind::described(kind);
            }
            for part in &mut slot.parts {
                if let Some(kind) = known.get(part.name.as_str()) {
                    part.kind = Kind::described(kind);
                }
            }
        }
    }
}

/// Finds the record types within a type: one is spelled out where it comes first
/// and called by its name from then on.
fn collect<'s>(schema: &'s Schema, records: &mut BTreeMap<String, &'s RecordSchema>) {
    match schema {
        Schema::Record(record) => {
            records.insert(record.name.name().to_owned(), record);
        }
        Schema::Union(union) => {
            for variant in union.variants() {
                collect(variant, records);
            }
        }
        _ => {}
    }
}

/// The parts of a field, if one of its types is a record.
fn parts(name: &str, schema: &Schema, records: &BTreeMap<String, &RecordSchema>) -> Vec<Part> {
    if name == HEADER {
        return Vec::new();
    }
    let record = match schema {
        Schema::Record(record) => Some(record),
        Schema::Ref { name } => records.get(name.name()).copied(),
        Schema::Union(union) => {
            return union
                .variants()
                .iter()
                .map(|variant| parts(name, variant, records))
                .find(|parts| !parts.is_empty())
                .unwrap_or_default();
        }
        _ => None,
    };
    let Some(record) = record else {
        return Vec::new();
    };
    let part = |part: &apache_avro::schema::RecordField| Part {
        name: part_name(name, record.name.name(), &part.name),
        kind: Kind::documented(part.doc.as_deref().unwrap_or_default()),
    };
    record.fields.iter().map(part).collect()
}

/// What a query calls a part: `FirstName`, `MailingCity`, `Site__City__s`.
pub(super) fn part_name(field: &str, record: &str, part: &str) -> String {
    if record.contains("PersonName") {
        return part.to_owned();
    }
    if let Some(bare) = field.strip_suffix("__c") {
        return format!("{bare}__{part}__s");
    }
    match field.strip_suffix("Address") {
        Some(prefix) => format!("{prefix}{part}"),
        None => part.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_called_as_a_query_calls_them() {
        for (field, record, part, expected) in [
            ("Name", "PersonName", "FirstName", "FirstName"),
            ("Name", "Switchable_PersonName", "Salutation", "Salutation"),
            ("MailingAddress", "Address", "City", "MailingCity"),
            ("Address", "Address", "PostalCode", "PostalCode"),
            ("Site__c", "Address", "City", "Site__City__s"),
            (
                "ns__Spot__c",
                "Location",
                "Latitude",
                "ns__Spot__Latitude__s",
            ),
        ] {
            assert_eq!(part_name(field, record, part), expected);
        }
    }

    #[test]
    fn a_record_type_is_known_where_only_its_name_stands() {
        let layout = Layout::read(
            r#"{"name":"ContactChangeEvent","namespace":"com.sforce.eventbus","type":"record",
                "fields":[
                {"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader",
                 "fields":[{"name":"entityName","type":"string"}]}},
                {"name":"MailingAddress","type":["null",{"type":"record","name":"Address",
                 "fields":[{"name":"City","type":["null","string"],"default":null}]}],"default":null},
                {"name":"OtherAddress","type":["null","Address"],"default":null},
                {"name":"Birthdate","type":["null","long"],"doc":"Data:DateOnly","default":null}
                ],"uuid":"x"}"#,
        )
        .unwrap();
        assert_eq!(layout.name, "ContactChangeEvent");
        assert_eq!(layout.object().unwrap(), "Contact");
        let parts = |at: usize| -> Vec<&str> {
            let slot: &Slot = &layout.slots[at];
            slot.parts.iter().map(|part| part.name.as_str()).collect()
        };
        assert!(parts(0).is_empty());
        assert_eq!(
            (parts(1), parts(2)),
            (vec!["MailingCity"], vec!["OtherCity"])
        );
        assert_eq!(layout.slots[3].kind, Kind::Date);
    }

    #[test]
    fn the_object_is_known_by_the_name_of_its_changes() {
        let of = |name: &str, first: &str| {
            let layout = Layout::read(&format!(
                r#"{{"name":"{name}","type":"record","fields":[{{"name":"{first}","type":"string"}}]}}"#
            ));
            layout.unwrap().object()
        };
        assert_eq!(of("ns__A__ChangeEvent", HEADER).unwrap(), "ns__A__c");
        assert_eq!(of("Low_Ink__e", "CreatedDate"), None);
        assert!(Layout::read("\"string\"").is_none());
        assert!(Layout::read("{").is_none());
    }
}
