//! Several requests in one.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::json;
use support::{read, start};

#[tokio::test]
async fn each_request_of_a_batch_has_its_own_answer_and_only_the_batch_counts() {
    let session = start().await;
    let used = session.control.quota().used;
    let body = json!({ "batchRequests": [
        { "method": "POST", "url": "v60.0/sobjects/Account", "richInput": { "Name": "A" } },
        { "method": "GET", "url": "v60.0/query?q=SELECT+Name+FROM+Account" },
        { "method": "GET", "url": "v60.0/query?q=SELECT+Nope+FROM+Account" },
    ] });
    let (status, answer) = read(session.send("POST", "/composite/batch", &body).await).await;
    assert_eq!((status, &answer["hasErrors"]), (200, &json!(true)));
    let results = answer["results"].as_array().unwrap();
    let statuses: Vec<_> = results
        .iter()
        .map(|result| result["statusCode"].as_u64())
        .collect();
    assert_eq!(statuses, [Some(201), Some(200), Some(400)]);
    assert_eq!(results[1]["result"]["records"][0]["Name"], json!("A"));
    assert_eq!(results[2]["result"][0]["errorCode"], json!("INVALID_FIELD"));
    assert_eq!(session.control.quota().used, used + 1);
}

#[tokio::test]
async fn a_batch_halts_where_it_was_told_to_and_has_its_limit() {
    let session = start().await;
    let part = json!({ "method": "GET", "url": "v60.0/sobjects/Nope/describe" });
    let body = json!({ "haltOnError": true, "batchRequests": [part, part] });
    let (_, answer) = read(session.send("POST", "/composite/batch", &body).await).await;
    assert_eq!(answer["results"][0]["statusCode"], json!(404));
    assert_eq!(answer["results"][1]["statusCode"], json!(412));
    let body = json!({ "batchRequests": vec![part; 26] });
    let (status, _) = read(session.send("POST", "/composite/batch", &body).await).await;
    assert_eq!(status, 400);
}
