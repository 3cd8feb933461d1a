//! What an org may have switched on, and what it asks of those who write:
//! person accounts, several currencies, record types; and lookups that may lead
//! to records of several objects.

use lockgate::{Advice, Connection, Outcome, RecordResult, WriteOptions};
use lockgate_tests::org::{Site, create, demo_org, ids, query, records};
use serde_json::{Value as Json, json};

const WAYS: [&str; 2] = ["collections", "bulk"];

async fn with(schema: &str) -> Site {
    let mut config = demo_org();
    config.schema = config.schema.map(|demo| format!("{demo}\n{schema}"));
    Site::with(config).await
}

async fn written(crm: &Connection, object: &str, rows: &Json, way: &str) -> Vec<RecordResult> {
    let options = WriteOptions {
        way: Some(way.to_owned()),
        ..WriteOptions::default()
    };
    crm.create(object, &records(rows), options).await.unwrap()
}

fn codes(results: &[RecordResult]) -> Vec<&str> {
    results
        .iter()
        .map(|result| match &result.outcome {
            Outcome::Failed { problems } => problems[0].code.as_str(),
            _ => "ok",
        })
        .collect()
}

#[tokio::test]
async fn people_are_accounts_that_are_written_and_read_by_every_way() {
    let site = with("[org]\nperson_accounts = true").await;
    let crm = site.crm().await;
    let described = crm.describe("Account").await.unwrap();
    let has = |name: &str| described.fields.iter().any(|field| field.name == name);
    assert!(has("PersonEmail") && has("IsPersonAccount"));
    for way in WAYS {
        let person = |n: usize| json!({ "LastName": format!("{way}{n}"), "PersonEmail": format!("{way}{n}@example.com") });
        let both = json!({ "Name": "Acme", "LastName": "Doe" });
        let rows = json!([person(0), { "Name": way }, person(1), both]);
        let results = written(&crm, "Account", &rows, way).await;
        assert_eq!(codes(&results)[..3], ["ok", "ok", "ok"], "{results:?}");
        assert_ne!(codes(&results)[3], "ok", "a person has no company's name");
        let soql = format!(
            "SELECT Name, IsPersonAccount, PersonContact.Email FROM Account WHERE Id IN ('{}', '{}') ORDER BY IsPersonAccount",
            results[0].id.as_deref().unwrap(),
            results[1].id.as_deref().unwrap()
        );
        let found = query(&crm, &soql).await;
        assert_eq!(found[0]["IsPersonAccount"], false);
        assert_eq!(found[1]["Name"], format!("{way}0"));
        assert_eq!(
            found[1]["PersonContact"]["Email"],
            format!("{way}0@example.com")
        );
    }
}

