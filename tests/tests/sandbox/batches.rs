//! Records that the host holds while a guest sends them unread: what comes of guests
//! that keep them, make too much of them, or hand on what they were not told.

use lockgate::{Connection, Error, Operation, Records, RowResult};
use lockgate_tests::loopback::Loopback;
use serde_json::{Value as Json, json};

use crate::attack::{connector, one};

const SOUND: &str = r#"[{"id":"1","ok":true},{"id":"2","ok":true}]"#;

pub(crate) async fn push(
    crm: &Connection,
    command: &str,
    records: &str,
) -> Result<Vec<RowResult>, Error> {
    let object = format!("batch {command}");
    let writer = crm.write(&object, Operation::Create, Default::default());
    let mut writer = writer.await?;
    writer.push(&Records::from_json(records.to_owned())?).await
}

/// What a command has found out.
pub(crate) async fn found(crm: &Connection, command: &str, records: &str) -> Json {
    let error = push(crm, command, records).await.unwrap_err();
    let Error::Unexpected { what, .. } = &error else {
        panic!("{error:?}")
    };
    serde_json::from_str(what).unwrap()
}

#[tokio::test]
async fn a_guest_sees_what_was_given_in_whatever_part_it_asks_for() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let records = r#"[{"a":"x"},{"b":1.0}]"#;
    let wanted = json!({
        "count": 2, "json": records, "names": ["a", "b"], "column": ["\"x\"", null], "nothing": []
    });
    assert_eq!(found(&crm, "show", records).await, wanted);
    let shown = found(&crm, "show", r#"[{"a":1,"a":2}]"#).await;
    assert_eq!(
        (&shown["names"], &shown["column"]),
        (&Json::Null, &json!([]))
    );
}

#[tokio::test]
async fn a_batch_is_gone_with_the_call_that_it_came_with() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let mut writer = crm
        .write("batch keep", Operation::Create, Default::default())
        .await
        .unwrap();
    let records = Records::from_json(SOUND).unwrap();
    assert!(matches!(
        writer.push(&records).await,
        Err(Error::Unexpected { .. })
    ));
    let error = writer.push(&records).await.unwrap_err();
    assert!(matches!(error, Error::Crashed { .. }), "{error:?}");
    assert!(
        error.to_string().contains("after the call that it is of"),
        "{error}"
    );
    assert_eq!(one(&crm, "send get /ok").await["status"], 200);
}

#[tokio::test]
async fn a_body_is_made_of_records_that_are_there_and_no_larger_than_any_other() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let refused = json!({ "error": "Error::Invalid(InvalidPart::Body)" });
    assert_eq!(
        found(
            &crm,
            "echo",
            r#"[{"a":1},{"b": 2}, {"c":"a name that is long enough"}]"#
        )
        .await,
        json!([
            r#"[{"b": 2},{"a":1},{"b": 2}]"#,
            "[]",
            &refused,
            &refused,
            &refused
        ])
    );
}

#[tokio::test]
async fn answers_tell_of_written_records_and_a_guest_holds_only_so_many_of_them() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let other = r#"{"id":"2","ok":false}"#;
    assert_eq!(
        found(
            &crm,
            "results",
            &format!(r#"[{{"id":"1","ok":true}},{other}]"#)
        )
        .await,
        json!({ "count": 2, "others": [[1, other]] })
    );
    assert_eq!(
        found(&crm, "hold", SOUND).await,
        json!({ "held": 64, "again": true })
    );
    let error = push(&crm, "large-form", SOUND).await.unwrap_err();
    assert!(error.to_string().contains("at most 8 members"), "{error}");
}

#[tokio::test]
async fn what_is_handed_on_is_of_records_that_were_pushed_and_one_result_each() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let results = push(&crm, "1,0", SOUND).await.unwrap();
    let ids: Vec<_> = results
        .iter()
        .map(|row| (row.row, row.result.id.as_deref()))
        .collect();
    assert_eq!(ids, [(0, Some("2")), (1, Some("1"))]);
    for rows in ["0", "0,0", "0,2", "0,1,2"] {
        let error = push(&crm, rows, SOUND).await.unwrap_err();
        assert!(
            matches!(error, Error::BrokenContract { .. }),
            "{rows}: {error:?}"
        );
    }
    // A record that was not written is not told of, whatever is said of it.
    let results = push(&crm, "0,9", r#"[{"id":"1","ok":true},{"id":"2"}]"#).await;
    assert_eq!(results.unwrap().len(), 1);
}
