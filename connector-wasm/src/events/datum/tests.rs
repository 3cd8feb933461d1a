//! Changes and messages in Avro, and what is told of them.

use apache_avro::writer::datum::GenericDatumWriter;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::bindings::exports::lockgate::connector::events::{Change, Stale};
use crate::events::value::Kind;

const ID: &str = "0035J000004TNtzQAG";

/// A contact as its changes tell of it: the header, a name of parts, two addresses
/// of one record type, and simple fields.
pub(crate) const SCHEMA: &str = r#"{"name":"ContactChangeEvent","namespace":"com.sforce.eventbus",
"type":"record","fields":[
{"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":[
 {"name":"entityName","type":"string"},
 {"name":"recordIds","type":{"type":"array","items":"string"}},
 {"name":"changeType","type":{"type":"enum","name":"ChangeType","symbols":["CREATE","UPDATE",
  "DELETE","UNDELETE","GAP_CREATE","GAP_UPDATE","GAP_DELETE","GAP_UNDELETE","GAP_OVERFLOW",
  "SNAPSHOT"]}},
 {"name":"changeOrigin","type":"string"},{"name":"transactionKey","type":"string"},
 {"name":"sequenceNumber","type":"int"},{"name":"commitTimestamp","type":"long"},
 {"name":"commitNumber","type":"long"},{"name":"commitUser","type":"string"},
 {"name":"nulledFields","type":{"type":"array","items":"string"}},
 {"name":"diffFields","type":{"type":"array","items":"string"}},
 {"name":"changedFields","type":{"type":"array","items":"string"}}]}},
{"name":"Name","type":["null",{"type":"record","name":"PersonName","fields":[
 {"name":"Salutation","type":["null","string"]},{"name":"FirstName","type":["null","string"]},
 {"name":"LastName","type":["null","string"]}]}]},
{"name":"Phone","type":["null","string"]},
{"name":"Birthdate","type":["null","long"],"doc":"Data:DateOnly"},
{"name":"MailingAddress","type":["null",{"type":"record","name":"Address","fields":[
 {"name":"Street","type":["null","string"]},{"name":"City","type":["null","string"]}]}]},
{"name":"OtherAddress","type":["null","Address"]},
{"name":"Level__c","type":["null","double"]},
{"name":"LastModifiedDate","type":["null","long"],"doc":"LastModifiedDate:DateTime"}],
"uuid":"8y1L6AvVNJ-Yx_MkMe8u2Q"}"#;

