//! What an org may have switched on: record types, person accounts, several
//! currencies.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use dev_org::Config;
use serde_json::json;
use support::{Session, read, start, start_with, start_with_schema};

const TYPES: &str = r#"
[[extend]]
object = "Account"
fields = [{ name = "Tier__c", type = "picklist", restricted = true, values = ["Gold", "Silver", "Lead"] }]

[[record_type]]
object = "Account"
name = "Customer"
picklists = { Tier__c = ["Gold", "Silver"], Type = ["Other"] }

[[record_type]]
object = "Account"
name = "Partner Firm"
default = true
"#;

impl Session {
    async fn record_type(&self, name: &str) -> String {
        let soql = format!("SELECT Id FROM RecordType WHERE DeveloperName = '{name}'");
        self.select(&soql).await[0]["Id"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

#[tokio::test]
async fn describe_lists_record_types_and_the_master_last() {
    let session = start_with_schema(TYPES).await;
    let (_, body) = read(session.get("/sobjects/Account/describe").await).await;
    let infos = body["recordTypeInfos"].as_array().unwrap();
    let seen: Vec<_> = infos
        .iter()
        .map(|info| {
            (
                info["developerName"].as_str().unwrap(),
                info["defaultRecordTypeMapping"] == true,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("Customer", false),
            ("Partner_Firm", true),
            ("Master", false)
        ]
    );
    assert_eq!(infos[2]["recordTypeId"], "012000000000000AAA");
    // An object without record types has no field for them.
    let (_, contact) = read(session.get("/sobjects/Contact/describe").await).await;
    let fields = contact["fields"].as_array().unwrap();
    assert!(fields.iter().all(|field| field["name"] != "RecordTypeId"));
}

#[tokio::test]
async fn a_record_has_the_default_record_type_unless_it_names_one_of_its_object() {
    let session = start_with_schema(TYPES).await;
    session.made("Account", json!({ "Name": "A" })).await;
    let records = session.select("SELECT RecordType.Name FROM Account").await;
    assert_eq!(records[0]["RecordType"]["Name"], "Partner Firm");
    let wrong = json!({ "Name": "B", "RecordTypeId": "012000000000000AAA" });
    let (status, body) = session.make("Account", wrong).await;
    assert_eq!(status, 400, "{body}");
}

#[tokio::test]
async fn a_restricted_picklist_keeps_to_the_record_type() {
    let session = start_with_schema(TYPES).await;
    let customer = session.record_type("Customer").await;
    let body = json!({ "Name": "A", "Tier__c": "Lead", "RecordTypeId": customer });
    let (_, refused) = session.make("Account", body).await;
    assert_eq!(
        refused[0]["errorCode"],
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    );
    session
        .made("Account", json!({ "Name": "A", "Tier__c": "Lead" }))
        .await;
    let body = json!({ "Name": "A", "Tier__c": "Gold", "RecordTypeId": customer });
    session.made("Account", body).await;
}

#[tokio::test]
async fn picklist_values_are_those_of_the_record_type() {
    let session = start_with_schema(TYPES).await;
    let customer = session.record_type("Customer").await;
    let root = "/ui-api/object-info/Account/picklist-values";
    let (status, body) = read(session.get(&format!("{root}/{customer}")).await).await;
    assert_eq!(status, 200, "{body}");
    let values = |field: &str| {
        let values = body["picklistFieldValues"][field]["values"]
            .as_array()
            .unwrap();
        values
            .iter()
            .map(|value| value["value"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(values("Tier__c"), ["Gold", "Silver"]);
    assert_eq!(values("Type"), ["Other"]);
    assert_eq!(values("Rating"), ["Hot", "Warm", "Cold"]);
    let one = format!("{root}/012000000000000AAA/Tier__c");
    let (_, body) = read(session.get(&one).await).await;
    assert_eq!(body["values"].as_array().unwrap().len(), 3);
    assert_eq!(body["url"], format!("/services/data/v60.0{one}"));
    assert_eq!(
        body["values"][0],
        json!({ "attributes": null, "label": "Gold", "validFor": [], "value": "Gold" })
    );
    let missing = session.get(&format!("{root}/012000000000001AAA")).await;
    assert_eq!(missing.status(), 404);
}

#[tokio::test]
async fn layouts_say_which_record_type_shows_what() {
    let session = start_with_schema(TYPES).await;
    let (status, body) = read(session.get("/sobjects/Account/describe/layouts").await).await;
    assert_eq!(status, 200);
    assert_eq!(body["recordTypeMappings"].as_array().unwrap().len(), 3);
    assert_eq!(
        body["recordTypeMappings"][0]["layoutId"],
        body["layouts"][0]["id"]
    );
    assert_eq!(body["recordTypeSelectorRequired"], json!([true]));
    let picklists = body["recordTypeMappings"][0]["picklistsForRecordType"]
        .as_array()
        .unwrap();
    let tier = picklists
        .iter()
        .find(|one| one["picklistName"] == "Tier__c")
        .unwrap();
    assert_eq!(tier["picklistValues"].as_array().unwrap().len(), 2);
    let item = &body["layouts"][0]["editLayoutSections"][0]["layoutRows"][0]["layoutItems"][0];
    assert_eq!(item["layoutComponents"][0]["type"], "Field");
    let master = "/sobjects/Account/describe/layouts/012000000000000AAA";
    let (_, one) = read(session.get(master).await).await;
    assert_eq!(one["id"], body["layouts"][0]["id"]);
    let none = session.get("/sobjects/LeadStatus/describe/layouts").await;
    assert_eq!(none.status(), 404);
}

const PERSONS: &str = "[org]\nperson_accounts = true";

#[tokio::test]
async fn an_account_with_a_last_name_is_a_person_with_a_contact() {
    let session = start_with_schema(PERSONS).await;
    let body = json!({ "LastName": "Doe", "FirstName": "Jo", "PersonEmail": "jo@example.com" });
    let id = session.made("Account", body).await;
    let path = format!("/sobjects/Account/{id}");
    let (_, account) = read(session.get(&path).await).await;
    assert_eq!(
        (&account["Name"], &account["IsPersonAccount"]),
        (&json!("Jo Doe"), &json!(true))
    );
    let patched = session
        .send("PATCH", &path, &json!({ "LastName": "Roe" }))
        .await;
    assert_eq!(patched.status(), 204);
    let contacts = session
        .select("SELECT Id, Name, Email, AccountId, IsPersonAccount FROM Contact")
        .await;
    assert_eq!(contacts[0]["Id"], account["PersonContactId"]);
    assert_eq!(
        (&contacts[0]["Name"], &contacts[0]["Email"]),
        (&json!("Jo Roe"), &json!("jo@example.com"))
    );
    assert_eq!(contacts[0]["AccountId"], json!(id));
    let types = session
        .select("SELECT RecordType.DeveloperName FROM Account")
        .await;
    assert_eq!(types[0]["RecordType"]["DeveloperName"], "PersonAccount");
}

#[tokio::test]
async fn the_contact_of_a_person_goes_with_its_account_only() {
    let session = start_with_schema(PERSONS).await;
    let id = session.made("Account", json!({ "LastName": "Doe" })).await;
    let contacts = session.select("SELECT Id FROM Contact").await;
    let contact = contacts[0]["Id"].as_str().unwrap();
    let delete = async |path: String| {
        let response = session.request("DELETE", &path).send().await.unwrap();
        response.status().as_u16()
    };
    assert_eq!(delete(format!("/sobjects/Contact/{contact}")).await, 400);
    assert_eq!(delete(format!("/sobjects/Account/{id}")).await, 204);
    assert!(session.select("SELECT Id FROM Contact").await.is_empty());
}

#[tokio::test]
async fn an_org_with_everything_switched_on_fills_itself_like_any_other() {
    let session = start_with(Config {
        schema: Some(format!(
            "{TYPES}\n[org]\nperson_accounts = true\ncurrencies = [{{ code = \"EUR\" }}, {{ code = \"USD\", rate = 1.1 }}]"
        )),
        records: 500,
        ..Config::default()
    })
    .await;
    let accounts = session
        .select("SELECT RecordType.Name, CurrencyIsoCode, IsPersonAccount FROM Account LIMIT 1")
        .await;
    assert_eq!(accounts[0]["RecordType"]["Name"], "Partner Firm");
    assert_eq!(accounts[0]["CurrencyIsoCode"], "EUR");
    assert_eq!(accounts[0]["IsPersonAccount"], false);
    let items = session
        .select("SELECT CurrencyIsoCode FROM OrderItem LIMIT 1")
        .await;
    assert_eq!(items[0]["CurrencyIsoCode"], "EUR");
}

#[tokio::test]
async fn a_person_has_no_company_name_and_a_company_no_last_name() {
    let session = start_with_schema(PERSONS).await;
    let (_, refused) = session
        .make("Account", json!({ "Name": "N", "LastName": "L" }))
        .await;
    assert_eq!(refused[0]["errorCode"], "INVALID_FIELD_FOR_INSERT_UPDATE");
    let id = session.made("Account", json!({ "Name": "Firm" })).await;
    let path = format!("/sobjects/Account/{id}");
    let (status, _) = read(
        session
            .send("PATCH", &path, &json!({ "PersonTitle": "CEO" }))
            .await,
    )
    .await;
    assert_eq!(status, 400);
    let (_, refused) = session.make("Account", json!({ "Phone": "1" })).await;
    assert_eq!(refused[0]["fields"], json!(["Name"]));
    // Without the switch the fields are not there at all.
    let plain = start().await;
    let (_, refused) = plain.make("Account", json!({ "LastName": "L" })).await;
    assert_eq!(refused[0]["errorCode"], "INVALID_FIELD");
}

const CURRENCIES: &str = r#"
[org]
currencies = [{ code = "USD" }, { code = "EUR", rate = 0.9 }]
"#;

#[tokio::test]
async fn records_with_money_have_one_of_the_orgs_currencies() {
    let session = start_with_schema(CURRENCIES).await;
    let types = session
        .select("SELECT IsoCode, ConversionRate, IsCorporate FROM CurrencyType ORDER BY IsoCode")
        .await;
    assert_eq!(types[0]["IsCorporate"], true);
    assert_eq!(
        (&types[1]["IsoCode"], &types[1]["ConversionRate"]),
        (&json!("EUR"), &json!(0.9))
    );
    session.made("Account", json!({ "Name": "A" })).await;
    session
        .made("Account", json!({ "Name": "B", "CurrencyIsoCode": "EUR" }))
        .await;
    let accounts = session
        .select("SELECT CurrencyIsoCode FROM Account ORDER BY Name")
        .await;
    assert_eq!(accounts[0]["CurrencyIsoCode"], "USD");
    assert_eq!(accounts[1]["CurrencyIsoCode"], "EUR");
    let (_, refused) = session
        .make("Account", json!({ "Name": "C", "CurrencyIsoCode": "XYZ" }))
        .await;
    assert_eq!(
        refused[0]["errorCode"],
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    );
    // An org with one currency has neither the field nor the object.
    let plain = start().await;
    let (_, refused) = plain
        .make("Account", json!({ "Name": "C", "CurrencyIsoCode": "EUR" }))
        .await;
    assert_eq!(refused[0]["errorCode"], "INVALID_FIELD");
}

#[tokio::test]
async fn a_product_has_a_price_for_each_currency_and_an_item_takes_that_of_its_parent() {
    let session = start_with_schema(CURRENCIES).await;
    let product = session
        .made("Product2", json!({ "Name": "P", "IsActive": true }))
        .await;
    let book = session
        .select("SELECT Id FROM Pricebook2 WHERE IsStandard = true")
        .await;
    let book = book[0]["Id"].as_str().unwrap();
    let price = |currency: &str| {
        json!({ "Product2Id": product, "Pricebook2Id": book, "UnitPrice": 5, "IsActive": true,
            "CurrencyIsoCode": currency })
    };
    session.made("PricebookEntry", price("USD")).await;
    let euro = session.made("PricebookEntry", price("EUR")).await;
    let (_, refused) = session.make("PricebookEntry", price("EUR")).await;
    assert_eq!(refused[0]["errorCode"], "DUPLICATE_VALUE");
    let deal = async |currency: &str| {
        let body = json!({ "Name": "D", "StageName": "Prospecting", "CloseDate": "2026-05-01",
            "Pricebook2Id": book, "CurrencyIsoCode": currency });
        session.made("Opportunity", body).await
    };
    let item = |deal: &str| json!({ "OpportunityId": deal, "PricebookEntryId": euro, "Quantity": 1, "UnitPrice": 5 });
    let (_, refused) = session
        .make("OpportunityLineItem", item(&deal("USD").await))
        .await;
    assert_eq!(refused[0]["errorCode"], "FIELD_INTEGRITY_EXCEPTION");
    session
        .made("OpportunityLineItem", item(&deal("EUR").await))
        .await;
}
