//! Subscriptions by CometD: what is asked, and what becomes of its errors.

use serde_json::Value;

use super::super::tests::{begins, ids, next};
use super::super::{Subscription, subscribe};
use super::*;
use crate::bindings::exports::lockgate::connector::events::{Change, Start, SubscriptionOptions};
use crate::bindings::exports::lockgate::connector::records::Advice;
use crate::fake::{Fake, broken, run};
use crate::host::StreamError;
use std::rc::Rc;

const CONTACTS: &str = "/data/ContactChangeEvent";

fn greeted() -> String {
    json!([{ "channel": "/meta/handshake", "clientId": "c1", "successful": true, "version": "1.0",
        "ext": { "replay": true, "payload.format": true } }])
    .to_string()
}

fn subscribed(channel: &str) -> String {
    json!([{ "channel": "/meta/subscribe", "subscription": channel, "successful": true }])
        .to_string()
}

fn quiet() -> String {
    json!([{ "channel": "/meta/connect", "successful": true,
        "advice": { "reconnect": "retry", "interval": 0, "timeout": 110_000 } }])
    .to_string()
}

fn failed(channel: &str, error: &str) -> String {
    json!([{ "channel": channel, "successful": false, "error": error,
        "subscription": CONTACTS, "advice": { "reconnect": "none" } }])
    .to_string()
}

fn event(number: u64) -> Value {
    json!({ "channel": CONTACTS, "data": {
        "schema": "IeRuaY6cbI_HsV8Rv1Mc5g",
        "payload": {
            "ChangeEventHeader": {
                "entityName": "Contact",
                "recordIds": ["0035J000004TNtzQAG"],
                "changeType": "UPDATE",
                "changeOrigin": "com/salesforce/api/rest/62.0;client=Lockgate",
                "transactionKey": "0002343d-9d90-e395-ed20-cf416ba652ad",
                "sequenceNumber": number,
                "commitTimestamp": 1_612_912_679_000_u64,
                "commitNumber": 10_716_283_339_728_u64,
                "commitUser": "0055J000001D89MQAS",
                "changedFields": ["Name.FirstName", "MailingAddress.City", "LastModifiedDate"],
            },
            "Name": { "FirstName": "Jo" },
            "MailingAddress": { "City": null },
            "LastModifiedDate": "2021-02-09T23:17:59Z",
        },
        "event": { "replayId": number },
    } })
}

fn events(numbers: &[u64]) -> String {
    let mut said: Vec<Value> = numbers.iter().map(|number| event(*number)).collect();
    said.push(json!({ "channel": "/meta/connect", "successful": true }));
    Value::Array(said).to_string()
}

fn described() -> String {
    json!({ "name": "Contact", "fields": [{ "name": "LastModifiedDate", "type": "datetime" }] })
        .to_string()
}

/// A host of which a client was greeted.
fn fake() -> Fake {
    again(Fake::new())
}

fn again(fake: Fake) -> Fake {
    fake.answer(200, greeted())
        .answer(200, subscribed(CONTACTS))
}

