//! `POST /commerce/sale/order`: an order with its items in one request, all or
//! none. The names of fields have no case here, and numbers may be text.

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{Answer, Call};
use crate::fault::Fault;
use crate::http::answer;
use crate::org::Org;

#[derive(Debug, Deserialize)]
struct Placed {
    order: Vec<Map<String, Value>>,
}

/// Creates the order and its items.
pub(super) fn run(call: &Call) -> Answer {
    let body: Placed = call.json()?;
    let [order] = <[_; 1]>::try_from(body.order)
        .map_err(|orders| refusal(format!("A request places one order, not {}", orders.len())))?;
    let mut org = call.org_mut();
    org.begin();
    let done = place(call, &mut org, order);
    match done {
        Ok(_) => org.commit(),
        Err(_) => org.rollback(),
    }
    done
}

fn place(call: &Call, org: &mut Org, order: Map<String, Value>) -> Result<Response, Fault> {
    let (order, items) = taken_apart(order)?;
    let options = call.write_options();
    let id = org.create(&call.who, "Order", &order, &options)?;
    let mut made = Vec::with_capacity(items.len());
    for item in items {
        let Value::Object(mut item) = item else {
            return Err(refusal("An order item has to be an object"));
        };
        check_is_new(&item)?;
        item.insert("OrderId".to_owned(), json!(&*id));
        let item = org.create(&call.who, "OrderItem", &item, &options)?;
        made.push(entry(call, "OrderItem", &item));
    }
    let mut entry = entry(call, "Order", &id);
    if let Some(entry) = entry.as_object_mut().filter(|_| !made.is_empty()) {
        let items = json!({ "totalSize": made.len(), "done": true, "records": made });
        entry.insert("OrderItems".to_owned(), items);
    }
    let answer = json!({ "totalSize": 1, "done": true, "records": [entry] });
    Ok(answer::json(201, &answer))
}

/// The order without its items, and these.
fn taken_apart(order: Map<String, Value>) -> Result<(Map<String, Value>, Vec<Value>), Fault> {
    check_is_new(&order)?;
    let mut fields = Map::new();
    let mut items = Vec::new();
    for (key, value) in order {
        if !key.eq_ignore_ascii_case("OrderItems") {
            fields.insert(key, value);
            continue;
        }
        match value.get("records") {
            Some(Value::Array(records)) => items.clone_from(records),
            _ => return Err(refusal("OrderItems has to have records")),
        }
    }
    Ok((fields, items))
}

fn check_is_new(record: &Map<String, Value>) -> Result<(), Fault> {
    if record.keys().any(|key| key.eq_ignore_ascii_case("Id")) {
        return Err(refusal(
            "Records that are there already cannot be updated here",
        ));
    }
    Ok(())
}

fn entry(call: &Call, object: &str, id: &str) -> Value {
    let url = format!("{}/sobjects/{object}/{id}", call.version.path());
    json!({ "attributes": { "type": object, "url": url }, "Id": id })
}

fn refusal(message: impl Into<String>) -> Fault {
    Fault::bad_request("INVALID_INPUT", message)
}
