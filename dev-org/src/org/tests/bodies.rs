//! What a body may and may not say.

use serde_json::json;

use super::*;

/// What a create of this body is refused with.
fn refusal(object: &str, json: Json) -> Fault {
    let (mut org, admin) = org();
    create(&mut org, &admin, object, json).unwrap_err()
}

#[test]
fn an_unknown_field_is_named() {
    let fault = refusal("Account", json!({"Name": "A", "foo": 1}));
    assert_eq!(fault.code, "INVALID_FIELD");
    assert_eq!(
        fault.message,
        "No such column 'foo' on sobject of type Account"
    );
}

#[test]
fn every_missing_required_field_is_named() {
    let fault = refusal("Lead", json!({"Email": "a@example.com"}));
    assert_eq!(fault.code, "REQUIRED_FIELD_MISSING");
    assert_eq!(
        fault.message,
        "Required fields are missing: [LastName, Company]"
    );
    assert_eq!(fault.fields, ["LastName", "Company"]);
    let fault = refusal("Account", json!({"Name": "   "}));
    assert_eq!(fault.code, "REQUIRED_FIELD_MISSING");
}

#[test]
fn a_required_field_cannot_be_emptied_by_an_update() {
    let (mut org, admin) = org();
    let id = account(&mut org, &admin);
    let fault = update(&mut org, &admin, "Account", &id, json!({"Name": null})).unwrap_err();
    assert_eq!(fault.code, "REQUIRED_FIELD_MISSING");
}

#[test]
fn read_only_fields_are_refused_together() {
    let fault = refusal(
        "Account",
        json!({"Name": "A", "CreatedDate": "2026-01-01T00:00:00Z", "BillingAddress": {}}),
    );
    assert_eq!(fault.code, "INVALID_FIELD_FOR_INSERT_UPDATE");
    assert_eq!(fault.fields, ["CreatedDate", "BillingAddress"]);
    assert!(
        fault
            .message
            .starts_with("Unable to create/update fields: CreatedDate, BillingAddress. ")
    );
}

#[test]
fn an_id_in_a_body_is_refused() {
    let (mut org, admin) = org();
    let id = account(&mut org, &admin);
    let fault = create(
        &mut org,
        &admin,
        "Account",
        json!({"Id": &*id, "Name": "A"}),
    );
    assert_eq!(
        fault.unwrap_err().message,
        "cannot specify Id in an insert call"
    );
    let fault = update(&mut org, &admin, "Account", &id, json!({"Id": &*id})).unwrap_err();
    assert_eq!(
        fault.message,
        "The Id field should not be specified in the sobject data."
    );
}

#[test]
fn a_field_that_the_profile_locks_is_refused_and_a_hidden_one_is_unknown() {
    let (mut org, _) = org();
    org.change_user(ADMIN, |user| {
        user.lock_field("Account", "Phone");
        user.hide_field("Account", "Fax");
    });
    let admin = org.user(ADMIN).unwrap();
    let fault = create(
        &mut org,
        &admin,
        "Account",
        json!({"Name": "A", "Phone": "1"}),
    );
    assert_eq!(fault.unwrap_err().code, "INVALID_FIELD_FOR_INSERT_UPDATE");
    let fault = create(
        &mut org,
        &admin,
        "Account",
        json!({"Name": "A", "Fax": "1"}),
    );
    assert_eq!(fault.unwrap_err().code, "INVALID_FIELD");
}

#[test]
fn a_text_that_is_too_long_is_quoted_with_the_limit() {
    let fault = refusal("Account", json!({"Name": "A", "Site": "x".repeat(81)}));
    assert_eq!(fault.code, "STRING_TOO_LONG");
    assert_eq!(
        fault.message,
        format!(
            "Account Site: data value too large: {} (max length=80)",
            "x".repeat(81)
        )
    );
    assert_eq!(fault.fields, ["Site"]);
}

#[test]
fn a_value_of_the_wrong_json_type_is_a_parser_error_that_says_where() {
    let fault = refusal("Account", json!({"Name": "A", "NumberOfEmployees": "many"}));
    assert_eq!(fault.code, "JSON_PARSER_ERROR");
    assert_eq!(
        fault.message,
        "Cannot deserialize instance of int from VALUE_STRING value many or request may be \
         missing a required field at [line:1, column:33]"
    );
    for (field, value) in [
        ("CloseDate", json!("2026-02-30")),
        ("Amount", json!("much")),
        ("IsPrivate", json!(1)),
        ("Name", json!({"a": 1})),
        ("Name", json!(["a"])),
    ] {
        let mut deal = json!({"Name": "D", "StageName": "Prospecting", "CloseDate": "2026-06-01"});
        deal[field] = value;
        assert_eq!(
            refusal("Opportunity", deal).code,
            "JSON_PARSER_ERROR",
            "{field}"
        );
    }
}

