//! The memory of the host stays flat while records stream through it. Alone in
//! its process, so that what is measured is nobody else's.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this crate is test code"
)]

use lockgate_tests::loopback::Loopback;
use lockgate_tests::packages::package;

/// Memory of this process that is in use, in MiB.
fn resident_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        / 1024
}

#[tokio::test]
async fn an_answer_without_end_takes_no_more_memory_than_a_few_pages() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&package("hostile-connector")).await;
    // One page is 2 MB, all of them are 800 MB.
    let mut pages = crm
        .query("endless 2000000", Default::default())
        .await
        .unwrap();
    let mut before = 0;
    for n in 0..400 {
        let page = pages.next_page().await.unwrap().unwrap();
        assert_eq!(page.records.len(), 1);
        if n == 40 {
            before = resident_mib();
        }
    }
    let after = resident_mib();
    assert!(
        after < before + 32,
        "{before} MiB after 40 pages, {after} MiB after 400"
    );

    // A subscription, of 200,000 events in all.
    let mut deliveries = crm
        .subscribe(&["count 20"], Default::default())
        .await
        .unwrap();
    for _ in 0..10_000 {
        let delivery = deliveries.next_delivery().await.unwrap().unwrap();
        assert_eq!(delivery.events.len(), 20);
    }
    let after = resident_mib();
    assert!(
        after < before + 32,
        "{before} MiB before 10,000 deliveries, {after} MiB after"
    );

    // Bodies that pass through a guest as well: 30 MB each.
    for _ in 0..20 {
        let pages = crm
            .query("stream /bytes/30000000", Default::default())
            .await
            .unwrap();
        pages.collect(1).await.unwrap();
    }
    // The server on the other end of the loopback is in this process too.
    let after = resident_mib();
    assert!(
        after < before + 160,
        "{before} MiB before 600 MB of bodies, {after} MiB after"
    );
}
