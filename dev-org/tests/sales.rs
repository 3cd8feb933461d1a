//! The life of an order, from price books to activation, and the items of
//! deals.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::{Session, read, start};

/// A started org with a product that has a standard price.
struct Shop {
    session: Session,
    account: String,
    product: String,
    book: String,
    entry: String,
}

impl Session {
    async fn change(&self, object: &str, id: &str, body: Value) -> (u16, Value) {
        let path = format!("/sobjects/{object}/{id}");
        read(self.send("PATCH", &path, &body).await).await
    }

    async fn remove(&self, object: &str, id: &str) -> (u16, Value) {
        let path = format!("/sobjects/{object}/{id}");
        read(self.request("DELETE", &path).send().await.unwrap()).await
    }
}

impl Shop {
    async fn open() -> Self {
        let session = start().await;
        let query = "/query?q=SELECT+Id+FROM+Pricebook2+WHERE+IsStandard=true";
        let (_, found) = read(session.get(query).await).await;
        let book = found["records"][0]["Id"].as_str().unwrap().to_owned();
        let account = session.made("Account", json!({ "Name": "A" })).await;
        let product = session
            .made("Product2", json!({ "Name": "P", "IsActive": true }))
            .await;
        let price = price(&product, &book);
        let entry = session.made("PricebookEntry", price).await;
        Self {
            session,
            account,
            product,
            book,
            entry,
        }
    }

    async fn order(&self) -> String {
        let body = json!({ "AccountId": self.account, "EffectiveDate": "2026-05-01",
            "Status": "Draft", "Pricebook2Id": self.book });
        self.session.made("Order", body).await
    }

    fn item(&self, order: &str) -> Value {
        json!({ "OrderId": order, "PricebookEntryId": self.entry, "Quantity": 2, "UnitPrice": 10 })
    }
}

fn price(product: &str, book: &str) -> Value {
    json!({ "Product2Id": product, "Pricebook2Id": book, "UnitPrice": 10, "IsActive": true })
}

#[tokio::test]
async fn an_order_is_a_draft_then_has_items_then_is_activated_by_itself() {
    let shop = Shop::open().await;
    let session = &shop.session;
    let born_active = json!({ "AccountId": shop.account, "EffectiveDate": "2026-05-01",
        "Status": "Activated", "Pricebook2Id": shop.book });
    let (_, refused) = session.make("Order", born_active).await;
    assert_eq!(refused[0]["errorCode"], "FAILED_ACTIVATION");
    let order = shop.order().await;
    let activate = json!({ "Status": "Activated" });
    let (status, refused) = session.change("Order", &order, activate.clone()).await;
    assert_eq!(
        (status, &refused[0]["errorCode"]),
        (400, &json!("FAILED_ACTIVATION"))
    );
    let item = session.made("OrderItem", shop.item(&order)).await;
    let more = json!({ "Status": "Activated", "Description": "and more" });
    let (_, refused) = session.change("Order", &order, more).await;
    assert_eq!(refused[0]["errorCode"], "FAILED_ACTIVATION");
    assert_eq!(session.change("Order", &order, activate).await.0, 204);
    let record = session.record("Order", &order).await;
    assert_eq!(record["StatusCode"], "Activated");
    assert_eq!(record["TotalAmount"], 20.0);
    assert_eq!(
        session.record("OrderItem", &item).await["Product2Id"],
        json!(shop.product)
    );
}

#[tokio::test]
async fn an_activated_order_locks_its_items() {
    let shop = Shop::open().await;
    let session = &shop.session;
    let order = shop.order().await;
    let item = session.made("OrderItem", shop.item(&order)).await;
    session
        .change("Order", &order, json!({ "Status": "Activated" }))
        .await;
    let (status, refused) = session.make("OrderItem", shop.item(&order)).await;
    assert_eq!(
        (status, &refused[0]["errorCode"]),
        (400, &json!("FIELD_INTEGRITY_EXCEPTION"))
    );
    assert_eq!(
        session
            .change("OrderItem", &item, json!({ "Quantity": 3 }))
            .await
            .0,
        400
    );
    assert_eq!(session.remove("OrderItem", &item).await.0, 400);
    let other = session.made("Account", json!({ "Name": "B" })).await;
    assert_eq!(
        session
            .change("Order", &order, json!({ "AccountId": other }))
            .await
            .0,
        400
    );
    assert_eq!(session.remove("Order", &order).await.0, 400);
    // A draft again, it lets go.
    assert_eq!(
        session
            .change("Order", &order, json!({ "Status": "Draft" }))
            .await
            .0,
        204
    );
    assert_eq!(
        session
            .change("OrderItem", &item, json!({ "Quantity": 3 }))
            .await
            .0,
        204
    );
    assert_eq!(session.record("Order", &order).await["TotalAmount"], 30.0);
    assert_eq!(session.remove("OrderItem", &item).await.0, 204);
}

