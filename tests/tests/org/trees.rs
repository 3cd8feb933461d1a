//! Records that are written with those that they hold: in one call where that can
//! be, whole or not at all, and level by level where it cannot.

use lockgate::{Advice, Connection, Outcome, RecordResult, WriteOptions};
use lockgate_tests::org::{Site, create, query, records};
use serde_json::{Value as Json, json};

const KEY: &str = "External_Id__c";

fn held(records: &[Json]) -> Json {
    json!({ "records": records })
}

fn contacts(n: usize) -> Vec<Json> {
    let names = (0..n).map(|at| json!({ "LastName": format!("c{at}") }));
    names.collect()
}

fn by(way: &str) -> WriteOptions {
    WriteOptions {
        way: Some(way.to_owned()),
        ..WriteOptions::default()
    }
}

/// Writes rows, and gives the results with the calls that it cost.
async fn created(
    site: &Site,
    crm: &Connection,
    rows: &[Json],
    options: WriteOptions,
) -> (Vec<RecordResult>, u64) {
    let before = site.control.quota().used;
    let results = crm.create("Account", &records(&json!(rows)), options).await;
    (results.unwrap(), site.control.quota().used - before)
}

async fn count(crm: &Connection, object: &str) -> usize {
    query(crm, &format!("SELECT Id FROM {object}")).await.len()
}

/// A price that order products can be of, and its book.
async fn price(crm: &Connection) -> (Json, Json) {
    let product = create(crm, "Product2", json!({ "Name": "P", "IsActive": true })).await;
    let books = query(crm, "SELECT Id FROM Pricebook2 WHERE IsStandard = true").await;
    let book = books[0]["Id"].clone();
    let input = json!({ "product": product, "price_book": book, "unit_price": 9 });
    let set = crm.invoke("set-price", &input).await.unwrap();
    (set["price"]["entry"].clone(), book)
}

#[tokio::test]
async fn an_account_with_contacts_and_an_order_with_products_is_one_call_whole_or_not_at_all() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let (entry, book) = price(&crm).await;
    let item = json!({ "PricebookEntryId": entry, "Quantity": 2, "UnitPrice": 9 });
    let order = json!({
        "EffectiveDate": "2030-01-01", "Status": "Draft", "Pricebook2Id": book,
        "OrderItems": held(&[item.clone(), item.clone()]),
    });
    let account = |name: &str, order: &Json| json!({ "Name": name, "Contacts": held(&contacts(2)), "Orders": held(std::slice::from_ref(order)) });
    let mut wrong = order.clone();
    wrong["OrderItems"]["records"][1]["Quantity"] = json!("many");
    let rows = [
        account("Good", &order),
        account("Bad", &wrong),
        json!({ "Name": "Alone" }),
    ];
    let (results, calls) = created(&site, &crm, &rows, WriteOptions::default()).await;
    // A description each of the account and the order, and one graph request.
    assert_eq!(calls, 3);

    let good = &results[0];
    assert!(good.is_ok(), "{good:?}");
    let places: Vec<&str> = good
        .related
        .iter()
        .map(|related| &*related.pointer)
        .collect();
    assert_eq!(
        places,
        [
            "/Contacts/records/0",
            "/Contacts/records/1",
            "/Orders/records/0",
            "/Orders/records/0/OrderItems/records/0",
            "/Orders/records/0/OrderItems/records/1",
        ]
    );
    let soql = "SELECT Id, Order.AccountId FROM OrderItem";
    let items = query(&crm, soql).await;
    assert_eq!(items.len(), 2);
    for item in &items {
        assert_eq!(item["Order"]["AccountId"].as_str(), good.id.as_deref());
        assert!(
            good.related
                .iter()
                .any(|related| related.id.as_deref() == item["Id"].as_str())
        );
    }

    let bad = &results[1];
    assert!(!bad.is_ok());
    let advice = |outcome: &Outcome| match outcome {
        Outcome::Failed { problems } => problems[0].advice,
        outcome => panic!("{outcome:?}"),
    };
    assert_eq!(advice(&bad.outcome), Advice::RolledBack);
    let blamed = bad
        .related
        .iter()
        .filter(|related| advice(&related.outcome) == Advice::FixRecord);
    let blamed: Vec<&str> = blamed.map(|related| &*related.pointer).collect();
    assert_eq!(blamed, ["/Orders/records/0/OrderItems/records/1"]);
    assert!(results[2].is_ok());
    assert_eq!(count(&crm, "Account").await, 2);
    assert_eq!(count(&crm, "Contact").await, 2);
}

#[tokio::test]
async fn what_a_query_gave_is_upserted_into_another_org_and_again_without_doubles() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let rows: Vec<Json> = (0..100)
        .map(|at| {
            let key = format!("k{at}");
            let contact = json!({
                "attributes": { "type": "Contact", "key_field": KEY },
                KEY: key, "LastName": format!("c{at}"),
            });
            json!({ KEY: key, "Name": format!("A{at}"), "Contacts": held(&[contact]), "Orders": null })
        })
        .collect();
    let rows = records(&json!(rows));
    for wanted in [Outcome::Created, Outcome::Updated] {
        site.control.clear_requests();
        let results = crm
            .upsert("Account", KEY, &rows, WriteOptions::default())
            .await
            .unwrap();
        for result in &results {
            assert_eq!(
                (&result.outcome, &result.related[0].outcome),
                (&wanted, &wanted)
            );
        }
        // 75 graphs go in one request.
        assert_eq!(site.count("POST", "/composite/graph"), 2);
    }
    let soql = "SELECT Id, Account.Name, LastName FROM Contact";
    let contacts = query(&crm, soql).await;
    assert_eq!(contacts.len(), 100);
    for contact in &contacts {
        let number = contact["LastName"].as_str().unwrap().replace('c', "A");
        assert_eq!(contact["Account"]["Name"], number);
    }
}

