//! Products, prices, orders and deals.

use serde_json::json;

use super::*;

fn draft_order(org: &mut Org, who: &User, book: &str) -> Id {
    let account = account(org, who);
    let body = json!({"AccountId": &*account, "EffectiveDate": "2026-05-01", "Status": "Draft",
        "Pricebook2Id": book});
    create(org, who, "Order", body).unwrap()
}

fn item(order: &str, entry: &str) -> Json {
    json!({"OrderId": order, "PricebookEntryId": entry, "Quantity": 3, "UnitPrice": 90})
}

#[test]
fn an_order_is_created_as_a_draft_only() {
    let (mut org, admin) = org();
    let account = account(&mut org, &admin);
    let body =
        json!({"AccountId": &*account, "EffectiveDate": "2026-05-01", "Status": "Activated"});
    let fault = create(&mut org, &admin, "Order", body).unwrap_err();
    assert_eq!(fault.code, "FAILED_ACTIVATION");
}

#[test]
fn an_order_is_activated_in_a_step_of_its_own_once_it_has_items() {
    let (mut org, admin) = org();
    let (product, entry) = priced_product(&mut org, &admin);
    let book = org.standard_pricebook_id();
    let order = draft_order(&mut org, &admin, &book);
    assert_eq!(
        field(&org, &admin, "Order", &order, "OrderNumber"),
        json!("00000001")
    );
    let activate = json!({"Status": "Activated"});
    let fault = update(&mut org, &admin, "Order", &order, activate.clone()).unwrap_err();
    assert_eq!(fault.code, "FAILED_ACTIVATION");
    let line = create(&mut org, &admin, "OrderItem", item(&order, &entry)).unwrap();
    let line = org.read(&admin, "OrderItem", &line, None, "v60.0").unwrap();
    assert_eq!(line["Product2Id"], json!(&*product));
    assert_eq!(line["ListPrice"], json!(100.0));
    assert_eq!(line["TotalPrice"], json!(270.0));
    let both = json!({"Status": "Activated", "Description": "now"});
    let fault = update(&mut org, &admin, "Order", &order, both).unwrap_err();
    assert_eq!(fault.code, "FAILED_ACTIVATION");
    update(&mut org, &admin, "Order", &order, activate).unwrap();
    let record = org.read(&admin, "Order", &order, None, "v60.0").unwrap();
    assert_eq!(record["StatusCode"], json!("Activated"));
    assert_eq!(record["TotalAmount"], json!(270.0));
    assert_eq!(record["ActivatedById"], json!(&*admin.id));
    assert!(create(&mut org, &admin, "OrderItem", item(&order, &entry)).is_err());
    assert_eq!(
        org.delete(&admin, "Order", &order).unwrap_err().code,
        "DELETE_FAILED"
    );
}

#[test]
fn an_item_must_be_of_the_orders_price_book() {
    let (mut org, admin) = org();
    let (_, entry) = priced_product(&mut org, &admin);
    let body = json!({"Name": "Partners", "IsActive": true});
    let other = create(&mut org, &admin, "Pricebook2", body).unwrap();
    let order = draft_order(&mut org, &admin, &other);
    let fault = create(&mut org, &admin, "OrderItem", item(&order, &entry)).unwrap_err();
    assert_eq!(fault.code, "FIELD_INTEGRITY_EXCEPTION");
    assert!(fault.message.contains("different pricebook"));
}

#[test]
fn a_custom_price_needs_a_standard_price_first() {
    let (mut org, admin) = org();
    let body = json!({"Name": "Partners", "IsActive": true});
    let book = create(&mut org, &admin, "Pricebook2", body).unwrap();
    let product = create(
        &mut org,
        &admin,
        "Product2",
        json!({"Name": "P", "IsActive": true}),
    );
    let product = product.unwrap();
    let price = |book: &str| json!({"Pricebook2Id": book, "Product2Id": &*product, "UnitPrice": 5, "IsActive": true});
    let fault = create(&mut org, &admin, "PricebookEntry", price(&book)).unwrap_err();
    assert_eq!(fault.code, "STANDARD_PRICE_NOT_DEFINED");
    let standard = org.standard_pricebook_id();
    create(&mut org, &admin, "PricebookEntry", price(&standard)).unwrap();
    create(&mut org, &admin, "PricebookEntry", price(&book)).unwrap();
    let fault = create(&mut org, &admin, "PricebookEntry", price(&book)).unwrap_err();
    assert_eq!(fault.code, "DUPLICATE_VALUE");
}

