//! Subscriptions by the Pub/Sub API: what is asked for, told, and gone on from.

use prost::Message as _;
use serde_json::{Value as Json, json};

use super::datum::tests::{SCHEMA, name, payload};
use super::eventbus::{
    ConsumerEvent, FetchRequest, FetchResponse, ProducerEvent, ReplayPreset, SchemaInfo, TopicInfo,
};
use super::*;
use crate::bindings::exports::lockgate::connector::events::{Event, Start};
use crate::fake::{Fake, Step, ends, run};
use crate::host::StreamError;

mod faults;

const SCHEMA_ID: &str = "8y1L6AvVNJ-Yx_MkMe8u2Q";
const CONTACTS: &str = "/data/ContactChangeEvent";
const SUBSCRIBE: &str = "/eventbus.v1.PubSub/Subscribe";
const GET_SCHEMA: &str = "/eventbus.v1.PubSub/GetSchema";

fn replay_id(number: u64) -> Vec<u8> {
    [number.to_be_bytes().as_slice(), &[0, 0]].concat()
}

/// An update of the phone, told at this place.
fn update(number: u64) -> ConsumerEvent {
    ConsumerEvent {
        event: Some(ProducerEvent {
            id: format!("uuid-{number}"),
            schema_id: SCHEMA_ID.to_owned(),
            payload: payload((1, "UPDATE"), [&["0x04"], &[], &["0x04"]], Vec::new()),
        }),
        replay_id: replay_id(number),
    }
}

fn says(events: Vec<ConsumerEvent>, latest: u64, pending: i32) -> Step {
    let response = FetchResponse {
        events,
        latest_replay_id: replay_id(latest),
        pending_num_requested: pending,
    };
    Step::Says(response.encode_to_vec())
}

/// A sign of life.
fn quiet(latest: u64) -> Step {
    says(Vec::new(), latest, 100)
}

fn schema_of(id: &str) -> Step {
    let info = SchemaInfo {
        schema_json: SCHEMA.to_owned(),
        schema_id: id.to_owned(),
    };
    Step::Says(info.encode_to_vec())
}

fn described() -> String {
    json!({ "name": "Contact", "fields": [
        { "name": "Birthdate", "type": "date" },
        { "name": "LastModifiedDate", "type": "datetime" },
    ] })
    .to_string()
}

/// What is asked for when the first change comes.
fn with_schema(fake: Fake) -> Fake {
    fake.exchange([schema_of(SCHEMA_ID)])
        .answer(200, described())
}

/// An org that tells of every channel.
fn with_topics(fake: &Fake) {
    let info = TopicInfo {
        can_publish: false,
        can_subscribe: true,
        schema_id: String::new(),
    };
    fake.0.topic.replace(Some(info.encode_to_vec()));
}

fn try_subscribe(fake: &Fake, names: &[&str], start: Start) -> Result<Subscription<Fake>, Error> {
    with_topics(fake);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let is_new = start == Start::Newest;
    let options = SubscriptionOptions { start, way: None };
    let subscription = run(subscribe(Rc::new(fake.api()), &names, options))?;
    if is_new {
        begins(&subscription);
    }
    Ok(subscription)
}

/// The first delivery of a new subscription, which tells nothing but its place.
pub(super) fn begins(subscription: &Subscription<Fake>) -> Vec<u8> {
    let delivery = next(subscription);
    assert!(delivery.events.is_empty(), "{delivery:?}");
    delivery.checkpoint
}

fn contacts(fake: &Fake, start: Start) -> Subscription<Fake> {
    try_subscribe(fake, &["Contact"], start).unwrap()
}

pub(super) fn next(subscription: &Subscription<Fake>) -> Delivery {
    run(subscription.next()).unwrap()
}

pub(super) fn ids(delivery: &Delivery) -> Vec<&str> {
    fn id(event: &Event) -> &str {
        match event {
            Event::Change(change) => &change.id,
            Event::Stale(stale) => &stale.id,
            Event::Message(message) => &message.id,
        }
    }
    delivery.events.iter().map(id).collect()
}

/// The requests of all subscriptions, with the exchange that each was said in.
fn requests(fake: &Fake) -> Vec<(usize, FetchRequest)> {
    let opened = fake.0.opened.borrow();
    let said = fake.0.said.borrow();
    let requests = said.iter().filter(|(at, _)| opened[*at] == SUBSCRIBE);
    requests
        .map(|(at, bytes)| (*at, FetchRequest::decode(bytes.as_slice()).unwrap()))
        .collect()
}

fn wanted(fake: &Fake) -> Vec<i32> {
    let requests = requests(fake);
    requests
        .iter()
        .map(|(_, request)| request.num_requested)
        .collect()
}

