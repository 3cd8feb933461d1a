//! The way `rest`: a query, page by page.
//!
//! The end is where Salesforce says `done`, and nowhere else: pages may be
//! smaller than asked for, and empty. A page's records are handed on as the
//! bytes that came.

mod children;
mod flat;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::is_passing;
use crate::api::{Api, Ask, Kind, Path};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, QueryOptions};
use crate::body::{decode, encode};
use crate::describe::explain_unseen;
use crate::fault::{Effect, Fault, unexpected};
use crate::host::{Host, Method};
use crate::settings::{MAX_PAGE, MIN_PAGE};
use crate::wire::{self, QueryPage, push_text};
use children::Completed;

/// The longest query that goes into the address, in bytes once encoded.
/// Salesforce takes 16,384 for the address and all headers, of which the token
/// and the host's headers need some.
const MAX_QUERY_BYTES: usize = 12_000;

/// Tries of a page whose answer was lost, and the pause before the second, in
/// milliseconds; it doubles.
const PAGE_TRIES: u32 = 3;
const PAGE_PAUSE_MS: u32 = 500;

/// A query that was answered.
#[derive(Debug)]
pub(super) enum Opened {
    /// Its first page is here.
    Whole(First),
    /// Of its first page children are still missing.
    Part(Place),
}

/// The records of a page as a JSON array, and how many the whole answer has.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) records: Vec<u8>,
    pub(super) total: Option<u64>,
}

/// The first page, and where the one behind it is.
#[derive(Debug)]
pub(super) struct First {
    pub(super) page: Page,
    /// Its records.
    pub(super) count: usize,
    /// The next page, if there is one.
    pub(super) next: Option<Place>,
}

/// Sends a query. What is wrong with it shows here, not at the first page.
pub(super) async fn open<H: Host>(
    api: &Api<H>,
    text: &str,
    options: &QueryOptions,
) -> Result<Opened, Error> {
    let page_size = (options.page_size > 0).then(|| options.page_size.clamp(MIN_PAGE, MAX_PAGE));
    let kind = Kind::Query { page_size };
    let resource = if options.include_deleted {
        "queryAll"
    } else {
        "query"
    };
    let body = first(api, kind, resource, text).await.map_err(explained)?;
    let mut place = Place {
        kind,
        url: String::new(),
        is_flat: flat::is_flat(text),
        body: Some(body),
        completed: Completed::default(),
    };
    let read = match place.whole(api).await {
        Ok(read) => read,
        // What was paid for stays.
        Err(error) if is_passing(&error) => return Ok(Opened::Part(place)),
        Err(error) => return Err(error),
    };
    let mut first = First {
        page: read.page,
        count: read.count,
        next: read.next.map(|url| place.behind(url)),
    };
    if first.count == 0
        && is_count(text)
        && let Some(total) = first.page.total
    {
        first.page = counted(total);
    }
    Ok(Opened::Whole(first))
}

/// Whether a query asks for nothing but `count()`.
fn is_count(text: &str) -> bool {
    let after = |text: &str, word: &str| {
        let (head, rest) = text.split_at_checked(word.len())?;
        head.eq_ignore_ascii_case(word)
            .then(|| rest.trim_start().to_owned())
    };
    let list = after(text.trim_start(), "SELECT").and_then(|rest| after(&rest, "count"));
    let inside = list.and_then(|rest| after(&rest, "("));
    inside.is_some_and(|rest| rest.starts_with(')'))
}

