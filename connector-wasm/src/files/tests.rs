//! Files against a scripted org: what goes over the wire, and what is made of
//! the answers.

use super::*;
use crate::fake::{Fake, broken, run};
use crate::host::HttpError;

const VERSION: &str = "068dM00003kRs59QAC";

fn created() -> String {
    format!(r#"{{"id":"{VERSION}","success":true,"errors":[]}}"#)
}

fn put(
    fake: &Fake,
    object: &str,
    record: &str,
    field: &str,
    content: &[u8],
) -> Result<RecordResult, Error> {
    let length = Some(content.len() as u64);
    let api = fake.api();
    run(upload(
        &api,
        object,
        record.as_bytes(),
        field,
        content.to_vec(),
        length,
    ))
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (Advice, String) {
    match outcome {
        Err(Error::Refused(problem)) => (problem.advice, problem.code),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_record_and_its_file_go_up_in_two_parts() {
    let fake = Fake::new().answer(201, created());
    let record = r#"{"PathOnClient":"a.txt","ContentDocumentId":"069dM00003kRs59QAC"}"#;
    let result = put(&fake, "ContentVersion", record, "VersionData", b"\0\r\n--x").unwrap();
    assert_eq!(result.id.as_deref(), Some(VERSION));
    assert_eq!(result.outcome, Outcome::Created);
    assert_eq!(
        fake.lines(),
        ["POST /services/data/v62.0/sobjects/ContentVersion"]
    );
    let boundary = "lockgate-part-0000000000001388";
    assert_eq!(
        fake.header(0, "Content-Type"),
        Some(format!("multipart/form-data; boundary=\"{boundary}\""))
    );
    assert_eq!(
        fake.body(0),
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"entity_content\";\r\n\
             Content-Type: application/json\r\n\r\n{record}\r\n\
             --{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Disposition: form-data; name=\"VersionData\"; filename=\"content\"\r\n\r\n\
             \0\r\n--x\r\n--{boundary}--\r\n"
        )
    );
}

#[test]
fn a_record_with_its_id_is_changed() {
    let fake = Fake::new().answer(204, "");
    let record = r#"{"Id":"015dM00003kRs59QAC","Name":"N"}"#;
    let result = put(&fake, "Document", record, "Body", b"x").unwrap();
    assert_eq!(result.outcome, Outcome::Updated);
    assert_eq!(
        fake.lines(),
        ["PATCH /services/data/v62.0/sobjects/Document/015dM00003kRs59QAC"]
    );
    assert!(fake.body(0).contains(r#"{"Name":"N"}"#));
}

#[test]
fn what_cannot_be_written_is_refused_before_it_is_sent() {
    let fake = Fake::new();
    let name = r#"{"PathOnClient":"a"}"#;
    for (object, record, field, advice, code) in [
        (
            "ContentVersion",
            name,
            "Body",
            Advice::FixSchema,
            "INVALID_FIELD",
        ),
        (
            "ContentNote",
            name,
            "Content",
            Advice::FixRecord,
            "INVALID_FIELD",
        ),
        (
            "ContentVersion",
            r#"{"versiondata":"YQ=="}"#,
            "VersionData",
            Advice::FixRecord,
            "INVALID_FIELD",
        ),
        (
            "ContentVersion",
            "{},{}",
            "VersionData",
            Advice::FixRecord,
            "JSON_PARSER_ERROR",
        ),
        (
            "ContentVersion",
            "",
            "VersionData",
            Advice::FixRecord,
            "JSON_PARSER_ERROR",
        ),
        (
            "../limits",
            name,
            "VersionData",
            Advice::FixSchema,
            "INVALID_TYPE",
        ),
        (
            "ContentVersion",
            name,
            "a/b",
            Advice::FixSchema,
            "INVALID_FIELD",
        ),
    ] {
        let outcome = put(&fake, object, record, field, b"x");
        assert_eq!(
            refusal(outcome),
            (advice, code.to_owned()),
            "{object} {record} {field}"
        );
    }
    let api = fake.api();
    for (object, length) in [
        ("ContentVersion", MAX_VERSION_BYTES + 1),
        ("Attachment", MAX_FILE_BYTES + 1),
    ] {
        let field = if object == "Attachment" {
            "Body"
        } else {
            "VersionData"
        };
        let outcome = run(upload(&api, object, b"{}", field, Vec::new(), Some(length)));
        let expected = (Advice::FixRecord, "FILE_SIZE_LIMIT_EXCEEDED".to_owned());
        assert_eq!(refusal(outcome), expected);
    }
    assert!(fake.lines().is_empty());
}

#[test]
fn a_file_that_holds_its_own_boundary_is_not_sent() {
    let fake = Fake::new();
    let content = b"a\r\n--lockgate-part-0000000000001388\r\nContent-Type: application/json";
    let outcome = put(&fake, "ContentVersion", "{}", "VersionData", content);
    assert_eq!(
        refusal(outcome),
        (Advice::Retry, "BOUNDARY_CLASH".to_owned())
    );
    assert!(fake.lines().is_empty());
}

#[test]
fn what_the_org_says_against_a_record_is_the_records_result() {
    let missing =
        r#"[{"errorCode":"REQUIRED_FIELD_MISSING","message":"m","fields":["PathOnClient"]}]"#;
    for (status, body, code) in [
        (400, missing, "REQUIRED_FIELD_MISSING"),
        (413, "<h1>Bad Message 413</h1>", "HTTP_413"),
    ] {
        let fake = Fake::new().answer(status, body);
        let result = put(&fake, "ContentVersion", "{}", "VersionData", b"x").unwrap();
        let Outcome::Failed(problems) = result.outcome else {
            panic!("not failed")
        };
        assert_eq!(
            (problems[0].advice, problems[0].code.as_str()),
            (Advice::FixRecord, code)
        );
    }
}

#[test]
fn a_lost_answer_says_whether_the_file_may_be_there() {
    for (maybe_sent, error) in [
        (true, Error::UnknownOutcome),
        (false, Error::Unavailable(700)),
    ] {
        let fake = Fake::new().lose(broken(maybe_sent));
        let outcome = put(&fake, "ContentVersion", "{}", "VersionData", b"x");
        assert_eq!(outcome, Err(error));
    }
    let refused = Lost::Head(HttpError::Invalid(crate::host::InvalidPart::Body));
    let outcome = put(
        &Fake::new().lose(refused),
        "ContentVersion",
        "{}",
        "VersionData",
        b"x",
    );
    let expected = (Advice::FixRecord, "FILE_SIZE_LIMIT_EXCEEDED".to_owned());
    assert_eq!(refusal(outcome), expected);
}

#[test]
fn a_content_comes_with_its_length() {
    let fake = Fake::new().content(Some(3), b"abc");
    let api = fake.api();
    let content = run(download(&api, "ContentVersion", VERSION, "VersionData")).unwrap();
    assert_eq!(
        (content.length, content.body.bytes.as_slice()),
        (Some(3), &b"abc"[..])
    );
    let path = format!("GET /services/data/v62.0/sobjects/ContentVersion/{VERSION}/VersionData");
    assert_eq!(fake.lines(), [path]);
    assert_eq!(fake.header(0, "Accept").as_deref(), Some("*/*"));
}

#[test]
fn a_missing_record_a_wrong_field_and_a_wrong_object_are_told_apart() {
    const GONE: &str =
        r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#;
    let description = r#"{"name":"Attachment","fields":[
        {"name":"Name","type":"string"},{"name":"Body","type":"base64"}]}"#;
    for (field, status, described, expected) in [
        ("Body", 200, description, (Advice::Refetch, "NOT_FOUND")),
        (
            "Name",
            200,
            description,
            (Advice::FixSchema, "INVALID_FIELD"),
        ),
        ("Body", 404, GONE, (Advice::FixSchema, "NOT_FOUND")),
    ] {
        let fake = Fake::new().answer(404, GONE).answer(status, described);
        let api = fake.api();
        let outcome = run(download(&api, "Attachment", "00PdM00003kRs59UAC", field));
        let (advice, code) = refusal(outcome.map(|content| content.length));
        assert_eq!((advice, code.as_str()), expected, "{field} {status}");
    }
}

#[test]
fn a_content_that_broke_off_can_be_asked_for_again_and_one_too_large_cannot() {
    let lost = match broken(true) {
        Lost::Head(error) => error,
        Lost::Body(_) => panic!("no head"),
    };
    assert_eq!(ending(Err(lost)), Err(Error::Unavailable(700)));
    let expected = (Advice::FixRecord, "FILE_SIZE_LIMIT_EXCEEDED".to_owned());
    assert_eq!(refusal(ending(Err(HttpError::TooLarge(5)))), expected);
    assert_eq!(ending(Ok(())), Ok(()));
}
