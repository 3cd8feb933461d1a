//! Dry runs of upserts: which of the records are new is looked up where that decides,
//! and nothing else is.

use serde_json::{Value, json};

use super::dry::{DRY, account, codes, contact, tried};
use super::*;

/// The answer to a look-up: the records that are there.
fn there(field: &str, keys: &[Value]) -> String {
    page(field, keys, true)
}

fn page(field: &str, keys: &[Value], done: bool) -> String {
    let records = keys
        .iter()
        .map(|key| json!({ "attributes": {}, field: key }));
    let records: Vec<Value> = records.collect();
    json!({ "totalSize": records.len(), "done": done, "records": records }).to_string()
}

fn by(field: &str) -> Operation {
    Operation::Upsert(field.to_owned())
}

/// What was looked up: the conditions.
fn looked_up(fake: &Fake) -> Vec<String> {
    let start = "GET /services/data/v62.0/query?q=SELECT ";
    let lines = fake.lines();
    let queries = lines.iter().filter_map(|line| line.strip_prefix(start));
    queries
        .map(|soql| soql.split_once(" WHERE ").unwrap().1.to_owned())
        .collect()
}

#[test]
fn a_new_record_of_an_upsert_that_lacks_a_field_fails_and_one_that_is_there_is_sound() {
    let keys = [json!("There"), json!("emptied"), json!("O'Neil")];
    let fake = Fake::new()
        .answer(200, contact())
        .answer(200, there("Key__c", &keys));
    let rows = json!([
        { "Key__c": "there", "Email": "a@example.com" },
        { "Key__c": "new", "Email": "a@example.com" },
        { "Key__c": "new and whole", "LastName": "A" },
        { "Key__c": "emptied", "LastName": null },
        { "Key__c": " o'neil " },
        { "Key__c": "of more than twenty characters" },
        { "Key__c": "x", "LastName": " " },
    ]);
    let (results, way, calls) = tried(&fake, "Contact", by("key__c"), &rows, DRY);
    let missing = "REQUIRED_FIELD_MISSING";
    assert_eq!(
        codes(&results),
        ["", missing, "", missing, "", "STRING_TOO_LONG", missing]
    );
    assert_eq!(
        fake.lines()[1],
        "GET /services/data/v62.0/query?q=SELECT Key__c FROM Contact WHERE Key__c IN \
         ('there','new','emptied','o\\'neil','x')"
    );
    let Outcome::Failed(problems) = &results[1].outcome else {
        panic!("sound")
    };
    // The key is not among them.
    assert_eq!(problems[0].fields, ["LastName"]);
    assert_eq!(problems[0].object.as_deref(), Some("Contact"));
    // The look-ups are not calls of the write.
    assert_eq!((way.as_str(), calls), ("collections", 1));
    assert!(fake.is_done());
}

#[test]
fn numbers_are_looked_up_as_numbers_in_whatever_form_they_come_back() {
    let found = r#"{"done":true,"records":[{"Number__c":1.2345678E7},{"Number__c":7.0}]}"#;
    let fake = Fake::new().answer(200, contact()).answer(200, found);
    let rows = json!([
        { "Number__c": 12_345_678 },
        { "Number__c": "7" },
        { "Number__c": 7.5 },
        { "Number__c": "7) OR (Id != ''" },
    ]);
    let (results, ..) = tried(&fake, "Contact", by("Number__c"), &rows, DRY);
    assert_eq!(codes(&results), ["", "", "REQUIRED_FIELD_MISSING", ""]);
    assert_eq!(looked_up(&fake), ["Number__c IN (12345678.0,7.0,7.5)"]);
}

#[test]
fn nothing_is_looked_up_where_nothing_is_in_doubt() {
    let fake = Fake::new().answer(200, contact());
    let rows = json!([{ "Key__c": "a", "LastName": "A" }, { "Key__c": "b", "LastName": "B" }]);
    let (results, ..) = tried(&fake, "Contact", by("Key__c"), &rows, DRY);
    assert_eq!(codes(&results), ["", ""]);
    assert_eq!(fake.lines().len(), 1);

    // A new record has its key.
    let mut described: Value = serde_json::from_str(&contact()).unwrap();
    described["fields"][1]["nillable"] = json!(false);
    let fake = Fake::new().answer(200, described.to_string());
    let (results, ..) = tried(&fake, "Contact", by("Key__c"), &rows, DRY);
    assert_eq!(codes(&results), ["", ""]);

    // By `Id` it is clear which records are new.
    let fake = Fake::new().answer(200, contact());
    let rows = json!([{ "Email": "a@example.com" }, { "Id": null }, { "Id": ID }]);
    let (results, ..) = tried(&fake, "Contact", by("Id"), &rows, DRY);
    let missing = "REQUIRED_FIELD_MISSING";
    assert_eq!(codes(&results), [missing, missing, ""]);
    assert_eq!(fake.lines().len(), 1);
}