#[tokio::test]
async fn a_custom_price_comes_after_the_standard_price() {
    let shop = Shop::open().await;
    let session = &shop.session;
    let custom = session
        .made("Pricebook2", json!({ "Name": "C", "IsActive": true }))
        .await;
    let product = session
        .made("Product2", json!({ "Name": "Q", "IsActive": true }))
        .await;
    let (_, refused) = session
        .make("PricebookEntry", price(&product, &custom))
        .await;
    assert_eq!(refused[0]["errorCode"], "STANDARD_PRICE_NOT_DEFINED");
    session
        .made("PricebookEntry", price(&product, &shop.book))
        .await;
    let entry = session
        .made("PricebookEntry", price(&product, &custom))
        .await;
    // Of another price book than the order.
    let order = shop.order().await;
    let mut item = shop.item(&order);
    item["PricebookEntryId"] = json!(entry);
    let (_, refused) = session.make("OrderItem", item).await;
    assert_eq!(refused[0]["errorCode"], "FIELD_INTEGRITY_EXCEPTION");
    // Products are inactive unless they say otherwise.
    let idle = session.made("Product2", json!({ "Name": "R" })).await;
    assert_eq!(
        session
            .make("PricebookEntry", price(&idle, &shop.book))
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn the_items_of_a_deal_need_its_price_book_and_make_its_amount() {
    let shop = Shop::open().await;
    let session = &shop.session;
    let deal = json!({ "Name": "D", "StageName": "Prospecting", "CloseDate": "2026-05-01" });
    let deal = session.made("Opportunity", deal).await;
    let item = json!({ "OpportunityId": deal, "PricebookEntryId": shop.entry, "Quantity": 2,
        "UnitPrice": 10 });
    assert_eq!(
        session.make("OpportunityLineItem", item.clone()).await.0,
        400
    );
    let book = json!({ "Pricebook2Id": shop.book });
    assert_eq!(session.change("Opportunity", &deal, book).await.0, 204);
    let item = session.made("OpportunityLineItem", item).await;
    assert_eq!(session.record("Opportunity", &deal).await["Amount"], 20.0);
    let total = json!({ "TotalPrice": 30 });
    assert_eq!(
        session.change("OpportunityLineItem", &item, total).await.0,
        204
    );
    assert_eq!(
        session.record("OpportunityLineItem", &item).await["UnitPrice"],
        15.0
    );
    // The amount is the sum and nothing else.
    session
        .change("Opportunity", &deal, json!({ "Amount": 1 }))
        .await;
    assert_eq!(session.record("Opportunity", &deal).await["Amount"], 30.0);
    // A product that was sold stays.
    assert_eq!(session.remove("Product2", &shop.product).await.0, 400);
}

#[tokio::test]
async fn an_order_is_placed_with_its_items_in_one_request_or_not_at_all() {
    let shop = Shop::open().await;
    let session = &shop.session;
    let place = async |entry: &str| {
        let order = json!({ "order": [{ "attributes": { "type": "Order" },
            "accountid": shop.account, "effectivedate": "2026-05-01", "status": "Draft",
            "Pricebook2Id": shop.book, "OrderItems": { "records": [{
                "attributes": { "type": "OrderItem" }, "PricebookEntryId": entry,
                "quantity": "2", "UnitPrice": "15.99" }] } }] });
        read(session.send("POST", "/commerce/sale/order", &order).await).await
    };
    let (status, body) = place(&shop.entry).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(
        (&body["totalSize"], &body["done"]),
        (&json!(1), &json!(true))
    );
    let order = body["records"][0]["Id"].as_str().unwrap();
    let item = body["records"][0]["OrderItems"]["records"][0]["Id"]
        .as_str()
        .unwrap();
    assert_eq!(session.record("Order", order).await["TotalAmount"], 31.98);
    assert_eq!(
        session.record("OrderItem", item).await["OrderId"],
        json!(order)
    );
    assert_eq!(place("01u000000000001AAA").await.0, 400);
    let (_, orders) = read(session.get("/query?q=SELECT+COUNT()+FROM+Order").await).await;
    assert_eq!(orders["totalSize"], 1);
    // What is there already is not changed here.
    let known = json!({ "order": [{ "attributes": { "type": "Order" }, "Id": order }] });
    let (status, _) = read(session.send("POST", "/commerce/sale/order", &known).await).await;
    assert_eq!(status, 400);
}
