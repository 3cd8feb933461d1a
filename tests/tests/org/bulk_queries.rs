//! Queries by Bulk: the same records as by REST, for fewer calls, whatever
//! happens to the job.

use dev_org::{BulkFailure, BulkHold, BulkJobState, Config, FaultKind, FaultRule};
use lockgate::{Advice, Connection, Error, QueryOptions};
use lockgate_tests::org::{Site, all_pages, create, demo_org};
use serde_json::{Value as Json, json};

async fn filled(records: usize) -> (Site, Connection) {
    let site = Site::with(Config {
        records,
        ..demo_org()
    })
    .await;
    let crm = site.crm().await;
    site.control.clear_requests();
    (site, crm)
}

fn by(way: &str, page_size: u32) -> QueryOptions {
    QueryOptions {
        way: Some(way.to_owned()),
        page_size,
        ..QueryOptions::default()
    }
}

async fn rows(crm: &Connection, soql: &str, options: QueryOptions) -> Vec<Json> {
    let pages = crm.query(soql, options).await.unwrap();
    pages.collect(1_000_000).await.unwrap().to_vec().unwrap()
}

/// Polls are as many as the job is slow: they are counted apart.
fn calls_but_polls(site: &Site) -> usize {
    let requests = site.control.requests();
    let is_poll = |path: &str| {
        path.split_once("/jobs/query/")
            .is_some_and(|(_, rest)| !rest.contains('/'))
    };
    requests
        .iter()
        .filter(|request| request.counted && !(request.method == "GET" && is_poll(&request.path)))
        .count()
}

#[tokio::test]
async fn ten_thousand_rows_are_the_same_by_rest_and_by_bulk() {
    let (site, crm) = filled(42_000).await;
    let odd = "a \"quoted\",\r\nline\u{2028} with \\ and ü, N/A, 'x'\n";
    let row = json!({ "LastName": "Odd", "Description": odd });
    create(&crm, "Contact", row).await;
    let soql = "SELECT id, Name, Account.Name, Account.AnnualRevenue, Account.Owner.Username, \
                Email, Phone, Birthdate, CreatedDate, IsDeleted, AccountId, Description \
                FROM Contact ORDER BY Id";
    site.control.clear_requests();
    let by_rest = rows(&crm, soql, by("rest", 0)).await;
    let rest_calls = calls_but_polls(&site);
    site.control.clear_requests();
    let by_bulk = rows(&crm, soql, by("bulk", 0)).await;
    let bulk_calls = calls_but_polls(&site);
    assert!(by_rest.len() > 10_000, "{} rows", by_rest.len());
    assert_eq!(by_rest.len(), by_bulk.len());
    for (rest, bulk) in by_rest.iter().zip(&by_bulk) {
        assert_eq!(rest, bulk);
    }
    assert!(by_bulk.iter().any(|row| row["Account"].is_null()));
    assert!(by_bulk.iter().any(|row| row["Account"].is_object()));
    // Three descriptions, the start, one answer with rows, the delete.
    assert_eq!((rest_calls, bulk_calls), (by_rest.len().div_ceil(2_000), 6));
    assert_eq!(site.count("DELETE", "/jobs/query/"), 1);
}

#[tokio::test]
async fn every_type_of_field_comes_as_rest_gives_it() {
    let (_site, crm) = filled(2_000).await;
    for object in [
        "Account",
        "Lead",
        "Opportunity",
        "Task",
        "Order",
        "Invoice__c",
        "Product2",
    ] {
        let described = crm.describe(object).await.unwrap();
        let is_plain = |kind: &str| !matches!(kind, "address" | "location" | "base64");
        let fields: Vec<&str> = described
            .fields
            .iter()
            .filter(|field| is_plain(&field.kind))
            .map(|field| field.name.as_str())
            .collect();
        let soql = format!("SELECT {} FROM {object} ORDER BY Id", fields.join(", "));
        let by_rest = rows(&crm, &soql, by("rest", 0)).await;
        let by_bulk = rows(&crm, &soql, by("bulk", 0)).await;
        assert!(!by_rest.is_empty(), "{object}");
        assert_eq!(by_rest, by_bulk, "{object}");
    }
}

