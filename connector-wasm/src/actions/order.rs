//! Activating an order, which Salesforce wants as a step of its own: the order
//! is a draft with products, and nothing else changes with its status.

use serde::Deserialize;
use serde_json::json;

use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fault::{Effect, Fault};
use crate::host::{Host, Method};
use crate::names;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderInput {
    order: String,
    #[serde(default = "activated")]
    status: String,
}

fn activated() -> String {
    "Activated".to_owned()
}

/// Activates an order.
pub(super) async fn activate<H: Host>(api: &Api<H>, input: OrderInput) -> Result<Vec<u8>, Error> {
    let order = names::id(&input.order).map_err(Error::Refused)?;
    let body = json!({ "Status": input.status }).to_string().into_bytes();
    let path = format!("/sobjects/Order/{order}");
    let answer = api
        .send(Ask::new(Method::Patch, path, Kind::Write).body(body))
        .await?;
    match answer.status {
        200 | 204 => Ok(json!({ "order": order, "status": input.status })
            .to_string()
            .into_bytes()),
        status => Err(Fault::read(status, &answer.body).error(Some("Order"), Effect::Write)),
    }
}
