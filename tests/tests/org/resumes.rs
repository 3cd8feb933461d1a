//! What goes on after a fault in the middle of something long, and what is told
//! of the records where it cannot.

use dev_org::{FaultKind, FaultRule};
use lockgate::{Advice, Connection, Error, Outcome, QueryOptions, RecordResult, WriteOptions};
use lockgate_tests::org::{Site, query, records};
use serde_json::{Value as Json, json};

const KEY: &str = "External_Id__c";
const COUNT: &str = "SELECT COUNT(Id) n FROM Account";
const JOBS: &str = "/jobs/ingest/";

async fn site() -> (Site, Connection) {
    let site = Site::start().await;
    let crm = site.crm().await;
    // The list of versions is there from now on.
    query(&crm, COUNT).await;
    site.control.clear_requests();
    (site, crm)
}

fn accounts(n: usize) -> Json {
    let rows = (0..n).map(|at| json!({KEY: format!("k{at}"), "Name": format!("A{at}")}));
    Json::Array(rows.collect())
}

fn by(way: &str) -> WriteOptions {
    WriteOptions {
        way: Some(way.to_owned()),
        ..WriteOptions::default()
    }
}

/// An answer with this status and body, whatever was asked.
fn answer(status: u16, body: &str) -> FaultKind {
    FaultKind::Error {
        status,
        code: None,
        message: None,
        body: Some(body.to_owned()),
    }
}

fn page_for_people(status: u16) -> FaultKind {
    answer(status, "<html><body>Something went wrong</body></html>")
}

fn unavailable() -> FaultKind {
    FaultKind::Error {
        status: 503,
        code: None,
        message: None,
        body: None,
    }
}

async fn count(crm: &Connection) -> u64 {
    query(crm, COUNT).await[0]["n"].as_u64().unwrap()
}

fn advices(results: &[RecordResult]) -> Vec<Option<Advice>> {
    let advice = |result: &RecordResult| match &result.outcome {
        Outcome::Failed { problems } => Some(problems[0].advice),
        _ => None,
    };
    results.iter().map(advice).collect()
}

