//! Conditional requests: ETag and dates, so that a client does not fetch what
//! it has and does not overwrite what it has not seen.

use axum::response::Response;
use hyper::header::{self, HeaderValue};
use ring::digest;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::call::{Answer, Call};
use crate::fault::Fault;
use crate::http::answer as plain;
use crate::org::Org;
use crate::value::Value;

/// A quoted ETag of some bytes.
pub(super) fn etag(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let hash = digest::digest(&digest::SHA256, bytes);
    let short: Vec<u8> = hash.as_ref().iter().take(16).copied().collect();
    let text = base64::engine::general_purpose::STANDARD.encode(short);
    format!("\"{text}\"")
}

/// When a record was last changed.
pub(super) fn modified_ms(org: &Org, id: &str) -> Option<i64> {
    let (object, row) = org.row(id)?;
    let (column, _) = object.field("LastModifiedDate")?;
    match row.get(column) {
        Value::DateTime(at) => Some(*at),
        _ => None,
    }
}

/// The answer of a GET: the body, or 304 when the client has it already.
pub(super) fn answer(
    call: &Call,
    body: Vec<u8>,
    tag: Option<&str>,
    modified: Option<i64>,
) -> Answer {
    let unchanged = match (tag, call.header("if-none-match")) {
        (Some(tag), Some(known)) => names(known, tag),
        _ => unchanged_since(call, modified),
    };
    let changed_meanwhile = match (tag, call.header("if-match")) {
        (Some(tag), Some(known)) => !names(known, tag),
        _ => changed_after(call, modified),
    };
    if changed_meanwhile {
        return Err(precondition_failed());
    }
    let response = if unchanged {
        plain::empty(304)
    } else {
        plain::bytes(200, body)
    };
    Ok(with_validators(response, tag, modified))
}

/// Refuses a write to something that has changed meanwhile, by its date.
pub(super) fn check_date(call: &Call, modified: Option<i64>) -> Result<(), Fault> {
    let since = call.header("if-unmodified-since");
    if since.is_some_and(|since| read_date(since).is_none()) {
        return Err(invalid("If-Unmodified-Since holds no valid date"));
    }
    if changed_after(call, modified) {
        return Err(precondition_failed());
    }
    Ok(())
}

/// The same by its ETag, which only some records have; false if the request
/// names none.
pub(super) fn check_tag(
    call: &Call,
    current: impl FnOnce() -> Result<String, Fault>,
) -> Result<bool, Fault> {
    let wanted = [("if-match", true), ("if-none-match", false)];
    let wanted = wanted
        .into_iter()
        .filter_map(|(name, is_wanted)| Some((name, call.header(name)?, is_wanted)));
    let wanted: Vec<(&str, &str, bool)> = wanted.collect();
    if wanted.is_empty() {
        return Ok(false);
    }
    let current = current()?;
    for (name, tags, is_wanted) in wanted {
        if !tags.contains('"') && tags != "*" {
            return Err(invalid(&format!("{name} holds no valid ETag")));
        }
        if names(tags, &current) != is_wanted {
            return Err(precondition_failed());
        }
    }
    Ok(true)
}

fn invalid(message: &str) -> Fault {
    Fault::bad_request("INVALID_HEADER", message)
}

fn precondition_failed() -> Fault {
    Fault::new(412, "PRECONDITION_FAILED", "The record has changed")
}

/// Whether a list of ETags holds this one, packed or not.
fn names(list: &str, tag: &str) -> bool {
    let bare = |tag: &str| {
        let tag = tag.trim().trim_start_matches("W/").trim_matches('"');
        tag.trim_end_matches("--gzip").to_owned()
    };
    list.split(',')
        .any(|known| known.trim() == "*" || bare(known) == bare(tag))
}

fn unchanged_since(call: &Call, modified: Option<i64>) -> bool {
    let since = call.header("if-modified-since").and_then(read_date);
    matches!((since, modified), (Some(since), Some(modified)) if modified / 1000 <= since)
}

fn changed_after(call: &Call, modified: Option<i64>) -> bool {
    let since = call.header("if-unmodified-since").and_then(read_date);
    matches!((since, modified), (Some(since), Some(modified)) if modified / 1000 > since)
}

/// Seconds since 1970 of a date in a header.
fn read_date(text: &str) -> Option<i64> {
    // RFC 2822 knows no `GMT` in this parser's strict form.
    let text = text.replace("GMT", "+0000");
    let date = OffsetDateTime::parse(&text, &Rfc2822).ok()?;
    Some(date.unix_timestamp())
}

fn with_validators(mut response: Response, tag: Option<&str>, modified: Option<i64>) -> Response {
    let headers = response.headers_mut();
    if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(tag).ok()) {
        headers.insert(header::ETAG, tag);
    }
    if let Some(date) = modified.and_then(plain::date) {
        headers.insert(header::LAST_MODIFIED, date);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_the_same_packed_or_not() {
        assert!(names("\"a=\"", "\"a=\""));
        assert!(names("\"b\", \"a=--gzip\"", "\"a=\""));
        assert!(!names("\"b\"", "\"a=\""));
    }

    #[test]
    fn dates_of_headers_are_read_in_gmt() {
        assert_eq!(
            read_date("Fri, 01 May 2026 07:25:37 GMT"),
            Some(1_777_620_337)
        );
        assert_eq!(read_date("yesterday"), None);
    }
}
