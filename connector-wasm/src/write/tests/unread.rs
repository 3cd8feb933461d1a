//! Records that go out without being read: which do, and that nobody can tell from
//! what becomes of them.

use super::*;

const BY_COLLECTIONS: fn() -> WriteOptions = || WriteOptions {
    way: Some("collections".to_owned()),
    ..EACH
};

fn create_now(fake: &Fake, json: &str) -> Result<Vec<RecordResult>, Error> {
    run(create(
        fake.api(),
        "Contact",
        json.as_bytes(),
        BY_COLLECTIONS(),
    ))
}

#[test]
fn plain_records_go_out_unread_in_the_form_of_all_others() {
    let fake = Fake::new()
        .answer(200, collection(&"c".repeat(200)))
        .answer(200, collection("vc"));
    let results = create_now(&fake, &records(202)).unwrap();
    assert_eq!(letters(&results), format!("{}vc", "c".repeat(200)));
    assert!(results[0].id.as_deref() == Some(ID));
    assert_eq!(fake.0.n_read.get(), 0);
    assert_eq!(*fake.0.reserved.borrow(), [2]);
    let read = Fake::new().answer(200, collection("cc"));
    let nested = r#"[{"LastName":"n200"},{"LastName":"n201","Account":null,"attributes":{}}]"#;
    create_now(&read, nested).unwrap();
    assert_eq!(read.0.n_read.get(), 1);
    assert_eq!(fake.body(1), read.body(0).replace(r#","Account":null"#, ""));
}

#[test]
fn what_needs_a_look_is_read() {
    let ids = format!(r#"[{{"Id":"{ID}"}},{{"Id":"{OTHER}"}}]"#);
    let fake = Fake::new().answer(200, collection("uu"));
    let way = BY_COLLECTIONS();
    run(update(fake.api(), "Contact", ids.as_bytes(), way)).unwrap();
    assert_eq!(fake.0.n_read.get(), 1);
    for json in [
        r#"[{"A":1,"A":2},{}]"#,
        r#"[{"\u0041":1},{}]"#,
        r#"[{"Who":{"Email":"a"}},{}]"#,
        r#"[{"attributes":"x"},{}]"#,
        r#"[{"A__c":"1","B__c":"1","C__c":"1","D__c":"1","E__c":"1"},{}]"#,
    ] {
        let fake = Fake::new().answer(200, collection("cc"));
        assert_eq!(letters(&create_now(&fake, json).unwrap()), "cc");
        assert_eq!(fake.0.n_read.get(), 1, "{json}");
    }
    // One record has a route of its own.
    let one = format!(r#"{{"id":"{ID}","success":true,"errors":[]}}"#);
    let fake = Fake::new().answer(201, one);
    create_now(&fake, r#"[{"A":1}]"#).unwrap();
    assert_eq!(fake.lines(), ["POST /services/data/v62.0/sobjects/Contact"]);
}

#[test]
fn records_of_one_parent_are_told_by_their_columns() {
    let rows = (0..300).map(|at| {
        let account = ["0015J000004TNtzQAG", "0015J000004TNuaQAG", ""][at % 3];
        format!(r#"{{"LastName":"n{at}","AccountId":"{account}","Code__c":"x"}}"#)
    });
    let json = format!("[{}]", rows.collect::<Vec<_>>().join(","));
    let fake = Fake::new()
        .answer(200, collection(&"c".repeat(200)))
        .answer(200, collection(&"v".repeat(100)));
    let results = create_now(&fake, &json).unwrap();
    assert_eq!(fake.0.n_read.get(), 0);
    let first = fake.body(0);
    assert_eq!(first.matches("0015J000004TNtzQAG").count(), 100);
    let sent_last: Vec<usize> = (0..300)
        .filter(|at| fake.body(1).contains(&format!("\"n{at}\"")))
        .collect();
    let failed: Vec<usize> = (0..300)
        .filter(|at| letters(&results[*at..=*at]) == "v")
        .collect();
    assert_eq!(failed, sent_last);
}

#[test]
fn locked_records_are_read_and_go_again_alone() {
    let fake = Fake::new()
        .answer(200, collection("clvl"))
        .answer(200, collection("cl"))
        .answer(
            400,
            r#"[{"errorCode":"REQUIRED_FIELD_MISSING","message":"m","fields":["A"]}]"#,
        );
    let results = create_now(&fake, &records(4)).unwrap();
    assert_eq!(letters(&results), "ccvv");
    assert_eq!(fake.0.n_read.get(), 1);
    assert!(fake.body(1).contains("n1") && fake.body(1).contains("n3"));
    assert_eq!(fake.body(2), r#"{"LastName":"n3"}"#);
}

#[test]
fn a_lost_answer_is_in_doubt_and_what_was_not_sent_is_kept() {
    let answer = || collection(&"c".repeat(200));
    let fake = Fake::new().lose(broken(true)).answer(200, answer());
    let api = fake.api_with(r#"{"write_overlap":1}"#);
    let json = records(400);
    let results = run(create(api, "Contact", json.as_bytes(), BY_COLLECTIONS())).unwrap();
    let advice = |result: &RecordResult| match &result.outcome {
        Outcome::Failed(problems) => Some(problems[0].advice),
        _ => None,
    };
    assert_eq!(advice(&results[0]), Some(Advice::CheckOutcome));
    assert_eq!(advice(&results[399]), Some(Advice::Retry));
    let unreadable = Fake::new().answer(200, "[]");
    assert_eq!(
        create_now(&unreadable, &records(2)),
        Err(Error::UnknownOutcome)
    );
}
