//! A subscription under way: deliveries of events as a stream with back-pressure,
//! each under limits of its own.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use wasmtime::component::ResourceAny;

use crate::bindings::connector::exports::lockgate::connector::events as wit;
use crate::connection::Connection;
use crate::connector::{Instance, LoadedConnector};
use crate::error::{Blame, Error};
use crate::events::{Delivery, Flaw, Start, SubscribeOptions, delivery};
use crate::grant::live::Live;
use crate::records::Way;
use crate::rollout::{Caller, Lasting, Rollout, Versioned as _};

/// What errors and logs call the next delivery.
const NEXT: &str = "next delivery";

/// How long a connector may wait for something to tell, before it tells that
/// nothing has happened. The contract promises it.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// The events of a subscription. Dropping it ends the subscription with all its
/// exchanges, also while a delivery is awaited.
///
/// [`Error::OverQuota`] and [`Error::Unavailable`] leave it at its place: ask for
/// the next delivery again later. After any other error there are no more; a
/// subscription after the last checkpoint goes on. A connection that is removed, or
/// has to be reconnected, ends its subscriptions with their next delivery.
pub struct Deliveries {
    stream: BoxStream<'static, Result<Delivery, Error>>,
    way: Way,
}

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Deliveries");
        shown.field("way", &self.way).finish_non_exhaustive()
    }
}

impl Deliveries {
    /// Subscribes in an instance that is kept for all deliveries of its version.
    pub(crate) async fn begin(
        connection: Connection,
        sources: Vec<String>,
        options: SubscribeOptions,
    ) -> Result<Self, Error> {
        let mut subscription = Subscription::begin(connection, sources, options).await?;
        let way = subscription.way().await?;
        let deliveries = stream::unfold(Some(subscription), async |subscription| {
            let mut subscription = subscription?;
            let delivery = subscription.next().await;
            let goes_on = delivery.as_ref().err().is_none_or(Error::keeps_place);
            Some((delivery, goes_on.then_some(subscription)))
        });
        Ok(Self {
            stream: deliveries.fuse().boxed(),
            way,
        })
    }

    /// Which of the connector's ways the events come, and why.
    #[must_use]
    pub const fn way(&self) -> &Way {
        &self.way
    }

    /// The next delivery, as soon as there is something to tell, and one without
    /// events after two minutes in which nothing has happened; the first of what is
    /// new comes at once, with the place where it begins. Nothing is asked of
    /// the product between two calls. `None` only after an error.
    ///
    /// Waiting can be given up, as `tokio::select!` does, and taken up again: a
    /// delivery that was under way then comes from the next call.
    ///
    /// # Errors
    /// Any of [`Error`]'s call errors.
    pub async fn next_delivery(&mut self) -> Result<Option<Delivery>, Error> {
        self.stream.next().await.transpose()
    }
}

impl Stream for Deliveries {
    type Item = Result<Delivery, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.poll_next_unpin(context)
    }
}

/// A subscription, in whichever version of its connector it is now.
struct Subscription {
    connection: Connection,
    /// When the connection was added: another one of its name is another one.
    created_ms: u64,
    sources: Vec<String>,
    /// Its start moves on with each delivery.
    options: SubscribeOptions,
    rollout: Arc<Rollout<LoadedConnector>>,
    grants: Arc<Live>,
    loaded: Arc<LoadedConnector>,
    /// A version that it could not go on in.
    refused: Option<Arc<LoadedConnector>>,
    /// `None` between two versions.
    held: Option<Held>,
}

struct Held {
    instance: Instance,
    subscription: ResourceAny,
}

impl Subscription {
    async fn begin(
        connection: Connection,
        sources: Vec<String>,
        options: SubscribeOptions,
    ) -> Result<Self, Error> {
        let rollout = connection.rollout().await?;
        let record = connection.record().await?;
        let grants = connection.host.live_grants(&record).await?;
        let loaded = rollout.route(Caller::Granted(&grants), Lasting::Subscription)?;
        let mut subscription = Self {
            created_ms: record.created_ms,
            grants,
            connection,
            sources,
            options,
            rollout,
            loaded: Arc::clone(&loaded),
            refused: None,
            held: None,
        };
        subscription.held = Some(subscription.subscribed(loaded).await?);
        Ok(subscription)
    }