#[test]
fn records_in_doubt_are_looked_up_200_at_a_time_or_as_many_as_fit_into_an_address() {
    let rows = |keys: &[String]| {
        let rows = keys.iter().map(|key| json!({ "Key__c": key }));
        json!(rows.collect::<Vec<Value>>())
    };
    let short: Vec<String> = (0..450).map(|at| format!("k{at}")).collect();
    let long: Vec<String> = (0..100).map(|at| format!("{at:ü>20}")).collect();
    for (keys, n_calls) in [(short, 3), (long, 2)] {
        let mut fake = Fake::new().answer(200, contact());
        for _ in 0..n_calls {
            fake = fake.answer(200, there("Key__c", &[]));
        }
        let (results, ..) = tried(&fake, "Contact", by("Key__c"), &rows(&keys), DRY);
        assert_eq!(codes(&results), vec!["REQUIRED_FIELD_MISSING"; keys.len()]);
        let asked = looked_up(&fake);
        assert_eq!(asked.len(), n_calls);
        let all: Vec<String> = keys.iter().map(|key| format!("'{key}'")).collect();
        let asked = asked.iter().map(|asked| {
            let asked = asked.strip_prefix("Key__c IN (").unwrap();
            asked.strip_suffix(")").unwrap()
        });
        assert_eq!(asked.collect::<Vec<_>>().join(","), all.join(","));
    }
}

#[test]
fn a_look_up_that_fails_loses_no_record_and_tells_nothing_twice() {
    let fake = Fake::new()
        .answer(200, contact())
        .answer(200, there("Key__c", &[json!("k0")]))
        .lose(broken(false))
        .answer(200, there("Key__c", &[json!("k201")]));
    let mut rows: Vec<Value> = (0..202)
        .map(|at| json!({ "Key__c": format!("k{at}") }))
        .collect();
    rows.push(json!({ "Key__c": "whole", "LastName": "A" }));
    let writer = open(Rc::new(fake.api()), "Contact", by("Key__c"), DRY).unwrap();
    let pushed = run(writer.push(json!(rows).to_string().as_bytes()));
    assert_eq!(pushed, Err(Error::Unavailable(700)));
    let results = run(writer.finish()).unwrap().unwrap();
    let results: Vec<RecordResult> = results.into_iter().map(|row| row.outcome).collect();
    let mut expected = vec!["REQUIRED_FIELD_MISSING"; 203];
    for sound in [0, 201, 202] {
        expected[sound] = "";
    }
    assert_eq!(codes(&results), expected);
    // What was looked up before is known.
    let rest = "Key__c IN ('k200','k201')";
    assert_eq!(looked_up(&fake)[1..], [rest, rest]);
    assert!(fake.is_done());
}

