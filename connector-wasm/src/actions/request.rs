//! Any request below `/services`, for what has no action of its own: the way
//! out, with its dangers.
//!
//! Whatever status comes back is an answer. What the request does is the
//! caller's business; where it goes is not: logins and sessions stay the host's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::api::{Api, Ask, Kind, Path};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fault::refused;
use crate::host::{Host, Method};
use crate::wire::{self, Members};

/// Headers that may be given, beside those that start with one of
/// [`HEADER_PREFIXES`].
const HEADERS: [&str; 6] = [
    "accept",
    "content-type",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
];
const HEADER_PREFIXES: [&str; 2] = ["sforce-", "x-sfdc-packageversion-"];

/// What lies right below `/services` and is about sessions: the host logs in,
/// and gives up logins.
const ABOUT_SESSIONS: [&str; 2] = ["oauth2", "soap"];

/// A GET that does whatever its query says.
const RUNS_APEX: &str = "/executeanonymous";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestInput<'a> {
    method: Verb,
    path: String,
    #[serde(default, borrow)]
    query: Option<Members<'a>>,
    #[serde(default, borrow)]
    body: Option<&'a RawValue>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Output<'a> {
    status: u16,
    body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<&'a str>,
}

/// Sends a request as the caller words it.
pub(super) async fn send<H: Host>(api: &Api<H>, input: RequestInput<'_>) -> Result<Vec<u8>, Error> {
    let path = place(&input.path)?;
    for name in input.headers.keys() {
        check_header(name)?;
    }
    let body = match (input.body, input.text) {
        (Some(_), Some(_)) => return Err(wrong("give either body or text")),
        (Some(json), None) => Some(json.get().as_bytes().to_vec()),
        (None, text) => text.map(String::into_bytes),
    };
    let mut ask = Ask::new(input.method.method(), "", input.method.kind(&input.path));
    ask.path = path;
    ask.body = body;
    ask.headers = input.headers.into_iter().collect();
    for (name, value) in input.query.iter().flat_map(|query| &query.0) {
        let value = match wire::text(value) {
            Some(text) => text.into_owned(),
            None if value.get().starts_with(['{', '[']) => {
                return Err(wrong("a value of query is a text, a number, true or false"));
            }
            None => value.get().to_owned(),
        };
        ask = ask.pair(name, value);
    }
    let answer = api.send(ask).await?;
    let text = std::str::from_utf8(&answer.body).ok();
    let json: Option<&RawValue> = wire::read(&answer.body);
    let output = Output {
        status: answer.status,
        body: json,
        text: text.filter(|text| json.is_none() && !text.is_empty()),
        binary_bytes: text.is_none().then_some(answer.body.len()),
        etag: answer.etag.as_deref(),
        last_modified: answer.last_modified.as_deref(),
    };
    Ok(serde_json::to_vec(&output).unwrap_or_default())
}

impl Verb {
    const fn method(self) -> Method {
        match self {
            Self::Get => Method::Get,
            Self::Head => Method::Head,
            Self::Post => Method::Post,
            Self::Put => Method::Put,
            Self::Patch => Method::Patch,
            Self::Delete => Method::Delete,
        }
    }

    /// Whether a lost answer matters.
    fn kind(self, path: &str) -> Kind {
        let reads = matches!(self, Self::Get | Self::Head);
        if reads && !path.to_ascii_lowercase().contains(RUNS_APEX) {
            Kind::Read
        } else {
            Kind::Write
        }
    }
}

/// Where a path leads.
fn place(path: &str) -> Result<Path, Error> {
    let is_plain = path.starts_with('/')
        && path
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'\\'))
        && !path.split('/').any(|segment| matches!(segment, "." | ".."));
    if !is_plain {
        return Err(wrong(
            "a path starts with /, is percent-encoded, and leaves what follows ? to query",
        ));
    }
    let Some(below) = path.strip_prefix("/services/") else {
        return Ok(Path::Resource(path.to_owned()));
    };
    let first = below.split('/').next().unwrap_or_default();
    // Not encoded, so that it is what it reads as.
    let is_name = !first.is_empty() && first.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_about_sessions = ABOUT_SESSIONS
        .iter()
        .any(|about| first.eq_ignore_ascii_case(about));
    if !is_name || is_about_sessions {
        return Err(refused(
            Advice::AskPermission,
            "REQUEST_DENIED",
            "what lies below /services/oauth2 and /services/Soap is about sessions, and the \
             host's business",
        ));
    }
    Ok(Path::Given(path.to_owned()))
}

fn check_header(name: &str) -> Result<(), Error> {
    let name = name.to_ascii_lowercase();
    let is_known = HEADERS.contains(&name.as_str())
        || HEADER_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix));
    if is_known {
        return Ok(());
    }
    Err(wrong(&format!(
        "headers are {}, and those that start with {}",
        HEADERS.join(", "),
        HEADER_PREFIXES.join(" or ")
    )))
}

fn wrong(message: &str) -> Error {
    refused(Advice::FixRecord, "INVALID_INPUT", message)
}

#[cfg(test)]
mod tests;
