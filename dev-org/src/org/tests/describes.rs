//! The data model as users see it.

use serde_json::json;

use super::super::Urls;
use super::*;

const URLS: Urls<'_> = Urls {
    version: "v60.0",
    origin: "http://127.0.0.1",
};
/// The keys of a field in describe, in their order.
const FIELD_KEYS: &str = "aggregatable aiPredictionField autoNumber byteLength calculated \
    calculatedFormula cascadeDelete caseSensitive compoundFieldName controllerName createable \
    custom defaultValue defaultValueFormula defaultedOnCreate dependentPicklist \
    deprecatedAndHidden digits displayLocationInDecimal encrypted externalId extraTypeInfo \
    filterable filteredLookupInfo formulaTreatNullNumberAsZero groupable highScaleNumber \
    htmlFormatted idLookup inlineHelpText label length mask maskType name nameField namePointing \
    nillable permissionable picklistValues polymorphicForeignKey precision queryByDistance \
    referenceTargetField referenceTo relationshipName relationshipOrder restrictedDelete \
    restrictedPicklist scale searchPrefilterable soapType sortable type unique updateable \
    writeRequiresMasterRead";

fn describe(org: &Org, who: &User, object: &str) -> Json {
    org.describe(who, object, URLS).unwrap()
}

fn described<'a>(describe: &'a Json, field: &str) -> &'a Json {
    let fields = describe["fields"].as_array().unwrap();
    fields.iter().find(|entry| entry["name"] == field).unwrap()
}

#[test]
fn every_field_has_all_keys_of_a_real_describe_in_order() {
    let (org, admin) = org();
    let expected: Vec<&str> = FIELD_KEYS.split_whitespace().collect();
    for object in org.schema.objects() {
        for field in describe(&org, &admin, &object.name)["fields"]
            .as_array()
            .unwrap()
        {
            let keys: Vec<&String> = field.as_object().unwrap().keys().collect();
            assert_eq!(keys, expected);
        }
    }
}

#[test]
fn the_standard_fields_are_those_of_a_real_org() {
    let (org, admin) = org();
    let lead = describe(&org, &admin, "Lead");
    let status = described(&lead, "Status");
    assert_eq!(status["defaultedOnCreate"], json!(true));
    assert_eq!(status["nillable"], json!(false));
    assert_eq!(status["defaultValue"], json!("Open - Not Contacted"));
    assert_eq!(
        status["picklistValues"][0],
        json!({"active": true, "defaultValue": true, "label": "Open - Not Contacted",
            "validFor": null, "value": "Open - Not Contacted"})
    );
    let street = described(&lead, "Street");
    assert_eq!(street["compoundFieldName"], json!("Address"));
    assert_eq!(street["byteLength"], json!(765));
    let latitude = described(&lead, "Latitude");
    assert_eq!(
        (&latitude["precision"], &latitude["scale"]),
        (&json!(18), &json!(15))
    );
    let address = described(&lead, "Address");
    assert_eq!(address["soapType"], json!("urn:address"));
    assert_eq!(address["queryByDistance"], json!(true));
    let task = describe(&org, &admin, "Task");
    let who = described(&task, "WhoId");
    assert_eq!(who["referenceTo"], json!(["Contact", "Lead"]));
    assert_eq!(who["polymorphicForeignKey"], json!(true));
    assert_eq!(who["relationshipName"], json!("Who"));
}

#[test]
fn what_a_create_must_set_is_what_the_object_needs() {
    let (org, admin) = org();
    for (object, needed) in [
        ("Account", vec!["Name"]),
        ("Contact", vec!["LastName"]),
        ("Lead", vec!["LastName", "Company"]),
        ("Opportunity", vec!["Name", "StageName", "CloseDate"]),
        ("Task", vec![]),
        ("Note", vec!["ParentId", "Title"]),
        ("ContentNote", vec!["Title"]),
        ("Order", vec!["AccountId", "EffectiveDate", "Status"]),
        ("Product2", vec!["Name"]),
        (
            "PricebookEntry",
            vec!["Pricebook2Id", "Product2Id", "UnitPrice"],
        ),
    ] {
        let describe = describe(&org, &admin, object);
        let required: Vec<&str> = describe["fields"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|field| {
                field["createable"] == true
                    && field["nillable"] == false
                    && field["defaultedOnCreate"] == false
            })
            .filter_map(|field| field["name"].as_str())
            .collect();
        assert_eq!(required, needed, "{object}");
    }
}

