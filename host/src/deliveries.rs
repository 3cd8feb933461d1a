//! A subscription under way: deliveries of events as a stream with back-pressure,
//! each under limits of its own.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use wasmtime::component::ResourceAny;

use crate::bindings::connector::exports::lockgate::connector::events as wit;
use crate::connector::Instance;
use crate::error::Error;
use crate::events::{Delivery, Flaw, SubscribeOptions, delivery};
use crate::records::Way;

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
    /// Subscribes in an instance that is kept for all deliveries.
    pub(crate) async fn begin(
        mut instance: Instance,
        sources: Vec<String>,
        options: SubscribeOptions,
    ) -> Result<Self, Error> {
        let subscription = loop {
            let (sources, options) = (sources.clone(), options.clone());
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
                Ok(subscription) => break subscription,
                Err(error) => instance.park(error).await?,
            }
        };
        let way = instance.way_of_subscription(subscription).await?;
        let deliveries = stream::unfold(Some(instance), move |instance| async move {
            let mut instance = instance?;
            let delivery = next(&mut instance, subscription).await;
            let goes_on = delivery.as_ref().err().is_none_or(Error::keeps_place);
            Some((delivery, goes_on.then_some(instance)))
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
