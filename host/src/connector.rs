//! A connector at work: the loaded package, and one instance of it for one call.

mod failure;
mod standing;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use wasmtime::component::{Accessor, Resource, ResourceAny};

use crate::bindings::connector::exports::lockgate::connector::{events, hooks, records as wit};
use crate::bindings::connector::{Connector, ConnectorPre};
use crate::capability::log::Speaker;
use crate::capability::outgoing::Written;
use crate::capability::quota::QuotaAccess;
use crate::capability::storage::{Place, Storage};
use crate::capability::tables::Rows;
use crate::deliveries::LONGEST_WAIT;
use crate::engine::Sandbox;
use crate::error::Error;
use crate::grant::Grants;
use crate::grant::live::Live;
use crate::guest::Guest;
use crate::hooks::LONGEST_CALL;
use crate::host::Inner;
use crate::ledger::Priority;
use crate::limits::Limits;
use crate::manifest::{AuthManifest, VendorManifest};
use crate::merge::merge;
use crate::migration::{self, Migration};
use crate::package::Package;
use crate::park::QuotaWait;
use crate::patience::Patience;
use crate::records::{ConnectorDescription, Records, Way, setting_problems};
use crate::rehearsal::{CallUsage, Rehearsal};
use crate::rollout::{Service, Versioned};
use crate::state::ConnectorState;
use crate::store::{ConnectionKey, ConnectionRecord};
use standing::must_be_ready;

/// A loaded connector package: compiled and linked, once for all its calls.
pub(crate) struct LoadedConnector {
    pub(crate) package: Package,
    pub(crate) vendor: Arc<VendorManifest>,
    pub(crate) auth: Arc<AuthManifest>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) pre: ConnectorPre<ConnectorState>,
    pub(crate) limits: Limits,
    pub(crate) service: Arc<Service>,
    pub(crate) migration: Migration,
    /// What it asks for, of what the program gives it.
    pub(crate) wants: Grants,
}

impl Versioned for LoadedConnector {
    fn package(&self) -> &Package {
        &self.package
    }

    fn service(&self) -> &Arc<Service> {
        &self.service
    }

    fn wants(&self) -> &Grants {
        &self.wants
    }
}

/// One instance of a connector, for one call and its pages.
pub(crate) struct Instance {
    host: Arc<Inner>,
    record: ConnectionRecord,
    speaker: Arc<Speaker>,
    guest: Guest<ConnectorState>,
    exports: Connector,
    quota: QuotaAccess,
    wait: Option<QuotaWait>,
    grants: Arc<Live>,
    rehearsal: Option<Rehearsal>,
}

/// How calls of a handle are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct How {
    /// Settings that are merged over the stored ones.
    pub(crate) overrides: Option<Arc<Json>>,
    pub(crate) priority: Priority,
    /// How queries and writes wait for calls.
    pub(crate) wait: Option<QuotaWait>,
    /// What the calls are part of.
    pub(crate) rehearsal: Option<Rehearsal>,
}

impl Instance {
    /// An instance with its settings, ready for any call.
    pub(crate) async fn configured(
        host: &Arc<Inner>,
        record: ConnectionRecord,
        loaded: Arc<LoadedConnector>,
        how: &How,
    ) -> Result<Self, Error> {
        must_be_ready(&record)?;
        let mut settings = record.settings.clone();
        if let Some(overrides) = &how.overrides {
            merge(&mut settings, overrides);
        }
        let mut instance = Self::start(host, &record, loaded, Some(how)).await?;
        instance.configure(&settings).await?;
        Ok(instance)
    }

    /// Asks the package whether it can use the settings of `record`, before they
    /// are kept. The connection may not exist yet, so nothing of it is reached.
    pub(crate) async fn check_settings(
        host: &Arc<Inner>,
        record: &ConnectionRecord,
        loaded: Arc<LoadedConnector>,
    ) -> Result<(), Error> {
        let mut instance = Self::start(host, record, loaded, None).await?;
        instance.configure(&record.settings).await
    }

    /// An instance that can only describe itself.
    pub(crate) async fn unconfigured(
        host: &Arc<Inner>,
        record: &ConnectionRecord,
        loaded: Arc<LoadedConnector>,
    ) -> Result<Self, Error> {
        Self::start(host, record, loaded, Some(&How::default())).await
    }

