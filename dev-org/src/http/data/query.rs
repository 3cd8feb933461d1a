//! `query`, `queryAll` and the pages behind a locator.

use super::call::{Answer, Call};
use super::locators;
use crate::fault::Fault;
use crate::http::answer;
use crate::soql::{self, Page};

/// Rows of a page unless the caller wants fewer.
const BATCH: usize = 2000;

/// The fewest rows of a page that can be asked for.
const SMALLEST_BATCH: usize = 200;

/// `GET /query?q=` and, with deleted records, `GET /queryAll?q=`
pub(super) fn first(call: &Call, all_rows: bool) -> Answer {
    let text = call.parameter("q").unwrap_or_default();
    if text.trim().is_empty() {
        return Err(Fault::bad_request(
            "MALFORMED_QUERY",
            "A query string has to be specified",
        ));
    }
    run(call, text, all_rows)
}

/// The first page of what a statement answers.
pub(super) fn run(call: &Call, text: &str, all_rows: bool) -> Answer {
    let size = batch(call).unwrap_or(BATCH);
    let answer = {
        let org = call.org();
        soql::run(&org, &call.who, text, all_rows, &call.version.name())?
    };
    let found = locators::Found {
        id: locators::new_id(),
        answer,
        size,
        from: 0,
    };
    page(call, &found, true)
}

/// `GET /query/0r8...-2000`
pub(super) fn more(call: &Call, locator: &str) -> Answer {
    let now_ms = call.shared.clock.now_ms();
    let found = call
        .shared
        .locators()
        .find(&call.who.username, locator, now_ms)
        .ok_or_else(|| Fault::bad_request("INVALID_QUERY_LOCATOR", "invalid query locator"))?;
    let size = batch(call).unwrap_or(found.size);
    page(call, &locators::Found { size, ..found }, false)
}

/// Writes one page and keeps what comes after it.
fn page(call: &Call, found: &locators::Found, is_first: bool) -> Answer {
    let page = Page {
        from: found.from,
        size: found.size,
    };
    let url = |id: &str, from: usize| format!("{}/query/{id}-{from}", call.version.path());
    let mut children = Vec::new();
    let mut body = Vec::new();
    {
        let org = call.org();
        found.answer.write_page(
            &org,
            page,
            |next| url(&found.id, next),
            &mut |child| {
                let id = locators::new_id();
                let next = url(&id, page.size);
                children.push((id, child));
                next
            },
            &mut body,
        );
    }
    let user = &call.who.username;
    let is_last = found.answer.next(page).is_none();
    let mut locators = call.shared.locators();
    if is_first && (!is_last || !children.is_empty()) {
        let now_ms = call.shared.clock.now_ms();
        locators.open(user, &found.id, found.answer.clone(), found.size, now_ms);
    }
    locators.add_children(user, &found.id, children);
    if is_last {
        locators.exhaust(user, &found.id);
    }
    drop(locators);
    Ok(answer::bytes(200, body))
}

/// `Sforce-Query-Options: batchSize=500`; sizes out of bounds are moved to the
/// nearest one that is allowed.
fn batch(call: &Call) -> Option<usize> {
    let size: usize = call
        .header_part("sforce-query-options", "batchSize")?
        .parse()
        .ok()?;
    Some(size.clamp(SMALLEST_BATCH, BATCH))
}
