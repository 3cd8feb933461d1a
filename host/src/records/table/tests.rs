//! Tables as JSON and as values, held against one another.

use std::borrow::Cow;
use std::collections::BTreeMap;

use csv_skim::Next;
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::*;
use crate::bindings::contract::tables as wit;
use crate::records::Records;

fn object<const N: usize>(present: Option<u32>, members: [(&str, wit::Value); N]) -> wit::Object {
    let member = |(name, value): (&str, wit::Value)| wit::Member {
        name: name.to_owned(),
        value,
    };
    wit::Object {
        present,
        members: members.into_iter().map(member).collect(),
    }
}

fn edited(column: u32, prefix: &str, ending: Option<(&str, &str)>) -> wit::Value {
    wit::Value::EditedText(wit::EditedText {
        column,
        prefix: prefix.to_owned(),
        ending: ending.map(|(from, to)| (from.to_owned(), to.to_owned())),
    })
}

fn attributes(kind: &str, id: u32) -> wit::Object {
    let url = edited(id, &format!("/records/{kind}/"), None);
    let kind = wit::Value::Constant(kind.to_owned());
    object(None, [("type", kind), ("url", url)])
}

/// Contacts with their accounts, of nine columns.
fn contacts() -> wit::Shape {
    let contact = [
        ("attributes", wit::Value::Object(2)),
        ("Name", wit::Value::Text(0)),
        ("Account", wit::Value::Object(1)),
        ("Score__c", wit::Value::Number(2)),
        ("Active__c", wit::Value::Boolean(3)),
        ("CreatedDate", edited(4, "", Some(("Z", "+0000")))),
        ("Birthdate", wit::Value::Text(5)),
    ];
    let account = [
        ("attributes", wit::Value::Object(3)),
        ("Phone", wit::Value::Text(1)),
        ("Name", wit::Value::Text(6)),
    ];
    wit::Shape {
        objects: vec![
            object(Some(7), contact),
            object(Some(8), account),
            attributes("Contact", 7),
            attributes("Account", 8),
        ],
    }
}

fn table(text: &str, width: usize, shape: wit::Shape) -> Result<Records, String> {
    let (mut at, mut spans) = (0, Vec::new());
    while let Next::Row { end, .. } = csv_skim::row(text.as_bytes(), at, true, &mut spans).unwrap()
    {
        at = end;
    }
    let shape = Shape::new(shape, width).unwrap();
    let table = Table::new(text.as_bytes().to_vec(), spans, width, shape);
    let table = table.map_err(|misfit| format!("{} {}", misfit.row, misfit.expected))?;
    Ok(table.into())
}

const ROWS: &str = "\"O'Hara, \"\"Söhne\"\"\n\\\t\",\"\",\"1.39E8\",\"true\",\"2026-05-01T07:25:37.000Z\",\"2026-05-01\",\"Acme\",\"0031\",\"0011\"\n\
    \"N/A\",\"\",\"\",\"false\",\"\",\"\",\"\",\"0032\",\"\"\n\
    bare \u{1},1,-3,,then,,,0033,0013\r\n";

