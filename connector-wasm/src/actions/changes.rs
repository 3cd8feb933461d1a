//! Ids of records that changed, or went, in a window of time.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fault::{refused, unexpected};
use crate::host::{Host, Method};
use crate::names;
use crate::soql::moment;
use crate::wire;

/// Which changes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Updated,
    Deleted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowInput {
    object: String,
    start: String,
    end: String,
}

/// What Salesforce answers. Up to 600,000 ids only pass through.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changes<'a> {
    #[serde(default, borrow, alias = "deletedRecords")]
    ids: Option<&'a RawValue>,
    #[serde(borrow)]
    latest_date_covered: &'a RawValue,
    #[serde(default, borrow)]
    earliest_date_available: Option<&'a RawValue>,
}

/// Asks for the changes of a window, and until when they are all there.
pub(super) async fn changes<H: Host>(
    api: &Api<H>,
    change: Change,
    input: &WindowInput,
) -> Result<Vec<u8>, Error> {
    let (resource, list) = match change {
        Change::Updated => ("updated", "ids"),
        Change::Deleted => ("deleted", "records"),
    };
    names::object(&input.object)?;
    let ask = Ask::new(
        Method::Get,
        format!("/sobjects/{}/{resource}/", input.object),
        Kind::Read,
    )
    .pair("start", read_moment(&input.start)?)
    .pair("end", read_moment(&input.end)?);
    let body = api
        .fetch(ask, Some(&input.object))
        .await
        .map_err(with_bounds)?;
    let Changes {
        ids,
        latest_date_covered,
        earliest_date_available,
    } = wire::read(&body).ok_or_else(|| unexpected("changes of an object"))?;
    let Some(ids) = ids.filter(|ids| ids.get().starts_with('[')) else {
        return Err(unexpected("a list of changes"));
    };
    let mut output = format!(
        "{{\"{list}\":{},\"latest_covered\":{}",
        ids.get(),
        latest_date_covered.get()
    );
    if let Some(earliest) = earliest_date_available {
        output.push_str(",\"earliest_available\":");
        output.push_str(earliest.get());
    }
    output.push('}');
    Ok(output.into_bytes())
}

fn read_moment(text: &str) -> Result<String, Error> {
    moment(text).ok_or_else(|| {
        refused(
            Advice::FixRecord,
            "INVALID_REPLICATION_DATE",
            "a moment is written 2026-05-01T07:25:37Z",
        )
    })
}

/// The bounds of a window, where Salesforce says only that it broke one.
fn with_bounds(error: Error) -> Error {
    match error {
        Error::Refused(mut problem) if problem.code == "INVALID_REPLICATION_DATE" => {
            problem.message.push_str(
                " (a window is at least a minute long, since seconds are ignored, and starts at \
                 most 30 days ago, for deletions about 15: read the object whole if more has \
                 passed)",
            );
            problem.message = crate::fault::cut(problem.message, crate::fault::MAX_MESSAGE_BYTES);
            Error::Refused(problem)
        }
        Error::Refused(mut problem) if problem.code == "EXCEEDED_ID_LIMIT" => {
            problem
                .message
                .push_str(" (ask for shorter windows, one after another)");
            problem.message = crate::fault::cut(problem.message, crate::fault::MAX_MESSAGE_BYTES);
            Error::Refused(problem)
        }
        error => error,
    }
}
