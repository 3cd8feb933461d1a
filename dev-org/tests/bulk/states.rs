//! States of jobs: what each lets happen, who may change them, and what time
//! does to them.

use dev_org::{BulkHold, BulkJobState as State};
use serde_json::json;

use super::client::{new, start};
use super::support::{client, code, read};

/// 24 hours.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[tokio::test]
async fn a_job_shows_every_state_on_its_way() {
    let session = start().await;
    let bulk = session.control.bulk();
    for state in [State::UploadComplete, State::InProgress] {
        bulk.hold(BulkHold {
            state,
            after_rows: 0,
        });
    }
    let id = session.begin(new("insert", "Account"), "Name\nA\n").await;
    bulk.settled().await;
    assert_eq!(session.job("ingest", &id).await["state"], "UploadComplete");
    bulk.release(Some(State::UploadComplete));
    bulk.settled().await;
    assert_eq!(session.job("ingest", &id).await["state"], "InProgress");
    let early = session
        .get(&format!("/jobs/ingest/{id}/successfulResults"))
        .await;
    let (status, body) = read(early).await;
    assert_eq!((status, code(&body)), (400, "INVALIDJOBSTATE"));
    bulk.release(None);
    bulk.settled().await;
    assert_eq!(session.job("ingest", &id).await["state"], "JobComplete");
}

#[tokio::test]
async fn data_comes_once() {
    let session = start().await;
    let job = session.new_job("ingest", &new("insert", "Account")).await;
    let id = job["id"].as_str().unwrap();
    assert_eq!(session.put(id, "Name\nA\n").await.0, 201);
    let (status, body) = session.put(id, "Name\nB\n").await;
    assert_eq!(status, 400);
    let message = body[0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("Found multiple contents for job: <750"),
        "{message}"
    );
    session.set_state("ingest", id, "UploadComplete").await;
    session.control.bulk().settled().await;
    let (status, body) = session.put(id, "Name\nC\n").await;
    assert_eq!((status, code(&body)), (400, "INVALIDJOBSTATE"));
    let (status, _) = session.set_state("ingest", id, "UploadComplete").await;
    assert_eq!(status, 400);
    assert_eq!(session.select("SELECT Id FROM Account").await.len(), 1);
}

#[tokio::test]
async fn data_has_to_say_that_it_is_csv() {
    let session = start().await;
    let job = session.new_job("ingest", &new("insert", "Account")).await;
    let path = format!("/jobs/ingest/{}/batches", job["id"].as_str().unwrap());
    let request = session.request("PUT", &path);
    let request = request.header("content-type", "application/json");
    let (status, body) = read(request.body("Name\nA\n").send().await.unwrap()).await;
    assert_eq!((status, code(&body)), (415, "UNSUPPORTED_MEDIA_TYPE"));
}

