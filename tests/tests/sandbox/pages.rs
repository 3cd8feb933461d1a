//! Long answers: limits begin afresh with each page, so that an answer of any
//! length runs through and a single page never does.

use lockgate::{Limit, Pages};
use lockgate_tests::loopback::Loopback;

use crate::attack::{connector, stopped_by};

/// Takes so many pages, which must all come.
async fn take(pages: &mut Pages, count: usize) {
    for n in 0..count {
        let page = pages
            .next_page()
            .await
            .unwrap_or_else(|error| panic!("page {n}: {error}"));
        assert!(page.is_some(), "page {n}");
    }
}

#[tokio::test]
async fn a_query_may_take_longer_in_all_than_one_page_may() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("cpu_ms = 300")).await;
    let mut pages = crm.query("burn 100", Default::default()).await.unwrap();
    take(&mut pages, 8).await;
    let mut pages = crm.query("burn 2000", Default::default()).await.unwrap();
    assert_eq!(stopped_by(pages.next_page().await).0, Limit::Cpu);
    assert!(
        pages.next_page().await.unwrap().is_none(),
        "after an error there is no page"
    );
}

#[tokio::test]
async fn the_wall_clock_begins_afresh_with_each_page() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("wall_ms = 1000")).await;
    let mut pages = crm.query("burn 250", Default::default()).await.unwrap();
    take(&mut pages, 6).await;
}

#[tokio::test]
async fn requests_and_host_calls_count_afresh_for_each_page() {
    let server = Loopback::start().await;
    let limits = "http_requests = 30\nhost_calls = 200";
    let (_host, crm) = server.attacked_by(&connector(limits)).await;
    let mut pages = crm.query("pages 25 /ok", Default::default()).await.unwrap();
    take(&mut pages, 6).await;
    let sent = server.heads().len();
    assert_eq!(sent, 150);
    let mut pages = crm.query("pages 31 /ok", Default::default()).await.unwrap();
    let page = pages.next_page().await.unwrap().unwrap();
    let text = String::from_utf8_lossy(page.records.as_bytes()).into_owned();
    assert_eq!(text.matches("Denied").count(), 1, "{text}");
}

#[tokio::test]
async fn many_pages_pass_more_bytes_than_one_host_call_may() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let mut pages = crm
        .query("endless 2000000", Default::default())
        .await
        .unwrap();
    // 80 MB in all through a guest with 64 MiB of memory and 40 MiB a call.
    take(&mut pages, 40).await;
}
