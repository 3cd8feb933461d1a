//! Checks of what a guest gives: headers and body sizes. Paths and queries are
//! checked where the URL is built.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::bindings::contract::http as wit;
use crate::limits::Limits;

/// Header fields of a request, their count and their bytes in all. The contract
/// promises these numbers.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 32 * 1024;
const MAX_NAME_BYTES: usize = 256;
const MAX_VALUE_BYTES: usize = 8 * 1024;

/// The default of `timeout-ms`. The contract promises it.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// Fields that the host sets itself or that would let a guest speak past it:
/// framing, routing, credentials. Names that start with one of
/// [`FORBIDDEN_PREFIXES`] are refused as well.
const FORBIDDEN: [&str; 17] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
];
const FORBIDDEN_PREFIXES: [&str; 4] = ["proxy-", "x-forwarded-", "x-http-method", "sec-"];

/// A request that keeps the rules, without origin and credential.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    pub(super) timeout: Duration,
    /// The most that the answer's body may hold, if it is taken as a stream.
    pub(super) response_bytes: u64,
}

impl Checked {
    /// Checks a request. `token_header` is the field that will carry the
    /// credential.
    pub(super) fn new(
        request: wit::Request,
        limits: &Limits,
        token_header: &str,
    ) -> Result<Self, wit::InvalidPart> {
        let body = request.body.map(Bytes::from);
        if body
            .as_ref()
            .is_some_and(|body| body.len() as u64 > limits.request_bytes)
        {
            return Err(wit::InvalidPart::Body);
        }
        let timeout = match request.timeout_ms {
            0 => DEFAULT_TIMEOUT,
            ms => Duration::from_millis(ms.into()),
        };
        Ok(Self {
            method: method(request.method),
            path: request.path,
            query: request.query,
            headers: headers(request.headers, token_header).ok_or(wit::InvalidPart::Header)?,
            body,
            timeout,
            response_bytes: limits.response_bytes.max(limits.stream_bytes),
        })
    }
}

fn method(method: wit::Method) -> Method {
    match method {
        wit::Method::Get => Method::GET,
        wit::Method::Head => Method::HEAD,
        wit::Method::Post => Method::POST,
        wit::Method::Put => Method::PUT,
        wit::Method::Patch => Method::PATCH,
        wit::Method::Delete => Method::DELETE,
    }
}

fn headers(fields: Vec<wit::Header>, token_header: &str) -> Option<HeaderMap> {
    let bytes: usize = fields
        .iter()
        .map(|field| field.name.len() + field.value.len())
        .sum();
    if fields.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(fields.len() + 1);
    for field in fields {
        if field.name.len() > MAX_NAME_BYTES || field.value.len() > MAX_VALUE_BYTES {
            return None;
        }
        // Parsing lowers the case and refuses all but token characters; values
        // with CR, LF or NUL, which would forge further fields, are no values.
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_str(&field.value)
            .or_else(|_| HeaderValue::from_bytes(field.value.as_bytes()))
            .ok()?;
        let forbidden = FORBIDDEN.contains(&name.as_str())
            || FORBIDDEN_PREFIXES
                .iter()
                .any(|prefix| name.as_str().starts_with(prefix))
            || name.as_str().eq_ignore_ascii_case(token_header);
        if forbidden {
            return None;
        }
        headers.append(name, value);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Option<HeaderMap> {
        let field = wit::Header {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        headers(vec![field], "x-token")
    }

    #[test]
    fn fields_that_frame_route_or_authorise_are_refused_in_any_case() {
        for name in [
            "Authorization",
            "HOST",
            "cookie",
            "Content-Length",
            "transfer-encoding",
            "TE",
            "Connection",
            "Upgrade",
            "Proxy-Authorization",
            "X-Forwarded-For",
            "Expect",
            "X-Token",
            "x-http-method-override",
            "Accept-Encoding",
        ] {
            assert!(one(name, "x").is_none(), "{name}");
        }
        assert!(one("Sforce-Call-Options", "client=me").is_some());
    }

    #[test]
    fn a_value_cannot_begin_another_field() {
        for value in ["a\r\nhost: evil", "a\nb", "a\0b", "a\rb"] {
            assert!(one("x-a", value).is_none(), "{value:?}");
        }
        for name in ["x a", "x:a", "", "x\r\n", "ü"] {
            assert!(one(name, "v").is_none(), "{name:?}");
        }
        assert!(one("x-a", "tab\tand ü").is_some());
    }

    #[test]
    fn too_many_or_too_large_fields_are_refused() {
        assert!(one("x-a", &"v".repeat(MAX_VALUE_BYTES + 1)).is_none());
        let field = |n: usize| wit::Header {
            name: format!("x-{n}"),
            value: String::new(),
        };
        assert!(headers((0..=MAX_HEADERS).map(field).collect(), "x-token").is_none());
    }
}
