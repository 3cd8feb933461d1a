//! Requests of a connector: forms that never leave the host, and how many may.

use lockgate::{Error, Limit};
use lockgate_tests::loopback::{Loopback, TOKEN};
use serde_json::Value as Json;

use crate::attack::{connector, one, report, stopped_by};

/// The error of a report, or of its `outcome`.
fn error(report: &Json) -> &str {
    let outcome = report.get("outcome").unwrap_or(report);
    outcome["error"]
        .as_str()
        .unwrap_or_else(|| panic!("not refused: {report}"))
}

#[tokio::test]
async fn header_fields_that_frame_route_or_authorise_never_leave_the_host() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let reports = report(&crm, "forbidden-headers /ok").await.unwrap();
    assert_eq!(reports.len(), 29);
    for report in &reports {
        assert!(
            error(report).contains("Invalid") && error(report).contains("Header"),
            "{report}"
        );
    }
    assert_eq!(server.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn paths_that_leave_the_origin_never_leave_the_host() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let reports = report(&crm, "forbidden-paths").await.unwrap();
    assert_eq!(reports.len(), 36);
    // Odd, but a path of this origin: it goes out as it is.
    let (odd, bad): (Vec<&Json>, Vec<&Json>) =
        reports.iter().partition(|report| report["path"] == "/a//b");
    assert_eq!(odd.len(), 1);
    for report in bad {
        assert!(
            error(report).contains("Invalid") && error(report).contains("Path"),
            "{report}"
        );
    }
    let heads = server.heads();
    assert_eq!(heads.len(), 1);
    assert!(
        heads[0].starts_with("GET /a//b HTTP/1.1\r\n"),
        "{}",
        heads[0]
    );
}

#[tokio::test]
async fn the_host_adds_the_credential_and_the_guest_does_not_see_it() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let answer = one(&crm, "send-header /ok X-Mine yes").await;
    assert_eq!(answer["body"], "ok");
    let heads = server.heads();
    assert_eq!(heads.len(), 1);
    let head = heads[0].to_ascii_lowercase();
    assert!(head.contains("x-mine: yes\r\n"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {TOKEN}\r\n").to_ascii_lowercase()));
    assert!(!answer.to_string().contains(TOKEN));
}

#[tokio::test]
async fn a_body_above_its_limit_never_leaves_the_host() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("request_mib = 1")).await;
    assert_eq!(one(&crm, "send-body 1048576 /ok").await["status"], 200);
    let refused = one(&crm, "send-body 1048577 /ok").await;
    assert!(
        error(&refused).contains("Invalid") && error(&refused).contains("Body"),
        "{refused}"
    );
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn a_call_makes_no_more_requests_than_its_limit() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let refused = one(&crm, "send-loop /ok").await;
    assert_eq!(refused["sent"], 100);
    assert!(error(&refused).contains("Denied"), "{refused}");
    assert_eq!(server.heads().len(), 100);

    let (_host, crm) = server.attacked_by(&connector("http_requests = 3")).await;
    assert_eq!(one(&crm, "send-loop /ok").await["sent"], 3);
}

#[tokio::test]
async fn a_call_that_gives_up_after_too_many_requests_is_told_with_the_limit() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("http_requests = 3")).await;
    for kind in ["refused", "unexpected"] {
        let error = report(&crm, &format!("send-loop-fail /ok {kind}")).await;
        let error = error.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("(3, `http_requests` in `[limits]`"),
            "{error}"
        );
        assert_eq!(
            stopped_by::<()>(Err(error)),
            (Limit::HttpRequests, "3".to_owned())
        );
    }
    // What the guest says is still what counts where no request was denied, and where
    // it says that the same may go later.
    let error = report(&crm, "fail refused").await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    let later = report(&crm, "send-loop-fail /ok unavailable")
        .await
        .unwrap_err();
    assert!(matches!(later, Error::Unavailable { .. }), "{later:?}");
    assert_eq!(one(&crm, "send-loop /ok").await["sent"], 3);
}

#[tokio::test]
async fn at_most_eight_requests_of_a_call_are_under_way() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let call = tokio::spawn(async move { report(&crm, "send-many 20 /hold").await });
    while server.held() < 8 {
        tokio::task::yield_now().await;
    }
    // Whatever else is on its way gets time to arrive: the runtime turns, with
    // nothing to wait for but more requests.
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
        assert!(server.held() <= 8);
    }
    server.release();
    let reports = call.await.unwrap().unwrap();
    assert_eq!(reports.len(), 20);
    assert!(
        reports.iter().all(|report| report["status"] == 200),
        "{reports:?}"
    );
}

#[tokio::test]
async fn a_call_that_is_dropped_lets_go_of_its_requests() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let other = crm.clone();
    let call = tokio::spawn(async move { report(&other, "send get /hold").await });
    while server.held() == 0 {
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(one(&crm, "send get /ok").await["status"], 200);
}
