//! Words looked for in many objects: SOSL and its form in parameters.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::{Session, read, start};

async fn filled() -> Session {
    let session = start().await;
    for (object, body) in [
        (
            "Account",
            json!({ "Name": "Acme", "Phone": "(415) 555-1212", "Type": "Other" }),
        ),
        (
            "Account",
            json!({ "Name": "Acme Imports", "Description": "ships widgets" }),
        ),
        ("Account", json!({ "Name": "Globex" })),
        (
            "Contact",
            json!({ "LastName": "Acme", "Email": "jo@acme-mail.example.com" }),
        ),
    ] {
        let path = format!("/sobjects/{object}");
        assert_eq!(session.send("POST", &path, &body).await.status(), 201);
    }
    session
}

impl Session {
    async fn find(&self, sosl: &str) -> (u16, Value) {
        let request = self.request("GET", "/search").query(&[("q", sosl)]);
        read(request.send().await.unwrap()).await
    }

    async fn names(&self, sosl: &str) -> Vec<String> {
        let (status, body) = self.find(sosl).await;
        assert_eq!(status, 200, "{body}");
        names(&body)
    }
}

fn names(body: &Value) -> Vec<String> {
    let records = body["searchRecords"].as_array().unwrap().iter();
    records
        .map(|record| record["Name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_search_answers_records_with_attributes_and_nothing_but_the_id() {
    let session = filled().await;
    let (status, body) = session.find("FIND {Globex}").await;
    assert_eq!(status, 200);
    let record = &body["searchRecords"][0];
    let id = record["Id"].as_str().unwrap();
    let url = format!("/services/data/v60.0/sobjects/Account/{id}");
    assert_eq!(
        body,
        json!({ "searchRecords": [
        { "attributes": { "type": "Account", "url": url }, "Id": id }
    ] })
    );
    assert_eq!(
        session.find("FIND {nothing}").await.1,
        json!({ "searchRecords": [] })
    );
}

#[tokio::test]
async fn before_version_37_a_search_answers_a_bare_array() {
    let session = filled().await;
    let url = format!("{}/services/data/v36.0/search", session.base);
    let request = session.http.get(url).bearer_auth(&session.token);
    let request = request.query(&[("q", "FIND {Globex}")]);
    let (_, body) = read(request.send().await.unwrap()).await;
    assert_eq!(body.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_search_keeps_to_its_objects_conditions_order_and_limits() {
    let session = filled().await;
    let names = session
        .names("FIND {acme} RETURNING Account(Name ORDER BY Name DESC), Contact(Id, Name)")
        .await;
    assert_eq!(names, ["Acme Imports", "Acme", "Acme"]);
    let names = session
        .names("FIND {acme} RETURNING Account(Name WHERE Type = 'Other'), Contact(Name LIMIT 0)")
        .await;
    assert_eq!(names, ["Acme"]);
    let limited = session
        .names("FIND {acme} RETURNING Account(Name), Contact(Name) LIMIT 2")
        .await;
    assert_eq!(limited.len(), 2);
    let second = session
        .names("FIND {acme} RETURNING Account(Name ORDER BY Name LIMIT 1 OFFSET 1)")
        .await;
    assert_eq!(second, ["Acme Imports"]);
}

#[tokio::test]
async fn a_scope_says_which_fields_are_looked_at() {
    let session = filled().await;
    let all = session
        .names("FIND {widgets} IN ALL FIELDS RETURNING Account(Name)")
        .await;
    assert_eq!(all, ["Acme Imports"]);
    let none = session
        .names("FIND {widgets} IN NAME FIELDS RETURNING Account(Name)")
        .await;
    assert!(none.is_empty());
    let phone = session
        .names("FIND {4155551212} IN PHONE FIELDS RETURNING Account(Name)")
        .await;
    assert_eq!(phone, ["Acme"]);
    let email = session
        .names("FIND {jo@acme\\-mail.example.com} IN EMAIL FIELDS RETURNING Contact(Name)")
        .await;
    assert_eq!(email, ["Acme"]);
}

#[tokio::test]
async fn a_search_that_cannot_be_read_says_so() {
    let session = filled().await;
    for (sosl, code) in [
        ("FIND {A}", "MALFORMED_SEARCH"),
        ("FIND Acme", "MALFORMED_SEARCH"),
        ("FIND {Acme", "MALFORMED_SEARCH"),
        ("FIND {AT&T}", "MALFORMED_SEARCH"),
        ("FIND {Acme} RETURNING Nope", "INVALID_TYPE"),
        ("FIND {Acme} RETURNING Account(Nope)", "INVALID_FIELD"),
        ("FIND {Acme} RETURNING LeadStatus", "INVALID_SEARCH_SCOPE"),
        ("", "MALFORMED_SEARCH"),
    ] {
        let (status, body) = session.find(sosl).await;
        assert_eq!(
            (status, body[0]["errorCode"].as_str()),
            (400, Some(code)),
            "{sosl}"
        );
    }
}

#[tokio::test]
async fn a_field_that_is_hidden_from_a_user_is_not_searched() {
    let session = filled().await;
    session.control.org(|org| {
        org.change_user("admin@example.com", |user| {
            user.hide_field("Account", "Description");
        });
    });
    let found = session
        .names("FIND {widgets} RETURNING Account(Name)")
        .await;
    assert!(found.is_empty());
}

#[tokio::test]
async fn a_parameterized_search_needs_no_sosl() {
    let session = filled().await;
    let path = "/parameterizedSearch?q=acme&sobject=Account&Account.fields=Id,Name&Account.limit=1&sobject=Contact&fields=Name";
    let (status, body) = read(session.get(path).await).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(names(&body), ["Acme", "Acme"]);
    let wanted = json!({ "q": "acme", "fields": ["Name"], "in": "NAME", "overallLimit": 2,
        "sobjects": [{ "name": "Contact" }, { "name": "Account", "where": "Type = 'Other'" }] });
    let (status, body) = read(session.send("POST", "/parameterizedSearch", &wanted).await).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(names(&body), ["Acme", "Acme"]);
    let (status, body) = read(session.get("/parameterizedSearch?sobject=Account").await).await;
    assert_eq!(
        (status, body[0]["errorCode"].as_str()),
        (400, Some("MALFORMED_SEARCH"))
    );
}
