//! Writes against a scripted service.

use serde_json::{Value, json};

use super::*;
use crate::describe::MEMBER;
use crate::fake::{Fake, Reply, broken, run};

const PLAIN: WriteOptions = WriteOptions {
    all_or_none: false,
    way: None,
    name: None,
    dry_run: false,
};

fn writer(fake: &Fake, operation: Operation, options: &WriteOptions) -> Writer<Fake> {
    open(Rc::new(Api::new(fake.clone())), MEMBER, operation, options).unwrap()
}

fn push(writer: &Writer<Fake>, records: &Value) -> Result<Vec<RowResult>, Error> {
    run(writer.push(records.to_string().as_bytes()))
}

/// All results of what is left.
fn rest(writer: &Writer<Fake>) -> Vec<RowResult> {
    let mut all = Vec::new();
    while let Some(results) = run(writer.finish()).unwrap() {
        all.extend(results);
    }
    all
}

/// Rows and what became of them, in a word.
fn in_words(results: &[RowResult]) -> Vec<(u64, String)> {
    let word = |result: &RowResult| match &result.outcome.outcome {
        Outcome::Failed(problems) => problems[0].code.clone(),
        outcome => format!("{outcome:?}").replace("Outcome::", ""),
    };
    results
        .iter()
        .map(|result| (result.row, word(result)))
        .collect()
}

fn people(count: usize) -> Value {
    (0..count)
        .map(|n| json!({"email": format!("{n}@example.com")}))
        .collect()
}

/// An answer by which so many were created, from this number on.
fn created(from: usize, count: usize) -> Reply {
    let results: Vec<Value> = (from..from + count)
        .map(|n| json!({"outcome": "created", "id": format!("m{n}")}))
        .collect();
    Reply::ok(&json!({ "results": results }).to_string())
}

fn code(outcome: Result<Writer<Fake>, Error>) -> String {
    match outcome.map(|_| ()).unwrap_err() {
        Error::Refused(problem) => problem.code,
        error => panic!("{error:?}"),
    }
}

#[test]
fn full_batches_go_out_as_records_come_and_the_rest_at_the_end() {
    let fake = Fake::new([created(0, 100), created(100, 100), created(200, 50)]);
    let writer = writer(&fake, Operation::Create, &PLAIN);
    let known = push(&writer, &people(250)).unwrap();
    assert_eq!(known.len(), 200);
    assert_eq!(known[199].outcome.id.as_deref(), Some("m199"));
    let rest = rest(&writer);
    assert_eq!(rest.len(), 50);
    assert_eq!(rest[49].row, 249);
    assert_eq!(fake.asked(0), "POST /v1/members/batch");
    assert_eq!(fake.body(0)["action"], "create");
    assert_eq!(fake.body(2)["members"].as_array().unwrap().len(), 50);
}

#[test]
fn a_record_that_is_wrong_by_itself_is_not_sent_and_the_others_are() {
    let answer = json!({"results": [
        {"outcome": "updated", "id": "m1"},
        {"outcome": "failed", "error": {"code": "email_taken", "message": "taken", "field": "email", "id": "m9"}},
    ]});
    let fake = Fake::new([Reply::ok(&answer.to_string())]);
    let writer = writer(&fake, Operation::Upsert("email".to_owned()), &PLAIN);
    let records = json!([
        {"email": "a@example.com", "tags": "vip;new"},
        {"email": "no address"},
        "no record",
        {"email": "b@example.com"},
    ]);
    assert!(push(&writer, &records).unwrap().is_empty());
    let results = rest(&writer);
    let expected = [
        (0, "Updated"),
        (1, "invalid_email"),
        (2, "malformed"),
        (3, "email_taken"),
    ];
    assert_eq!(
        in_words(&results),
        expected.map(|(row, word)| (row, word.to_owned()))
    );
    let body = fake.body(0);
    assert_eq!(
        (&body["action"], &body["key"]),
        (&json!("upsert"), &json!("email"))
    );
    assert_eq!(body["members"][0]["tags"], json!(["vip", "new"]));
    let Outcome::Failed(problems) = &results[3].outcome.outcome else {
        panic!("{results:?}")
    };
    assert_eq!(problems[0].advice, Advice::ResolveDuplicate);
    assert!(problems[0].message.contains("m9"));
}

#[test]
fn after_a_passing_fault_the_same_batch_goes_out_again_and_nothing_is_lost() {
    let fake = Fake::new([
        created(0, 100),
        Reply::Lost(broken(false)),
        Reply::Lost(broken(false)),
        created(100, 20),
    ]);
    let writer = writer(&fake, Operation::Create, &PLAIN);
    assert_eq!(push(&writer, &people(100)).unwrap().len(), 100);
    push(&writer, &people(20)).unwrap();
    assert_eq!(run(writer.finish()), Err(Error::Unavailable(700)));
    assert_eq!(run(writer.finish()), Err(Error::Unavailable(700)));
    let rest = rest(&writer);
    assert_eq!((rest.len(), rest[0].row), (20, 100));
    assert_eq!(fake.body(3), fake.body(1));
}

