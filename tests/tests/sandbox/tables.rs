//! Tables whose rows a guest hands on unread: what comes of those that are none, and
//! of guests that want more than there is.

use lockgate::Error;
use lockgate_tests::loopback::Loopback;
use serde_json::json;

use crate::attack::{connector, one, report};

#[tokio::test]
async fn rows_that_are_handed_on_are_the_records_of_the_page() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let records = report(&crm, "table a,b|1,x|\"2,\"\"3\"\"\",y|")
        .await
        .unwrap();
    assert_eq!(records, [json!({ "a": "1" }), json!({ "a": "2,\"3\"" })]);
}

#[tokio::test]
async fn a_table_that_is_none_is_an_answer_that_was_not_understood() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for (text, told) in [
        ("a,b|1,2|3", "as many values as the header has in row 2"),
        ("a|\"1\"2|", "a comma behind a value in quotes in row 1"),
        ("a|\"1", "the end of a value in quotes in row 1"),
        ("|", "the names of its columns"),
    ] {
        let error = report(&crm, &format!("table {text}")).await.unwrap_err();
        assert!(matches!(error, Error::Unexpected { .. }), "{error:?}");
        assert!(error.to_string().contains(told), "{error}");
    }
    // A first line that does not end is given up, however much of it would come.
    let error = report(&crm, "table-of /endless").await.unwrap_err();
    assert!(matches!(error, Error::Unexpected { .. }), "{error:?}");
    assert!(server.sent_bytes() < 64 * 1024 * 1024);
}

#[tokio::test]
async fn a_guest_reads_two_tables_at_a_time_and_holds_two_parts_of_them() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let reports = report(&crm, "hold-tables").await.unwrap();
    let (row, denied) = (json!({ "count": 1 }), json!({ "error": "Error::Denied" }));
    assert_eq!(
        reports,
        [&row, &row, &denied, &row, &row, &denied, &row].map(Clone::clone)
    );
}

#[tokio::test]
async fn a_shape_that_breaks_a_rule_ends_the_call() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for (kind, rule) in [
        ("circle", "of an object before it"),
        ("column", "in the table"),
        ("uses", "by at most 4 members"),
        ("nothing", "an object at least"),
    ] {
        let error = report(&crm, &format!("misshape {kind}")).await.unwrap_err();
        assert!(matches!(error, Error::Crashed { .. }), "{error:?}");
        assert!(error.to_string().contains(rule), "{error}");
    }
    assert_eq!(one(&crm, "send get /ok").await["status"], 200);
}
