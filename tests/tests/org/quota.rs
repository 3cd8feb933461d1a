//! The budget of API calls: what the org says of it, what the operator keeps
//! back, and what a 403 means.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dev_org::{FaultKind, FaultRule};
use futures_util::TryStreamExt as _;
use lockgate::{
    Advice, Connection, Content, Error, Parking, Priority, QueryOptions, QuotaWait, Reserve,
    WriteOptions,
};
use lockgate_tests::org::{
    NAME, Site, TENANT, browser, counted, create, ids, post_form, query, records,
};
use serde_json::json;
use tokio::sync::mpsc;

const SOQL: &str = "SELECT Id FROM Account";

async fn refusal(crm: &Connection) -> Error {
    crm.query(SOQL, QueryOptions::default()).await.unwrap_err()
}

fn forbidden(code: &str, message: &str) -> FaultKind {
    FaultKind::Error {
        status: 403,
        code: Some(code.to_owned()),
        message: Some(message.to_owned()),
        body: None,
    }
}

/// Another client of the same org, which knows nothing of our budget.
struct Stranger(String, String);

impl Stranger {
    async fn new(site: &Site) -> Self {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "dev-org-client"),
            ("client_secret", "dev-org-secret"),
        ];
        let url = format!("{}/services/oauth2/token", site.org.url());
        let answer = post_form(&browser(), &url, &form)
            .await
            .text()
            .await
            .unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        Self(
            site.org.url(),
            answer["access_token"].as_str().unwrap().to_owned(),
        )
    }

    async fn calls(&self, n: usize) {
        let http = browser();
        let url = format!("{}/services/data/v60.0/limits", self.0);
        for _ in 0..n {
            http.get(&url).bearer_auth(&self.1).send().await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_daily_limit_parks_the_connection_with_a_wait_and_nothing_is_sent_until_then() {
    let site = Site::start().await;
    let crm = site.crm().await;
    query(&crm, SOQL).await;
    // The others have used it up since our last answer.
    site.control.set_quota_used(15_000);
    let error = refusal(&crm).await;
    let Error::OverQuota { retry_after, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(*retry_after >= Duration::from_secs(60), "{retry_after:?}");
    assert!(error.is_retryable());
    site.control.clear_requests();
    for _ in 0..5 {
        let error = refusal(&crm).await;
        assert!(matches!(error, Error::OverQuota { .. }), "{error:?}");
    }
    let rows = records(&json!([{"Name":"A"}]));
    let error = crm
        .create("Account", &rows, WriteOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::OverQuota { .. }), "{error:?}");
    assert!(
        site.control.requests().is_empty(),
        "{:?}",
        site.control.requests()
    );
    let budget = crm.budget().await.unwrap();
    assert_eq!((budget.limit, budget.available), (Some(15_000), Some(0)));
}

#[tokio::test]
async fn too_many_at_once_backs_off_for_seconds_and_recovers_by_itself() {
    let site = Site::start().await;
    let crm = site.crm().await;
    query(&crm, SOQL).await;
    let busy = forbidden(
        "REQUEST_LIMIT_EXCEEDED",
        "ConcurrentPerOrgLongTxn Limit exceeded.",
    );
    site.control.add_fault(FaultRule::next(1, "/query", busy));
    let error = refusal(&crm).await;
    let wait = error.retry_after().unwrap();
    assert!(
        error.is_retryable() && wait <= Duration::from_secs(3),
        "{error:?}"
    );
    // The way of a caller: it asks again when it was told to.
    tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match crm.query(SOQL, QueryOptions::default()).await {
                Ok(_) => return,
                Err(error) => tokio::time::sleep(error.retry_after().unwrap()).await,
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(crm.budget().await.unwrap().limit, Some(15_000));
}

#[tokio::test]
async fn a_missing_permission_neither_parks_nor_backs_off() {
    let site = Site::start().await;
    let crm = site.crm().await;
    query(&crm, SOQL).await;
    let denied = forbidden("INSUFFICIENT_ACCESS", "insufficient access rights");
    site.control.add_fault(FaultRule::next(1, "/query", denied));
    let error = refusal(&crm).await;
    let Error::Refused { problem, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(problem.advice, Advice::AskPermission);
    assert_eq!((error.retry_after(), error.is_retryable()), (None, false));
    query(&crm, SOQL).await;
}

#[tokio::test]
async fn the_operators_reserve_is_never_overrun_while_other_clients_eat_the_budget() {
    let cases = [
        (
            Reserve {
                max_share_percent: Some(80),
                keep_calls: None,
                ..Reserve::default()
            },
            15_000,
            12_000,
        ),
        (
            Reserve {
                max_share_percent: None,
                keep_calls: Some(5_000),
                ..Reserve::default()
            },
            15_000,
            10_000,
        ),
        (
            Reserve {
                max_share_percent: Some(80),
                keep_calls: Some(5_000),
                ..Reserve::default()
            },
            15_000,
            10_000,
        ),
    ];
    for (reserve, limit, usable) in cases {
        let site = Site::start().await;
        let crm = site.crm().await;
        let stranger = Stranger::new(&site).await;
        site.host
            .change_connection(TENANT, NAME, None, Some(reserve))
            .await
            .unwrap();
        query(&crm, SOQL).await;
        site.control.set_quota_used(usable - 30);
        query(&crm, SOQL).await;
        let mut ours = 0;
        let error = loop {
            stranger.calls(3).await;
            let before = site.control.quota().used;
            match crm.query(SOQL, QueryOptions::default()).await {
                Ok(_) => {
                    ours += 1;
                    // Three strangers' calls may have come since we last heard.
                    assert!(
                        before <= usable + 3,
                        "{before} of {limit}: sent into the reserve"
                    );
                }
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::OverQuota { .. }), "{error:?}");
        assert!(
            (5..=10).contains(&ours),
            "{ours} calls in a room of 30 with 3 of others for each"
        );
        assert_eq!(crm.budget().await.unwrap().available, Some(0));
        let used = site.control.quota().used;
        for _ in 0..10 {
            refusal(&crm).await;
        }
        assert_eq!(site.control.quota().used, used, "refused calls were sent");
    }
}

#[tokio::test]
async fn a_write_of_many_requests_that_the_budget_cannot_hold_is_refused_before_the_first() {
    let site = Site::start().await;
    let crm = site.crm().await;
    query(&crm, SOQL).await;
    site.control.set_quota_used(14_997);
    query(&crm, SOQL).await;
    site.control.clear_requests();
    let rows: Vec<_> = (0..1_000)
        .map(|at| json!({ "Name": format!("A{at}") }))
        .collect();
    let error = crm
        .create("Account", &records(&json!(rows)), WriteOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::OverQuota { .. }), "{error:?}");
    assert_eq!(site.count("POST", "/composite"), 0);
}

#[tokio::test]
async fn the_budget_counts_our_calls_and_those_of_others_and_another_host_knows_it() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let stranger = Stranger::new(&site).await;
    for _ in 0..3 {
        query(&crm, SOQL).await;
    }
    stranger.calls(10).await;
    query(&crm, SOQL).await;
    let budget = crm.budget().await.unwrap();
    assert_eq!(budget.limit, Some(15_000));
    assert_eq!(budget.used, site.control.quota().used);
    assert_eq!(budget.available, Some(15_000 - budget.used));
    site.host.flush().await.unwrap();
    let other = site.another_host().await;
    let other = other.connection(TENANT, NAME).await.unwrap();
    let kept = other.budget().await.unwrap();
    assert_eq!(kept.limit, budget.limit);
    // Not sure which of our calls the org's last word held, it errs to the
    // careful side.
    let careful = budget.used..=budget.used + 10;
    assert!(careful.contains(&kept.used), "{kept:?}");
}

/// Lets the connection make so many more calls, or all that there are.
async fn leave(site: &Site, calls: Option<u64>) {
    let budget = site.crm().await.budget().await.unwrap();
    let keep = calls.map(|calls| budget.limit.unwrap() - budget.used - calls);
    let reserve = Reserve {
        keep_calls: keep,
        ..Reserve::default()
    };
    site.host
        .change_connection(TENANT, NAME, None, Some(reserve))
        .await
        .unwrap();
}

/// Creates so many accounts.
async fn accounts(crm: &Connection, count: usize) {
    let rows: Vec<_> = (0..count)
        .map(|at| json!({ "Name": format!("A{at}") }))
        .collect();
    let rows = records(&json!(rows));
    let written = crm.create("Account", &rows, WriteOptions::default()).await;
    assert_eq!(ids(&written.unwrap()).len(), count);
}

/// The connection with jobs that wait for calls, and what they say of it.
fn waiting(crm: &Connection) -> (Connection, mpsc::UnboundedReceiver<Parking>) {
    let (told, heard) = mpsc::unbounded_channel();
    let wait = QuotaWait::up_to(Duration::from_secs(25 * 3_600));
    let wait = wait.telling(move |parking| told.send(parking.clone()).unwrap());
    (crm.with_quota_wait(wait), heard)
}

/// The first word of a job that had to wait: for about a day, since all calls were
/// made just now.
async fn parked(heard: &mut mpsc::UnboundedReceiver<Parking>) {
    let Some(Parking::Parked { until, .. }) = heard.recv().await else {
        panic!("it did not wait");
    };
    let wait = until.duration_since(SystemTime::now()).unwrap();
    assert!(wait > Duration::from_secs(23 * 3_600), "{wait:?}");
}

const PAGES_OF_200: QueryOptions = QueryOptions {
    include_deleted: false,
    page_size: 200,
    way: None,
};

#[tokio::test]
async fn a_query_that_runs_out_of_calls_parks_and_goes_on_where_it_was() {
    let site = Site::start().await;
    let crm = site.crm().await;
    accounts(&crm, 601).await;
    site.control.clear_requests();
    leave(&site, Some(2)).await;
    let (patient, mut heard) = waiting(&crm);
    let reading = tokio::spawn(async move {
        let pages = patient.query(SOQL, PAGES_OF_200).await.unwrap();
        pages.collect(1_000).await.unwrap()
    });
    parked(&mut heard).await;
    assert_eq!(site.count("GET", "/query"), 2);
    leave(&site, None).await;
    let rows: Vec<serde_json::Value> = reading.await.unwrap().to_vec().unwrap();
    let all: BTreeSet<_> = rows.iter().map(|row| row["Id"].as_str().unwrap()).collect();
    assert_eq!((rows.len(), all.len()), (601, 601));
    assert_eq!(site.count("GET", "/query"), 4, "no page is asked for twice");
    assert!(matches!(heard.recv().await, Some(Parking::Resumed { .. })));
}

#[tokio::test]
async fn records_and_descriptions_that_are_asked_for_wait_as_well() {
    let site = Site::start().await;
    let crm = site.crm().await;
    accounts(&crm, 1).await;
    let rows = crm.query(SOQL, PAGES_OF_200).await.unwrap();
    let rows: Vec<serde_json::Value> = rows.collect(1).await.unwrap().to_vec().unwrap();
    let ids = vec![rows[0]["Id"].as_str().unwrap().to_owned()];
    leave(&site, Some(0)).await;
    let refused = crm.get("Account", &ids, &[]).await.unwrap_err();
    assert!(matches!(refused, Error::OverQuota { .. }), "{refused:?}");
    let (patient, mut heard) = waiting(&crm);
    let asking = tokio::spawn(async move {
        let objects = patient.objects().await.unwrap();
        let described = patient.describe("Opportunity").await.unwrap();
        let fields = ["Name".to_owned()];
        (
            objects,
            described,
            patient.get("Account", &ids, &fields).await.unwrap(),
        )
    });
    parked(&mut heard).await;
    leave(&site, None).await;
    let (objects, described, got) = asking.await.unwrap();
    assert!(objects.iter().any(|object| object.name == "Account"));
    assert_eq!(described.summary.name, "Opportunity");
    let got: Vec<serde_json::Value> = serde_json::from_slice(&got).unwrap();
    assert_eq!(got[0]["Name"], "A0");
}

#[tokio::test]
async fn an_action_waits_for_its_first_call_and_a_file_for_any() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let account = create(&crm, "Account", json!({ "Name": "A" })).await;
    let note = json!({ "kind": "content-note", "parent_id": account, "title": "t", "text": "x" });
    crm.invoke("save-note", &note).await.unwrap();
    let of_account = json!({ "parent_ids": [account] });
    let (notes, calls) = counted(&site, &crm, "notes-of", &of_account).await;
    assert_eq!(calls, 2);
    let version = json!({ "Title": "t", "PathOnClient": "t.txt" });
    let file = Content::from_bytes("content");
    let file = crm.upload("ContentVersion", &version, "VersionData", file);
    let file = file.await.unwrap().id.unwrap();

    leave(&site, Some(1)).await;
    let (patient, mut heard) = waiting(&crm);
    let half_done = patient.invoke("notes-of", &of_account).await.unwrap_err();
    assert!(matches!(half_done, Error::OverQuota { .. }), "{half_done}");
    assert!(heard.try_recv().is_err(), "it waited after its first call");

    let asking = tokio::spawn(async move {
        let notes = patient.invoke("notes-of", &of_account).await.unwrap();
        let content = patient.download("ContentVersion", &file, "VersionData");
        let content: Vec<Bytes> = content.await.unwrap().try_collect().await.unwrap();
        (notes, content.concat())
    });
    parked(&mut heard).await;
    leave(&site, None).await;
    assert_eq!(asking.await.unwrap(), (notes, b"content".to_vec()));
}

#[tokio::test]
async fn a_query_that_may_not_wait_says_why_and_the_same_page_can_be_had_later() {
    let site = Site::start().await;
    let crm = site.crm().await;
    accounts(&crm, 601).await;
    leave(&site, Some(2)).await;
    let budget = crm.budget().await.unwrap();
    let mut pages = crm.query(SOQL, PAGES_OF_200).await.unwrap();
    let mut read = 0;
    for _ in 0..2 {
        read += pages.next_page().await.unwrap().unwrap().records.len();
    }
    for _ in 0..2 {
        let error = pages.next_page().await.unwrap_err();
        let Error::OverQuota { budget: told, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!((told.limit, told.available), (Some(15_000), Some(0)));
        let expected = format!(
            "({} of 15000 are used, {} are kept back)",
            budget.used + 2,
            15_000 - budget.used - 2
        );
        assert!(error.to_string().contains(&expected), "{error}");
    }
    leave(&site, None).await;
    while let Some(page) = pages.next_page().await.unwrap() {
        read += page.records.len();
    }
    assert_eq!(read, 601);
}

#[tokio::test]
async fn writes_by_either_way_park_and_go_on_and_write_each_record_once() {
    for (way, count) in [("collections", 1_000), ("bulk", 3)] {
        let site = Site::start().await;
        let crm = site.crm().await;
        query(&crm, SOQL).await;
        site.control.set_quota_used(100);
        query(&crm, SOQL).await;
        site.control.clear_requests();
        leave(&site, Some(2)).await;
        let (patient, mut heard) = waiting(&crm);
        let rows: Vec<_> = (0..count)
            .map(|at| json!({ "Name": format!("A{at}") }))
            .collect();
        let rows = records(&json!(rows));
        let options = WriteOptions {
            way: Some(way.to_owned()),
            ..WriteOptions::default()
        };
        let writing =
            tokio::spawn(async move { patient.create("Account", &rows, options).await.unwrap() });
        parked(&mut heard).await;
        // Five collections do not begin if two can be sent; a job begins.
        let begun = if way == "bulk" { 2 } else { 0 };
        assert_eq!(site.control.requests().len(), begun, "{way}");
        leave(&site, None).await;
        let written = ids(&writing.await.unwrap());
        assert_eq!(written.len(), count);
        assert_eq!(query(&crm, SOQL).await.len(), count, "{way}");
    }
}

#[tokio::test]
async fn a_backfill_leaves_calls_to_people_and_a_forecast_says_how_long_it_takes() {
    let site = Site::start().await;
    let crm = site.crm().await;
    query(&crm, SOQL).await;
    site.control.set_quota_used(12_000);
    query(&crm, SOQL).await;
    let backfill = crm.with_priority(Priority::Backfill);
    let error = refusal(&backfill).await;
    assert!(matches!(error, Error::OverQuota { .. }), "{error:?}");
    query(&crm, SOQL).await;
    let now = crm.forecast(1_000).await.unwrap().unwrap();
    assert_eq!((now.at_once, now.done_in), (1_000, Some(Duration::ZERO)));
    let later = backfill.forecast(1_000).await.unwrap().unwrap();
    assert_eq!(later.at_once, 0);
    // Others are taken to go on as before: then a backfill never finds room.
    assert_eq!(later.done_in, None);
}

#[tokio::test]
async fn limits_of_bursts_and_apps_are_not_taken_for_that_of_the_day() {
    let site = Site::start().await;
    let crm = site.crm().await;
    for more in [
        "api-bursts=749/750",
        "per-app-api-usage=249/250(appName=sample-connected-app)",
        "per-app-api-usage=1/2(appName=x; api-usage=15000/15000)",
    ] {
        site.control.set_more_limit_info(more);
        query(&crm, SOQL).await;
        let left = crm.budget().await.unwrap().available;
        let quota = site.control.quota();
        assert_eq!(left, Some(quota.max - quota.used), "{more}");
    }
}
