//! Records as they are stored and read.

use serde_json::json;

use super::*;

#[test]
fn a_created_record_has_its_audit_fields_in_whole_seconds() {
    let (mut org, admin) = org();
    let id = account(&mut org, &admin);
    assert_eq!(&id[..3], "001");
    let record = org.read(&admin, "account", &id, None, "v60.0").unwrap();
    assert_eq!(
        record["attributes"],
        json!({"type": "Account", "url": format!("/services/data/v60.0/sobjects/Account/{id}")})
    );
    assert_eq!(record["Id"], json!(&*id));
    assert_eq!(record["IsDeleted"], json!(false));
    assert_eq!(record["OwnerId"], json!(&*admin.id));
    assert_eq!(record["CreatedById"], json!(&*admin.id));
    assert_eq!(
        record["SystemModstamp"],
        json!("2026-05-01T07:25:37.000+0000")
    );
    assert_eq!(record["Phone"], json!(null));
}

#[test]
fn an_update_changes_what_it_names_and_the_modstamp() {
    let (mut org, admin) = org();
    let id = account(&mut org, &admin);
    org.set_now_ms(parse_datetime("2026-05-02T00:00:00Z"));
    update(
        &mut org,
        &admin,
        "Account",
        &id[..15],
        json!({"Phone": "1"}),
    )
    .unwrap();
    let record = org.read(&admin, "Account", &id, None, "v60.0").unwrap();
    assert_eq!(record["Phone"], json!("1"));
    assert_eq!(record["Name"], json!("Acme"));
    assert_eq!(record["CreatedDate"], json!("2026-05-01T07:25:37.000+0000"));
    assert_eq!(
        record["LastModifiedDate"],
        json!("2026-05-02T00:00:00.000+0000")
    );
    update(&mut org, &admin, "Account", &id, json!({"Phone": null})).unwrap();
    assert_eq!(field(&org, &admin, "Account", &id, "Phone"), json!(null));
}

#[test]
fn compound_names_and_addresses_are_put_together() {
    let (mut org, admin) = org();
    let id = create(
        &mut org,
        &admin,
        "Contact",
        json!({"FirstName": "Jo", "LastName": "Doe", "MailingCity": "Oslo", "MailingLatitude": 59.9}),
    )
    .unwrap();
    let record = org.read(&admin, "Contact", &id, None, "v60.0").unwrap();
    assert_eq!(record["Name"], json!("Jo Doe"));
    assert_eq!(
        record["MailingAddress"].to_string(),
        r#"{"city":"Oslo","country":null,"geocodeAccuracy":null,"latitude":59.9,"longitude":null,"postalCode":null,"state":null,"street":null}"#
    );
    assert_eq!(record["OtherAddress"], json!(null));
    update(&mut org, &admin, "Contact", &id, json!({"FirstName": null})).unwrap();
    assert_eq!(field(&org, &admin, "Contact", &id, "Name"), json!("Doe"));
}

#[test]
fn a_hidden_field_is_not_in_records_and_cannot_be_asked_for() {
    let (mut org, _) = org();
    let id = {
        let admin = org.user(ADMIN).unwrap();
        account(&mut org, &admin)
    };
    org.change_user(ADMIN, |user| user.hide_field("Account", "Phone"));
    let admin = org.user(ADMIN).unwrap();
    let record = org.read(&admin, "Account", &id, None, "v60.0").unwrap();
    assert!(record.get("Phone").is_none());
    let asked = org.read(&admin, "Account", &id, Some(&["Phone".into()]), "v60.0");
    assert_eq!(asked.unwrap_err().code, "INVALID_FIELD");
}

