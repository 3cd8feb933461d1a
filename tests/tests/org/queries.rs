//! Queries: pages to the very end, whatever shape they come in.

use dev_org::Config;
use lockgate::{Advice, Connection, Error, QueryOptions, WriteOptions};
use lockgate_tests::org::{Site, all_pages, create, demo_org, ids, query, records};
use serde_json::{Value as Json, json};

async fn filled(records: usize) -> (Site, Connection) {
    let site = Site::with(Config {
        records,
        ..demo_org()
    })
    .await;
    let crm = site.crm().await;
    (site, crm)
}

const fn paged(page_size: u32) -> QueryOptions {
    QueryOptions {
        include_deleted: false,
        page_size,
        way: None,
    }
}

#[tokio::test]
async fn a_query_of_many_pages_gives_every_row_once_and_its_total() {
    let (site, crm) = filled(12_000).await;
    let total = site.control.org(|org| org.table_of("Contact").len());
    let pages = crm
        .query("SELECT Id, Account.Name FROM Contact", paged(200))
        .await
        .unwrap();
    let pages = all_pages(pages).await;
    assert!(pages.len() >= 5, "{} pages of {total}", pages.len());
    assert_eq!(pages.len(), total.div_ceil(200));
    assert!(pages.iter().all(|page| page.total == Some(total as u64)));
    let mut all: Vec<String> = Vec::new();
    for page in &pages {
        let rows: Vec<Json> = page.records.to_vec().unwrap();
        assert_eq!(rows.len(), page.records.len());
        all.extend(
            rows.iter()
                .map(|row| row["Id"].as_str().unwrap().to_owned()),
        );
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), total);
}

#[tokio::test]
async fn pages_are_fetched_when_they_are_asked_for_and_not_before() {
    let (site, crm) = filled(12_000).await;
    site.control.clear_requests();
    let mut pages = crm
        .query("SELECT Id FROM Contact", paged(200))
        .await
        .unwrap();
    for asked in 1..=3 {
        pages.next_page().await.unwrap().unwrap();
        assert_eq!(site.count("GET", "/query"), asked);
    }
    drop(pages);
    assert_eq!(query(&crm, "SELECT Id FROM Account LIMIT 1").await.len(), 1);
}

#[tokio::test]
async fn children_beyond_their_first_page_are_fetched_and_put_in_place() {
    let (site, crm) = filled(0).await;
    let mut parents = Vec::new();
    for n in [0, 1, 450] {
        let parent = create(&crm, "Account", json!({ "Name": format!("with {n}") })).await;
        let rows: Vec<Json> = (0..n)
            .map(|at| json!({"LastName":format!("c{at}"),"AccountId":parent}))
            .collect();
        if n > 0 {
            let made = crm
                .create("Contact", &records(&json!(rows)), WriteOptions::default())
                .await;
            ids(&made.unwrap());
        }
        parents.push((parent, n));
    }
    site.control.clear_requests();
    let soql = "SELECT Id, (SELECT Id, LastName FROM Contacts) FROM Account";
    let pages = all_pages(crm.query(soql, paged(200)).await.unwrap()).await;
    let rows: Vec<Json> = pages
        .iter()
        .flat_map(|page| page.records.to_vec().unwrap())
        .collect();
    assert_eq!(rows.len(), 3);
    for (parent, n) in parents {
        let row = rows.iter().find(|row| row["Id"] == json!(parent)).unwrap();
        let children = row["Contacts"]["records"].as_array().map_or(0, Vec::len);
        assert_eq!(children, n, "{row}");
        if n > 0 {
            assert_eq!(row["Contacts"]["done"], json!(true), "{n} children");
        }
    }
    assert!(
        site.count("GET", "/query") > 2,
        "the children were not paged"
    );
}

