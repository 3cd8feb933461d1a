//! Upserts and deletes: records that are found by a key or an id.

use super::*;

fn upserted(fake: &Fake, json: &str) -> Result<Vec<RecordResult>, Error> {
    run(upsert(
        fake.api(),
        "Account",
        "Ext__c",
        json.as_bytes(),
        EACH,
    ))
}

#[test]
fn an_upsert_of_one_tells_created_from_updated_in_all_answers_of_all_versions() {
    let body = |created: &str| format!(r#"{{"id":"{ID}","success":true,"errors":[]{created}}}"#);
    for (status, body, letter) in [
        (201, body(r#","created":true"#), "c"),
        (201, body(""), "c"),
        (200, body(r#","created":false"#), "u"),
        (204, String::new(), "u"),
    ] {
        let fake = Fake::new().answer(status, body);
        let results = upserted(&fake, r#"[{"Ext__c":"a/b c+ü","Name":"A"}]"#).unwrap();
        assert_eq!(letters(&results), letter);
        assert_eq!(
            fake.lines(),
            ["PATCH /services/data/v62.0/sobjects/Account/Ext__c/a%2Fb%20c%2B%C3%BC"]
        );
        assert_eq!(fake.body(0), r#"{"Name":"A"}"#);
    }
}

#[test]
fn an_ambiguous_key_names_the_records_that_hold_it() {
    let fake = Fake::new().answer(
        300,
        format!(r#"["/services/data/v62.0/sobjects/Account/{ID}","/services/data/v62.0/sobjects/Account/{OTHER}"]"#),
    );
    let results = upserted(&fake, r#"[{"Ext__c":1.50}]"#).unwrap();
    assert!(fake.lines()[0].ends_with("/Ext__c/1%2E50"));
    let Outcome::Failed(problems) = &results[0].outcome else {
        panic!("not failed")
    };
    assert_eq!(problems[0].advice, Advice::ResolveDuplicate);
    assert!(problems[0].message.contains(ID), "{}", problems[0].message);
}

#[test]
fn a_key_field_that_is_not_there_is_a_matter_of_the_schema() {
    let body = r#"[{"errorCode":"NOT_FOUND","message":"Provided external ID field does not exist or is not accessible: Ext__c"}]"#;
    let results = upserted(&Fake::new().answer(404, body), r#"[{"Ext__c":"1"}]"#).unwrap();
    assert_eq!(advice(&results[0]), Some(Advice::FixSchema));
    let fake = Fake::new().answer(404, body);
    let Err(Error::Refused(problem)) = upserted(&fake, r#"[{"Ext__c":"1"},{"Ext__c":"2"}]"#) else {
        panic!("not refused");
    };
    assert_eq!(
        (problem.advice, &*problem.fields),
        (Advice::FixSchema, &["Ext__c".to_owned()][..])
    );
}

#[test]
fn several_upserts_go_as_one_collection_with_their_keys() {
    let fake = Fake::new().answer(200, collection("cu"));
    let results = upserted(&fake, r#"[{"Name":"A","Ext__c":"1"},{"ext__C":2}]"#).unwrap();
    assert_eq!(letters(&results), "cu");
    assert_eq!(
        fake.lines(),
        ["PATCH /services/data/v62.0/composite/sobjects/Account/Ext__c"]
    );
    assert_eq!(
        fake.body(0),
        r#"{"allOrNone":false,"records":[{"attributes":{"type":"Account"},"Name":"A","Ext__c":"1"},{"attributes":{"type":"Account"},"ext__C":2}]}"#
    );
}

#[test]
fn an_upsert_by_id_goes_as_a_collection_even_alone() {
    let fake = Fake::new().answer(200, collection("c"));
    let results = run(upsert(
        fake.api(),
        "Account",
        "Id",
        br#"[{"Id":null,"Name":"A"}]"#,
        EACH,
    ))
    .unwrap();
    assert_eq!(letters(&results), "c");
    assert_eq!(
        fake.lines(),
        ["PATCH /services/data/v62.0/composite/sobjects/Account/Id"]
    );
}

#[test]
fn one_record_is_deleted_by_its_own_route() {
    let fake = Fake::new().answer(204, "");
    let results = run(delete(fake.api(), "Contact", &[ID[..15].to_owned()], EACH)).unwrap();
    assert_eq!(
        (letters(&results).as_str(), results[0].id.as_deref()),
        ("d", Some(ID))
    );
    let gone = r#"[{"errorCode":"ENTITY_IS_DELETED","message":"entity is deleted"}]"#;
    let fake = Fake::new().answer(404, gone);
    let results = run(delete(fake.api(), "Contact", &[ID.to_owned()], EACH)).unwrap();
    assert_eq!(advice(&results[0]), Some(Advice::Refetch));
}

#[test]
fn a_collection_deletes_only_records_of_its_object() {
    let fake = Fake::new().answer(200, collection("uu"));
    fake.keep("prefix/Contact", "003");
    let ids = [ID, "0015J000004TNtzQAG", OTHER].map(str::to_owned);
    let results = run(delete(fake.api(), "Contact", &ids, EACH)).unwrap();
    assert_eq!(letters(&results), "dvd");
    assert_eq!(
        fake.lines(),
        [format!(
            "DELETE /services/data/v62.0/composite/sobjects?ids={ID},{OTHER}&allOrNone=false"
        )]
    );
}

#[test]
fn the_prefix_of_an_object_is_asked_once_for_a_connection() {
    let described = r#"{"name":"Contact","keyPrefix":"003","fields":[]}"#;
    let fake = Fake::new()
        .answer(200, described)
        .answer(200, collection("uu"))
        .answer(200, collection("uu"));
    let ids = [ID, OTHER].map(str::to_owned);
    for _ in 0..2 {
        run(delete(fake.api(), "Contact", &ids, EACH)).unwrap();
    }
    assert_eq!(fake.lines().len(), 3);
    assert_eq!(fake.0.asked.borrow()[1].method, Method::Delete);
}

#[test]
fn a_page_for_people_that_comes_as_a_success_is_never_taken_for_one() {
    let page = "<html><body>Please log in to the network</body></html>";
    let doubtful = |result: Result<Vec<RecordResult>, Error>| {
        assert!(matches!(result, Err(Error::UnknownOutcome)), "{result:?}");
    };
    let fake = || Fake::new().answer(200, page);
    let row = format!(r#"[{{"Id":"{ID}","Name":"A"}}]"#);
    doubtful(run(update(fake().api(), "Contact", row.as_bytes(), EACH)));
    doubtful(run(delete(fake().api(), "Contact", &[ID.to_owned()], EACH)));
    doubtful(upserted(&fake(), r#"[{"Ext__c":"a","Name":"A"}]"#));
    doubtful(created(&fake(), &records(1), EACH));
    doubtful(created(&fake(), &records(2), EACH));
    // JSON that says nothing says no more than that.
    doubtful(created(&Fake::new().answer(201, "{}"), &records(1), EACH));
    doubtful(created(
        &Fake::new().answer(200, "[{},{}]"),
        &records(2),
        EACH,
    ));
}
