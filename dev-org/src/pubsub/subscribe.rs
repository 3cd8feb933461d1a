//! Subscriptions: events as many as were asked for, and in quiet times a sign
//! of life with a replay id to go on from.

use std::sync::Arc;

use futures_util::{Stream, stream};
use tokio::sync::{Notify, watch};
use tonic::{Code, Status, Streaming};

use super::answer;
use super::caller::Caller;
use super::messages::{ConsumerEvent, FetchRequest, FetchResponse, ProducerEvent, ReplayPreset};
use super::{replay_id, replay_number};
use crate::events::channel::Channel;
use crate::events::{Breaking, Event, Read, Start, avro};
use crate::state::Shared;
use crate::topic::Topic;

/// Most events that a subscriber can have asked for at a time; more is taken
/// for this many.
const MOST_PENDING: usize = 100;
/// A stream with nothing to tell for so long, on the org's clock, shows that it
/// lives. Salesforce promises 270 seconds and was seen to take 60.
const QUIET_MS: i64 = 60_000;

/// `Subscribe`
pub(super) fn stream(
    shared: Arc<Shared>,
    caller: Caller,
    requests: Streaming<FetchRequest>,
    kill: Arc<Notify>,
) -> impl Stream<Item = Result<FetchResponse, Status>> + Send {
    let subscription = Subscription {
        news: shared.events.listen(),
        breaking: shared.events.open_stream(),
        shared,
        caller,
        requests,
        has_all_requests: false,
        kill,
        following: None,
        pending: 0,
        rpc_id: crate::random::new_uuid(),
    };
    stream::try_unfold(subscription, |mut subscription| async {
        let next = subscription.next().await?;
        Ok(next.map(|next| (next, subscription)))
    })
}

/// One open stream.
struct Subscription {
    shared: Arc<Shared>,
    caller: Caller,
    requests: Streaming<FetchRequest>,
    has_all_requests: bool,
    news: watch::Receiver<()>,
    kill: Arc<Notify>,
    breaking: Breaking,
    /// Nothing before the first request.
    following: Option<Following>,
    /// How many more events the subscriber wants.
    pending: usize,
    rpc_id: String,
}

/// Where a subscription is.
struct Following {
    channel: Channel,
    /// The replay number behind which it goes on.
    position: u64,
    quiet_at_ms: i64,
}

impl Subscription {
    /// The next answer; nothing when the subscriber wants no more.
    async fn next(&mut self) -> Result<Option<FetchResponse>, Status> {
        loop {
            self.news.borrow_and_update();
            self.check_open().await?;
            let mut wake_at_ms = i64::MAX;
            if let Some(following) = self.following.as_mut().filter(|_| self.pending > 0) {
                let now_ms = self.shared.clock.now_ms();
                let is_quiet = now_ms >= following.quiet_at_ms;
                if is_quiet {
                    // So that the read ends at a number that is good for days.
                    self.shared.events.newest(now_ms);
                }
                let bus = &self.shared.events;
                let left = bus.deliveries_left(now_ms);
                // One more is looked for than may come: whether there is any.
                let most = self.breaking.at_most(self.pending).min(left.max(1));
                let read = bus.read(&following.channel, following.position, most, now_ms);
                if left == 0 && !read.events.is_empty() {
                    return Err(answer::refused(
                        Code::ResourceExhausted,
                        "subscription.limit.exceeded",
                        "You have exceeded the event delivery limit for your org.",
                    ));
                }
                if is_quiet || !read.events.is_empty() {
                    return self.answer(read, now_ms).map(Some);
                }
                following.position = read.position;
                wake_at_ms = read
                    .more_at_ms
                    .unwrap_or(i64::MAX)
                    .min(following.quiet_at_ms);
            } else if self.has_all_requests {
                return Ok(None);
            }
            tokio::select! {
                request = self.requests.message(), if !self.has_all_requests => match request? {
                    Some(request) => self.accept(&request)?,
                    None => self.has_all_requests = true,
                },
                changed = self.news.changed() => if changed.is_err() {
                    return Err(answer::unavailable());
                },
                () = self.shared.clock.reach(wake_at_ms) => {}
            }
        }
    }

