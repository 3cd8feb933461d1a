//! Outbound messages, received by a server of the tests' own.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use dev_org::OutboundMessage;
use serde_json::json;
use support::{Session, read, start};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A receiver that tells of what came, and answers as it was told.
struct Receiver {
    endpoint: String,
    messages: mpsc::UnboundedReceiver<String>,
    answers: Answers,
}

/// Status and word of the next answers; then 200 and `true`.
type Answers = Arc<Mutex<VecDeque<(u16, &'static str)>>>;

#[derive(Clone)]
struct Desk {
    messages: mpsc::UnboundedSender<String>,
    answers: Answers,
}

impl Receiver {
    async fn open() -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        let answers = Answers::default();
        let desk = Desk {
            messages: sender,
            answers: Arc::clone(&answers),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/secret/om?a=1", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/secret/om", post(receive))
            .with_state(desk);
        // Ends with the runtime of its test.
        tokio::spawn(async move { serve(listener, router).await });
        Self {
            endpoint,
            messages,
            answers,
        }
    }

    fn message(&self, object: &str, fields: &[&str], send_session_id: bool) -> OutboundMessage {
        OutboundMessage {
            object: object.to_owned(),
            endpoint: self.endpoint.clone(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            send_session_id,
        }
    }

    /// Answers the next messages so.
    fn answer(&self, answers: &[(u16, &'static str)]) {
        self.answers.lock().unwrap().extend(answers);
    }

    async fn next(&mut self) -> String {
        self.messages.recv().await.unwrap()
    }
}

async fn serve(listener: TcpListener, router: Router) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let io = hyper_util::rt::TokioIo::new(stream);
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
    }
}

async fn receive(State(desk): State<Desk>, headers: HeaderMap, body: String) -> Response {
    assert_eq!(headers["soapaction"], "\"\"");
    assert!(
        headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/xml")
    );
    desk.messages.send(body).unwrap();
    let (status, word) = desk
        .answers
        .lock()
        .unwrap()
        .pop_front()
        .unwrap_or((200, "true"));
    let text = format!(
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>\
         <notificationsResponse xmlns=\"http://soap.sforce.com/2005/09/outbound\"><Ack>{word}</Ack>\
         </notificationsResponse></soapenv:Body></soapenv:Envelope>"
    );
    (StatusCode::from_u16(status).unwrap(), text).into_response()
}

async fn made(session: &Session, object: &str, body: serde_json::Value) -> String {
    let path = format!("/sobjects/{object}");
    let (status, body) = read(session.send("POST", &path, &body).await).await;
    assert_eq!(status, 201, "{body}");
    body["id"].as_str().unwrap().to_owned()
}

/// The text of every element of a name.
fn all<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let parts = text.split(&start).skip(1);
    parts.map(|part| part.split(&end).next().unwrap()).collect()
}

