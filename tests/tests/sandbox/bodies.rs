//! Bodies of answers: whole or as they come, bounded, and never cut in silence.

use lockgate_tests::loopback::Loopback;
use serde_json::json;

use crate::attack::{connector, one, report};

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn a_stream_gives_every_byte_that_was_sent() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for bytes in [0, 1, 65_536, 3_000_001] {
        let report = one(&crm, &format!("stream /bytes/{bytes}")).await;
        assert_eq!(report, json!({ "bytes": bytes, "ending": "whole" }));
    }
}

#[tokio::test]
async fn a_stream_that_broke_off_says_so_at_its_end() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for (sent, claimed) in [(0, 10), (1_000, 1_001), (200_000, 4_000_000)] {
        let report = one(&crm, &format!("stream /truncated/{sent}/{claimed}")).await;
        assert_eq!(report["bytes"], sent);
        assert!(
            report["ending"].as_str().unwrap().contains("Unavailable"),
            "{report}"
        );
        let report = one(&crm, &format!("take /truncated/{sent}/{claimed} 5000000")).await;
        assert!(
            report["error"].as_str().unwrap().contains("Unavailable"),
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_refused_at_the_limit() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let report = one(&crm, "take /endless 4000000000").await;
    assert!(
        report["error"]
            .as_str()
            .unwrap()
            .contains(&format!("TooLarge({})", 32 * MIB)),
        "{report}"
    );
    let report = one(&crm, "take /bytes/2000 1999").await;
    assert!(
        report["error"].as_str().unwrap().contains("TooLarge(1999)"),
        "{report}"
    );
    assert_eq!(
        one(&crm, "take /bytes/2000 2000").await,
        json!({ "bytes": 2_000 })
    );
}

#[tokio::test]
async fn a_packages_own_limit_for_bodies_counts_for_both_ways_to_take_them() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("response_mib = 1")).await;
    let too_large = format!("TooLarge({MIB})");
    let report = one(&crm, "take /bytes/1048577 4000000000").await;
    assert!(
        report["error"].as_str().unwrap().contains(&too_large),
        "{report}"
    );
    let report = one(&crm, "stream /endless").await;
    assert!(
        report["ending"].as_str().unwrap().contains(&too_large),
        "{report}"
    );
    assert!(report["bytes"].as_u64().unwrap() <= MIB);
    let report = one(&crm, "stream /bytes/1048576").await;
    assert_eq!(report, json!({ "bytes": MIB, "ending": "whole" }));

    // And it may be above the default.
    let limits = "response_mib = 48\nmemory_mib = 128";
    let (_host, crm) = server.attacked_by(&connector(limits)).await;
    let report = one(&crm, "take /bytes/41943040 4000000000").await;
    assert_eq!(report, json!({ "bytes": 40 * MIB }));
}

#[tokio::test]
async fn a_body_that_the_guest_lets_go_of_is_read_no_further() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for command in [
        "stream-part /endless 100000",
        "stream-ignore /endless",
        "ignore /endless",
        "hold-bodies 5 /endless",
        "now stream-part /endless 100000",
    ] {
        report(&crm, command).await.unwrap();
    }
    // What the sockets hold on both sides, and not gigabytes.
    assert!(server.sent_bytes() < 128 * MIB, "{}", server.sent_bytes());
    assert_eq!(one(&crm, "send get /ok").await["status"], 200);
}

#[tokio::test]
async fn a_guest_that_drops_a_stream_and_asks_how_it_ended_gets_an_answer() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let report = one(&crm, "stream-lost /bytes/1000000").await;
    assert!(
        report["ending"].as_str().unwrap().contains("Unavailable"),
        "{report}"
    );
}

#[tokio::test]
async fn pages_that_are_dropped_in_mid_stream_leave_nothing_behind() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for _ in 0..300 {
        let mut pages = crm.query("endless 100", Default::default()).await.unwrap();
        assert_eq!(pages.next_page().await.unwrap().unwrap().records.len(), 1);
    }
    assert_eq!(one(&crm, "send get /ok").await["status"], 200);
}