#[test]
fn keys_whose_look_up_is_refused_do_not_stand_in_the_way_of_later_ones() {
    let refusal = r#"[{"errorCode":"INVALID_FIELD","message":"No such column 'Key__c'"}]"#;
    let fake = Fake::new()
        .answer(200, contact())
        .answer(400, refusal)
        .answer(200, there("Key__c", &[]));
    let writer = open(Rc::new(fake.api()), "Contact", by("Key__c"), DRY).unwrap();
    let Err(Error::Refused(problem)) = run(writer.push(br#"[{"Key__c":"a"}]"#)) else {
        panic!("not refused")
    };
    assert_eq!(problem.code, "INVALID_FIELD");
    run(writer.push(br#"[{"Key__c":"b"}]"#)).unwrap();
    assert_eq!(looked_up(&fake)[1], "Key__c IN ('b')");
}

#[test]
fn what_was_told_of_some_records_is_not_lost_when_the_look_up_of_others_fails() {
    let refusal = r#"[{"errorCode":"QUERY_TIMEOUT","message":"too long"}]"#;
    let mut fake = Fake::new().answer(200, contact());
    for _ in 0..10 {
        fake = fake.answer(200, there("Key__c", &[]));
    }
    fake = fake
        .lose(broken(false))
        .lose(broken(false))
        .answer(400, refusal);
    let rows: Vec<Value> = (0..2_001)
        .map(|at| json!({ "Key__c": format!("k{at}") }))
        .collect();
    let writer = open(Rc::new(fake.api()), "Contact", by("Key__c"), DRY).unwrap();
    let pushed = run(writer.push(json!(rows).to_string().as_bytes())).unwrap();
    assert_eq!(pushed.len(), 2_000);
    assert_eq!(run(writer.finish()), Err(Error::Unavailable(700)));
    let last = run(writer.finish()).unwrap().unwrap();
    assert_eq!((last.len(), last[0].row), (1, 2_000));
    assert_eq!(codes(&[last[0].outcome.clone()]), ["QUERY_TIMEOUT"]);
    assert!(fake.is_done());
}

#[test]
fn keys_that_more_records_have_than_a_page_holds_are_not_asked_for_again() {
    let fake = Fake::new()
        .answer(200, contact())
        .answer(200, page("Key__c", &[json!("a"), json!("a")], false))
        .answer(200, there("Key__c", &[json!("b")]));
    let rows = json!([{ "Key__c": "a" }, { "Key__c": "b" }, { "Key__c": "c" }]);
    let (results, ..) = tried(&fake, "Contact", by("Key__c"), &rows, DRY);
    assert_eq!(codes(&results), ["", "", "REQUIRED_FIELD_MISSING"]);
    assert_eq!(
        looked_up(&fake),
        ["Key__c IN ('a','b','c')", "Key__c IN ('b','c')"]
    );
}

#[test]
fn more_look_ups_than_one_call_may_make_are_made_by_the_next() {
    let mut fake = Fake::new().answer(200, contact());
    for _ in 0..51 {
        fake = fake.answer(200, there("Key__c", &[]));
    }
    let rows: Vec<Value> = (0..10_001)
        .map(|at| json!({ "Key__c": format!("k{at}") }))
        .collect();
    let writer = open(Rc::new(fake.api()), "Contact", by("Key__c"), DRY).unwrap();
    let pushed = run(writer.push(json!(rows).to_string().as_bytes())).unwrap();
    assert_eq!((pushed.len(), looked_up(&fake).len()), (10_000, 50));
    let last = run(writer.finish()).unwrap().unwrap();
    assert_eq!((last.len(), last[0].row), (1, 10_000));
    assert_eq!(
        codes(&[last[0].outcome.clone()]),
        ["REQUIRED_FIELD_MISSING"]
    );
    assert_eq!(run(writer.finish()), Ok(None));
}

#[test]
fn records_of_trees_are_looked_up_by_their_object_and_key() {
    let fake = Fake::new()
        .answer(200, account())
        .answer(200, contact())
        .answer(200, there("Key__c", &[json!("a"), json!("b")]))
        .answer(200, there("Key__c", &[json!("2")]));
    let account = |key: &str, contact: Value| {
        let mut contact = contact;
        contact["attributes"] = json!({ "key_field": "Key__c" });
        json!({ "Key__c": key, "Contacts": { "records": [contact] } })
    };
    let rows = json!([
        account("a", json!({ "Key__c": "1" })),
        account("b", json!({ "Key__c": "2" })),
        account("c", json!({ "Key__c": "3", "LastName": "C" })),
    ]);
    let (results, ..) = tried(&fake, "Account", by("Key__c"), &rows, DRY);
    let missing = "REQUIRED_FIELD_MISSING";
    assert_eq!(codes(&results), ["PROCESSING_HALTED", "", missing]);
    let of_child = |at: usize| match &results[at].related[0].outcome {
        Outcome::Failed(problems) => problems[0].code.clone(),
        Outcome::Checked => String::new(),
        outcome => panic!("{outcome:?}"),
    };
    assert_eq!(
        [of_child(0), of_child(1), of_child(2)],
        [missing, "", "PROCESSING_HALTED"]
    );
    assert_eq!(
        looked_up(&fake),
        ["Key__c IN ('a','b','c')", "Key__c IN ('1','2')"]
    );
}
