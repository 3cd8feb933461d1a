//! The Streaming API as a Bayeux client speaks it: the same events as JSON, by
//! long polling.

use dev_org::{EventSwitches, StreamBreak};
use serde_json::{Value, json};

use super::client::start;
use super::support::Session;

const CONTACTS: &str = "/data/ContactChangeEvent";

/// A client that shook hands.
struct Bayeux<'s> {
    session: &'s Session,
    id: String,
    cookie: String,
}

impl<'s> Bayeux<'s> {
    async fn of(session: &'s Session) -> Self {
        let hello = json!([{ "channel": "/meta/handshake", "id": "1", "version": "1.0",
            "minimumVersion": "1.0", "supportedConnectionTypes": ["long-polling"],
            "ext": { "replay": true } }]);
        let response = post(session, "/cometd/60.0", &session.token, "", &hello).await;
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer[0]["successful"], true);
        assert_eq!(answer[0]["id"], "1");
        assert_eq!(answer[0]["ext"]["replay"], true);
        let bayeux = Self {
            session,
            id: answer[0]["clientId"].as_str().unwrap().to_owned(),
            cookie,
        };
        // The first connect is answered at once.
        let answer = bayeux.connect().await;
        let advice = json!({ "reconnect": "retry", "interval": 0, "timeout": 110_000 });
        assert_eq!(
            answer,
            [json!({ "channel": "/meta/connect", "clientId": bayeux.id,
            "successful": true, "advice": advice })]
        );
        bayeux
    }

    async fn send(&self, mut message: Value) -> Vec<Value> {
        message["clientId"] = json!(self.id);
        let (session, token) = (self.session, &self.session.token);
        let messages = json!([message]);
        let response = post(session, "/cometd/60.0", token, &self.cookie, &messages).await;
        response.json().await.unwrap()
    }

    async fn connect(&self) -> Vec<Value> {
        let message = json!({ "channel": "/meta/connect", "connectionType": "long-polling" });
        self.send(message).await
    }

    async fn subscribe(&self, channel: &str, replay: i64) -> Value {
        let message = json!({ "channel": "/meta/subscribe", "subscription": channel,
            "ext": { "replay": { channel: replay } } });
        self.send(message).await.remove(0)
    }

    /// The events of the next connect.
    async fn events(&self) -> Vec<Value> {
        let mut answers = self.connect().await;
        let connected = answers.pop().unwrap();
        assert_eq!(connected["successful"], true, "{connected}");
        answers
    }
}

async fn post(
    session: &Session,
    path: &str,
    token: &str,
    cookie: &str,
    messages: &Value,
) -> reqwest::Response {
    let request = session.http.post(format!("{}{path}", session.base));
    let request = request.header("authorization", format!("OAuth {token}"));
    request
        .header("cookie", cookie)
        .json(messages)
        .send()
        .await
        .unwrap()
}

fn name(event: &Value) -> &str {
    event["data"]["payload"]["Name"]["LastName"]
        .as_str()
        .unwrap()
}

#[tokio::test]
async fn events_arrive_on_their_channel_while_a_connect_waits() {
    let session = start().await;
    let bayeux = Bayeux::of(&session).await;
    let done = bayeux.subscribe(CONTACTS, -1).await;
    assert_eq!(
        (&done["successful"], &done["subscription"]),
        (&json!(true), &json!(CONTACTS))
    );
    let made = session.made("Contact", json!({ "LastName": "A" }));
    let (events, id) = tokio::join!(bayeux.events(), made);
    let [event] = events.try_into().unwrap();
    assert_eq!(event["channel"], CONTACTS);
    assert_eq!(name(&event), "A");
    let header = &event["data"]["payload"]["ChangeEventHeader"];
    assert_eq!(header["recordIds"], json!([id]));
    assert_eq!(event["data"], session.kept(CONTACTS)[0]);
    bayeux
        .send(json!({ "channel": "/meta/unsubscribe", "subscription": CONTACTS }))
        .await;
    bayeux.subscribe("/event/Low_Ink__e", -1).await;
    session.made("Contact", json!({ "LastName": "B" })).await;
    session
        .made("Low_Ink__e", json!({ "Printer_Model__c": "X" }))
        .await;
    let [event] = bayeux.events().await.try_into().unwrap();
    assert_eq!(event["channel"], "/event/Low_Ink__e");
    assert_eq!(event["data"]["payload"]["Printer_Model__c"], "X");
}

