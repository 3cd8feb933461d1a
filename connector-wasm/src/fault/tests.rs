//! Error bodies in all their shapes, and every class of code.

use super::*;

fn error_of(status: u16, body: &str, effect: Effect) -> Error {
    Fault::read(status, body.as_bytes()).error(Some("Account"), effect)
}

fn refusal(status: u16, body: &str) -> Problem {
    match error_of(status, body, Effect::Read) {
        Error::Refused(problem) => problem,
        other => panic!("not refused but {other:?}"),
    }
}

#[test]
fn an_array_an_object_and_xml_are_read_alike() {
    for body in [
        r#"[{"message":"Not here","errorCode":"NOT_FOUND","fields":["X"]}]"#,
        r#"{"message":"Not here","errorCode":"NOT_FOUND","fields":["X"]}"#,
        "\u{feff} \n[{\"message\":\"Not here\",\"errorCode\":\"NOT_FOUND\",\"fields\":[\"X\"]}]",
    ] {
        let problem = refusal(404, body);
        assert_eq!(problem.code, "NOT_FOUND");
        assert_eq!(problem.message, "Not here");
        assert_eq!(problem.fields, ["X"]);
        assert_eq!(problem.object.as_deref(), Some("Account"));
        assert_eq!(problem.advice, Advice::Refetch);
    }
    let xml = r#"<?xml version="1.0" encoding="UTF-8"?><Errors><Error><errorCode>NOT_FOUND</errorCode><message>Not here</message></Error></Errors>"#;
    assert_eq!(refusal(404, xml).message, "Not here");
    let oauth = r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#;
    assert_eq!(refusal(400, oauth).code, "invalid_grant");
}

#[test]
fn a_page_for_people_is_told_by_its_status_and_never_quoted() {
    let html = "<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>";
    let problem = refusal(414, html);
    assert_eq!(
        (problem.code.as_str(), problem.advice),
        ("HTTP_414", Advice::FixRecord)
    );
    assert!(!problem.message.contains('<') && problem.message.contains("too long"));
    assert_eq!(refusal(431, "<h1>Bad Message 431</h1>").code, "HTTP_431");
    assert!(matches!(
        error_of(503, "<html>", Effect::Read),
        Error::Unavailable(_)
    ));
    for status in [406, 420] {
        assert!(matches!(
            error_of(status, "", Effect::Read),
            Error::Unavailable(_)
        ));
    }
    assert_eq!(refusal(400, "{\"a\":").code, "HTTP_400");
    assert_eq!(refusal(400, "[]").code, "HTTP_400");
    assert_eq!(refusal(400, "[\"/services/x\"]").code, "HTTP_400");
}

#[test]
fn a_fault_on_the_way_leaves_a_write_in_doubt_but_one_of_the_api_does_not() {
    for status in [500, 502, 504] {
        assert_eq!(
            error_of(status, "<html>", Effect::Write),
            Error::UnknownOutcome
        );
    }
    assert!(matches!(
        error_of(503, "<html>", Effect::Write),
        Error::Unavailable(_)
    ));
    let own = r#"[{"message":"oops","errorCode":"UNKNOWN_EXCEPTION"}]"#;
    assert!(matches!(
        error_of(500, own, Effect::Write),
        Error::Unavailable(_)
    ));
}

