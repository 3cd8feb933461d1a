//! Calls of the Pub/Sub API with one message each way.

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fault::{refused, unexpected};
use crate::host::{Ending, Heard, Host, StreamError};

/// How long an answer may take, in milliseconds.
const TIMEOUT_MS: u32 = 30_000;
/// A pause before another try, in milliseconds.
pub(super) const PAUSE_MS: u64 = 2_000;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Lost {
    /// Salesforce has said so.
    Ended(Ending),
    /// The exchange did not come about, or nobody answered.
    Error(Error),
}

/// Says a message and gives the answer.
pub(super) async fn ask<H: Host>(
    api: &Api<H>,
    method: &str,
    message: Vec<u8>,
) -> Result<Vec<u8>, Lost> {
    let host = &api.host;
    let opened = host.exchange(method).await;
    let mut exchange = opened.map_err(|error| Lost::Error(not_opened(error)))?;
    host.say(&mut exchange, message).await;
    host.say_no_more(&mut exchange);
    match host.hear(vec![&mut exchange], TIMEOUT_MS).await {
        Some((_, Heard::Message(answer))) => Ok(answer),
        Some((_, Heard::Ended(ending))) => Err(Lost::Ended(ending)),
        None => Err(Lost::Error(Error::Unavailable(PAUSE_MS))),
    }
}

/// What it means that an exchange did not begin.
pub(super) fn not_opened(error: StreamError) -> Error {
    match error {
        StreamError::Unauthorized => Error::Reconnect,
        StreamError::Unavailable(ms) => Error::Unavailable(ms),
        StreamError::Invalid => unexpected("the host to know the endpoint of the manifest"),
        StreamError::Denied => refused(
            Advice::AskPermission,
            "REQUEST_DENIED",
            "the host's rules refuse the address of the Pub/Sub API, or too many exchanges are \
             open in one call",
        ),
    }
}
