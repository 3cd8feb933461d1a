//! Who sees the results of jobs, and how they travel.

use std::io::Read as _;

use serde_json::json;

use super::client::{new, start};
use super::support::{Session, code, read};

/// Logs in as the standard user.
async fn as_standard_user(session: &Session) -> String {
    session.control.register_app(dev_org::App {
        run_as: Some("leads@example.com".to_owned()),
        ..dev_org::App::new("other", "secret")
    });
    let answer = session
        .http
        .post(format!("{}/services/oauth2/token", session.base))
        .form(&[
            ("grant_type", "client_credentials"),
            ("client_id", "other"),
            ("client_secret", "secret"),
        ])
        .send()
        .await
        .unwrap();
    let (_, answer) = read(answer).await;
    answer["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_job_is_seen_by_all_and_its_rows_by_its_user() {
    let mut session = start().await;
    let done = session.load(new("insert", "Account"), "Name\nA\n").await;
    session.token = as_standard_user(&session).await;
    let path = format!("/jobs/ingest/{}", done.id);
    assert_eq!(session.get(&path).await.status(), 200);
    for part in ["successfulResults", "failedResults", "unprocessedrecords"] {
        let (status, body) = read(session.get(&format!("{path}/{part}")).await).await;
        assert_eq!((status, code(&body)), (403, "INVALIDUSER"), "{part}");
    }
}

#[tokio::test]
async fn a_query_job_sees_what_its_user_sees() {
    let mut session = start().await;
    session.control.org(|org| {
        org.change_user("leads@example.com", |user| {
            user.hide_field("Account", "Phone")
        });
    });
    session.token = as_standard_user(&session).await;
    let job = json!({ "operation": "query", "query": "SELECT Phone FROM Account" });
    let (status, body) = read(session.send("POST", "/jobs/query", &job).await).await;
    assert_eq!((status, code(&body)), (400, "INVALID_FIELD"));
}

#[tokio::test]
async fn results_are_packed_for_those_who_take_it() {
    let session = start().await;
    let rows: String = (0..300).map(|row| format!("Account {row}\n")).collect();
    let done = session
        .load(new("insert", "Account"), &format!("Name\n{rows}"))
        .await;
    let path = format!("/jobs/ingest/{}/successfulResults", done.id);
    let request = session
        .request("GET", &path)
        .header("accept-encoding", "gzip");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let packed = response.bytes().await.unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text.lines().count(), 301);
}

#[tokio::test]
async fn packed_data_is_unpacked() {
    use std::io::Write as _;
    let session = start().await;
    let job = session.new_job("ingest", &new("insert", "Account")).await;
    let id = job["id"].as_str().unwrap();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(b"Name\nPacked\n").unwrap();
    let request = session
        .request("PUT", &format!("/jobs/ingest/{id}/batches"))
        .header("content-type", "text/csv; charset=UTF-8")
        .header("content-encoding", "gzip")
        .body(packer.finish().unwrap());
    assert_eq!(request.send().await.unwrap().status(), 201);
    session.set_state("ingest", id, "UploadComplete").await;
    session.control.bulk().settled().await;
    assert_eq!(session.done(id.to_owned()).await.successful.len(), 1);
}

#[tokio::test]
async fn data_that_would_be_more_than_150_megabytes_as_base64_is_refused() {
    let session = start().await;
    let job = session.new_job("ingest", &new("insert", "Account")).await;
    let path = format!("/jobs/ingest/{}/batches", job["id"].as_str().unwrap());
    let body = vec![b'x'; 150 * 1024 * 1024 / 4 * 3 + 1];
    let request = session
        .request("PUT", &path)
        .header("content-type", "text/csv")
        .body(body);
    match request.send().await {
        Ok(response) => assert_eq!(response.status(), 413),
        // The connection may be closed while the data is still on its way.
        Err(error) => assert!(error.is_request() || error.is_body(), "{error}"),
    }
    assert!(
        session
            .control
            .requests()
            .iter()
            .any(|request| request.status == 413)
    );
}