fn open(fake: &Fake, start: Start) -> Result<Subscription<Fake>, Error> {
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

fn refusal(fake: Fake) -> crate::bindings::exports::lockgate::connector::records::Problem {
    let outcome = open(&fake, Start::Newest).and_then(|subscription| run(subscription.next()));
    match outcome {
        Err(Error::Refused(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

/// The replay ids that clients began with.
fn replays(fake: &Fake) -> Vec<i64> {
    let count = fake.0.asked.borrow().len();
    let bodies = (0..count).map(|at| fake.body(at));
    let replay = |body: String| {
        let body: Value = serde_json::from_str(&body).ok()?;
        body[0]["ext"]["replay"][CONTACTS].as_i64()
    };
    bodies.filter_map(replay).collect()
}

#[test]
fn a_change_is_told_in_the_words_of_rest_and_where_to_go_on() {
    let fake = fake().answer(200, events(&[6])).answer(200, described());
    let subscription = open(&fake, Start::Newest).unwrap();
    let delivery = next(&subscription);
    let [Event::Change(change)] = delivery.events.as_slice() else {
        panic!("{delivery:?}");
    };
    let change: &Change = change;
    let fields: Value = serde_json::from_slice(&change.fields).unwrap();
    assert_eq!(
        fields,
        json!({ "FirstName": "Jo", "MailingCity": null,
            "LastModifiedDate": "2021-02-09T23:17:59.000+0000" })
    );
    assert_eq!(change.id, "0002343d-9d90-e395-ed20-cf416ba652ad/6");
    assert!(change.own);
    assert_eq!(replays(&fake), [-1]);
    assert!(
        fake.lines()
            .iter()
            .take(3)
            .all(|line| line == "POST /cometd/60.0")
    );
    let later = self::fake();
    open(&later, Start::After(delivery.checkpoint)).unwrap();
    assert_eq!(replays(&later), [6]);
    let oldest = self::fake();
    open(&oldest, Start::Oldest).unwrap();
    assert_eq!(replays(&oldest), [-2]);
}

#[test]
fn a_client_that_was_forgotten_is_followed_by_another_one_where_it_was() {
    let unknown = failed("/meta/connect", "403::Unknown client");
    let fake = fake()
        .answer(200, events(&[6]))
        .answer(200, described())
        .answer(200, unknown);
    let fake = again(fake).answer(200, events(&[7]));
    let subscription = open(&fake, Start::Newest).unwrap();
    next(&subscription);
    assert_eq!(ids(&next(&subscription)).len(), 1);
    assert_eq!(replays(&fake), [-1, 6]);
}

#[test]
fn one_that_was_forgotten_before_anything_came_goes_on_from_the_oldest_event() {
    let unknown = || failed("/meta/connect", "403::Unknown client");
    let fake = again(fake().answer(200, unknown())).answer(200, events(&[6]));
    let fake = fake.answer(200, described());
    fake.0.now_ms.set(1_612_912_700_000);
    fake.keep(
        "api-versions",
        r#"{"asked_ms":1612912700000,"majors":[61,62]}"#,
    );
    let subscription = open(&fake, Start::Newest).unwrap();
    assert_eq!(ids(&next(&subscription)).len(), 1);
    assert_eq!(replays(&fake), [-1, -2]);
    // Not for ever.
    let fake = again(again(self::fake().answer(200, unknown())).answer(200, unknown()))
        .answer(200, unknown());
    let subscription = open(&fake, Start::Newest).unwrap();
    assert_eq!(run(subscription.next()), Err(Error::Unavailable(60_000)));
}

#[test]
fn an_ended_session_is_renewed_by_a_request_that_the_host_understands() {
    let ended = failed("/meta/connect", "401::Authentication invalid");
    let fake = again(fake().answer(200, ended).answer(200, "{}")).answer(200, events(&[6]));
    let fake = fake.answer(200, described());
    let subscription = open(&fake, Start::Oldest).unwrap();
    assert_eq!(ids(&next(&subscription)).len(), 1);
    assert_eq!(fake.lines()[3], "GET /services/data/v62.0/");
}

#[test]
fn salesforces_errors_say_what_to_do() {
    let failing = |error: &str| {
        Fake::new()
            .answer(200, greeted())
            .answer(200, failed("/meta/subscribe", error))
    };
    let stale = "400::The replayId {5} you provided was invalid.  Please provide a valid ID";
    assert_eq!(refusal(failing(stale)).advice, Advice::Refetch);
    let unknown = "400::The channel you requested to subscribe to does not exist";
    let described = json!({ "name": "Contact", "fields": [] }).to_string();
    let problem = refusal(failing(unknown).answer(200, described));
    assert_eq!(problem.advice, Advice::AskPermission);
    let error = |error: &str| {
        let fake = fake().answer(200, failed("/meta/connect", error));
        run(open(&fake, Start::Newest).unwrap().next()).unwrap_err()
    };
    assert!(matches!(
        error("403::Organization total events daily limit exceeded"),
        Error::OverQuota(_)
    ));
    assert!(matches!(
        error("403::Organization concurrent user limit exceeded"),
        Error::Unavailable(_)
    ));
}

#[test]
fn a_lost_answer_ends_nothing_and_what_was_on_its_way_comes_again() {
    let fake = again(fake().lose(broken(true))).answer(200, events(&[6]));
    let fake = fake.answer(200, described());
    let subscription = open(&fake, Start::Oldest).unwrap();
    assert_eq!(run(subscription.next()), Err(Error::Unavailable(700)));
    assert_eq!(ids(&next(&subscription)).len(), 1);
    assert_eq!(replays(&fake), [-2, -2]);
}

#[test]
fn more_events_than_a_delivery_may_have_come_in_several() {
    let all: Vec<u64> = (1..=501).collect();
    let fake = fake().answer(200, events(&all)).answer(200, described());
    let fake = again(fake).answer(200, events(&[501]));
    let subscription = open(&fake, Start::Oldest).unwrap();
    assert_eq!(next(&subscription).events.len(), 500);
    assert_eq!(next(&subscription).events.len(), 1);
    assert_eq!(replays(&fake), [-2, 500]);
}

#[test]
fn a_message_has_its_own_id() {
    let channel = "/event/Low_Ink__e";
    let said = json!([{ "channel": channel, "data": { "payload": {
        "CreatedDate": "2021-02-09T23:17:59.042Z", "CreatedById": "0055J000001D89MQAS",
        "Model__c": null }, "event": { "replayId": 6, "EventUuid": "u-1" } } }]);
    let fake = Fake::new()
        .answer(200, greeted())
        .answer(200, subscribed(channel))
        .answer(200, said.to_string())
        .answer(503, "");
    let options = SubscriptionOptions {
        start: Start::Newest,
        way: Some(NAME.to_owned()),
    };
    let names = ["Low_Ink__e".to_owned()];
    let subscription = run(subscribe(Rc::new(fake.api()), &names, options)).unwrap();
    begins(&subscription);
    let delivery = next(&subscription);
    let [Event::Message(message)] = delivery.events.as_slice() else {
        panic!("{delivery:?}");
    };
    assert_eq!(
        (message.id.as_str(), message.name.as_str()),
        ("u-1", "Low_Ink__e")
    );
    assert_eq!(message.published_ms, 1_612_912_679_042);
}

#[test]
fn it_is_taken_where_no_exchange_can_be_opened() {
    for (error, tries) in [(StreamError::Unavailable(500), 3), (StreamError::Denied, 1)] {
        let fake = (0..tries).fold(fake(), |fake, _| fake.no_exchange(error));
        let options = SubscriptionOptions {
            start: Start::Newest,
            way: None,
        };
        let names = ["Contact".to_owned()];
        let subscription = run(subscribe(Rc::new(fake.api()), &names, options)).unwrap();
        assert_eq!(subscription.way().name, NAME);
        assert!(fake.is_done());
    }
}

#[test]
fn a_quiet_client_comes_back_with_the_same_checkpoint() {
    let fake = fake().answer(200, quiet());
    let subscription = open(&fake, Start::Newest).unwrap();
    // Later answers come after 110 s.
    fake.0.monotonic_ms.set(0);
    let fake = fake.answer(200, quiet()).answer(200, quiet());
    fake.0.each_answer_ms.set(6_000);
    assert!(next(&subscription).events.is_empty());
}
