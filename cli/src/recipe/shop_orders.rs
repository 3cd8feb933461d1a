//! Orders of a shop in the CRM: products, prices, orders with their items, activation,
//! and the status back to the shop. Run again, it makes nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockgate::{
    Deliveries, Event, RecordResult, Records, ScanOptions, SubscribeOptions, WriteOptions,
};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::report::{Course, Stopped};
use super::stage::{Record, Stage, id, text, written};
use crate::steps::same;
use crate::text::counted;

/// What the shop sold.
const SHOP: &str = include_str!("shop.json");

/// The field with the shop's own number, on all objects.
const KEY: &str = "External_Id__c";

/// The longest wait for an event.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Deserialize)]
struct Shop {
    customers: Vec<Customer>,
    products: Vec<Product>,
    orders: Vec<Order>,
}

#[derive(Debug, Deserialize)]
struct Customer {
    number: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Product {
    sku: String,
    name: String,
    price: f64,
}

#[derive(Debug, Deserialize)]
struct Order {
    number: String,
    customer: String,
    date: String,
    lines: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    sku: String,
    quantity: u32,
}

impl Shop {
    fn price(&self, sku: &str) -> Result<f64> {
        let product = self.products.iter().find(|product| product.sku == sku);
        Ok(product
            .with_context(|| format!("the shop has no {sku}"))?
            .price)
    }

