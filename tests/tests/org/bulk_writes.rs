//! Writes by bulk jobs: few calls for many records, one result for each, and
//! nothing twice after a crash.

use dev_org::{BulkFailure, BulkHold, BulkJobState};
use lockgate::{
    Advice, Connection, Error, Operation, Outcome, QueryOptions, RecordResult, RowResult,
    WriteOptions, Writer,
};
use lockgate_tests::org::{Site, ids, query, records};
use serde_json::{Value as Json, json};

const JOBS: &str = "/jobs/ingest";
const KEY: &str = "External_Id__c";

fn accounts(n: usize) -> Vec<Json> {
    (0..n)
        .map(|at| json!({ KEY: format!("k{at}"), "Name": format!("A {at}, \"quoted\"\nand broken") }))
        .collect()
}

fn by_key() -> Operation {
    Operation::Upsert(KEY.to_owned())
}

fn named(name: &str) -> WriteOptions {
    WriteOptions {
        name: Some(name.to_owned()),
        ..WriteOptions::default()
    }
}

fn by_bulk() -> WriteOptions {
    WriteOptions {
        way: Some("bulk".to_owned()),
        ..WriteOptions::default()
    }
}

/// The rest of a write's results.
async fn finish(writer: &mut Writer) -> Result<Vec<RowResult>, Error> {
    let mut results = Vec::new();
    while let Some(more) = writer.finish().await? {
        results.extend(more);
    }
    Ok(results)
}

async fn upsert(crm: &Connection, rows: &[Json]) -> Vec<RecordResult> {
    crm.upsert("Account", KEY, &records(&json!(rows)), by_bulk())
        .await
        .unwrap()
}

fn outcomes(results: &[RecordResult]) -> Vec<&str> {
    results
        .iter()
        .map(|result| match &result.outcome {
            Outcome::Created => "created",
            Outcome::Updated => "updated",
            Outcome::Deleted => "deleted",
            Outcome::Checked => "checked",
            Outcome::Failed { problems } => problems[0].code.as_str(),
        })
        .collect()
}

#[tokio::test]
async fn ten_thousand_upserts_are_one_job_and_each_has_its_own_result() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let rows = accounts(10_000);
    site.control.clear_requests();
    let mut writer = crm
        .write("Account", by_key(), WriteOptions::default())
        .await
        .unwrap();
    for some in rows.chunks(1_000) {
        let known = writer.push(&records(&json!(some))).await.unwrap();
        assert!(known.is_empty());
    }
    let way = writer.way().await.unwrap().unwrap();
    assert_eq!(way.name, "bulk");
    let mut results = finish(&mut writer).await.unwrap();
    results.sort_by_key(|result| result.row);
    assert_eq!(results.len(), 10_000);

    let calls = site.control.requests();
    let writes = calls.iter().filter(|call| call.method != "GET").count();
    assert_eq!(writes, 3, "{calls:?}");
    let files = site.count("GET", "Results");
    let looks = site.count("GET", JOBS) - files;
    assert_eq!(files, 1);
    assert!(looks <= 20, "{looks} looks at the job");

    // The result of a row is the record that was made of it.
    for at in [0, 1, 4_999, 9_999] {
        let key = format!("k{at}");
        let soql = format!("SELECT Id, Name FROM Account WHERE {KEY} = '{key}'");
        let found = query(&crm, &soql).await;
        assert_eq!(found[0]["Id"].as_str(), results[at].result.id.as_deref());
        assert_eq!(found[0]["Name"], rows[at]["Name"]);
    }
    assert_eq!(
        query(&crm, "SELECT COUNT(Id) n FROM Account").await[0]["n"],
        10_000
    );
}

#[tokio::test]
async fn each_row_of_a_job_that_cannot_be_written_says_why_and_the_others_are() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let rows = [
        json!({KEY: "a", "Name": "A", "Phone": "1", "NumberOfEmployees": 7}),
        json!({KEY: "b", "Phone": "2"}),
        json!({KEY: "c", "Name": "x".repeat(300)}),
        json!({KEY: "d", "Name": "D", "NumberOfEmployees": "many"}),
        json!({"Name": "no key"}),
        json!({KEY: "e", "Name": "#N/A"}),
        json!({KEY: "f", "Name": "F"}),
    ];
    let results = upsert(&crm, &rows).await;
    assert_eq!(
        outcomes(&results),
        [
            "created",
            "REQUIRED_FIELD_MISSING",
            "STRING_TOO_LONG",
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            "MISSING_ARGUMENT",
            "INVALID_FIELD",
            "created"
        ],
        "{results:?}"
    );
    let Outcome::Failed { problems } = &results[1].outcome else {
        panic!("not failed")
    };
    assert_eq!(problems[0].fields, ["Name"]);
    assert_eq!(problems[0].advice, Advice::FixRecord);

    // `null` empties a field, and what is not named stays as it is.
    let rows = [
        json!({KEY: "a", "Phone": null}),
        json!({KEY: "f", "Phone": "9"}),
    ];
    assert_eq!(outcomes(&upsert(&crm, &rows).await), ["updated", "updated"]);
    let soql = format!("SELECT Phone, NumberOfEmployees, Name FROM Account WHERE {KEY} = 'a'");
    let account = &query(&crm, &soql).await[0];
    assert_eq!(account["Phone"], Json::Null);
    assert_eq!(account["NumberOfEmployees"], 7);
    assert_eq!(account["Name"], "A");
}

