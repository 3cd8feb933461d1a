//! Reading by id: order, gaps, hidden fields.

use super::*;
use crate::fake::{Fake, run};

const A: &str = "003dM00001wBXYDQA4";
const B: &str = "003dM00001wBXYEQA4";

fn got(fake: &Fake, ids: &[&str], fields: &[&str]) -> Result<String, Error> {
    let owned = |texts: &[&str]| {
        texts
            .iter()
            .map(|&text| text.to_owned())
            .collect::<Vec<_>>()
    };
    run(get(&fake.api(), "Contact", &owned(ids), &owned(fields)))
        .map(|bytes| String::from_utf8(bytes).unwrap())
}

fn record(id: &str) -> String {
    format!(
        r#"{{"attributes":{{"type":"Contact","url":"/services/data/v62.0/sobjects/Contact/{id}"}},"LastName":"x","Score__c":1.50}}"#
    )
}

#[test]
fn records_come_in_the_order_of_the_ids_and_null_for_those_not_there() {
    let fake = Fake::new().answer(200, format!("[null,{},{}]", record(B), record(A)));
    let json = got(&fake, &[&A[..15], "003dM00001wBXYG", B, A], &["LastName"]).unwrap();
    assert_eq!(
        json,
        format!("[{},null,{},{}]", record(A), record(B), record(A))
    );
    assert_eq!(
        fake.lines(),
        ["POST /services/data/v62.0/composite/sobjects/Contact"]
    );
    assert_eq!(
        fake.body(0),
        format!(r#"{{"ids":["{A}","003dM00001wBXYGQA4","{B}","{A}"],"fields":["LastName"]}}"#)
    );
}

#[test]
fn one_record_without_a_list_of_fields_comes_whole_by_its_own_route() {
    let fake = Fake::new().answer(200, record(A));
    assert_eq!(got(&fake, &[A], &[]).unwrap(), format!("[{}]", record(A)));
    assert_eq!(
        fake.lines(),
        [format!("GET /services/data/v62.0/sobjects/Contact/{A}")]
    );
    let gone = r#"[{"errorCode":"ENTITY_IS_DELETED","message":"entity is deleted"}]"#;
    assert_eq!(
        got(&Fake::new().answer(404, gone), &[A], &[]).unwrap(),
        "[null]"
    );
}

#[test]
fn a_record_that_is_not_there_is_null_but_an_object_that_is_not_there_is_an_error() {
    let missing =
        r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#;
    let described = r#"{"name":"Contact","fields":[]}"#;
    let fake = Fake::new().answer(404, missing).answer(200, described);
    assert_eq!(got(&fake, &[A], &[]).unwrap(), "[null]");
    let fake = Fake::new().answer(404, missing).answer(404, missing);
    assert!(matches!(got(&fake, &[A], &[]), Err(Error::Refused(_))));
}

#[test]
fn several_without_a_list_of_fields_come_with_all_that_the_user_may_read() {
    let fake = Fake::new()
        .answer(
            200,
            r#"{"name":"Contact","fields":[{"name":"LastName"},{"name":"Score__c"}]}"#,
        )
        .answer(200, format!("[{},{}]", record(A), record(B)));
    got(&fake, &[A, B], &[]).unwrap();
    assert!(
        fake.body(1)
            .ends_with(r#""fields":["LastName","Score__c"]}"#)
    );
}

#[test]
fn many_ids_go_in_requests_of_2000_and_of_fewer_if_many_fields_are_asked_for() {
    let ids: Vec<String> = (0..2_500).map(|at| format!("003dM0000{at:06}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let fake = Fake::new().answer(200, "[]").answer(200, "[]");
    got(&fake, &ids, &["LastName"]).unwrap();
    assert!(fake.is_done());
    let fields: Vec<String> = (0..500).map(|at| format!("F{at}__c")).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let mut fake = Fake::new();
    for _ in 0..7 {
        fake = fake.answer(200, "[]");
    }
    got(&fake, &ids, &fields).unwrap();
    assert!(fake.is_done());
}

#[test]
fn a_field_that_did_not_come_is_reported_and_never_taken_for_empty() {
    let fake = Fake::new().answer(200, format!("[null,{}]", record(A)));
    let Err(Error::Refused(problem)) = got(&fake, &[B, A], &["lastname", "Secret__c"]) else {
        panic!("silently left out");
    };
    assert_eq!(problem.fields, ["Secret__c"]);
    assert!(problem.message.contains("field-level security"));
}

#[test]
fn a_refused_field_is_explained_by_the_description() {
    let fake = Fake::new()
        .answer(400, r#"[{"errorCode":"INVALID_FIELD","message":"No such column 'Secret__c' on sobject of type Contact"}]"#)
        .answer(200, r#"{"name":"Contact","fields":[{"name":"LastName"}]}"#);
    let Err(Error::Refused(problem)) = got(&fake, &[A, B], &["LastName", "Secret__c"]) else {
        panic!("not refused");
    };
    assert_eq!(problem.fields, ["Secret__c"]);
    assert!(
        problem.message.starts_with("Secret__c cannot be seen"),
        "{}",
        problem.message
    );
}

#[test]
fn nothing_malformed_is_ever_sent() {
    let fake = Fake::new();
    assert!(got(&fake, &["001/../x"], &[]).is_err());
    assert!(got(&fake, &[A], &["Name,(SELECT"]).is_err());
    assert_eq!(got(&fake, &[], &[]).unwrap(), "[]");
    assert!(fake.lines().is_empty());
}

#[test]
fn a_field_that_went_since_the_description_was_kept_is_left_out_instead_of_refused() {
    let described = |fields: &[&str]| {
        let fields: Vec<String> = fields
            .iter()
            .map(|name| format!(r#"{{"name":"{name}"}}"#))
            .collect();
        format!(r#"{{"name":"Contact","fields":[{}]}}"#, fields.join(","))
    };
    let gone = r#"[{"errorCode":"INVALID_FIELD","message":"No such column 'Gone__c' on entity 'Contact'"}]"#;
    let fake = Fake::new()
        .answer(200, described(&["Id", "Gone__c"]))
        .answer(200, "[null,null]")
        // From here on with what is kept.
        .answer(400, gone)
        .answer(200, described(&["Id"]))
        .answer(200, "[null,null]");
    for _ in 0..2 {
        assert_eq!(got(&fake, &[A, B], &[]).unwrap(), "[null,null]");
    }
    assert!(fake.is_done());
    assert!(!fake.body(4).contains("Gone__c"), "{}", fake.body(4));
}
