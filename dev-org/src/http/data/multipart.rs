//! A record and its file in one body of two parts, so that the file travels as
//! it is instead of a third longer in base64.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header;
use serde_json::{Map, Value};

use crate::fault::Fault;

/// The type of a body of parts; `None` for any other.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let is_multipart = kind.to_ascii_lowercase().starts_with("multipart/form-data");
    is_multipart.then_some(kind)
}

/// The most bytes of a file of an object, with room for its record.
pub(super) fn limit(object: &str) -> usize {
    const MIB: usize = 1024 * 1024;
    match object.eq_ignore_ascii_case("ContentVersion") {
        true => 2049 * MIB,
        false => 501 * MIB,
    }
}

/// A record and the contents that came with it, each with its field.
pub(super) type WithFiles = (Map<String, Value>, Vec<(String, Bytes)>);

/// What stands in a record for a content that came beside it.
const ELSEWHERE: &str = "AA==";

/// The record of a `multipart/form-data` body: its part of JSON, and every part
/// that has a file name for the field that it is named after. Nothing is copied.
pub(super) fn record(content_type: &str, body: &Bytes) -> Result<WithFiles, Fault> {
    let boundary = boundary(content_type)?;
    let mut record = None;
    let mut files = Vec::new();
    for part in parts(boundary, body)? {
        let disposition = header(part.head, "content-disposition").unwrap_or_default();
        let name = parameter(disposition, "name")
            .ok_or_else(|| broken("A part has no name"))?
            .to_owned();
        let kind = header(part.head, "content-type").unwrap_or_default();
        if parameter(disposition, "filename").is_some() {
            files.push((name, body.slice_ref(part.body)));
        } else if record.is_none() && (kind.is_empty() || kind.starts_with("application/json")) {
            let read: Map<String, Value> = serde_json::from_slice(part.body)
                .map_err(|error| broken(&format!("The part {name} is no JSON: {error}")))?;
            record = Some(read);
        } else {
            return Err(broken(&format!(
                "The part {name} is neither JSON nor a file"
            )));
        }
    }
    let mut record = record.ok_or_else(|| broken("There is no part with the record in JSON"))?;
    for (name, _) in &files {
        record.insert(name.clone(), Value::from(ELSEWHERE));
    }
    Ok((record, files))
}

/// All parts with their names.
pub(super) fn named<'a>(
    content_type: &str,
    body: &'a [u8],
) -> Result<Vec<(&'a str, &'a [u8])>, Fault> {
    let boundary = boundary(content_type)?;
    let mut named = Vec::new();
    for part in parts(boundary, body)? {
        let disposition = header(part.head, "content-disposition").unwrap_or_default();
        let name = parameter(disposition, "name").ok_or_else(|| broken("A part has no name"))?;
        named.push((name, part.body));
    }
    Ok(named)
}

fn boundary(content_type: &str) -> Result<&str, Fault> {
    parameter(content_type, "boundary")
        .filter(|boundary| !boundary.is_empty())
        .ok_or_else(|| broken("The Content-Type names no boundary"))
}

struct Part<'a> {
    head: &'a str,
    body: &'a [u8],
}

fn parts<'a>(boundary: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, Fault> {
    let open = format!("--{boundary}");
    let between = format!("\r\n--{boundary}");
    let cut = || broken("The body ends before its last boundary");
    let start = find(body, open.as_bytes()).ok_or_else(cut)?;
    let mut rest = body.get(start + open.len()..).ok_or_else(cut)?;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let rest_of_line = find(rest, b"\r\n").ok_or_else(cut)?;
        let whole = rest.get(rest_of_line..).unwrap_or_default();
        let end = find(whole, between.as_bytes()).ok_or_else(cut)?;
        let part = whole.get(..end).unwrap_or_default();
        let head_end = find(part, b"\r\n\r\n").ok_or_else(cut)?;
        let head = part.get(..head_end).unwrap_or_default();
        parts.push(Part {
            head: std::str::from_utf8(head).map_err(|_| broken("A part has no readable head"))?,
            body: part.get(head_end + 4..).unwrap_or_default(),
        });
        rest = whole.get(end + between.len()..).unwrap_or_default();
    }
    Ok(parts)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    // Files are long: looks for the first byte, which is quick, and only there
    // for the rest.
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| *byte == first)?;
        if bytes.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// `name` of `form-data; name="VersionData"; filename="a;b.txt"`.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = value;
    loop {
        let at = rest.find(';')?;
        rest = rest.get(at + 1..)?.trim_start();
        let (key, after) = rest.split_once('=')?;
        let (found, behind) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(';').unwrap_or(after.len())),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(found.trim());
        }
        rest = behind;
    }
}

fn broken(message: &str) -> Fault {
    Fault::bad_request("INVALID_MULTIPART_REQUEST", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/form-data; boundary=\"b\"";

    #[test]
    fn the_file_goes_into_the_field_of_its_part() {
        let body = b"preamble\r\n--b\r\nContent-Disposition: form-data; name=\"entity_content\";\r\nContent-Type: application/json\r\n\r\n{\"Title\":\"T\"}\r\n--b\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; name=\"VersionData\"; filename=\"a;b.txt\"\r\n\r\nx\r\n--y\r\n\r\n--b--\r\n";
        let (record, files) = record(KIND, &Bytes::from_static(body)).unwrap();
        assert_eq!(record["Title"], "T");
        let content = Bytes::from_static(b"x\r\n--y\r\n");
        assert_eq!(files, [("VersionData".to_owned(), content)]);
    }

    #[test]
    fn a_body_that_is_cut_or_has_no_record_is_refused() {
        for body in [
            &b""[..],
            b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n{}",
            b"--b--",
            b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nno json\r\n--b--",
        ] {
            assert!(record(KIND, &Bytes::from_static(body)).is_err());
        }
        let body = Bytes::from_static(b"--b--");
        assert!(record("multipart/form-data", &body).is_err());
    }
}
