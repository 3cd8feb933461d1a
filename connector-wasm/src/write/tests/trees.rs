//! Records that hold others: in graphs, level by level, and what each is told.

use serde_json::{Value, json};

use super::*;

const ACCOUNT: &str = r#"{"name":"Account","keyPrefix":"001","fields":[{"name":"Name"}],"childRelationships":[
    {"childSObject":"Contact","field":"AccountId","relationshipName":"Contacts"},
    {"childSObject":"Order","field":"AccountId","relationshipName":"Orders"},
    {"childSObject":"Partner","field":"AccountFromId","relationshipName":null}]}"#;
const ORDER: &str = r#"{"name":"Order","fields":[],"childRelationships":[
    {"childSObject":"OrderItem","field":"OrderId","relationshipName":"OrderItems"}]}"#;

fn with(way: &str) -> WriteOptions {
    WriteOptions {
        way: Some(way.to_owned()),
        ..EACH
    }
}

fn children(records: &Value) -> Value {
    json!({ "records": records })
}

/// An account with a contact, and an order with an item.
fn acme() -> Value {
    let order = json!({ "Status": "Draft", "OrderItems": children(&json!([{ "Quantity": 1 }])) });
    json!({
        "attributes": { "type": "Account" },
        "Name": "Acme",
        "Contacts": { "totalSize": 1, "done": true, "records": [
            { "attributes": { "type": "Contact" }, "LastName": "Doe", "AccountId": "ignored" }] },
        "Orders": children(&json!([order])),
    })
}

fn part(name: &str, status: u16, body: &Value) -> Value {
    json!({ "referenceId": name, "httpStatusCode": status, "body": body, "httpHeaders": {} })
}

fn done(name: &str) -> Value {
    part(
        name,
        201,
        &json!({ "id": ID, "success": true, "errors": [] }),
    )
}

fn halted(name: &str) -> Value {
    let message = "The transaction was rolled back since another operation in the same transaction \
                   failed.";
    part(
        name,
        400,
        &json!([{ "errorCode": "PROCESSING_HALTED", "message": message }]),
    )
}

fn refused(name: &str, code: &str) -> Value {
    part(name, 400, &json!([{ "errorCode": code, "message": "m" }]))
}

fn graph(id: &str, good: bool, parts: &[Value]) -> Value {
    json!({ "graphId": id, "isSuccessful": good, "graphResponse": { "compositeResponse": parts } })
}

fn graphs(graphs: &[Value]) -> String {
    json!({ "graphs": graphs }).to_string()
}

fn write_all(
    fake: &Fake,
    operation: Operation,
    records: &Value,
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    let records = records.to_string();
    run(write(
        fake.api(),
        "Account",
        operation,
        records.as_bytes(),
        options,
    ))
}

/// Where each related record stands, its object, and its outcome as a letter.
fn related(result: &RecordResult) -> Vec<String> {
    let related = result.related.iter().map(|related| {
        let letter = letters(&[told(None, related.outcome.clone())]);
        format!("{} {} {letter}", related.pointer, related.object)
    });
    related.collect()
}

#[test]
fn an_account_with_contacts_and_an_order_with_items_is_one_graph_of_one_call() {
    let saved = [done("n0"), done("n1"), done("n2"), done("n3")];
    let fake = Fake::new()
        .answer(200, ACCOUNT)
        .answer(200, ORDER)
        .answer(200, graphs(&[graph("g0", true, &saved)]));
    let results = write_all(&fake, Operation::Create, &json!([acme()]), EACH).unwrap();
    assert_eq!(letters(&results), "c");
    assert_eq!(
        related(&results[0]),
        [
            "/Contacts/records/0 Contact c",
            "/Orders/records/0 Order c",
            "/Orders/records/0/OrderItems/records/0 OrderItem c"
        ]
    );
    assert_eq!(results[0].related[0].id.as_deref(), Some(ID));
    assert_eq!(fake.lines()[2], "POST /services/data/v62.0/composite/graph");
    let sent: Value = serde_json::from_str(&fake.body(2)).unwrap();
    let bodies: Vec<&Value> = sent["graphs"][0]["compositeRequest"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| &node["body"])
        .collect();
    assert_eq!(
        json!(bodies),
        json!([
            { "Name": "Acme" },
            { "AccountId": "@{n0.id}", "LastName": "Doe" },
            { "AccountId": "@{n0.id}", "Status": "Draft" },
            { "OrderId": "@{n2.id}", "Quantity": 1 },
        ])
    );
    assert!(fake.is_done());
}