    /// Ends the stream when the session, the org or a test wants it.
    async fn check_open(&self) -> Result<(), Status> {
        self.caller.check(&self.shared)?;
        let Some(how) = self.shared.events.broken(&self.breaking) else {
            return Ok(());
        };
        if how.reset {
            self.kill.notify_one();
            // The connection is dropped with this stream inside.
            std::future::pending::<()>().await;
        }
        Err(answer::unavailable())
    }

    /// Takes a request: the first says what is followed and from where, all say
    /// how much more is wanted.
    fn accept(&mut self, request: &FetchRequest) -> Result<(), Status> {
        self.caller.refresh(&self.shared, &request.auth_refresh)?;
        let wanted = usize::try_from(request.num_requested).unwrap_or(0);
        if wanted == 0 {
            return Err(answer::refused(
                Code::InvalidArgument,
                "subscription.fetch.requested.events.invalid",
                "The number of requested events has to be greater than 0.",
            ));
        }
        if self.following.is_none() {
            let topic = Topic::find(&self.shared, &self.caller.user, &request.topic_name);
            let topic = topic.ok_or_else(|| answer::no_topic(&request.topic_name))?;
            let now_ms = self.shared.clock.now_ms();
            self.following = Some(Following {
                position: self.first_position(request, now_ms)?,
                channel: topic.channel,
                quiet_at_ms: now_ms + QUIET_MS,
            });
            self.shared.events.stream_follows();
        }
        self.pending = self.pending.saturating_add(wanted).min(MOST_PENDING);
        Ok(())
    }

    fn first_position(&self, request: &FetchRequest, now_ms: i64) -> Result<u64, Status> {
        let start = match request.replay_preset() {
            ReplayPreset::Latest => Some(Start::Latest),
            ReplayPreset::Earliest => Some(Start::Earliest),
            ReplayPreset::Custom if request.replay_id.is_empty() => {
                return Err(answer::refused(
                    Code::InvalidArgument,
                    "subscription.fetch.replayid.validation.failed",
                    "The Replay ID validation failed. A custom replay preset needs a Replay ID.",
                ));
            }
            ReplayPreset::Custom => replay_number(&request.replay_id).map(Start::After),
        };
        let position = start.and_then(|start| self.shared.events.start(start, now_ms));
        position.ok_or_else(|| {
            answer::refused(
                Code::InvalidArgument,
                "subscription.fetch.replayid.corrupted",
                "The Replay ID is corrupted or older than the retention window.",
            )
        })
    }

    /// What a read gave, as an answer.
    fn answer(&mut self, read: Read, now_ms: i64) -> Result<FetchResponse, Status> {
        if let Some(following) = &mut self.following {
            following.position = read.position;
            following.quiet_at_ms = now_ms + QUIET_MS;
        }
        self.pending = self.pending.saturating_sub(read.events.len());
        self.breaking.delivered(read.events.len());
        self.shared.events.delivered(read.events.len(), now_ms);
        let events = read.events.iter();
        let events = events.map(|(number, event)| consumer_event(*number, event));
        Ok(FetchResponse {
            events: events.collect::<Result<_, _>>()?,
            latest_replay_id: replay_id(read.position),
            rpc_id: self.rpc_id.clone(),
            pending_num_requested: i32::try_from(self.pending).unwrap_or(i32::MAX),
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.following.is_some() {
            self.shared.events.stream_left();
        }
    }
}

fn consumer_event(number: u64, event: &Event) -> Result<ConsumerEvent, Status> {
    let payload = avro::payload(event).map_err(|error| {
        tracing::error!(%error, "an event does not fit its own schema");
        answer::unavailable()
    })?;
    Ok(ConsumerEvent {
        event: Some(ProducerEvent {
            id: event.uuid.clone(),
            schema_id: event.layout.id.clone(),
            payload,
            headers: Vec::new(),
        }),
        replay_id: replay_id(number),
    })
}
