//! Events that are published: what goes out, and what is said of each.

use serde_json::json;

use super::super::datum::Reader;
use super::super::eventbus::TopicInfo;
use super::*;
use crate::actions::invoke;
use crate::bindings::exports::lockgate::connector::events::Event;
use crate::fake::{Fake, Step, ends, run};

const SCHEMA: &str = r#"{"name":"Low_Ink__e","namespace":"com.sforce.eventbus","type":"record",
    "fields":[{"name":"CreatedDate","type":"long","doc":"CreatedDate:DateTime"},
    {"name":"CreatedById","type":"string","doc":"CreatedBy:EntityId"},
    {"name":"Model__c","type":"string","doc":"Data:Text:00N"},
    {"name":"Day__c","type":["null","long"],"doc":"Data:DateOnly:00N","default":null}],
    "uuid":"K98aAtiNFBjA-PJlcvaQ2g"}"#;

fn says(message: &impl prost::Message) -> [Step; 1] {
    [Step::Says(message.encode_to_vec())]
}

fn topic(can_publish: bool) -> [Step; 1] {
    says(&TopicInfo {
        can_publish,
        can_subscribe: true,
        schema_id: "K98aAtiNFBjA-PJlcvaQ2g".to_owned(),
    })
}

/// A host that knows the event, and answers 503 for its description.
fn fake() -> Fake {
    let schema = super::super::eventbus::SchemaInfo {
        schema_json: SCHEMA.to_owned(),
        schema_id: "K98aAtiNFBjA-PJlcvaQ2g".to_owned(),
    };
    Fake::new()
        .exchange(topic(true))
        .exchange(says(&schema))
        .answer(503, "")
}

fn result(key: &str, error: Option<&str>) -> PublishResult {
    PublishResult {
        replay_id: vec![1],
        error: error.map(|error| super::super::eventbus::PublishError {
            msg: error.to_owned(),
        }),
        correlation_key: key.to_owned(),
    }
}

fn published(fake: &Fake, events: &Value) -> Result<Value, Error> {
    let input = json!({ "event": "Low_Ink__e", "events": events }).to_string();
    run(invoke(&fake.api(), "publish-events", input.as_bytes()))
        .map(|output| serde_json::from_slice(&output).unwrap())
}

fn outcomes(output: &Value) -> Vec<&str> {
    let events = output["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["outcome"].as_str().unwrap())
        .collect()
}

/// The requests to publish.
fn requests(fake: &Fake) -> Vec<PublishRequest> {
    let opened = fake.0.opened.borrow();
    let said = fake.0.said.borrow();
    said.iter()
        .filter(|(at, _)| opened[*at] == PUBLISH)
        .map(|(_, bytes)| PublishRequest::decode(bytes.as_slice()).unwrap())
        .collect()
}

#[test]
fn events_go_out_in_the_words_of_their_schema_and_each_has_a_result_in_its_place() {
    let response = PublishResponse {
        results: vec![result("mine", None), result("other", Some("no"))],
    };
    let fake = fake().exchange(says(&response));
    let output = published(
        &fake,
        &json!([
            { "id": "mine", "fields": { "Model__c": "XZO-5", "Day__c": "2000-02-29" } },
            { "fields": { "Model__c": 5 } },
            { "fields": { "Model__c": "A", "Nope__c": 1 } },
            { "fields": { "Model__c": "B" } },
        ]),
    )
    .unwrap();
    assert_eq!(
        outcomes(&output),
        ["published", "failed", "failed", "failed"]
    );
    assert_eq!(output["published"], 1);
    assert_eq!(output["events"][0]["id"], "mine");
    assert!(
        output["events"][1]["message"]
            .as_str()
            .unwrap()
            .contains("Model__c")
    );
    assert!(
        output["events"][2]["message"]
            .as_str()
            .unwrap()
            .contains("Nope__c")
    );
    assert_eq!(output["events"][3]["message"], "no");
    let [request] = requests(&fake).try_into().unwrap();
    assert_eq!(request.topic_name, "/event/Low_Ink__e");
    assert_eq!(request.events.len(), 2);
    // As a subscriber reads it.
    let layout = Layout::read(SCHEMA).unwrap();
    let read = Reader::new(&layout).unwrap();
    let read = read.events("mine", &request.events[0].payload, "").unwrap();
    let [Event::Message(message)] = read.events.as_slice() else {
        panic!("{read:?}");
    };
    let payload: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(
        (&payload["Model__c"], &payload["Day__c"]),
        (&json!("XZO-5"), &json!("2000-02-29"))
    );
    assert_eq!(message.published_ms, 5_000);
}

#[test]
fn many_events_go_in_requests_of_two_hundred() {
    let response = |count: usize| PublishResponse {
        results: vec![result("k", None); count],
    };
    let fake = fake()
        .exchange(says(&response(200)))
        .exchange(says(&response(50)));
    let events = vec![json!({ "fields": { "Model__c": "A" } }); 250];
    let output = published(&fake, &json!(events)).unwrap();
    assert_eq!(output["published"], 250);
    let sizes: Vec<usize> = requests(&fake)
        .iter()
        .map(|request| request.events.len())
        .collect();
    assert_eq!(sizes, [200, 50]);
}

#[test]
fn of_a_lost_answer_nobody_knows_and_what_comes_behind_is_not_tried() {
    for lost in [
        vec![ends(14, "service.unavailable")],
        vec![Step::Waits],
        vec![Step::Says(b"\xff".to_vec())],
    ] {
        let fake = fake().exchange(lost);
        let events = vec![json!({ "fields": { "Model__c": "A" } }); 201];
        let output = published(&fake, &json!(events)).unwrap();
        let outcomes = outcomes(&output);
        assert_eq!(
            (outcomes[0], outcomes[199], outcomes[200]),
            ("unknown", "unknown", "not-tried")
        );
        assert_eq!(requests(&fake).len(), 1);
    }
}

#[test]
fn a_request_that_is_refused_has_published_nothing() {
    let fake = fake().exchange([ends(3, "publish.limit")]);
    let output = published(&fake, &json!([{ "fields": { "Model__c": "A" } }])).unwrap();
    assert_eq!(outcomes(&output), ["failed"]);
}

#[test]
fn what_cannot_be_published_is_refused_with_what_to_do() {
    let one = json!([{ "fields": {} }]);
    let fake = Fake::new().exchange(topic(false));
    let Err(Error::Refused(problem)) = published(&fake, &one) else {
        panic!("it may not");
    };
    assert_eq!(problem.advice, Advice::AskPermission);
    let fake = Fake::new()
        .exchange([ends(5, "topic.not.found")])
        .answer(404, r#"[{"errorCode":"NOT_FOUND","message":"m"}]"#);
    let Err(Error::Refused(problem)) = published(&fake, &one) else {
        panic!("there is none");
    };
    assert_eq!(problem.advice, Advice::FixSchema);
    let input = br#"{"event":"Contact","events":[]}"#;
    assert!(run(invoke(&Fake::new().api(), "publish-events", input)).is_err());
    let many = json!(vec![json!({ "fields": {} }); 2_001]);
    assert!(published(&Fake::new(), &many).is_err());
}
