//! How much there is: the org's allocations, and how many records objects have.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::at_most;
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fault::unexpected;
use crate::host::{Host, Method};
use crate::{names, wire};

/// Objects that are counted at once: their names are part of an address.
const MAX_OBJECTS: usize = 100;

/// The org's allocations and what is left of them.
pub(super) async fn limits<H: Host>(api: &Api<H>) -> Result<Vec<u8>, Error> {
    let body = api
        .fetch(Ask::new(Method::Get, "/limits", Kind::Read), None)
        .await?;
    let limits: Map<String, Value> =
        wire::read(&body).ok_or_else(|| unexpected("an object of limits"))?;
    let mut found = Vec::with_capacity(limits.len());
    push_limits(&mut found, "", &limits);
    Ok(json!({ "limits": found }).to_string().into_bytes())
}

/// Limits can hold limits: `PermissionSets` has its own and `CreateCustom`.
fn push_limits(found: &mut Vec<Value>, parent: &str, limits: &Map<String, Value>) {
    for (name, limit) in limits {
        let Value::Object(members) = limit else {
            continue;
        };
        let name = if parent.is_empty() {
            name.clone()
        } else {
            format!("{parent}.{name}")
        };
        if let (Some(max), Some(remaining)) = (members.get("Max"), members.get("Remaining")) {
            found.push(json!({ "name": name, "max": max, "remaining": remaining }));
        }
        push_limits(found, &name, members);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CountsInput {
    objects: Vec<String>,
}

/// About how many records objects have. Salesforce leaves out empty ones.
pub(super) async fn record_counts<H: Host>(
    api: &Api<H>,
    input: CountsInput,
) -> Result<Vec<u8>, Error> {
    #[derive(Deserialize)]
    struct Counts {
        #[serde(rename = "sObjects")]
        objects: Vec<Count>,
    }
    #[derive(Deserialize)]
    struct Count {
        name: String,
        count: u64,
    }

    at_most("objects", input.objects.len(), MAX_OBJECTS)?;
    for object in &input.objects {
        names::object(object)?;
    }
    let ask = Ask::new(Method::Get, "/limits/recordCount", Kind::Read)
        .pair("sObjects", input.objects.join(","));
    let body = api.fetch(ask, None).await?;
    let counts: Counts = wire::read(&body).ok_or_else(|| unexpected("counts of records"))?;
    let counted = input.objects.iter().map(|object| {
        let found = counts
            .objects
            .iter()
            .find(|c| c.name.eq_ignore_ascii_case(object));
        json!({ "object": object, "count": found.map_or(0, |found| found.count) })
    });
    Ok(json!({ "counts": counted.collect::<Vec<_>>() })
        .to_string()
        .into_bytes())
}