#[test]
fn key_prefixes_are_the_real_ones() {
    let (org, _) = org();
    for (object, prefix) in [
        ("Account", "001"),
        ("Note", "002"),
        ("Contact", "003"),
        ("User", "005"),
        ("Opportunity", "006"),
        ("Lead", "00Q"),
        ("Task", "00T"),
        ("OpportunityLineItem", "00k"),
        ("AssignmentRule", "01Q"),
        ("Pricebook2", "01s"),
        ("Product2", "01t"),
        ("PricebookEntry", "01u"),
        ("ContentVersion", "068"),
        ("ContentDocument", "069"),
        ("ContentDocumentLink", "06A"),
        ("Order", "801"),
        ("OrderItem", "802"),
        ("Invoice__c", "a00"),
    ] {
        let found = org.schema.object(object).unwrap();
        assert_eq!(found.key_prefix.as_deref(), Some(prefix));
        assert_eq!(org.schema.object_of_id(prefix).unwrap().name, object);
    }
}

#[test]
fn describe_shows_only_what_the_user_may_see_and_change() {
    use crate::user::ObjectPermissions;
    let (mut org, _) = org();
    org.change_user(ADMIN, |user| {
        user.hide_field("Account", "Phone");
        user.lock_field("Account", "Fax");
        user.set_object_permissions("Account", ObjectPermissions::READ_ONLY);
        user.set_object_permissions("Contact", ObjectPermissions::NONE);
    });
    let admin = org.user(ADMIN).unwrap();
    let account = describe(&org, &admin, "Account");
    assert_eq!(account["createable"], json!(false));
    assert_eq!(described(&account, "Fax")["updateable"], json!(false));
    let fields = account["fields"].as_array().unwrap();
    assert!(fields.iter().all(|field| field["name"] != "Phone"));
    let children = account["childRelationships"].as_array().unwrap();
    assert!(
        children
            .iter()
            .all(|child| child["childSObject"] != "Contact")
    );
    assert!(org.describe(&admin, "Contact", URLS).is_err());
    let global = org.describe_global(&admin, URLS);
    let names = global["sobjects"].as_array().unwrap();
    assert!(names.iter().all(|object| object["name"] != "Contact"));
}

#[test]
fn children_are_named_as_in_a_real_org() {
    let (org, _) = org();
    let child = |object: &str, name: &str| {
        let child = org.schema.object(object).unwrap().child(name).unwrap();
        (
            child.object.clone(),
            child.field.clone(),
            child.cascade_delete,
        )
    };
    assert_eq!(
        child("Account", "contacts"),
        ("Contact".into(), "AccountId".into(), true)
    );
    assert_eq!(
        child("Account", "Tasks"),
        ("Task".into(), "WhatId".into(), true)
    );
    assert_eq!(
        child("Lead", "Tasks"),
        ("Task".into(), "WhoId".into(), true)
    );
    assert_eq!(
        child("Order", "OrderItems"),
        ("OrderItem".into(), "OrderId".into(), true)
    );
    assert_eq!(
        child("Account", "Invoices__r"),
        ("Invoice__c".into(), "Account__c".into(), false)
    );
    assert_eq!(
        child("Invoice__c", "Tasks"),
        ("Task".into(), "WhatId".into(), true)
    );
}

#[test]
fn describe_global_lists_every_object_with_its_urls() {
    let (org, admin) = org();
    let global = org.describe_global(&admin, URLS);
    assert_eq!(global["maxBatchSize"], json!(200));
    let objects = global["sobjects"].as_array().unwrap();
    assert_eq!(objects.len(), org.schema.objects().count());
    let account = objects
        .iter()
        .find(|object| object["name"] == "Account")
        .unwrap();
    assert_eq!(
        account["urls"]["rowTemplate"],
        json!("/services/data/v60.0/sobjects/Account/{ID}")
    );
    assert_eq!(account["mergeable"], json!(true));
}
