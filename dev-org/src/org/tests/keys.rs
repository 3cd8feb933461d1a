//! External ids and unique values.

use serde_json::json;

use super::*;

fn upsert(org: &mut Org, who: &User, key: (&str, &str), json: Json) -> Result<(Id, bool), Fault> {
    let done = org.upsert(
        who,
        "Contact",
        key.0,
        key.1,
        &body(json),
        &WriteOptions::default(),
    )?;
    Ok((done.id, done.created))
}

#[test]
fn an_upsert_creates_once_and_updates_from_then_on() {
    let (mut org, admin) = org();
    let key = ("External_Id__c", "c-1");
    let (first, created) = upsert(&mut org, &admin, key, json!({"LastName": "A"})).unwrap();
    assert!(created);
    assert_eq!(
        field(&org, &admin, "Contact", &first, "External_Id__c"),
        json!("c-1")
    );
    let again = upsert(
        &mut org,
        &admin,
        ("external_id__c", "C-1"),
        json!({"LastName": "B"}),
    );
    assert_eq!(again, Ok((Arc::clone(&first), false)));
    assert_eq!(
        field(&org, &admin, "Contact", &first, "LastName"),
        json!("B")
    );
}

#[test]
fn an_upsert_works_on_id_lookup_fields_and_on_id() {
    let (mut org, admin) = org();
    let key = ("Email", "a@example.com");
    let (id, created) = upsert(&mut org, &admin, key, json!({"LastName": "A"})).unwrap();
    assert!(created);
    let done = upsert(&mut org, &admin, ("Id", &id), json!({"LastName": "B"})).unwrap();
    assert_eq!(done, (Arc::clone(&id), false));
    let fault = upsert(&mut org, &admin, ("Id", "003000000000001"), json!({})).unwrap_err();
    assert_eq!(fault.status, 404);
}

#[test]
fn upsert_on_an_ambiguous_external_id_answers_300() {
    let (mut org, admin) = org();
    let mut ids = Vec::new();
    for name in ["A", "B"] {
        let body = json!({"LastName": name, "Email": "same@example.com"});
        ids.push(create(&mut org, &admin, "Contact", body).unwrap());
    }
    let fault = upsert(&mut org, &admin, ("Email", "same@example.com"), json!({})).unwrap_err();
    assert_eq!(fault.status, 300);
    assert_eq!(fault.extra.unwrap().1, json!([&*ids[0], &*ids[1]]));
}

#[test]
fn upsert_on_a_field_that_is_no_key_answers_404() {
    let (mut org, admin) = org();
    for key in ["Namez", "Title"] {
        let fault = upsert(&mut org, &admin, (key, "x"), json!({})).unwrap_err();
        assert_eq!((fault.status, fault.code), (404, "NOT_FOUND"));
        assert_eq!(
            fault.message,
            format!("Provided external ID field does not exist or is not accessible: {key}")
        );
    }
}

#[test]
fn an_upsert_does_not_name_its_key_in_the_body() {
    let (mut org, admin) = org();
    let body = json!({"LastName": "A", "External_Id__c": "x"});
    let fault = upsert(&mut org, &admin, ("External_Id__c", "x"), body).unwrap_err();
    assert_eq!(
        fault.message,
        "The External_Id__c field should not be specified in the sobject data."
    );
}

#[test]
fn update_only_creates_nothing() {
    let (mut org, admin) = org();
    let options = WriteOptions {
        update_only: true,
        ..WriteOptions::default()
    };
    let key = ("Contact", "External_Id__c", "x");
    let fault = org
        .upsert(
            &admin,
            key.0,
            key.1,
            key.2,
            &body(json!({"LastName": "A"})),
            &options,
        )
        .unwrap_err();
    assert_eq!(fault.status, 404);
}

#[test]
fn a_unique_value_is_taken_until_its_record_is_deleted() {
    let (mut org, admin) = org();
    let make = |org: &mut Org, key: &str| {
        create(
            org,
            &admin,
            "Account",
            json!({"Name": "A", "External_Id__c": key}),
        )
    };
    let first = make(&mut org, "k").unwrap();
    let fault = make(&mut org, "K").unwrap_err();
    assert_eq!(fault.code, "DUPLICATE_VALUE");
    assert_eq!(
        fault.message,
        format!(
            "duplicate value found: External_Id__c duplicates value on record with id: {first}"
        )
    );
    org.delete(&admin, "Account", &first).unwrap();
    make(&mut org, "k").unwrap();
}

#[test]
fn a_parent_can_be_named_by_its_external_id() {
    let (mut org, admin) = org();
    let parent = create(
        &mut org,
        &admin,
        "Account",
        json!({"Name": "A", "External_Id__c": "acme"}),
    )
    .unwrap();
    let child = create(
        &mut org,
        &admin,
        "Contact",
        json!({"LastName": "A", "Account": {"External_Id__c": "acme"}}),
    )
    .unwrap();
    assert_eq!(
        field(&org, &admin, "Contact", &child, "AccountId"),
        json!(&*parent)
    );
    let body = json!({"LastName": "A", "Account": {"External_Id__c": "Nobody"}});
    let fault = create(&mut org, &admin, "Contact", body).unwrap_err();
    assert_eq!(fault.code, "INVALID_FIELD");
    assert_eq!(
        fault.message,
        "Foreign key external ID: nobody not found for field External_Id__c in entity Account"
    );
    let body = json!({"Subject": "Call", "What": {"External_Id__c": "acme"}});
    let fault = create(&mut org, &admin, "Task", body).unwrap_err();
    assert_eq!(fault.code, "JSON_PARSER_ERROR");
    let body = json!({"Subject": "Call", "What":
        {"attributes": {"type": "Account"}, "External_Id__c": "acme"}});
    let task = create(&mut org, &admin, "Task", body).unwrap();
    assert_eq!(
        field(&org, &admin, "Task", &task, "WhatId"),
        json!(&*parent)
    );
}

#[test]
fn custom_objects_number_their_records_and_keep_namespaced_fields() {
    let (mut org, admin) = org();
    let account = account(&mut org, &admin);
    let body = json!({"Account__c": &*account, "Amount__c": 12.345, "acme__Ledger_Code__c": "X9"});
    let first = create(&mut org, &admin, "Invoice__c", body.clone()).unwrap();
    let second = create(&mut org, &admin, "invoice__C", body).unwrap();
    assert_eq!(&first[..3], "a00");
    assert_eq!(
        field(&org, &admin, "Invoice__c", &second, "Name"),
        json!("INV-00002")
    );
    let record = org
        .read(&admin, "Invoice__c", &first, None, "v60.0")
        .unwrap();
    assert_eq!(record["Amount__c"], json!(12.35));
    assert_eq!(record["Status__c"], json!("Open"));
    assert_eq!(record["acme__Ledger_Code__c"], json!("X9"));
    let found = org.find_by_external_id(&admin, "Invoice__c", "Name", "INV-00001");
    assert_eq!(found.unwrap(), [first]);
}
