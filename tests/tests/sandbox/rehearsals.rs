//! Calls of a rehearsal: values, time and requests of their own, and their sum.

use std::collections::BTreeMap;

use lockgate::{Connection, Rehearsal, RehearsalOptions};
use lockgate_tests::loopback::{Loopback, TOKEN};
use serde_json::json;

use crate::attack::{connector, one, report};

/// A connection in a rehearsal.
fn rehearsed(crm: &Connection, options: RehearsalOptions) -> (Connection, Rehearsal) {
    let rehearsal = Rehearsal::new(options);
    (crm.rehearsing(&rehearsal), rehearsal)
}

#[tokio::test]
async fn a_rehearsal_has_values_of_its_own_and_leaves_those_of_the_connection_alone() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    one(&crm, "put kept 3").await;
    let values = BTreeMap::from([("given".to_owned(), b"here".to_vec())]);
    let options = RehearsalOptions {
        values,
        ..RehearsalOptions::default()
    };
    let (rehearsing, rehearsal) = rehearsed(&crm, options);
    assert_eq!(one(&rehearsing, "list").await, json!({ "keys": ["given"] }));
    assert_eq!(
        one(&rehearsing, "keys given").await["outcome"],
        json!({ "value": "here" })
    );
    one(&rehearsing, "delete given").await;
    let first = one(&rehearsing, "put made 2").await["version"].clone();
    let stale = one(&rehearsing, "swap made 1000 3").await["error"].clone();
    assert!(
        stale
            .as_str()
            .unwrap()
            .contains(&format!("Conflict({first})")),
        "{stale}"
    );
    assert_eq!(rehearsal.values().into_keys().collect::<Vec<_>>(), ["made"]);
    assert_eq!(one(&crm, "list").await, json!({ "keys": ["kept"] }));
    let usage = rehearsal.usage();
    assert_eq!((usage.storage_reads, usage.storage_writes), (2, 3));
    assert_eq!(usage.requests, 0);
    assert!(usage.memory_bytes >= 64 * 1024, "{usage:?}");
}

#[tokio::test]
async fn a_wait_of_a_rehearsal_passes_at_once_and_moves_its_clock() {
    let server = Loopback::start().await;
    // Real waits of so long would go over the time of a call.
    let (_host, crm) = server.attacked_by(&connector("wall_ms = 5_000")).await;
    let options = RehearsalOptions {
        now_ms: Some(1_000_000),
        ..RehearsalOptions::default()
    };
    let (rehearsing, _) = rehearsed(&crm, options);
    let before = one(&rehearsing, "clock").await;
    assert_eq!(before["now_ms"], 1_000_000);
    report(&rehearsing, "wait 60000").await.unwrap();
    report(&rehearsing, "wait 30000").await.unwrap();
    let after = one(&rehearsing, "clock").await;
    assert_eq!(after["now_ms"], 1_090_000);
    let passed = |clock: &serde_json::Value| clock["monotonic_ms"].as_u64().unwrap();
    assert_eq!(passed(&after) - passed(&before), 90_000);
}

#[tokio::test]
async fn what_is_recorded_is_what_the_guest_saw_and_never_a_token() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let options = RehearsalOptions {
        is_recorded: true,
        ..RehearsalOptions::default()
    };
    let (rehearsing, rehearsal) = rehearsed(&crm, options);
    report(&rehearsing, "send GET /cookies").await.unwrap();
    // The host puts the token into this body, and the server sends it back.
    report(&rehearsing, "marker start /session/1")
        .await
        .unwrap();
    assert!(server.bodies()[0].contains(TOKEN));
    let exchanges = rehearsal.exchanges();
    let requests: Vec<(&str, &str)> = exchanges
        .iter()
        .map(|exchange| (exchange.method.as_str(), exchange.path.as_str()))
        .collect();
    assert_eq!(requests, [("GET", "/cookies"), ("POST", "/session/1")]);
    for exchange in &exchanges {
        assert_eq!((exchange.status, exchange.is_whole), (Some(200), true));
        assert!(exchange.headers.is_empty(), "{:?}", exchange.headers);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&exchanges[0].answer), "ok");
    let sent = text(exchanges[1].body.as_deref().unwrap());
    assert!(
        sent.contains("{credential}") && !sent.contains(TOKEN),
        "{sent}"
    );
    let came = text(&exchanges[1].answer);
    assert!(
        came.contains("[redacted]") && !came.contains(TOKEN),
        "{came}"
    );
    assert_eq!(rehearsal.usage().requests, 2);
}

#[tokio::test]
async fn a_rehearsal_without_recording_keeps_no_requests() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let (rehearsing, rehearsal) = rehearsed(&crm, RehearsalOptions::default());
    report(&rehearsing, "send GET /bytes/5").await.unwrap();
    assert_eq!(rehearsal.usage().requests, 1);
    assert!(rehearsal.exchanges().is_empty());
}