#[tokio::test]
async fn a_subscription_begins_where_its_replay_says() {
    let session = start().await;
    for name in ["A", "B"] {
        session.made("Contact", json!({ "LastName": name })).await;
    }
    let kept = session.kept(CONTACTS);
    let id = kept[0]["event"]["replayId"].as_i64().unwrap();
    for (replay, wanted) in [(-2, vec!["A", "B"]), (id, vec!["B"])] {
        let bayeux = Bayeux::of(&session).await;
        bayeux.subscribe(CONTACTS, replay).await;
        let events = bayeux.events().await;
        assert_eq!(events.iter().map(name).collect::<Vec<_>>(), wanted);
    }
    session.control.events().expire();
    let bayeux = Bayeux::of(&session).await;
    let refused = bayeux.subscribe(CONTACTS, id).await;
    assert_eq!(refused["successful"], false);
    let error = format!(
        "400::The replayId {{{id}}} you provided was invalid.  Please provide a valid ID, -2 to \
         replay all events, or -1 to replay only new events."
    );
    assert_eq!(refused["error"], error);
}

#[tokio::test]
async fn a_quiet_connect_ends_after_a_while_and_a_client_that_stays_away_is_forgotten() {
    let session = start().await;
    let bayeux = Bayeux::of(&session).await;
    bayeux.subscribe(CONTACTS, -1).await;
    let minutes_later = async {
        session.control.events().subscribed(1).await;
        session.control.set_clock_offset_ms(110_001);
    };
    let (events, ()) = tokio::join!(bayeux.events(), minutes_later);
    assert!(events.is_empty());
    // It has as long again to come back, and 40 seconds after events.
    session.control.set_clock_offset_ms(2 * 109_000);
    session.made("Contact", json!({ "LastName": "A" })).await;
    assert_eq!(bayeux.events().await.len(), 1);
    session.control.set_clock_offset_ms(2 * 109_000 + 41_000);
    let [refused] = bayeux.connect().await.try_into().unwrap();
    assert_eq!(refused["error"], "403::Unknown client");
    assert_eq!(refused["advice"]["reconnect"], "handshake");
}

#[tokio::test]
async fn who_has_no_session_no_cookie_or_another_version_is_told_so() {
    let session = start().await;
    let hello = json!([{ "channel": "/meta/handshake", "version": "1.0" }]);
    let answer = async |path: &str, token: &str, cookie: &str, messages: &Value| -> Value {
        let response = post(&session, path, token, cookie, messages).await;
        response.json::<Value>().await.unwrap()[0].take()
    };
    let denied = answer("/cometd/60.0", "wrong", "", &hello).await;
    assert_eq!(denied["error"], "403::Handshake denied");
    assert_eq!(denied["advice"]["reconnect"], "none");
    let reason = &denied["ext"]["sfdc"]["failureReason"];
    assert_eq!(reason, "401::Authentication invalid");
    let old = answer("/cometd/22.0", &session.token, "", &hello).await;
    assert!(
        old["error"]
            .as_str()
            .unwrap()
            .starts_with("400::Unsupported API version")
    );
    let none = answer("/cometd", &session.token, "", &hello).await;
    assert!(
        none["error"]
            .as_str()
            .unwrap()
            .starts_with("400::API version in the URI")
    );
    let bayeux = Bayeux::of(&session).await;
    let connect = json!([{ "channel": "/meta/connect", "clientId": bayeux.id,
        "connectionType": "long-polling" }]);
    let lost = answer("/cometd/60.0", &session.token, "", &connect).await;
    assert_eq!(lost["error"], "403::Unknown client");
    let nowhere = bayeux.subscribe("/event/Nothing__e", -1).await;
    let error = "400::The channel you requested to subscribe to does not exist {/event/Nothing__e}";
    assert_eq!(nowhere["error"], error);
    session.control.expire_sessions();
    let refused = bayeux.connect().await.remove(0);
    assert_eq!(refused["error"], "401::Authentication invalid");
    assert_eq!(refused["advice"]["reconnect"], "none");
}

#[tokio::test]
async fn a_client_is_forgotten_when_a_test_wants_it() {
    let session = start().await;
    for name in ["A", "B"] {
        session.made("Contact", json!({ "LastName": name })).await;
    }
    let events = session.control.events();
    events.break_next_stream(StreamBreak {
        after_events: 1,
        reset: false,
    });
    let bayeux = Bayeux::of(&session).await;
    bayeux.subscribe(CONTACTS, -2).await;
    assert_eq!(bayeux.events().await.len(), 1);
    assert_eq!(bayeux.connect().await[0]["error"], "403::Unknown client");
    let bayeux = Bayeux::of(&session).await;
    bayeux.subscribe(CONTACTS, -2).await;
    assert_eq!(bayeux.events().await.len(), 2);
    events.end_streams(StreamBreak::default());
    assert_eq!(bayeux.connect().await[0]["error"], "403::Unknown client");
    let used_up = EventSwitches {
        deliveries_max: Some(0),
        ..EventSwitches::default()
    };
    let poor = Bayeux::of(&session).await;
    events.set(&used_up).unwrap();
    poor.subscribe(CONTACTS, -2).await;
    let error = "403::Organization total events daily limit exceeded";
    assert_eq!(poor.connect().await[0]["error"], error);
    let bye = Bayeux::of(&session).await;
    bye.send(json!({ "channel": "/meta/disconnect" })).await;
    assert_eq!(bye.connect().await[0]["error"], "403::Unknown client");
}
