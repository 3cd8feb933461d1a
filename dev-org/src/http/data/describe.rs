//! What there is: the list of objects, one object in short, one in full.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::conditional;
use crate::http::answer;
use crate::org::{Org, Urls};

/// Entries of `recentItems`, and of `recent` unless it is asked for more.
const RECENT: usize = 10;

/// Most entries of `recent`.
const RECENT_MOST: usize = 200;

/// `GET /sobjects`
pub(super) fn all(call: &Call) -> Answer {
    let body = call
        .org()
        .describe_global(&call.who, urls(call, &call.version.name()));
    described(call, &body)
}

/// `GET /sobjects/Account/describe`
pub(super) fn one(call: &Call, object: &str) -> Answer {
    let org = call.org();
    let body = org.describe(&call.who, object, urls(call, &call.version.name()))?;
    drop(org);
    described(call, &body)
}

/// `GET /sobjects/Account/describe/layouts` and one layout below it.
pub(super) fn layouts(call: &Call, object: &str, kind: Option<&str>) -> Answer {
    let org = call.org();
    let body = match kind {
        None => org.layouts(&call.who, object, urls(call, &call.version.name()))?,
        Some(kind) => org.layout_of(&call.who, object, kind)?,
    };
    drop(org);
    described(call, &body)
}

/// `GET /ui-api/object-info/Account/picklist-values/012...` and one field below
/// it.
pub(super) fn picklist_values(
    call: &Call,
    object: &str,
    kind: &str,
    field: Option<&str>,
) -> Answer {
    let root = call.version.path();
    let url = format!("{root}/ui-api/object-info/{object}/picklist-values/{kind}");
    let org = call.org();
    let body = org.picklist_values(&call.who, object, kind, field, &url)?;
    drop(org);
    Ok(answer::json(200, &body))
}

/// What the addresses in an answer begin with.
fn urls<'a>(call: &'a Call, version: &'a str) -> Urls<'a> {
    Urls {
        version,
        origin: &call.shared.base_url,
    }
}

fn described(call: &Call, body: &Value) -> Answer {
    let text = body.to_string().into_bytes();
    let tag = conditional::etag(&text);
    // The schema has been as it is since the org was started, or since then.
    let since_ms = call.org().extended_ms().unwrap_or(call.shared.started_ms);
    conditional::answer(call, text, Some(&tag), Some(since_ms))
}

/// `GET /sobjects/Account`
pub(super) fn short(call: &Call, object: &str) -> Answer {
    let org = call.org();
    let described = org.describe_basic(&call.who, object, urls(call, &call.version.name()))?;
    let recent = recent_items(call, &org, RECENT, |name| name.eq_ignore_ascii_case(object));
    Ok(answer::json(
        200,
        &json!({ "objectDescribe": described, "recentItems": recent }),
    ))
}

/// `GET /recent?limit=20`
pub(super) fn recent(call: &Call) -> Answer {
    let wanted = call.parameter("limit").and_then(|limit| limit.parse().ok());
    let limit = wanted.unwrap_or(RECENT).min(RECENT_MOST);
    let org = call.org();
    let seen = [
        "Account",
        "Contact",
        "Lead",
        "Opportunity",
        "Order",
        "Product2",
    ];
    let items = recent_items(call, &org, limit, |name| seen.contains(&name));
    Ok(answer::json(200, &Value::Array(items)))
}

/// The newest records, which stand for those that somebody has looked at.
fn recent_items(call: &Call, org: &Org, limit: usize, wanted: impl Fn(&str) -> bool) -> Vec<Value> {
    let fields = ["Id".to_owned(), "Name".to_owned()];
    org.schema
        .objects()
        .filter(|object| wanted(&object.name) && object.field("Name").is_some())
        .flat_map(|object| {
            let rows = org.table(object).rows().filter(|row| !row.is_deleted());
            let mut ids: Vec<_> = rows.map(|row| row.shared_id()).collect();
            ids.reverse();
            ids.into_iter().take(limit).filter_map(|id| {
                let version = call.version.name();
                org.read(&call.who, &object.name, &id, Some(&fields), &version)
                    .ok()
            })
        })
        .take(limit)
        .collect()
}

/// `GET /limits/recordCount?sObjects=Account,Contact`
pub(super) fn record_count(call: &Call) -> Answer {
    let asked = call.list("sObjects");
    let org = call.org();
    let counts: Vec<Value> = org
        .schema
        .objects()
        .filter(|object| {
            asked.as_ref().is_none_or(|asked| {
                asked
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(&object.name))
            })
        })
        .filter_map(|object| {
            let rows = org.table(object).rows();
            let count = rows.filter(|row| !row.is_deleted()).count();
            // An object without records is left out.
            (count > 0).then(|| json!({ "count": count, "name": object.name }))
        })
        .collect();
    Ok(answer::json(200, &json!({ "sObjects": counts })))
}