#[test]
fn what_is_known_is_told_before_the_fault_that_came_after_it() {
    let fake = Fake::new([
        created(0, 100),
        Reply::Lost(broken(false)),
        Reply::Lost(broken(false)),
    ]);
    let writer = writer(&fake, Operation::Create, &PLAIN);
    assert_eq!(push(&writer, &people(200)).unwrap().len(), 100);
    assert_eq!(push(&writer, &json!([])), Err(Error::Unavailable(700)));
}

#[test]
fn records_whose_answer_was_lost_are_in_doubt_and_the_others_go_on() {
    let fake = Fake::new([Reply::Lost(broken(true)), created(100, 100)]);
    let writer = writer(&fake, Operation::Create, &PLAIN);
    let results = push(&writer, &people(200)).unwrap();
    let doubt = in_words(&results)
        .into_iter()
        .filter(|(_, word)| word == "outcome_unknown");
    assert_eq!(doubt.count(), 100);
    assert!(rest(&writer).is_empty());
    let few = Fake::new([created(0, 1)]);
    let writer = self::writer(&few, Operation::Create, &PLAIN);
    push(&writer, &people(2)).unwrap();
    let words = in_words(&rest(&writer));
    assert!(
        words.iter().all(|(_, word)| word == "outcome_unknown"),
        "{words:?}"
    );
}

#[test]
fn all_or_none_is_one_batch_and_a_record_that_is_wrong_undoes_it_unsent() {
    let options = WriteOptions {
        all_or_none: true,
        ..PLAIN
    };
    let fake = Fake::new([created(0, 100)]);
    let writer = self::writer(&fake, Operation::Create, &options);
    assert!(push(&writer, &people(100)).unwrap().is_empty());
    assert_eq!(rest(&writer).len(), 100);
    assert_eq!(fake.body(0)["atomic"], true);

    let unsent = Fake::new([]);
    let writer = self::writer(&unsent, Operation::Create, &options);
    push(
        &writer,
        &json!([{"email": "a@example.com"}, {"email": "wrong"}]),
    )
    .unwrap();
    let expected = [
        (0, "rolled_back".to_owned()),
        (1, "invalid_email".to_owned()),
    ];
    assert_eq!(in_words(&rest(&writer)), expected);
    let writer = self::writer(&unsent, Operation::Create, &options);
    let refused = push(&writer, &people(101)).unwrap_err();
    assert!(matches!(refused, Error::Refused(problem) if problem.code == "too_many"));
}

#[test]
fn deletions_are_ids() {
    let answer = json!({"results": [
        {"outcome": "deleted", "id": "m1"},
        {"outcome": "failed", "error": {"code": "not_found", "message": "gone"}},
    ]});
    let fake = Fake::new([Reply::ok(&answer.to_string())]);
    let writer = writer(&fake, Operation::Delete, &PLAIN);
    push(&writer, &json!(["m1", "m2", 7])).unwrap();
    let expected = [(0, "Deleted"), (1, "not_found"), (2, "malformed")];
    assert_eq!(
        in_words(&rest(&writer)),
        expected.map(|(row, word)| (row, word.to_owned()))
    );
    assert_eq!(fake.body(0)["members"], json!([{"id": "m1"}, {"id": "m2"}]));
}

#[test]
fn a_dry_run_asks_for_nothing() {
    let options = WriteOptions {
        dry_run: true,
        ..PLAIN
    };
    let fake = Fake::new([]);
    let writer = writer(&fake, Operation::Create, &options);
    push(
        &writer,
        &json!([{"email": "a@example.com"}, {"first_name": "B"}]),
    )
    .unwrap();
    let expected = [(0, "Checked".to_owned()), (1, "required".to_owned())];
    assert_eq!(in_words(&rest(&writer)), expected);
    assert_eq!(writer.calls(), Some(1));
}

#[test]
fn what_the_service_cannot_do_is_refused_at_once() {
    let open = |object: &str, operation: Operation, options: &WriteOptions| {
        open(Rc::new(Api::new(Fake::new([]))), object, operation, options)
    };
    assert_eq!(
        code(open("Lead", Operation::Create, &PLAIN)),
        "unknown_object"
    );
    let upsert = Operation::Upsert("status".to_owned());
    assert_eq!(code(open(MEMBER, upsert, &PLAIN)), "no_key");
    let named = WriteOptions {
        name: Some("load-1".to_owned()),
        ..PLAIN
    };
    assert_eq!(code(open(MEMBER, Operation::Create, &named)), "no_names");
    let bulk = WriteOptions {
        way: Some("bulk".to_owned()),
        ..PLAIN
    };
    assert_eq!(code(open(MEMBER, Operation::Create, &bulk)), "unknown_way");
}
