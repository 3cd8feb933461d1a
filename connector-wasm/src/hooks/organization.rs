//! Which org the connection is to: outbound messages are signed by nobody, but they
//! name theirs.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fault::unexpected;
use crate::host::{Host, Method};
use crate::{names, wire};

/// Where its id is kept.
const STORAGE_KEY: &str = "organization";

/// How long it is believed, in milliseconds: a connection may be authorised again to
/// another org.
const FRESH_MS: u64 = 24 * 60 * 60 * 1000;
/// How long it is believed although a message says otherwise, in milliseconds: so
/// that strangers' messages cost few calls.
const SURE_MS: u64 = 5 * 60 * 1000;

#[derive(Serialize, Deserialize)]
struct Kept {
    asked_ms: u64,
    /// Of 18 characters.
    id: String,
}

#[derive(Deserialize)]
struct Found<'a> {
    #[serde(borrow)]
    records: Vec<Row<'a>>,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(rename = "Id", borrow)]
    id: &'a RawValue,
}

/// Whether this id, of 18 characters, is that of the connection's org.
pub(super) async fn is_ours<H: Host>(api: &Api<H>, id: &str) -> Result<bool, Error> {
    if let Some(kept) = api.host.load(STORAGE_KEY).await
        && let Some(kept) = wire::read::<Kept>(&kept)
        && let Some(age_ms) = api.host.now_ms().checked_sub(kept.asked_ms)
    {
        let is_same = kept.id == id;
        if age_ms < if is_same { FRESH_MS } else { SURE_MS } {
            return Ok(is_same);
        }
    }
    let ours = ask(api).await?;
    let is_same = ours == id;
    let kept = Kept {
        asked_ms: api.host.now_ms(),
        id: ours,
    };
    let kept = serde_json::to_vec(&kept).unwrap_or_default();
    api.host.store(STORAGE_KEY, kept).await;
    Ok(is_same)
}

async fn ask<H: Host>(api: &Api<H>) -> Result<String, Error> {
    let kind = Kind::Query { page_size: None };
    let ask =
        Ask::new(Method::Get, "/query", kind).pair("q", "SELECT Id FROM Organization LIMIT 1");
    let body = api.fetch(ask, Some("Organization")).await?;
    let id = wire::read::<Found<'_>>(&body).and_then(|found| {
        let row = found.records.first()?;
        names::id(&wire::text(row.id)?).ok()
    });
    id.ok_or_else(|| unexpected("the record of the org itself"))
}
