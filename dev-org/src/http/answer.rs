//! Shapes of answers that every part of the org shares: JSON, Salesforce's
//! error arrays, the edge's HTML pages, and the headers on all of them.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use hyper::StatusCode;
use hyper::header::{self, HeaderName, HeaderValue};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

/// Salesforce writes the charset in capitals, and some clients compare.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");

const HTML: HeaderValue = HeaderValue::from_static("text/html;charset=UTF-8");

/// A JSON answer.
pub(crate) fn json(status: u16, body: &Value) -> Response {
    bytes(status, body.to_string().into_bytes())
}

/// JSON that is already written.
pub(crate) fn bytes(status: u16, body: Vec<u8>) -> Response {
    with_type(status, JSON, Body::from(body))
}

/// An HTML page.
pub(crate) fn html(status: u16, page: String) -> Response {
    with_type(status, HTML, Body::from(page))
}

/// Plain text, as the identity service answers its errors.
pub(crate) fn text(status: u16, message: &'static str) -> Response {
    let kind = HeaderValue::from_static("text/plain;charset=UTF-8");
    with_type(status, kind, Body::from(message))
}

/// A status and nothing else.
pub(crate) fn empty(status: u16) -> Response {
    let mut response = Body::empty().into_response();
    *response.status_mut() = code(status);
    response
}

/// A body of any type.
pub(crate) fn with_type(status: u16, kind: HeaderValue, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = code(status);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// One error in the array that Salesforce answers errors with.
pub(crate) fn error(status: u16, error_code: &str, message: &str) -> Response {
    json(
        status,
        &json!([{ "message": message, "errorCode": error_code }]),
    )
}

/// The answer for an address that leads nowhere.
pub(crate) fn not_found() -> Response {
    error(404, "NOT_FOUND", "The requested resource does not exist")
}

/// The same as a handler.
pub(crate) async fn no_such_resource() -> Response {
    not_found()
}

/// A page of the edge, which closes the connection after it.
pub(crate) fn bad_message(status: u16, reason: &str) -> Response {
    let mut response = html(
        status,
        format!("<h1>Bad Message {status}</h1><pre>reason: {reason}</pre>"),
    );
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The answer of an error fault: the body Salesforce has for this status,
/// unless the rule brought its own.
pub(crate) fn injected(
    status: u16,
    error_code: Option<&str>,
    message: Option<&str>,
    body: Option<&str>,
) -> Response {
    if let Some(body) = body {
        let is_html = body.trim_start().starts_with('<');
        let kind = if is_html { HTML } else { JSON };
        return with_type(status, kind, Body::from(body.to_owned()));
    }
    let (usual_code, usual_message) = match status {
        401 => ("INVALID_SESSION_ID", "Session expired or invalid"),
        403 => ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
        404 => ("NOT_FOUND", "The requested resource does not exist"),
        503 => (
            "SERVER_UNAVAILABLE",
            "The server is temporarily unavailable",
        ),
        _ => (
            "UNKNOWN_EXCEPTION",
            "An unexpected error occurred. Please include this ErrorId if you contact support: 1",
        ),
    };
    error(
        status,
        error_code.unwrap_or(usual_code),
        message.unwrap_or(usual_message),
    )
}

/// The headers that the edge puts on everything.
pub(crate) fn with_edge_headers(mut response: Response, now_ms: i64) -> Response {
    let id = crate::random::hex(16);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static("x-sfdc-request-id"), id.clone());
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    headers.insert(header::SERVER, HeaderValue::from_static("sfdcedge"));
    // By the org's clock, which tests set.
    if let Some(now) = date(now_ms) {
        headers.insert(header::DATE, now);
    }
    headers.insert(
        HeaderName::from_static("x-sfdc-edge-cache"),
        HeaderValue::from_static("none"),
    );
    headers.entry(header::CACHE_CONTROL).or_insert_with(|| {
        HeaderValue::from_static("no-cache,must-revalidate,max-age=0,no-store,private")
    });
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

/// A time in milliseconds since the epoch, as headers have it.
pub(crate) fn date(at_ms: i64) -> Option<HeaderValue> {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1000)).ok()?;
    HeaderValue::from_str(&date.format(format).ok()?).ok()
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
