//! Children nested in records, which Salesforce pages on their own: a record
//! whose children go on elsewhere is completed in place, so that nobody takes
//! the first part for all of them.

use std::future::Future;
use std::pin::Pin;

use json_skim::{Malformed, Skim};

use super::{follow, next_of, parse};
use crate::api::{Api, Kind};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::host::Host;
use crate::wire::{QueryPage, names_next_page};

/// The first records of a page, with all their children.
#[derive(Debug, Default)]
pub(super) struct Completed {
    json: Vec<u8>,
    count: usize,
}

impl Completed {
    /// All records as a JSON array. After an error those that are complete stay,
    /// and the next try goes on behind them.
    pub(super) async fn all<H: Host>(
        &mut self,
        api: &Api<H>,
        kind: Kind,
        records: &[&str],
    ) -> Result<Vec<u8>, Error> {
        for record in records.iter().skip(self.count) {
            let end = self.json.len();
            self.json.push(if end == 0 { b'[' } else { b',' });
            if let Err(error) = push_completed(api, kind, record, &mut self.json).await {
                self.json.truncate(end);
                return Err(error);
            }
            self.count += 1;
        }
        let mut json = std::mem::take(&mut self.json);
        json.push(b']');
        Ok(json)
    }
}

async fn push_all<H: Host>(
    api: &Api<H>,
    kind: Kind,
    records: &[&str],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    for record in records {
        if out.last() != Some(&b'[') {
            out.push(b',');
        }
        push_completed(api, kind, record, out).await?;
    }
    Ok(())
}

/// One value with all children in it. Boxed, since children have children, at
/// most five levels of them.
fn push_completed<'a, H: Host>(
    api: &'a Api<H>,
    kind: Kind,
    value: &'a str,
    out: &'a mut Vec<u8>,
) -> Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>> {
    Box::pin(async move {
        if !names_next_page(value) {
            out.extend_from_slice(value.as_bytes());
            return Ok(());
        }
        if let Some(page) = QueryPage::read(value) {
            return push_children(api, kind, &page, out).await;
        }
        let Some(members) = members(value) else {
            out.extend_from_slice(value.as_bytes());
            return Ok(());
        };
        out.push(b'{');
        for (at, (key, value)) in members.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key.as_bytes());
            out.push(b':');
            push_completed(api, kind, value, out).await?;
        }
        out.push(b'}');
        Ok(())
    })
}

/// The members of an object as they are written; `None` for anything else.
fn members(value: &str) -> Option<Vec<(&str, &str)>> {
    let mut members = Vec::new();
    let walked = Skim::new(value).members(|key, skim| {
        members.push((key, skim.value()?));
        Ok::<(), Malformed>(())
    });
    walked.ok().map(|()| members)
}

async fn push_children<H: Host>(
    api: &Api<H>,
    kind: Kind,
    first: &QueryPage<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    out.push(b'{');
    if let Some(total) = first.total_size {
        out.extend_from_slice(format!("\"totalSize\":{total},").as_bytes());
    }
    out.extend_from_slice(b"\"done\":true,\"records\":[");
    push_all(api, kind, &first.records, out).await?;
    let mut next = next_of(first)?;
    while let Some(url) = next {
        let body = api.fetch(follow(&url, kind)?, None).await?;
        let page = parse(&body)?;
        push_all(api, kind, &page.records, out).await?;
        next = next_of(&page)?;
    }
    out.extend_from_slice(b"]}");
    Ok(())
}
