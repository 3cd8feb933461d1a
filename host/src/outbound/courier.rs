//! What is at work on an endpoint: one half hears events and keeps them, the other
//! sends what is kept.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Endpoint;
use super::answer::{LONGEST_SEND, Sent, Tested, Wire};
use super::body::Teller;
use super::retries::Rest;
use crate::capability::clock::now_ms;
use crate::connection::{Connection, Queue, no_connection};
use crate::error::Error;
use crate::events::{Checkpoint, Delivery, Start, SubscribeOptions};
use crate::records::Advice;
use crate::store::{
    NewItem, QueueOutcome, QueuePut, QueueTake, Settled, StoreError, Taken, TakenItem,
};

/// How long what is being sent is nobody else's. Longer than a request can take.
const LEASE: Duration = Duration::from_secs(60);

/// How often the queue is looked at though nothing is known to be due: others bring
/// items back, or put some.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long ids of what is sent are known, so that it is not sent again.
const KNOWN_FOR: Duration = Duration::from_hours(24);

/// How often ids that are older are forgotten.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// The first and the longest pause after a failure to hear events, or of the store.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Has an endpoint at work while [`Self::run`] is polled. Several may be at work on the
/// same endpoint, in other processes on the same store as well: they share what there
/// is to send.
pub struct Courier {
    connection: Connection,
    endpoint: Endpoint,
    wire: Wire,
    queue: Queue,
    /// Something may be due.
    is_due: Notify,
    /// Something was settled.
    is_settled: Notify,
    status: Mutex<CourierStatus>,
}

/// How a courier is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CourierStatus {
    /// It is subscribed to the connection's events, and its place among them is kept:
    /// nothing is missed from now on, also if this process ends.
    pub hears: bool,
    /// Why it does not hear events, or cannot keep them; it tries again by itself.
    pub hearing_problem: Option<String>,
    /// Why it does not send; it tries again by itself.
    pub sending_problem: Option<String>,
}

/// Why a courier has ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The endpoint answered 410: it wants nothing any more. What waits, waits on for
    /// another courier.
    Gone,
    /// The connection was removed, and all that waited with it.
    Removed,
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier")
            .field("connection", &self.connection)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// What sends this connection's events to an endpoint. Nothing happens before
    /// [`Courier::run`].
    ///
    /// # Errors
    /// [`Error::Input`] with what is wrong with the endpoint.
    pub fn courier(&self, endpoint: Endpoint) -> Result<Courier, Error> {
        let (url, policy) = endpoint.checked()?;
        Ok(Courier {
            queue: self.outbox(&endpoint.name)?,
            wire: Wire {
                transport: self.host.transport.clone(),
                url,
                policy,
            },
            connection: self.clone(),
            endpoint,
            is_due: Notify::new(),
            is_settled: Notify::new(),
            status: Mutex::default(),
        })
    }
}

impl Courier {
    /// Hears events and sends them, for as long as it is polled: faults of the org, of
    /// the endpoint and of the store are waited out, told by [`Self::status`]. It may be
    /// dropped at any moment; another one goes on, and sends again what was under way.
    ///
    /// The first time it begins with what happens from then on. Where the product no
    /// longer has what happened since, `events.missed` is sent, and it goes on with what
    /// is new.
    pub async fn run(&self) -> Ended {
        tokio::select! {
            ended = self.hear() => ended,
            ended = self.send() => ended,
        }
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> CourierStatus {
        self.locked().clone()
    }

    /// Lets it look at once whether something is due, for instance what
    /// [`Queue::again`] has brought back; otherwise it does within seconds.
    pub fn wake(&self) {
        self.is_due.notify_one();
    }

    /// The queue of what it sends.
    #[must_use]
    pub const fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Sends a `webhook.test` at once, outside of the queue, and tells what came of it.
    ///
    /// # Errors
    /// [`Error::Input`] if the machine's clock is beyond all measure.
    pub async fn test(&self) -> Result<Tested, Error> {
        let test = self.teller().test(now_ms())?;
        Ok(self.wire.test(&self.endpoint, &test.id, test.bytes).await)
    }

    const fn teller(&self) -> Teller<'_> {
        Teller {
            connection: self.connection.key(),
            endpoint: &self.endpoint,
        }
    }

