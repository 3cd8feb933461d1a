//! Records of every object: written, read, changed, found by external id,
//! deleted, through the sealed connector.

use lockgate::{Advice, Connection, Outcome, RecordResult, WriteOptions};
use lockgate_tests::org::{Site, create, demo_org, get, ids, query, records};
use serde_json::{Value as Json, json};

/// A managed package's object: its names carry a namespace, and nothing else is
/// special about it.
const NAMESPACED: &str = r#"
[[object]]
name = "acme__Widget__c"
label = "Widget"
plural = "Widgets"
owned = true
fields = [
    { name = "Name", label = "Widget Name", type = "string", length = 80, required = true, name_field = true },
    { name = "acme__Weight__c", label = "Weight", type = "double", precision = 10, scale = 2 },
    { name = "acme__Key__c", label = "Key", type = "string", length = 64, external_id = true, unique = true },
    { name = "acme__Code__c", label = "Code", type = "string", length = 64, external_id = true },
]
"#;

async fn site() -> Site {
    let mut config = demo_org();
    config.schema = config
        .schema
        .map(|schema| format!("{schema}\n{NAMESPACED}"));
    Site::with(config).await
}

/// An object's way through a record's whole life.
struct Life {
    object: &'static str,
    new: Json,
    /// A field and its later value.
    change: (&'static str, Json),
    /// The external id field, where the object can have one.
    key: Option<&'static str>,
}

fn only(results: Vec<RecordResult>) -> RecordResult {
    let [result] = <[RecordResult; 1]>::try_from(results).unwrap();
    result
}

/// Creates, reads, changes, upserts twice, and leaves the record there.
async fn live(crm: &Connection, life: &Life) -> String {
    let Life {
        object,
        new,
        change: (field, value),
        key,
    } = life;
    let id = create(crm, object, new.clone()).await;
    assert_eq!(id.len(), 18, "{object}");
    let names: Vec<&str> = new
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let read = get(crm, object, &[&id], &names).await;
    for name in names.iter().filter(|name| **name != "Content") {
        assert_eq!(read[0][name], new[name], "{object}.{name} in {}", read[0]);
    }
    // All fields, which is another route.
    let whole = get(crm, object, &[&id], &[]).await;
    assert_eq!(whole[0]["Id"], json!(id), "{object}");

    let rows = records(&json!([{ "Id": id, *field: value }]));
    let result = only(
        crm.update(object, &rows, WriteOptions::default())
            .await
            .unwrap(),
    );
    assert_eq!(result.outcome, Outcome::Updated, "{object}");
    if *field != "Content" {
        assert_eq!(
            get(crm, object, &[&id], &[field]).await[0][field],
            *value,
            "{object}"
        );
    }
    if let Some(key) = key {
        upsert_twice(crm, life, key).await;
    }
    id
}

/// 201 for one that is new, 200 for one that is there.
async fn upsert_twice(crm: &Connection, life: &Life, key: &str) {
    let Life { object, new, .. } = life;
    let mut row = new.clone();
    row[key] = json!("key/1 & more ü");
    let rows = records(&json!([row]));
    let first = only(
        crm.upsert(object, key, &rows, WriteOptions::default())
            .await
            .unwrap(),
    );
    assert_eq!(first.outcome, Outcome::Created, "{object}");
    let again = only(
        crm.upsert(object, key, &rows, WriteOptions::default())
            .await
            .unwrap(),
    );
    assert_eq!(again.outcome, Outcome::Updated, "{object}");
    assert_eq!(first.id, again.id, "{object}");
}

#[tokio::test]
async fn all_eight_objects_their_companions_and_custom_ones_live_their_whole_lives() {
    let site = site().await;
    let crm = site.crm().await;
    let life = |object, new, change, key| Life {
        object,
        new,
        change,
        key,
    };
    let external = Some("External_Id__c");
    let mut all: Vec<(&str, String)> = Vec::new();

    let account = live(
        &crm,
        &life(
            "Account",
            json!({"Name":"Acme","Phone":"1"}),
            ("Phone", json!("2")),
            external,
        ),
    )
    .await;
    all.push(("Account", account.clone()));
    let contact = json!({"LastName":"Doe","FirstName":"Jane","AccountId":account});
    all.push((
        "Contact",
        live(
            &crm,
            &life("Contact", contact, ("FirstName", json!("Joan")), external),
        )
        .await,
    ));
    let lead = json!({"LastName":"Roe","Company":"Initech"});
    all.push((
        "Lead",
        live(
            &crm,
            &life("Lead", lead, ("Company", json!("Initrode")), external),
        )
        .await,
    ));
    let product = live(
        &crm,
        &life(
            "Product2",
            json!({"Name":"Bolt","IsActive":true}),
            ("Name", json!("Nut")),
            external,
        ),
    )
    .await;
    all.push(("Product2", product.clone()));
    let book = query(&crm, "SELECT Id FROM Pricebook2 WHERE IsStandard = true").await;
    let book = book[0]["Id"].as_str().unwrap().to_owned();
    let price = json!({"Product2Id":product,"Pricebook2Id":book,"UnitPrice":10.5,"IsActive":true});
    let price = live(
        &crm,
        &life("PricebookEntry", price, ("UnitPrice", json!(11.0)), None),
    )
    .await;
    all.push(("PricebookEntry", price.clone()));
    let deal = json!({"Name":"Deal","StageName":"Prospecting","CloseDate":"2030-01-31","Pricebook2Id":book});
    let deal = live(
        &crm,
        &life(
            "Opportunity",
            deal,
            ("StageName", json!("Qualification")),
            external,
        ),
    )
    .await;
    all.push(("Opportunity", deal.clone()));
    let item =
        json!({"OpportunityId":deal,"PricebookEntryId":price,"Quantity":2.0,"UnitPrice":10.0});
    all.push((
        "OpportunityLineItem",
        live(
            &crm,
            &life("OpportunityLineItem", item, ("Quantity", json!(3.0)), None),
        )
        .await,
    ));
    let order = json!({"AccountId":account,"EffectiveDate":"2030-01-01","Status":"Draft","Pricebook2Id":book});
    let order = live(
        &crm,
        &life(
            "Order",
            order,
            ("EffectiveDate", json!("2030-02-01")),
            external,
        ),
    )
    .await;
    all.push(("Order", order.clone()));
    let item = json!({"OrderId":order,"PricebookEntryId":price,"Quantity":2.0,"UnitPrice":10.0});
    all.push((
        "OrderItem",
        live(
            &crm,
            &life("OrderItem", item, ("Quantity", json!(4.0)), None),
        )
        .await,
    ));
    let task =
        json!({"Subject":"Call","Status":"Not Started","Priority":"Normal","WhatId":account});
    all.push((
        "Task",
        live(
            &crm,
            &life("Task", task, ("Status", json!("Completed")), external),
        )
        .await,
    ));
    let note = json!({"Title":"Old","Body":"text","ParentId":account});
    all.push((
        "Note",
        live(&crm, &life("Note", note, ("Body", json!("other")), None)).await,
    ));
    let note = json!({"Title":"New","Content":"PGI+aGk8L2I+"});
    all.push((
        "ContentNote",
        live(
            &crm,
            &life("ContentNote", note, ("Title", json!("Newer")), None),
        )
        .await,
    ));
    let invoice = json!({"Account__c":account,"Amount__c":12.5,"Status__c":"Open","acme__Ledger_Code__c":"L-1"});
    all.push((
        "Invoice__c",
        live(
            &crm,
            &life(
                "Invoice__c",
                invoice,
                ("acme__Ledger_Code__c", json!("L-2")),
                external,
            ),
        )
        .await,
    ));
    let widget = json!({"Name":"Gear","acme__Weight__c":1.25});
    all.push((
        "acme__Widget__c",
        live(
            &crm,
            &life(
                "acme__Widget__c",
                widget,
                ("acme__Weight__c", json!(2.5)),
                Some("acme__Key__c"),
            ),
        )
        .await,
    ));

    // The other way round, since what depends goes first.
    for (object, id) in all.iter().rev() {
        let one = std::slice::from_ref(id);
        let result = only(
            crm.delete(object, one, WriteOptions::default())
                .await
                .unwrap(),
        );
        assert_eq!(result.outcome, Outcome::Deleted, "{object}");
        assert_eq!(
            get(&crm, object, &[id], &["Id"]).await,
            [Json::Null],
            "{object}"
        );
        let result = only(
            crm.delete(object, one, WriteOptions::default())
                .await
                .unwrap(),
        );
        let Outcome::Failed { problems } = result.outcome else {
            panic!("{object} was deleted twice")
        };
        assert_eq!(
            problems[0].advice,
            Advice::Refetch,
            "{object}: {problems:?}"
        );
    }
}

#[tokio::test]
async fn an_upsert_that_fits_two_records_names_them_and_one_without_its_field_says_so() {
    let site = site().await;
    let crm = site.crm().await;
    let twins = json!([
        {"Name":"a","acme__Code__c":"same"},
        {"Name":"b","acme__Code__c":"same"},
    ]);
    let made = crm
        .create("acme__Widget__c", &records(&twins), WriteOptions::default())
        .await
        .unwrap();
    let made = ids(&made);

    let row = records(&json!([{"Name":"c","acme__Code__c":"same"}]));
    let result = crm
        .upsert(
            "acme__Widget__c",
            "acme__Code__c",
            &row,
            WriteOptions::default(),
        )
        .await;
    let Outcome::Failed { problems } = only(result.unwrap()).outcome else {
        panic!("upserted twins")
    };
    assert_eq!(problems[0].advice, Advice::ResolveDuplicate);
    assert!(
        made.iter()
            .all(|id| problems[0].message.contains(id.as_str())),
        "{problems:?}"
    );

    let row = records(&json!([{"Name":"c","No_Such__c":"x"}]));
    let result = crm
        .upsert(
            "acme__Widget__c",
            "No_Such__c",
            &row,
            WriteOptions::default(),
        )
        .await;
    let Outcome::Failed { problems } = only(result.unwrap()).outcome else {
        panic!("upserted by nothing")
    };
    assert_eq!(problems[0].advice, Advice::FixSchema, "{problems:?}");
    assert_eq!(problems[0].fields, ["No_Such__c"]);
}

#[tokio::test]
async fn records_of_a_get_stand_in_the_order_of_the_ids_with_null_for_missing_ones() {
    let site = site().await;
    let crm = site.crm().await;
    let rows: Vec<Json> = (0..3).map(|n| json!({ "Name": format!("A{n}") })).collect();
    let made = crm
        .create("Account", &records(&json!(rows)), WriteOptions::default())
        .await
        .unwrap();
    let made = ids(&made);
    let gone = create(&crm, "Account", json!({"Name":"gone"})).await;
    crm.delete(
        "Account",
        std::slice::from_ref(&gone),
        WriteOptions::default(),
    )
    .await
    .unwrap();
    let wanted = [
        made[2].as_str(),
        gone.as_str(),
        made[0].as_str(),
        made[1].as_str(),
    ];
    let read = get(&crm, "Account", &wanted, &["Name"]).await;
    let names: Vec<&Json> = read.iter().map(|record| &record["Name"]).collect();
    assert_eq!(
        names,
        [&json!("A2"), &Json::Null, &json!("A0"), &json!("A1")]
    );
    assert_eq!(read[1], Json::Null);
}

#[tokio::test]
async fn a_key_of_a_record_keeps_its_place_and_unknown_ones_are_refused_by_name() {
    let site = site().await;
    let crm = site.crm().await;
    let row = records(&json!([{"Name":"A","No_Such_Field__c":1}]));
    let result = only(
        crm.create("Account", &row, WriteOptions::default())
            .await
            .unwrap(),
    );
    let Outcome::Failed { problems } = result.outcome else {
        panic!("a field that is not there")
    };
    assert_eq!(problems[0].advice, Advice::FixSchema);
    assert_eq!(problems[0].fields, ["No_Such_Field__c"]);
}
