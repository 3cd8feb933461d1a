//! Query jobs and the pages of their results.

use dev_org::{BulkFailure, BulkHold, BulkJobState as State, BulkLimits};
use serde_json::{Value, json};

use super::client::{keys, new, start};
use super::support::{Session, code, read};

fn query(text: &str) -> Value {
    json!({ "operation": "query", "query": text })
}

/// One page: its text, its count and its locator.
struct Page {
    text: String,
    count: String,
    locator: String,
}

impl Session {
    /// Runs a query job to its end; gives its id.
    async fn ask(&self, job: &Value) -> String {
        let job = self.new_job("query", job).await;
        self.control.bulk().settled().await;
        job["id"].as_str().unwrap().to_owned()
    }

    async fn page(&self, id: &str, parameters: &str) -> Page {
        let path = format!("/jobs/query/{id}/results?{parameters}");
        let response = self.get(&path).await;
        assert_eq!(response.headers()["content-type"], "text/csv;charset=UTF-8");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let (count, locator) = (header("sforce-numberofrecords"), header("sforce-locator"));
        Page {
            text: response.text().await.unwrap(),
            count,
            locator,
        }
    }

    async fn refused_query(&self, text: &str) -> (u16, Value) {
        read(self.send("POST", "/jobs/query", &query(text)).await).await
    }

    async fn accounts(&self, count: usize) {
        let rows: String = (0..count).map(|row| format!("A {row:04}\n")).collect();
        self.load(new("insert", "Account"), &format!("Name\n{rows}"))
            .await;
    }
}

#[tokio::test]
async fn a_query_job_answers_as_csv_with_everything_in_quotes() {
    let session = start().await;
    let csv = "Name,Key__c,AnnualRevenue,Flag__c,Founded__c\n\
               \"Say \"\"A\"\"\",1,139000000,true,2026-05-01\n\
               B,2,5,,\n";
    session.load(new("insert", "Account"), csv).await;
    let text = "SELECT Name, AnnualRevenue, Flag__c, Founded__c, Key__c, Owner.Username, Phone \
                FROM Account ORDER BY Key__c";
    let job = session.new_job("query", &query(text)).await;
    assert_eq!(job["state"], "UploadComplete");
    assert_eq!(
        keys(&job),
        [
            "id",
            "operation",
            "object",
            "createdById",
            "createdDate",
            "systemModstamp",
            "state",
            "concurrencyMode",
            "contentType",
            "apiVersion",
            "lineEnding",
            "columnDelimiter",
        ]
    );
    session.control.bulk().settled().await;
    let id = job["id"].as_str().unwrap();
    let job = session.job("query", id).await;
    assert_eq!(job["state"], "JobComplete");
    assert_eq!(
        (&job["jobType"], &job["object"]),
        (&json!("V2Query"), &json!("Account"))
    );
    assert_eq!(job["numberRecordsProcessed"], 2);
    assert_eq!(job["isPkChunkingSupported"], true);
    let page = session.page(id, "").await;
    assert_eq!(
        page.text,
        "\"Name\",\"AnnualRevenue\",\"Flag__c\",\"Founded__c\",\"Key__c\",\"Owner.Username\",\"Phone\"\n\
         \"Say \"\"A\"\"\",\"1.39E8\",\"true\",\"2026-05-01\",\"1\",\"admin@example.com\",\"\"\n\
         \"B\",\"5.0\",\"false\",\"\",\"2\",\"admin@example.com\",\"\"\n"
    );
    assert_eq!((page.count.as_str(), page.locator.as_str()), ("2", "null"));
}

#[tokio::test]
async fn columns_come_as_asked_for_and_by_name_before_version_50() {
    let session = start().await;
    session.accounts(1).await;
    let text = "SELECT Owner.Name, Name, Owner.Username FROM Account";
    let id = session.ask(&query(text)).await;
    let page = session.page(&id, "").await;
    assert!(
        page.text
            .starts_with("\"Owner.Name\",\"Name\",\"Owner.Username\"\n"),
        "{}",
        page.text
    );
    let base = format!("{}/services/data/v49.0/jobs/query", session.base);
    let request = session.http.post(&base).bearer_auth(&session.token);
    let (_, job) = read(request.json(&query(text)).send().await.unwrap()).await;
    session.control.bulk().settled().await;
    let url = format!("{base}/{}/results", job["id"].as_str().unwrap());
    let request = session.http.get(url).bearer_auth(&session.token);
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(
        text.starts_with("\"Name\",\"Owner.Name\",\"Owner.Username\"\n"),
        "{text}"
    );
}