    /// An instance that reaches the connection's origin, budget and stored values as a
    /// handle does, within what its package was granted; nothing at all without `how`.
    async fn start(
        host: &Arc<Inner>,
        record: &ConnectionRecord,
        loaded: Arc<LoadedConnector>,
        how: Option<&How>,
    ) -> Result<Self, Error> {
        let head = &loaded.package.manifest().package;
        let speaker = Arc::new(Speaker {
            package: head.name.clone(),
            version: head.version.clone(),
            connection: record.key.to_string(),
        });
        let limits = &loaded.limits;
        let rehearsal = how.and_then(|how| how.rehearsal.clone());
        let place = match (how, &rehearsal) {
            (None, _) => Place::Nowhere,
            (_, Some(rehearsal)) => Place::Rehearsal(rehearsal.clone()),
            (_, None) => {
                migration::ensure(host, record, &loaded).await?;
                Place::Store(host.store())
            }
        };
        let is_counted = !rehearsal.as_ref().is_some_and(Rehearsal::is_uncounted);
        let quota = match how.filter(|_| is_counted) {
            Some(how) => {
                let quota = host.quota(record, &loaded).await?;
                quota.map(|quota| quota.at(how.priority))
            }
            None => None,
        };
        let backend = how.map(|_| host.http_backend(record, &loaded));
        let quota = QuotaAccess::new(quota);
        let scope = migration::scope(record, &head.name, head.state);
        let storage = Storage::new(place, scope, limits);
        let grants = match how {
            Some(_) => host.live_grants(record).await?,
            None => Arc::new(Live::of_nothing(record.key.clone())),
        };
        let state = ConnectorState::new(
            limits,
            &speaker,
            Arc::clone(&grants),
            backend,
            quota.clone(),
            storage,
        )
        .rehearsing(rehearsal.as_ref());
        let mut guest = Guest::new(&loaded.sandbox, state, &loaded.service, &speaker).await?;
        let exports = guest
            .run("start", async |store| {
                loaded.pre.instantiate_async(store).await
            })
            .await?;
        Ok(Self {
            host: Arc::clone(host),
            record: record.clone(),
            speaker,
            guest,
            exports,
            quota,
            grants,
            wait: how.and_then(|how| how.wait.clone()),
            rehearsal,
        })
    }

    async fn configure(&mut self, settings: &Json) -> Result<(), Error> {
        let text = settings.to_string();
        let exports = &self.exports;
        let accepted = self
            .guest
            .run("configure", async |store| {
                exports
                    .lockgate_connector_records()
                    .call_configure(store, &text)
                    .await
            })
            .await?;
        accepted.map_err(|problems| Error::Settings {
            package: self.speaker.package.clone(),
            problems: setting_problems(
                problems
                    .into_iter()
                    .map(|problem| (problem.pointer, problem.message)),
            ),
        })
    }

    pub(crate) async fn describe(&mut self) -> Result<ConnectorDescription, Error> {
        let exports = &self.exports;
        let description = self
            .guest
            .run("describe", async |store| {
                exports
                    .lockgate_connector_records()
                    .call_describe(store)
                    .await
            })
            .await?;
        Ok(description.into())
    }

    /// Which way a query goes.
    pub(crate) async fn way(&mut self, cursor: ResourceAny) -> Result<Way, Error> {
        let exports = &self.exports;
        let way = self
            .guest
            .run("way of a query", async |store| {
                let records = exports.lockgate_connector_records();
                records.cursor().call_way(store, cursor).await
            })
            .await?;
        Ok(way.into())
    }

    /// Which way a subscription hears of events.
    pub(crate) async fn way_of_subscription(
        &mut self,
        subscription: ResourceAny,
    ) -> Result<Way, Error> {
        let exports = &self.exports;
        let way = self
            .guest
            .run("way of a subscription", async |store| {
                let events = exports.lockgate_connector_events();
                events.subscription().call_way(store, subscription).await
            })
            .await?;
        Ok(way.into())
    }

    /// Which way a write goes.
    pub(crate) async fn way_of_write(&mut self, writer: ResourceAny) -> Result<Option<Way>, Error> {
        let exports = &self.exports;
        let way = self
            .guest
            .run("way of a write", async |store| {
                let records = exports.lockgate_connector_records();
                records.writer().call_way(store, writer).await
            })
            .await?;
        Ok(way.map(Way::from))
    }

    /// How many calls a dry run says that a write takes.
    pub(crate) async fn calls_of_write(
        &mut self,
        writer: ResourceAny,
    ) -> Result<Option<u64>, Error> {
        let exports = &self.exports;
        self.guest
            .run("calls of a write", async |store| {
                let records = exports.lockgate_connector_records();
                records.writer().call_calls(store, writer).await
            })
            .await
    }

    /// Whose instance it is.
    pub(crate) const fn key(&self) -> &ConnectionKey {
        &self.record.key
    }

    /// How long a call may take.
    pub(crate) const fn wall(&self) -> Duration {
        self.guest.wall
    }

