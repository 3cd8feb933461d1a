//! A connection as an embedder uses it: typed calls on the connector, each in an
//! instance of its own.

mod files;
mod hooks;
mod kept;
mod queue;
mod reads;

use std::sync::Arc;

use serde_json::Value as Json;

use crate::capability::quota::UNCOUNTED;
use crate::connector::{How, Instance, LoadedConnector};
use crate::deliveries::Deliveries;
use crate::error::Error;
use crate::events::{self, SubscribeOptions};
use crate::host::Inner;
use crate::ledger::{Budget, Forecast, Priority, Quota};
use crate::park::QuotaWait;
use crate::records::{
    ConnectorDescription, Operation, RecordResult, Records, RowResult, WriteOptions,
};
use crate::rollout::{Caller, Lasting, Rollout};
use crate::store::{ConnectionKey, ConnectionRecord, StoreError};
use crate::writer::Writer;

pub use kept::Kept;
pub use queue::Queue;

/// A tenant's authorised link to an org. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    pub(crate) host: Arc<Inner>,
    key: ConnectionKey,
    pub(crate) how: How,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Connection").field(&self.key).finish()
    }
}

impl Connection {
    pub(crate) fn new(host: Arc<Inner>, key: ConnectionKey) -> Self {
        Self {
            host,
            key,
            how: How::default(),
        }
    }

    /// The tenant and the name.
    #[must_use]
    pub const fn key(&self) -> &ConnectionKey {
        &self.key
    }

    /// What the host knows of the connection.
    ///
    /// # Errors
    /// [`Error::NoConnection`] if it was removed.
    pub async fn record(&self) -> Result<ConnectionRecord, Error> {
        self.host.connection_record(&self.key).await
    }

    /// The same connection with other settings for the calls made through this
    /// handle: merged over the stored ones (RFC 7396).
    #[must_use]
    pub fn with_settings(&self, settings: Json) -> Self {
        let mut with = self.clone();
        with.how.overrides = Some(Arc::new(settings));
        with
    }

