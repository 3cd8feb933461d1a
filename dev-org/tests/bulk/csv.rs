//! The rules for the data of ingest jobs.

use serde_json::json;

use super::client::{new, start};
use super::support::{code, read};

#[tokio::test]
async fn quoted_values_keep_line_ends_quotes_and_delimiters() {
    let session = start().await;
    let csv = "Name,Description\n\"Smith, \"\"Jr\"\"\",\"two\nlines\"\n";
    let done = session.load(new("insert", "Account"), csv).await;
    assert_eq!(done.job["numberRecordsFailed"], 0);
    let account = &session
        .select("SELECT Name, Description FROM Account")
        .await[0];
    assert_eq!(account["Name"], "Smith, \"Jr\"");
    assert_eq!(account["Description"], "two\nlines");
    let result = session.result(&done.id, "successfulResults").await;
    assert!(result.contains("\"Smith, \"\"Jr\"\"\",\"two\nlines\""));
}

#[tokio::test]
async fn values_are_not_trimmed() {
    let session = start().await;
    session
        .load(
            new("insert", "Contact"),
            "FirstName,LastName\nJohn, Smith\n",
        )
        .await;
    let contacts = session.select("SELECT LastName FROM Contact").await;
    assert_eq!(contacts[0]["LastName"], " Smith");
}

#[tokio::test]
async fn a_space_beside_a_quote_is_an_error_of_its_row() {
    let session = start().await;
    let csv = "FirstName,LastName\n\"John\", \"Smith\"\n\"Jane\",\"Roe\"\nonly one\n";
    let done = session.load(new("insert", "Contact"), csv).await;
    assert_eq!(done.state(), "JobComplete");
    assert_eq!(done.job["numberRecordsFailed"], 2);
    assert_eq!(done.successful.len(), 1);
    let failed = session.result(&done.id, "failedResults").await;
    assert!(failed.contains("Found unescaped quote."), "{failed}");
    assert!(
        failed.contains("\"\"\"John\"\", \"\"Smith\"\"\""),
        "{failed}"
    );
}

#[tokio::test]
async fn line_ends_have_to_be_the_declared_ones() {
    let session = start().await;
    let done = session
        .load(new("insert", "Account"), "Name\r\nA\r\n")
        .await;
    assert_eq!(done.state(), "Failed");
    assert_eq!(
        done.error(),
        "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"
    );
    assert_eq!(done.job["numberRecordsProcessed"], 0);
    let crlf = json!({ "operation": "insert", "object": "Account", "lineEnding": "CRLF" });
    let done = session.load(crlf.clone(), "Name\r\nA\r\n").await;
    assert_eq!(done.state(), "JobComplete");
    let text = session.result(&done.id, "successfulResults").await;
    assert!(text.starts_with("\"sf__Id\",\"sf__Created\",Name\r\n"));
    assert!(text.ends_with("\"A\"\r\n"));
    let done = session.load(crlf, "Name\nA\n").await;
    assert!(done.error().ends_with("Current LineEnding setting is CRLF"));
}

#[tokio::test]
async fn another_delimiter_has_to_be_declared_and_is_used_in_results() {
    let session = start().await;
    let csv = "Name|Phone\nA,B|1\n";
    let done = session.load(new("insert", "Account"), csv).await;
    assert_eq!(
        done.error(),
        "InvalidBatch : Field name not found : Name|Phone"
    );
    let pipe = json!({ "operation": "insert", "object": "Account", "columnDelimiter": "PIPE" });
    let done = session.load(pipe, csv).await;
    assert_eq!(done.state(), "JobComplete");
    let text = session.result(&done.id, "successfulResults").await;
    assert!(text.starts_with("\"sf__Id\"|\"sf__Created\"|Name|Phone\n"));
    assert!(text.contains("|\"A,B\"|\"1\"\n"));
    let bad = json!({ "operation": "insert", "object": "Account", "columnDelimiter": "SPACE" });
    let (status, body) = read(session.send("POST", "/jobs/ingest", &bad).await).await;
    assert_eq!((status, code(&body)), (400, "JSON_PARSER_ERROR"));
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_the_first_name() {
    let session = start().await;
    let done = session
        .load(new("insert", "Account"), "\u{feff}Name\nA\n")
        .await;
    assert_eq!((done.state(), done.successful.len()), ("JobComplete", 1));
}

#[tokio::test]
async fn data_that_is_not_utf_8_fails_the_job() {
    let session = start().await;
    let job = session.new_job("ingest", &new("insert", "Account")).await;
    let id = job["id"].as_str().unwrap();
    session.put(id, b"Name\nCaf\xe9\n".to_vec()).await;
    session.set_state("ingest", id, "UploadComplete").await;
    session.control.bulk().settled().await;
    let job = session.job("ingest", id).await;
    assert_eq!(job["state"], "Failed");
    assert_eq!(session.select("SELECT Id FROM Account").await.len(), 0);
}

#[tokio::test]
async fn a_header_alone_is_a_job_without_rows() {
    let session = start().await;
    let done = session.load(new("insert", "Account"), "Name\n").await;
    assert_eq!(done.state(), "JobComplete");
    assert_eq!(done.job["numberRecordsProcessed"], 0);
    assert!(done.successful.is_empty() && done.failed.is_empty());
}

#[tokio::test]
async fn an_update_without_an_id_column_fails_whole() {
    let session = start().await;
    for operation in ["update", "delete"] {
        let done = session.load(new(operation, "Account"), "Name\nA\n").await;
        if operation == "update" {
            assert_eq!(done.error(), "InvalidBatch : Field name not found : Id");
        }
        assert_eq!(done.state(), "Failed");
    }
    let upsert =
        json!({ "operation": "upsert", "object": "Account", "externalIdFieldName": "Key__c" });
    let done = session.load(upsert, "Name\nA\n").await;
    assert_eq!(done.error(), "InvalidBatch : Field name not found : Key__c");
}

#[tokio::test]
async fn a_header_of_more_than_32000_characters_is_refused() {
    let session = start().await;
    let csv = format!("Name,{}\nA,B\n", "x".repeat(32_000));
    let done = session.load(new("insert", "Account"), &csv).await;
    assert_eq!(done.state(), "Failed");
}

#[tokio::test]
async fn a_value_of_more_than_131072_characters_is_refused() {
    let session = start().await;
    let csv = format!("Name,Description\nA,{}\n", "x".repeat(131_073));
    let done = session.load(new("insert", "Account"), &csv).await;
    assert!(done.failed[0][1].contains("131072"));
}
