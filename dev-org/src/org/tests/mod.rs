//! The org's rules, one test a rule.

mod activities;
mod bodies;
mod deletes;
mod describes;
mod keys;
mod orders;
mod records;
mod rules;

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::{ADMIN, Org, WriteOptions};
use crate::fault::Fault;
use crate::id::Id;
use crate::schema::{DEMO, Schema};
use crate::user::User;
use crate::value::parse_datetime;

/// An org of the demo schema at a stopped clock, with its administrator.
fn org() -> (Org, Arc<User>) {
    org_with("")
}

/// As `org`, with further declarations.
fn org_with(declarations: &str) -> (Org, Arc<User>) {
    let mut schema = Schema::standard().unwrap();
    schema.extend(DEMO).unwrap();
    schema.extend(declarations).unwrap();
    let mut org = Org::new(schema);
    org.set_now_ms(parse_datetime("2026-05-01T07:25:37.250Z"));
    let admin = org.user(ADMIN).unwrap();
    (org, admin)
}

fn body(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(body) => body,
        _ => panic!("a body is an object"),
    }
}

fn create(org: &mut Org, who: &User, object: &str, json: Json) -> Result<Id, Fault> {
    org.create(who, object, &body(json), &WriteOptions::default())
}

fn update(org: &mut Org, who: &User, object: &str, id: &str, json: Json) -> Result<(), Fault> {
    org.update(who, object, id, &body(json), &WriteOptions::default())
}

/// One field of a record.
fn field(org: &Org, who: &User, object: &str, id: &str, field: &str) -> Json {
    let record = org
        .read(who, object, id, Some(&[field.to_owned()]), "v60.0")
        .unwrap();
    record[field].clone()
}

fn account(org: &mut Org, who: &User) -> Id {
    create(org, who, "Account", json!({"Name": "Acme"})).unwrap()
}

/// A product with a standard price of 100, and the id of that price.
fn priced_product(org: &mut Org, who: &User) -> (Id, Id) {
    let product = create(
        org,
        who,
        "Product2",
        json!({"Name": "Lock", "ProductCode": "L-1", "IsActive": true}),
    )
    .unwrap();
    let book = org.standard_pricebook_id();
    let entry = create(
        org,
        who,
        "PricebookEntry",
        json!({"Pricebook2Id": &*book, "Product2Id": &*product, "UnitPrice": 100, "IsActive": true}),
    )
    .unwrap();
    (product, entry)
}
