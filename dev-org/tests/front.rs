//! What surrounds every request: faults, limits, the request log, sizes, gzip,
//! versions, the control API and TLS.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Read as _;

use dev_org::{Config, DevOrg, Edition, FaultKind, FaultRule};
use serde_json::{Value, json};
use support::{client, client_trusting, read, start, start_with};

fn error_fault(status: u16) -> FaultKind {
    FaultKind::Error {
        status,
        code: None,
        message: None,
        body: None,
    }
}

#[tokio::test]
async fn the_versions_are_open_free_and_without_a_limit_header() {
    let session = start().await;
    let url = format!("{}/services/data", session.base);
    let response = session.http.get(url).send().await.unwrap();
    assert!(!response.headers().contains_key("sforce-limit-info"));
    let id = response.headers()["x-sfdc-request-id"].clone();
    assert_eq!(id.len(), 32);
    assert_eq!(response.headers()["x-request-id"], id);
    let (status, body) = read(response).await;
    assert_eq!(status, 200);
    assert_eq!(body[0]["label"], "Summer '14");
    assert_eq!(body[0]["url"], "/services/data/v31.0");
    assert_eq!(session.control.quota().used, 0);
}

#[tokio::test]
async fn limits_hold_a_limit_inside_a_limit_and_count_themselves() {
    let session = start().await;
    let response = session.get("/limits").await;
    assert_eq!(response.headers()["sforce-limit-info"], "api-usage=1/15000");
    let (_, body) = read(response).await;
    assert_eq!(
        body["DailyApiRequests"],
        json!({ "Max": 15000, "Remaining": 14999 })
    );
    assert_eq!(body["PermissionSets"]["CreateCustom"]["Max"], 1000);
}

#[tokio::test]
async fn requests_without_a_good_session_answer_401() {
    let session = start().await;
    let url = format!("{}/services/data/v60.0/limits", session.base);
    let (status, body) = read(session.http.get(&url).send().await.unwrap()).await;
    assert_eq!(status, 401);
    let expired = json!([{
        "message": "Session expired or invalid",
        "errorCode": "INVALID_SESSION_ID",
    }]);
    assert_eq!(body, expired);
    session.control.expire_sessions();
    let (status, body) = read(session.get("/limits").await).await;
    assert_eq!((status, body), (401, expired));
    let basic = session.http.get(&url).basic_auth("a", Some("b"));
    let (_, body) = read(basic.send().await.unwrap()).await;
    assert_eq!(body[0]["errorCode"], "INVALID_AUTH_HEADER");
}

#[tokio::test]
async fn a_session_nobody_uses_ends_after_two_hours() {
    let session = start().await;
    session
        .control
        .set_clock_offset_ms(2 * 60 * 60 * 1000 - 60_000);
    assert_eq!(session.get("/limits").await.status(), 200);
    session.control.set_clock_offset_ms(4 * 60 * 60 * 1000);
    assert_eq!(session.get("/limits").await.status(), 401);
}

#[tokio::test]
async fn the_daily_limit_refuses_and_frees_itself_after_a_day() {
    let session = start_with(Config {
        session_ms: u64::MAX,
        ..Config::default()
    })
    .await;
    session.control.set_quota_used(14_999);
    assert_eq!(session.get("/limits").await.status(), 200);
    let response = session.get("/limits").await;
    assert!(!response.headers().contains_key("retry-after"));
    let (status, body) = read(response).await;
    assert_eq!(status, 403);
    assert_eq!(
        body,
        json!([{
            "message": "TotalRequests Limit exceeded.",
            "errorCode": "REQUEST_LIMIT_EXCEEDED",
        }])
    );
    session
        .control
        .set_clock_offset_ms(24 * 60 * 60 * 1000 + 60_000);
    assert_eq!(session.get("/limits").await.status(), 200);
}

#[tokio::test]
async fn editions_differ_in_their_daily_limit() {
    let session = start_with(Config {
        edition: Edition::Enterprise,
        licences: 3,
        ..Config::default()
    })
    .await;
    let response = session.get("/limits").await;
    assert_eq!(
        response.headers()["sforce-limit-info"],
        "api-usage=1/103000"
    );
}

#[tokio::test]
async fn an_org_that_limits_bursts_and_apps_says_so_behind_its_daily_limit() {
    let session = start().await;
    let more = "api-bursts=1/750; per-app-api-usage=17/250(appName=sample-connected-app)";
    let quota = format!("{}/__control/quota", session.base);
    let request = session.http.put(quota).json(&json!({ "more_info": more }));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let response = session.get("/limits").await;
    let info = response.headers()["sforce-limit-info"].to_str().unwrap();
    assert_eq!(info, format!("api-usage=1/15000; {more}"));
}

