//! Subscriptions by the Pub/Sub API: what comes, how much of it, from where on,
//! and how streams end.

use apache_avro::types::Value as Avro;
use dev_org::{EventSwitches, StreamBreak};
use serde_json::json;
use tonic::Code;

use super::client::start;
use super::eventbus::{ConsumerEvent, FetchRequest, ReplayPreset};
use super::pubsub::{PubSub, error_code, fetch, field, text, texts};

const CONTACTS: &str = "/data/ContactChangeEvent";
const ALL: &str = "/data/ChangeEvents";
const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn a_change_arrives_in_avro_with_its_schema_and_bitmaps() {
    let session = start().await;
    let id = session
        .made("Contact", json!({ "LastName": "Doe", "Phone": "1" }))
        .await;
    let pubsub = PubSub::connect(&session).await;
    let mut stream = pubsub.follow(CONTACTS, 10).await;
    session.control.events().subscribed(1).await;
    let later = json!({ "FirstName": "Jo", "Phone": null, "MailingCity": "Lyon" });
    session.change("Contact", &id, later).await;
    let [event] = stream.take(1).await.try_into().unwrap();
    let id_of_schema = &event.event.as_ref().unwrap().schema_id;
    assert_eq!(id_of_schema.len(), 22);
    assert_eq!(
        pubsub.topic(CONTACTS).await.unwrap().schema_id,
        *id_of_schema
    );
    let value = pubsub.decode(&event).await;
    let header = field(&value, "ChangeEventHeader");
    assert_eq!(text(header, "entityName"), "Contact");
    assert_eq!(text(header, "changeType"), "UPDATE");
    assert_eq!(texts(header, "recordIds"), [id.as_str()]);
    assert_eq!(text(header, "changeOrigin"), "com/salesforce/api/rest/60.0");
    assert_eq!(text(field(&value, "Name"), "FirstName"), "Jo");
    assert_eq!(*field(field(&value, "Name"), "LastName"), Avro::Null);
    assert_eq!(text(field(&value, "MailingAddress"), "City"), "Lyon");
    assert_eq!(*field(&value, "Phone"), Avro::Null);
    assert_eq!(*field(&value, "Email"), Avro::Null);
    // Read as other clients do it: bit by bit, from the lowest, by the schema.
    let changed = names(&value, &texts(header, "changedFields"));
    let wanted = [
        "Phone",
        "LastModifiedDate",
        "Name.FirstName",
        "MailingAddress.City",
    ];
    assert_eq!(changed, wanted);
    assert_eq!(names(&value, &texts(header, "nulledFields")), ["Phone"]);
    assert!(texts(header, "diffFields").is_empty());
}

#[tokio::test]
async fn no_more_comes_than_was_asked_for_and_requests_add_up_to_a_hundred() {
    let session = start().await;
    for number in 0..4 {
        session
            .made("Contact", json!({ "LastName": format!("N{number}") }))
            .await;
    }
    let pubsub = PubSub::connect(&session).await;
    let mut stream = pubsub.replay(CONTACTS, 2).await;
    let first = stream.next().await;
    assert_eq!((first.events.len(), first.pending_num_requested), (2, 0));
    stream.more(1);
    let second = stream.next().await;
    assert_eq!((second.events.len(), second.pending_num_requested), (1, 0));
    assert_eq!(second.latest_replay_id, second.events[0].replay_id);
    stream.more(500);
    let third = stream.next().await;
    assert_eq!((third.events.len(), third.pending_num_requested), (1, 99));
}

#[tokio::test]
async fn a_quiet_stream_shows_that_it_lives_with_an_id_that_is_good_for_days() {
    let session = start().await;
    let pubsub = PubSub::connect(&session).await;
    let mut stream = pubsub.follow(CONTACTS, 1).await;
    session.control.events().subscribed(1).await;
    session.control.set_clock_offset_ms(HOUR_MS);
    let quiet = stream.next().await;
    assert!(quiet.events.is_empty());
    session.made("Contact", json!({ "LastName": "A" })).await;
    assert_eq!(stream.take(1).await.len(), 1);
    let mut resumed = pubsub.resume(CONTACTS, &quiet.latest_replay_id, 1).await;
    assert_eq!(resumed.take(1).await.len(), 1);
}

#[tokio::test]
async fn a_subscriber_goes_on_behind_its_replay_id() {
    let session = start().await;
    for name in ["A", "B", "C"] {
        session.made("Contact", json!({ "LastName": name })).await;
        session.made("Account", json!({ "Name": name })).await;
    }
    let pubsub = PubSub::connect(&session).await;
    let all = pubsub.replay(ALL, 10).await.take(6).await;
    let contacts = pubsub.replay(CONTACTS, 10).await.take(3).await;
    assert_eq!(contacts[1].replay_id, all[2].replay_id);
    let mut resumed = pubsub.resume(CONTACTS, &contacts[1].replay_id, 10).await;
    let rest = resumed.take(1).await;
    assert_eq!(rest[0], contacts[2]);
}