#[tokio::test]
async fn a_saved_record_is_told_by_soap_and_acknowledged() {
    let session = start().await;
    let mut receiver = Receiver::open().await;
    let message = receiver.message("Lead", &["Company", "IsConverted", "Phone"], false);
    session
        .control
        .set_outbound_messages(vec![message])
        .unwrap();
    let body = json!({ "LastName": "Doe", "Company": "A & B <C>" });
    let id = made(&session, "Lead", body).await;
    let first = receiver.next().await;
    let organization = session.control.org(|org| org.organization_id().to_string());
    assert_eq!(all(&first, "OrganizationId"), [organization.as_str()]);
    assert!(first.contains("<SessionId xsi:nil=\"true\"/>"));
    assert!(first.contains("xsi:type=\"sf:Lead\""));
    assert_eq!(all(&first, "sf:Id"), [id.as_str()]);
    assert_eq!(all(&first, "sf:Company"), ["A &amp; B &lt;C&gt;"]);
    assert_eq!(all(&first, "sf:IsConverted"), ["false"]);
    assert!(!first.contains("sf:Phone"));
    assert!(all(&first, "ActionId")[0].starts_with("04k"));
    let path = format!("/sobjects/Lead/{id}");
    session
        .send("PATCH", &path, &json!({ "Company": "One" }))
        .await;
    let second = receiver.next().await;
    assert_eq!(all(&second, "sf:Company"), ["One"]);
    assert_ne!(all(&first, "Id"), all(&second, "Id"));
    // Neither a deleted record nor one of another object is told of.
    session.request("DELETE", &path).send().await.unwrap();
    made(&session, "Contact", json!({ "LastName": "Doe" })).await;
    session.control.outbound_settled().await;
    assert_eq!(session.control.outbound_counts().delivered, 2);
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_under_the_same_id() {
    let session = start().await;
    let mut receiver = Receiver::open().await;
    let message = receiver.message("Account", &["Name"], false);
    session
        .control
        .set_outbound_messages(vec![message])
        .unwrap();
    receiver.answer(&[(200, "false"), (500, "true")]);
    let id = made(&session, "Account", json!({ "Name": "A" })).await;
    let first = receiver.next().await;
    let mut offset_ms = 0;
    for wait_ms in [16_000, 31_000] {
        // The wait begins when the answer was read.
        session.control.outbound_waiting(1).await;
        offset_ms += wait_ms;
        session.control.set_clock_offset_ms(offset_ms);
        let again = receiver.next().await;
        assert_eq!(all(&again, "Id"), all(&first, "Id"));
        assert_eq!(all(&again, "sf:Id"), [id.as_str()]);
    }
    session.control.outbound_settled().await;
    let counts = session.control.outbound_counts();
    assert_eq!(
        (counts.pending, counts.delivered, counts.dropped),
        (0, 1, 0)
    );
}

#[tokio::test]
async fn many_records_of_one_request_go_in_messages_of_a_hundred() {
    let session = start().await;
    let mut receiver = Receiver::open().await;
    let message = receiver.message("Account", &[], true);
    session
        .control
        .set_outbound_messages(vec![message])
        .unwrap();
    let record =
        |number| json!({ "attributes": { "type": "Account" }, "Name": format!("{number}") });
    let records: Vec<_> = (0..130).map(record).collect();
    session
        .send(
            "POST",
            "/composite/sobjects",
            &json!({ "records": records }),
        )
        .await;
    session.control.outbound_settled().await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    let counts = [&first, &second].map(|message| message.matches("<Notification>").count());
    assert_eq!(counts, [100, 30]);
    // The session is one that works.
    let token = all(&first, "SessionId")[0];
    let url = format!("{}/services/data/v60.0/limits", session.base);
    let answer = session
        .http
        .get(url)
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_receiver_that_is_not_there_for_a_day_never_hears_of_it() {
    let session = start().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/", gone.local_addr().unwrap());
    drop(gone);
    let message = OutboundMessage {
        object: "Account".to_owned(),
        endpoint,
        fields: Vec::new(),
        send_session_id: false,
    };
    session
        .control
        .set_outbound_messages(vec![message.clone()])
        .unwrap();
    made(&session, "Account", json!({ "Name": "A" })).await;
    session.control.set_clock_offset_ms(24 * 3_600_000);
    session.control.outbound_settled().await;
    assert_eq!(session.control.outbound_counts().dropped, 1);
    for (object, endpoint, field) in [
        ("Nothing", "http://127.0.0.1:1/", "Name"),
        ("Account", "https://127.0.0.1:1/", "Name"),
        ("Account", "http://127.0.0.1:1/", "Nothing"),
    ] {
        let wrong = OutboundMessage {
            object: object.to_owned(),
            endpoint: endpoint.to_owned(),
            fields: vec![field.to_owned()],
            ..message.clone()
        };
        assert!(session.control.set_outbound_messages(vec![wrong]).is_err());
    }
    assert_eq!(session.control.outbound_messages(), [message]);
}