/// The answer to `count()`, which Salesforce gives as a total of no records, as
/// the one row that `COUNT(Id)` gives.
fn counted(count: u64) -> Page {
    let records =
        format!(r#"[{{"attributes":{{"type":"AggregateResult"}},"expr0":{count}}}]"#).into_bytes();
    Page {
        records,
        total: Some(1),
    }
}

/// A page at an address that Salesforce gave.
#[derive(Debug)]
pub(super) struct Place {
    kind: Kind,
    url: String,
    /// No record of the query has children.
    is_flat: bool,
    /// The page as it came, if its children are still to be completed.
    body: Option<Vec<u8>>,
    /// Its records whose children are here: they may have taken many calls, which
    /// are not made again.
    completed: Completed,
}

/// What came of a page.
struct Read {
    page: Page,
    count: usize,
    next: Option<String>,
}

impl Place {
    /// The place of the next page of the same answer.
    fn behind(&self, url: String) -> Self {
        Self {
            kind: self.kind,
            url,
            is_flat: self.is_flat,
            body: None,
            completed: Completed::default(),
        }
    }

    /// The page, and where the next one is. After a passing error it is asked for
    /// again, without what is here already.
    pub(super) async fn page<H: Host>(
        &mut self,
        api: &Api<H>,
    ) -> Result<(Page, Option<Self>), Error> {
        if self.body.is_none() {
            let ask = follow(&self.url, self.kind)?;
            let mut body = patiently(api, ask).await.map_err(expired)?;
            if self.is_flat
                && let Some((total, next)) = flat::cut(&mut body)
            {
                let page = Page {
                    records: body,
                    total,
                };
                return Ok((page, next.map(|url| self.behind(url))));
            }
            self.body = Some(body);
        }
        let read = self.whole(api).await.map_err(expired)?;
        Ok((read.page, read.next.map(|url| self.behind(url))))
    }

    /// Reads the body that is here, record by record.
    async fn whole<H: Host>(&mut self, api: &Api<H>) -> Result<Read, Error> {
        let body = self.body.get_or_insert_default();
        read_page(api, self.kind, body, &mut self.completed).await
    }
}

/// Says what an address that Salesforce no longer knows means: the answer cannot
/// be gone on with, and beginning it anew would give records twice.
fn expired(error: Error) -> Error {
    match error {
        Error::Refused(mut problem) if problem.code == "INVALID_QUERY_LOCATOR" => {
            problem.advice = Advice::Refetch;
            problem.message = format!(
                "the place in this answer has expired, and what comes behind it can only be had \
                 by running the query again, best from the last record on that was read ({})",
                problem.message
            );
            Error::Refused(problem)
        }
        error => error,
    }
}

/// The body of a page. One whose answer was lost is asked for again: it is the
/// same page, and what was read so far would be lost with it.
async fn patiently<H: Host>(api: &Api<H>, ask: Ask) -> Result<Vec<u8>, Error> {
    let mut pause_ms = PAGE_PAUSE_MS;
    for _ in 1..PAGE_TRIES {
        match api.fetch(ask.clone(), None).await {
            Err(Error::Unavailable(_)) => {}
            body => return body,
        }
        api.host.wait(pause_ms).await;
        pause_ms *= 2;
    }
    api.fetch(ask, None).await
}

pub(super) fn explained(error: Error) -> Error {
    match error {
        Error::Refused(problem) => Error::Refused(explain_unseen(problem)),
        error => error,
    }
}

/// The body of a query's first page.
async fn first<H: Host>(
    api: &Api<H>,
    kind: Kind,
    resource: &str,
    text: &str,
) -> Result<Vec<u8>, Error> {
    let encoded = encode(text, |b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b));
    if encoded.len() <= MAX_QUERY_BYTES {
        let ask = Ask::new(Method::Get, format!("/{resource}"), kind).pair("q", text);
        return api.fetch(ask, None).await;
    }
    // Too long for an address: as the one part of a batch it stands in a body.
    let version = api.version().await?;
    let mut body = b"{\"batchRequests\":[{\"method\":\"GET\",\"url\":".to_vec();
    push_text(&mut body, &format!("v{version}/{resource}?q={encoded}"));
    body.extend_from_slice(b"}]}");
    let ask = Ask::new(Method::Post, "/composite/batch", kind).body(body);
    let body = api.fetch(ask, None).await?;
    let batch: Batch<'_> = wire::read(&body).ok_or_else(|| unexpected("the results of a batch"))?;
    let [part] = batch.results.as_slice() else {
        return Err(unexpected("one result of a batch of one"));
    };
    let result = part.result.get().as_bytes();
    if part.status_code == 200 {
        Ok(result.to_vec())
    } else {
        Err(Fault::read(part.status_code, result).error(None, Effect::Read))
    }
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    results: Vec<BatchPart<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchPart<'a> {
    status_code: u16,
    #[serde(borrow)]
    result: &'a RawValue,
}

/// The request for a page at the address that Salesforce gave.
fn follow(url: &str, kind: Kind) -> Result<Ask, Error> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    if !path.starts_with("/services/") {
        return Err(unexpected("nextRecordsUrl to be a path below /services"));
    }
    let query = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect();
    Ok(Ask {
        method: Method::Get,
        path: Path::Given(path.to_owned()),
        query,
        headers: Vec::new(),
        body: None,
        kind,
    })
}

/// Reads a page; gives its records and where the next one is. If children of its
/// records cannot be had now, the body and what is completed stay.
async fn read_page<H: Host>(
    api: &Api<H>,
    kind: Kind,
    body: &mut Vec<u8>,
    completed: &mut Completed,
) -> Result<Read, Error> {
    let page = parse(body)?;
    let next = next_of(&page)?;
    let count = page.records.len();
    let total = page.total_size;
    let records = if page.has_paged_children {
        completed.all(api, kind, &page.records).await?
    } else {
        let place = place_in(body, &page.records);
        let mut body = std::mem::take(body);
        keep_only(&mut body, place);
        body
    };
    Ok(Read {
        page: Page { records, total },
        count,
        next,
    })
}

/// A page, or the error that came in its place: some faults are answered 200.
fn parse(body: &[u8]) -> Result<QueryPage<'_>, Error> {
    let page = str::from_utf8(body).ok().and_then(QueryPage::read);
    page.ok_or_else(|| {
        let fault = Fault::read(200, body);
        if fault.is_from_api() {
            explained(fault.error(None, Effect::Read))
        } else {
            unexpected("a page of a query")
        }
    })
}

/// Where the next page is; `None` only if Salesforce says that there is none.
fn next_of(page: &QueryPage<'_>) -> Result<Option<String>, Error> {
    match (page.done, &page.next_records_url) {
        (true, _) => Ok(None),
        (false, Some(url)) => Ok(Some(url.clone())),
        (false, None) => Err(unexpected("nextRecordsUrl in a page that is not the last")),
    }
}

/// Where the records stand in the body that they were read from.
fn place_in(body: &[u8], records: &[&str]) -> Option<(usize, usize)> {
    let base = body.as_ptr().addr();
    let (first, last) = (records.first()?, records.last()?);
    let start = first.as_ptr().addr().checked_sub(base)?;
    let end = last.as_ptr().addr().checked_sub(base)? + last.len();
    Some((start, end))
}

/// Cuts a page's body down to the array of its records, without a second copy: a
/// page can be many megabytes. What stood before it becomes blanks, which the host
/// leaves out.
fn keep_only(body: &mut Vec<u8>, place: Option<(usize, usize)>) {
    let Some((start, end)) = place else {
        body.clear();
        body.extend_from_slice(b"[]");
        return;
    };
    body.truncate(end);
    body.push(b']');
    body.iter_mut().take(start).for_each(|byte| *byte = b' ');
    // The byte before the first record is the array's bracket or white space.
    if let Some(byte) = start.checked_sub(1).and_then(|at| body.get_mut(at)) {
        *byte = b'[';
    }
}

#[cfg(test)]
mod tests;
