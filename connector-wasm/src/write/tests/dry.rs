//! Dry runs: nothing is written, each record is held against its description, and the
//! way and its calls are told. And how the budget changes the way.

use serde_json::{Value, json};

use super::*;

fn field(name: &str, kind: &str, more: &Value) -> Value {
    let mut field = json!({
        "name": name, "type": kind, "createable": true, "updateable": true, "nillable": true,
    });
    for (key, value) in more.as_object().unwrap() {
        field[key] = value.clone();
    }
    field
}

pub(super) fn contact() -> String {
    let required = json!({ "nillable": false, "length": 10 });
    let key = json!({ "externalId": true, "unique": true, "length": 20 });
    json!({
        "name": "Contact", "keyPrefix": "003",
        "createable": true, "updateable": true, "deletable": true, "queryable": true,
        "fields": [
            field("LastName", "string", &required),
            field("Key__c", "string", &key),
            field("Number__c", "double", &json!({ "externalId": true })),
            field("Email", "email", &json!({})),
            field("Birthdate", "date", &json!({})),
            field("AccountId", "reference", &json!({ "referenceTo": ["Account"] })),
            field("CreatedDate", "datetime", &json!({ "createable": false, "updateable": false })),
            field("IsSpecial", "boolean", &json!({ "nillable": false, "defaultedOnCreate": true })),
        ],
    })
    .to_string()
}

pub(super) fn account() -> String {
    json!({
        "name": "Account", "keyPrefix": "001",
        "createable": true, "updateable": true, "queryable": true,
        "fields": [
            field("Name", "string", &json!({ "nillable": false })),
            field("Key__c", "string", &json!({ "externalId": true })),
        ],
        "childRelationships": [
            { "childSObject": "Contact", "field": "AccountId", "relationshipName": "Contacts" }],
    })
    .to_string()
}

pub(super) const DRY: WriteOptions = WriteOptions {
    dry_run: true,
    ..EACH
};

/// The results of a dry run, its way and its calls.
pub(super) fn tried(
    fake: &Fake,
    object: &str,
    operation: Operation,
    records: &Value,
    options: WriteOptions,
) -> (Vec<RecordResult>, String, u64) {
    let writer = open(Rc::new(fake.api()), object, operation, options).unwrap();
    let mut results = run(writer.push(records.to_string().as_bytes())).unwrap();
    while let Some(more) = run(writer.finish()).unwrap() {
        results.extend(more);
    }
    let way = writer.way().unwrap();
    let results = results.into_iter().map(|result| result.outcome).collect();
    (results, way.name, writer.calls().unwrap())
}

/// The code of each record, nothing for one that is fine.
pub(super) fn codes(results: &[RecordResult]) -> Vec<&str> {
    results
        .iter()
        .map(|result| match &result.outcome {
            Outcome::Failed(problems) => problems[0].code.as_str(),
            Outcome::Checked => "",
            outcome => panic!("{outcome:?}"),
        })
        .collect()
}

#[test]
fn each_record_that_would_fail_says_why_and_one_description_is_all_that_is_asked() {
    let fake = Fake::new().answer(200, contact());
    let rows = json!([
        { "LastName": "A", "Email": "a@example.com", "Account": { "Key__c": "1" } },
        { "Email": "a@example.com" },
        { "LastName": "" },
        { "LastName": "A", "Secret__c": 1 },
        { "LastName": "A", "CreatedDate": "2030-01-31T00:00:00Z" },
        { "LastName": "A", "Birthdate": "31.01.2030" },
        { "LastName": "eleven chars" },
        { "LastName": "A", "AccountId": ID },
        { "LastName": "A", "AccountId": "nonsense" },
        { "LastName": "A", "Key__c": "k" },
        { "LastName": "A", "Key__c": "k" },
        { "LastName": "A", "IsSpecial": null },
        { "LastName": "A", "Boss": { "Key__c": "1" } },
        7,
    ]);
    let (results, way, calls) = tried(&fake, "Contact", Operation::Create, &rows, DRY);
    assert_eq!(
        codes(&results),
        [
            "",
            "REQUIRED_FIELD_MISSING",
            "REQUIRED_FIELD_MISSING",
            "INVALID_FIELD",
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "JSON_PARSER_ERROR",
            "STRING_TOO_LONG",
            "MALFORMED_ID",
            "MALFORMED_ID",
            "",
            "DUPLICATE_VALUE",
            "REQUIRED_FIELD_MISSING",
            "INVALID_FIELD",
            "JSON_PARSER_ERROR",
        ]
    );
    assert_eq!(
        fake.lines(),
        ["GET /services/data/v62.0/sobjects/Contact/describe"]
    );
    assert_eq!((way.as_str(), calls), ("collections", 1));
    let Outcome::Failed(problems) = &results[3].outcome else {
        panic!("sound")
    };
    assert_eq!(problems[0].fields, ["Secret__c"]);
    assert_eq!(problems[0].object.as_deref(), Some("Contact"));
    assert!(problems[0].message.contains("security"), "{problems:?}");
}