#[tokio::test]
async fn deleted_records_come_only_when_they_are_asked_for() {
    let (_site, crm) = filled(0).await;
    let id = create(&crm, "Account", json!({"Name":"gone"})).await;
    create(&crm, "Account", json!({"Name":"there"})).await;
    crm.delete("Account", &[id], WriteOptions::default())
        .await
        .unwrap();
    let soql = "SELECT Name, IsDeleted FROM Account";
    assert_eq!(query(&crm, soql).await.len(), 1);
    let all = QueryOptions {
        include_deleted: true,
        ..QueryOptions::default()
    };
    let rows: Vec<Json> = crm
        .query(soql, all)
        .await
        .unwrap()
        .collect(10)
        .await
        .unwrap()
        .to_vec()
        .unwrap();
    let deleted: Vec<&Json> = rows
        .iter()
        .filter(|row| row["IsDeleted"] == json!(true))
        .collect();
    assert_eq!((rows.len(), deleted.len()), (2, 1));
    assert_eq!(deleted[0]["Name"], json!("gone"));
}

#[tokio::test]
async fn a_page_size_out_of_the_products_bounds_does_not_lose_rows() {
    let (site, crm) = filled(12_000).await;
    let total = site.control.org(|org| org.table_of("Lead").len());
    for size in [1, 199, 2_000, u32::MAX] {
        let pages = all_pages(crm.query("SELECT Id FROM Lead", paged(size)).await.unwrap()).await;
        let rows: usize = pages.iter().map(|page| page.records.len()).sum();
        assert_eq!(rows, total, "page size {size}");
    }
}

#[tokio::test]
async fn a_query_that_is_too_long_for_an_address_is_answered_all_the_same() {
    let (site, crm) = filled(0).await;
    let id = create(&crm, "Account", json!({"Name":"the one"})).await;
    let names: Vec<String> = (0..2_000)
        .map(|at| format!("'nobody at all {at}'"))
        .collect();
    let soql = format!(
        "SELECT Id FROM Account WHERE Name IN ('the one',{})",
        names.join(",")
    );
    assert!(soql.len() > 30_000);
    let rows = query(&crm, &soql).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["Id"], json!(id));
    let wrong = format!("{soql} AND No_Such__c = 1");
    let error = crm
        .query(&wrong, QueryOptions::default())
        .await
        .unwrap_err();
    let Error::Refused { problem, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(problem.fields, ["No_Such__c"], "{problem:?}");
    assert!(
        site.control
            .requests()
            .iter()
            .all(|request| request.status != 414)
    );
}

#[tokio::test]
async fn an_answer_without_rows_is_one_empty_page() {
    let (_site, crm) = filled(0).await;
    let pages = all_pages(crm.query("SELECT Id FROM Lead", paged(0)).await.unwrap()).await;
    assert_eq!(
        pages.iter().map(|page| page.records.len()).sum::<usize>(),
        0
    );
    assert_eq!(pages[0].records.as_bytes().as_ref(), b"[]");
}

#[tokio::test]
async fn a_malformed_query_is_refused_with_the_products_words_before_any_page() {
    let (_site, crm) = filled(0).await;
    let error = crm
        .query("SELECT FROM Account", paged(0))
        .await
        .unwrap_err();
    let Error::Refused { problem, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (problem.advice, problem.code.as_str()),
        (Advice::FixRecord, "MALFORMED_QUERY")
    );
    let error = crm
        .query("SELECT Id FROM No_Such__c", paged(0))
        .await
        .unwrap_err();
    let Error::Refused { problem, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (problem.advice, problem.code.as_str()),
        (Advice::FixSchema, "INVALID_TYPE")
    );
}

#[tokio::test]
async fn an_aggregate_and_a_literal_with_quotes_go_through_unchanged() {
    let (_site, crm) = filled(0).await;
    create(&crm, "Account", json!({"Name":"O'Hara \\ \"Söhne\" %&+?#"})).await;
    let found = crm
        .invoke("find", &json!({"object":"Account","fields":["Name"],"field":"Name","equals":"O'Hara \\ \"Söhne\" %&+?#"}))
        .await
        .unwrap();
    assert_eq!(
        found["records"][0]["Name"],
        json!("O'Hara \\ \"Söhne\" %&+?#")
    );
    let counted = query(&crm, "SELECT COUNT(Id) n, Name FROM Account GROUP BY Name").await;
    assert_eq!(counted[0]["n"], json!(1));
}
