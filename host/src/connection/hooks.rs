//! Requests that the product sends by itself.

use bytes::Bytes;
use http::Request;

use super::Connection;
use crate::error::Error;
use crate::events::Flaw;
use crate::hooks::{self, Received};

/// What errors and logs call it.
const RECEIVE: &str = "receive a webhook";

impl Connection {
    /// Has the connector look at a request that came for this connection: whether it
    /// is from the connection's org, what it tells of, and what the product is to be
    /// answered. Who keeps the events and gives the answer is up to the caller;
    /// [`Receiver`](crate::receiver::Receiver) does both.
    ///
    /// Only the method, the query, header fields and the body go to the connector, not
    /// the path. The body is whole and at most 8 MiB. A call takes 30 seconds at most.
    ///
    /// # Errors
    /// [`Error::Input`] for a request that is too large; otherwise as
    /// [`Self::objects`]. Answer the product with 503 then: what can be sent again
    /// will be.
    pub async fn receive(&self, request: &Request<Bytes>) -> Result<Received, Error> {
        let request = hooks::request(request)?;
        let mut instance = self.instance().await?;
        let outcome = instance
            .call_hooks(RECEIVE, async |hooks, accessor| {
                hooks.call_receive(accessor, request).await
            })
            .await?;
        hooks::received(outcome).map_err(|flaw| match flaw {
            Flaw::Broken(what) => instance.broken(RECEIVE, what),
            Flaw::NotUnderstood(what) => instance.not_understood(RECEIVE, &what),
        })
    }
}