#[test]
fn children_are_found_by_the_external_id_that_their_attributes_name() {
    let saved = [done("n0"), done("n1")];
    let fake = Fake::new()
        .answer(200, ACCOUNT)
        .answer(200, graphs(&[graph("g0", true, &saved)]));
    let contact =
        json!({ "attributes": { "key_field": "Mail__c" }, "Mail__c": "a/b", "LastName": "D" });
    let account = json!([{ "Ext__c": 7, "Contacts": children(&json!([contact])) }]);
    let by_key = Operation::Upsert("Ext__c".to_owned());
    let results = write_all(&fake, by_key, &account, EACH).unwrap();
    assert_eq!(related(&results[0]), ["/Contacts/records/0 Contact c"]);
    let sent: Value = serde_json::from_str(&fake.body(1)).unwrap();
    let nodes = &sent["graphs"][0]["compositeRequest"];
    let root = "/services/data/v62.0/sobjects";
    assert_eq!(nodes[0]["url"], format!("{root}/Account/Ext__c/7"));
    assert_eq!(nodes[0]["method"], "PATCH");
    assert_eq!(nodes[1]["url"], format!("{root}/Contact/Mail__c/a%2Fb"));
    assert_eq!(
        nodes[1]["body"],
        json!({ "AccountId": "@{n0.id}", "LastName": "D" })
    );
}

#[test]
fn a_tree_that_is_undone_names_the_record_to_blame_and_others_are_saved() {
    let bad = [halted("n0"), refused("n2", "REQUIRED_FIELD_MISSING")];
    let good = [done("n1"), done("n3")];
    let fake = Fake::new().answer(200, ACCOUNT).answer(
        200,
        graphs(&[graph("g0", false, &bad), graph("g1", true, &good)]),
    );
    let row = |name: &str| json!({ "Name": name, "Contacts": children(&json!([{}])) });
    let rows = json!([row("A"), row("B")]);
    let results = write_all(&fake, Operation::Create, &rows, EACH).unwrap();
    assert_eq!(letters(&results), "vc");
    assert_eq!(advice(&results[0]), Some(Advice::RolledBack));
    let Outcome::Failed(problems) = &results[0].related[0].outcome else {
        panic!("not failed")
    };
    assert_eq!(problems[0].code, "REQUIRED_FIELD_MISSING");
    assert_eq!(related(&results[1]), ["/Contacts/records/0 Contact c"]);
}

#[test]
fn a_tree_with_a_record_that_is_wrong_by_itself_is_not_sent() {
    let account = |child: Value| json!({ "Name": "A", "Contacts": children(&json!([{ "LastName": "D" }, child])) });
    for child in [
        json!(7),
        json!({ "Id": ID }),
        json!({ "attributes": { "key_field": "Id" }, "Id": ID }),
        json!({ "attributes": { "key_field": "Mail__c" }, "LastName": "no key" }),
        json!({ "attributes": { "key_field": "a/b" } }),
    ] {
        let fake = Fake::new().answer(200, ACCOUNT);
        let results = write_all(
            &fake,
            Operation::Create,
            &json!([account(child.clone())]),
            EACH,
        );
        let results = results.unwrap();
        assert_eq!(advice(&results[0]), Some(Advice::RolledBack), "{child}");
        let of_child = |at: usize| match &results[0].related[at].outcome {
            Outcome::Failed(problems) => problems[0].advice,
            _ => panic!("{child}"),
        };
        assert_eq!(
            (of_child(0), of_child(1)),
            (Advice::RolledBack, Advice::FixRecord)
        );
        assert_eq!(fake.lines().len(), 1, "{child}");
    }
    let fake = Fake::new().answer(200, ACCOUNT);
    let rows = json!([{ "Name": "A", "Cases": children(&json!([{}])) }]);
    let results = write_all(&fake, Operation::Create, &rows, EACH).unwrap();
    assert_eq!(advice(&results[0]), Some(Advice::FixSchema));
}

