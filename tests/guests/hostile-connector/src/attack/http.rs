//! Attacks on requests: forms that must not go out, more of them than allowed,
//! bodies that are not taken as they should be, and a search for credentials in
//! what comes back.

use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use crate::guest::bindings::lockgate::connector::http::{
    self, Error, Header, Method, Request, Response,
};

/// The most of a body that is put into a report, in bytes.
const MAX_BODY: u64 = 8 * 1024 * 1024;

/// Answer headers in which a credential could come back.
const TELLING_HEADERS: [&str; 14] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "set-cookie2",
    "www-authenticate",
    "authentication-info",
    "x-authorization",
    "x-echo-authorization",
    "x-sfdc-session",
    "location",
    "link",
    "refresh",
    "server-timing",
];

pub(super) fn request(method: Method, path: &str) -> Request {
    Request {
        method,
        path: path.to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body: None,
        timeout_ms: 0,
    }
}

fn get(path: &str) -> Request {
    request(Method::Get, path)
}

pub(super) fn refusal(error: &Error) -> Value {
    json!({ "error": format!("{error:?}") })
}

/// Sends one request and tells all that came back: a test looks for the token
/// in it.
pub(super) async fn send(method: &str, path: &str) -> Value {
    let method = match method.to_ascii_lowercase().as_str() {
        "head" => Method::Head,
        "post" => Method::Post,
        "put" => Method::Put,
        "patch" => Method::Patch,
        "delete" => Method::Delete,
        _ => Method::Get,
    };
    tell(request(method, path)).await
}

async fn tell(request: Request) -> Value {
    let response = match http::send(request).await {
        Ok(response) => response,
        Err(error) => return refusal(&error),
    };
    let status = response.status();
    let headers: Map<String, Value> = TELLING_HEADERS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), Value::String(response.header(name)?))))
        .collect();
    match Response::take_body(response, MAX_BODY).await {
        Ok(body) => json!({
            "status": status,
            "headers": headers,
            "body": String::from_utf8_lossy(&body),
        }),
        Err(error) => {
            json!({ "status": status, "headers": headers, "error": format!("{error:?}") })
        }
    }
}

/// Sends many at once.
pub(super) async fn send_many(count: usize, path: &str) -> Vec<Value> {
    join_all((0..count).map(|_| async {
        match http::send(get(path)).await {
            Ok(response) => json!({ "status": response.status() }),
            Err(error) => refusal(&error),
        }
    }))
    .await
}

/// Sends one after the other until one is refused.
pub(super) async fn send_until_refused(path: &str) -> Value {
    let mut sent = 0_u64;
    loop {
        match http::send(get(path)).await {
            Ok(_) => sent += 1,
            Err(error) => return json!({ "sent": sent, "error": format!("{error:?}") }),
        }
    }
}

/// Sends some one after the other and reads each answer: no attack, but what a
/// well-behaved guest does, for comparison.
pub(super) async fn read(count: usize, path: &str) -> Value {
    let mut bytes = 0;
    for _ in 0..count {
        match http::send(get(path)).await {
            Ok(response) => match Response::take_body(response, MAX_BODY).await {
                Ok(body) => bytes += body.len(),
                Err(error) => return refusal(&error),
            },
            Err(error) => return refusal(&error),
        }
    }
    json!({ "sent": count, "bytes": bytes })
}

pub(super) async fn send_body(bytes: usize, path: &str) -> Value {
    let mut request = request(Method::Post, path);
    request.body = Some(vec![b'x'; bytes]);
    tell(request).await
}

pub(super) async fn send_header(path: &str, name: &str, value: &str) -> Value {
    let mut request = get(path);
    request.headers = vec![header(name, value)];
    tell(request).await
}

/// How a body begins in which the manifest has the host put the credential.
const START: &str = "<session>{credential}</session>";

/// Tries to get the credential into a request where it can be found again.
pub(super) async fn marker(place: &str, path: &str) -> Value {
    let mut request = request(Method::Post, path);
    let body = match place {
        "later" => format!(" {START}"),
        "within" => "<session>{credential}<note></session>".to_owned(),
        "alone" => "{credential}".to_owned(),
        _ => format!("{START}<note>{{credential}}</note>{START}"),
    };
    request.body = Some(body.into_bytes());
    match place {
        "put" => request.method = Method::Put,
        "query" => request.query = vec![("note".to_owned(), START.to_owned())],
        "header" => request.headers = vec![header("x-note", START)],
        _ => {}
    }
    tell(request).await
}