#[test]
fn keys_are_checked_by_what_the_operation_finds_records_by() {
    let fake = Fake::new().answer(200, contact());
    let rows = json!([
        { "Key__c": "a", "LastName": "x" },
        { "Key__c": "a", "LastName": "x" },
        { "LastName": "x" },
        { "Key__c": 1, "LastName": "x" },
    ]);
    let by_key = Operation::Upsert("Key__c".to_owned());
    let (results, ..) = tried(&fake, "Contact", by_key, &rows, DRY);
    assert_eq!(
        codes(&results),
        ["", "DUPLICATE_VALUE", "MISSING_ARGUMENT", ""]
    );

    let fake = Fake::new().answer(200, contact());
    let by_name = Operation::Upsert("LastName".to_owned());
    let (results, ..) = tried(
        &fake,
        "Contact",
        by_name,
        &json!([{ "LastName": "x" }]),
        DRY,
    );
    assert_eq!(codes(&results), ["INVALID_FIELD"]);

    let fake = Fake::new().answer(200, contact());
    let rows = json!([{ "Id": ID, "LastName": null }, { "Id": OTHER }, { "Id": &ID[..15] }]);
    let (results, ..) = tried(&fake, "Contact", Operation::Update, &rows, DRY);
    assert_eq!(
        codes(&results),
        ["REQUIRED_FIELD_MISSING", "", "DUPLICATE_VALUE"]
    );

    let fake = Fake::new().answer(200, contact());
    let ids = json!([ID, "0015J000004TNtzQAG", "x"]);
    let (results, ..) = tried(&fake, "Contact", Operation::Delete, &ids, DRY);
    assert_eq!(codes(&results), ["", "MALFORMED_ID", "MALFORMED_ID"]);
}

