//! getUpdated and getDeleted.

use serde_json::{Value, json};

use super::admit::timestamp;
use super::call::{Answer, Call};
use crate::fault::Fault;
use crate::http::answer;
use crate::value::parse_datetime;

/// `GET /sobjects/Account/updated?start=&end=`
pub(super) fn updated(call: &Call, object: &str) -> Answer {
    let (start, end) = window(call)?;
    let org = call.org();
    let found = org.updated_ids(&call.who, object, start, end)?;
    let ids: Vec<&str> = found.ids.iter().map(|id| &**id).collect();
    Ok(answer::json(
        200,
        &json!({ "ids": ids, "latestDateCovered": timestamp(found.latest_date_covered) }),
    ))
}

/// `GET /sobjects/Account/deleted?start=&end=`
pub(super) fn deleted(call: &Call, object: &str) -> Answer {
    let (start, end) = window(call)?;
    let org = call.org();
    let found = org.deleted_ids(&call.who, object, start, end)?;
    let records: Vec<Value> = found
        .deleted
        .iter()
        .map(|record| json!({ "deletedDate": timestamp(record.deleted_date), "id": &*record.id }))
        .collect();
    Ok(answer::json(
        200,
        &json!({
            "deletedRecords": records,
            "earliestDateAvailable": timestamp(found.earliest_date_available),
            "latestDateCovered": timestamp(found.latest_date_covered),
        }),
    ))
}

fn window(call: &Call) -> Result<(i64, i64), Fault> {
    let read = |name: &str| {
        let text = call.parameter(name).ok_or_else(|| {
            Fault::bad_request(
                "MISSING_ARGUMENT",
                format!("The {name} parameter is missing"),
            )
        })?;
        // A plus that nobody encoded has become a space on its way.
        parse_datetime(&text.replace(' ', "+")).ok_or_else(|| {
            Fault::bad_request(
                "INVALID_REPLICATION_DATE",
                format!("{text} is not a valid date"),
            )
        })
    };
    Ok((read("start")?, read("end")?))
}