#[test]
fn numbers_and_checkboxes_may_be_sent_as_text_and_text_as_number() {
    let (mut org, admin) = org();
    let id = create(
        &mut org,
        &admin,
        "Account",
        json!({"Name": 42, "NumberOfEmployees": "7", "AnnualRevenue": "12.6"}),
    )
    .unwrap();
    let record = org.read(&admin, "Account", &id, None, "v60.0").unwrap();
    assert_eq!(record["Name"], json!("42"));
    assert_eq!(record["NumberOfEmployees"], json!(7));
    // Annual revenue has no digits after the point.
    assert_eq!(record["AnnualRevenue"], json!(13.0));
}

#[test]
fn emails_picklists_and_numbers_are_checked() {
    let fault = refusal("Contact", json!({"LastName": "A", "Email": "a@b"}));
    assert_eq!(fault.code, "INVALID_EMAIL_ADDRESS");
    assert_eq!(fault.message, "Email: invalid email address: a@b");
    let fault = refusal("Account", json!({"Name": "A", "CleanStatus": "Shiny"}));
    assert_eq!(fault.code, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
    assert_eq!(
        fault.message,
        "Clean Status: bad value for restricted picklist field: Shiny"
    );
    let fault = refusal("Account", json!({"Name": "A", "AnnualRevenue": 1e18}));
    assert_eq!(fault.code, "NUMBER_OUTSIDE_VALID_RANGE");
    let fault = refusal(
        "Account",
        json!({"Name": "A", "NumberOfEmployees": 2_000_000_000}),
    );
    assert_eq!(fault.code, "NUMBER_OUTSIDE_VALID_RANGE");
}

#[test]
fn an_unrestricted_picklist_takes_any_value() {
    let (mut org, admin) = org();
    let id = create(
        &mut org,
        &admin,
        "Account",
        json!({"Name": "A", "Industry": "Canals"}),
    );
    let id = id.unwrap();
    assert_eq!(
        field(&org, &admin, "Account", &id, "Industry"),
        json!("Canals")
    );
}

#[test]
fn a_reference_must_name_a_live_record_of_the_right_object() {
    let (mut org, admin) = org();
    let account = account(&mut org, &admin);
    let mut refused = |value: &str| {
        let body = json!({"LastName": "A", "AccountId": value});
        let fault = create(&mut org, &admin, "Contact", body).unwrap_err();
        (fault.code, fault.message)
    };
    assert_eq!(
        refused("nonsense"),
        (
            "MALFORMED_ID",
            "Account ID: id value of incorrect type: nonsense".into()
        )
    );
    assert_eq!(
        refused(&admin.id),
        (
            "FIELD_INTEGRITY_EXCEPTION",
            format!("Account ID: id value of incorrect type: {}", admin.id)
        )
    );
    assert_eq!(
        refused("001000000000001AAA"),
        (
            "INVALID_CROSS_REFERENCE_KEY",
            "invalid cross reference id".into()
        )
    );
    org.delete(&admin, "Account", &account).unwrap();
    let body = json!({"LastName": "A", "AccountId": &*account});
    let fault = create(&mut org, &admin, "Contact", body).unwrap_err();
    assert_eq!(fault.code, "ENTITY_IS_DELETED");
}

#[test]
fn an_inactive_user_cannot_own() {
    let (mut org, admin) = org();
    let user = org.add_user("gone@example.com", "Gone", "User", "Standard User");
    update(
        &mut org,
        &admin,
        "User",
        &user.id,
        json!({"IsActive": false}),
    )
    .unwrap();
    let body = json!({"Name": "A", "OwnerId": &*user.id});
    let fault = create(&mut org, &admin, "Account", body).unwrap_err();
    assert_eq!(fault.code, "INACTIVE_OWNER_OR_USER");
}

#[test]
fn a_locked_record_and_the_children_that_would_lock_it_cannot_be_written() {
    let (mut org, admin) = org();
    let id = account(&mut org, &admin);
    org.lock_row(&id);
    let fault = update(&mut org, &admin, "Account", &id, json!({"Phone": "1"})).unwrap_err();
    assert_eq!(fault.code, "UNABLE_TO_LOCK_ROW");
    assert_eq!(
        fault.message,
        format!("unable to obtain exclusive access to this record or 1 records: {id}")
    );
    let child = json!({"LastName": "A", "AccountId": &*id});
    let fault = create(&mut org, &admin, "Contact", child.clone()).unwrap_err();
    assert_eq!(fault.code, "UNABLE_TO_LOCK_ROW");
    assert_eq!(
        org.delete(&admin, "Account", &id).unwrap_err().code,
        "UNABLE_TO_LOCK_ROW"
    );
    org.unlock_row(&id);
    create(&mut org, &admin, "Contact", child).unwrap();
}
