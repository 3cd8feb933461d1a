//! Validation rules and duplicate rules from a schema file.

use serde_json::json;

use super::*;

const RULES: &str = r#"
[[validation]]
object = "opportunity"
when = [{ field = "amount", is = "less", value = 0 }]
message = "Amount must not be negative."
field = "Amount"

[[validation]]
object = "Account"
when = [{ field = "Site", is = "changed" }, { field = "Type", is = "equal", value = "prospect" }]
message = "Prospects do not move."

[[duplicate]]
object = "Contact"
name = "Standard_Contact_Duplicate_Rule"
match = ["Email", "LastName"]

[[duplicate]]
object = "Lead"
name = "No_Twins"
match = ["Email"]
action = "block"
"#;

#[test]
fn a_validation_rule_refuses_with_its_message_at_its_field() {
    let (mut org, admin) = org_with(RULES);
    let deal = json!({"Name": "D", "StageName": "Prospecting", "CloseDate": "2026-06-01",
        "Amount": -1});
    let fault = create(&mut org, &admin, "Opportunity", deal).unwrap_err();
    assert_eq!(fault.code, "FIELD_CUSTOM_VALIDATION_EXCEPTION");
    assert_eq!(fault.message, "Amount must not be negative.");
    assert_eq!(fault.fields, ["Amount"]);
}

#[test]
fn all_conditions_of_a_rule_must_hold() {
    let (mut org, admin) = org_with(RULES);
    let body = json!({"Name": "A", "Site": "North", "Type": "Prospect"});
    let id = create(&mut org, &admin, "Account", body).unwrap();
    update(&mut org, &admin, "Account", &id, json!({"Phone": "1"})).unwrap();
    let fault = update(&mut org, &admin, "Account", &id, json!({"Site": "South"})).unwrap_err();
    assert_eq!(fault.message, "Prospects do not move.");
    let moved = json!({"Site": "South", "Type": "Other"});
    update(&mut org, &admin, "Account", &id, moved).unwrap();
}

#[test]
fn an_alerting_duplicate_rule_is_passed_with_allow_save_and_a_blocking_one_is_not() {
    let (mut org, admin) = org_with(RULES);
    let allow = WriteOptions {
        allow_duplicates: true,
        ..WriteOptions::default()
    };
    let contact = json!({"LastName": "Doe", "Email": "jo@example.com"});
    let first = create(&mut org, &admin, "Contact", contact.clone()).unwrap();
    let twin = json!({"LastName": "DOE", "Email": "JO@example.com"});
    let fault = create(&mut org, &admin, "Contact", twin.clone()).unwrap_err();
    assert_eq!((fault.status, fault.code), (400, "DUPLICATES_DETECTED"));
    let shown = &fault.to_rest_json()[0];
    assert_eq!(shown["message"], json!("Use one of these records?"));
    let found = &shown["duplicateResut"];
    assert_eq!(
        found["duplicateRule"],
        json!("Standard_Contact_Duplicate_Rule")
    );
    assert_eq!(
        found["matchResults"][0]["matchRecords"][0]["record"]["Id"],
        json!(&*first)
    );
    org.create(&admin, "Contact", &body(twin), &allow).unwrap();
    let other = json!({"LastName": "Roe", "Email": "jo@example.com"});
    create(&mut org, &admin, "Contact", other).unwrap();
    let lead = json!({"LastName": "L", "Company": "C", "Email": "l@example.com"});
    create(&mut org, &admin, "Lead", lead.clone()).unwrap();
    let fault = org.create(&admin, "Lead", &body(lead), &allow).unwrap_err();
    assert_eq!(fault.code, "DUPLICATES_DETECTED");
}

#[test]
fn an_update_that_leaves_the_matched_fields_alone_is_no_duplicate() {
    let (mut org, admin) = org_with(RULES);
    let contact = json!({"LastName": "Doe", "Email": "jo@example.com"});
    let id = create(&mut org, &admin, "Contact", contact).unwrap();
    update(&mut org, &admin, "Contact", &id, json!({"Title": "T"})).unwrap();
    let other = json!({"LastName": "Doe", "Email": "j@example.com"});
    let other = create(&mut org, &admin, "Contact", other).unwrap();
    let email = json!({"Email": "jo@example.com"});
    let fault = update(&mut org, &admin, "Contact", &other, email).unwrap_err();
    assert_eq!(fault.code, "DUPLICATES_DETECTED");
}

#[test]
fn a_file_that_does_not_hold_together_is_refused_whole() {
    let mut schema = Schema::standard().unwrap();
    let before = schema.objects().count();
    for (file, why) in [
        ("nonsense", "expected"),
        (
            "[[extend]]\nobject = \"Nope\"\nfields = []",
            "no object Nope",
        ),
        (
            "[[extend]]\nobject = \"Account\"\nfields = [{ name = \"Name\", type = \"string\" }]",
            "Account.Name is declared twice",
        ),
        (
            "[[object]]\nname = \"A__c\"\nlabel = \"A\"\nplural = \"A\"\n\
             fields = [{ name = \"B__c\", type = \"reference\", to = [\"C__c\"] }]",
            "A__c.B__c refers to C__c",
        ),
        (
            "[[validation]]\nobject = \"Account\"\nmessage = \"\"\n\
             when = [{ field = \"Nope\", is = \"blank\" }]",
            "a rule names Account.Nope",
        ),
    ] {
        let error = schema.extend(file).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(schema.objects().count(), before);
    }
}
