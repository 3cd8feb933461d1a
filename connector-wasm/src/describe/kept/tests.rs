//! What a description costs the second time, and when it is asked for whole.

use super::*;
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::describe::{described, global};
use crate::fake::{Fake, run};

const VALID: [&str; 2] = ["\"tag--gzip\"", "Fri, 01 May 2026 07:25:37 GMT"];

fn contact(label: &str) -> String {
    format!(
        r#"{{"name":"Contact","label":"{label}","encoding":"x","queryable":true,"keyPrefix":"003","fields":[{{"name":"Email","type":"email","mask":null,"length":80,"relationshipName":"R","referenceTo":["A"],"picklistValues":[{{"active":true,"value":"W","validFor":null}}]}}],"childRelationships":[]}}"#
    )
}

fn label(fake: &Fake, age: Age) -> Result<String, Error> {
    let described = run(described(&fake.api(), "Contact", age));
    described.map(|(description, _)| description.summary.label)
}

fn later(fake: &Fake, ms: u64) {
    fake.0.now_ms.set(fake.0.now_ms.get() + ms);
}

/// A host that answers more, with what this one has kept.
fn going_on(fake: &Fake) -> Fake {
    let next = Fake::new();
    next.0.now_ms.set(fake.0.now_ms.get());
    for (key, value) in fake.0.stored.borrow().iter() {
        next.0
            .stored
            .borrow_mut()
            .insert(key.clone(), value.clone());
    }
    next
}

fn keep_one() -> Fake {
    let fake = Fake::new().valid(200, &contact("One"), VALID);
    assert_eq!(label(&fake, Age::Recent).unwrap(), "One");
    fake
}

#[test]
fn a_description_of_the_last_minutes_costs_no_call() {
    let fake = keep_one();
    let first = run(described(&fake.api(), "Contact", Age::Recent)).unwrap();
    // Names do not tell case apart.
    let again = run(described(&fake.api(), "CONTACT", Age::Recent)).unwrap();
    assert_eq!(first, again);
    let field = &first.0.fields[0];
    assert_eq!((field.max_length, field.picklist.len()), (80, 1));
    later(&fake, FRESH_MS - 1);
    assert_eq!(label(&fake, Age::Recent).unwrap(), "One");
    assert_eq!(fake.lines().len(), 1);
    assert_eq!(fake.header(0, "If-None-Match"), None);
}

#[test]
fn an_older_one_is_asked_for_again_and_comes_whole_only_if_it_has_changed() {
    let fake = going_on(&keep_one())
        .answer(304, "")
        .valid(200, &contact("Two"), VALID);
    later(&fake, FRESH_MS);
    assert_eq!(label(&fake, Age::Recent).unwrap(), "One");
    assert_eq!(fake.header(0, "If-None-Match").as_deref(), Some(VALID[0]));
    assert_eq!(
        fake.header(0, "If-Modified-Since").as_deref(),
        Some(VALID[1])
    );
    // Fresh again.
    assert_eq!(label(&fake, Age::Recent).unwrap(), "One");
    assert_eq!(fake.lines().len(), 1);
    later(&fake, FRESH_MS);
    assert_eq!(label(&fake, Age::Recent).unwrap(), "Two");
    assert_eq!(label(&fake, Age::Recent).unwrap(), "Two");
    assert!(fake.is_done());
}

#[test]
fn who_asks_for_a_description_is_never_told_an_old_one() {
    let fake = going_on(&keep_one())
        .answer(304, "")
        .valid(200, &contact("Two"), VALID);
    assert_eq!(label(&fake, Age::Checked).unwrap(), "One");
    // A refused field asks without validators.
    assert_eq!(label(&fake, Age::Anew).unwrap(), "Two");
    assert_eq!(fake.header(1, "If-None-Match"), None);
    assert_eq!(fake.lines().len(), 2);
}

#[test]
fn after_a_day_or_with_another_version_it_is_asked_for_whole() {
    let fake = going_on(&keep_one()).valid(200, &contact("Two"), VALID);
    fake.keep(
        "api-versions",
        &format!(r#"{{"asked_ms":{KEPT_MS},"majors":[61,62]}}"#),
    );
    later(&fake, KEPT_MS);
    assert_eq!(label(&fake, Age::Recent).unwrap(), "Two");
    assert_eq!(fake.header(0, "If-None-Match"), None);

    let fake = going_on(&keep_one()).valid(200, &contact("Two"), VALID);
    let api = fake.api_with(r#"{"api_version":"61.0"}"#);
    let (description, _) = run(described(&api, "Contact", Age::Recent)).unwrap();
    assert_eq!(description.summary.label, "Two");
}

#[test]
fn what_is_kept_half_or_is_of_another_object_is_not_used() {
    let wide = "x".repeat(PART_BYTES * 2);
    let fake = Fake::new().valid(200, &contact(&wide), VALID);
    label(&fake, Age::Recent).unwrap();
    assert_eq!(label(&going_on(&fake), Age::Recent).unwrap(), wide);
    let parts: Vec<String> = fake.0.stored.borrow().keys().cloned().collect();
    assert_eq!(parts.len(), 4, "{parts:?}");
    for value in fake.0.stored.borrow().values() {
        assert!(value.len() <= 64 * 1024);
    }
    for part in 1..3 {
        let spoilt = going_on(&fake).valid(200, &contact("Two"), VALID);
        spoilt.keep(&key("Contact", part), "of another");
        assert_eq!(label(&spoilt, Age::Recent).unwrap(), "Two");
    }

    // Another object in the same place.
    let spoilt = going_on(&keep_one()).valid(200, &contact("Two"), VALID);
    let first = spoilt.0.stored.borrow()[&key("Contact", 0)].clone();
    let text = String::from_utf8(first).unwrap();
    spoilt.keep(
        &key("Contact", 0),
        &text.replacen("\"Contact\"", "\"Account\"", 1),
    );
    assert_eq!(label(&spoilt, Age::Recent).unwrap(), "Two");
}

#[test]
fn what_is_too_large_to_be_kept_is_asked_for_each_time() {
    let vast = contact(&"x".repeat(PART_BYTES * MAX_PARTS));
    let fake = Fake::new()
        .valid(200, &vast, VALID)
        .valid(200, &vast, VALID);
    label(&fake, Age::Recent).unwrap();
    label(&fake, Age::Recent).unwrap();
    assert!(fake.is_done());
    assert_eq!(fake.0.stored.borrow().len(), 1, "the versions alone");
}

#[test]
fn the_list_of_objects_is_kept_as_well() {
    let list = r#"{"encoding":"UTF-8","sobjects":[{"name":"Account","label":"A","createable":true,"urls":{}}]}"#;
    let fake = Fake::new().valid(200, list, VALID).answer(304, "");
    let first = run(global(&fake.api())).unwrap();
    assert_eq!(run(global(&fake.api())).unwrap(), first);
    assert_eq!(fake.lines(), ["GET /services/data/v62.0/sobjects"; 2]);
    assert_eq!(fake.header(1, "If-None-Match").as_deref(), Some(VALID[0]));
}

#[test]
fn places_stay_within_what_the_manifest_asks_for() {
    let worst = (PLACES as usize + 1) * MAX_PARTS * 64 * 1024;
    assert!(worst < 13 * 1024 * 1024);
    assert!(include_str!("../../../package.toml").contains("storage_mib = 16\n"));
}
