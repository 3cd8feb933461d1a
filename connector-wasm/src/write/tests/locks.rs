//! Rows of one parent, and how many requests are under way at a time.

use super::*;

/// Contacts of these accounts, by one letter each, in turn.
fn contacts(of: &str) -> String {
    let rows: Vec<String> = of
        .chars()
        .enumerate()
        .map(|(at, account)| {
            format!(r#"{{"LastName":"n{at}","Account":{{"Key__c":"{account}"}}}}"#)
        })
        .collect();
    format!("[{}]", rows.join(","))
}

/// The accounts of a request's rows, each once.
fn accounts(fake: &Fake, at: usize) -> Vec<char> {
    let body = fake.body(at);
    let keys = body.split(r#""Key__c":""#).skip(1);
    let mut keys: Vec<char> = keys.filter_map(|rest| rest.chars().next()).collect();
    keys.dedup();
    keys
}

fn by_collections(fake: &Fake, json: &str, overlap: usize) -> Vec<RecordResult> {
    let api = fake.api_with(&format!(r#"{{"write_overlap":{overlap}}}"#));
    run(create(api, "Contact", json.as_bytes(), EACH)).unwrap()
}

#[test]
fn rows_of_one_parent_go_in_one_request_and_results_keep_their_places() {
    let fake = Fake::new()
        .answer(200, collection(&"c".repeat(200)))
        .answer(200, collection(&"v".repeat(200)))
        .answer(200, collection(&"u".repeat(200)));
    let results = by_collections(&fake, &contacts(&"xyz".repeat(200)), 3);
    assert_eq!(accounts(&fake, 0), ['x']);
    assert_eq!(accounts(&fake, 1), ['y']);
    assert_eq!(accounts(&fake, 2), ['z']);
    assert_eq!(fake.0.most_under_way.get(), 3);
    // Each of the three accounts has its outcome, in turn.
    assert_eq!(letters(&results), "cvc".repeat(200));
}

#[test]
fn requests_that_hold_rows_of_one_parent_are_not_under_way_together() {
    let fake = Fake::new()
        .answer(200, collection(&"c".repeat(200)))
        .answer(200, collection(&"c".repeat(200)))
        .answer(200, collection("c"));
    let results = by_collections(&fake, &contacts(&"x".repeat(401)), 8);
    assert_eq!(letters(&results), "c".repeat(401));
    assert_eq!(fake.0.most_under_way.get(), 1);

    // The second shares a parent with the first and with the third, so the third
    // goes beside the first, and no request more is made than needed.
    let mut fake = Fake::new();
    for _ in 0..3 {
        fake = fake.answer(200, collection(&"c".repeat(200)));
    }
    let of = format!("{}{}{}", "x".repeat(250), "y".repeat(250), "z".repeat(100));
    by_collections(&fake, &contacts(&of), 8);
    let sent: Vec<Vec<char>> = (0..3).map(|at| accounts(&fake, at)).collect();
    assert_eq!(sent, [vec!['x'], vec!['y', 'z'], vec!['x', 'y']]);
    assert_eq!(fake.0.most_under_way.get(), 2);
    assert!(fake.is_done());
}

#[test]
fn what_is_refused_as_too_much_goes_again_with_fewer_at_a_time() {
    let busy = r#"[{"errorCode":"SERVER_UNAVAILABLE","message":"busy"}]"#;
    let fake = Fake::new()
        .answer(503, busy)
        .answer(200, collection(&"c".repeat(200)))
        .answer(200, collection(&"c".repeat(200)))
        .answer(200, collection("c"));
    let results = by_collections(&fake, &records(401), 2);
    assert_eq!(letters(&results), "c".repeat(401));
    assert_eq!(*fake.0.waits.borrow(), [2_000]);
    assert!(fake.is_done());
}

#[test]
fn an_org_that_stays_too_busy_is_left_alone_and_each_row_says_so() {
    let busy = r#"[{"errorCode":"SERVER_UNAVAILABLE","message":"busy"}]"#;
    let fake = Fake::new()
        .answer(200, collection(&"c".repeat(200)))
        .answer(503, busy)
        .answer(503, busy)
        .answer(503, busy);
    let results = by_collections(&fake, &records(600), 2);
    assert_eq!(letters(&results[..200]), "c".repeat(200));
    let left = &results[200..];
    assert!(
        left.iter()
            .all(|result| advice(result) == Some(Advice::Retry))
    );
    assert!(fake.is_done());
}

#[test]
fn locked_children_of_one_parent_settle_one_request_after_the_other() {
    let fake = Fake::new()
        .answer(
            200,
            collection(&format!("{}{}", "c".repeat(100), "l".repeat(100))),
        )
        .answer(
            200,
            collection(&format!("{}{}", "c".repeat(100), "l".repeat(100))),
        )
        .answer(200, collection(&"c".repeat(200)));
    let json = contacts(&format!("{}{}", "x".repeat(200), "y".repeat(200)));
    let results = by_collections(&fake, &json, 2);
    assert_eq!(letters(&results), "c".repeat(400));
    assert_eq!(fake.0.waits.borrow().len(), 1);
    assert!(fake.is_done());
}

#[test]
fn rows_of_a_bulk_job_are_sorted_by_their_parent() {
    let fake = Fake::new()
        .answer(200, r#"{"id":"750A","state":"Open"}"#)
        .answer(201, "")
        .answer(200, "{}");
    let way = WriteOptions {
        way: Some("bulk".to_owned()),
        ..EACH
    };
    let writer = open(Rc::new(fake.api()), "Contact", Operation::Create, way).unwrap();
    run(writer.push(contacts("xyxy").as_bytes())).unwrap();
    run(writer.finish()).unwrap();
    let csv = fake.body(1);
    let names: Vec<&str> = csv
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    assert_eq!(names, ["\"n0\"", "\"n2\"", "\"n1\"", "\"n3\""]);
}
