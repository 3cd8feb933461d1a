//! Webhooks of a product: what a connector makes of a request is sent and kept whole or
//! not at all, and no request holds it up.

use bytes::Bytes;
use http::Request;
use lockgate::{Blame, Connection, Error, Event, Limit, Received};
use lockgate_tests::loopback::Loopback;
use serde_json::{Value as Json, json};

use crate::attack::{connector, is_plain, stopped_by};

fn request(command: &str) -> Request<Bytes> {
    Request::post("/hooks/a-secret-path?a=%20b")
        .header("Content-Type", "text/plain")
        .header("Cookie", "session=secret")
        .body(Bytes::from(command.to_owned()))
        .unwrap()
}

async fn receive(crm: &Connection, command: &str) -> Result<Received, Error> {
    crm.receive(&request(command)).await
}

/// Shows that the host still serves.
async fn still_serves(crm: &Connection) {
    let received = receive(crm, "tell 2").await.unwrap();
    let Received::Accepted { events, answer } = received else {
        panic!("{received:?}");
    };
    let ids: Vec<&str> = events.iter().map(Event::id).collect();
    assert_eq!(ids, ["event-1", "event-2"]);
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (200, &b"told"[..])
    );
    assert_eq!(answer.headers()["content-type"], "text/plain");
}

#[tokio::test]
async fn a_connector_sees_the_request_without_its_path_and_its_cookies() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let Received::Accepted { events, answer } = receive(&crm, "show").await.unwrap() else {
        panic!("it is refused");
    };
    assert!(events.is_empty());
    let seen: Json = serde_json::from_slice(answer.body()).unwrap();
    let headers = json!(["content-type: text/plain"]);
    let expected = json!({"method": "POST", "query": "a=%20b", "headers": headers});
    assert_eq!(seen, expected);
    still_serves(&crm).await;
}

#[tokio::test]
async fn nothing_of_an_answer_or_of_events_that_lie_is_taken() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for kind in [
        "status-low",
        "status-high",
        "type-forged",
        "type-long",
        "body-long",
        "flood",
        "refuse-with-success",
        "no-id",
        "forging-id",
        "no-records",
        "late",
    ] {
        let error = receive(&crm, &format!("lie {kind}")).await.unwrap_err();
        let is_broken = matches!(error, Error::BrokenContract { .. });
        assert!(is_broken, "{kind}: {error:?}");
        assert_eq!(error.blame(), Blame::Guest);
        let text = error.to_string();
        assert!(text.len() < 1_500 && is_plain(&text), "{kind}: {text}");
    }
    for kind in ["payload-cut", "fields-utf8"] {
        let error = receive(&crm, &format!("lie {kind}")).await.unwrap_err();
        assert!(
            matches!(error, Error::Unexpected { .. }),
            "{kind}: {error:?}"
        );
    }
    still_serves(&crm).await;
}

#[tokio::test]
async fn the_reason_of_a_refusal_is_short_and_plain() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let Received::Refused { reason, answer } = receive(&crm, "refuse").await.unwrap() else {
        panic!("it is accepted");
    };
    assert!(reason.len() < 1_500 && is_plain(&reason), "{reason}");
    assert_eq!((answer.status().as_u16(), answer.body().len()), (403, 0));
}

#[tokio::test]
async fn a_connector_that_fails_crashes_or_spins_is_an_error_and_no_answer() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let error = receive(&crm, "fail unavailable-soon").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    let error = receive(&crm, "do panic").await.unwrap_err();
    assert!(matches!(error, Error::Crashed { .. }), "{error:?}");
    let error = receive(&crm, "do spin").await;
    assert_eq!(stopped_by(error).0, Limit::Cpu);
    still_serves(&crm).await;
}

#[tokio::test]
async fn a_request_that_a_connector_looks_at_for_too_long_is_given_up() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("wall_ms = 500")).await;
    let (limit, allowed) = stopped_by(receive(&crm, "do wait 60000").await);
    assert_eq!((limit, allowed.as_str()), (Limit::Wall, "500 ms"));
    still_serves(&crm).await;
}