fn header(name: &str, value: &str) -> Header {
    Header {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

/// Sends each header that must not go out, alone, and tells what each gave.
pub(super) async fn forbidden_headers(path: &str) -> Vec<Value> {
    let long = "x".repeat(8 * 1024 + 1);
    let cases = [
        ("Authorization", "Bearer mine"),
        ("authorization", ""),
        ("AUTHORIZATION", "Bearer mine"),
        ("Proxy-Authorization", "Basic bWluZQ=="),
        ("Host", "evil.example"),
        ("Cookie", "sid=mine"),
        ("Content-Length", "0"),
        ("Accept-Encoding", "identity"),
        ("Connection", "close, authorization"),
        ("Keep-Alive", "timeout=1000"),
        ("Transfer-Encoding", "chunked"),
        ("TE", "trailers"),
        ("Trailer", "Authorization"),
        ("Upgrade", "websocket"),
        ("Proxy-Connection", "keep-alive"),
        ("Expect", "100-continue"),
        (":authority", "evil.example"),
        (":path", "/evil"),
        ("", "empty name"),
        ("X Space", "a"),
        ("X-Colon:", "a"),
        ("Authorization\0", "a"),
        ("X-Line\r\nAuthorization", "a"),
        ("X-Value", "a\r\nAuthorization: Bearer mine"),
        ("X-Value", "a\nb"),
        ("X-Value", "a\0b"),
        ("X-Value", "a\u{7f}b"),
        ("X-Long", long.as_str()),
    ];
    let mut reports = Vec::new();
    for (name, value) in cases {
        let mut request = get(path);
        request.headers = vec![header(name, value)];
        reports.push(json!({ "name": name, "outcome": outcome(request).await }));
    }
    let mut request = get(path);
    request.headers = (0..65).map(|n| header(&format!("X-{n}"), "a")).collect();
    reports.push(json!({ "name": "65 fields", "outcome": outcome(request).await }));
    reports
}

/// Sends each path that must not go out, and tells what each gave.
pub(super) async fn forbidden_paths() -> Vec<Value> {
    let long = format!("/{}", "x".repeat(8 * 1024));
    let mut reports = Vec::new();
    for path in [
        "",
        "services",
        "//evil.example/",
        "///evil.example",
        "http://evil.example/",
        "https://evil.example/",
        "@evil.example/",
        ":80@evil.example/",
        "/\\evil.example",
        "\\\\evil.example\\",
        "/a\\b",
        "/..",
        "/../etc",
        "/a/../b",
        "/a/./b",
        "/.",
        "/%2e%2e/a",
        "/%2E%2e/a",
        "/.%2e/a",
        "/a/%2e/b",
        "/%252e%252e/a",
        "/a?b=c",
        "/a#b",
        "/a b",
        "/a\tb",
        "/a\r\nHost: evil.example",
        "/a\0b",
        "/%00",
        "/%0d%0aHost:%20evil.example",
        "/%",
        "/%zz",
        "/ä",
        "/a//b",
        "/%2f%2fevil.example",
        "/%5cevil.example",
        long.as_str(),
    ] {
        reports.push(json!({ "path": path, "outcome": outcome(get(path)).await }));
    }
    reports
}

async fn outcome(request: Request) -> Value {
    match http::send(request).await {
        Ok(response) => json!({ "status": response.status() }),
        Err(error) => refusal(&error),
    }
}

/// Takes a body with a limit of its own.
pub(super) async fn take(path: &str, max_bytes: usize) -> Value {
    match http::send(get(path)).await {
        Ok(response) => match Response::take_body(response, max_bytes as u64).await {
            Ok(body) => json!({ "bytes": body.len() }),
            Err(error) => refusal(&error),
        },
        Err(error) => refusal(&error),
    }
}

/// Reads at least so many bytes of a body as it comes, then lets go of it.
pub(super) async fn stream(path: &str, enough: usize) -> Value {
    let response = match http::send(get(path)).await {
        Ok(response) => response,
        Err(error) => return refusal(&error),
    };
    let (mut body, ending) = Response::take_stream(response);
    let mut bytes = 0;
    let mut is_whole = false;
    while bytes < enough {
        let (status, chunk) = body.read(Vec::with_capacity(64 * 1024)).await;
        bytes += chunk.len();
        if matches!(
            status,
            wit_bindgen::StreamResult::Dropped | wit_bindgen::StreamResult::Cancelled
        ) {
            is_whole = true;
            break;
        }
    }
    drop(body);
    if !is_whole {
        drop(ending);
        return json!({ "bytes": bytes, "ending": "not waited for" });
    }
    match ending.await {
        Ok(()) => json!({ "bytes": bytes, "ending": "whole" }),
        Err(error) => json!({ "bytes": bytes, "ending": format!("{error:?}") }),
    }
}

/// Lets go of a body unread, and asks how it ended.
pub(super) async fn lose(path: &str) -> Value {
    let response = match http::send(get(path)).await {
        Ok(response) => response,
        Err(error) => return refusal(&error),
    };
    let (body, ending) = Response::take_stream(response);
    drop(body);
    match ending.await {
        Ok(()) => json!({ "ending": "whole" }),
        Err(error) => json!({ "ending": format!("{error:?}") }),
    }
}

/// Lets go of an answer without a look at its body.
pub(super) async fn ignore(path: &str) -> Value {
    match http::send(get(path)).await {
        Ok(response) => json!({ "status": response.status() }),
        Err(error) => refusal(&error),
    }
}

/// Keeps answers, and reads none.
pub(super) async fn hold(count: usize, path: &str) -> Vec<Value> {
    let mut kept = Vec::new();
    let mut reports = Vec::new();
    for _ in 0..count {
        match http::send(get(path)).await {
            Ok(response) => kept.push(response),
            Err(error) => {
                reports.push(refusal(&error));
                break;
            }
        }
    }
    reports.push(json!({ "kept": kept.len() }));
    reports
}
