//! Records by a key and along relationships, and what their absence means.

use serde_json::{Value, json};

use crate::actions::tests::invoked;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::fake::Fake;

const NOT_FOUND: &str =
    r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#;
const CONTACT: &str = r#"{"name":"Contact","fields":[
    {"name":"Email","type":"email","idLookup":true},{"name":"LastName","type":"string"},
    {"name":"AccountId","type":"reference","referenceTo":["Account"]}],
    "childRelationships":[{"childSObject":"Task","field":"WhoId","relationshipName":"Tasks"}]}"#;

fn refusal(fake: &Fake, action: &str, input: &Value) -> Problem {
    match invoked(fake, action, &input.to_string()).unwrap_err() {
        Error::Refused(problem) => problem,
        error => panic!("{error:?}"),
    }
}

#[test]
fn a_key_is_one_segment_of_the_path_whatever_it_holds() {
    let fake = Fake::new()
        .answer(200, r#"{"Id":"1","N":1.10}"#)
        .answer(204, "");
    let mut input = json!({ "object": "Contact", "field": "Email", "value": "a/../b@x.org" });
    let deleted = invoked(
        &Fake::new().answer(204, ""),
        "delete-by-key",
        &input.to_string(),
    );
    assert_eq!(deleted.unwrap(), json!({ "outcome": "deleted" }));
    input["fields"] = json!(["Id", "Account.Name"]);
    let found = invoked(&fake, "get-by-key", &input.to_string()).unwrap();
    assert_eq!(found["record"]["Id"], "1");
    assert_eq!(
        fake.lines(),
        [
            "GET /services/data/v62.0/sobjects/Contact/Email/a%2F%2E%2E%2Fb%40x%2Eorg?fields=Id,Account.Name"
        ]
    );
}

#[test]
fn no_record_is_told_apart_from_no_such_key() {
    let input = json!({ "object": "Contact", "field": "Email", "value": "x" });
    let fake = Fake::new().answer(404, NOT_FOUND).answer(200, CONTACT);
    let found = invoked(&fake, "get-by-key", &input.to_string()).unwrap();
    assert_eq!(found, json!({ "record": null }));
    let fake = Fake::new().answer(404, NOT_FOUND).answer(200, CONTACT);
    let gone = invoked(&fake, "delete-by-key", &input.to_string()).unwrap();
    assert_eq!(gone, json!({ "outcome": "not-there" }));

    let wrong = json!({ "object": "Contact", "field": "LastName", "value": "x" });
    let fake = Fake::new().answer(404, NOT_FOUND).answer(200, CONTACT);
    let problem = refusal(&fake, "get-by-key", &wrong);
    assert_eq!(
        (problem.advice, problem.fields),
        (Advice::FixSchema, vec!["LastName".to_owned()])
    );
    let said = r#"[{"errorCode":"NOT_FOUND","message":"Provided external ID field does not exist or is not accessible: LastName"}]"#;
    let problem = refusal(&Fake::new().answer(404, said), "get-by-key", &wrong);
    assert_eq!(problem.advice, Advice::FixSchema);
    let fake = Fake::new().answer(404, NOT_FOUND).answer(404, NOT_FOUND);
    let problem = refusal(&fake, "get-by-key", &input);
    assert_eq!(problem.advice, Advice::FixSchema);
}

#[test]
fn a_key_of_several_records_names_them() {
    let several = r#"["/services/data/v62.0/sobjects/Contact/003dM00001wBXYDQA4"]"#;
    for action in ["get-by-key", "delete-by-key"] {
        let input = json!({ "object": "Contact", "field": "Email", "value": "x" });
        let problem = refusal(&Fake::new().answer(300, several), action, &input);
        assert_eq!(problem.advice, Advice::ResolveDuplicate);
        assert!(
            problem.message.contains("003dM00001wBXYDQA4"),
            "{problem:?}"
        );
    }
}

#[test]
fn a_relationship_is_followed_page_by_page() {
    let next = "/services/data/v62.0/query/0r8xx5R2yF2gs3VASQ-2000";
    let first = json!({ "totalSize": 2, "done": false, "nextRecordsUrl": next, "records": [{ "Id": "1" }] });
    let last = r#"{"totalSize":2,"done":true,"records":[{"Id":"2"}]}"#;
    let fake = Fake::new().answer(200, first.to_string()).answer(200, last);
    let mut input = json!({ "object": "Account", "id": "001dM00003kRs59", "relationship": "Contacts", "fields": ["Id"] });
    let page = invoked(&fake, "related", &input.to_string()).unwrap();
    assert_eq!(
        page,
        json!({ "records": [{ "Id": "1" }], "total": 2, "next": next })
    );
    input["next"] = page["next"].clone();
    let page = invoked(&fake, "related", &input.to_string()).unwrap();
    assert_eq!(
        page,
        json!({ "records": [{ "Id": "2" }], "total": 2, "next": null })
    );
    assert_eq!(
        fake.lines(),
        [
            "GET /services/data/v62.0/sobjects/Account/001dM00003kRs59QAC/Contacts?fields=Id"
                .to_owned(),
            format!("GET {next}"),
        ]
    );
    input["next"] = json!("/services/oauth2/userinfo");
    assert!(invoked(&Fake::new(), "related", &input.to_string()).is_err());
}

#[test]
fn a_lookup_gives_one_record_or_none_and_a_wrong_name_is_told() {
    let mut input =
        json!({ "object": "Contact", "id": "003dM00001wBXYDQA4", "relationship": "Account" });
    let fake = Fake::new().answer(200, r#"{"attributes":{"type":"Account"},"Name":"A"}"#);
    let one = invoked(&fake, "related", &input.to_string()).unwrap();
    assert_eq!(
        (&one["records"][0]["Name"], &one["total"]),
        (&json!("A"), &json!(1))
    );

    let fake = Fake::new()
        .answer(404, NOT_FOUND)
        .answer(200, CONTACT)
        .answer(200, r#"{"Id":"003dM00001wBXYDQA4"}"#);
    let none = invoked(&fake, "related", &input.to_string()).unwrap();
    assert_eq!(none, json!({ "records": [], "total": 0, "next": null }));

    let fake = Fake::new()
        .answer(404, NOT_FOUND)
        .answer(200, CONTACT)
        .answer(404, NOT_FOUND);
    let problem = refusal(&fake, "related", &input);
    assert_eq!(problem.advice, Advice::Refetch, "{problem:?}");

    input["relationship"] = json!("Acount");
    let fake = Fake::new().answer(404, NOT_FOUND).answer(200, CONTACT);
    let problem = refusal(&fake, "related", &input);
    assert_eq!(problem.advice, Advice::FixSchema, "{problem:?}");
}
