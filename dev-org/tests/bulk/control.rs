//! The switches of bulk jobs, and the limits they play.

use dev_org::{BulkFailure, BulkHold, BulkJobState as State, BulkLimits};
use serde_json::{Value, json};

use super::client::{new, start};
use super::support::{Session, code, read};

#[tokio::test]
async fn a_job_fails_with_the_words_it_was_told_and_keeps_its_results() {
    let session = start().await;
    session.control.bulk().fail(BulkFailure {
        message: "TooManyLockFailure : Too many lock failures".to_owned(),
        object: Some("Account".to_owned()),
        after_rows: 1,
        times: Some(1),
    });
    let contacts = session
        .load(new("insert", "Contact"), "LastName\nA\nB\n")
        .await;
    assert_eq!(contacts.state(), "JobComplete");
    let done = session.load(new("insert", "Account"), "Name\nA\nB\n").await;
    assert_eq!(done.state(), "Failed");
    assert_eq!(done.error(), "TooManyLockFailure : Too many lock failures");
    assert_eq!(done.successful.len(), 1);
    assert_eq!(done.unprocessed, "Name\nB\n");
    let done = session.load(new("insert", "Account"), "Name\nA\nB\n").await;
    assert_eq!(done.state(), "JobComplete", "it was told once");
}

#[tokio::test]
async fn locked_rows_are_tried_again_and_then_fail() {
    let session = start().await;
    let done = session.load(new("insert", "Account"), "Name\nA\nB\n").await;
    let (a, b) = (done.id_of("A"), done.id_of("B"));
    session.control.lock_rows(&[a]);
    let csv = format!("Id,Phone\n{a},1\n{b},2\n");
    let done = session.load(new("update", "Account"), &csv).await;
    assert_eq!(done.state(), "JobComplete");
    assert_eq!(done.job["retries"], 10);
    assert_eq!(done.job["numberRecordsProcessed"], 2);
    assert!(done.error_of("1").starts_with("UNABLE_TO_LOCK_ROW:"));
    assert_eq!(done.failed[0][0], a);
}

#[tokio::test]
async fn a_row_whose_lock_is_gone_in_time_is_written_by_a_retry() {
    let session = start().await;
    let done = session.load(new("insert", "Account"), "Name\nA\nB\n").await;
    let (a, b) = (done.id_of("A"), done.id_of("B"));
    session.control.lock_rows(&[a]);
    let bulk = session.control.bulk();
    bulk.hold(BulkHold {
        state: State::InProgress,
        after_rows: 1,
    });
    let csv = format!("Id,Phone\n{a},1\n{b},2\n");
    let id = session.begin(new("update", "Account"), &csv).await;
    bulk.settled().await;
    session.control.unlock_all_rows();
    bulk.release(None);
    bulk.settled().await;
    let done = session.done(id).await;
    assert_eq!(done.job["retries"], 1);
    assert_eq!(done.successful.len(), 2);
}

#[tokio::test]
async fn batches_over_the_daily_limit_leave_no_results() {
    let session = start().await;
    let bulk = session.control.bulk();
    bulk.set_limits(BulkLimits {
        batches_used: Some(14_999),
        ..BulkLimits::default()
    });
    let mut csv = "Name\n".to_owned();
    for row in 0..10_001 {
        csv.push_str(&format!("Account {row}\n"));
    }
    let done = session.load(new("insert", "Account"), &csv).await;
    assert_eq!(done.state(), "Failed");
    assert_eq!(
        done.error(),
        "ExceededQuota : ApiBatchItems Limit exceeded."
    );
    assert_eq!(done.successful.len(), 10_000);
    assert_eq!(
        (done.failed.len(), done.unprocessed.as_str()),
        (0, "Name\n")
    );
    let refused = session
        .send("POST", "/jobs/ingest", &new("insert", "Account"))
        .await;
    let (status, body) = read(refused).await;
    assert_eq!((status, code(&body)), (400, "EXCEEDED_QUOTA"));
    session.control.set_clock_offset_ms(24 * 60 * 60 * 1000);
    assert_eq!(bulk.usage().batches.used, 0);
}

#[tokio::test]
async fn rows_and_query_jobs_have_daily_limits_too() {
    let session = start().await;
    session.control.bulk().set_limits(BulkLimits {
        rows_max: Some(1),
        query_jobs_max: Some(1),
        ..BulkLimits::default()
    });
    let done = session.load(new("insert", "Account"), "Name\nA\nB\n").await;
    assert_eq!(done.state(), "Failed");
    let query = json!({ "operation": "query", "query": "SELECT Id FROM Account" });
    session.new_job("query", &query).await;
    let (status, body) = read(session.send("POST", "/jobs/query", &query).await).await;
    assert_eq!((status, code(&body)), (400, "EXCEEDED_QUOTA"));
    assert_eq!(
        body[0]["message"],
        "Max bulk v2 query jobs (1) per 24 hrs has been reached"
    );
}

async fn control(session: &Session, method: &str, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/__control/bulk{path}", session.base);
    let request = session.http.request(method.parse().unwrap(), url);
    read(request.json(&body).send().await.unwrap()).await
}

#[tokio::test]
async fn the_control_api_holds_releases_fails_and_waits() {
    let session = start().await;
    let hold = json!({ "state": "InProgress", "after_rows": 1 });
    assert_eq!(control(&session, "POST", "/hold", hold).await.0, 204);
    let id = session
        .begin(new("insert", "Account"), "Name\nA\nB\n")
        .await;
    assert_eq!(control(&session, "GET", "/settled", json!({})).await.0, 204);
    let job = session.job("ingest", &id).await;
    assert_eq!(
        (&job["state"], &job["numberRecordsProcessed"]),
        (&json!("InProgress"), &json!(1))
    );
    let failure = json!({ "message": "InternalServerError : try again", "times": 1 });
    assert_eq!(control(&session, "POST", "/failures", failure).await.0, 204);
    let (_, shown) = control(&session, "GET", "", json!({})).await;
    assert_eq!(shown["switches"]["holds"][0]["state"], "InProgress");
    assert_eq!(
        shown["usage"]["batches"],
        json!({ "max": 15_000, "used": 1 })
    );
    assert_eq!(
        control(&session, "POST", "/release", json!({})).await.0,
        204
    );
    assert_eq!(control(&session, "GET", "/settled", json!({})).await.0, 204);
    let job = session.job("ingest", &id).await;
    assert_eq!(job["errorMessage"], "InternalServerError : try again");
    let (_, shown) = control(&session, "PUT", "", json!({ "rows_used": 7 })).await;
    assert_eq!(shown["usage"]["rows"]["used"], 7);
}
