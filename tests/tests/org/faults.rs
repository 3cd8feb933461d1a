//! A bad way to the org: every call ends in a typed error that says whether
//! something may have happened, and the next call works.

use std::time::Duration;

use dev_org::{FaultKind, FaultRule};
use lockgate::{Blame, Connection, Error, QueryOptions, WriteOptions};
use lockgate_tests::org::{Site, query, records};
use serde_json::json;

const SOQL: &str = "SELECT Id FROM Account";

async fn site() -> (Site, Connection) {
    let site = Site::start().await;
    let crm = site.crm().await;
    // The list of versions is there from now on.
    query(&crm, SOQL).await;
    site.control.clear_requests();
    (site, crm)
}

fn html(status: u16) -> FaultKind {
    let body = Some("<html><body>Something went wrong</body></html>".to_owned());
    FaultKind::Error {
        status,
        code: None,
        message: None,
        body,
    }
}

async fn create_one(crm: &Connection) -> Result<(), Error> {
    let rows = records(&json!([{ "Name": "A" }]));
    crm.create("Account", &rows, WriteOptions::default())
        .await
        .map(drop)
}

#[tokio::test]
async fn a_read_that_gets_no_whole_answer_is_unavailable_and_can_be_repeated() {
    let (site, crm) = site().await;
    let faults = [
        FaultKind::Drop,
        FaultKind::Truncate { keep_bytes: None },
        FaultKind::Truncate {
            keep_bytes: Some(0),
        },
        html(500),
        html(502),
        html(503),
    ];
    for fault in faults {
        site.control.add_fault(FaultRule {
            times: None,
            ..FaultRule::next(1, "/query", fault.clone())
        });
        let error = crm.query(SOQL, QueryOptions::default()).await.unwrap_err();
        assert!(
            matches!(error, Error::Unavailable { .. }),
            "{fault:?}: {error:?}"
        );
        assert!(
            error.is_retryable() && error.retry_after().is_some(),
            "{fault:?}: {error:?}"
        );
        assert_eq!(error.blame(), Blame::Upstream);
        site.control.clear_faults();
        query(&crm, SOQL).await;
    }
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_says_so_is_not_sent_again_and_not_retryable() {
    let (site, crm) = site().await;
    let faults = [
        FaultRule {
            after: true,
            ..FaultRule::next(1, "/sobjects/Account", FaultKind::Drop)
        },
        FaultRule::next(
            1,
            "/sobjects/Account",
            FaultKind::Truncate {
                keep_bytes: Some(3),
            },
        ),
        FaultRule {
            after: true,
            ..FaultRule::next(1, "/sobjects/Account", html(500))
        },
        FaultRule {
            after: true,
            ..FaultRule::next(1, "/sobjects/Account", html(504))
        },
    ];
    for (at, rule) in faults.into_iter().enumerate() {
        site.control.add_fault(rule.clone());
        let error = create_one(&crm).await.unwrap_err();
        assert!(
            matches!(error, Error::UnknownOutcome { .. }),
            "{rule:?}: {error:?}"
        );
        assert!(!error.is_retryable());
        assert!(
            error.to_string().contains("look before writing again"),
            "{error}"
        );
        // It did happen, once.
        assert_eq!(query(&crm, SOQL).await.len(), at + 1, "{rule:?}");
    }
}

#[tokio::test]
async fn a_write_that_was_refused_before_it_was_done_is_not_an_unknown_outcome() {
    let (site, crm) = site().await;
    let gone = FaultKind::Error {
        status: 503,
        code: Some("SERVER_UNAVAILABLE".to_owned()),
        message: Some("The server is temporarily unavailable".to_owned()),
        body: None,
    };
    site.control
        .add_fault(FaultRule::next(1, "/sobjects/Account", gone));
    let error = create_one(&crm).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    create_one(&crm).await.unwrap();
    assert_eq!(query(&crm, SOQL).await.len(), 1);
}

#[tokio::test]
async fn a_page_that_stays_lost_is_told_and_the_query_goes_on_with_it_later() {
    let (site, crm) = site().await;
    let rows: Vec<_> = (0..600)
        .map(|at| json!({ "Name": format!("A{at}") }))
        .collect();
    crm.create("Account", &records(&json!(rows)), WriteOptions::default())
        .await
        .unwrap();
    let options = QueryOptions {
        page_size: 200,
        ..QueryOptions::default()
    };
    let mut pages = crm.query(SOQL, options).await.unwrap();
    let mut rows = pages.next_page().await.unwrap().unwrap().records.len();
    // Longer than the connector is patient, and then it is over.
    site.control.add_fault(FaultRule::next(
        4,
        "/query",
        FaultKind::Truncate { keep_bytes: None },
    ));
    let error = pages.next_page().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    while let Some(page) = pages.next_page().await.unwrap() {
        rows += page.records.len();
    }
    assert_eq!(rows, 600);
}

#[tokio::test]
async fn an_answer_in_small_pieces_and_a_slow_one_arrive_whole() {
    let (site, crm) = site().await;
    create_one(&crm).await.unwrap();
    site.control.add_fault(FaultRule::next(
        1,
        "/query",
        FaultKind::Drip {
            bytes: 7,
            every_ms: 1,
        },
    ));
    assert_eq!(query(&crm, SOQL).await.len(), 1);
    site.control
        .add_fault(FaultRule::next(1, "/query", FaultKind::Latency { ms: 300 }));
    assert_eq!(query(&crm, SOQL).await.len(), 1);
}

#[tokio::test]
async fn an_org_that_never_answers_is_given_up_at_the_wall_clocks_limit() {
    let site = Site::unconnected(lockgate_tests::org::demo_org()).await;
    let package = lockgate_tests::packages::package_with("salesforce", |manifest| {
        manifest.replace("wall_ms = 600_000", "wall_ms = 1_500")
    });
    site.host.load(&package).await;
    let crm = site.connect("acme", "crm").await;
    query(&crm, SOQL).await;
    site.control.add_fault(FaultRule::next(
        1,
        "/query",
        FaultKind::Latency { ms: 60_000 },
    ));
    let ended = tokio::time::timeout(
        Duration::from_secs(10),
        crm.query(SOQL, QueryOptions::default()),
    );
    let error = ended.await.expect("the call hangs").unwrap_err();
    assert!(
        matches!(
            error,
            Error::LimitExceeded { .. } | Error::Unavailable { .. }
        ),
        "{error:?}"
    );
    query(&crm, SOQL).await;
}

#[tokio::test]
async fn an_org_that_is_gone_is_unavailable_for_reads_and_writes_alike() {
    let (site, crm) = site().await;
    let Site {
        host: _host, org, ..
    } = site;
    org.stop().await;
    let error = crm.query(SOQL, QueryOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    // Nothing was sent, since there is nobody to connect to.
    let error = create_one(&crm).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}
