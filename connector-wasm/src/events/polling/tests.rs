//! Looks at an object: what is asked, told, and told once.

use serde_json::{Value as Json, json};

use super::super::tests::{begins, ids, next};
use super::super::{Subscription, subscribe};
use super::*;
use crate::bindings::exports::lockgate::connector::events::{Start, SubscriptionOptions};
use crate::fake::{Fake, run};

/// 2024-03-01T15:00:00Z
const NOON_MS: u64 = 1_709_305_200_000;

fn id(number: u64) -> String {
    crate::names::id(&format!("0035J000004{number:04}")).unwrap()
}

/// A record that was changed so many seconds after noon.
fn record(number: u64, after_s: u64, more: &Json) -> Json {
    let mut record = json!({
        "attributes": { "type": "Contact" },
        "Id": id(number),
        "LastName": null,
        "CreatedDate": "2020-01-01T00:00:00.000+0000",
        "SystemModstamp": text_of(NOON_MS + after_s * 1_000).replace('Z', "+0000"),
        "LastModifiedById": "0055J000001D89MQAS",
    });
    for (name, value) in more.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

fn page(records: &[Json]) -> String {
    json!({ "totalSize": records.len(), "done": true, "records": records }).to_string()
}

fn described() -> String {
    let fields = [
        "Id",
        "LastName",
        "CreatedDate",
        "SystemModstamp",
        "LastModifiedById",
    ];
    let mut fields: Vec<Json> = fields
        .map(|name| json!({ "name": name, "type": "string" }))
        .into();
    fields.push(json!({ "name": "MailingAddress", "type": "address" }));
    json!({ "name": "Contact", "fields": fields }).to_string()
}

fn deleted(records: &[(u64, &str)], until: &str) -> String {
    let records: Vec<Json> = records
        .iter()
        .map(|(number, at)| json!({ "id": id(*number), "deletedDate": at }))
        .collect();
    json!({
        "deletedRecords": records,
        "earliestDateAvailable": "2024-02-16T00:00:00.000+0000",
        "latestDateCovered": until,
    })
    .to_string()
}

fn fake() -> Fake {
    let fake = Fake::new();
    fake.0.now_ms.set(NOON_MS);
    let versions = format!(r#"{{"asked_ms":{NOON_MS},"majors":[61,62]}}"#);
    fake.keep("api-versions", &versions);
    fake
}

fn poll(fake: &Fake, start: Start) -> Result<Subscription<Fake>, Error> {
    let is_new = start == Start::Newest;
    let options = SubscriptionOptions {
        start,
        way: Some(NAME.to_owned()),
    };
    let names = ["Contact".to_owned()];
    let subscription = run(subscribe(Rc::new(fake.api()), &names, options))?;
    if is_new {
        begins(&subscription);
    }
    Ok(subscription)
}

/// A subscription of which a first look has found nothing yet.
fn begun(fake: Fake) -> (Fake, Subscription<Fake>) {
    let subscription = poll(&fake, Start::Newest).unwrap();
    (fake, subscription)
}

fn changes(delivery: &Delivery) -> Vec<Change> {
    let change = |event: &Event| match event {
        Event::Change(change) => change.clone(),
        other => panic!("{other:?}"),
    };
    delivery.events.iter().map(change).collect()
}

#[test]
fn a_record_with_another_stamp_is_told_with_all_its_fields_and_once() {
    let known = record(1, 0, &json!({}));
    let changed = record(2, 5, &json!({ "LastName": "Doe" }));
    let new = record(
        3,
        9,
        &json!({ "CreatedDate": "2024-03-01T15:00:09.000+0000" }),
    );
    let (fake, subscription) = begun(
        fake()
            .answer(200, page(std::slice::from_ref(&known)))
            .answer(200, described())
            .answer(200, page(&[known.clone(), changed.clone(), new.clone()]))
            .answer(200, page(&[known, changed, new]))
            .answer(200, deleted(&[], "2024-03-01T15:00:00.000+0000")),
    );
    assert!(subscription.way().reason.contains("calls"));
    let delivery = next(&subscription);
    let told = changes(&delivery);
    assert_eq!(told[0].record_ids, [id(2)]);
    assert_eq!(told[0].kind, ChangeKind::Updated);
    assert_eq!(told[0].committed_ms, NOON_MS + 5_000);
    assert_eq!(told[0].user.as_deref(), Some("0055J000001D89MQAS"));
    let fields: Json = serde_json::from_slice(&told[0].fields).unwrap();
    assert_eq!(fields["LastName"], "Doe");
    assert!(fields.get("attributes").is_none());
    assert_eq!(told[1].kind, ChangeKind::Created);
    let fields: Json = serde_json::from_slice(&told[1].fields).unwrap();
    assert!(
        fields.get("LastName").is_none(),
        "a new record has no empty fields"
    );
    assert_eq!(told.len(), 2);
    // The look goes on, and finds no more.
    assert!(next(&subscription).events.is_empty());
    assert!(fake.is_done());
    let query = &fake.lines()[2];
    assert!(
        query.contains("WHERE SystemModstamp >= 2024-03-01T14:55:00.000Z"),
        "{query}"
    );
    assert!(!query.contains("MailingAddress"), "{query}");
}

#[test]
fn a_record_that_was_stamped_earlier_and_seen_later_is_not_missed() {
    let late = record(2, 0, &json!({}));
    let early = record(1, 240, &json!({}));
    let (_, subscription) = begun(
        fake()
            .answer(200, page(std::slice::from_ref(&early)))
            .answer(200, described())
            .answer(200, page(&[late, early])),
    );
    assert_eq!(changes(&next(&subscription))[0].record_ids, [id(2)]);
}

#[test]
fn many_records_come_in_pages_and_a_checkpoint_can_be_in_the_midst_of_them() {
    let first: Vec<Json> = (0..1_000)
        .map(|number| record(number, 5, &json!({})))
        .collect();
    let (_, subscription) = begun(
        fake()
            .answer(200, page(&[]))
            .answer(200, described())
            .answer(200, page(&first)),
    );
    let delivery = next(&subscription);
    assert_eq!(delivery.events.len(), 1_000);
    let rest = fake()
        .answer(200, described())
        .answer(200, page(&[record(1_001, 5, &json!({}))]));
    let resumed = poll(&rest, Start::After(delivery.checkpoint)).unwrap();
    assert_eq!(ids(&next(&resumed)).len(), 1);
    let query = rest.lines().pop().unwrap();
    assert!(query.contains(&format!("Id > '{}'", id(999))), "{query}");
}

#[test]
fn records_that_are_gone_are_told_after_those_that_changed() {
    let at = "2024-03-01T14:59:30.000+0000";
    let (fake, subscription) = begun(
        fake()
            .answer(200, page(&[]))
            .answer(200, described())
            .answer(200, page(&[]))
            .answer(200, deleted(&[(7, at)], "2024-03-01T14:59:00.000+0000"))
            .answer(200, page(&[]))
            // Once more, since seconds are ignored.
            .answer(200, deleted(&[(7, at)], "2024-03-01T15:02:00.000+0000")),
    );
    let told = changes(&next(&subscription));
    assert_eq!(
        (told[0].kind, &told[0].fields[..]),
        (ChangeKind::Deleted, &b"{}"[..])
    );
    assert_eq!(told[0].record_ids, [id(7)]);
    fake.0.now_ms.set(NOON_MS + 180_000);
    assert!(next(&subscription).events.is_empty());
    assert!(fake.is_done());
    let lines = fake.lines();
    assert!(
        lines[3].contains("start=2024-03-01T14:55:00.000Z"),
        "{}",
        lines[3]
    );
    assert!(
        lines[5].contains("start=2024-03-01T14:59:00.000Z"),
        "{}",
        lines[5]
    );
}

#[test]
fn pauses_grow_while_nothing_happens_and_no_delivery_takes_two_minutes() {
    let mut fake = fake().answer(200, page(&[])).answer(200, described());
    fake.0.now_ms.set(0);
    fake.keep("api-versions", r#"{"asked_ms":0,"majors":[61,62]}"#);
    for _ in 0..5 {
        fake = fake.answer(200, page(&[]));
    }
    let (fake, subscription) = begun(fake);
    for _ in 0..8 {
        let before_ms = fake.0.monotonic_ms.get();
        assert!(next(&subscription).events.is_empty());
        assert!(fake.0.monotonic_ms.get() - before_ms < 120_000);
    }
    assert!(fake.is_done());
    let waited_s: u64 = fake
        .0
        .waits
        .borrow()
        .iter()
        .map(|ms| u64::from(*ms) / 1_000)
        .sum();
    // The last two deliveries wait for a round that is not due yet.
    assert_eq!(waited_s, 20 + 40 + 80 + 160 + 2 * 110);
}

#[test]
fn what_is_no_longer_known_is_never_passed_over() {
    let gone = r#"[{"errorCode":"INVALID_REPLICATION_DATE","message":"startDate before org replication enabled date"}]"#;
    let early = deleted(&[], "2024-03-01T14:59:00.000+0000").replace(
        "2024-02-16T00:00:00.000+0000",
        "2024-03-01T14:58:00.000+0000",
    );
    for (status, body) in [(400, gone.to_owned()), (200, early)] {
        let (_, subscription) = begun(
            fake()
                .answer(200, page(&[]))
                .answer(200, described())
                .answer(200, page(&[]))
                .answer(status, body),
        );
        let Err(Error::Refused(problem)) = run(subscription.next()) else {
            panic!("it is gone");
        };
        assert_eq!(problem.advice, Advice::Refetch);
    }
}

#[test]
fn too_many_deletions_make_the_object_stale() {
    let many = r#"[{"errorCode":"EXCEEDED_ID_LIMIT","message":"too many"}]"#;
    let (_, subscription) = begun(
        fake()
            .answer(200, page(&[]))
            .answer(200, described())
            .answer(200, page(&[]))
            .answer(400, many),
    );
    let delivery = next(&subscription);
    assert!(matches!(&delivery.events[..], [Event::Stale(stale)] if stale.record_ids.is_empty()));
}

#[test]
fn a_look_that_failed_is_made_again() {
    let (_, subscription) = begun(
        fake()
            .answer(200, page(&[]))
            .answer(200, described())
            .answer(503, "")
            .answer(200, page(&[record(2, 5, &json!({}))])),
    );
    assert!(matches!(
        run(subscription.next()),
        Err(Error::Unavailable(_))
    ));
    assert_eq!(ids(&next(&subscription)).len(), 1);
}

#[test]
fn messages_and_what_is_long_past_cannot_be_polled() {
    let options = || SubscriptionOptions {
        start: Start::Newest,
        way: Some(NAME.to_owned()),
    };
    let names = ["Low_Ink__e".to_owned()];
    let refused = run(subscribe(Rc::new(fake().api()), &names, options()));
    assert!(matches!(refused, Err(Error::Refused(problem)) if problem.code == "WAY_NOT_POSSIBLE"));
    let refused = poll(&fake(), Start::Oldest);
    assert!(matches!(refused, Err(Error::Refused(problem)) if problem.code == "WAY_NOT_POSSIBLE"));
}