    fn total(&self, order: &Order) -> Result<f64> {
        let lines = order.lines.iter();
        let amounts = lines.map(|line| Ok(self.price(&line.sku)? * f64::from(line.quantity)));
        amounts.sum()
    }
}

pub(super) async fn run(stage: &Stage, course: &mut Course) -> Result<Json, Stopped> {
    let (shop, mut events) = course
        .step("read the shop", async {
            let shop: Shop = serde_json::from_str(SHOP).context("the shop's file")?;
            let events = stage
                .crm
                .subscribe(&["Order"], SubscribeOptions::default())
                .await?;
            let what = format!(
                "{}, {}",
                counted(shop.products.len(), "product"),
                counted(shop.orders.len(), "order")
            );
            Ok(((shop, events), what))
        })
        .await?;
    course.step("customers", customers(stage, &shop)).await?;
    course.step("products", products(stage, &shop)).await?;
    let made = course.step("orders", orders(stage, &shop)).await?;
    course.step("activate", activate(stage, &made)).await?;
    let told = course
        .step("status back", status_back(stage, &mut events, &made))
        .await?;
    course.step("the same again", again(stage, &shop)).await?;
    course.step("compare", compare(stage, &shop, &told)).await
}

/// Accounts by the shop's number of the customer.
async fn customers(stage: &Stage, shop: &Shop) -> Result<((), String)> {
    let accounts: Vec<Json> = shop
        .customers
        .iter()
        .map(|customer| json!({ KEY: customer.number, "Name": customer.name }))
        .collect();
    upsert(stage, "Account", &accounts).await?;
    let what = format!(
        "{} by the shop's number",
        counted(accounts.len(), "account")
    );
    Ok(((), what))
}

/// Products by their number, and a standard price for each.
async fn products(stage: &Stage, shop: &Shop) -> Result<((), String)> {
    let products: Vec<Json> = shop
        .products
        .iter()
        .map(|product| {
            json!({
                KEY: product.sku,
                "ProductCode": product.sku,
                "Name": product.name,
                "IsActive": true,
            })
        })
        .collect();
    let results = upsert(stage, "Product2", &products).await?;
    let ids = written("Product2", &results)?;
    for (id, product) in ids.iter().zip(&shop.products) {
        let price = json!({ "product": id, "unit_price": product.price });
        stage.crm.invoke("set-price", &price).await?;
    }
    Ok((
        (),
        format!("{} with their prices", counted(ids.len(), "product")),
    ))
}

/// Orders that the CRM does not have, each with its items in one request: whole or not
/// at all. Gives the ids of those that are new, with the shop's numbers.
async fn orders(stage: &Stage, shop: &Shop) -> Result<(BTreeMap<String, String>, String)> {
    let known = known_orders(stage, shop).await?;
    let accounts = by_key(stage, "SELECT Id, External_Id__c FROM Account").await?;
    let prices = stage
        .query(
            "SELECT Id, Pricebook2Id, Product2.External_Id__c FROM PricebookEntry \
             WHERE Pricebook2.IsStandard = true",
        )
        .await?;
    let mut entries = BTreeMap::new();
    let mut book = None;
    for price in &prices {
        book = text(price, "Pricebook2Id").or(book);
        let sku = price
            .get("Product2")
            .and_then(|product| product.get(KEY)?.as_str());
        if let Some(sku) = sku {
            entries.insert(sku, id(price)?);
        }
    }
    let mut numbers = Vec::new();
    let mut records = Vec::new();
    for order in shop
        .orders
        .iter()
        .filter(|order| !known.contains(&order.number))
    {
        let items: Vec<Json> = order
            .lines
            .iter()
            .map(|line| {
                let entry = entries.get(line.sku.as_str());
                Ok(json!({
                    "PricebookEntryId": entry.with_context(|| format!("{} has no price", line.sku))?,
                    "Quantity": line.quantity,
                    "UnitPrice": shop.price(&line.sku)?,
                }))
            })
            .collect::<Result<_>>()?;
        let account = accounts.get(&order.customer);
        records.push(json!({
            KEY: order.number,
            "AccountId": account.with_context(|| format!("no account {}", order.customer))?,
            "Pricebook2Id": book,
            "EffectiveDate": order.date,
            "Status": "Draft",
            "OrderItems": { "records": items },
        }));
        numbers.push(order.number.clone());
    }
    if records.is_empty() {
        return Ok((BTreeMap::new(), "none that is new".to_owned()));
    }
    let results = stage
        .crm
        .create(
            "Order",
            &Records::from_items(&records)?,
            WriteOptions::default(),
        )
        .await?;
    let ids = written("Order", &results)?;
    let items: usize = results.iter().map(|result| result.related.len()).sum();
    let what = format!(
        "{} with {}",
        counted(ids.len(), "order"),
        counted(items, "item")
    );
    Ok((ids.into_iter().zip(numbers).collect(), what))
}

/// Activates orders by their ids.
async fn activate(stage: &Stage, made: &BTreeMap<String, String>) -> Result<((), String)> {
    for order in made.keys() {
        let order = json!({ "order": order });
        stage.crm.invoke("activate-order", &order).await?;
    }
    Ok(((), format!("{} activated", counted(made.len(), "order"))))
}

/// Waits until the CRM has told of each order what it is now, and hands it to the shop.
async fn status_back(
    stage: &Stage,
    events: &mut Deliveries,
    made: &BTreeMap<String, String>,
) -> Result<(BTreeMap<String, String>, String)> {
    let mut told = BTreeMap::new();
    let is_activated = |status: &String| status == "Activated";
    while told.values().filter(|status| is_activated(status)).count() < made.len() {
        let next = tokio::time::timeout(PATIENCE, events.next_delivery()).await;
        let delivery = next.context("the CRM tells of no order")??;
        for event in delivery.context("the events have ended")?.events {
            let Event::Change(change) = event else {
                continue;
            };
            let fields: Record = serde_json::from_str(change.fields.get())?;
            let numbers = change.record_ids.iter().filter_map(|id| made.get(id));
            for number in numbers {
                if let Some(status) = text(&fields, "Status") {
                    told.insert(number.clone(), status.to_owned());
                }
            }
        }
    }
    let text = serde_json::to_string_pretty(&told)?;
    let file = stage.write("shop-status.json", &text)?;
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok((
        told,
        format!(
            "{} told of by events, in {name}",
            counted(made.len(), "order")
        ),
    ))
}

/// The whole import once more.
async fn again(stage: &Stage, shop: &Shop) -> Result<((), String)> {
    customers(stage, shop).await?;
    products(stage, shop).await?;
    let (made, _) = orders(stage, shop).await?;
    same("orders made by a second run", made.len(), 0)?;
    for (object, expected) in [
        ("Account", shop.customers.len()),
        ("Product2", shop.products.len()),
        ("PricebookEntry", shop.products.len()),
        ("Order", shop.orders.len()),
        (
            "OrderItem",
            shop.orders.iter().map(|order| order.lines.len()).sum(),
        ),
    ] {
        let found = stage.query(&format!("SELECT Id FROM {object}")).await?;
        same(&format!("records of {object}"), found.len(), expected)?;
    }
    Ok(((), "nothing is there twice".to_owned()))
}

/// Holds what the CRM has against what the shop sold.
async fn compare(
    stage: &Stage,
    shop: &Shop,
    told: &BTreeMap<String, String>,
) -> Result<(Json, String)> {
    let found = stage
        .query("SELECT External_Id__c, Status, TotalAmount, Account.Name FROM Order")
        .await?;
    let mut orders = Vec::new();
    for order in &shop.orders {
        let record = found
            .iter()
            .find(|record| text(record, KEY) == Some(&order.number));
        let record = record.with_context(|| format!("{} is not in the CRM", order.number))?;
        let amount = record
            .get("TotalAmount")
            .and_then(Json::as_f64)
            .unwrap_or(0.0);
        let total = shop.total(order)?;
        ensure!(
            (amount - total).abs() < 0.005,
            "{} is worth {amount} in the CRM and {total} in the shop",
            order.number
        );
        let status = text(record, "Status");
        let heard = told.get(&order.number).map(String::as_str);
        same(
            &format!("what the shop was told of {}", order.number),
            heard,
            status,
        )?;
        orders.push(json!({
            "number": order.number,
            "customer": record.get("Account").and_then(|account| account.get("Name")),
            "amount": total,
            "status": status,
        }));
    }
    let what = format!("{} with the shop's amounts", counted(orders.len(), "order"));
    Ok((json!({ "orders": orders }), what))
}

/// The shop's numbers of orders that the CRM has.
async fn known_orders(stage: &Stage, shop: &Shop) -> Result<BTreeSet<String>> {
    let numbers = shop.orders.iter().map(|order| order.number.clone());
    let options = ScanOptions {
        fields: vec![KEY.to_owned()],
        matching: Some((KEY.to_owned(), numbers.collect())),
        ..ScanOptions::default()
    };
    let pages = stage.crm.scan("Order", options).await?;
    let found: Vec<Record> = pages.collect(shop.orders.len()).await?.to_vec()?;
    let numbers = found.iter().filter_map(|record| text(record, KEY));
    Ok(numbers.map(str::to_owned).collect())
}

/// Ids of records, by the shop's number.
async fn by_key(stage: &Stage, soql: &str) -> Result<BTreeMap<String, String>> {
    let records = stage.query(soql).await?;
    let mut ids = BTreeMap::new();
    for record in &records {
        if let Some(key) = text(record, KEY) {
            ids.insert(key.to_owned(), id(record)?.to_owned());
        }
    }
    Ok(ids)
}

async fn upsert(stage: &Stage, object: &str, records: &[Json]) -> Result<Vec<RecordResult>> {
    let records = Records::from_items(records)?;
    let written = stage
        .crm
        .upsert(object, KEY, &records, WriteOptions::default());
    let results = written.await?;
    super::stage::written(object, &results)?;
    Ok(results)
}