#[test]
fn a_dead_session_asks_for_a_person_but_one_barred_from_the_api_for_a_permission() {
    let body =
        |message: &str| format!(r#"[{{"message":"{message}","errorCode":"INVALID_SESSION_ID"}}]"#);
    assert_eq!(
        error_of(401, &body("Session expired or invalid"), Effect::Read),
        Error::Reconnect
    );
    for barred in [
        "This session is not valid for use with the REST API",
        "Connected app is not attached to Agent",
    ] {
        assert_eq!(refusal(401, &body(barred)).advice, Advice::AskPermission);
    }
}

#[test]
fn the_days_budget_and_too_much_at_once_share_a_code_and_are_told_apart() {
    let body = |message: &str| {
        format!(r#"[{{"message":"{message}","errorCode":"REQUEST_LIMIT_EXCEEDED"}}]"#)
    };
    assert!(matches!(
        error_of(403, &body("TotalRequests Limit exceeded."), Effect::Write),
        Error::OverQuota(_)
    ));
    for at_once in [
        "ConcurrentPerOrgLongTxn Limit exceeded.",
        "ConcurrentPerOrgApex Limit exceeded",
    ] {
        assert!(matches!(
            error_of(403, &body(at_once), Effect::Write),
            Error::Unavailable(_)
        ));
    }
}

#[test]
fn every_class_of_code_asks_the_caller_for_what_helps() {
    let classes = [
        (
            Advice::WaitForQuota,
            Scope::Record,
            "LIMIT_EXCEEDED EXCEEDED_QUOTA STORAGE_LIMIT_EXCEEDED",
        ),
        (
            Advice::Retry,
            Scope::Record,
            "UNABLE_TO_LOCK_ROW QUERY_TIMEOUT",
        ),
        (
            Advice::Retry,
            Scope::Call,
            "SERVER_UNAVAILABLE REQUEST_RUNNING_TOO_LONG UNKNOWN_EXCEPTION",
        ),
        (
            Advice::Refetch,
            Scope::Record,
            "INVALID_QUERY_LOCATOR ENTITY_IS_DELETED NOT_FOUND INVALID_CROSS_REFERENCE_KEY \
             DELETE_FAILED",
        ),
        (
            Advice::FixSchema,
            Scope::Record,
            "INVALID_FIELD INVALID_TYPE INVALID_FIELD_FOR_INSERT_UPDATE",
        ),
        (
            Advice::AskPermission,
            Scope::Record,
            "INSUFFICIENT_ACCESS INSUFFICIENT_ACCESS_OR_READONLY \
             INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY OPERATION_NOT_ALLOWED",
        ),
        (
            Advice::AskPermission,
            Scope::Call,
            "API_DISABLED_FOR_ORG API_CURRENTLY_DISABLED TXN_SECURITY_METERING_ERROR",
        ),
        (
            Advice::ResolveDuplicate,
            Scope::Record,
            "DUPLICATES_DETECTED DUPLICATE_VALUE DUPLICATE_EXTERNAL_ID",
        ),
        (
            Advice::FixRecord,
            Scope::Record,
            "REQUIRED_FIELD_MISSING FIELD_CUSTOM_VALIDATION_EXCEPTION STRING_TOO_LONG \
             INVALID_EMAIL_ADDRESS INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST MALFORMED_ID \
             MALFORMED_QUERY JSON_PARSER_ERROR NUMBER_OUTSIDE_VALID_RANGE \
             CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY CANNOT_EXECUTE_FLOW_TRIGGER FAILED_ACTIVATION \
             CANNOT_UPDATE_CONVERTED_LEAD FIELD_INTEGRITY_EXCEPTION EXCEEDED_ID_LIMIT \
             INVALID_REPLICATION_DATE STANDARD_PRICE_NOT_DEFINED MISSING_ARGUMENT MALFORMED_SEARCH",
        ),
        (
            Advice::Reconnect,
            Scope::Call,
            "INVALID_SESSION_ID INVALID_AUTH_HEADER INVALID_AUTH_HEADER_FORMAT",
        ),
        (
            Advice::RolledBack,
            Scope::Record,
            "ALL_OR_NONE_OPERATION_ROLLED_BACK PROCESSING_HALTED",
        ),
    ];
    for (advice, scope, codes) in classes {
        for code in codes.split_whitespace() {
            // The status must not matter where the code is known.
            for status in [400, 403, 500] {
                assert_eq!(
                    verdict(code, "", status),
                    Verdict { advice, scope },
                    "{code}"
                );
            }
        }
    }
}

#[test]
fn the_days_query_jobs_are_a_quota_and_an_object_without_bulk_is_no_passing_fault() {
    let of_job = |text: &str| problem_of_job(text).advice;
    let spent =
        "EXCEEDED_QUOTA: Max bulk v2 query jobs (10000) per 24 hrs has been reached (10000)";
    assert_eq!(of_job(spent), Advice::WaitForQuota);
    let compound = "FUNCTIONALITY_NOT_ENABLED: Selecting compound data not supported in Bulk Query";
    assert_eq!(of_job(compound), Advice::AskPermission);
    let entity = "INVALIDENTITY: Entity 'TaskStatus' is not supported by the Bulk API.";
    assert_eq!(of_job(entity), Advice::FixRecord);
}

#[test]
fn an_unknown_code_is_judged_by_its_status() {
    let advice = |status| verdict("BRAND_NEW_CODE", "", status).advice;
    assert_eq!(advice(400), Advice::FixRecord);
    assert_eq!(advice(403), Advice::AskPermission);
    assert_eq!(advice(404), Advice::FixSchema);
    assert_eq!(advice(500), Advice::Retry);
}

#[test]
fn fields_that_only_the_message_names_are_found() {
    let invalid = refusal(
        400,
        r#"[{"message":"\nSELECT Foo__c FROM Contact\n       ^\nERROR at Row:1:Column:8\nNo such column 'Foo__c' on entity 'Contact'. If you are attempting to use a custom field, be sure to append the '__c'","errorCode":"INVALID_FIELD"}]"#,
    );
    assert_eq!(invalid.fields, ["Foo__c"]);
    assert_eq!(invalid.object.as_deref(), Some("Contact"));
    let locked = refusal(
        400,
        r#"[{"message":"Unable to create/update fields: A__c, B__c. Please check the security settings of this field and verify that it is read/write for your profile or permission set.","errorCode":"INVALID_FIELD_FOR_INSERT_UPDATE","fields":[]}]"#,
    );
    assert_eq!(locked.fields, ["A__c", "B__c"]);
    let typed = refusal(
        400,
        r#"[{"message":"sObject type 'XYZZY' is not supported.","errorCode":"INVALID_TYPE"}]"#,
    );
    assert_eq!(typed.object.as_deref(), Some("XYZZY"));
}

#[test]
fn duplicates_name_the_records_that_are_alike_in_either_spelling() {
    for member in ["duplicateResult", "duplicateResut"] {
        let body = format!(
            r#"[{{"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?",
                "{member}":{{"allowSave":true,"matchResults":[{{"matchRecords":
                [{{"matchConfidence":100.0,"record":{{"attributes":{{"type":"Lead"}},"Id":"003dM00001wBXYDQA4"}}}}]}}]}}}}]"#
        );
        let problem = refusal(400, &body);
        assert_eq!(problem.advice, Advice::ResolveDuplicate);
        assert!(
            problem.message.contains("003dM00001wBXYDQA4"),
            "{}",
            problem.message
        );
    }
}

#[test]
fn messages_are_bounded_and_hold_no_credentials() {
    let long = "ü".repeat(2_000);
    let body = format!(
        r#"[{{"errorCode":"{}","message":"00DdM00000vfgTu!AQEAQNabcdefghijk {long}"}}]"#,
        "C".repeat(300)
    );
    let problem = refusal(400, &body);
    assert_eq!(problem.code.len(), 128);
    assert!(problem.message.len() <= 1_024 && problem.message.starts_with("[removed] ü"));
}