    /// Calls one export and takes its answer apart.
    pub(crate) async fn call<R, W>(&mut self, call: &'static str, work: W) -> Result<R, Error>
    where
        W: AsyncFnOnce(
            &wit::Guest,
            &Accessor<ConnectorState>,
        ) -> wasmtime::Result<Result<R, wit::Error>>,
    {
        let patience = Patience::new(self.wall());
        self.call_within(&patience, call, work).await
    }

    /// The same under a clock that the work itself may begin anew.
    pub(crate) async fn call_within<R, W>(
        &mut self,
        patience: &Patience,
        call: &'static str,
        work: W,
    ) -> Result<R, Error>
    where
        W: AsyncFnOnce(
            &wit::Guest,
            &Accessor<ConnectorState>,
        ) -> wasmtime::Result<Result<R, wit::Error>>,
    {
        let exports = Connector::lockgate_connector_records;
        self.call_export(exports, patience, call, work).await
    }

    /// Calls one export of the interface `events`. These wait, and no message that
    /// comes gives them more time: the contract says when they have to answer, and
    /// on top of it they have the time of any other call.
    pub(crate) async fn call_events<R, W>(
        &mut self,
        call: &'static str,
        work: W,
    ) -> Result<R, Error>
    where
        W: AsyncFnOnce(
            &events::Guest,
            &Accessor<ConnectorState>,
        ) -> wasmtime::Result<Result<R, wit::Error>>,
    {
        let patience = Patience::firm(LONGEST_WAIT + self.wall());
        let exports = Connector::lockgate_connector_events;
        self.call_export(exports, &patience, call, work).await
    }

    /// Calls the export of the interface `hooks`, while somebody waits outside.
    pub(crate) async fn call_hooks<R, W>(&mut self, call: &'static str, work: W) -> Result<R, Error>
    where
        W: AsyncFnOnce(
            &hooks::Guest,
            &Accessor<ConnectorState>,
        ) -> wasmtime::Result<Result<R, wit::Error>>,
    {
        let patience = Patience::firm(LONGEST_CALL.min(self.wall()));
        let exports = Connector::lockgate_connector_hooks;
        self.call_export(exports, &patience, call, work).await
    }

    async fn call_export<E, R, W>(
        &mut self,
        exports: fn(&Connector) -> &E,
        patience: &Patience,
        call: &'static str,
        work: W,
    ) -> Result<R, Error>
    where
        W: AsyncFnOnce(&E, &Accessor<ConnectorState>) -> wasmtime::Result<Result<R, wit::Error>>,
    {
        if self.grants.is_stale() {
            self.reread_grants().await;
        }
        let state = self.guest.state_mut();
        state.rearm();
        state.stream.patience = patience.clone();
        let exports = exports(&self.exports);
        let answer = self
            .guest
            .run_within(patience, call, async |store| {
                store
                    .run_concurrent(async |accessor| work(exports, accessor).await)
                    .await?
            })
            .await;
        self.quota.give_up_turn();
        match answer? {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.refusal(call, error).await),
        }
    }

    /// Waits after a call that failed for want of API calls, if the handle is to:
    /// then the call is to be made again.
    ///
    /// # Errors
    /// Gives the error back if there is nothing to wait for, or not in time.
    pub(crate) async fn park(&mut self, error: Error) -> Result<(), Error> {
        match &self.wait {
            Some(wait) => {
                wait.park(error, &self.quota, &self.speaker.connection)
                    .await
            }
            None => Err(error),
        }
    }

    /// Takes rows of a table that the guest has handed on.
    pub(crate) fn take_rows(
        &mut self,
        call: &'static str,
        rows: Resource<Rows>,
    ) -> Result<Records, Error> {
        let rows = self.guest.state_mut().table.delete(rows);
        let rows = rows.map_err(|error| self.broken(call, error.to_string()))?;
        rows.records
            .map_err(|flaw| self.not_understood(call, &flaw))
    }

    /// Takes what the guest has handed on of an answer that told of written records.
    pub(crate) fn take_written(
        &mut self,
        call: &'static str,
        written: Resource<Written>,
    ) -> Result<Written, Error> {
        let written = self.guest.state_mut().table.delete(written);
        written.map_err(|error| self.broken(call, error.to_string()))
    }

    /// Whether the last call made requests.
    pub(crate) fn has_sent(&self) -> bool {
        self.guest.state().http.has_sent()
    }
}

impl Drop for Instance {
    /// Adds what it has used to the sum of its rehearsal.
    fn drop(&mut self) {
        let Some(rehearsal) = &self.rehearsal else {
            return;
        };
        let state = self.guest.state();
        rehearsal.add(CallUsage {
            requests: state.http.all_asked(),
            storage_reads: state.storage.reads,
            storage_writes: state.storage.writes,
            log_lines: state.log.lines(),
            host_calls: state.meter.all_host_calls(),
            memory_bytes: state.meter.memory_bytes(),
            instructions: self.guest.instructions(),
        });
    }
}
