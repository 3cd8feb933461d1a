//! Calls of the Pub/Sub API with one message each way.

use prost::Message as _;

use super::eventbus::{TopicInfo, TopicRequest};
use super::explain;
use super::source::Topic;
use super::trailers::{self, Verdict};
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fault::{QUOTA_PAUSE_MS, refused, unexpected};
use crate::host::{Ending, Heard, Host, StreamError};

const GET_TOPIC: &str = "/eventbus.v1.PubSub/GetTopic";

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

/// What a topic is, or what to change in the org so that it is there.
pub(super) async fn topic<H: Host>(api: &Api<H>, topic: &Topic) -> Result<TopicInfo, Error> {
    let request = TopicRequest {
        topic_name: topic.channel.clone(),
    };
    let ending = match ask(api, GET_TOPIC, request.encode_to_vec()).await {
        Ok(answer) => {
            return TopicInfo::decode(answer.as_slice()).map_err(|_| unexpected("a TopicInfo"));
        }
        Err(Lost::Error(error)) => return Err(error),
        Err(Lost::Ended(ending)) => ending,
    };
    let said = trailers::message(&ending);
    Err(match trailers::verdict(&ending) {
        Verdict::Session => Error::Reconnect,
        Verdict::OverQuota => Error::OverQuota(QUOTA_PAUSE_MS),
        Verdict::Passing => Error::Unavailable(PAUSE_MS),
        Verdict::Unknown | Verdict::Denied => explain::topic(api, topic, &said).await,
        Verdict::Stale | Verdict::Invalid => refused(Advice::FixSchema, "TOPIC_REFUSED", &said),
    })
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
