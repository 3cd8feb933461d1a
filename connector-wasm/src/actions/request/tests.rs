//! What leaves as it was worded, what is kept back, and what answers become.

use serde_json::{Value, json};

use crate::actions::tests::invoked;
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fake::{Fake, broken};

fn sent(fake: &Fake, input: &Value) -> Value {
    invoked(fake, "request", &input.to_string()).unwrap()
}

fn refusal(input: &Value) -> String {
    let fake = Fake::new();
    let error = invoked(&fake, "request", &input.to_string()).unwrap_err();
    assert!(fake.lines().is_empty());
    match error {
        Error::Refused(problem) => problem.code,
        error => panic!("{error:?}"),
    }
}

#[test]
fn any_status_is_an_answer_and_numbers_keep_their_digits() {
    let fake = Fake::new()
        .valid(200, r#"{"size":1.10}"#, ["\"e\"", "yesterday"])
        .answer(400, r#"[{"errorCode":"MALFORMED_QUERY","message":"no"}]"#)
        .answer(503, "<h1>Busy</h1>")
        .answer(204, "");
    let input = json!({
        "method": "GET", "path": "/tooling/query",
        "query": { "deep": true, "n": 2, "q": "SELECT Id FROM ApexClass WHERE Name = 'a&b'" },
        "headers": { "if-none-match": "\"e\"", "Sforce-Call-Options": "client=me" },
    });
    let output = sent(&fake, &input);
    assert_eq!(output["etag"], "\"e\"");
    assert_eq!(output["last_modified"], "yesterday");
    assert_eq!(
        fake.lines(),
        [
            "GET /services/data/v62.0/tooling/query?deep=true&n=2&q=SELECT Id FROM ApexClass WHERE Name = 'a&b'"
        ]
    );
    assert_eq!(fake.header(0, "if-none-match").as_deref(), Some("\"e\""));
    assert_eq!(
        fake.header(0, "Sforce-Call-Options").as_deref(),
        Some("client=me")
    );
    let input = json!({ "method": "GET", "path": "/x" });
    let output = sent(&fake, &input);
    assert_eq!(output["status"], 400);
    assert_eq!(output["body"][0]["errorCode"], "MALFORMED_QUERY");
    let output = sent(&fake, &input);
    assert_eq!(
        output,
        json!({ "status": 503, "body": null, "text": "<h1>Busy</h1>" })
    );
    assert_eq!(sent(&fake, &input), json!({ "status": 204, "body": null }));
}

#[test]
fn bodies_leave_as_they_were_worded() {
    let fake = Fake::new().answer(201, "{}").answer(200, "");
    let input =
        r#"{"method":"POST","path":"/services/apexrest/acme/Invoices","body":{"b":1.10,"a":2}}"#;
    invoked(&fake, "request", input).unwrap();
    assert_eq!(fake.lines(), ["POST /services/apexrest/acme/Invoices"]);
    assert_eq!(fake.body(0), r#"{"b":1.10,"a":2}"#);
    let input = json!({ "method": "PUT", "path": "/jobs/ingest/750/batches", "text": "Id\n1",
        "headers": { "Content-Type": "text/csv" } });
    sent(&fake, &input);
    assert_eq!(fake.body(1), "Id\n1");
    let types: Vec<String> = fake.0.asked.borrow()[1]
        .headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("content-type"))
        .map(|header| header.value.clone())
        .collect();
    assert_eq!(types, ["text/csv"]);
}

#[test]
fn what_is_about_sessions_and_what_could_lead_elsewhere_is_not_sent() {
    for path in [
        "/services/oauth2/revoke",
        "/services/OAuth2/token",
        "/services/%6fauth2/token",
        "/services/Soap/u/62.0",
        "/services/soap/c/62.0",
        "/services//oauth2/token",
    ] {
        let input = json!({ "method": "GET", "path": path });
        assert_eq!(refusal(&input), "REQUEST_DENIED", "{path}");
    }
    for path in [
        "",
        "limits",
        "https://example.com/",
        "/query?q=x",
        "/a#b",
        "/a\\b",
        "/../../oauth2/token",
        "/a b",
    ] {
        let input = json!({ "method": "GET", "path": path });
        assert_eq!(refusal(&input), "INVALID_INPUT", "{path}");
    }
    for header in ["Authorization", "Host", "Cookie", "X-Evil"] {
        let input = json!({ "method": "GET", "path": "/x", "headers": { header: "x" } });
        assert_eq!(refusal(&input), "INVALID_INPUT", "{header}");
    }
    let both = json!({ "method": "POST", "path": "/x", "body": {}, "text": "" });
    assert_eq!(refusal(&both), "INVALID_INPUT");
    let list = json!({ "method": "GET", "path": "/x", "query": { "ids": ["a"] } });
    assert_eq!(refusal(&list), "INVALID_INPUT");
}

#[test]
fn a_lost_answer_is_in_doubt_if_the_request_may_have_done_something() {
    for (method, path, in_doubt) in [
        ("POST", "/sobjects/Account", true),
        ("GET", "/sobjects/Account", false),
        ("GET", "/tooling/executeAnonymous", true),
    ] {
        let fake = Fake::new().lose(broken(true));
        let input = json!({ "method": method, "path": path }).to_string();
        let error = invoked(&fake, "request", &input).unwrap_err();
        assert_eq!(
            matches!(error, Error::UnknownOutcome),
            in_doubt,
            "{error:?}"
        );
    }
}
