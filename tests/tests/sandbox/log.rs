//! What guests write to the log: bounded, and no line but their own.

use lockgate::{Limit, Limits};
use lockgate_tests::logs::Logs;
use serde_json::json;

use crate::attack::{apply, is_plain, still_serves, stopped_by, transform_host};

#[tokio::test]
async fn a_guest_writes_no_more_than_its_log_budget() {
    let host = transform_host("").await;
    let logs = Logs::capture();
    apply(&host, json!({ "do": "log", "count": 100, "bytes": 2_000 }))
        .await
        .unwrap();
    let lines = logs.of_guests();
    let budget = usize::try_from(Limits::default().log_bytes).unwrap();
    let written: usize = lines.iter().map(|line| line.matches('x').count()).sum();
    assert!(
        written <= budget && written > budget / 2,
        "{written} of {budget} bytes"
    );
    let told = lines
        .iter()
        .filter(|line| line.contains("dropped=68"))
        .count();
    assert_eq!(told, 1, "the loss is told once: {lines:?}");
}

#[tokio::test]
async fn one_message_is_cut_at_4_kib() {
    let host = transform_host("").await;
    let logs = Logs::capture();
    apply(&host, json!({ "do": "log", "bytes": 60_000 }))
        .await
        .unwrap();
    let written = logs.text().matches('x').count();
    assert!((4_096..4_200).contains(&written), "{written}");
}

#[tokio::test]
async fn a_flood_of_log_text_is_stopped_by_its_limit() {
    let host = transform_host("").await;
    let logs = Logs::capture();
    let outcome = apply(
        &host,
        json!({ "do": "log", "count": 2_000, "bytes": 4_000 }),
    )
    .await;
    assert_eq!(stopped_by(outcome), (Limit::Log, "64 KiB".to_owned()));
    assert!(logs.text().len() < 100_000);
    let outcome = apply(&host, json!({ "do": "log-forever" })).await;
    assert_eq!(stopped_by(outcome).0, Limit::HostCalls);
    still_serves(&host).await;
}

#[tokio::test]
async fn a_guest_cannot_forge_a_line_or_command_the_terminal() {
    let host = transform_host("").await;
    let logs = Logs::capture();
    apply(&host, json!({ "do": "log-injection" }))
        .await
        .unwrap();
    let lines = logs.of_guests();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    let text = logs.text();
    for line in text.lines() {
        assert!(is_plain(line), "{line:?}");
        assert!(
            line.is_empty() || line.starts_with("20"),
            "a line that nobody wrote: {line:?}"
        );
    }
    let own = text
        .lines()
        .filter(|line| line.contains("ERROR host"))
        .count();
    assert_eq!(own, 1, "only inside of the guest's own line: {text}");
    // The names of the guest come first, and whatever it says comes after them
    // in quotes.
    for line in &lines {
        assert!(line.contains("hostile-transform"), "{line}");
    }
    assert!(
        lines[4].contains("connection=\"another-tenant\""),
        "{}",
        lines[4]
    );
}
