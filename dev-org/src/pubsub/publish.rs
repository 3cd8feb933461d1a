//! Publishing: each event is checked by itself and has a result in its place.

use std::sync::Arc;

use futures_util::{Stream, stream};
use tonic::{Code, Status, Streaming};

use super::answer;
use super::caller::Caller;
use super::messages::{
    ErrorCode, ProducerEvent, PublishError, PublishRequest, PublishResponse, PublishResult,
};
use super::replay_id;
use crate::events::{Layout, avro};
use crate::state::Shared;
use crate::topic::Topic;

/// Most bytes of one event.
const EVENT_BYTES: usize = 1024 * 1024;
/// A stream that was quiet for so long, on the org's clock, is closed.
const IDLE_MS: i64 = 70_000;

/// `Publish`
pub(super) fn run(
    shared: &Shared,
    caller: &Caller,
    asked: PublishRequest,
) -> Result<PublishResponse, Status> {
    let topic = Topic::find(shared, &caller.user, &asked.topic_name);
    let topic = topic.ok_or_else(|| answer::no_topic(&asked.topic_name))?;
    let takes_events = topic.takes_events(&caller.user);
    let Some(layout) = topic.layout.filter(|_| takes_events) else {
        return Err(answer::refused(
            Code::PermissionDenied,
            "publish.topic.not.allowed",
            "Events cannot be published to this topic.",
        ));
    };
    if asked.events.is_empty() {
        return Err(answer::refused(
            Code::InvalidArgument,
            "publish.events.empty",
            "The request has no events.",
        ));
    }
    let results = asked.events.into_iter().map(|event| {
        let correlation_key = event.id.clone();
        let (replay_id, error) = match one(shared, &layout, event) {
            Ok(number) => (replay_id(number), None),
            Err(msg) => {
                let code = ErrorCode::Publish.into();
                (Vec::new(), Some(PublishError { code, msg }))
            }
        };
        PublishResult {
            replay_id,
            error,
            correlation_key,
        }
    });
    Ok(PublishResponse {
        results: results.collect(),
        schema_id: layout.id.clone(),
        rpc_id: crate::random::new_uuid(),
    })
}

/// Publishes one event; an error is a sentence for the publisher.
fn one(shared: &Shared, topic: &Layout, event: ProducerEvent) -> Result<u64, String> {
    if event.payload.len() > EVENT_BYTES {
        return Err(format!("The event has more than {EVENT_BYTES} bytes"));
    }
    let layout = shared
        .events
        .layout_of_id(&event.schema_id)
        .filter(|layout| layout.object == topic.object)
        .ok_or_else(|| format!("{} is no schema id of this topic", event.schema_id))?;
    let columns = shared
        .org()
        .schema
        .object(&layout.object)
        .map_or(0, |object| object.fields.len());
    let row = avro::published(&layout, columns, &event.payload)?;
    let uuid = match event.id.as_str() {
        "" => crate::random::new_uuid(),
        given => given.to_owned(),
    };
    let now_ms = shared.clock.now_ms();
    Ok(shared.events.publish(&layout, uuid, row, now_ms))
}

/// `PublishStream`: an answer for each request, in their order.
pub(super) fn stream(
    shared: Arc<Shared>,
    caller: Caller,
    requests: Streaming<PublishRequest>,
) -> impl Stream<Item = Result<PublishResponse, Status>> + Send {
    let idle_at_ms = shared.clock.now_ms() + IDLE_MS;
    let start = (caller, requests, idle_at_ms);
    stream::try_unfold(start, move |(mut caller, mut requests, idle_at_ms)| {
        let shared = Arc::clone(&shared);
        async move {
            let request = tokio::select! {
                request = requests.message() => request?,
                () = shared.clock.reach(idle_at_ms) => None,
                () = shared.events.closed() => return Err(answer::unavailable()),
            };
            let Some(request) = request else {
                return Ok(None);
            };
            caller.refresh(&shared, &request.auth_refresh)?;
            caller.check(&shared)?;
            let done = run(&shared, &caller, request)?;
            let idle_at_ms = shared.clock.now_ms() + IDLE_MS;
            Ok(Some((done, (caller, requests, idle_at_ms))))
        }
    })
}
