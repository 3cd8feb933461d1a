//! Requests to the product, and what it means for the caller when one fails.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::lockgate::connector::http::{self, Header, Method, Request, Response};

/// The largest answer that is taken, in bytes.
const MAX_BODY_BYTES: u64 = 8 * 1024 * 1024;

/// A pause after a passing fault, in milliseconds.
const PAUSE_MS: u64 = 2_000;

/// Reads what is at a path.
pub(crate) async fn get<T: DeserializeOwned>(
    path: &str,
    query: Vec<(String, String)>,
) -> Result<T, Error> {
    read(Request {
        method: Method::Get,
        path: path.to_owned(),
        query,
        headers: Vec::new(),
        body: None,
        timeout_ms: 0,
    })
    .await
}

/// Reads what is found by a body.
pub(crate) async fn search<T: DeserializeOwned>(path: &str, body: &Value) -> Result<T, Error> {
    read(Request {
        method: Method::Post,
        path: path.to_owned(),
        query: Vec::new(),
        headers: vec![Header {
            name: "Content-Type".to_owned(),
            value: "application/json".to_owned(),
        }],
        body: Some(body.to_string().into_bytes()),
        timeout_ms: 0,
    })
    .await
}

/// Makes a request that changes nothing.
async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Error> {
    let response = http::send(request).await.map_err(lost)?;
    let status = response.status();
    let body = Response::take_body(response, MAX_BODY_BYTES)
        .await
        .map_err(lost)?;
    match status {
        200..=299 => serde_json::from_slice(&body)
            .map_err(|error| Error::Unexpected(format!("the answer is not as expected: {error}"))),
        401 => Err(Error::Reconnect),
        429 => Err(Error::OverQuota(PAUSE_MS)),
        500.. => Err(Error::Unavailable(PAUSE_MS)),
        status => Err(refused(
            Advice::FixRecord,
            "refused",
            &format!("the product refused the request with {status}"),
        )),
    }
}

/// Why there is no whole answer. Reading changes nothing, so it may be tried again.
fn lost(error: http::Error) -> Error {
    match error {
        http::Error::Unavailable(broken) => Error::Unavailable(broken.retry_after_ms),
        http::Error::Unauthorized => Error::Reconnect,
        http::Error::OverQuota(ms) => Error::OverQuota(ms),
        http::Error::TooLarge(bytes) => {
            Error::Unexpected(format!("the answer has more than {bytes} bytes"))
        }
        // A mistake in this file, or something that is too long for a request.
        http::Error::Invalid(part) => refused(
            Advice::FixRecord,
            "invalid_request",
            &format!("the connector made a request that breaks a rule of wit/http.wit ({part:?})"),
        ),
        http::Error::Denied => refused(
            Advice::AskPermission,
            "denied",
            "the host's rules refuse the request: its address, a redirect, or too many requests \
             in one call",
        ),
    }
}

/// A refusal in the contract's words.
pub(crate) fn refused(advice: Advice, code: &str, message: &str) -> Error {
    Error::Refused(Problem {
        advice,
        code: code.to_owned(),
        message: message.to_owned(),
        object: Some(crate::notes::NOTE.to_owned()),
        fields: Vec::new(),
    })
}