#[tokio::test]
async fn pages_have_locators_that_stay_and_the_last_says_null() {
    let session = start().await;
    session.accounts(5).await;
    let id = session.ask(&query("SELECT Name FROM Account")).await;
    let first = session.page(&id, "maxRecords=2").await;
    assert_eq!(first.text, "\"Name\"\n\"A 0000\"\n\"A 0001\"\n");
    assert_eq!((first.count.as_str(), first.locator.as_str()), ("2", "Mg"));
    let next = format!("locator={}&maxRecords=2", first.locator);
    let second = session.page(&id, &next).await;
    assert_eq!(second.text, "\"Name\"\n\"A 0002\"\n\"A 0003\"\n");
    let last = session
        .page(&id, &format!("maxRecords=2&locator={}", second.locator))
        .await;
    assert_eq!((last.count.as_str(), last.locator.as_str()), ("1", "null"));
    assert_eq!(session.page(&id, &next).await.text, second.text);
    for wrong in [
        "locator=NTAw",
        "locator=%25",
        "maxRecords=0",
        "maxRecords=x",
    ] {
        let path = format!("/jobs/query/{id}/results?{wrong}");
        assert_eq!(session.get(&path).await.status(), 400, "{wrong}");
    }
}

#[tokio::test]
async fn locators_expire_when_they_are_told_to() {
    let session = start().await;
    session.accounts(3).await;
    let id = session.ask(&query("SELECT Name FROM Account")).await;
    let first = session.page(&id, "maxRecords=2").await;
    session.control.bulk().expire_locators();
    let path = format!("/jobs/query/{id}/results?locator={}", first.locator);
    let (status, body) = read(session.get(&path).await).await;
    assert_eq!((status, code(&body)), (400, "INVALID_QUERY_LOCATOR"));
    let again = session.page(&id, "maxRecords=2").await;
    assert_ne!(again.locator, first.locator);
    let rest = session
        .page(&id, &format!("locator={}", again.locator))
        .await;
    assert_eq!(rest.count, "1");
}

#[tokio::test]
async fn result_pages_names_up_to_five_pages_at_a_time() {
    let session = start().await;
    session.accounts(6).await;
    session.control.bulk().set_limits(BulkLimits {
        page_rows: Some(1),
        ..BulkLimits::default()
    });
    let id = session.ask(&query("SELECT Name FROM Account")).await;
    let path = format!("/jobs/query/{id}/resultPages");
    let (_, pages) = read(session.get(&path).await).await;
    assert_eq!(pages["done"], false);
    let urls = pages["resultPages"].as_array().unwrap();
    assert_eq!(urls.len(), 5);
    let at = |url: &str| {
        let url = format!("{}{url}", session.base);
        session.http.get(url).bearer_auth(&session.token).send()
    };
    for (number, url) in urls.iter().enumerate() {
        let text = at(url["resultUrl"].as_str().unwrap()).await.unwrap();
        let text = text.text().await.unwrap();
        assert_eq!(text, format!("\"Name\"\n\"A {number:04}\"\n"));
    }
    let next = pages["nextRecordsUrl"].as_str().unwrap();
    let (_, last) = read(at(next).await.unwrap()).await;
    assert_eq!(last["done"], true);
    assert_eq!(last["resultPages"].as_array().unwrap().len(), 1);
    assert!(last.get("nextRecordsUrl").is_none());
}

#[tokio::test]
async fn results_are_there_in_the_version_of_the_job_only() {
    let session = start().await;
    let id = session.ask(&query("SELECT Id FROM Account")).await;
    for (version, part, status) in [
        ("v59.0", "results", 409),
        ("v59.0", "resultPages", 409),
        ("v57.0", "resultPages", 404),
        ("v60.0", "results", 200),
    ] {
        let url = format!(
            "{}/services/data/{version}/jobs/query/{id}/{part}",
            session.base
        );
        let request = session.http.get(url).bearer_auth(&session.token);
        assert_eq!(
            request.send().await.unwrap().status(),
            status,
            "{version} {part}"
        );
    }
}

#[tokio::test]
async fn an_answer_without_rows_has_its_header() {
    let session = start().await;
    let id = session.ask(&query("SELECT Id, Name FROM Account")).await;
    let page = session.page(&id, "").await;
    assert_eq!(page.text, "\"Id\",\"Name\"\n");
    assert_eq!((page.count.as_str(), page.locator.as_str()), ("0", "null"));
    let (_, pages) = read(session.get(&format!("/jobs/query/{id}/resultPages")).await).await;
    assert_eq!(pages, json!({ "resultPages": [], "done": true }));
}

