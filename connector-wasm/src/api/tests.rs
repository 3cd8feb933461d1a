//! What a request carries, and what becomes of one without an answer.

use super::*;
use crate::fake::{Fake, broken, run};

fn get() -> Ask {
    Ask::new(Method::Get, "/limits", Kind::Read)
}

fn write() -> Ask {
    Ask::new(Method::Post, "/sobjects/Lead", Kind::Write).body(b"{}".to_vec())
}

const VERSIONS: &str = r#"[{"label":"Summer '14","url":"/services/data/v31.0","version":"31.0"},
    {"label":"x","url":"/services/data/v62.0","version":"62.0"},
    {"label":"x","url":"/services/data/v63.0","version":"63.0"}]"#;

#[test]
fn the_version_is_negotiated_once_and_kept() {
    let fake = Fake::default()
        .answer(200, VERSIONS)
        .answer(200, "{}")
        .answer(200, "{}");
    let api = fake.api();
    run(api.send(get())).unwrap();
    run(fake.api().send(get())).unwrap();
    assert_eq!(
        fake.lines(),
        [
            "GET /services/data",
            "GET /services/data/v63.0/limits",
            "GET /services/data/v63.0/limits"
        ]
    );
}

#[test]
fn a_pinned_version_is_used_and_a_retired_pin_is_told_before_anything_is_sent() {
    let fake = Fake::default().answer(200, VERSIONS).answer(200, "{}");
    run(fake.api_with(r#"{"api_version":"62.0"}"#).send(get())).unwrap();
    assert_eq!(fake.lines()[1], "GET /services/data/v62.0/limits");

    let fake = Fake::default().answer(200, VERSIONS);
    let error = run(fake.api_with(r#"{"api_version":"30.0"}"#).send(get())).unwrap_err();
    assert!(matches!(error, Error::Refused(problem) if problem.code == "UNSUPPORTED_API_VERSION"));
    assert_eq!(fake.lines().len(), 1);
}

#[test]
fn a_version_that_was_retired_meanwhile_is_negotiated_anew_and_the_request_sent_again() {
    let fake = Fake::new()
        .answer(
            410,
            r#"[{"errorCode":"UNSUPPORTED_API_VERSION","message":"retired"}]"#,
        )
        .answer(200, VERSIONS)
        .answer(200, "{}");
    let answer = run(fake.api().send(get())).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(
        fake.lines(),
        [
            "GET /services/data/v62.0/limits",
            "GET /services/data",
            "GET /services/data/v63.0/limits"
        ]
    );
}

#[test]
fn writes_carry_what_the_settings_ask_for_and_reads_do_not() {
    let fake = Fake::new()
        .answer(201, "{}")
        .answer(200, "{}")
        .answer(200, "{}");
    let api = fake.api_with(
        r#"{"auto_assign":"01Q5g000000Abcd","duplicate_rule":{"allow_save":true},
            "call_options":{"client":"me"},"update_mru":false,"query_batch_size":400}"#,
    );
    run(api.send(write())).unwrap();
    run(api.send(get())).unwrap();
    let query = Ask::new(Method::Get, "/query", Kind::Query { page_size: None });
    run(api.send(query)).unwrap();
    assert_eq!(
        fake.header(0, "Sforce-Auto-Assign").as_deref(),
        Some("01Q5g000000Abcd")
    );
    assert_eq!(
        fake.header(0, "Sforce-Duplicate-Rule-Header").as_deref(),
        Some("allowSave=true")
    );
    assert_eq!(
        fake.header(0, "Content-Type").as_deref(),
        Some("application/json")
    );
    for at in 0..3 {
        assert_eq!(
            fake.header(at, "Sforce-Call-Options").as_deref(),
            Some("client=me")
        );
    }
    assert_eq!(fake.header(1, "Sforce-Auto-Assign"), None);
    assert_eq!(
        fake.header(1, "Sforce-Mru").as_deref(),
        Some("updateMru=false")
    );
    assert_eq!(
        fake.header(2, "Sforce-Query-Options").as_deref(),
        Some("batchSize=400")
    );
}

#[test]
fn a_lost_answer_to_a_write_is_an_unknown_outcome_and_to_a_read_a_passing_fault() {
    let lost_body = || Lost::Body(HttpError::TooLarge(5));
    let error = |lost: Lost, ask: Ask| run(Fake::new().lose(lost).api().send(ask)).unwrap_err();
    assert_eq!(error(broken(true), write()), Error::UnknownOutcome);
    assert_eq!(error(lost_body(), write()), Error::UnknownOutcome);
    assert_eq!(error(broken(false), write()), Error::Unavailable(700));
    assert_eq!(error(broken(true), get()), Error::Unavailable(700));
    assert!(matches!(error(lost_body(), get()), Error::Unexpected(_)));
    assert_eq!(
        error(Lost::Head(HttpError::Unauthorized), write()),
        Error::Reconnect
    );
    assert_eq!(
        error(Lost::Head(HttpError::OverQuota(9)), get()),
        Error::OverQuota(9)
    );
    assert!(matches!(
        error(Lost::Head(HttpError::Denied), get()),
        Error::Refused(problem) if problem.advice == Advice::AskPermission
    ));
}