#[test]
fn rows_become_the_records_that_their_shape_says() {
    let records = table(ROWS, 9, contacts()).unwrap();
    assert_eq!(records.len(), 3);
    let expected = concat!(
        r#"[{"attributes":{"type":"Contact","url":"/records/Contact/0031"},"#,
        r#""Name":"O'Hara, \"Söhne\"\n\\\t","Account":{"attributes":{"type":"Account","url":"/records/Account/0011"},"#,
        r#""Phone":null,"Name":"Acme"},"Score__c":1.39E8,"Active__c":true,"CreatedDate":"2026-05-01T07:25:37.000+0000","Birthdate":"2026-05-01"},"#,
        r#"{"attributes":{"type":"Contact","url":"/records/Contact/0032"},"#,
        r#""Name":"N/A","Account":null,"Score__c":null,"Active__c":false,"CreatedDate":null,"Birthdate":null},"#,
        r#"{"attributes":{"type":"Contact","url":"/records/Contact/0033"},"#,
        r#""Name":"bare \u0001","Account":{"attributes":{"type":"Account","url":"/records/Account/0013"},"#,
        r#""Phone":"1","Name":null},"Score__c":-3,"Active__c":null,"CreatedDate":"then","Birthdate":null}]"#
    );
    assert_eq!(str::from_utf8(records.as_bytes()).unwrap(), expected);
    let from_json = Records::from_json(expected).unwrap();
    assert_eq!(records, from_json);
    assert_eq!(records.rows().unwrap().len(), 3);
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct Contact<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    account: Option<Account>,
    #[serde(rename = "Score__c")]
    score: Option<f64>,
    #[serde(rename = "Active__c")]
    is_active: Option<bool>,
    created_date: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, Json>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct Account {
    #[serde(rename = "attributes")]
    attributes: Attributes,
    phone: Option<Phone>,
    name: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Attributes {
    r#type: Kind,
    url: String,
}

#[derive(Debug, Deserialize, PartialEq)]
enum Kind {
    Account,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Phone(String);

/// What is read of a table, which must be what is read of its JSON.
fn read<'a, T: Deserialize<'a> + PartialEq + std::fmt::Debug>(
    table: &'a Records,
    json: &'a Records,
) -> Result<Vec<T>, String> {
    let told = |error: crate::Error| error.to_string();
    let of_table = table.to_vec().map_err(told);
    assert_eq!(of_table, json.to_vec().map_err(told));
    of_table
}

#[test]
fn values_are_read_as_from_json() {
    let table = table(ROWS, 9, contacts()).unwrap();
    let json = Records::from_json(table.as_bytes().clone()).unwrap();
    let contacts: Vec<Contact<'_>> = read(&table, &json).unwrap();
    assert_eq!(contacts[0].name, "O'Hara, \"Söhne\"\n\\\t");
    assert_eq!(
        contacts[0].created_date.as_deref(),
        Some("2026-05-01T07:25:37.000+0000")
    );
    assert_eq!(contacts[1].account, None);
    assert_eq!(
        contacts[2].account.as_ref().unwrap().phone,
        Some(Phone("1".to_owned()))
    );
    read::<Json>(&table, &json).unwrap();
    read::<BTreeMap<String, Json>>(&table, &json).unwrap();
}

#[test]
fn what_can_be_read_where_it_stands_is_not_copied() {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(rename = "Name", borrow)]
        name: Cow<'a, str>,
    }
    let table = table(ROWS, 9, contacts()).unwrap();
    let names: Vec<Named<'_>> = table.to_vec().unwrap();
    let is_borrowed = |named: &Named<'_>| matches!(named.name, Cow::Borrowed(_));
    let borrowed: Vec<bool> = names.iter().map(is_borrowed).collect();
    assert_eq!(borrowed, [false, true, false]);
}

#[test]
fn what_no_table_can_give_is_read_from_its_json_and_so_are_errors() {
    #[derive(Debug, Deserialize)]
    struct Raw<'a> {
        #[serde(rename = "Name", borrow)]
        name: &'a RawValue,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Wrong {
        #[serde(rename = "Score__c")]
        score: u8,
    }
    let table = table(ROWS, 9, contacts()).unwrap();
    let raw: Vec<Raw<'_>> = table.to_vec().unwrap();
    assert_eq!(raw[1].name.get(), r#""N/A""#);
    let json = Records::from_json(table.as_bytes().clone()).unwrap();
    let error = read::<Wrong>(&table, &json).unwrap_err();
    assert!(error.contains("line 1 column"), "{error}");
}

#[test]
fn what_does_not_fit_is_named_with_its_row_and_column() {
    let row = |score: &str, active: &str, id: &str| format!("a,b,\"{score}\",{active},,,,{id},\n");
    for (bad, expected) in [
        (row("1,5", "true", "1"), "1 a number in column 3"),
        (row("NaN", "true", "1"), "1 a number in column 3"),
        (row("1 ", "true", "1"), "1 a number in column 3"),
        (row("\"\"1\"\"", "", "1"), "1 a number in column 3"),
        (row("1", "yes", "1"), "1 true or false in column 4"),
        (row("1", "", ""), "1 something in column 8"),
    ] {
        let text = format!("{}{bad}{}", row("1", "", "1"), row("", "false", "1"));
        assert_eq!(table(&text, 9, contacts()).unwrap_err(), expected, "{bad}");
    }
}

#[test]
fn a_row_that_is_no_utf8_is_named() {
    let text = b"a\n\xc3\xbc\nb\xff\nc\n";
    let (mut at, mut spans) = (0, Vec::new());
    while let Next::Row { end, .. } = csv_skim::row(text, at, true, &mut spans).unwrap() {
        at = end;
    }
    let shape = wit::Shape {
        objects: vec![object(None, [("A", wit::Value::Text(0))])],
    };
    let shape = Shape::new(shape, 1).unwrap();
    let misfit = Table::new(text.to_vec(), spans, 1, shape).unwrap_err();
    assert_eq!((misfit.row, &*misfit.expected), (2, "UTF-8"));
}

#[test]
fn a_shape_that_breaks_a_rule_is_refused() {
    let shape = |objects: Vec<wit::Object>| Shape::new(wit::Shape { objects }, 2).err();
    let within = |place: u32| object(None, [("o", wit::Value::Object(place))]);
    let leaf = || object(None, []);
    assert_eq!(shape(vec![within(1), leaf()]), None);
    for objects in [
        vec![],
        vec![leaf(), leaf()],
        vec![within(0)],
        vec![within(2), leaf()],
        // In a circle, and twice in another.
        vec![within(1), within(1)],
        vec![within(1), within(0)],
        vec![
            object(
                None,
                [("a", wit::Value::Object(1)), ("b", wit::Value::Object(1))],
            ),
            leaf(),
        ],
        (1..=100).map(within).chain([leaf()]).collect(),
        vec![object(Some(2), [])],
        vec![object(None, [("a", wit::Value::Text(2))])],
        vec![object(None, [(); 5].map(|()| ("a", wit::Value::Text(1))))],
        vec![object(
            None,
            [("a", wit::Value::Constant("x".repeat(300_000)))],
        )],
        std::iter::once(wit::Object {
            present: None,
            members: vec![
                wit::Member {
                    name: String::new(),
                    value: wit::Value::Constant(String::new()),
                };
                5_000
            ],
        })
        .collect(),
    ] {
        let shown = format!("{objects:?}");
        assert!(
            shape(objects).is_some(),
            "{}",
            shown.get(..200).unwrap_or(&shown)
        );
    }
}
