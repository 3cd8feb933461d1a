//! What writes cost in calls, what the budget and the org's locks change about
//! them, and dry runs, which cost a description.

use dev_org::{FaultKind, FaultRule};
use lockgate::{Connection, Operation, Outcome, RecordResult, Way, WriteOptions, Writer};
use lockgate_tests::org::{Site, create, ids, query, records};
use serde_json::{Value as Json, json};

const KEY: &str = "External_Id__c";
const COLLECTIONS: &str = "/composite/sobjects";

fn by(way: &str) -> WriteOptions {
    WriteOptions {
        way: Some(way.to_owned()),
        ..WriteOptions::default()
    }
}

fn dry_run() -> WriteOptions {
    WriteOptions {
        dry_run: true,
        ..WriteOptions::default()
    }
}

fn accounts(n: usize) -> Vec<Json> {
    (0..n)
        .map(|at| json!({ KEY: format!("k{at}"), "Name": format!("A{at}") }))
        .collect()
}

/// Writes all rows, and gives the results in their order, the way and the calls that
/// a dry run tells.
async fn written(
    crm: &Connection,
    object: &str,
    operation: Operation,
    rows: &[Json],
    options: WriteOptions,
) -> (Vec<RecordResult>, Way, Option<u64>) {
    let mut writer: Writer = crm.write(object, operation, options).await.unwrap();
    let mut results = writer.push(&records(&json!(rows))).await.unwrap();
    while let Some(more) = writer.finish().await.unwrap() {
        results.extend(more);
    }
    results.sort_by_key(|row| row.row);
    let results = results.into_iter().map(|row| row.result).collect();
    let way = writer.way().await.unwrap().unwrap();
    (results, way, writer.calls().await.unwrap())
}

#[tokio::test]
async fn ten_thousand_upserts_by_collections_take_as_few_calls_as_there_can_be() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let before = site.control.quota().used;
    let by_key = Operation::Upsert(KEY.to_owned());
    let (results, ..) = written(
        &crm,
        "Account",
        by_key,
        &accounts(10_000),
        by("collections"),
    )
    .await;
    assert_eq!(ids(&results).len(), 10_000);
    let calls = site.control.quota().used - before;
    assert!(calls <= 52, "{calls} calls");
    assert_eq!(site.count("PATCH", COLLECTIONS), 50);
}

#[tokio::test]
async fn a_bulk_job_of_ten_thousand_costs_its_steps_and_looks_that_become_rare() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let before = site.control.quota().used;
    let by_key = Operation::Upsert(KEY.to_owned());
    let (results, way, _) = written(
        &crm,
        "Account",
        by_key,
        &accounts(10_000),
        WriteOptions::default(),
    )
    .await;
    assert_eq!((ids(&results).len(), way.name.as_str()), (10_000, "bulk"));
    let looks = site.control.requests();
    let looks = looks.iter().filter(|request| {
        let is_file = request.path.ends_with("Results");
        request.method == "GET" && request.path.contains("/jobs/ingest/") && !is_file
    });
    let looks = u64::try_from(looks.count()).unwrap();
    // To create, fill and close the job, the looks, and one file of results.
    assert_eq!(site.control.quota().used - before, 3 + looks + 1);
}

#[tokio::test]
async fn where_collections_do_not_fit_into_what_is_left_of_the_day_a_bulk_job_does_it() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let rows = accounts(1_800);
    let max = site.control.quota().max;
    site.control.set_quota_used(max - 9);
    // The answer tells the host where the budget stands, and is a call of it.
    query(&crm, "SELECT Id FROM Account").await;
    let options = WriteOptions::default();
    let (results, way, _) = written(&crm, "Account", Operation::Create, &rows, options).await;
    assert_eq!((ids(&results).len(), way.name.as_str()), (1_800, "bulk"));
    assert!(way.reason.contains("8 are left"), "{}", way.reason);
    assert_eq!(site.count("POST", COLLECTIONS), 0);
}

#[tokio::test]
async fn locked_children_of_one_parent_settle_once_it_is_free_and_none_is_written_twice() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let locked = create(&crm, "Account", json!({ "Name": "Locked" })).await;
    let free = create(&crm, "Account", json!({ "Name": "Free" })).await;
    let rows: Vec<Json> = (0..600)
        .map(|at| {
            let account = if at % 2 == 0 { &locked } else { &free };
            json!({ "LastName": format!("c{at}"), "AccountId": account })
        })
        .collect();
    site.control.lock_rows(&[&locked]);
    site.control.clear_requests();
    let writing = written(&crm, "Contact", Operation::Create, &rows, by("collections"));
    let unlocking = async {
        // All three requests, and a first try of the rows that were locked.
        while site.count("POST", COLLECTIONS) < 4 {
            tokio::task::yield_now().await;
        }
        site.control.unlock_all_rows();
    };
    let ((results, ..), ()) = tokio::join!(writing, unlocking);
    let made = ids(&results);
    let soql = "SELECT Id, LastName, AccountId FROM Contact";
    let contacts = query(&crm, soql).await;
    assert_eq!(contacts.len(), 600);
    for contact in contacts {
        let number: usize = contact["LastName"].as_str().unwrap()[1..].parse().unwrap();
        assert_eq!(contact["Id"], json!(made[number]));
        assert_eq!(contact["AccountId"], rows[number]["AccountId"]);
    }
}