#[test]
fn a_change_is_told_with_its_fields_and_where_to_go_on() {
    let fake = with_schema(Fake::new().exchange([says(vec![update(7)], 7, 99)]));
    let subscription = contacts(&fake, Start::Newest);
    assert_eq!(subscription.way().name, "pubsub");
    let delivery = next(&subscription);
    let [Event::Change(change)] = delivery.events.as_slice() else {
        panic!("{delivery:?}");
    };
    assert_eq!(change.id, "uuid-7");
    assert_eq!(change.fields, br#"{"Phone":null}"#);
    assert!(change.own);
    assert_eq!(*fake.0.opened.borrow(), [SUBSCRIBE, GET_SCHEMA]);
    let (_, request) = &requests(&fake)[0];
    assert_eq!(request.topic_name, CONTACTS);
    assert_eq!(request.replay_preset(), ReplayPreset::Latest);
    // The same place is gone on from.
    let fake = Fake::new().exchange([]);
    contacts(&fake, Start::After(delivery.checkpoint));
    let (_, request) = &requests(&fake)[0];
    assert_eq!(request.replay_preset(), ReplayPreset::Custom);
    assert_eq!(request.replay_id, replay_id(7));
}

#[test]
fn a_subscription_can_begin_with_the_oldest_event() {
    let fake = Fake::new().exchange([]);
    contacts(&fake, Start::Oldest);
    let (_, request) = &requests(&fake)[0];
    assert_eq!(request.replay_preset(), ReplayPreset::Earliest);
    assert!(request.replay_id.is_empty());
}

#[test]
fn what_is_new_begins_when_the_subscription_is_made_and_not_with_its_first_delivery() {
    let fake = Fake::new().exchange([]);
    let _subscription = contacts(&fake, Start::Newest);
    assert_eq!(wanted(&fake), [1]);
}

#[test]
fn a_new_subscription_tells_at_once_where_it_begins_and_others_wait_for_something() {
    let fake = Fake::new().exchange([Step::Waits]);
    with_topics(&fake);
    let options = |start| SubscriptionOptions { start, way: None };
    let open = |fake: &Fake, start| {
        let names = ["Contact".to_owned()];
        run(subscribe(Rc::new(fake.api()), &names, options(start))).unwrap()
    };
    let checkpoint = begins(&open(&fake, Start::Newest));
    assert_eq!(fake.0.monotonic_ms.get(), 0);
    for start in [Start::Oldest, Start::After(checkpoint)] {
        let fake = Fake::new().exchange([Step::Waits]);
        with_topics(&fake);
        begins(&open(&fake, start));
        assert!(fake.0.monotonic_ms.get() > 100_000);
    }
}

#[test]
fn a_hundred_events_are_asked_for_at_most_and_more_as_they_are_taken() {
    let some = |from: u64| (from..from + 30).map(update).collect::<Vec<_>>();
    let fake = with_schema(Fake::new().exchange([
        says(some(0), 29, 70),
        says(some(30), 59, 40),
        says(some(60), 89, 10),
    ]));
    let subscription = contacts(&fake, Start::Oldest);
    for _ in 0..3 {
        assert_eq!(next(&subscription).events.len(), 30);
    }
    // The last time 70 had come of 100.
    assert_eq!(wanted(&fake), [1, 99, 60]);
}

#[test]
fn a_sign_of_life_moves_the_checkpoint() {
    let fake = Fake::new().exchange([quiet(5)]);
    let delivery = next(&contacts(&fake, Start::Newest));
    assert!(delivery.events.is_empty());
    let fake = Fake::new().exchange([]);
    contacts(&fake, Start::After(delivery.checkpoint));
    assert_eq!(requests(&fake)[0].1.replay_id, replay_id(5));
}

#[test]
fn a_quiet_subscription_comes_back_within_two_minutes_with_the_same_checkpoint() {
    let fake = Fake::new().exchange([quiet(5), Step::Waits]);
    let subscription = contacts(&fake, Start::Newest);
    let first = next(&subscription);
    let began_ms = fake.0.monotonic_ms.get();
    assert_eq!(next(&subscription), first);
    assert!(fake.0.monotonic_ms.get() - began_ms < 120_000);
}

#[test]
fn each_source_has_an_exchange_of_its_own_and_its_place_in_the_checkpoint() {
    let fake = with_schema(Fake::new().exchange([quiet(3)]).exchange([says(
        vec![update(9)],
        9,
        99,
    )]));
    let names = ["Low_Ink__e", "Contact"];
    let subscription = try_subscribe(&fake, &["Account", "Contact"], Start::Newest).unwrap();
    assert!(next(&subscription).events.is_empty());
    let delivery = next(&subscription);
    assert_eq!(ids(&delivery), ["uuid-9"]);
    let fake = Fake::new().exchange([]).exchange([]);
    let start = Start::After(delivery.checkpoint.clone());
    // In whatever order they are named.
    try_subscribe(&fake, &["Contact", "Account"], start).unwrap();
    let requests: Vec<_> = requests(&fake)
        .into_iter()
        .map(|(_, request)| (request.topic_name, request.replay_id))
        .collect();
    assert_eq!(
        requests,
        [
            ("/data/AccountChangeEvent".to_owned(), replay_id(3)),
            (CONTACTS.to_owned(), replay_id(9)),
        ]
    );
    let other = try_subscribe(&Fake::new(), &names, Start::After(delivery.checkpoint));
    assert!(matches!(other, Err(Error::Refused(problem)) if problem.code == "INVALID_CHECKPOINT"));
}

#[test]
fn of_the_channel_of_all_changes_only_what_is_wanted_is_told() {
    let objects: Vec<String> = (0..8).map(|number| format!("A{number}__c")).collect();
    let mut names: Vec<&str> = objects.iter().map(String::as_str).collect();
    let change = || says(vec![update(9)], 9, 99);
    let fake = with_schema(Fake::new().exchange([change()]));
    let delivery = next(&try_subscribe(&fake, &names, Start::Newest).unwrap());
    // It moves on all the same.
    assert!(delivery.events.is_empty());
    assert_eq!(requests(&fake)[0].1.topic_name, "/data/ChangeEvents");
    names.push("Contact");
    let fake = with_schema(Fake::new().exchange([change()]));
    let delivery = next(&try_subscribe(&fake, &names, Start::Newest).unwrap());
    assert_eq!(ids(&delivery), ["uuid-9"]);
}

#[test]
fn a_schema_is_asked_for_once_and_kept_for_later_subscriptions() {
    let fake = with_schema(Fake::new().exchange([
        says(vec![update(1), update(2)], 2, 98),
        says(vec![update(3)], 3, 97),
    ]));
    let subscription = contacts(&fake, Start::Newest);
    assert_eq!(ids(&next(&subscription)), ["uuid-1", "uuid-2"]);
    assert_eq!(ids(&next(&subscription)), ["uuid-3"]);
    assert!(fake.is_done());
    // Another instance has only the store.
    let stored = fake.0.stored.borrow().clone();
    let later = Fake::new().exchange([says(vec![update(4)], 4, 99)]);
    later.0.stored.replace(stored);
    assert_eq!(ids(&next(&contacts(&later, Start::Newest))), ["uuid-4"]);
    assert_eq!(*later.0.opened.borrow(), [SUBSCRIBE]);
}

#[test]
fn a_schema_that_changes_in_the_midst_of_a_channel_is_asked_for() {
    let mut other = update(2);
    if let Some(event) = &mut other.event {
        event.schema_id = "another".to_owned();
    }
    let fake = with_schema(Fake::new().exchange([says(vec![update(1), other], 2, 98)]))
        .exchange([schema_of("another")]);
    assert_eq!(
        ids(&next(&contacts(&fake, Start::Newest))),
        ["uuid-1", "uuid-2"]
    );
    assert!(fake.is_done());
}

#[test]
fn events_are_told_also_when_their_object_cannot_be_described() {
    let mut born = update(1);
    if let Some(event) = &mut born.event {
        let day = apache_avro::types::Value::Union(1, Box::new(0_i64.into()));
        let fields = vec![("Name", name(None, Some("Doe"))), ("Birthdate", day)];
        event.payload = payload((0, "CREATE"), [&[], &[], &[]], fields);
    }
    let fake = Fake::new()
        .exchange([says(vec![born], 1, 99)])
        .exchange([schema_of(SCHEMA_ID)])
        .answer(503, "");
    let delivery = next(&contacts(&fake, Start::Newest));
    let [Event::Change(change)] = delivery.events.as_slice() else {
        panic!("{delivery:?}");
    };
    let fields: Json = serde_json::from_slice(&change.fields).unwrap();
    assert_eq!(fields, json!({"LastName":"Doe","Birthdate":"1970-01-01"}));
}

#[test]
fn a_channel_where_much_happens_does_not_keep_others_waiting() {
    let busy = (1..=3).map(|number| says(vec![update(number)], number, 99));
    let fake = with_schema(
        Fake::new()
            .exchange(busy)
            .exchange([says(vec![update(9)], 9, 99)]),
    );
    let subscription = try_subscribe(&fake, &["Account", "Contact"], Start::Newest).unwrap();
    assert_eq!(ids(&next(&subscription)), ["uuid-1"]);
    assert_eq!(ids(&next(&subscription)), ["uuid-9"]);
    assert_eq!(ids(&next(&subscription)), ["uuid-2"]);
}

#[test]
fn ways_that_are_not_known_are_refused_and_the_known_ones_named() {
    let options = SubscriptionOptions {
        start: Start::Newest,
        way: Some("fax".to_owned()),
    };
    let names = ["Contact".to_owned()];
    let refused = run(subscribe(Rc::new(Fake::new().api()), &names, options));
    let Err(Error::Refused(problem)) = refused else {
        panic!("a way by fax");
    };
    assert!(problem.message.contains("pubsub"), "{}", problem.message);
}

#[test]
fn the_description_lists_the_kinds_of_event() {
    let events = list();
    assert!(events.iter().any(|event| event.name == "Contact"));
    for event in events {
        let schema: Json = serde_json::from_str(&event.payload_schema).unwrap();
        assert_eq!(schema["type"], "object");
    }
}
