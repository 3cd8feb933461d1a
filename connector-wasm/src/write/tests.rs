//! Which requests a write makes, and what each record is told.

mod absent;
mod dry;
mod keyed;
mod locks;
mod trees;
mod unread;

use super::*;
use crate::fake::{Fake, broken, run};
use crate::host::{HttpError, Lost, Method, QuotaError};

const EACH: WriteOptions = WriteOptions {
    all_or_none: false,
    way: None,
    name: None,
    dry_run: false,
};
const ALL: WriteOptions = WriteOptions {
    all_or_none: true,
    way: None,
    name: None,
    dry_run: false,
};
const ID: &str = "003dM00001wBXYDQA4";
const OTHER: &str = "003dM00001wBXYEQA4";

/// An answer to a collection: `u` updated, `c` created, `l` locked, `r` rolled
/// back, `v` a validation rule.
fn collection(rows: &str) -> String {
    let error = |code: &str| {
        format!(
            r#"{{"success":false,"errors":[{{"statusCode":"{code}","message":"m","fields":[]}}]}}"#
        )
    };
    let rows: Vec<String> = rows
        .chars()
        .map(|row| match row {
            'c' => format!(r#"{{"id":"{ID}","success":true,"errors":[],"created":true}}"#),
            'u' => format!(r#"{{"id":"{ID}","success":true,"errors":[],"created":false}}"#),
            'l' => error("UNABLE_TO_LOCK_ROW"),
            'r' => error("ALL_OR_NONE_OPERATION_ROLLED_BACK"),
            _ => error("FIELD_CUSTOM_VALIDATION_EXCEPTION"),
        })
        .collect();
    format!("[{}]", rows.join(","))
}

impl Writer<Fake> {
    /// What is known of all records after a push, whoever has read the answers.
    pub(super) async fn push(&self, records: &[u8]) -> Result<Vec<RowResult>, Error> {
        self.push_batch(&records.to_vec()).await.map(all_of)
    }

    /// The next results at the end, whoever has read the answers.
    pub(super) async fn finish(&self) -> Result<Option<Vec<RowResult>>, Error> {
        Ok(self.next_results().await?.map(all_of))
    }
}

/// What is known of all records, as if all answers were read here.
fn all_of(pushed: Pushed<Vec<Option<String>>>) -> Vec<RowResult> {
    let mut results = pushed.rows;
    for (ids, rows) in pushed.written {
        assert_eq!(ids.len(), rows.len());
        let written = rows.into_iter().zip(ids).filter(|(_, id)| id.is_some());
        results.extend(written.map(|(row, id)| row_result(row, told(id, Outcome::Created))));
    }
    results
}

/// Writes all at once, and gives the results in the order of the rows.
async fn write(
    api: Api<Fake>,
    object: &str,
    operation: Operation,
    records: &[u8],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    let writer = open(Rc::new(api), object, operation, options)?;
    let mut results = writer.push(records).await?;
    while let Some(more) = writer.finish().await? {
        results.extend(more);
    }
    results.sort_by_key(|result| result.row);
    let rows: Vec<u64> = results.iter().map(|result| result.row).collect();
    assert_eq!(rows, (0..rows.len() as u64).collect::<Vec<_>>());
    Ok(results.into_iter().map(|result| result.outcome).collect())
}

async fn create(
    api: Api<Fake>,
    object: &str,
    records: &[u8],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    write(api, object, Operation::Create, records, options).await
}

async fn update(
    api: Api<Fake>,
    object: &str,
    records: &[u8],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    write(api, object, Operation::Update, records, options).await
}

async fn upsert(
    api: Api<Fake>,
    object: &str,
    key_field: &str,
    records: &[u8],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    let operation = Operation::Upsert(key_field.to_owned());
    write(api, object, operation, records, options).await
}

async fn delete(
    api: Api<Fake>,
    object: &str,
    ids: &[String],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    let records = serde_json::to_vec(ids).unwrap();
    write(api, object, Operation::Delete, &records, options).await
}

fn records(count: usize) -> String {
    let rows: Vec<String> = (0..count)
        .map(|at| format!(r#"{{"LastName":"n{at}"}}"#))
        .collect();
    format!("[{}]", rows.join(","))
}

fn created(fake: &Fake, records: &str, options: WriteOptions) -> Result<Vec<RecordResult>, Error> {
    run(create(fake.api(), "Contact", records.as_bytes(), options))
}

fn advice(result: &RecordResult) -> Option<Advice> {
    match &result.outcome {
        Outcome::Failed(problems) => problems.first().map(|problem| problem.advice),
        _ => None,
    }
}

/// One letter for each result, to compare at a glance.
fn letters(results: &[RecordResult]) -> String {
    results
        .iter()
        .map(|result| match &result.outcome {
            Outcome::Created => 'c',
            Outcome::Updated => 'u',
            Outcome::Deleted => 'd',
            Outcome::Checked => 'k',
            Outcome::Failed(problems) => match problems[0].code.as_str() {
                "UNABLE_TO_LOCK_ROW" => 'l',
                "ALL_OR_NONE_OPERATION_ROLLED_BACK" => 'r',
                "UNKNOWN_OUTCOME" => '?',
                "SERVER_UNAVAILABLE" => 's',
                _ => 'v',
            },
        })
        .collect()
}

#[test]
fn one_record_is_created_by_its_own_route() {
    let fake = Fake::new().answer(
        201,
        format!(r#"{{"id":"{ID}","success":true,"errors":[]}}"#),
    );
    let results = created(
        &fake,
        r#"[{"attributes":{"type":"Contact"},"LastName":"A"}]"#,
        EACH,
    )
    .unwrap();
    assert_eq!(fake.lines(), ["POST /services/data/v62.0/sobjects/Contact"]);
    assert_eq!(fake.body(0), r#"{"LastName":"A"}"#);
    assert_eq!(results[0].id.as_deref(), Some(ID));
    assert_eq!(letters(&results), "c");
}

#[test]
fn one_record_that_is_refused_tells_its_code_fields_and_message() {
    let fake = Fake::new().answer(
        400,
        r#"[{"message":"Required fields are missing: [LastName]","errorCode":"REQUIRED_FIELD_MISSING","fields":["LastName"]}]"#,
    );
    let results = created(&fake, "[{}]", EACH).unwrap();
    let Outcome::Failed(problems) = &results[0].outcome else {
        panic!("not failed")
    };
    assert_eq!(problems[0].code, "REQUIRED_FIELD_MISSING");
    assert_eq!(problems[0].fields, ["LastName"]);
    assert_eq!(problems[0].object.as_deref(), Some("Contact"));
}

#[test]
fn nothing_to_write_asks_for_nothing() {
    assert_eq!(created(&Fake::new(), "[]", ALL), Ok(Vec::new()));
    assert!(matches!(
        created(&Fake::new(), "{}", ALL),
        Err(Error::Refused(_))
    ));
}

#[test]
fn several_records_go_as_one_collection_with_attributes_first_and_results_in_order() {
    let fake = Fake::new().answer(200, collection("cvc"));
    let results = created(&fake, &records(3), EACH).unwrap();
    assert_eq!(
        fake.lines(),
        ["POST /services/data/v62.0/composite/sobjects"]
    );
    assert!(fake.body(0).starts_with(
        r#"{"allOrNone":false,"records":[{"attributes":{"type":"Contact"},"LastName":"n0"},"#
    ));
    assert_eq!(letters(&results), "cvc");
    assert!(
        fake.0.reserved.borrow().is_empty(),
        "one call needs no plan"
    );
}

#[test]
fn more_than_200_go_in_overlapping_batches_whose_calls_are_set_aside_first() {
    let fake = Fake::new()
        .answer(200, collection(&"c".repeat(200)))
        .answer(200, collection(&"v".repeat(200)))
        .answer(200, collection(&"c".repeat(200)))
        .answer(200, collection("c"));
    let results = created(&fake, &records(601), EACH).unwrap();
    let expected = format!("{}{}{}", "c".repeat(200), "v".repeat(200), "c".repeat(201));
    assert_eq!(letters(&results), expected);
    assert_eq!(fake.lines().len(), 4);
    assert_eq!(fake.0.most_under_way.get(), 2);
    assert_eq!(*fake.0.reserved.borrow(), [4]);
}

#[test]
fn a_large_write_does_not_begin_if_the_budget_does_not_hold_all_of_it() {
    let fake = Fake::new();
    fake.0.no_quota.replace(Some(QuotaError::Exhausted(60_000)));
    assert_eq!(
        created(&fake, &records(201), EACH),
        Err(Error::OverQuota(60_000))
    );
    assert!(fake.lines().is_empty());
}

#[test]
fn all_or_none_is_refused_for_more_records_than_salesforce_can_undo() {
    let fake = Fake::new();
    let Err(Error::Refused(problem)) = created(&fake, &records(201), ALL) else {
        panic!("not refused");
    };
    assert!(problem.message.contains("200"), "{}", problem.message);
    assert!(fake.lines().is_empty());
}

#[test]
fn all_or_none_sends_nothing_if_a_record_is_wrong_before_it_is_sent() {
    let fake = Fake::new();
    let json = format!(r#"[{{"Id":"{ID}"}},{{"Name":"no id"}},{{"Id":"001/../.."}}]"#);
    let results = run(update(fake.api(), "Contact", json.as_bytes(), ALL)).unwrap();
    assert_eq!(letters(&results), "rvv");
    assert_eq!(advice(&results[0]), Some(Advice::RolledBack));
    assert!(fake.lines().is_empty());
}

#[test]
fn wrong_records_are_told_and_the_others_written() {
    let fake = Fake::new().answer(204, "");
    let json = format!(r#"[{{"Id":"{ID}","A":1}},{{"Name":"no id"}},7]"#);
    let results = run(update(fake.api(), "Contact", json.as_bytes(), EACH)).unwrap();
    assert_eq!(letters(&results), "uvv");
    assert_eq!(
        fake.lines(),
        [format!("PATCH /services/data/v62.0/sobjects/Contact/{ID}")]
    );
    assert_eq!(fake.body(0), r#"{"A":1}"#);
}

#[test]
fn only_the_locked_rows_are_sent_again_and_later_each_time() {
    let fake = Fake::new()
        .answer(200, collection("clv"))
        .answer(400, r#"[{"errorCode":"UNABLE_TO_LOCK_ROW","message":"m"}]"#)
        .answer(
            201,
            format!(r#"{{"id":"{OTHER}","success":true,"errors":[]}}"#),
        );
    let results = created(&fake, &records(3), EACH).unwrap();
    assert_eq!(letters(&results), "ccv");
    assert_eq!(results[1].id.as_deref(), Some(OTHER));
    assert_eq!(fake.body(1), r#"{"LastName":"n1"}"#);
    let waits = fake.0.waits.borrow();
    assert!(
        waits[0] >= 500 && waits[1] >= 1_000 && waits.len() == 2,
        "{waits:?}"
    );
}

#[test]
fn rows_that_stay_locked_are_given_up_with_the_advice_to_retry() {
    let lock = r#"[{"errorCode":"UNABLE_TO_LOCK_ROW","message":"m"}]"#;
    let mut fake = Fake::new();
    for _ in 0..4 {
        fake = fake.answer(400, lock);
    }
    let results = created(&fake, &records(1), EACH).unwrap();
    assert_eq!(advice(&results[0]), Some(Advice::Retry));
    assert!(fake.is_done());
}

#[test]
fn a_lock_in_all_or_none_sends_all_of_them_again() {
    let fake = Fake::new()
        .answer(200, collection("rl"))
        .answer(200, collection("cc"));
    assert_eq!(letters(&created(&fake, &records(2), ALL).unwrap()), "cc");
    assert!(fake.body(1).starts_with(r#"{"allOrNone":true"#));
    assert_eq!(fake.lines().len(), 2);
}

#[test]
fn what_was_written_is_not_forgotten_when_the_second_try_fails() {
    let fake = Fake::new()
        .answer(200, collection("cl"))
        .lose(broken(false));
    assert_eq!(letters(&created(&fake, &records(2), EACH).unwrap()), "cl");
    let fake = Fake::new().answer(200, collection("cl")).lose(broken(true));
    assert_eq!(letters(&created(&fake, &records(2), EACH).unwrap()), "c?");
}

#[test]
fn a_create_whose_answer_was_lost_is_never_sent_again() {
    for count in [1, 2] {
        for lost in [broken(true), Lost::Body(HttpError::TooLarge(1))] {
            let fake = Fake::new().lose(lost);
            assert_eq!(
                created(&fake, &records(count), EACH),
                Err(Error::UnknownOutcome)
            );
            assert_eq!(fake.lines().len(), 1);
        }
        let fake = Fake::new().lose(broken(false));
        assert_eq!(
            created(&fake, &records(count), EACH),
            Err(Error::Unavailable(700))
        );
    }
}

#[test]
fn an_answer_that_cannot_be_read_leaves_the_write_in_doubt() {
    for body in ["<html>", "[]", "{}", &collection("c")] {
        let fake = Fake::new().answer(200, body);
        assert_eq!(
            created(&fake, &records(2), EACH),
            Err(Error::UnknownOutcome),
            "{body}"
        );
    }
}

#[test]
fn a_batch_that_breaks_stops_those_not_yet_sent_and_keeps_those_done() {
    let fake = Fake::new()
        .answer(200, collection(&"c".repeat(200)))
        .lose(broken(true));
    let api = fake.api_with(r#"{"write_overlap":1}"#);
    let results = run(create(api, "Contact", records(600).as_bytes(), EACH)).unwrap();
    let expected = format!("{}{}{}", "c".repeat(200), "?".repeat(200), "s".repeat(200));
    assert_eq!(letters(&results), expected);
    assert_eq!(advice(&results[200]), Some(Advice::CheckOutcome));
    assert_eq!(advice(&results[400]), Some(Advice::Retry));
    assert_eq!(fake.lines().len(), 2);
}

#[test]
fn a_field_that_permissions_hide_is_named_by_one_description_for_all_rows() {
    let refused = r#"{"success":false,"errors":[{"statusCode":"INVALID_FIELD_FOR_INSERT_UPDATE","message":"Unable to create/update fields: Secret__c. Please check the security settings","fields":["Secret__c"]}]}"#;
    let fake = Fake::new()
        .answer(200, format!("[{refused},{refused}]"))
        .answer(
            200,
            r#"{"name":"Contact","keyPrefix":"003","fields":[{"name":"LastName"}]}"#,
        );
    let json = r#"[{"LastName":"A","Secret__c":1},{"LastName":"B","Secret__c":2}]"#;
    let results = created(&fake, json, EACH).unwrap();
    for result in &results {
        let Outcome::Failed(problems) = &result.outcome else {
            panic!("not failed")
        };
        assert_eq!(problems[0].fields, ["Secret__c"]);
        assert!(
            problems[0].message.contains("field-level security"),
            "{}",
            problems[0].message
        );
    }
    assert!(fake.is_done());
}

#[test]
fn a_platform_event_that_was_enqueued_is_created_and_nothing_is_wrong_with_it() {
    let body = r#"{"id":"e01xx0000000001AAA","success":true,"errors":[{"statusCode":
        "OPERATION_ENQUEUED","message":"232fd30e-0a71-42bd-a97b-be0e329b2ded","fields":[]}]}"#;
    let fake = Fake::new().answer(201, body);
    let event = br#"[{"Printer_Model__c":"XZO-5"}]"#;
    let results = run(create(fake.api(), "Low_Ink__e", event, EACH)).unwrap();
    assert_eq!(results[0].outcome, Outcome::Created);
    assert_eq!(results[0].id.as_deref(), Some("e01xx0000000001AAA"));
    assert!(fake.0.logged.borrow().is_empty());
}

#[test]
fn a_success_with_remarks_is_a_success() {
    let fake = Fake::new().answer(
        200,
        format!(r#"[{{"id":"{ID}","success":true,"errors":[{{"statusCode":"X","message":"m"}}]}},{{"id":"{ID}","success":true,"errors":[]}}]"#),
    );
    assert_eq!(letters(&created(&fake, &records(2), EACH).unwrap()), "cc");
    assert_eq!(fake.0.logged.borrow().len(), 1);
}

#[test]
fn a_budget_that_ends_in_between_is_told_to_each_record_that_was_not_written() {
    let spent =
        r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]"#;
    let fake = Fake::new()
        .answer(200, collection(&"c".repeat(200)))
        .answer(403, spent);
    let api = fake.api_with(r#"{"write_overlap":1}"#);
    let results = run(create(api, "Contact", records(401).as_bytes(), EACH)).unwrap();
    assert_eq!(letters(&results[..200]), "c".repeat(200));
    assert!(
        results[200..]
            .iter()
            .all(|r| advice(r) == Some(Advice::WaitForQuota))
    );
    assert_eq!(fake.lines().len(), 2);
}

#[test]
fn a_refusal_of_a_later_part_is_told_to_its_records_and_takes_no_results_away() {
    let gone =
        r#"[{"errorCode":"INVALID_TYPE","message":"sObject type 'Contact' is not supported."}]"#;
    let fake = (0..40).fold(Fake::new(), |fake, _| {
        fake.answer(200, collection(&"c".repeat(200)))
    });
    let fake = fake.answer(400, gone);
    let options = WriteOptions {
        way: Some("collections".to_owned()),
        ..EACH
    };
    let api = fake.api_with(r#"{"write_overlap":1}"#);
    let results = run(create(api, "Contact", records(8_002).as_bytes(), options)).unwrap();
    assert_eq!(letters(&results[..8_000]), "c".repeat(8_000));
    for result in &results[8_000..] {
        assert_eq!(advice(result), Some(Advice::FixSchema));
    }
}

#[test]
fn records_that_cannot_go_now_are_kept_with_their_numbers_and_go_before_others() {
    let fake = Fake::new()
        .answer(200, collection("cc"))
        .lose(broken(false))
        .answer(200, collection("ccc"))
        .answer(
            201,
            format!(r#"{{"id":"{ID}","success":true,"errors":[]}}"#),
        );
    let options = WriteOptions {
        way: Some("collections".to_owned()),
        ..EACH
    };
    let writer = open(Rc::new(fake.api()), "Contact", Operation::Create, options).unwrap();
    let push = |count| run(writer.push(records(count).as_bytes()));
    let numbers = |results: Vec<RowResult>| -> Vec<u64> {
        results.into_iter().map(|result| result.row).collect()
    };
    assert_eq!(push(2).map(numbers), Ok(vec![0, 1]));
    assert!(matches!(push(3), Err(Error::Unavailable(_))));
    assert_eq!(push(1).map(numbers), Ok(vec![2, 3, 4]));
    assert_eq!(run(writer.finish()).unwrap().map(numbers), Some(vec![5]));
    assert_eq!(run(writer.finish()), Ok(None));
    assert_eq!(fake.body(1), fake.body(2));
}