    async fn way(&mut self) -> Result<Way, Error> {
        let held = held(&mut self.held)?;
        held.instance.way_of_subscription(held.subscription).await
    }

    /// The next delivery. Between two deliveries it may go to another version: what
    /// came meanwhile and was not told comes there again.
    async fn next(&mut self) -> Result<Delivery, Error> {
        loop {
            if self.held.is_none() {
                self.take_up().await?;
            }
            let held = held(&mut self.held)?;
            let has_place = matches!(self.options.start, Start::After(_));
            let (grants, refused) = (&self.grants, &mut self.refused);
            let delivery = tokio::select! {
                // First, for there may always be something to tell.
                biased;
                () = self.rollout.moved(grants, &self.loaded, refused), if has_place => {
                    self.held = None;
                    continue;
                }
                delivery = next(&mut held.instance, held.subscription) => delivery?,
            };
            self.options.start = Start::After(delivery.checkpoint.clone());
            return Ok(delivery);
        }
    }

    /// Goes on in the version that it is to be in; in the one that it was in, if that
    /// one fails.
    async fn take_up(&mut self) -> Result<(), Error> {
        let key = self.connection.key().clone();
        let routed = self
            .rollout
            .route(Caller::Granted(&self.grants), Lasting::Subscription);
        let loaded = routed?;
        let (from, to) = (
            self.loaded.version().to_owned(),
            loaded.version().to_owned(),
        );
        let held = match self.subscribed(Arc::clone(&loaded)).await {
            Ok(held) => {
                tracing::info!(connection = %key, from, to, "a subscription was handed over");
                self.loaded = loaded;
                held
            }
            Err(error) if error.blame() == Blame::Guest && !Arc::ptr_eq(&loaded, &self.loaded) => {
                tracing::warn!(connection = %key, from, to, %error, "a subscription stays");
                self.refused = Some(loaded);
                self.subscribed(Arc::clone(&self.loaded)).await?
            }
            Err(error) => return Err(error),
        };
        self.held = Some(held);
        Ok(())
    }

    async fn subscribed(&mut self, loaded: Arc<LoadedConnector>) -> Result<Held, Error> {
        let mut instance = self.connection.instance_of(loaded).await?;
        instance.check_age(self.created_ms)?;
        loop {
            let (sources, options) = (self.sources.clone(), self.options.clone());
            let options = wit::SubscriptionOptions {
                start: options.start.into(),
                way: options.way,
            };
            let subscription = instance
                .call_events("subscribe", async |events, accessor| {
                    events.call_subscribe(accessor, sources, options).await
                })
                .await;
            match subscription {
                Ok(subscription) => {
                    return Ok(Held {
                        instance,
                        subscription,
                    });
                }
                Err(error) => instance.park(error).await?,
            }
        }
    }
}

/// What is there once it was taken up.
fn held(held: &mut Option<Held>) -> Result<&mut Held, Error> {
    held.as_mut()
        .ok_or_else(|| Error::Engine("a subscription without an instance".to_owned()))
}

async fn next(instance: &mut Instance, subscription: ResourceAny) -> Result<Delivery, Error> {
    let told = loop {
        let told = instance
            .call_events(NEXT, async |events, accessor| {
                events
                    .subscription()
                    .call_next(accessor, subscription)
                    .await
            })
            .await;
        match told {
            Ok(told) => break told,
            Err(error) => instance.park(error).await?,
        }
    };
    // It may have begun days ago. What came meanwhile is for nobody if the tenant
    // has left.
    instance.check_connection().await?;
    delivery(told).map_err(|flaw| match flaw {
        Flaw::Broken(what) => instance.broken(NEXT, what),
        Flaw::NotUnderstood(what) => instance.not_understood(NEXT, &what),
    })
}