#[test]
fn an_object_that_the_user_may_not_write_says_so_for_each_record() {
    let fake = Fake::new().answer(200, r#"{"name":"Contact","fields":[]}"#);
    let (results, ..) = tried(&fake, "Contact", Operation::Create, &json!([{}, {}]), DRY);
    assert_eq!(codes(&results), ["INSUFFICIENT_ACCESS_OR_READONLY"; 2]);
    assert_eq!(advice(&results[0]), Some(Advice::AskPermission));
}

#[test]
fn the_way_is_the_one_that_the_write_would_take() {
    let rows = |n: usize| json!(vec![json!({ "LastName": "A" }); n]);
    for (n, expected) in [(450, ("collections", 3)), (2_000, ("bulk", 7))] {
        let fake = Fake::new().answer(200, contact());
        let (results, way, calls) = tried(&fake, "Contact", Operation::Create, &rows(n), DRY);
        assert_eq!(results.len(), n);
        assert_eq!((way.as_str(), calls), expected);
    }
    let forced = WriteOptions {
        way: Some("collections".to_owned()),
        ..DRY
    };
    let fake = Fake::new().answer(200, contact());
    let (_, way, calls) = tried(&fake, "Contact", Operation::Create, &rows(2_001), forced);
    assert_eq!((way.as_str(), calls), ("collections", 11));
}

#[test]
fn a_tree_with_a_record_that_would_fail_would_not_be_written_at_all() {
    let fake = Fake::new().answer(200, account()).answer(200, contact());
    let account = |contact: Value| json!({ "Name": "A", "Contacts": { "records": [contact] } });
    let rows = json!([
        account(json!({ "LastName": "B" })),
        account(json!({ "Email": "a@example.com" })),
        account(json!({ "LastName": "C", "Id": ID })),
    ]);
    let (results, way, calls) = tried(&fake, "Account", Operation::Create, &rows, DRY);
    assert_eq!(
        codes(&results),
        ["", "PROCESSING_HALTED", "PROCESSING_HALTED"]
    );
    assert_eq!(results[0].related[0].outcome, Outcome::Checked);
    let of_child = |at: usize| match &results[at].related[0].outcome {
        Outcome::Failed(problems) => problems[0].code.clone(),
        outcome => panic!("{outcome:?}"),
    };
    assert_eq!(of_child(1), "REQUIRED_FIELD_MISSING");
    assert_eq!(of_child(2), "INVALID_FIELD");
    // The write needs the account's description to find the contacts.
    assert_eq!((way.as_str(), calls), ("graph", 1 + 1));
    assert!(fake.is_done());
}

#[test]
fn all_or_none_would_undo_what_is_sound() {
    let options = WriteOptions {
        all_or_none: true,
        ..DRY
    };
    let fake = Fake::new().answer(200, contact());
    let rows = json!([{ "LastName": "A" }, {}]);
    let (results, ..) = tried(&fake, "Contact", Operation::Create, &rows, options);
    assert_eq!(advice(&results[0]), Some(Advice::RolledBack));
    assert_eq!(advice(&results[1]), Some(Advice::FixRecord));
}

/// What a writer says that takes so many records and goes on after each refusal.
fn refusals(fake: &Fake, object: &str, rows: &Value, options: WriteOptions) -> Vec<String> {
    let writer = open(Rc::new(fake.api()), object, Operation::Create, options).unwrap();
    let pushed = run(writer.push(rows.to_string().as_bytes())).map(Some);
    [pushed, run(writer.finish())]
        .into_iter()
        .filter_map(|answer| match answer {
            Err(Error::Refused(problem)) => Some(problem.message),
            answer => {
                assert_eq!(
                    answer,
                    Ok(Some(Vec::new())),
                    "something was told or written"
                );
                None
            }
        })
        .collect()
}

#[test]
fn more_records_than_can_be_undone_together_are_refused_by_a_dry_run_and_by_the_write() {
    let rows = |n: usize| json!(vec![json!({ "LastName": "A" }); n]);
    for dry_run in [true, false] {
        for (way, n) in [("", 201), ("", 501), ("collections", 201), ("graph", 501)] {
            let options = WriteOptions {
                all_or_none: true,
                way: (!way.is_empty()).then(|| way.to_owned()),
                dry_run,
                ..EACH
            };
            let fake = Fake::new();
            let said = refusals(&fake, "Contact", &rows(n), options);
            assert!(!said.is_empty(), "{way} {n} {dry_run}");
            let all_tell = said.iter().all(|said| said.contains("200 records, or 500"));
            assert!(all_tell, "{way} {n} {said:?}");
            assert!(fake.lines().is_empty());
        }
    }
}

#[test]
fn trees_that_no_request_undoes_as_a_whole_are_refused_by_a_dry_run() {
    let contacts = json!(vec![json!({ "LastName": "A" }); 250]);
    let account = json!({ "Name": "A", "Contacts": { "records": contacts } });
    let all = |way: Option<&str>| WriteOptions {
        all_or_none: true,
        way: way.map(str::to_owned),
        ..DRY
    };
    let fake = Fake::new()
        .answer(200, self::account())
        .answer(200, contact());
    let said = refusals(&fake, "Account", &json!([account, account]), all(None));
    assert!(said[0].contains("200 records, or 500"), "{said:?}");

    let fake = Fake::new();
    let said = refusals(
        &fake,
        "Account",
        &json!([account]),
        all(Some("collections")),
    );
    assert!(said[0].contains("only a graph"), "{said:?}");
    assert!(fake.lines().is_empty());
}

#[test]
fn a_description_that_does_not_come_loses_no_record() {
    let fake = Fake::new().lose(broken(false)).answer(200, contact());
    let writer = open(Rc::new(fake.api()), "Contact", Operation::Create, DRY).unwrap();
    let pushed = run(writer.push(br#"[{"LastName":"A"}]"#));
    assert_eq!(pushed, Err(Error::Unavailable(700)));
    let results = run(writer.finish()).unwrap().unwrap();
    assert_eq!(results[0].outcome.outcome, Outcome::Checked);
}

#[test]
fn where_collections_do_not_fit_into_what_is_left_of_the_day_and_a_job_does_it_is_a_job() {
    let way = |left: Option<u64>, n: usize, options: WriteOptions| {
        let fake = Fake::new().answer(200, contact());
        fake.0.calls_left.set(left);
        let rows = json!(vec![json!({ "LastName": "A" }); n]);
        let writer = open(Rc::new(fake.api()), "Contact", Operation::Create, options).unwrap();
        run(writer.push(rows.to_string().as_bytes())).unwrap();
        while run(writer.finish()).unwrap().is_some() {}
        writer.way().unwrap()
    };
    assert_eq!(way(None, 1_800, DRY).name, "collections");
    assert_eq!(way(Some(9), 1_800, DRY).name, "collections");
    let bulk = way(Some(8), 1_800, DRY);
    assert_eq!(bulk.name, "bulk");
    assert!(
        bulk.reason.contains("9 calls") && bulk.reason.contains("8 are left"),
        "{}",
        bulk.reason
    );
    // Neither fits: the write waits for the budget as before.
    assert_eq!(way(Some(3), 1_800, DRY).name, "collections");
    let forced = WriteOptions {
        way: Some("collections".to_owned()),
        ..DRY
    };
    assert_eq!(way(Some(8), 1_800, forced).name, "collections");
}
