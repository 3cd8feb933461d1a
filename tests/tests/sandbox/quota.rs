//! The budget as a guest plans with it.

use lockgate::{Connection, Package};
use lockgate_tests::loopback::Loopback;
use lockgate_tests::packages::package_with;
use lockgate_tests::sandbox::TestHost;
use serde_json::json;

use crate::attack::one;

/// The hostile connector of a product that counts calls.
pub(crate) fn counted() -> Package {
    package_with("hostile-connector", |manifest| {
        format!(
            "{manifest}\n[vendor.quota]\nheader = 'x-usage'\nentry = 'calls'\nwindow_s = 86_400\n"
        )
    })
}

/// A connection of which 10 of 100 calls are used.
async fn known(server: &Loopback) -> (TestHost, Connection) {
    let (host, crm) = server.attacked_by(&counted()).await;
    assert_eq!(one(&crm, "send get /usage/10/100").await["status"], 200);
    let budget = crm.budget().await.unwrap();
    assert_eq!(
        (budget.limit, budget.used, budget.available),
        (Some(100), 10, Some(90))
    );
    (host, crm)
}

#[tokio::test]
async fn calls_that_are_set_aside_are_spent_first_and_the_rest_returns() {
    let server = Loopback::start().await;
    let (_host, crm) = known(&server).await;
    let report = one(&crm, "reserve-send 20 5 /ok").await;
    assert_eq!(report["remaining"], 15, "{report}");
    assert_eq!(report["returned"], 15, "{report}");
    assert_eq!(report["available-held"], 70, "{report}");
    assert_eq!(report["available-after"], 85, "{report}");
    assert_eq!(report["used-after"], 15, "{report}");
}

#[tokio::test]
async fn no_more_is_set_aside_than_there_is() {
    let server = Loopback::start().await;
    let (_host, crm) = known(&server).await;
    let report = one(&crm, "reserve 101 0").await;
    assert!(
        report["error"].as_str().unwrap().contains("TooMany(100)"),
        "{report}"
    );
    let report = one(&crm, "reserve 91 0").await;
    assert!(
        report["error"].as_str().unwrap().contains("Exhausted"),
        "{report}"
    );
    assert_eq!(one(&crm, "reserve 90 0").await["remaining"], 90);
    let report = one(&crm, "reserve-many 200").await;
    assert_eq!(report["kept"], 90, "{report}");
    assert!(
        report["error"].as_str().unwrap().contains("Exhausted"),
        "{report}"
    );
}

#[tokio::test]
async fn what_a_call_has_set_aside_returns_when_it_ends_however_it_ends() {
    let server = Loopback::start().await;
    let (_host, crm) = known(&server).await;
    one(&crm, "reserve-many 200").await;
    assert_eq!(crm.budget().await.unwrap().available, Some(90));
    // Reserved, and then dropped before it spends any of it.
    let other = crm.clone();
    let call = tokio::spawn(async move { one(&other, "reserve-send 40 1 /hold").await });
    while server.held() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(crm.budget().await.unwrap().available, Some(50));
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // One of them was sent.
    assert_eq!(crm.budget().await.unwrap().available, Some(89));
}

#[tokio::test]
async fn a_request_beyond_the_budget_is_not_sent() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&counted()).await;
    one(&crm, "send get /usage/100/100").await;
    let sent = server.heads().len();
    let report = one(&crm, "send get /ok").await;
    assert!(
        report["error"].as_str().unwrap().contains("OverQuota"),
        "{report}"
    );
    assert_eq!(server.heads().len(), sent);
}

#[tokio::test]
async fn a_product_that_does_not_count_has_no_limit() {
    let server = Loopback::start().await;
    let package = lockgate_tests::packages::package("hostile-connector");
    let (_host, crm) = server.attacked_by(&package).await;
    assert_eq!(
        one(&crm, "reserve-send 20 5 /ok").await["returned"],
        json!(15)
    );
    assert_eq!(crm.budget().await.unwrap().limit, None);
}
