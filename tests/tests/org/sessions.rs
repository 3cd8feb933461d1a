//! Sessions and grants: they end, are renewed once, rotate, and die.

use dev_org::{Config, FaultKind, FaultRule};
use futures_util::future::join_all;
use lockgate::{ConnectionState, Error, QueryOptions};
use lockgate_tests::org::{NAME, Site, TENANT, demo_org, query};

const TOKEN: &str = "/services/oauth2/token";

fn with_records(records: usize) -> Config {
    Config {
        records,
        ..demo_org()
    }
}

async fn by_person(config: Config) -> (Site, lockgate::Connection) {
    let site = Site::unconnected(config).await;
    let crm = site.connect_by_person(TENANT, NAME).await;
    site.control.clear_requests();
    (site, crm)
}

#[tokio::test]
async fn a_session_that_ends_in_the_middle_of_a_query_is_renewed_once_and_no_row_is_lost() {
    let (site, crm) = by_person(with_records(4_000)).await;
    let total = site.control.org(|org| org.table_of("Contact").len());
    let options = QueryOptions {
        page_size: 200,
        ..QueryOptions::default()
    };
    let mut pages = crm.query("SELECT Id FROM Contact", options).await.unwrap();
    let mut rows = pages.next_page().await.unwrap().unwrap().records.len();
    assert!(rows < total, "{total} contacts fit into a page");
    site.control.expire_sessions();
    while let Some(page) = pages.next_page().await.unwrap() {
        rows += page.records.len();
    }
    assert_eq!(rows, total);
    assert_eq!(site.count("POST", TOKEN), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_that_find_the_session_ended_make_exactly_one_token_request() {
    let (site, crm) = by_person(demo_org()).await;
    site.control.set_rotation(true);
    query(&crm, "SELECT Id FROM Account").await;
    site.control.expire_sessions();
    site.control.clear_requests();
    let calls = (0..50).map(|_| {
        let crm = crm.clone();
        tokio::spawn(async move { query(&crm, "SELECT Id FROM Account").await })
    });
    for call in join_all(calls).await {
        call.unwrap();
    }
    assert_eq!(site.count("POST", TOKEN), 1);
    assert!(site.count("GET", "/query") >= 50);
}

#[tokio::test]
async fn a_rotated_refresh_token_is_kept_and_the_old_one_never_used_again() {
    let (site, crm) = by_person(demo_org()).await;
    site.control.set_rotation(true);
    // Each round needs the token of the round before: an old one is dead.
    for round in 1..=3 {
        site.control.expire_sessions();
        query(&crm, "SELECT Id FROM Account").await;
        assert_eq!(site.count("POST", TOKEN), round);
    }
    let refused = site
        .control
        .requests()
        .into_iter()
        .filter(|r| r.path == TOKEN && r.status != 200);
    assert_eq!(refused.count(), 0);
}

#[tokio::test]
async fn a_rotated_refresh_token_is_on_disk_before_it_is_used_so_another_host_can_go_on() {
    let (site, crm) = by_person(demo_org()).await;
    site.control.set_rotation(true);
    site.control.expire_sessions();
    query(&crm, "SELECT Id FROM Account").await;
    let other = site.another_host().await;
    site.control.expire_sessions();
    query(
        &other.connection(TENANT, NAME).await.unwrap(),
        "SELECT Id FROM Account",
    )
    .await;
    // And back: the first finds what the second wrote down.
    query(&crm, "SELECT Id FROM Account").await;
    assert_eq!(site.count("POST", TOKEN), 2);
}

#[tokio::test]
async fn a_dead_grant_asks_for_a_person_with_the_reason_and_sends_no_further_token_request() {
    let (site, crm) = by_person(demo_org()).await;
    query(&crm, "SELECT Id FROM Account").await;
    site.control.kill_refresh_tokens();
    site.control.expire_sessions();
    site.control.clear_requests();
    for _ in 0..3 {
        let error = crm
            .query("SELECT Id FROM Account", QueryOptions::default())
            .await
            .unwrap_err();
        let Error::NeedsReconnect { connection, reason } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(connection, "acme/crm");
        assert!(reason.contains("expired access/refresh token"), "{reason}");
        assert!(!error.is_retryable());
    }
    assert_eq!(site.count("POST", TOKEN), 1);
    let state = crm.record().await.unwrap().state;
    assert!(
        matches!(state, ConnectionState::NeedsReconnect { .. }),
        "{state:?}"
    );

    site.log_in(TENANT, NAME).await;
    query(&crm, "SELECT Id FROM Account").await;
}

#[tokio::test]
async fn a_login_host_that_fails_in_passing_does_not_end_the_grant() {
    let (site, crm) = by_person(demo_org()).await;
    query(&crm, "SELECT Id FROM Account").await;
    site.control.expire_sessions();
    let html = FaultKind::Error {
        status: 503,
        code: None,
        message: None,
        body: Some("<html>maintenance</html>".to_owned()),
    };
    site.control.add_fault(FaultRule::next(10, TOKEN, html));
    let error = crm
        .query("SELECT Id FROM Account", QueryOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(error.is_retryable());
    site.control.clear_faults();
    let pause = error.retry_after().unwrap();
    assert!(pause <= std::time::Duration::from_secs(60), "{pause:?}");
    assert!(matches!(
        crm.record().await.unwrap().state,
        ConnectionState::Ready
    ));
}

#[tokio::test]
async fn a_session_that_is_refused_even_when_new_is_not_renewed_in_a_loop() {
    let (site, crm) = by_person(demo_org()).await;
    query(&crm, "SELECT Id FROM Account").await;
    site.control.clear_requests();
    let refused = FaultKind::Error {
        status: 401,
        code: Some("INVALID_SESSION_ID".to_owned()),
        message: Some("Session expired or invalid".to_owned()),
        body: None,
    };
    site.control.add_fault(FaultRule {
        times: None,
        ..FaultRule::next(1, "/query", refused)
    });
    let error = crm
        .query("SELECT Id FROM Account", QueryOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NeedsReconnect { .. }), "{error:?}");
    assert_eq!(
        (site.count("GET", "/query"), site.count("POST", TOKEN)),
        (2, 1)
    );
    site.control.clear_faults();
    query(&crm, "SELECT Id FROM Account").await;
}