    fn locked(&self) -> MutexGuard<'_, CourierStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hear(&self) -> Ended {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let begun = Instant::now();
            let error = match self.follow().await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            if matches!(error, Error::NoConnection { .. }) {
                return Ended::Removed;
            }
            if begun.elapsed() > LONGEST_PAUSE {
                pause = SHORTEST_PAUSE;
            }
            tracing::warn!(
                connection = %self.connection.key(),
                endpoint = self.endpoint.name,
                %error,
                "a webhook hears no events for now"
            );
            {
                let mut status = self.locked();
                status.hears = false;
                status.hearing_problem = Some(error.to_string());
            }
            sleep(error.retry_after().unwrap_or_default().max(pause)).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Hears events from the place up to which they are kept.
    async fn follow(&self) -> Result<Infallible, Error> {
        let kept = self.queue.host.store.queue_checkpoint(&self.queue.key);
        let start = match kept.await.map_err(no_connection)? {
            Some(bytes) => Start::After(Checkpoint::from_bytes(bytes)?),
            None => Start::Newest,
        };
        match self.listen(start, false).await {
            Err(error) if is_place_lost(&error) => {
                tracing::warn!(
                    connection = %self.connection.key(),
                    endpoint = self.endpoint.name,
                    %error,
                    "events were missed: the webhook tells so, and goes on with what is new"
                );
                self.listen(Start::Newest, true).await
            }
            ended => ended,
        }
    }

