//! A table of many rows, page by page.

use std::collections::HashSet;
use std::sync::Arc;

use super::Small;
use crate::soql::{Answer, Page};
use crate::value::Value;

/// As many as a nightly sync of a large org reads at once.
const ROWS: usize = 200_000;
/// The default batch of the query resource.
const BATCH: usize = 2_000;
/// Eleven fields, one of them a parent's.
const FIELDS: &str = "Id, FirstName, LastName, Name, Email, Phone, AccountId, Account.Name, \
                      IsDeleted, CreatedDate, SystemModstamp";

/// The small org with many more contacts, made in threes of one second.
fn many() -> Small {
    let mut small = Small::new();
    let schema = Arc::clone(&small.org.schema);
    let contact = schema.object("Contact").unwrap();
    let accounts = ["acme", "bolt", "cargo"].map(|key| Value::text(small.id(key)));
    for number in 0..ROWS {
        let fields = vec![
            ("FirstName", Value::text("Ann")),
            ("LastName", Value::text(format!("Ng {number:06}"))),
            ("Email", Value::text(format!("ann.{number}@example.com"))),
            ("Phone", Value::text("+1 555 0100")),
            ("AccountId", accounts[number % 3].clone()),
        ];
        let second = i64::try_from(number / 3).unwrap() * 1_000;
        small.org.set_now_ms(Some(1_700_000_000_000 + second));
        small.org.add_seeded(&small.who, contact, fields).unwrap();
    }
    small
}

/// Writes all pages; gives their bytes and how many there were.
fn pages(small: &Small, answer: &Answer) -> (Vec<u8>, usize) {
    let mut out = Vec::new();
    let mut count = 0;
    let mut from = Some(0);
    while let Some(start) = from {
        let page = Page {
            from: start,
            size: BATCH,
        };
        let keep = &mut |_: Answer| String::new();
        answer.write_page(&small.org, page, |next| next.to_string(), keep, &mut out);
        out.push(b'\n');
        from = answer.next(page);
        count += 1;
    }
    (out, count)
}

#[test]
fn two_hundred_thousand_rows_come_in_pages_without_loss_or_repeat() {
    let small = many();
    let text = format!(
        "SELECT {FIELDS} FROM Contact WHERE LastName LIKE 'ng%' ORDER BY SystemModstamp, Id"
    );
    let answer = small.answer(&text).unwrap();
    assert_eq!(answer.total(), ROWS);
    let (bytes, count) = pages(&small, &answer);
    assert_eq!(count, ROWS / BATCH);
    let mut ids = HashSet::new();
    let mut last = String::new();
    for page in String::from_utf8(bytes).unwrap().lines() {
        let page: serde_json::Value = serde_json::from_str(page).unwrap();
        let records = page["records"].as_array().unwrap();
        assert_eq!(records.len(), BATCH);
        for record in records {
            let key = format!("{} {}", record["SystemModstamp"], record["Id"]);
            assert!(last < key, "{last} before {key}");
            last = key;
            ids.insert(record["Id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(ids.len(), ROWS);
}