#[test]
fn a_tree_too_large_for_a_graph_goes_level_by_level_with_the_parents_ids() {
    let contacts: Vec<Value> = (0..500)
        .map(|at| json!({ "LastName": format!("c{at}") }))
        .collect();
    let rows = json!([
        { "Name": "Large", "Contacts": children(&json!(contacts)) },
        { "Name": "Small", "Contacts": children(&json!([{ "LastName": "x" }])) },
    ]);
    let fake = Fake::new()
        .answer(200, ACCOUNT)
        .answer(
            200,
            graphs(&[graph("g0", true, &[done("n1"), done("n502")])]),
        )
        .answer(
            201,
            format!(r#"{{"id":"{OTHER}","success":true,"errors":[]}}"#),
        )
        .answer(200, collection(&"c".repeat(200)))
        .answer(200, collection(&"c".repeat(200)))
        .answer(200, collection(&format!("v{}", "c".repeat(99))));
    let results = write_all(&fake, Operation::Create, &rows, EACH).unwrap();
    assert_eq!(letters(&results), "cc");
    assert_eq!(results[0].related.len(), 500);
    assert_eq!(related(&results[0])[400], "/Contacts/records/400 Contact v");
    assert_eq!(related(&results[0])[401], "/Contacts/records/401 Contact c");
    assert!(fake.body(3).contains(&format!(
        r#"{{"attributes":{{"type":"Contact"}},"AccountId":"{OTHER}","LastName":"c0"}}"#
    )));
    assert!(fake.is_done());
}

#[test]
fn many_trees_are_taken_apart_in_parts_and_each_keeps_its_place() {
    let long = "x".repeat(900);
    let row = json!({ "Name": long, "Contacts": children(&json!([{ "LastName": long }])) });
    // Two parts of 2 MiB at most, each by graphs of 75.
    let mut fake = Fake::new().answer(200, ACCOUNT);
    let row_of = |fake: Fake, from: usize, to: usize, n_roots: usize| {
        let saved: Vec<Value> = (from..to)
            .map(|at| {
                let nodes = [done(&format!("n{at}")), done(&format!("n{}", n_roots + at))];
                graph(&format!("g{}", at % 300), true, &nodes)
            })
            .collect();
        fake.answer(200, graphs(&saved))
    };
    for (n_roots, ends) in [
        (1_131, [0, 300, 600, 900, 1_131].as_slice()),
        (69, &[0, 69]),
    ] {
        for step in ends.windows(2) {
            for from in (step[0]..step[1]).step_by(75) {
                fake = row_of(fake, from, (from + 75).min(step[1]), n_roots);
            }
        }
    }
    let results = write_all(&fake, Operation::Create, &json!(vec![row; 1_200]), EACH).unwrap();
    assert_eq!(letters(&results), "c".repeat(1_200));
    assert!(results.iter().all(|result| result.related.len() == 1));
    assert!(fake.is_done());
}

#[test]
fn children_of_a_parent_that_was_not_written_are_not_sent_and_say_so() {
    let row =
        |name: &str| json!({ "Name": name, "Contacts": children(&json!([{ "LastName": name }])) });
    let rows = json!([row("A"), row("B")]);
    let fake = Fake::new()
        .answer(200, ACCOUNT)
        .answer(200, collection("vc"))
        .answer(
            201,
            format!(r#"{{"id":"{OTHER}","success":true,"errors":[]}}"#),
        );
    let results = write_all(&fake, Operation::Create, &rows, with("collections")).unwrap();
    assert_eq!(letters(&results), "vc");
    let Outcome::Failed(problems) = &results[0].related[0].outcome else {
        panic!("written")
    };
    assert_eq!(problems[0].advice, Advice::RolledBack);
    assert!(problems[0].message.contains("not sent"), "{problems:?}");
    assert_eq!(related(&results[1]), ["/Contacts/records/0 Contact c"]);
    assert!(fake.body(2).contains("\"B\""));
}

#[test]
fn a_level_may_be_a_bulk_job() {
    let rows = json!([{ "Name": "A", "Contacts": children(&json!([{ "LastName": "B" }])) }]);
    let job = |fake: Fake, object: &str, name: &str, id: &str| {
        fake.answer(200, format!(r#"{{"id":"750{object}","state":"Open"}}"#))
            .answer(201, "")
            .answer(200, "{}")
            .answer(200, r#"{"state":"JobComplete","numberRecordsProcessed":1}"#)
            .answer(200, format!("sf__Id,sf__Created,{name}\n{id}\n"))
    };
    let fake = Fake::new().answer(200, ACCOUNT);
    let fake = job(fake, "A", "Name", &format!("{ID},true,A"));
    let fake = job(
        fake,
        "C",
        "AccountId,LastName",
        &format!("{OTHER},true,{ID},B"),
    );
    let results = write_all(&fake, Operation::Create, &rows, with("bulk")).unwrap();
    assert_eq!(letters(&results), "c");
    assert_eq!(results[0].related[0].id.as_deref(), Some(OTHER));
    assert_eq!(
        fake.body(7),
        format!("\"AccountId\",\"LastName\"\n\"{ID}\",\"B\"\n")
    );
    assert!(fake.is_done());
}

#[test]
fn a_graph_that_met_a_lock_goes_again_and_others_do_not() {
    let rows = json!([
        { "Name": "A", "Contacts": children(&json!([{}])) },
        { "Name": "B", "Contacts": children(&json!([{}])) },
    ]);
    let locked = [halted("n0"), refused("n2", "UNABLE_TO_LOCK_ROW")];
    let fake = Fake::new()
        .answer(200, ACCOUNT)
        .answer(
            200,
            graphs(&[
                graph("g0", false, &locked),
                graph("g1", true, &[done("n1"), done("n3")]),
            ]),
        )
        .answer(200, graphs(&[graph("g0", true, &[done("n0"), done("n2")])]));
    let results = write_all(&fake, Operation::Create, &rows, EACH).unwrap();
    assert_eq!(letters(&results), "cc");
    assert!(!fake.body(2).contains("\"B\""), "{}", fake.body(2));
    assert_eq!(fake.0.waits.borrow().len(), 1);
}

#[test]
fn all_or_none_puts_all_trees_into_one_graph_or_refuses_them() {
    let row = json!({ "Name": "A", "Contacts": children(&json!([{ "LastName": "B" }])) });
    let saved = [done("n0"), done("n1"), done("n2"), done("n3")];
    let fake = Fake::new()
        .answer(200, ACCOUNT)
        .answer(200, graphs(&[graph("g0", true, &saved)]));
    let results = write_all(&fake, Operation::Create, &json!([row, row]), ALL).unwrap();
    assert_eq!(letters(&results), "cc");

    let fake = Fake::new().answer(200, ACCOUNT);
    let many = json!(vec![row.clone(); 251]);
    let refused = write_all(&fake, Operation::Create, &many, ALL);
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");

    let by_collections = WriteOptions {
        all_or_none: true,
        ..with("collections")
    };
    let refused = write_all(
        &Fake::new(),
        Operation::Create,
        &json!([row]),
        by_collections,
    );
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");

    let wrong = json!({ "Name": "A", "Contacts": children(&json!([7])) });
    let fake = Fake::new().answer(200, ACCOUNT);
    let results = write_all(&fake, Operation::Create, &json!([row, wrong]), ALL).unwrap();
    assert_eq!(advice(&results[0]), Some(Advice::RolledBack));
    assert_eq!(fake.lines().len(), 1);
}

#[test]
fn a_lost_answer_leaves_a_tree_in_doubt_and_a_budget_that_ends_loses_nothing() {
    let row = json!([{ "Name": "A", "Contacts": children(&json!([{ "LastName": "B" }])) }]);
    let fake = Fake::new().answer(200, ACCOUNT).lose(broken(true));
    let results = write_all(&fake, Operation::Create, &row, EACH).unwrap();
    assert_eq!(advice(&results[0]), Some(Advice::CheckOutcome));
    assert_eq!(related(&results[0]), ["/Contacts/records/0 Contact ?"]);

    let fake = Fake::new()
        .answer(200, ACCOUNT)
        .lose(broken(false))
        .answer(200, graphs(&[graph("g0", true, &[done("n0"), done("n1")])]));
    let writer = open(Rc::new(fake.api()), "Account", Operation::Create, EACH).unwrap();
    assert_eq!(run(writer.push(row.to_string().as_bytes())), Ok(Vec::new()));
    assert_eq!(run(writer.finish()), Err(Error::Unavailable(700)));
    let results = run(writer.finish()).unwrap().unwrap();
    assert_eq!(results[0].outcome.outcome, Outcome::Created);
    assert_eq!(run(writer.finish()), Ok(None));
}

#[test]
fn nulls_in_the_place_of_children_are_left_out_beside_trees() {
    let fake = Fake::new().answer(200, ACCOUNT).answer(
        200,
        graphs(&[
            graph("g0", true, &[done("n0"), done("n2")]),
            graph("g1", true, &[done("n1")]),
        ]),
    );
    let rows = json!([
        { "Name": "A", "Contacts": children(&json!([{}])), "Orders": null },
        { "Name": null, "Contacts": null },
    ]);
    let results = write_all(&fake, Operation::Create, &rows, EACH).unwrap();
    assert_eq!(letters(&results), "cc");
    let body = fake.body(1);
    assert!(
        !body.contains("Orders") && !body.contains("Contacts"),
        "{body}"
    );
    assert!(body.contains(r#""body":{"Name":null}"#), "{body}");
}

#[test]
fn updates_refuse_what_a_record_holds_and_names_the_children() {
    let rows = json!([{ "Id": ID, "Contacts": children(&json!([{}])) }]);
    let results = write_all(&Fake::new(), Operation::Update, &rows, EACH).unwrap();
    let Outcome::Failed(problems) = &results[0].outcome else {
        panic!("written")
    };
    assert_eq!(problems[0].fields, ["Contacts"]);
    let refused = write_all(&Fake::new(), Operation::Delete, &json!([]), with("graph"));
    assert!(matches!(refused, Err(Error::Refused(_))));
}