#[tokio::test]
async fn a_tree_too_large_for_a_graph_is_written_level_by_level() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let mut many = contacts(700);
    many[3] = json!({ "FirstName": "no last name" });
    let rows = [
        json!({ "Name": "Large", "Contacts": held(&many) }),
        json!({ "Name": "Small", "Contacts": held(&contacts(1)) }),
        json!({ "Phone": "no name", "Contacts": held(&contacts(500)) }),
    ];
    let (results, calls) = created(&site, &crm, &rows, WriteOptions::default()).await;
    // A description, a graph, the two parents, and their children by 200.
    assert_eq!(calls, 1 + 1 + 1 + 4);
    assert!(results[1].is_ok());
    assert_eq!(results[0].outcome, Outcome::Created);
    assert!(!results[0].is_ok(), "one of its contacts failed");
    let failed = results[0]
        .related
        .iter()
        .filter(|related| !related.outcome.is_ok());
    let failed: Vec<&str> = failed.map(|related| &*related.pointer).collect();
    assert_eq!(failed, ["/Contacts/records/3"]);
    // Children of a parent that was refused say that they were not sent.
    for related in &results[2].related {
        let Outcome::Failed { problems } = &related.outcome else {
            panic!("written: {related:?}")
        };
        assert_eq!(problems[0].advice, Advice::RolledBack);
    }
    let large = results[0].id.as_deref().unwrap();
    let soql = format!("SELECT Id FROM Contact WHERE AccountId = '{large}'");
    assert_eq!(query(&crm, &soql).await.len(), 699);
    assert_eq!(count(&crm, "Contact").await, 700);
}

#[tokio::test]
async fn levels_of_trees_go_by_bulk_jobs_that_a_name_takes_up_again() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let rows: Vec<Json> = (0..300)
        .map(|at| json!({ "Name": format!("A{at}"), "Contacts": held(&contacts(3)) }))
        .collect();
    let named = WriteOptions {
        name: Some("family".to_owned()),
        ..WriteOptions::default()
    };
    site.control.clear_requests();
    let (results, _) = created(&site, &crm, &rows, named.clone()).await;
    assert!(results.iter().all(RecordResult::is_ok), "{:?}", results[0]);
    assert_eq!(site.count("POST", "/jobs/ingest"), 2);
    assert_eq!(site.count("POST", "/composite"), 0);
    let (again, _) = created(&site, &crm, &rows, named).await;
    assert_eq!(site.count("POST", "/jobs/ingest"), 2);
    let ids = |results: &[RecordResult]| -> Vec<Option<String>> {
        results.iter().map(|result| result.id.clone()).collect()
    };
    assert_eq!(ids(&results), ids(&again));
    let soql = "SELECT AccountId, COUNT(Id) n FROM Contact GROUP BY AccountId";
    let families = query(&crm, soql).await;
    assert_eq!(families.len(), 300);
    assert!(families.iter().all(|family| family["n"] == 3));
}

#[tokio::test]
async fn all_or_none_undoes_trees_together() {
    let site = Site::start().await;
    let crm = site.crm().await;
    let all = WriteOptions {
        all_or_none: true,
        ..WriteOptions::default()
    };
    let good = json!({ "Name": "A", "Contacts": held(&contacts(2)) });
    let bad = json!({ "Name": "B", "Contacts": held(&[json!({ "FirstName": "x" })]) });
    let (results, _) = created(&site, &crm, &[good.clone(), bad], all.clone()).await;
    assert!(results.iter().all(|result| !result.is_ok()));
    assert_eq!(count(&crm, "Account").await, 0);
    let (results, _) = created(&site, &crm, &[good.clone(), good.clone()], all.clone()).await;
    assert!(results.iter().all(RecordResult::is_ok));
    let error = crm
        .create("Account", &records(&json!(vec![good; 200])), all)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("500 nodes"), "{error}");
    assert_eq!(count(&crm, "Account").await, 2);
}

#[tokio::test]
async fn the_same_trees_are_the_same_records_whichever_way_they_go() {
    for way in ["graph", "collections", "bulk"] {
        let site = Site::start().await;
        let crm = site.crm().await;
        let rows: Vec<Json> = (0..20)
            .map(|at| json!({ "Name": format!("A{at}"), "Contacts": held(&contacts(at % 3)) }))
            .collect();
        let (results, _) = created(&site, &crm, &rows, by(way)).await;
        for (at, result) in results.iter().enumerate() {
            assert!(result.is_ok(), "{way}: {result:?}");
            assert_eq!(result.related.len(), at % 3);
            let id = result.id.as_deref().unwrap();
            let soql = format!("SELECT Id FROM Contact WHERE AccountId = '{id}'");
            assert_eq!(query(&crm, &soql).await.len(), at % 3, "{way}");
        }
    }
}