#[tokio::test]
async fn a_small_job_comes_with_its_data_and_closes_itself() {
    let session = start().await;
    let send = async |content: &str| {
        let body = format!(
            "--B\r\nContent-Type: application/json\r\nContent-Disposition: form-data; \
             name=\"job\"\r\n\r\n{{\"object\":\"Account\",\"operation\":\"insert\"}}\r\n--B\r\n\
             Content-Type: text/csv\r\nContent-Disposition: form-data; name=\"content\"; \
             filename=\"content\"\r\n\r\n{content}\r\n--B--\r\n"
        );
        let request = session
            .request("POST", "/jobs/ingest")
            .header("content-type", "multipart/form-data; boundary=B")
            .body(body);
        read(request.send().await.unwrap()).await
    };
    let (status, job) = send("Name\nA\nB\n").await;
    assert_eq!((status, &job["state"]), (200, &json!("UploadComplete")));
    session.control.bulk().settled().await;
    let done = session.done(job["id"].as_str().unwrap().to_owned()).await;
    assert_eq!(done.successful.len(), 2);
    let (status, _) = send(&format!("Name\n{}\n", "x".repeat(100_000))).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn an_aborted_job_keeps_what_it_wrote_and_gives_the_rest_back() {
    let session = start().await;
    let bulk = session.control.bulk();
    bulk.hold(BulkHold {
        state: State::InProgress,
        after_rows: 2,
    });
    let csv = "Name\nA\nB\nC\n\"D\n\"\n";
    let id = session.begin(new("insert", "Account"), csv).await;
    bulk.settled().await;
    let (status, body) = read(
        session
            .request("DELETE", &format!("/jobs/ingest/{id}"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!((status, code(&body)), (400, "INVALIDJOBSTATE"));
    let (status, job) = session.set_state("ingest", &id, "Aborted").await;
    assert_eq!((status, &job["state"]), (200, &json!("Aborted")));
    bulk.release(None);
    let done = session.done(id.clone()).await;
    assert_eq!(done.job["numberRecordsProcessed"], 2);
    assert_eq!(done.successful.len(), 2);
    assert_eq!(done.unprocessed, "Name\nC\n\"D\n\"\n");
    assert_eq!(session.select("SELECT Id FROM Account").await.len(), 2);
    let (status, body) = session.set_state("ingest", &id, "Aborted").await;
    assert_eq!((status, code(&body)), (400, "INVALIDJOBSTATE"));
    assert_eq!(
        body[0]["message"],
        "Aborting already Aborted Job not allowed"
    );
    assert!(body[0].get("fields").is_none());
}

#[tokio::test]
async fn a_finished_job_cannot_be_aborted_and_can_be_deleted() {
    let session = start().await;
    let done = session.load(new("insert", "Account"), "Name\nA\n").await;
    let (status, body) = session.set_state("ingest", &done.id, "Aborted").await;
    assert_eq!(
        (status, &body),
        (
            400,
            &json!([{
                "message": "Aborting already Completed Job not allowed",
                "errorCode": "INVALIDJOBSTATE",
            }])
        )
    );
    let path = format!("/jobs/ingest/{}", done.id);
    let delete = async || {
        session
            .request("DELETE", &path)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(delete().await, 204);
    assert_eq!(delete().await, 404);
    let (status, body) = read(session.get(&path).await).await;
    assert_eq!((status, code(&body)), (404, "NOT_FOUND"));
    assert_eq!(session.select("SELECT Id FROM Account").await.len(), 1);
}

#[tokio::test]
async fn a_job_that_waits_to_be_worked_on_can_be_deleted() {
    let session = start().await;
    let bulk = session.control.bulk();
    bulk.hold(BulkHold {
        state: State::UploadComplete,
        after_rows: 0,
    });
    let id = session.begin(new("insert", "Account"), "Name\nA\n").await;
    let path = format!("/jobs/ingest/{id}");
    let response = session.request("DELETE", &path).send().await.unwrap();
    assert_eq!(response.status(), 204);
    bulk.release(None);
    bulk.settled().await;
    assert!(session.select("SELECT Id FROM Account").await.is_empty());
}

#[tokio::test]
async fn an_open_job_is_given_up_after_a_day_and_a_finished_one_forgotten_after_seven() {
    let session = start().await;
    let open = session.new_job("ingest", &new("insert", "Account")).await;
    let open = open["id"].as_str().unwrap();
    let done = session.load(new("insert", "Account"), "Name\nA\n").await;
    session.control.set_clock_offset_ms(DAY_MS);
    let session = log_in_again(session).await;
    assert_eq!(session.job("ingest", open).await["state"], "Aborted");
    session.control.set_clock_offset_ms(8 * DAY_MS);
    let session = log_in_again(session).await;
    for id in [open, &done.id] {
        assert_eq!(
            session.get(&format!("/jobs/ingest/{id}")).await.status(),
            404
        );
    }
}

async fn log_in_again(session: super::support::Session) -> super::support::Session {
    let answer = super::support::login(&client(), &session.base).await;
    super::support::Session {
        token: answer["access_token"].as_str().unwrap().to_owned(),
        ..session
    }
}

#[tokio::test]
async fn a_job_outlives_the_session_that_made_it() {
    let session = start().await;
    let bulk = session.control.bulk();
    bulk.hold(BulkHold {
        state: State::InProgress,
        after_rows: 1,
    });
    let id = session
        .begin(new("insert", "Account"), "Name\nA\nB\n")
        .await;
    bulk.settled().await;
    session.control.expire_sessions();
    let (status, body) = read(session.get(&format!("/jobs/ingest/{id}")).await).await;
    assert_eq!((status, code(&body)), (401, "INVALID_SESSION_ID"));
    bulk.release(None);
    bulk.settled().await;
    let session = log_in_again(session).await;
    let done = session.done(id).await;
    assert_eq!((done.state(), done.successful.len()), ("JobComplete", 2));
}

#[tokio::test]
async fn an_ingest_job_is_no_query_job_and_neither_is_there_in_old_versions() {
    let session = start().await;
    let job = session.new_job("ingest", &new("insert", "Account")).await;
    let id = job["id"].as_str().unwrap();
    assert_eq!(
        session.get(&format!("/jobs/query/{id}")).await.status(),
        404
    );
    assert_eq!(
        session
            .get(&format!("/jobs/ingest/{}", &id[..15]))
            .await
            .status(),
        200
    );
    for (version, path, status) in [
        ("v40.0", "ingest", 404),
        ("v41.0", "ingest", 200),
        ("v46.0", "query", 404),
        ("v47.0", "query", 200),
    ] {
        let url = format!("{}/services/data/{version}/jobs/{path}", session.base);
        let request = session.http.get(url).bearer_auth(&session.token);
        assert_eq!(
            request.send().await.unwrap().status(),
            status,
            "{version} {path}"
        );
    }
    let wrong = session.request("PUT", "/jobs/ingest").send().await.unwrap();
    assert_eq!(wrong.status(), 405);
}

#[tokio::test]
async fn jobs_are_listed_by_kind_in_pages() {
    let session = start().await;
    let mut last = String::new();
    for _ in 0..1_001 {
        let job = session.new_job("ingest", &new("insert", "Account")).await;
        last = job["id"].as_str().unwrap().to_owned();
    }
    let (_, first) = read(session.get("/jobs/ingest?jobType=V2Ingest").await).await;
    assert_eq!(first["done"], false);
    assert_eq!(first["records"].as_array().unwrap().len(), 1_000);
    assert_eq!(first["records"][0]["id"], last);
    assert_eq!(first["records"][0]["jobType"], "V2Ingest");
    let next = first["nextRecordsUrl"].as_str().unwrap();
    let request = session
        .http
        .get(format!("{}{next}", session.base))
        .bearer_auth(&session.token);
    let (_, second) = read(request.send().await.unwrap()).await;
    assert_eq!(
        (&second["done"], &second["nextRecordsUrl"]),
        (&json!(true), &json!(null))
    );
    assert_eq!(second["records"].as_array().unwrap().len(), 1);
    for filter in ["jobType=Classic", "isPkChunkingEnabled=true"] {
        let (_, none) = read(session.get(&format!("/jobs/ingest?{filter}")).await).await;
        assert_eq!(none["records"], json!([]), "{filter}");
    }
}

#[tokio::test]
async fn a_job_that_makes_no_sense_is_refused_at_once() {
    let session = start().await;
    for (job, expected) in [
        (new("insert", "Nope"), "INVALIDENTITY"),
        (new("insert", "TaskStatus"), "INVALIDENTITY"),
        (new("merge", "Account"), "INVALIDOPERATION"),
        (new("upsert", "Account"), "INVALIDJOB"),
        (json!({ "object": "Account" }), "JSON_PARSER_ERROR"),
        (
            json!({ "operation": "insert", "object": "Account", "contentType": "JSON" }),
            "INVALIDJOB",
        ),
        (
            json!({ "operation": "upsert", "object": "Account", "externalIdFieldName": "Phone" }),
            "INVALIDJOB",
        ),
        (
            json!({ "operation": "insert", "object": "Account", "color": "red" }),
            "JSON_PARSER_ERROR",
        ),
    ] {
        let (status, body) = read(session.send("POST", "/jobs/ingest", &job).await).await;
        assert_eq!((status, code(&body)), (400, expected), "{job}");
    }
}