    /// The same connection with another priority of the calls made through this
    /// handle, in place of [`Priority::Interactive`].
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        let mut with = self.clone();
        with.how.priority = priority;
        with
    }

    /// The same connection with calls that wait when the budget of calls is used up, and
    /// then go on where they were, in place of failing with [`Error::OverQuota`]. An
    /// action waits only for its first call, since what it has done after that is not
    /// known; an upload fails as ever, since its content is gone.
    ///
    /// While it waits, a query, a write or a subscription costs no CPU time and runs into no limit,
    /// but its instance stays in memory, one of those that its tenant may have
    /// ([`Shares`](crate::Shares)).
    #[must_use]
    pub fn with_quota_wait(&self, wait: QuotaWait) -> Self {
        let mut with = self.clone();
        with.how.wait = Some(wait);
        with
    }

    /// Where the budget of API calls stands for this handle's priority, as far as
    /// the host knows.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn budget(&self) -> Result<Budget, Error> {
        Ok(self
            .quota()
            .await?
            .map_or(UNCOUNTED, |quota| quota.status()))
    }

    /// When so many more calls at this handle's priority will have been made, if
    /// each is made as soon as the budget allows. See [`Quota::forecast`] for what
    /// it takes for granted; `None` if the product does not count calls.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn forecast(&self, calls: u64) -> Result<Option<Forecast>, Error> {
        Ok(self.quota().await?.map(|quota| quota.forecast(calls)))
    }

    /// What the connector is: objects, actions, events, settings.
    ///
    /// # Errors
    /// If the guest fails.
    pub async fn connector(&self) -> Result<ConnectorDescription, Error> {
        let (record, loaded) = self.loaded().await?;
        let mut instance = Instance::unconfigured(&self.host, &record, loaded).await?;
        instance.describe().await
    }

    /// Creates records, and gives one result for each in their order.
    ///
    /// # Errors
    /// See [`Self::objects`]. A failure of single records is in their results, and
    /// so is one that comes when a part was written or is under way: records of
    /// which nothing is known then have the advice [`Advice::CheckOutcome`]. Use
    /// [`Self::write`] to go on after a passing fault instead.
    ///
    /// [`Advice::CheckOutcome`]: crate::Advice::CheckOutcome
    pub async fn create(
        &self,
        object: &str,
        records: &Records,
        options: WriteOptions,
    ) -> Result<Vec<RecordResult>, Error> {
        self.write_all(object, Operation::Create, records, options)
            .await
    }

    /// Changes records, each with its id in it, and gives one result for each in
    /// their order.
    ///
    /// # Errors
    /// See [`Self::create`].
    pub async fn update(
        &self,
        object: &str,
        records: &Records,
        options: WriteOptions,
    ) -> Result<Vec<RecordResult>, Error> {
        self.write_all(object, Operation::Update, records, options)
            .await
    }

    /// Creates or changes records, found by the value of `key_field` that each
    /// holds, and gives one result for each in their order.
    ///
    /// # Errors
    /// See [`Self::create`].
    pub async fn upsert(
        &self,
        object: &str,
        key_field: &str,
        records: &Records,
        options: WriteOptions,
    ) -> Result<Vec<RecordResult>, Error> {
        let operation = Operation::Upsert(key_field.to_owned());
        self.write_all(object, operation, records, options).await
    }

    /// Deletes records by id, and gives one result for each in their order.
    ///
    /// # Errors
    /// See [`Self::create`].
    pub async fn delete(
        &self,
        object: &str,
        ids: &[String],
        options: WriteOptions,
    ) -> Result<Vec<RecordResult>, Error> {
        let mut writer = self.write(object, Operation::Delete, options).await?;
        let known = writer.push_ids(ids).await?;
        finish(writer, known).await
    }

    /// Subscribes to events: API names of objects, for their changes, and of kinds
    /// of message; 1 to 32, none of them twice. Deliveries come as they are asked
    /// for, and everything at least once; dropping the stream ends the
    /// subscription.
    ///
    /// It holds one of the instances that its tenant may have
    /// ([`Shares`](crate::Shares)). When another version of the connector takes over, it goes on there behind its last checkpoint, and nobody
    /// notices.
    ///
    /// # Errors
    /// [`Error::Input`] for sources that are none; otherwise as [`Self::objects`].
    /// [`Error::Refused`] with [`Advice::Refetch`] means that events behind the
    /// checkpoint are gone: subscribe to what is new, then read everything once.
    /// Later failures come as items of the stream.
    ///
    /// [`Advice::Refetch`]: crate::Advice::Refetch
    pub async fn subscribe(
        &self,
        sources: &[impl AsRef<str>],
        options: SubscribeOptions,
    ) -> Result<Deliveries, Error> {
        let sources = events::sources(sources)?;
        Deliveries::begin(self.clone(), sources, options).await
    }

    /// Does one of the connector's actions; input and output are JSON as its
    /// description says.
    ///
    /// # Errors
    /// See [`Self::objects`].
    pub async fn invoke(&self, action: &str, input: &Json) -> Result<Json, Error> {
        let mut instance = self.instance().await?;
        let output = loop {
            let (action, input) = (action.to_owned(), input.to_string().into_bytes());
            let output = instance
                .call("invoke", async |records, accessor| {
                    records.call_invoke(accessor, action, input).await
                })
                .await;
            match output {
                Ok(output) => break output,
                // What it has done by then is not known.
                Err(error) if instance.has_sent() => return Err(error),
                Err(error) => instance.park(error).await?,
            }
        };
        serde_json::from_slice(&output)
            .map_err(|error| instance.broken("invoke", format!("output is not JSON: {error}")))
    }

    /// Begins a write of any number of records. The connector chooses how, unless
    /// the options say so.
    ///
    /// # Errors
    /// See [`Self::objects`].
    pub async fn write(
        &self,
        object: &str,
        operation: Operation,
        options: WriteOptions,
    ) -> Result<Writer, Error> {
        let mut instance = self.instance().await?;
        let (object, wanted, options) = (object.to_owned(), (&operation).into(), options.into());
        let writer = instance
            .call(operation.call(), async |records, accessor| {
                records.call_write(accessor, object, wanted, options).await
            })
            .await?;
        Ok(Writer::new(instance, writer, &operation))
    }

    /// Writes what is all here, and gives the results in the order of the records.
    async fn write_all(
        &self,
        object: &str,
        operation: Operation,
        records: &Records,
        options: WriteOptions,
    ) -> Result<Vec<RecordResult>, Error> {
        let mut writer = self.write(object, operation, options).await?;
        let known = writer.push(records).await?;
        finish(writer, known).await
    }

    async fn loaded(&self) -> Result<(ConnectionRecord, Arc<LoadedConnector>), Error> {
        let record = self.record().await?;
        let rollout = self.host.connector(&record.package)?;
        let grants = self.host.live_grants(&record).await?;
        let loaded = rollout.route(Caller::Granted(&grants), Lasting::Once)?;
        Ok((record, loaded))
    }

    /// The versions of the connection's connector, for a call that lasts.
    pub(crate) async fn rollout(&self) -> Result<Arc<Rollout<LoadedConnector>>, Error> {
        self.host.connector(&self.record().await?.package)
    }

    /// An instance of one version.
    pub(crate) async fn instance_of(
        &self,
        loaded: Arc<LoadedConnector>,
    ) -> Result<Instance, Error> {
        Instance::configured(&self.host, self.record().await?, loaded, &self.how).await
    }

    async fn instance(&self) -> Result<Instance, Error> {
        let (record, loaded) = self.loaded().await?;
        Instance::configured(&self.host, record, loaded, &self.how).await
    }

    /// The ledger at this handle's priority; `None` if the product does not count.
    async fn quota(&self) -> Result<Option<Quota>, Error> {
        let (record, loaded) = self.loaded().await?;
        let quota = self.host.quota(&record, &loaded).await?;
        Ok(quota.map(|quota| quota.at(self.how.priority)))
    }
}

/// The results of a write in the order of its records.
async fn finish(
    mut writer: Writer,
    mut results: Vec<RowResult>,
) -> Result<Vec<RecordResult>, Error> {
    // What was pushed may have begun, if there was more of it than one job takes.
    let mut is_under_way = !results.is_empty() || writer.has_sent();
    loop {
        match writer.finish().await {
            Ok(Some(more)) => {
                results.extend(more);
                is_under_way = true;
            }
            Ok(None) => break,
            // What is known must not be lost with the call, and the product may
            // be at work on the rest: as an error it would read as if nothing
            // had been written.
            Err(error) if is_under_way => {
                results.extend(writer.in_doubt(&error));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    results.sort_unstable_by_key(|result| result.row);
    Ok(results.into_iter().map(|result| result.result).collect())
}

/// What the store says of a connection that is not there, as apps know it.
pub(crate) fn no_connection(error: StoreError) -> Error {
    match error {
        StoreError::NotFound(key) => Error::NoConnection {
            connection: key.to_string(),
        },
        other => other.into(),
    }
}