#[test]
fn an_object_without_read_permission_is_not_there_and_one_without_edit_refuses() {
    use crate::user::ObjectPermissions;
    let (mut org, admin) = org();
    let id = account(&mut org, &admin);
    org.change_user(ADMIN, |user| {
        user.set_object_permissions("Account", ObjectPermissions::READ_ONLY);
        user.set_object_permissions("Lead", ObjectPermissions::NONE);
    });
    let admin = org.user(ADMIN).unwrap();
    let refused = update(&mut org, &admin, "Account", &id, json!({"Phone": "1"})).unwrap_err();
    assert_eq!(
        (refused.status, refused.code),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    );
    let refused = create(&mut org, &admin, "Lead", json!({})).unwrap_err();
    assert_eq!((refused.status, refused.code), (404, "NOT_FOUND"));
}

#[test]
fn ids_from_urls_that_name_nothing_are_refused_as_salesforce_does() {
    let (mut org, admin) = org();
    let id = account(&mut org, &admin);
    let code = |id: &str| {
        let fault = org.read(&admin, "Account", id, None, "v60.0").unwrap_err();
        (fault.status, fault.code)
    };
    assert_eq!(code("23foo"), (404, "NOT_FOUND"));
    assert_eq!(code(&format!("{}AAA", &id[..15])), (400, "MALFORMED_ID"));
    assert_eq!(code("001000000000001"), (404, "NOT_FOUND"));
    let refused = update(&mut org, &admin, "Account", "1234", json!({})).unwrap_err();
    assert_eq!(refused.code, "MALFORMED_ID");
    assert_eq!(
        refused.message,
        "Account ID: id value of incorrect type: 1234"
    );
}

#[test]
fn a_rolled_back_request_leaves_no_trace() {
    let (mut org, admin) = org();
    let first = account(&mut org, &admin);
    org.begin();
    let second = create(
        &mut org,
        &admin,
        "Account",
        json!({"Name": "B", "External_Id__c": "b"}),
    )
    .unwrap();
    update(&mut org, &admin, "Account", &first, json!({"Name": "C"})).unwrap();
    org.rollback();
    assert_eq!(
        field(&org, &admin, "Account", &first, "Name"),
        json!("Acme")
    );
    assert!(org.read(&admin, "Account", &second, None, "v60.0").is_err());
    let third = create(
        &mut org,
        &admin,
        "Account",
        json!({"Name": "B", "External_Id__c": "b"}),
    )
    .unwrap();
    assert!(third > second);
    assert_eq!(field(&org, &admin, "Account", &third, "Name"), json!("B"));
}

#[test]
fn updated_and_deleted_records_are_listed_for_their_window_only() {
    let (mut org, admin) = org();
    let old = account(&mut org, &admin);
    let gone = account(&mut org, &admin);
    org.set_now_ms(parse_datetime("2026-05-03T10:00:30Z"));
    let new = account(&mut org, &admin);
    org.delete(&admin, "Account", &gone).unwrap();
    org.set_now_ms(parse_datetime("2026-05-04T00:00:00Z"));
    let at = |text: &str| parse_datetime(text).unwrap();
    let (start, end) = (at("2026-05-03T10:00:59Z"), at("2026-05-03T10:01:10Z"));
    let updated = org.updated_ids(&admin, "Account", start, end).unwrap();
    assert_eq!(updated.ids, [new]);
    assert_eq!(updated.latest_date_covered, at("2026-05-03T10:01:00Z"));
    let deleted = org.deleted_ids(&admin, "Account", start, end).unwrap();
    assert_eq!(deleted.deleted.len(), 1);
    assert_eq!(deleted.deleted[0].id, gone);
    assert_eq!(deleted.deleted[0].deleted_date, at("2026-05-03T10:00:30Z"));
    let all = org.updated_ids(&admin, "Account", at("2026-05-01T00:00:00Z"), end);
    assert!(all.unwrap().ids.contains(&old));
    for (start, end) in [
        (end, start),
        (start, start),
        (at("2026-03-01T00:00:00Z"), end),
    ] {
        let refused = org.updated_ids(&admin, "Account", start, end).unwrap_err();
        assert_eq!(refused.code, "INVALID_REPLICATION_DATE");
    }
}