#[tokio::test]
async fn records_take_one_of_the_orgs_currencies_and_prices_one_for_each() {
    let site =
        with("[org]\ncurrencies = [{ code = \"USD\" }, { code = \"EUR\", rate = 0.9 }]").await;
    let crm = site.crm().await;
    for way in WAYS {
        let deal = |currency: Json| {
            json!({ "Name": way, "StageName": "Prospecting", "CloseDate": "2030-01-31",
                "Amount": 10.50, "CurrencyIsoCode": currency })
        };
        let rows = json!([deal(json!("EUR")), deal(json!("XYZ"))]);
        let results = written(&crm, "Opportunity", &rows, way).await;
        assert_eq!(
            codes(&results),
            ["ok", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"]
        );
        let soql = format!(
            "SELECT CurrencyIsoCode, Amount FROM Opportunity WHERE Id = '{}'",
            results[0].id.as_deref().unwrap()
        );
        assert_eq!(query(&crm, &soql).await[0]["CurrencyIsoCode"], "EUR");
    }
    let product = create(&crm, "Product2", json!({"Name":"Bolt","IsActive":true})).await;
    for (currency, amount) in [("USD", 10), ("EUR", 9)] {
        let input = json!({ "product": product, "unit_price": amount, "currency": currency });
        let set = crm.invoke("set-price", &input).await.unwrap();
        assert_eq!(set["price"]["outcome"], "created", "{currency}");
        let again = crm.invoke("set-price", &input).await.unwrap();
        assert_eq!(again["price"]["entry"], set["price"]["entry"]);
        assert_eq!(again["price"]["outcome"], "unchanged");
    }
    let prices = query(
        &crm,
        "SELECT CurrencyIsoCode FROM PricebookEntry ORDER BY CurrencyIsoCode",
    )
    .await;
    assert_eq!(prices.len(), 2);
}

#[tokio::test]
async fn a_record_type_is_given_by_its_id_and_restricts_its_picklists() {
    let site = with(
        r#"
[[extend]]
object = "Account"
fields = [{ name = "Tier__c", type = "picklist", restricted = true, values = ["Gold", "Lead"] }]

[[record_type]]
object = "Account"
name = "Customer"
picklists = { Tier__c = ["Gold"] }
"#,
    )
    .await;
    let crm = site.crm().await;
    let types = query(
        &crm,
        "SELECT Id FROM RecordType WHERE DeveloperName = 'Customer'",
    )
    .await;
    let kind = types[0]["Id"].as_str().unwrap();
    for way in WAYS {
        let rows = json!([
            { "Name": "A", "RecordTypeId": kind, "Tier__c": "Gold" },
            { "Name": "B", "RecordTypeId": kind, "Tier__c": "Lead" },
            { "Name": "C", "RecordTypeId": "012000000000001AAA" },
        ]);
        let results = written(&crm, "Account", &rows, way).await;
        assert_eq!(codes(&results)[0], "ok", "{results:?}");
        assert_eq!(
            codes(&results)[1],
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        );
        assert_ne!(codes(&results)[2], "ok");
        let soql = format!(
            "SELECT RecordType.DeveloperName FROM Account WHERE Id = '{}'",
            results[0].id.as_deref().unwrap()
        );
        let found = query(&crm, &soql).await;
        assert_eq!(found[0]["RecordType"]["DeveloperName"], "Customer");
    }
}

#[tokio::test]
async fn lookups_to_several_objects_are_written_by_external_id_by_every_way() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let people = json!([{"LastName":"Doe","Email":"jane@example.com"}]);
    let contacts = ids(&crm
        .create("Contact", &records(&people), Default::default())
        .await
        .unwrap());
    let account = create(
        &crm,
        "Account",
        json!({"Name":"A","External_Id__c":"acme/1"}),
    )
    .await;
    let task = || {
        // The attributes stand where a caller happened to put them.
        json!({
            "Subject": "Call",
            "Who": { "Email": "jane@example.com", "attributes": { "type": "Contact" } },
            "What": { "attributes": { "type": "Account" }, "External_Id__c": "acme/1" },
            "Owner": { "Username": "admin@example.com", "attributes": { "type": "User" } },
        })
    };
    let mut tasks = vec![create(&crm, "Task", task()).await];
    for way in WAYS {
        let results = written(&crm, "Task", &json!([task(), task()]), way).await;
        tasks.extend(ids(&results));
    }
    let soql = "SELECT WhoId, WhatId, Owner.Name, TYPEOF Who WHEN Contact THEN Email END FROM Task";
    let found = query(&crm, soql).await;
    assert_eq!(found.len(), tasks.len());
    for one in &found {
        assert_eq!(one["WhoId"], json!(contacts[0]), "{one}");
        assert_eq!(one["WhatId"], json!(account));
        assert_eq!(one["Who"]["Email"], "jane@example.com");
    }
    // Without its object, nobody knows which is meant.
    let unclear = json!([{ "Subject": "Call", "Who": { "Email": "jane@example.com" } },
        { "Subject": "Call", "Who": { "attributes": { "type": "Contact" }, "Email": "nobody@example.com" } }]);
    let rows = records(&unclear);
    match crm.create("Task", &rows, Default::default()).await {
        Ok(results) => assert!(!codes(&results).contains(&"ok"), "{results:?}"),
        Err(lockgate::Error::Refused { problem, .. }) => {
            assert_eq!(problem.advice, Advice::FixRecord, "{problem:?}");
        }
        Err(error) => panic!("{error:?}"),
    }
}