#[tokio::test]
async fn an_org_that_takes_fewer_requests_at_a_time_gets_fewer_and_all_rows_are_written() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let eight = crm.with_settings(json!({ "write_overlap": 8 }));
    let busy = FaultKind::Error {
        status: 503,
        code: Some("SERVER_UNAVAILABLE".to_owned()),
        message: Some("The server is temporarily unavailable".to_owned()),
        body: None,
    };
    site.control
        .add_fault(FaultRule::next(1, COLLECTIONS, busy));
    let rows = accounts(1_000);
    let (results, ..) = written(
        &eight,
        "Account",
        Operation::Create,
        &rows,
        by("collections"),
    )
    .await;
    assert_eq!(ids(&results).len(), 1_000);
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 1_000);
    assert_eq!(site.count("POST", COLLECTIONS), 6);
}

/// The number and the first code of each record that failed.
fn failures(results: &[RecordResult]) -> Vec<(usize, String)> {
    let failed = results.iter().enumerate().filter_map(|(at, result)| {
        let Outcome::Failed { problems } = &result.outcome else {
            return None;
        };
        Some((at, problems[0].code.clone()))
    });
    failed.collect()
}

#[tokio::test]
async fn a_dry_run_finds_what_the_write_then_fails_at_and_writes_nothing() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let account = create(&crm, "Account", json!({ "Name": "A" })).await;
    let sound = json!({ "LastName": "A", "Email": "a@example.com", "AccountId": account });
    let with = |name: &str, value: Json| {
        let mut row = sound.clone();
        row[name] = value;
        row
    };
    let rows = [
        sound.clone(),
        json!({ "FirstName": "no last name" }),
        with("LastName", json!("x".repeat(81))),
        with("Email", json!("no address")),
        with("Birthdate", json!("31.01.2000")),
        with("CleanStatus", json!("Spotless")),
        with("AccountId", json!("nonsense")),
        with("Secret__c", json!(1)),
        with("CreatedDate", json!("2030-01-31T00:00:00Z")),
        with("Birthdate", json!("2000-01-31")),
        with("Phone", Json::Null),
    ];
    let before = site.control.quota().used;
    let (tried, way, calls) = written(&crm, "Contact", Operation::Create, &rows, dry_run()).await;
    // The description.
    assert_eq!(site.control.quota().used - before, 1);
    assert_eq!((way.name.as_str(), calls), ("collections", Some(1)));
    assert!(
        tried
            .iter()
            .filter(|result| result.is_ok())
            .all(|r| r.outcome == Outcome::Checked)
    );
    assert_eq!(query(&crm, "SELECT Id FROM Contact").await.len(), 0);

    let options = WriteOptions::default();
    let (results, ..) = written(&crm, "Contact", Operation::Create, &rows, options).await;
    assert_eq!(failures(&tried), failures(&results));
    assert_eq!(failures(&tried).len(), 8);

    // Of an upsert, which records are new has to be looked up.
    create(&crm, "Contact", json!({ KEY: "There", "LastName": "A" })).await;
    let rows = [
        json!({ KEY: "there", "Phone": "1" }),
        json!({ KEY: "new", "Phone": "2" }),
        json!({ KEY: "new and whole", "LastName": "B" }),
    ];
    let by_key = Operation::Upsert(KEY.to_owned());
    let known = query(&crm, "SELECT Id FROM Contact").await.len();
    let before = site.control.quota().used;
    let (tried, _, calls) = written(&crm, "Contact", by_key.clone(), &rows, dry_run()).await;
    // The description is known.
    assert_eq!((site.control.quota().used - before, calls), (1, Some(1)));
    let still = query(&crm, "SELECT Id FROM Contact").await.len();
    assert_eq!(still, known);

    let options = WriteOptions::default();
    let (results, ..) = written(&crm, "Contact", by_key, &rows, options).await;
    assert_eq!(failures(&tried), failures(&results));
    assert_eq!(failures(&tried), [(1, "REQUIRED_FIELD_MISSING".to_owned())]);
}

#[tokio::test]
async fn a_dry_run_of_trees_says_which_record_would_keep_its_tree_from_being_written() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let tree = |contact: Json| json!({ "Name": "A", "Contacts": { "records": [contact] } });
    let rows = [
        tree(json!({ "LastName": "B" })),
        tree(json!({ "FirstName": "C" })),
    ];
    let (tried, way, calls) = written(&crm, "Account", Operation::Create, &rows, dry_run()).await;
    assert_eq!((way.name.as_str(), calls), ("graph", Some(2)));
    assert!(tried[0].is_ok() && !tried[1].is_ok(), "{tried:?}");
    let Outcome::Failed { problems } = &tried[1].related[0].outcome else {
        panic!("sound")
    };
    assert_eq!(problems[0].code, "REQUIRED_FIELD_MISSING");
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 0);
}