#[tokio::test]
async fn a_query_that_runs_too_long_is_a_fault_that_can_be_asked_for() {
    let session = start().await;
    let fault = json!({
        "kind": "error", "status": 400, "code": "QUERY_TIMEOUT", "path": "/query", "times": 1,
        "message": "Your query request was running for too long.",
    });
    let faults = format!("{}/__control/faults", session.base);
    session.http.post(faults).json(&fault).send().await.unwrap();
    let query = "/query?q=SELECT+Id+FROM+Account";
    let (status, body) = read(session.get(query).await).await;
    let expected = json!([{ "message": fault["message"], "errorCode": "QUERY_TIMEOUT" }]);
    assert_eq!((status, body), (400, expected));
    assert_eq!(session.get(query).await.status(), 200);
}

#[tokio::test]
async fn too_many_long_requests_refuse_with_their_own_message() {
    let session = start().await;
    session.control.set_concurrent_max(1);
    let hour = FaultKind::Latency { ms: 3_600_000 };
    session
        .control
        .add_fault(FaultRule::next(1, "/limits", hour));
    let slow = session.request("GET", "/limits").send();
    let slow = tokio::spawn(slow);
    while !session.control.faults().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(session.get("/limits").await.status(), 200);
    session.control.set_clock_offset_ms(20_000);
    let (status, body) = read(session.get("/limits").await).await;
    assert_eq!(status, 403);
    assert_eq!(
        body[0]["message"],
        "ConcurrentPerOrgLongTxn Limit exceeded."
    );
    slow.abort();
}

#[tokio::test]
async fn an_unknown_version_or_address_is_not_found_and_a_retired_one_gone() {
    let session = start().await;
    let status = async |path: &str| {
        let url = format!("{}{path}", session.base);
        let request = session.http.get(url).bearer_auth(&session.token);
        let (status, body) = read(request.send().await.unwrap()).await;
        (status, body[0]["errorCode"].as_str().unwrap().to_owned())
    };
    let not_found = (404, "NOT_FOUND".to_owned());
    assert_eq!(status("/services/data/v99.0/limits").await, not_found);
    assert_eq!(status("/services/data/v60.0/nothing").await, not_found);
    assert_eq!(status("/nothing").await, not_found);
    assert_eq!(status("/services/data/v20.0/limits").await.0, 410);
}

#[tokio::test]
async fn long_addresses_and_headers_answer_html() {
    let session = start().await;
    let long = format!("/limits?q={}", "x".repeat(17_000));
    let response = session.get(&long).await;
    assert_eq!(response.status(), 414);
    assert!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert_eq!(
        response.text().await.unwrap(),
        "<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>"
    );
    let response = session
        .request("GET", "/limits")
        .header("x-filler", "x".repeat(17_000))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 431);
}

#[tokio::test]
async fn answers_are_packed_for_clients_that_ask() {
    let session = start().await;
    let plain = session.get("/limits").await;
    assert!(!plain.headers().contains_key("content-encoding"));
    let packed = session
        .request("GET", "/limits")
        .header("accept-encoding", "gzip, deflate")
        .send()
        .await
        .unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let packed = packed.bytes().await.unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_ref())
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("DailyApiRequests"));
}

#[tokio::test]
async fn the_log_tells_what_came_and_what_it_cost() {
    let session = start().await;
    session.get("/limits?x=1").await;
    session.control.expire_sessions();
    session.get("/limits").await;
    let log = session.control.requests();
    assert_eq!(log.len(), 2);
    assert_eq!(log[0].path, "/services/data/v60.0/limits");
    assert_eq!(log[0].query.as_deref(), Some("x=1"));
    assert_eq!((log[0].status, log[0].counted), (200, true));
    assert_eq!(log[0].user.as_deref(), Some("admin@example.com"));
    assert_eq!((log[1].status, log[1].counted), (401, false));
}

#[tokio::test]
async fn an_injected_error_answers_with_the_body_salesforce_has_for_it() {
    let session = start().await;
    session
        .control
        .add_fault(FaultRule::next(1, "/limits", error_fault(503)));
    let (status, body) = read(session.get("/limits").await).await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (503, &json!("SERVER_UNAVAILABLE"))
    );
    assert_eq!(session.get("/limits").await.status(), 200);
    assert_eq!(session.control.requests()[0].fault, Some("error"));
}

#[tokio::test]
async fn a_dropped_connection_gives_no_answer_and_is_logged() {
    let session = start().await;
    session
        .control
        .add_fault(FaultRule::next(1, "/limits", FaultKind::Drop));
    let failed = session.request("GET", "/limits").send().await;
    assert!(failed.is_err());
    assert_eq!(session.get("/limits").await.status(), 200);
    let log = session.control.requests();
    assert_eq!((log[0].status, log[0].fault), (0, Some("drop")));
}

#[tokio::test]
async fn a_connection_dropped_afterwards_has_done_its_work() {
    let session = start().await;
    session.control.add_fault(FaultRule {
        after: true,
        ..FaultRule::next(1, "/limits", FaultKind::Drop)
    });
    assert!(session.request("GET", "/limits").send().await.is_err());
    assert_eq!(session.control.quota().used, 1);
    session.get("/limits").await;
    assert!(session.control.requests()[0].counted);
}