#[tokio::test]
async fn a_write_with_a_name_that_was_broken_off_goes_on_and_writes_nothing_twice() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let rows = records(&json!(accounts(300)));
    site.control.bulk().hold(BulkHold {
        state: BulkJobState::InProgress,
        after_rows: 200,
    });
    site.control.clear_requests();
    let mut first = crm
        .write("Account", Operation::Create, named("night"))
        .await
        .unwrap();
    first.push(&rows).await.unwrap();
    // The rows go up; nobody waits for what becomes of them.
    first.finish().await.unwrap();
    drop(first);

    site.control.bulk().release(None);
    let mut again = crm
        .write("Account", Operation::Create, named("night"))
        .await
        .unwrap();
    again.push(&rows).await.unwrap();
    let results = finish(&mut again).await.unwrap();
    assert_eq!(results.len(), 300);
    assert!(results.iter().all(|result| result.result.is_ok()));
    let created = site.control.requests();
    let created = created
        .iter()
        .filter(|call| call.method == "POST" && call.path.ends_with(JOBS));
    assert_eq!(created.count(), 1);
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 300);

    // Even when it is done, the same name gives the same results.
    let told = crm.create("Account", &rows, named("night")).await.unwrap();
    assert_eq!(told.len(), 300);
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 300);

    let others = records(&json!(accounts(2)));
    let error = crm
        .create("Account", &others, named("night"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_job_that_fails_half_way_is_never_told_as_done() {
    let site = Site::start().await;
    let crm = site.crm().await;
    site.control.bulk().fail(BulkFailure {
        message: "TooManyLockFailure : too many lock failures".to_owned(),
        object: None,
        after_rows: 200,
        times: Some(1),
    });
    let results = upsert(&crm, &accounts(500)).await;
    let written = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(written, 200);
    for result in results.iter().filter(|result| !result.is_ok()) {
        let Outcome::Failed { problems } = &result.outcome else {
            panic!("not failed")
        };
        assert_eq!(problems[0].advice, Advice::Retry);
        assert!(problems[0].message.contains("TooManyLockFailure"));
    }
    // What is written again is only what was not.
    let results = upsert(&crm, &accounts(500)).await;
    let made = outcomes(&results);
    assert_eq!(made.iter().filter(|made| **made == "created").count(), 300);
    assert_eq!(made.iter().filter(|made| **made == "updated").count(), 200);
}

#[tokio::test]
async fn many_records_are_deleted_by_one_job() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let made = ids(&upsert(&crm, &accounts(2_100)).await);
    site.control.clear_requests();
    let results = crm
        .delete("Account", &made, WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(ids(&results), made);
    assert_eq!(site.count("DELETE", ""), 0);
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 0);
}

#[tokio::test]
async fn records_are_deleted_for_good_by_those_who_may() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let made = ids(&upsert(&crm, &accounts(3)).await);
    let for_good = || WriteOptions {
        way: Some("hard-delete".to_owned()),
        ..WriteOptions::default()
    };
    let refused = crm.delete("Account", &made, for_good()).await.unwrap_err();
    let Error::Refused { problem, .. } = &refused else {
        panic!("not refused: {refused:?}")
    };
    assert_eq!(problem.advice, Advice::AskPermission, "{problem:?}");
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 3);

    site.control
        .org(|org| org.change_user("admin@example.com", |user| user.bulk_hard_delete = true));
    let results = crm.delete("Account", &made, for_good()).await.unwrap();
    assert_eq!(ids(&results), made);
    let bin = QueryOptions {
        include_deleted: true,
        ..QueryOptions::default()
    };
    let pages = crm.query("SELECT Id FROM Account", bin).await.unwrap();
    assert_eq!(
        pages.collect(10).await.unwrap().len(),
        0,
        "none is in the bin"
    );

    let row = records(&json!([{ "Name": "A" }]));
    let error = crm.create("Account", &row, for_good()).await.unwrap_err();
    assert!(error.to_string().contains("`hard-delete`"), "{error}");
}

#[tokio::test]
async fn a_session_that_dies_while_a_job_runs_is_renewed_and_the_results_come() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let mut writer = crm.write("Account", by_key(), by_bulk()).await.unwrap();
    writer.push(&records(&json!(accounts(50)))).await.unwrap();
    writer.finish().await.unwrap();
    site.control.expire_sessions();
    let results = finish(&mut writer).await.unwrap();
    assert_eq!(results.len(), 50);
    assert!(results.iter().all(|result| result.result.is_ok()));
}
