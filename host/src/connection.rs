//! A connection as an embedder uses it: typed calls on the connector, each in an
//! instance of its own.

mod files;
mod hooks;
mod kept;
mod queue;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::bindings::connector::exports::lockgate::connector::records as wit;
use crate::capability::quota::UNCOUNTED;
use crate::connector::{How, Instance, LoadedConnector};
use crate::deliveries::Deliveries;
use crate::error::Error;
use crate::events::{self, SubscribeOptions};
use crate::host::Inner;
use crate::ledger::{Budget, Forecast, Priority, Quota};
use crate::pages::Pages;
use crate::park::QuotaWait;
use crate::records::{
    ConnectorDescription, ObjectDescription, ObjectSummary, Operation, QueryOptions, RecordResult,
    Records, RowResult, ScanOptions, WriteOptions, bounded,
};
use crate::rollout::{Lasting, Rollout};
use crate::store::{ConnectionKey, ConnectionRecord, StoreError};
use crate::writer::Writer;

pub use kept::Kept;
pub use queue::Queue;

/// The longest query text in bytes: products take less.
const MAX_QUERY_BYTES: usize = 1024 * 1024;

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

/// What pages are an answer to.
#[derive(Clone)]
enum Asked {
    Query(String, wit::QueryOptions),
    Scan(String, wit::ScanOptions),
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
    /// then go on where they were, in place of failing with [`Error::OverQuota`]. Actions
    /// and files fail as ever: what they have done by then is not known.
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

    /// All objects that the connected user can see.
    ///
    /// # Errors
    /// Any of [`Error`]'s call errors; so do all calls below.
    pub async fn objects(&self) -> Result<Vec<ObjectSummary>, Error> {
        let mut instance = self.instance().await?;
        let objects = loop {
            let objects = instance
                .call("describe-global", async |records, accessor| {
                    records.call_describe_global(accessor).await
                })
                .await;
            match objects {
                Ok(objects) => break objects,
                Err(error) => instance.park(error).await?,
            }
        };
        Ok(objects.into_iter().map(ObjectSummary::from).collect())
    }

    /// One object with its fields, as the connected user sees them.
    ///
    /// # Errors
    /// See [`Self::objects`].
    pub async fn describe(&self, object: &str) -> Result<ObjectDescription, Error> {
        let mut instance = self.instance().await?;
        let description = loop {
            let object = object.to_owned();
            let description = instance
                .call("describe-object", async |records, accessor| {
                    records.call_describe_object(accessor, object).await
                })
                .await;
            match description {
                Ok(description) => break description,
                Err(error) => instance.park(error).await?,
            }
        };
        Ok(description.into())
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

    /// Reads records by id, in the order of the ids; JSON `null` stands for one
    /// that is not there or cannot be seen. No fields means all.
    ///
    /// # Errors
    /// See [`Self::objects`].
    pub async fn get(
        &self,
        object: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Bytes, Error> {
        let n_ids = ids.len();
        let mut instance = self.instance().await?;
        let json = loop {
            let (object, ids, fields) = (object.to_owned(), ids.to_vec(), fields.to_vec());
            let json = instance
                .call("get", async |records, accessor| {
                    records.call_get(accessor, object, ids, fields).await
                })
                .await;
            match json {
                Ok(json) => break json,
                Err(error) => instance.park(error).await?,
            }
        };
        match serde_json::from_slice::<Vec<&RawValue>>(&json) {
            Ok(rows) if rows.len() != n_ids => {
                let n_rows = rows.len();
                Err(instance.broken("get", format!("{n_rows} records for {n_ids} ids")))
            }
            Ok(rows) => match rows.iter().position(|row| !is_record_or_null(row)) {
                Some(at) => Err(instance.broken("get", format!("record {at} is none"))),
                None => Ok(json.into()),
            },
            Err(error) => {
                let what = format!("the records are no JSON array: {error}");
                Err(instance.broken("get", bounded(&what)))
            }
        }
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

    /// Runs a query in the product's own language. Pages come as they are asked
    /// for; dropping the stream ends the query.
    ///
    /// # Errors
    /// See [`Self::objects`]; later failures come as items of the stream.
    pub async fn query(&self, text: &str, options: QueryOptions) -> Result<Pages, Error> {
        if text.len() > MAX_QUERY_BYTES {
            let length = text.len();
            return Err(Error::Input(format!(
                "a query of {length} bytes is longer than {MAX_QUERY_BYTES} bytes"
            )));
        }
        let options = wit::QueryOptions {
            include_deleted: options.include_deleted,
            page_size: options.page_size,
            way: options.way,
        };
        self.pages(Asked::Query(text.to_owned(), options)).await
    }

    /// Goes through the records of an object in the order of their ids. Pages come
    /// as they are asked for; dropping the stream ends the scan, and one behind the
    /// last id that came goes on.
    ///
    /// # Errors
    /// See [`Self::objects`]; later failures come as items of the stream.
    pub async fn scan(&self, object: &str, options: ScanOptions) -> Result<Pages, Error> {
        let options = wit::ScanOptions {
            fields: options.fields,
            after: options.after,
            matching: options
                .matching
                .map(|(field, values)| wit::Matching { field, values }),
            way: options.way,
        };
        self.pages(Asked::Scan(object.to_owned(), options)).await
    }

    /// Begins an answer, and again after a wait for calls, and gives its pages.
    async fn pages(&self, asked: Asked) -> Result<Pages, Error> {
        let call = match asked {
            Asked::Query(..) => "query",
            Asked::Scan(..) => "scan",
        };
        let mut instance = self.instance().await?;
        let cursor = loop {
            let asked = asked.clone();
            let cursor = instance
                .call(call, async |records, accessor| match asked {
                    Asked::Query(text, options) => {
                        records.call_query(accessor, text, options).await
                    }
                    Asked::Scan(object, options) => {
                        records.call_scan(accessor, object, options).await
                    }
                })
                .await;
            match cursor {
                Ok(cursor) => break cursor,
                Err(error) => instance.park(error).await?,
            }
        };
        let way = instance.way(cursor).await?;
        Ok(Pages::new(instance, cursor, way))
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
        let (action, input) = (action.to_owned(), input.to_string().into_bytes());
        let output = instance
            .call("invoke", async |records, accessor| {
                records.call_invoke(accessor, action, input).await
            })
            .await?;
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
        let loaded = rollout.route(Some(&grants), Lasting::Once)?;
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

fn is_record_or_null(row: &RawValue) -> bool {
    row.get().starts_with('{') || row.get() == "null"
}
