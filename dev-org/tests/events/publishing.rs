//! Publishing by the Pub/Sub API.

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use dev_org::Config;
use futures_util::stream;
use serde_json::json;
use tonic::Code;

use super::client::start;
use super::eventbus::{ErrorCode, ProducerEvent, PublishRequest};
use super::pubsub::{PubSub, error_code, field, text};
use super::support::Session;

const TOPIC: &str = "/event/Low_Ink__e";

/// A publisher with the schema of its topic.
struct Publisher {
    pubsub: PubSub,
    schema_id: String,
    schema: Schema,
}

impl Publisher {
    async fn of(session: &Session) -> Self {
        let pubsub = PubSub::connect(session).await;
        let topic = pubsub.topic(TOPIC).await.unwrap();
        assert!(topic.can_publish && topic.can_subscribe);
        let schema = pubsub.schema(&topic.schema_id).await.unwrap();
        Self {
            pubsub,
            schema_id: topic.schema_id,
            schema,
        }
    }

    fn event(&self, id: &str, model: &str) -> ProducerEvent {
        let text = |text: &str| Avro::String(text.to_owned());
        let fields = [
            ("CreatedDate", Avro::Long(1_777_620_337_000)),
            ("CreatedById", text("005Lg0000010000AAA")),
            ("Printer_Model__c", text(model)),
            (
                "Ink_Percentage__c",
                Avro::Union(1, Box::new(Avro::Double(0.5))),
            ),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        let writer = GenericDatumWriter::builder(&self.schema).build().unwrap();
        ProducerEvent {
            id: id.to_owned(),
            schema_id: self.schema_id.clone(),
            payload: writer
                .write_value_to_vec(Avro::Record(fields.into()))
                .unwrap(),
            headers: Vec::new(),
        }
    }
}

fn request(events: Vec<ProducerEvent>) -> PublishRequest {
    PublishRequest {
        topic_name: TOPIC.to_owned(),
        events,
        auth_refresh: String::new(),
    }
}

#[tokio::test]
async fn published_events_arrive_and_each_has_a_result_in_its_place() {
    let session = start().await;
    let publisher = Publisher::of(&session).await;
    let broken = ProducerEvent {
        payload: vec![1, 2, 3],
        ..publisher.event("second", "B")
    };
    let foreign = ProducerEvent {
        schema_id: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        ..publisher.event("third", "C")
    };
    let events = vec![publisher.event("first", "A"), broken, foreign];
    let pubsub = &publisher.pubsub;
    let request = pubsub.with(request(events));
    let answer = pubsub
        .client
        .clone()
        .publish(request)
        .await
        .unwrap()
        .into_inner();
    let keys: Vec<&str> = answer
        .results
        .iter()
        .map(|result| result.correlation_key.as_str())
        .collect();
    assert_eq!(keys, ["first", "second", "third"]);
    assert!(answer.results[0].error.is_none());
    for result in &answer.results[1..] {
        assert_eq!(result.error.as_ref().unwrap().code(), ErrorCode::Publish);
        assert!(result.replay_id.is_empty());
    }
    let [event] = pubsub
        .replay(TOPIC, 5)
        .await
        .take(1)
        .await
        .try_into()
        .unwrap();
    assert_eq!(event.replay_id, answer.results[0].replay_id);
    assert_eq!(event.event.as_ref().unwrap().id, "first");
    let value = pubsub.decode(&event).await;
    assert_eq!(text(&value, "Printer_Model__c"), "A");
    assert_eq!(*field(&value, "Ink_Percentage__c"), Avro::Double(0.5));
    assert_eq!(*field(&value, "CreatedDate"), Avro::Long(1_777_620_337_000));
}

#[tokio::test]
async fn an_event_that_was_published_by_rest_arrives_in_avro() {
    let session = start().await;
    let pubsub = PubSub::connect(&session).await;
    session
        .made("Low_Ink__e", json!({ "Printer_Model__c": "X" }))
        .await;
    let [event] = pubsub
        .replay(TOPIC, 5)
        .await
        .take(1)
        .await
        .try_into()
        .unwrap();
    let kept = session.kept(TOPIC);
    assert_eq!(
        kept[0]["event"]["EventUuid"],
        event.event.as_ref().unwrap().id
    );
    let value = pubsub.decode(&event).await;
    assert_eq!(text(&value, "Printer_Model__c"), "X");
    assert_eq!(*field(&value, "Ink_Percentage__c"), Avro::Null);
}

#[tokio::test]
async fn changes_and_empty_requests_cannot_be_published() {
    let session = start().await;
    let publisher = Publisher::of(&session).await;
    let pubsub = &publisher.pubsub;
    for (topic, events, code) in [
        (
            "/data/ContactChangeEvent",
            vec![publisher.event("a", "A")],
            Code::PermissionDenied,
        ),
        (
            "/event/Nothing__e",
            vec![publisher.event("a", "A")],
            Code::NotFound,
        ),
        (TOPIC, Vec::new(), Code::InvalidArgument),
    ] {
        let request = pubsub.with(PublishRequest {
            topic_name: topic.to_owned(),
            ..request(events)
        });
        let status = pubsub.client.clone().publish(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{topic}");
    }
}

#[tokio::test]
async fn a_stream_of_publications_answers_each_request_and_closes_when_it_is_quiet() {
    let session = start().await;
    let publisher = Publisher::of(&session).await;
    let pubsub = &publisher.pubsub;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let requests = stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    });
    let answers = pubsub
        .client
        .clone()
        .publish_stream(pubsub.with(requests))
        .await;
    let mut answers = answers.unwrap().into_inner();
    for id in ["a", "b"] {
        sender
            .send(request(vec![publisher.event(id, "A")]))
            .unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.results[0].correlation_key, id);
        assert_eq!(answer.schema_id, publisher.schema_id);
    }
    session.control.set_clock_offset_ms(70_001);
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_ends_with_an_error_when_the_org_stops() {
    let session = super::support::start_with(Config::default()).await;
    let pubsub = PubSub::connect(&session).await;
    let mut stream = pubsub.follow("/data/ChangeEvents", 1).await;
    session.control.events().subscribed(1).await;
    session.org.stop().await;
    let status = stream.error().await;
    assert_eq!(error_code(&status), "service.unavailable");
}