#[tokio::test]
async fn many_small_pages_become_a_job_and_few_stay_with_rest() {
    let (site, crm) = filled(66_000).await;
    let total = site.control.org(|org| org.table_of("Contact").len());
    assert!(total > 15_000, "{total}");
    let soql = "SELECT Id, Name FROM Contact";
    let small = QueryOptions {
        page_size: 200,
        ..QueryOptions::default()
    };
    let pages = crm.query(soql, small.clone()).await.unwrap();
    assert_eq!(pages.way().name, "bulk", "{:?}", pages.way());
    let pages = all_pages(pages).await;
    let n_rows: usize = pages.iter().map(|page| page.records.len()).sum();
    assert_eq!(n_rows, total);
    assert!(pages.iter().all(|page| page.records.len() <= 200));
    assert_eq!(pages.last().unwrap().total, Some(total as u64));
    let calls = calls_but_polls(&site);
    assert!(calls <= 6, "{calls} calls for {total} rows");
    let pages = crm.query(soql, QueryOptions::default()).await.unwrap();
    assert_eq!(pages.way().name, "rest", "{:?}", pages.way());
    let pages = crm
        .query("SELECT Id, FORMAT(CreatedDate) d FROM Contact", small)
        .await
        .unwrap();
    assert_eq!(pages.way().name, "rest", "{:?}", pages.way());
    assert!(pages.way().reason.contains("function"), "{:?}", pages.way());
}

#[tokio::test]
async fn deleted_records_come_by_bulk_as_well_if_they_are_asked_for() {
    let (_site, crm) = filled(0).await;
    let id = create(&crm, "Account", json!({ "Name": "gone" })).await;
    create(&crm, "Account", json!({ "Name": "there" })).await;
    crm.delete("Account", &[id], lockgate::WriteOptions::default())
        .await
        .unwrap();
    let soql = "SELECT Name, IsDeleted FROM Account";
    assert_eq!(rows(&crm, soql, by("bulk", 0)).await.len(), 1);
    let mut all = by("bulk", 0);
    all.include_deleted = true;
    assert_eq!(rows(&crm, soql, all).await.len(), 2);
}

#[tokio::test]
async fn a_session_that_ends_and_answers_that_are_lost_do_not_end_a_job() {
    let (site, crm) = filled(2_000).await;
    let soql = "SELECT Id, Name FROM Lead ORDER BY Id";
    let expected = rows(&crm, soql, by("rest", 0)).await;
    let mut pages = crm.query(soql, by("bulk", 50)).await.unwrap();
    site.control.expire_sessions();
    for (path, kind) in [
        ("/jobs/query/", FaultKind::Drop),
        ("/results", FaultKind::Truncate { keep_bytes: None }),
    ] {
        site.control.add_fault(FaultRule::next(1, path, kind));
    }
    let mut all: Vec<Json> = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        all.extend(page.records.to_vec::<Json>().unwrap());
    }
    assert_eq!(all, expected);
}

#[tokio::test]
async fn a_job_that_fails_or_is_aborted_tells_its_own_words() {
    let (site, crm) = filled(0).await;
    let bulk = site.control.bulk();
    bulk.fail(BulkFailure {
        message: "QUERY_TIMEOUT: Your query request was running for too long.".to_owned(),
        object: None,
        after_rows: 0,
        times: Some(1),
    });
    let mut pages = crm
        .query("SELECT Id FROM Lead", by("bulk", 0))
        .await
        .unwrap();
    let error = pages.next_page().await.unwrap_err();
    let Error::Refused { problem, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (problem.advice, problem.code.as_str()),
        (Advice::Retry, "QUERY_TIMEOUT")
    );
    assert!(problem.message.contains("running for too long"));
    assert!(pages.next_page().await.unwrap().is_none());
}

#[tokio::test]
async fn a_slow_job_is_waited_for_and_a_dropped_cursor_leaves_the_host_well() {
    let (site, crm) = filled(100).await;
    let bulk = site.control.bulk();
    bulk.hold(BulkHold {
        state: BulkJobState::InProgress,
        after_rows: 0,
    });
    let soql = "SELECT Id FROM Lead";
    let mut pages = crm.query(soql, by("bulk", 0)).await.unwrap();
    {
        let mut next = std::pin::pin!(pages.next_page());
        let looked = async {
            while site.count("GET", "/jobs/query/") < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            page = &mut next => panic!("a page of a job that is held: {page:?}"),
            () = looked => bulk.release(None),
        }
        assert_eq!(next.await.unwrap().unwrap().records.len(), 20);
    }
    drop(pages);
    drop(crm.query(soql, by("bulk", 0)).await.unwrap());
    assert_eq!(rows(&crm, soql, by("rest", 0)).await.len(), 20);
}

#[tokio::test]
async fn an_unknown_way_and_an_impossible_one_are_refused_with_what_to_do() {
    let (site, crm) = filled(0).await;
    let error = crm
        .query("SELECT Id FROM Lead", by("soap", 0))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("rest, bulk"), "{error}");
    assert!(site.control.requests().is_empty());
    let error = crm
        .query("SELECT Id, Who.Name FROM Task", by("bulk", 0))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("Who may be a record of several"),
        "{error}"
    );
    assert_eq!(site.count("POST", "/jobs/query"), 0);
}