#[test]
fn an_inactive_product_cannot_be_priced_and_an_inactive_price_not_sold() {
    let (mut org, admin) = org();
    let product = create(&mut org, &admin, "Product2", json!({"Name": "P"})).unwrap();
    let standard = org.standard_pricebook_id();
    let body = json!({"Pricebook2Id": &*standard, "Product2Id": &*product, "UnitPrice": 5,
        "IsActive": true});
    let fault = create(&mut org, &admin, "PricebookEntry", body).unwrap_err();
    assert_eq!(fault.code, "FIELD_INTEGRITY_EXCEPTION");
    let (_, entry) = priced_product(&mut org, &admin);
    update(
        &mut org,
        &admin,
        "PricebookEntry",
        &entry,
        json!({"IsActive": false}),
    )
    .unwrap();
    let order = draft_order(&mut org, &admin, &standard);
    let fault = create(&mut org, &admin, "OrderItem", item(&order, &entry)).unwrap_err();
    assert!(
        fault
            .message
            .contains("pricebook entry has been inactivated")
    );
}

#[test]
fn prices_follow_their_product_and_the_standard_price() {
    let (mut org, admin) = org();
    let (product, standard) = priced_product(&mut org, &admin);
    let body = json!({"Name": "Partners", "IsActive": true});
    let book = create(&mut org, &admin, "Pricebook2", body).unwrap();
    let body = json!({"Pricebook2Id": &*book, "Product2Id": &*product, "UnitPrice": 5,
        "UseStandardPrice": true, "IsActive": true});
    let custom = create(&mut org, &admin, "PricebookEntry", body).unwrap();
    let price = |org: &Org| field(org, &admin, "PricebookEntry", &custom, "UnitPrice");
    assert_eq!(price(&org), json!(100.0));
    update(
        &mut org,
        &admin,
        "PricebookEntry",
        &standard,
        json!({"UnitPrice": 120}),
    )
    .unwrap();
    assert_eq!(price(&org), json!(120.0));
    update(
        &mut org,
        &admin,
        "Product2",
        &product,
        json!({"Name": "Bolt"}),
    )
    .unwrap();
    assert_eq!(
        field(&org, &admin, "PricebookEntry", &custom, "Name"),
        json!("Bolt")
    );
}

#[test]
fn a_stage_decides_probability_forecast_and_whether_the_deal_is_won() {
    let (mut org, admin) = org();
    let body = json!({"Name": "D", "StageName": "Needs Analysis", "CloseDate": "2026-08-15",
        "Amount": 1000});
    let deal = create(&mut org, &admin, "Opportunity", body).unwrap();
    let record = org
        .read(&admin, "Opportunity", &deal, None, "v60.0")
        .unwrap();
    assert_eq!(record["Probability"], json!(20.0));
    assert_eq!(record["ExpectedRevenue"], json!(200.0));
    assert_eq!(record["ForecastCategoryName"], json!("Pipeline"));
    assert_eq!(record["IsClosed"], json!(false));
    assert_eq!(record["Fiscal"], json!("2026 3"));
    update(
        &mut org,
        &admin,
        "Opportunity",
        &deal,
        json!({"Probability": 35}),
    )
    .unwrap();
    update(
        &mut org,
        &admin,
        "Opportunity",
        &deal,
        json!({"StageName": "Closed Won"}),
    )
    .unwrap();
    let record = org
        .read(&admin, "Opportunity", &deal, None, "v60.0")
        .unwrap();
    assert_eq!(record["Probability"], json!(100.0));
    assert_eq!(record["IsWon"], json!(true));
    assert_eq!(record["ForecastCategory"], json!("Closed"));
}

#[test]
fn line_items_need_a_price_book_and_make_the_amount() {
    let (mut org, admin) = org();
    let (product, entry) = priced_product(&mut org, &admin);
    let body = json!({"Name": "D", "StageName": "Qualification", "CloseDate": "2026-08-15"});
    let deal = create(&mut org, &admin, "Opportunity", body).unwrap();
    let line = json!({"OpportunityId": &*deal, "PricebookEntryId": &*entry, "Quantity": 2,
        "UnitPrice": 80});
    let fault = create(&mut org, &admin, "OpportunityLineItem", line.clone()).unwrap_err();
    assert_eq!(fault.code, "FIELD_INTEGRITY_EXCEPTION");
    let book = org.standard_pricebook_id();
    update(
        &mut org,
        &admin,
        "Opportunity",
        &deal,
        json!({"Pricebook2Id": &*book}),
    )
    .unwrap();
    let line = create(&mut org, &admin, "OpportunityLineItem", line).unwrap();
    let amount = |org: &Org| field(org, &admin, "Opportunity", &deal, "Amount");
    assert_eq!(amount(&org), json!(160.0));
    update(&mut org, &admin, "Opportunity", &deal, json!({"Amount": 9})).unwrap();
    assert_eq!(amount(&org), json!(160.0));
    let quantity = json!({"Quantity": 5});
    update(&mut org, &admin, "OpportunityLineItem", &line, quantity).unwrap();
    assert_eq!(amount(&org), json!(400.0));
    let fault = org.delete(&admin, "Product2", &product).unwrap_err();
    assert_eq!(fault.code, "DELETE_FAILED");
    org.delete(&admin, "OpportunityLineItem", &line).unwrap();
    let has = field(&org, &admin, "Opportunity", &deal, "HasOpportunityLineItem");
    assert_eq!(has, json!(false));
    org.delete(&admin, "Product2", &product).unwrap();
}