#[tokio::test]
async fn a_truncated_body_ends_before_its_length() {
    let session = start().await;
    let cut = FaultKind::Truncate {
        keep_bytes: Some(20),
    };
    session
        .control
        .add_fault(FaultRule::next(1, "/limits", cut));
    let mut response = session.get("/limits").await;
    assert_eq!(response.status(), 200);
    assert!(response.content_length().unwrap() > 20);
    let first = response.chunk().await.unwrap().unwrap();
    assert_eq!(first.len(), 20);
    assert!(response.chunk().await.is_err());
}

#[tokio::test]
async fn a_dripping_body_arrives_whole() {
    let session = start().await;
    let drip = FaultKind::Drip {
        bytes: 500,
        every_ms: 1,
    };
    session
        .control
        .add_fault(FaultRule::next(1, "/limits", drip));
    let (status, body) = read(session.get("/limits").await).await;
    assert_eq!(status, 200);
    assert!(body["DailyApiRequests"].is_object());
}

#[tokio::test]
async fn the_control_api_does_over_http_what_control_does() {
    let session = start().await;
    let send = async |method: &str, path: &str, body: Value| {
        let url = format!("{}/__control{path}", session.base);
        let request = session
            .http
            .request(method.parse().unwrap(), url)
            .json(&body);
        read(request.send().await.unwrap()).await
    };
    let rule = json!({ "kind": "error", "status": 500, "path": "/limits", "times": 1 });
    let (status, added) = send("POST", "/faults", rule).await;
    assert_eq!((status, added), (201, json!({ "id": 1 })));
    assert_eq!(session.get("/limits").await.status(), 500);

    let (_, quota) = send("PUT", "/quota", json!({ "max": 10, "used": 10 })).await;
    assert_eq!(quota, json!({ "max": 10, "used": 10 }));
    assert_eq!(session.get("/limits").await.status(), 403);

    send("PUT", "/latency", json!({ "ms": 1 })).await;
    assert_eq!(session.control.latency_ms(), 1);
    send("PUT", "/rotation", json!({ "on": true })).await;
    assert!(session.control.rotation());
    let (_, clock) = send("PUT", "/clock", json!({ "offset_ms": 5000 })).await;
    assert_eq!(clock["offset_ms"], 5000);
    let (_, ended) = send("POST", "/sessions/expire", json!({})).await;
    assert_eq!(ended, json!({ "ended": 1 }));
    let (_, log) = send("GET", "/log", Value::Null).await;
    assert_eq!(log.as_array().unwrap().len(), 2);
    assert_eq!(log[0]["status"], 500);
    assert_eq!(send("DELETE", "/log", Value::Null).await.0, 204);
    assert!(session.control.requests().is_empty());
    let (_, status) = send("GET", "/", Value::Null).await;
    assert_eq!(status["url"], session.base.as_str());
}

#[tokio::test]
async fn an_echo_shows_the_headers_that_arrived() {
    let session = start().await;
    let response = session
        .http
        .post(format!("{}/services/apexrest/echo?a=b", session.base))
        .bearer_auth(&session.token)
        .header("x-mine", "here")
        .body("hello")
        .send()
        .await
        .unwrap();
    let (_, shown) = read(response).await;
    assert_eq!(shown["method"], "POST");
    assert_eq!(shown["query"], "a=b");
    assert_eq!(shown["headers"]["x-mine"], "here");
    let bearer = format!("Bearer {}", session.token);
    assert_eq!(shown["headers"]["authorization"], bearer.as_str());
    assert_eq!(shown["body"], "hello");
}

#[tokio::test]
async fn https_works_for_a_client_that_trusts_the_written_ca() {
    let folder = tempfile::tempdir().unwrap();
    let org = DevOrg::start(Config {
        tls: true,
        ca_dir: Some(folder.path().to_owned()),
        ..Config::default()
    })
    .await
    .unwrap();
    assert!(org.url().starts_with("https://127.0.0.1:"));
    let pem = std::fs::read(org.ca_pem_path().unwrap()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    for certificate in pem_certificates(&pem) {
        roots.add(certificate).unwrap();
    }
    let trusting = client_trusting(roots);
    let port = org.addr().port();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("https://{host}:{port}/services/data");
        assert_eq!(trusting.get(url).send().await.unwrap().status(), 200);
    }
    org.stop().await;
}

fn pem_certificates(pem: &[u8]) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .unwrap()
}

#[tokio::test]
async fn stopping_lets_a_running_answer_end_and_frees_the_port() {
    let org = DevOrg::start(Config::default()).await.unwrap();
    let addr = org.addr();
    let control = org.control();
    let url = format!("{}/services/data", org.url());
    let slow = FaultKind::Latency { ms: 50 };
    control.add_fault(FaultRule::next(1, "/services/data", slow));
    let answer = tokio::spawn(client().get(url).send());
    while !control.faults().is_empty() {
        tokio::task::yield_now().await;
    }
    org.stop().await;
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    drop(tokio::net::TcpListener::bind(addr).await.unwrap());
}
