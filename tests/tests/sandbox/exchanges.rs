//! Exchanges of messages: what a product and a guest can do to one another
//! through the host, and what neither can.

use lockgate::{Connection, Grant, Limit, PackageError};
use lockgate_tests::events::{Events, FLOOD_BYTES, TENANT_ID};
use lockgate_tests::packages::{package, package_with};
use lockgate_tests::sandbox::TestHost;
use lockgate_tests::secrets::files_with;
use serde_json::{Value as Json, json};

use crate::attack::{connector, one, report, stopped_by};

/// The status codes of gRPC.
const CANCELLED: u32 = 1;
const PERMISSION_DENIED: u32 = 7;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNIMPLEMENTED: u32 = 12;
const INTERNAL: u32 = 13;
const UNAVAILABLE: u32 = 14;
const UNAUTHENTICATED: u32 = 16;

async fn status(crm: &Connection, command: &str) -> u64 {
    let report = one(crm, command).await;
    report["status"]
        .as_u64()
        .unwrap_or_else(|| panic!("{report}"))
}

async fn error(crm: &Connection, command: &str) -> String {
    let report = one(crm, command).await;
    let error = report["error"].as_str();
    error.unwrap_or_else(|| panic!("{report}")).to_owned()
}

#[tokio::test]
async fn messages_go_both_ways_whole_and_in_their_order() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for (count, bytes) in [(0, 1), (1, 1), (300, 0), (300, 1_000), (5, 4 * 1024 * 1024)] {
        let report = one(&crm, &format!("exchange Echo {count} {bytes}")).await;
        assert_eq!(report["status"], 0, "{report}");
        assert_eq!(report["messages"], count);
        assert_eq!(report["bytes"], count * bytes);
        assert_eq!(report["trailers"]["rpc-id"], "42");
    }
}

#[tokio::test]
async fn a_product_that_answers_only_when_something_was_said_is_no_deadlock() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let report = one(&crm, "exchange Lazy 2 10").await;
    assert_eq!(
        (&report["status"], &report["messages"]),
        (&json!(0), &json!(2))
    );
}

#[tokio::test]
async fn the_credential_goes_into_the_metadata_and_never_to_the_guest() {
    let server = Events::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    let report = one(&crm, "exchange Tell 0 0").await;
    let exchange = &server.exchanges()[0];
    for (name, value) in [
        ("accesstoken", server.token().as_str()),
        ("instanceurl", server.origin()),
        ("tenantid", TENANT_ID),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ] {
        assert_eq!(exchange[name], value);
    }
    // The product said it all once more, in a message and in a trailer.
    let told = report.to_string();
    assert!(
        told.contains(TENANT_ID) && told.contains("none.at.all"),
        "{told}"
    );
    assert!(!told.contains(&server.token()), "{told}");
    assert_eq!(report["trailers"]["x-token"], "[redacted]");
    assert_eq!(report["trailers"].get("set-cookie"), None);
    assert!(files_with(host.data_dir(), server.token().as_bytes()).is_empty());
}

#[tokio::test]
async fn a_status_and_its_trailers_reach_the_guest_also_without_an_answer() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let report = one(&crm, "exchange Refuse 1 1").await;
    assert_eq!(report["status"], PERMISSION_DENIED);
    assert_eq!(report["trailers"]["error-code"], "you.may.not");
    let unknown = u64::from(UNIMPLEMENTED);
    assert_eq!(status(&crm, "exchange Nonsense 1 1").await, unknown);
    let proxy = u64::from(UNAVAILABLE);
    assert_eq!(status(&crm, "exchange Proxy 1 1").await, proxy);
}

#[tokio::test]
async fn what_breaks_off_ends_with_a_status_of_its_own_and_not_in_silence() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for (method, expected) in [
        ("Break", UNAVAILABLE),
        ("Half", INTERNAL),
        ("Long", RESOURCE_EXHAUSTED),
        ("Packed", INTERNAL),
    ] {
        let report = one(&crm, &format!("exchange {method} 0 0")).await;
        assert_eq!(report["status"], expected, "{method}: {report}");
        // A reset may overtake what was sent before it.
        let most = u64::from(method == "Break");
        assert!(
            report["messages"].as_u64().unwrap() <= most,
            "{method}: {report}"
        );
    }
    assert_eq!(status(&crm, "exchange Echo 1 1").await, 0);
}

#[tokio::test]
async fn a_guest_that_says_too_much_at_once_ends_the_exchange() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let report = one(&crm, &format!("exchange Echo 3 {}", 4 * 1024 * 1024 + 1)).await;
    assert_eq!(report["status"], RESOURCE_EXHAUSTED, "{report}");
    assert_eq!(report["messages"], 0);
    assert_eq!(status(&crm, "exchange Echo 1 1").await, 0);
}

#[tokio::test]
async fn a_session_that_has_ended_is_renewed_without_a_word_to_the_guest() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    server.end_sessions();
    let report = one(&crm, "exchange Lazy 3 10").await;
    assert_eq!(report["status"], 0, "{report}");
    assert_eq!(report["messages"], 3);
    assert_eq!((server.tokens_given(), server.exchanges().len()), (2, 2));
    // One that ends within an exchange is for the guest's next to find renewed.
    let report = one(&crm, "exchange Expire 0 0").await;
    assert_eq!(
        (&report["status"], &report["messages"]),
        (&json!(UNAUTHENTICATED), &json!(1))
    );
    assert_eq!((server.tokens_given(), server.exchanges().len()), (3, 3));
}

#[tokio::test]
async fn a_session_that_is_refused_again_is_renewed_no_further() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    server.accept_nobody();
    let report = one(&crm, "exchange Echo 1 1").await;
    assert_eq!(report["status"], UNAUTHENTICATED);
    assert_eq!(report["trailers"]["error-code"], "auth.error");
    assert_eq!((server.tokens_given(), server.exchanges().len()), (2, 2));
}

