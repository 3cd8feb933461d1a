//! Writes of many records: one result for each, in their order.

use dev_org::{FaultKind, FaultRule};
use lockgate::{Advice, Outcome, WriteOptions};
use lockgate_tests::org::{Site, get, ids, query, records};
use serde_json::{Value as Json, json};

const COLLECTIONS: &str = "/composite/sobjects";

fn accounts(n: usize) -> Vec<Json> {
    (0..n)
        .map(|at| json!({ "Name": format!("A{at:03}") }))
        .collect()
}

#[tokio::test]
async fn two_hundred_records_are_one_request_and_450_are_three_with_results_in_order() {
    let site = Site::start().await;
    let crm = site.crm().await;
    for (n, requests) in [(200, 1), (450, 3)] {
        site.control.clear_requests();
        let made = crm
            .create(
                "Account",
                &records(&json!(accounts(n))),
                WriteOptions::default(),
            )
            .await;
        let made = ids(&made.unwrap());
        assert_eq!(made.len(), n);
        assert_eq!(site.count("POST", COLLECTIONS), requests, "{n} records");
        let wanted: Vec<&str> = made.iter().map(String::as_str).collect();
        let read = get(&crm, "Account", &wanted, &["Name"]).await;
        for (at, record) in read.iter().enumerate() {
            assert_eq!(record["Name"], json!(format!("A{at:03}")));
        }

        let changed: Vec<Json> = made
            .iter()
            .enumerate()
            .map(|(at, id)| json!({"Id":id,"Site":format!("S{at}")}))
            .collect();
        let results = crm
            .update(
                "Account",
                &records(&json!(changed)),
                WriteOptions::default(),
            )
            .await;
        assert_eq!(ids(&results.unwrap()), made);
        let results = crm
            .delete("Account", &made, WriteOptions::default())
            .await
            .unwrap();
        assert_eq!(ids(&results), made);
        assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 0);
    }
}

#[tokio::test]
async fn of_450_upserts_each_says_whether_it_created_or_changed() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let rows: Vec<Json> = (0..450)
        .map(|at| json!({"Name":format!("A{at}"),"External_Id__c":format!("k{at}")}))
        .collect();
    let some: Vec<Json> = rows.iter().step_by(3).cloned().collect();
    let some = records(&json!(some));
    let first = crm
        .upsert("Account", "External_Id__c", &some, WriteOptions::default())
        .await;
    assert!(
        first
            .unwrap()
            .iter()
            .all(|result| result.outcome == Outcome::Created)
    );
    let rows = records(&json!(rows));
    let all = crm
        .upsert("Account", "External_Id__c", &rows, WriteOptions::default())
        .await;
    for (at, result) in all.unwrap().iter().enumerate() {
        let expected = if at % 3 == 0 {
            Outcome::Updated
        } else {
            Outcome::Created
        };
        assert_eq!(result.outcome, expected, "record {at}");
    }
}

#[tokio::test]
async fn wrong_records_fail_by_themselves_in_their_places() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let mut rows = accounts(450);
    for at in [0, 199, 200, 449] {
        rows[at] = json!({ "Phone": "no name" });
    }
    let results = crm
        .create("Account", &records(&json!(rows)), WriteOptions::default())
        .await
        .unwrap();
    for (at, result) in results.iter().enumerate() {
        match &result.outcome {
            Outcome::Created => assert!(![0, 199, 200, 449].contains(&at), "record {at}"),
            Outcome::Failed { problems } => {
                assert!(
                    [0, 199, 200, 449].contains(&at),
                    "record {at}: {problems:?}"
                );
                assert_eq!(problems[0].code, "REQUIRED_FIELD_MISSING");
                assert_eq!(problems[0].fields, ["Name"]);
                assert_eq!(problems[0].advice, Advice::FixRecord);
            }
            other => panic!("record {at}: {other:?}"),
        }
    }
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 446);
}

#[tokio::test]
async fn all_or_none_undoes_all_and_says_which_record_was_wrong() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let all = WriteOptions {
        all_or_none: true,
        ..WriteOptions::default()
    };
    let mut rows = accounts(20);
    rows[7] = json!({ "Phone": "no name" });
    let results = crm
        .create("Account", &records(&json!(rows)), all.clone())
        .await
        .unwrap();
    for (at, result) in results.iter().enumerate() {
        let Outcome::Failed { problems } = &result.outcome else {
            panic!("record {at} was written")
        };
        let expected = if at == 7 {
            Advice::FixRecord
        } else {
            Advice::RolledBack
        };
        assert_eq!(problems[0].advice, expected, "record {at}: {problems:?}");
    }
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 0);

    rows[7] = json!({ "Name": "now it has one" });
    let results = crm
        .create("Account", &records(&json!(rows)), all.clone())
        .await
        .unwrap();
    assert_eq!(ids(&results).len(), 20);
    // Salesforce undoes within a request only: more must not look as if it did.
    let error = crm
        .create("Account", &records(&json!(accounts(201))), all)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("200 records"), "{error}");
    assert_eq!(query(&crm, "SELECT Id FROM Account").await.len(), 20);
}

#[tokio::test]
async fn a_lost_answer_to_one_of_three_requests_leaves_the_other_results_and_names_the_unknown() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let lost = FaultRule {
        after: true,
        method: Some("POST".to_owned()),
        ..FaultRule::next(1, COLLECTIONS, FaultKind::Drop)
    };
    site.control.add_fault(lost);
    let results = crm
        .create(
            "Account",
            &records(&json!(accounts(450))),
            WriteOptions::default(),
        )
        .await;
    let results = results.unwrap();
    let advice = |result: &lockgate::RecordResult| match &result.outcome {
        Outcome::Created => None,
        Outcome::Failed { problems } => Some(problems[0].advice),
        other => panic!("{other:?}"),
    };
    let count = |wanted| {
        results
            .iter()
            .filter(|result| advice(result) == wanted)
            .count()
    };
    let (created, unknown) = (count(None), count(Some(Advice::CheckOutcome)));
    // What came after the loss was not sent, and says that it can be.
    assert_eq!(
        (created, unknown, count(Some(Advice::Retry))),
        (200, 200, 50)
    );
    // The unknown were written, and none twice.
    assert_eq!(
        query(&crm, "SELECT Id FROM Account").await.len(),
        created + unknown
    );
}