/// The lists of fields: nulled, diff, changed.
type Lists<'l> = [&'l [&'l str]; 3];

fn text(text: &str) -> Avro {
    Avro::String(text.to_owned())
}

fn some(branch: u32, value: Avro) -> Avro {
    Avro::Union(branch, Box::new(value))
}

fn none() -> Avro {
    some(0, Avro::Null)
}

fn or_none(value: Option<&str>) -> Avro {
    value.map_or_else(none, |value| some(1, text(value)))
}

fn record<const N: usize>(members: [(&str, Avro); N]) -> Avro {
    Avro::Record(members.map(|(name, value)| (name.to_owned(), value)).into())
}

/// The bytes of a change. `fields` replace those that are empty.
pub(crate) fn payload(kind: (u32, &str), lists: Lists<'_>, fields: Vec<(&str, Avro)>) -> Vec<u8> {
    let list = |items: &[&str]| Avro::Array(items.iter().map(|item| text(item)).collect());
    let header = record([
        ("entityName", text("Contact")),
        ("recordIds", list(&[ID])),
        ("changeType", Avro::Enum(kind.0, kind.1.to_owned())),
        (
            "changeOrigin",
            text("com/salesforce/api/rest/62.0;client=Lockgate"),
        ),
        (
            "transactionKey",
            text("00001c2f-cce7-56bc-6030-5ea8e3bd05f6"),
        ),
        ("sequenceNumber", Avro::Int(2)),
        ("commitTimestamp", Avro::Long(1_709_306_004_000)),
        ("commitNumber", Avro::Long(1_709_306_004_367_179_779)),
        ("commitUser", text("0055J000001D89MQAS")),
        ("nulledFields", list(lists[0])),
        ("diffFields", list(lists[1])),
        ("changedFields", list(lists[2])),
    ]);
    let names = [
        "Name",
        "Phone",
        "Birthdate",
        "MailingAddress",
        "OtherAddress",
        "Level__c",
        "LastModifiedDate",
    ];
    let mut members = vec![("ChangeEventHeader".to_owned(), header)];
    for name in names {
        let given = fields.iter().find(|(known, _)| *known == name);
        let value = given.map_or_else(none, |(_, value)| value.clone());
        members.push((name.to_owned(), value));
    }
    let schema = apache_avro::Schema::parse_str(SCHEMA).unwrap();
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    writer.write_value_to_vec(Avro::Record(members)).unwrap()
}

pub(crate) fn name(first: Option<&str>, last: Option<&str>) -> Avro {
    let parts = [
        ("Salutation", none()),
        ("FirstName", or_none(first)),
        ("LastName", or_none(last)),
    ];
    some(1, record(parts))
}

fn address(street: Option<&str>, city: Option<&str>) -> Avro {
    some(
        1,
        record([("Street", or_none(street)), ("City", or_none(city))]),
    )
}

fn read(payload: &[u8]) -> Vec<Event> {
    let layout = Layout::read(SCHEMA).unwrap();
    let reader = Reader::new(&layout).unwrap();
    let read = reader.events("uuid-1", payload, "Lockgate").unwrap();
    assert_eq!(read.object.as_deref(), Some("Contact"));
    assert_eq!(read.committed_ms, 1_709_306_004_000);
    read.events
}

fn change(payload: &[u8]) -> (Change, Json) {
    match read(payload).as_slice() {
        [Event::Change(change)] => {
            let fields = serde_json::from_slice(&change.fields).unwrap();
            (change.clone(), fields)
        }
        events => panic!("{events:?}"),
    }
}

#[test]
fn an_update_tells_what_changed_and_leaves_out_what_did_not() {
    let payload = payload(
        (1, "UPDATE"),
        [&["0x04"], &[], &["0x8C", "1-0x2", "4-0x02"]],
        vec![
            ("Name", name(Some("Jo"), None)),
            ("Birthdate", some(1, Avro::Long(951_782_400_000))),
            ("MailingAddress", address(None, Some("Lyon"))),
            ("LastModifiedDate", some(1, Avro::Long(1_709_306_004_000))),
        ],
    );
    let (change, fields) = change(&payload);
    assert_eq!(
        fields,
        json!({
            "FirstName": "Jo",
            "Phone": null,
            "Birthdate": "2000-02-29",
            "MailingCity": "Lyon",
            "LastModifiedDate": "2024-03-01T15:13:24.000+0000"
        })
    );
    assert_eq!(change.id, "uuid-1");
    assert_eq!(change.kind, ChangeKind::Updated);
    assert_eq!(change.record_ids, [ID]);
    assert_eq!(change.committed_ms, 1_709_306_004_000);
    assert!(change.own);
}

#[test]
fn a_part_of_a_compound_that_is_emptied_is_null_also_when_the_whole_is_empty() {
    let lists: Lists<'_> = [&["1-0x2", "5-0x03"], &[], &["0x80", "1-0x2", "5-0x03"]];
    let (_, fields) = change(&payload((1, "UPDATE"), lists, Vec::new()));
    assert_eq!(
        fields,
        json!({"FirstName":null,"OtherStreet":null,"OtherCity":null,"LastModifiedDate":null})
    );
}

#[test]
fn a_compound_that_is_named_as_a_whole_is_told_by_all_its_parts() {
    let payload = payload(
        (1, "UPDATE"),
        [&[], &[], &["0x10"]],
        vec![("MailingAddress", address(Some("1 Rue"), None))],
    );
    let (_, fields) = change(&payload);
    assert_eq!(fields, json!({"MailingStreet":"1 Rue","MailingCity":null}));
}

#[test]
fn a_new_record_is_told_by_all_that_has_a_value() {
    for kind in [(0, "CREATE"), (3, "UNDELETE")] {
        let payload = payload(
            kind,
            [&[], &[], &[]],
            vec![
                ("Name", name(None, Some("Doe"))),
                ("Level__c", some(1, Avro::Double(1.5))),
            ],
        );
        let (_, fields) = change(&payload);
        assert_eq!(fields, json!({"LastName":"Doe","Level__c":1.5}));
    }
}

#[test]
fn a_deletion_tells_no_fields() {
    let (change, fields) = change(&payload((2, "DELETE"), [&[], &[], &[]], Vec::new()));
    assert_eq!((change.kind, fields), (ChangeKind::Deleted, json!({})));
}

#[test]
fn an_update_without_a_list_tells_what_is_there() {
    let payload = payload(
        (1, "UPDATE"),
        [&["0x04"], &[], &[]],
        vec![("Name", name(Some("Jo"), None))],
    );
    let (_, fields) = change(&payload);
    assert_eq!(fields, json!({"FirstName":"Jo","Phone":null}));
}

#[test]
fn a_long_text_that_comes_as_a_difference_is_no_value_and_leaves_the_record_stale() {
    let payload = payload(
        (1, "UPDATE"),
        [&[], &["0x04"], &["0x0C"]],
        vec![
            ("Phone", some(1, text("@@ -1 +1 @@"))),
            ("Birthdate", some(1, Avro::Long(0))),
        ],
    );
    let events = read(&payload);
    let [Event::Change(change), Event::Stale(stale)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(change.fields, br#"{"Birthdate":"1970-01-01"}"#);
    assert_eq!(stale.record_ids, [ID]);
}

#[test]
fn a_gap_is_stale_and_so_is_a_change_whose_lists_cannot_be_read() {
    let is_stale = |events: &[Event]| matches!(events, [Event::Stale(Stale { record_ids, .. })] if record_ids == &[ID]);
    let gap = payload((5, "GAP_UPDATE"), [&[], &[], &[]], Vec::new());
    assert!(is_stale(&read(&gap)));
    let odd = payload((1, "UPDATE"), [&[], &[], &["0xZZ"]], Vec::new());
    assert!(is_stale(&read(&odd)));
}

#[test]
fn a_payload_that_does_not_fit_its_schema_is_not_read() {
    let layout = Layout::read(SCHEMA).unwrap();
    let reader = Reader::new(&layout).unwrap();
    let whole = payload((1, "UPDATE"), [&[], &[], &["0x04"]], Vec::new());
    let longer = [whole.as_slice(), b"x"].concat();
    for bad in [b"".as_slice(), b"\xff\xff\xff", &whole[..100], &longer] {
        assert!(reader.events("id", bad, "Lockgate").is_none(), "{bad:?}");
    }
}

#[test]
fn a_message_has_all_its_fields_and_when_it_was_published() {
    // As a live org has it.
    let json = r#"{"name":"CM_Test_Event_Two__e","namespace":"com.sforce.eventbus","type":"record",
        "fields":[{"name":"CreatedDate","type":"long","doc":"CreatedDate:DateTime"},
        {"name":"CreatedById","type":"string","doc":"CreatedBy:EntityId"},
        {"name":"Message__c","type":["null","string"],"default":null}],
        "uuid":"K98aAtiNFBjA-PJlcvaQ2g"}"#;
    let layout = Layout::read(json).unwrap();
    let writer = GenericDatumWriter::builder(&layout.schema).build().unwrap();
    let value = record([
        ("CreatedDate", Avro::Long(1_709_306_004_000)),
        ("CreatedById", text("0055J000001D89MQAS")),
        ("Message__c", none()),
    ]);
    let payload = writer.write_value_to_vec(value).unwrap();
    let reader = Reader::new(&layout).unwrap();
    let read = reader.events("uuid-2", &payload, "Lockgate").unwrap();
    let [Event::Message(message)] = read.events.as_slice() else {
        panic!("{read:?}");
    };
    assert_eq!(read.object, None);
    assert_eq!(
        (message.name.as_str(), message.id.as_str()),
        ("CM_Test_Event_Two__e", "uuid-2")
    );
    assert_eq!(message.published_ms, 1_709_306_004_000);
    let payload: Json = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(
        payload,
        json!({"CreatedDate":"2024-03-01T15:13:24.000+0000","CreatedById":"0055J000001D89MQAS",
               "Message__c":null})
    );
    assert!(reader.events("", b"", "Lockgate").is_none());
}

#[test]
fn a_header_is_read_from_the_bytes_that_salesforce_sends() {
    let header_only = SCHEMA.find(",\n{\"name\":\"Name\"").unwrap();
    let schema = format!("{}],\"uuid\":\"x\"}}", &SCHEMA[..header_only]);
    let layout = Layout::read(&schema).unwrap();
    let mut bytes = vec![14];
    bytes.extend_from_slice(b"Contact");
    // One record, UPDATE, and the rest by hand: zigzag numbers, blocks of arrays.
    bytes.push(2);
    bytes.push(36);
    bytes.extend_from_slice(ID.as_bytes());
    bytes.extend_from_slice(&[0, 2, 0, 0, 2, 0, 0, 0, 0, 0, 2, 8]);
    bytes.extend_from_slice(b"0x02");
    bytes.push(0);
    let reader = Reader::new(&layout).unwrap();
    let read = reader.events("id", &bytes, "Lockgate").unwrap();
    assert!(
        matches!(&read.events[..], [Event::Change(change)] if change.kind == ChangeKind::Updated)
    );
}

#[test]
fn the_description_of_the_object_says_what_a_number_is() {
    let mut layout = Layout::read(SCHEMA).unwrap();
    let field =
        |name: &str, kind: &str| crate::bindings::exports::lockgate::connector::records::Field {
            name: name.to_owned(),
            kind: kind.to_owned(),
            label: String::new(),
            max_length: 0,
            required: false,
            nillable: true,
            createable: true,
            updateable: true,
            custom: false,
            unique: false,
            external_id: false,
            references: Vec::new(),
            picklist: Vec::new(),
            restricted: false,
        };
    layout.describe(&[
        field("Level__c", "int"),
        field("LastModifiedDate", "datetime"),
    ]);
    let kinds: Vec<Kind> = layout.slots.iter().skip(6).map(|slot| slot.kind).collect();
    assert_eq!(kinds, [Kind::Int, Kind::DateTime]);
}

#[test]
fn a_length_that_no_message_has_is_refused_before_there_is_room_for_it() {
    let layout = Layout::read(SCHEMA).unwrap();
    let reader = Reader::new(&layout).unwrap();
    // The length of the first text, 64 MiB, as Avro writes it.
    let claims = [0x80, 0x80, 0x80, 0x40, b'C', b'o'];
    assert!(reader.events("uuid-1", &claims, "Lockgate").is_none());
    let refused = reader.reader.read_value(&mut &claims[..]).unwrap_err();
    let refused = refused.to_string();
    assert!(refused.contains(&MAX_VALUE_BYTES.to_string()), "{refused}");
}

/// A sound change of a contact.
fn sound() -> Vec<u8> {
    let fields = vec![
        ("Name", name(Some("Ada"), None)),
        ("Phone", some(1, text("7"))),
    ];
    payload((1, "UPDATE"), [&[], &[], &["0x06"]], fields)
}

proptest! {
    #[test]
    fn whatever_comes_in_place_of_an_event_is_read_whole_or_not_at_all(
        at in any::<prop::sample::Index>(), gone in 0..4usize, noise in vec(any::<u8>(), 0..6),
        behind in vec(any::<u8>(), 1..6),
    ) {
        let layout = Layout::read(SCHEMA).unwrap();
        let reader = Reader::new(&layout).unwrap();
        let events = |payload: &[u8]| reader.events("uuid-1", payload, "Lockgate");
        let whole = sound();
        prop_assert!(events(&whole).is_some());
        let start = at.index(whole.len());
        prop_assert!(events(&whole[..start]).is_none(), "cut off");
        prop_assert!(events(&[&whole[..], &behind].concat()).is_none(), "something behind it");

        let mut damaged = whole;
        let end = (start + gone).min(damaged.len());
        damaged.splice(start..end, noise);
        for event in events(&damaged).into_iter().flat_map(|read| read.events) {
            if let Event::Change(change) = event {
                let fields: Json = serde_json::from_slice(&change.fields)?;
                prop_assert!(fields.is_object());
            }
        }
    }
}