#[tokio::test]
async fn only_endpoints_of_the_manifest_and_plain_methods_leave_the_host() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for (endpoint, method) in [
        ("other", "/test.Events/Echo"),
        ("127.0.0.1:80", "/test.Events/Echo"),
        ("events", "/test.Events/../Echo"),
        ("events", "//evil.example.net/Echo"),
        ("events", "/services/oauth2/token"),
        ("events", "/test.Events/Echo?x=1"),
    ] {
        let refused = error(&crm, &format!("exchange-with {endpoint} {method}")).await;
        assert!(
            refused.contains("Invalid"),
            "{endpoint} {method}: {refused}"
        );
    }
    assert!(server.exchanges().is_empty());
}

#[tokio::test]
async fn a_product_that_floods_is_held_back_by_a_guest_that_reads_slowly() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("http_requests = 1000")).await;
    let report = one(&crm, "exchange-slowly 10 20 Flood").await;
    assert_eq!(report["bytes"], 10 * FLOOD_BYTES);
    // What was read, what the window holds, and what the server keeps to send.
    let ahead = server.flooded_bytes() - 10 * FLOOD_BYTES;
    assert!(ahead <= 2 * 1024 * 1024, "{ahead}");
    server.until_closed(1).await;
}

#[tokio::test]
async fn a_call_that_ends_closes_its_exchanges() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let opened = report(&crm, "exchange-hold 3 Hold").await.unwrap();
    assert_eq!(opened, vec![json!({ "open": true }); 3]);
    assert_eq!(one(&crm, "exchange-leave all Hold").await["first"], true);
    server.until_closed(4).await;
}

#[tokio::test]
async fn more_exchanges_at_a_time_than_allowed_are_denied() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("exchanges = 2")).await;
    let opened = report(&crm, "exchange-hold 5 Hold").await.unwrap();
    let open = |report: &&Json| report["open"] == true;
    assert_eq!(opened.iter().filter(open).count(), 2, "{opened:?}");
    assert!(opened[4]["error"].as_str().unwrap().contains("Denied"));
    // One after the other there can be more.
    for _ in 0..3 {
        assert_eq!(status(&crm, "exchange Echo 1 1").await, 0);
    }
}

#[tokio::test]
async fn a_guest_may_drop_any_of_its_ends() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let report = one(&crm, "exchange-leave incoming Hold").await;
    assert_eq!(report["ending"]["status"], CANCELLED);
    assert!(report["refused"].as_u64().unwrap() > 0, "{report}");
    server.until_closed(1).await;
    let report = one(&crm, "exchange-leave outgoing Echo").await;
    assert_eq!(
        (&report["ending"]["status"], &report["messages"]),
        (&json!(0), &json!(0))
    );
    let report = one(&crm, "exchange-leave ending Echo").await;
    assert_eq!(report, json!({ "first": true, "rest": 0 }));
}

#[tokio::test]
async fn a_read_that_is_given_up_loses_no_message() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    assert_eq!(one(&crm, "exchange-cancel 20").await["heard"], 20);
}

#[tokio::test]
async fn an_exchange_lasts_from_page_to_page() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let query = crm.query("exchange-pages", Default::default()).await;
    let mut pages = query.unwrap();
    for at in 0..3 {
        let page = pages.next_page().await.unwrap().unwrap();
        let reports: Vec<Json> = page.records.to_vec().unwrap();
        assert_eq!(reports, [json!({ "heard": true, "new": at == 0 })]);
    }
    assert_eq!(server.exchanges().len(), 1);
}

#[tokio::test]
async fn limits_begin_afresh_with_each_message_that_comes() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("cpu_ms = 500")).await;
    assert_eq!(one(&crm, "exchange-burn 10 100").await["heard"], 10);
    let (limit, _) = stopped_by(report(&crm, "exchange-burn 1 60000").await);
    assert_eq!(limit, Limit::Cpu);
}

#[tokio::test]
async fn the_wall_clock_stands_still_for_a_guest_that_waits_for_a_message_and_no_other() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("wall_ms = 500")).await;
    assert_eq!(one(&crm, "exchange-wait 1500").await["heard"], "late");
    let (limit, _) = stopped_by(report(&crm, "exchange-ignore Hold").await);
    assert_eq!(limit, Limit::Wall);
}

#[tokio::test]
async fn a_package_without_the_grant_is_refused_by_its_name() {
    let host = TestHost::new().await;
    let hostile = package("hostile-connector");
    let granted = [Grant::Http, Grant::Storage, Grant::Quota];
    let refusal = host.host.load(&hostile, granted).await.unwrap_err();
    assert!(
        matches!(&refusal, lockgate::Error::Package(PackageError::NotGranted { interface, .. })
            if interface == "lockgate:connector/stream@0.2.0"),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_connection_without_what_the_metadata_wants_has_to_be_reconnected() {
    let server = Events::start().await;
    let package = package_with("hostile-connector", |text| {
        text.replace("{identity/2}", "{identity/9}")
    });
    let (_host, crm) = server.attacked_by(&package).await;
    assert!(
        error(&crm, "exchange Echo 1 1")
            .await
            .contains("Unauthorized")
    );
    assert!(server.exchanges().is_empty());
}

#[tokio::test]
async fn a_product_that_is_gone_is_unavailable() {
    let server = Events::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    assert_eq!(status(&crm, "exchange Echo 1 1").await, 0);
    drop(server);
    assert!(
        error(&crm, "exchange Echo 1 1")
            .await
            .contains("Unavailable")
    );
}