#[tokio::test]
async fn query_all_sees_the_recycle_bin() {
    let session = start().await;
    let done = session.load(new("insert", "Account"), "Name\nA\nB\n").await;
    let csv = format!("Id\n{}\n", done.id_of("A"));
    session.load(new("delete", "Account"), &csv).await;
    let text = "SELECT Name, IsDeleted FROM Account ORDER BY Name";
    let id = session.ask(&query(text)).await;
    assert_eq!(session.page(&id, "").await.count, "1");
    let id = session
        .ask(&json!({ "operation": "queryAll", "query": text }))
        .await;
    let page = session.page(&id, "").await;
    assert_eq!(
        page.text,
        "\"Name\",\"IsDeleted\"\n\"A\",\"true\"\n\"B\",\"false\"\n"
    );
}

#[tokio::test]
async fn what_bulk_queries_cannot_do_is_refused_at_once() {
    let session = start().await;
    for text in [
        "SELECT BillingAddress FROM Account",
        "SELECT COUNT() FROM Account",
        "SELECT COUNT(Id) FROM Account",
        "SELECT Industry FROM Account GROUP BY Industry",
        "SELECT Id FROM Account LIMIT 5 OFFSET 1",
        "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
        "SELECT TYPEOF What WHEN Account THEN Name END FROM Task",
        "SELECT VersionData FROM ContentVersion",
    ] {
        let (status, body) = session.refused_query(text).await;
        assert_eq!(
            (status, code(&body)),
            (400, "FUNCTIONALITY_NOT_ENABLED"),
            "{text}"
        );
    }
    let (_, body) = session
        .refused_query("SELECT BillingAddress FROM Account")
        .await;
    assert_eq!(
        body[0]["message"],
        "Selecting compound data not supported in Bulk Query"
    );
    let (_, body) = session.refused_query("SELECT Id FROM TaskStatus").await;
    assert_eq!(code(&body), "INVALIDENTITY");
    assert_eq!(
        body[0]["message"],
        "Entity 'TaskStatus' is not supported by the Bulk API."
    );
    for (text, expected) in [
        ("SELECT Nope FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT FROM", "MALFORMED_QUERY"),
    ] {
        let (status, body) = session.refused_query(text).await;
        assert_eq!((status, code(&body)), (400, expected), "{text}");
    }
}

#[tokio::test]
async fn conditions_order_and_limit_work_as_in_any_query() {
    let session = start().await;
    session.accounts(2_500).await;
    for (text, expected) in [
        (
            "SELECT Name FROM Account WHERE Name > 'A 2497' ORDER BY Name DESC",
            "\"A 2499\" \"A 2498\"",
        ),
        (
            "SELECT Name FROM Account WHERE Name LIKE 'A %' LIMIT 2",
            "\"A 0000\" \"A 0001\"",
        ),
        (
            "SELECT Name FROM Account ORDER BY Name DESC LIMIT 1",
            "\"A 2499\"",
        ),
    ] {
        let id = session.ask(&query(text)).await;
        let page = session.page(&id, "").await;
        let rows: Vec<&str> = page.text.lines().skip(1).collect();
        assert_eq!(rows.join(" "), expected, "{text}");
    }
    let id = session.ask(&query("SELECT Id FROM Account")).await;
    assert_eq!(session.page(&id, "").await.text.lines().count(), 2_501);
}

#[tokio::test]
async fn a_query_job_waits_fails_is_aborted_and_deleted_like_any_other() {
    let session = start().await;
    session.accounts(2).await;
    let bulk = session.control.bulk();
    bulk.hold(BulkHold {
        state: State::InProgress,
        after_rows: 0,
    });
    let id = session.ask(&query("SELECT Id FROM Account")).await;
    let early = session.get(&format!("/jobs/query/{id}/results")).await;
    let (status, body) = read(early).await;
    assert_eq!((status, code(&body)), (400, "INVALIDJOBSTATE"));
    let (status, job) = session.set_state("query", &id, "Aborted").await;
    assert_eq!((status, &job["state"]), (200, &json!("Aborted")));
    let response = session
        .request("DELETE", &format!("/jobs/query/{id}"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 204);
    bulk.release(None);
    bulk.fail(BulkFailure {
        message: "QUERY_TIMEOUT: Your query request was running for too long.".to_owned(),
        object: None,
        after_rows: 0,
        times: Some(1),
    });
    let id = session.ask(&query("SELECT Id FROM Account")).await;
    let job = session.job("query", &id).await;
    assert_eq!(job["state"], "Failed");
    assert!(
        job["errorMessage"]
            .as_str()
            .unwrap()
            .starts_with("QUERY_TIMEOUT")
    );
}

#[tokio::test]
async fn another_dialect_is_used_for_results() {
    let session = start().await;
    session.accounts(1).await;
    let job = json!({
        "operation": "query", "query": "SELECT Name, Phone FROM Account",
        "columnDelimiter": "CARET", "lineEnding": "CRLF",
    });
    let id = session.ask(&job).await;
    let page = session.page(&id, "").await;
    assert_eq!(page.text, "\"Name\"^\"Phone\"\r\n\"A 0000\"^\"\"\r\n");
}