    /// Keeps what comes. That something was missed is kept with the first checkpoint
    /// behind the gap: what is read after it was told is not older than the next event.
    async fn listen(&self, start: Start, mut has_missed: bool) -> Result<Infallible, Error> {
        let has_place = matches!(start, Start::After(_));
        let options = SubscribeOptions {
            start,
            way: self.endpoint.way.clone(),
        };
        let sources = &self.endpoint.sources;
        let mut deliveries = self.connection.subscribe(sources, options).await?;
        self.locked().hears = has_place;
        loop {
            let delivery = match deliveries.next_delivery().await {
                Ok(Some(delivery)) => delivery,
                // It has told why before.
                Ok(None) => {
                    return Err(Error::Busy {
                        tenant: self.connection.key().tenant().to_owned(),
                        limit: "its subscription has ended".to_owned(),
                    });
                }
                Err(error) if error.keeps_place() => {
                    self.locked().hearing_problem = Some(error.to_string());
                    sleep(error.retry_after().unwrap_or_default().max(SHORTEST_PAUSE)).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let items = self.items(&delivery, has_missed)?;
            self.keep(items, &delivery.checkpoint).await?;
            has_missed = false;
            let mut status = self.locked();
            status.hears = true;
            status.hearing_problem = None;
        }
    }

    fn items(&self, delivery: &Delivery, has_missed: bool) -> Result<Vec<NewItem>, Error> {
        let teller = self.teller();
        let mut items = Vec::with_capacity(delivery.events.len() + 1);
        if has_missed {
            items.push(teller.missed(now_ms())?);
        }
        for event in &delivery.events {
            items.extend(teller.event(event)?);
        }
        Ok(items)
    }

    /// Keeps items with the place behind them, once there is room for them.
    async fn keep(&self, items: Vec<NewItem>, checkpoint: &Checkpoint) -> Result<(), Error> {
        let mut put = QueuePut {
            items,
            checkpoint: Some(checkpoint.as_bytes().to_vec()),
            at_ms: now_ms(),
            limit_bytes: self.endpoint.max_queue_bytes,
        };
        loop {
            match self.queue.host.store.queue_put(&self.queue.key, &put).await {
                Ok(_) => break,
                Err(error @ StoreError::QueueFull { .. }) => {
                    self.locked().hearing_problem = Some(error.to_string());
                    // Dead ones may have been thrown away elsewhere.
                    let _ = timeout(LOOK_EVERY, self.is_settled.notified()).await;
                    put.at_ms = now_ms();
                }
                Err(error) => return Err(no_connection(error)),
            }
        }
        self.is_due.notify_one();
        Ok(())
    }

    async fn send(&self) -> Ended {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let begun = Instant::now();
            // What was under way is sent again once its lease has ended.
            let error = match self.work().await {
                Ok(ended) => return ended,
                Err(StoreError::NotFound(_)) => return Ended::Removed,
                Err(error) => error,
            };
            if begun.elapsed() > LONGEST_PAUSE {
                pause = SHORTEST_PAUSE;
            }
            tracing::warn!(
                connection = %self.connection.key(),
                endpoint = self.endpoint.name,
                %error,
                "a webhook sends nothing for now"
            );
            self.locked().sending_problem = Some(error.to_string());
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Sends what is due, several at a time, and writes down what became of it.
    async fn work(&self) -> Result<Ended, StoreError> {
        let mut under_way = FuturesUnordered::new();
        let mut rest = Rest::default();
        let mut forget_at = Instant::now();
        loop {
            if Instant::now() >= forget_at {
                self.forget().await?;
                forget_at = Instant::now() + FORGET_EVERY;
            }
            let mut look_at = Instant::now() + LOOK_EVERY;
            if let Some(until) = rest.until() {
                look_at = until;
            }
            let room = rest.room(self.endpoint.in_flight);
            let room = room.saturating_sub(under_way.len());
            if room > 0 {
                let taken = self.take(room).await?;
                if let Some(due_ms) = taken.next_due_ms {
                    let due_in = Duration::from_millis(due_ms.saturating_sub(now_ms()));
                    look_at = look_at.min(Instant::now() + due_in);
                }
                under_way.extend(taken.items.into_iter().map(|item| self.send_one(item)));
            }
            let first = tokio::select! {
                Some(first) = under_way.next() => first,
                () = self.is_due.notified() => continue,
                () = sleep_until(look_at) => continue,
            };
            let mut all = vec![first];
            while let Some(Some(more)) = under_way.next().now_or_never() {
                all.push(more);
            }
            if let Some(ended) = self.settle(all, &mut rest).await? {
                return Ok(ended);
            }
        }
    }

    async fn take(&self, room: usize) -> Result<Taken, StoreError> {
        let take = QueueTake {
            now_ms: now_ms(),
            lease_ms: ms(LEASE),
            limit: u32::try_from(room).unwrap_or(u32::MAX),
        };
        self.queue
            .host
            .store
            .queue_take(&self.queue.key, take)
            .await
    }

    async fn send_one(&self, mut item: TakenItem) -> (TakenItem, Sent) {
        let body = std::mem::take(&mut item.bytes);
        let sent = self.wire.send(&self.endpoint, &item.id, body);
        let sent = timeout(LONGEST_SEND, sent).await;
        let sent = sent.unwrap_or_else(|_| Sent::Refused {
            problem: format!("it took longer than {LONGEST_SEND:?}"),
            asked: None,
            is_overloaded: true,
        });
        (item, sent)
    }

    /// Writes down what became of requests.
    async fn settle(
        &self,
        all: Vec<(TakenItem, Sent)>,
        rest: &mut Rest,
    ) -> Result<Option<Ended>, StoreError> {
        let mut ended = None;
        let settled: Vec<Settled> = all
            .into_iter()
            .map(|(item, sent)| Settled {
                outcome: match sent {
                    Sent::Taken => {
                        rest.went_well();
                        self.locked().sending_problem = None;
                        QueueOutcome::Done
                    }
                    Sent::Gone(problem) => {
                        ended = Some(Ended::Gone);
                        QueueOutcome::Again {
                            due_ms: now_ms(),
                            problem,
                        }
                    }
                    Sent::Refused {
                        problem,
                        asked,
                        is_overloaded,
                    } => {
                        if is_overloaded {
                            rest.fault(asked, random());
                            self.locked().sending_problem = Some(problem.clone());
                        }
                        self.refused(&item, problem, asked)
                    }
                },
                id: item.id,
                leased_until_ms: item.leased_until_ms,
            })
            .collect();
        let store = &self.queue.host.store;
        store
            .queue_settle(&self.queue.key, &settled, now_ms())
            .await?;
        self.is_settled.notify_one();
        Ok(ended)
    }

    fn refused(&self, item: &TakenItem, problem: String, asked: Option<Duration>) -> QueueOutcome {
        match self.endpoint.retries.pause(item.tries, random()) {
            Some(pause) => QueueOutcome::Again {
                due_ms: now_ms().saturating_add(ms(pause.max(asked.unwrap_or_default()))),
                problem,
            },
            None => {
                tracing::warn!(
                    connection = %self.connection.key(),
                    endpoint = self.endpoint.name,
                    id = item.id,
                    tries = item.tries,
                    problem,
                    "a webhook was given up: it is a dead letter now"
                );
                QueueOutcome::Dead { problem }
            }
        }
    }

    async fn forget(&self) -> Result<(), StoreError> {
        let before_ms = now_ms().saturating_sub(ms(KNOWN_FOR));
        let store = &self.queue.host.store;
        store.queue_prune(&self.queue.key, before_ms).await?;
        Ok(())
    }
}

/// The product has not all that happened since the checkpoint.
fn is_place_lost(error: &Error) -> bool {
    matches!(error, Error::Refused { problem, .. } if problem.advice == Advice::Refetch)
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Only for jitter: none is as good as any.
fn random() -> u64 {
    getrandom::u64().unwrap_or(0)
}