#[tokio::test]
async fn a_query_goes_on_after_a_page_that_was_reset_dropped_or_refused_for_now() {
    let (site, crm) = site().await;
    let options = WriteOptions::default();
    crm.create("Account", &records(&accounts(500)), options)
        .await
        .unwrap();
    let faults = [
        FaultKind::Truncate { keep_bytes: None },
        FaultKind::Drop,
        unavailable(),
        page_for_people(502),
    ];
    for fault in faults {
        site.control.add_fault(FaultRule {
            skip: 1,
            ..FaultRule::next(1, "/query", fault.clone())
        });
        let options = QueryOptions {
            page_size: 200,
            ..QueryOptions::default()
        };
        let pages = crm
            .query("SELECT Name FROM Account", options)
            .await
            .unwrap();
        let rows: Vec<Json> = pages.collect(1_000).await.unwrap().to_vec().unwrap();
        let mut names: Vec<&str> = rows
            .iter()
            .map(|row| row["Name"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!((rows.len(), names.len()), (500, 500), "{fault:?}");
        assert!(site.control.faults().is_empty(), "{fault:?} was not played");
    }
}

#[tokio::test]
async fn a_page_of_html_or_half_a_page_of_json_is_an_error_and_never_the_end() {
    let (site, crm) = site().await;
    for body in [
        "<html></html>",
        "{\"done\":true,\"records\":[{\"Id\"",
        "",
        "null",
        "[]",
    ] {
        site.control
            .add_fault(FaultRule::next(1, "/query", answer(200, body)));
        let error = crm.query(COUNT, QueryOptions::default()).await.unwrap_err();
        assert!(
            matches!(error, Error::Unexpected { .. }),
            "{body}: {error:?}"
        );
        assert_eq!(count(&crm).await, 0);
    }
}

#[tokio::test]
async fn a_locator_that_others_pushed_out_asks_to_read_again() {
    let (_site, crm) = site().await;
    let options = WriteOptions::default();
    crm.create("Account", &records(&accounts(250)), options)
        .await
        .unwrap();
    let open = async || {
        let options = QueryOptions {
            page_size: 200,
            ..QueryOptions::default()
        };
        crm.query("SELECT Id FROM Account", options).await.unwrap()
    };
    let mut first = open().await;
    assert_eq!(first.next_page().await.unwrap().unwrap().records.len(), 200);
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(open().await);
    }
    let error = first.next_page().await.unwrap_err();
    let Error::Refused { problem, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(problem.code, "INVALID_QUERY_LOCATOR");
    assert_eq!(problem.advice, Advice::Refetch);
    assert_eq!(open().await.collect(300).await.unwrap().len(), 250);
}

#[tokio::test]
async fn a_job_is_written_once_through_lost_answers_storms_and_pages_for_people() {
    let (site, crm) = site().await;
    let lost = |skip, rule: FaultRule| FaultRule {
        skip,
        after: true,
        ..rule
    };
    let troubles = [
        // The job is made, and nobody hears of it.
        vec![lost(0, FaultRule::next(1, "/jobs/ingest", FaultKind::Drop))],
        // It is closed, and the answer is lost; then nobody answers at all.
        vec![
            lost(2, FaultRule::next(1, "/jobs/ingest", FaultKind::Drop)),
            FaultRule {
                skip: 3,
                ..FaultRule::next(2, "/jobs/ingest", unavailable())
            },
        ],
        // The org is in trouble while it works.
        vec![
            FaultRule {
                skip: 3,
                ..FaultRule::next(4, "/jobs/ingest", page_for_people(500))
            },
            FaultRule {
                skip: 3,
                ..FaultRule::next(2, JOBS, page_for_people(200))
            },
        ],
        // The results come as something else, then half.
        vec![
            FaultRule::next(1, "successfulResults", page_for_people(200)),
            FaultRule {
                skip: 1,
                ..FaultRule::next(
                    1,
                    "successfulResults",
                    FaultKind::Truncate { keep_bytes: None },
                )
            },
        ],
    ];
    for (round, rules) in troubles.into_iter().enumerate() {
        for rule in rules {
            site.control.add_fault(rule);
        }
        let rows: Vec<Json> = (0..50)
            .map(|at| json!({"Name": format!("{round} {at}")}))
            .collect();
        let results = crm
            .create("Account", &records(&json!(rows)), by("bulk"))
            .await;
        let results = results.unwrap();
        assert_eq!(advices(&results), vec![None; 50], "round {round}");
        assert!(
            site.control.faults().is_empty(),
            "round {round}: not played"
        );
        assert_eq!(count(&crm).await, 50 * (round as u64 + 1));
    }
}

#[tokio::test]
async fn a_quota_that_runs_out_while_a_job_runs_leaves_its_rows_in_doubt_and_not_untouched() {
    let (site, crm) = site().await;
    // Three calls start the job, and one looks at it.
    site.control.set_quota_used(15_000 - 4);
    site.control.bulk().set_limits(dev_org::BulkLimits {
        slice_ms: Some(50),
        ..Default::default()
    });
    let rows = records(&accounts(450));
    let results = crm.create("Account", &rows, by("bulk")).await.unwrap();
    assert_eq!(advices(&results), vec![Some(Advice::CheckOutcome); 450]);
    let Outcome::Failed { problems } = &results[0].outcome else {
        panic!("not failed")
    };
    assert!(problems[0].message.contains("budget"), "{:?}", problems[0]);
    site.control.bulk().settled().await;
    let there = site.control.org(|org| org.table_of("Account").live_len());
    assert_eq!(there, 450);
}

#[tokio::test]
async fn of_a_create_of_many_only_the_rows_whose_answer_was_lost_are_in_doubt() {
    let (site, crm) = site().await;
    site.control.add_fault(FaultRule {
        skip: 1,
        after: true,
        ..FaultRule::next(1, "/composite/sobjects", FaultKind::Drop)
    });
    let rows = records(&accounts(350));
    let results = crm.create("Account", &rows, WriteOptions::default()).await;
    let advices = advices(&results.unwrap());
    let doubtful = advices.iter().flatten().collect::<Vec<_>>();
    assert!(
        doubtful
            .iter()
            .all(|advice| **advice == Advice::CheckOutcome)
    );
    // One of the two requests, whichever came second.
    assert!(matches!(doubtful.len(), 150 | 200), "{}", doubtful.len());
    assert_eq!(count(&crm).await, 350);
}

#[tokio::test]
async fn an_upsert_by_an_external_id_whose_answers_were_lost_is_repeated_and_writes_nothing_twice()
{
    let (site, crm) = site().await;
    let rows = records(&accounts(350));
    for way in ["collections", "bulk"] {
        site.control.add_fault(FaultRule {
            after: true,
            ..FaultRule::next(2, "/services/data/v", FaultKind::Drop)
        });
        let _lost = crm.upsert("Account", KEY, &rows, by(way)).await;
        site.control.clear_faults();
        let again = crm.upsert("Account", KEY, &rows, by(way)).await.unwrap();
        assert_eq!(advices(&again), vec![None; 350], "{way}");
        assert_eq!(count(&crm).await, 350, "{way}");
    }
}

#[tokio::test]
async fn a_success_that_is_a_page_for_people_leaves_every_kind_of_write_in_doubt() {
    let (site, crm) = site().await;
    let made = crm
        .create("Account", &records(&accounts(1)), WriteOptions::default())
        .await
        .unwrap();
    let id = made[0].id.clone().unwrap();
    let portal = || {
        let rule = FaultRule::next(1, "/services/data/v", page_for_people(200));
        site.control.add_fault(rule);
        WriteOptions::default()
    };
    let row = records(&json!([{"Id": id, "Name": "changed"}]));
    let keyed = records(&json!([{KEY: "new", "Name": "new"}]));
    for outcome in [
        crm.update("Account", &row, portal()).await,
        crm.delete("Account", std::slice::from_ref(&id), portal())
            .await,
        crm.upsert("Account", KEY, &keyed, portal()).await,
        crm.create("Account", &records(&accounts(2)), portal())
            .await,
    ] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::UnknownOutcome { .. }), "{error:?}");
    }
    let left = query(&crm, "SELECT Name FROM Account").await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["Name"], "A0");
}
