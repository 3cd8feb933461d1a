//! Opens what a webhook needs: its connection, and what sends it.

use anyhow::Result;
use lockgate::outbound::Courier;
use lockgate::{Host, Queue};

use super::Named;
use super::definition::Webhook;
use crate::args::Common;
use crate::{kept, session};

/// A webhook by its name, on a host that can reach its connection.
pub(crate) async fn find(common: &Common, named: &Named) -> Result<(Host, Webhook)> {
    let host = session::open(common, None).await?;
    let webhook: Webhook = kept::find(&host, &named.tenant, &named.name).await?;
    let key = &webhook.connection;
    let host = session::trusting(common, host, key.tenant(), key.name()).await?;
    Ok((host, webhook))
}

/// What waits to be sent and what was given up.
pub(crate) async fn queue(host: &Host, webhook: &Webhook) -> Result<Queue> {
    let key = &webhook.connection;
    let connection = host.connection(key.tenant(), key.name()).await?;
    Ok(connection.outbox(&webhook.name)?)
}

/// What sends it, at rest.
pub(crate) async fn courier(host: &Host, webhook: &Webhook) -> Result<Courier> {
    let key = &webhook.connection;
    let connection = host.connection(key.tenant(), key.name()).await?;
    Ok(connection.courier(webhook.endpoint()?)?)
}
