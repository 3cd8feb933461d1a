//! Requests to the product, and what it means for the caller when one fails.

use serde::de::DeserializeOwned;

use crate::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::lockgate::connector::http::{self, Method, Request, Response};

/// The largest answer that is taken, in bytes.
const MAX_BODY_BYTES: u64 = 8 * 1024 * 1024;

/// A pause after a passing fault, in milliseconds.
const PAUSE_MS: u64 = 2_000;

/// Reads what is at a path; `None` if there is nothing.
pub(crate) async fn get<T: DeserializeOwned>(
    path: &str,
    query: Vec<(String, String)>,
) -> Result<Option<T>, Error> {
    let request = Request {
        method: Method::Get,
        path: path.to_owned(),
        query,
        headers: Vec::new(),
        body: None,
        timeout_ms: 0,
    };
    let response = http::send(request).await.map_err(lost)?;
    let status = response.status();
    let body = Response::take_body(response, MAX_BODY_BYTES)
        .await
        .map_err(lost)?;
    match status {
        200..=299 => serde_json::from_slice(&body)
            .map(Some)
            .map_err(|error| Error::Unexpected(format!("the answer is not as expected: {error}"))),
        404 => Ok(None),
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
        http::Error::Invalid(_) => Error::Unexpected("the host refuses the request".to_owned()),
        http::Error::Denied => refused(
            Advice::AskPermission,
            "denied",
            "the host's rules refuse the request",
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