#[tokio::test]
async fn a_replay_id_that_is_missing_stale_or_no_id_at_all_is_refused() {
    let session = start().await;
    session.made("Contact", json!({ "LastName": "A" })).await;
    let pubsub = PubSub::connect(&session).await;
    let [event] = pubsub
        .replay(CONTACTS, 1)
        .await
        .take(1)
        .await
        .try_into()
        .unwrap();
    let code = async |replay_id: &[u8]| {
        let status = pubsub.resume(CONTACTS, replay_id, 1).await.error().await;
        assert_eq!(status.code(), Code::InvalidArgument);
        error_code(&status).to_owned()
    };
    assert_eq!(
        code(&[]).await,
        "subscription.fetch.replayid.validation.failed"
    );
    let corrupted = "subscription.fetch.replayid.corrupted";
    assert_eq!(code(&[7; 10]).await, corrupted);
    assert_eq!(code(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0]).await, corrupted);
    session.control.events().expire();
    assert_eq!(code(&event.replay_id).await, corrupted);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_salesforces_own_code() {
    let session = start().await;
    let pubsub = PubSub::connect(&session).await;
    for wanted in [0, -1] {
        let status = pubsub.follow(CONTACTS, wanted).await.error().await;
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(
            error_code(&status),
            "subscription.fetch.requested.events.invalid"
        );
        assert!(status.metadata().get("rpc-id").is_some());
    }
    for topic in [
        "/data/contactChangeEvent",
        "/event/Nothing__e",
        "/data/Low_Ink__e",
        "",
        "x",
    ] {
        let status = pubsub.follow(topic, 1).await.error().await;
        assert_eq!(status.code(), Code::NotFound, "{topic}");
        assert!(pubsub.topic(topic).await.is_err(), "{topic}");
    }
    assert_eq!(pubsub.schema("").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_call_without_a_session_of_this_org_is_unauthenticated() {
    let session = start().await;
    let whole = PubSub::connect(&session).await;
    whole.topic(CONTACTS).await.unwrap();
    for at in 0..3 {
        let mut absent = whole.clone();
        let (name, _) = absent.metadata.remove(at);
        let mut wrong = whole.clone();
        wrong.metadata[at].1 = "00DLg00000000zzMAA".to_owned();
        for (how, pubsub) in [("absent", absent), ("wrong", wrong)] {
            let status = pubsub.topic(CONTACTS).await.unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated, "{name} {how}");
            assert_eq!(error_code(&status), "service.auth.error");
        }
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_session_unless_it_gets_another() {
    let session = start().await;
    let pubsub = PubSub::connect(&session).await;
    let mut stays = pubsub.follow(CONTACTS, 1).await;
    let mut ends = pubsub.follow(CONTACTS, 5).await;
    let mut tries = pubsub.follow(CONTACTS, 5).await;
    session.control.events().subscribed(3).await;
    session.made("Contact", json!({ "LastName": "A" })).await;
    stays.take(1).await;
    let login = super::support::login(&session.http, &session.base).await;
    let second = login["access_token"].as_str().unwrap().to_owned();
    let refresh = |token: &str| FetchRequest {
        num_requested: 1,
        auth_refresh: token.to_owned(),
        ..FetchRequest::default()
    };
    stays.send(refresh(&second));
    // Nothing more was wanted, so the next event shows that the request was read.
    session.made("Contact", json!({ "LastName": "B" })).await;
    stays.take(1).await;
    stays.more(1);
    tries.send(refresh("no token"));
    let status = tries.error().await;
    assert_eq!(error_code(&status), "service.auth.refresh.invalid");
    session.control.expire_session(&session.token);
    session.control.org(|org| {
        let who = org.user(dev_org::org::ADMIN).unwrap();
        let body = json!({ "LastName": "C" });
        let options = dev_org::org::WriteOptions::default();
        org.create(&who, "Contact", body.as_object().unwrap(), &options)
            .unwrap();
    });
    let status = ends.error().await;
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(error_code(&status), "service.auth.error");
    stays.take(1).await;
}

#[tokio::test]
async fn a_channel_of_several_events_has_no_schema_of_its_own() {
    let session = start().await;
    session.made("Contact", json!({ "LastName": "A" })).await;
    session.made("Account", json!({ "Name": "B" })).await;
    let pubsub = PubSub::connect(&session).await;
    let members = ["AccountChangeEvent".to_owned()];
    let events = session.control.events();
    events.set_channel("/data/Some__chn", &members).unwrap();
    assert!(events.set_channel("/data/Some", &members).is_err());
    for (topic, count) in [(ALL, 2), ("/data/Some__chn", 1)] {
        let info = pubsub.topic(topic).await.unwrap();
        assert_eq!((info.schema_id.as_str(), info.can_publish), ("", false));
        let got = pubsub.replay(topic, 10).await.take(count).await;
        let ids: Vec<&str> = got
            .iter()
            .map(|event| event.event.as_ref().unwrap().schema_id.as_str())
            .collect();
        assert_eq!(
            ids.iter().collect::<std::collections::HashSet<_>>().len(),
            count
        );
    }
    let account = pubsub.replay("/data/Some__chn", 1).await.take(1).await;
    assert_eq!(text(&pubsub.decode(&account[0]).await, "Name"), "B");
}

#[tokio::test]
async fn one_stream_can_have_two_schema_ids_of_one_object() {
    let session = start().await;
    session.made("Contact", json!({ "LastName": "A" })).await;
    session.control.events().renew_schema("Contact").unwrap();
    session.made("Contact", json!({ "LastName": "B" })).await;
    let pubsub = PubSub::connect(&session).await;
    let events = pubsub.replay(CONTACTS, 2).await.take(2).await;
    let ids = events.iter().map(|event| event.event.as_ref().unwrap());
    let ids: Vec<&str> = ids.map(|event| event.schema_id.as_str()).collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(pubsub.topic(CONTACTS).await.unwrap().schema_id, ids[1]);
    for (event, name) in events.iter().zip(["A", "B"]) {
        let value = pubsub.decode(event).await;
        assert_eq!(text(field(&value, "Name"), "LastName"), name);
    }
}

#[tokio::test]
async fn a_field_that_is_added_while_a_stream_runs_brings_another_schema() {
    let session = start().await;
    let pubsub = PubSub::connect(&session).await;
    let mut stream = pubsub.replay(CONTACTS, 5).await;
    let id = session.made("Contact", json!({ "LastName": "A" })).await;
    let before = stream.take(1).await;
    let added = r#"[[extend]]
        object = "Contact"
        fields = [{ name = "Shoe_Size__c", type = "double", external_id = true }]"#;
    session.control.extend_schema(added).unwrap();
    assert!(session.control.extend_schema(added).is_err());
    session
        .change("Contact", &id, json!({ "Shoe_Size__c": 43 }))
        .await;
    let after = stream.take(1).await;
    let id_of = |event: &ConsumerEvent| event.event.as_ref().unwrap().schema_id.clone();
    assert_ne!(id_of(&before[0]), id_of(&after[0]));
    let value = pubsub.decode(&after[0]).await;
    assert_eq!(*field(&value, "Shoe_Size__c"), Avro::Double(43.0));
    assert_eq!(
        texts(field(&value, "ChangeEventHeader"), "recordIds"),
        [id.as_str()]
    );
    // The old one is still there for the events that have it.
    assert_eq!(
        text(field(&pubsub.decode(&before[0]).await, "Name"), "LastName"),
        "A"
    );
    let path = "/query?q=SELECT+Shoe_Size__c+FROM+Contact+WHERE+Shoe_Size__c=43";
    let (_, found) = super::support::read(session.get(path).await).await;
    assert_eq!(found["totalSize"], 1);
}

#[tokio::test]
async fn nothing_more_is_delivered_when_the_day_is_used_up() {
    let session = start().await;
    for name in ["A", "B", "C"] {
        session.made("Contact", json!({ "LastName": name })).await;
    }
    let limit = EventSwitches {
        deliveries_used: Some(9_998),
        ..EventSwitches::default()
    };
    session.control.events().set(&limit).unwrap();
    let pubsub = PubSub::connect(&session).await;
    let mut stream = pubsub.replay(CONTACTS, 10).await;
    let events = stream.take(2).await;
    assert_eq!(
        error_code(&stream.error().await),
        "subscription.limit.exceeded"
    );
    let (_, limits) = super::support::read(session.get("/limits").await).await;
    assert_eq!(limits["DailyDeliveredPlatformEvents"]["Remaining"], 0);
    let more = EventSwitches {
        deliveries_max: Some(20_000),
        ..EventSwitches::default()
    };
    session.control.events().set(&more).unwrap();
    pubsub
        .resume(CONTACTS, &events[1].replay_id, 10)
        .await
        .take(1)
        .await;
}

#[tokio::test]
async fn streams_end_when_a_test_wants_it() {
    let session = start().await;
    for name in ["A", "B", "C"] {
        session.made("Contact", json!({ "LastName": name })).await;
    }
    let pubsub = PubSub::connect(&session).await;
    let events = session.control.events();
    let after = |after_events, reset| StreamBreak {
        after_events,
        reset,
    };
    events.break_next_stream(after(2, false));
    let mut stream = pubsub.replay(CONTACTS, 10).await;
    stream.take(2).await;
    let status = stream.error().await;
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(error_code(&status), "service.unavailable");
    let mut stream = pubsub.replay(CONTACTS, 10).await;
    stream.take(3).await;
    events.end_streams(after(0, false));
    assert_eq!(error_code(&stream.error().await), "service.unavailable");
    // The connection goes with all that is on it.
    let mut stream = pubsub.replay(CONTACTS, 10).await;
    stream.take(3).await;
    events.end_streams(after(0, true));
    assert!(stream.error().await.metadata().get("error-code").is_none());
    let again = PubSub::connect(&session).await;
    again.replay(CONTACTS, 10).await.take(3).await;
}

#[tokio::test]
async fn events_stay_out_of_sight_as_long_as_a_test_wants() {
    let session = start().await;
    let pubsub = PubSub::connect(&session).await;
    let events = session.control.events();
    let mut stream = pubsub.replay(CONTACTS, 10).await;
    let hold = |hold| EventSwitches {
        hold: Some(hold),
        ..EventSwitches::default()
    };
    events.set(&hold(true)).unwrap();
    session.made("Contact", json!({ "LastName": "A" })).await;
    assert!(session.kept(CONTACTS).is_empty());
    events.set(&hold(false)).unwrap();
    stream.take(1).await;
    let delay = EventSwitches {
        delay_ms: Some(30_000),
        ..EventSwitches::default()
    };
    events.set(&delay).unwrap();
    session.made("Contact", json!({ "LastName": "B" })).await;
    assert_eq!(session.kept(CONTACTS).len(), 1);
    session.control.set_clock_offset_ms(30_000);
    let [late] = stream.take(1).await.try_into().unwrap();
    assert_eq!(
        text(field(&pubsub.decode(&late).await, "Name"), "LastName"),
        "B"
    );
}

#[tokio::test]
async fn an_event_that_comes_twice_has_the_same_id_and_another_place() {
    let session = start().await;
    session.made("Contact", json!({ "LastName": "A" })).await;
    session.control.events().repeat(CONTACTS, 1).unwrap();
    let pubsub = PubSub::connect(&session).await;
    let events = pubsub.replay(CONTACTS, 2).await.take(2).await;
    assert_eq!(events[0].event, events[1].event);
    assert_ne!(events[0].replay_id, events[1].replay_id);
}

#[tokio::test]
async fn topic_and_start_are_those_of_the_first_request() {
    let session = start().await;
    session.made("Contact", json!({ "LastName": "A" })).await;
    session.made("Account", json!({ "Name": "B" })).await;
    let pubsub = PubSub::connect(&session).await;
    let mut stream = pubsub.replay(CONTACTS, 1).await;
    stream.take(1).await;
    stream.send(fetch("/data/AccountChangeEvent", ReplayPreset::Earliest, 5));
    session.made("Contact", json!({ "LastName": "C" })).await;
    let [event] = stream.take(1).await.try_into().unwrap();
    assert_eq!(
        text(field(&pubsub.decode(&event).await, "Name"), "LastName"),
        "C"
    );
}

/// The names of the fields in bitmaps.
fn names(event: &Avro, bitmaps: &[&str]) -> Vec<String> {
    let fields = |value: &Avro| -> Vec<(String, Avro)> {
        match value {
            Avro::Record(fields) => fields.clone(),
            Avro::Union(_, inner) => match &**inner {
                Avro::Record(fields) => fields.clone(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    };
    let bits = |hex: &str| {
        let number = u128::from_str_radix(hex.strip_prefix("0x").unwrap(), 16).unwrap();
        (0..128).filter(move |bit| number >> bit & 1 == 1)
    };
    let own = fields(event);
    let mut names = Vec::new();
    for bitmap in bitmaps {
        match bitmap.split_once('-') {
            None => names.extend(bits(bitmap).map(|bit: usize| own[bit].0.clone())),
            Some((place, nested)) => {
                let (parent, value) = &own[place.parse::<usize>().unwrap()];
                let inner = fields(value);
                names.extend(bits(nested).map(|bit| format!("{parent}.{}", inner[bit].0)));
            }
        }
    }
    names
}
