//! A connector at work: the loaded package, and one instance of it for one call.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use wasmtime::component::{Accessor, ResourceAny};

use crate::bindings::connector::exports::lockgate::connector::{events, hooks, records as wit};
use crate::bindings::connector::{Connector, ConnectorPre};
use crate::capability::log::Speaker;
use crate::capability::quota::QuotaAccess;
use crate::capability::storage::Storage;
use crate::deliveries::LONGEST_WAIT;
use crate::engine::Sandbox;
use crate::error::{Error, GuestCall};
use crate::guest::Guest;
use crate::hooks::LONGEST_CALL;
use crate::host::Inner;
use crate::ledger::Priority;
use crate::limits::Limits;
use crate::manifest::{AuthManifest, VendorManifest};
use crate::migration::{self, Migration};
use crate::package::Package;
use crate::park::QuotaWait;
use crate::patience::Patience;
use crate::records::{ConnectorDescription, Problem, Way, bounded, setting_problems};
use crate::rollout::{Service, Versioned};
use crate::state::ConnectorState;
use crate::store::{ConnectionKey, ConnectionRecord, ConnectionState};

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
}

impl Versioned for LoadedConnector {
    fn package(&self) -> &Package {
        &self.package
    }

    fn service(&self) -> &Arc<Service> {
        &self.service
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
}

/// How calls of a handle are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct How {
    /// Settings that are merged over the stored ones.
    pub(crate) overrides: Option<Arc<Json>>,
    pub(crate) priority: Priority,
    /// How queries and writes wait for calls.
    pub(crate) wait: Option<QuotaWait>,
}

/// What an instance can reach, within what its package was granted.
#[derive(Clone, Copy, Debug)]
enum Reach<'a> {
    /// The connection's origin, budget and stored values, as a handle reaches them.
    Connection(&'a How),
    /// Nothing at all.
    Nothing,
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
        let mut instance = Self::start(host, &record, loaded, Reach::Connection(how)).await?;
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
        let mut instance = Self::start(host, record, loaded, Reach::Nothing).await?;
        instance.configure(&record.settings).await
    }

    /// An instance that can only describe itself.
    pub(crate) async fn unconfigured(
        host: &Arc<Inner>,
        record: &ConnectionRecord,
        loaded: Arc<LoadedConnector>,
    ) -> Result<Self, Error> {
        Self::start(host, record, loaded, Reach::Connection(&How::default())).await
    }

    async fn start(
        host: &Arc<Inner>,
        record: &ConnectionRecord,
        loaded: Arc<LoadedConnector>,
        reach: Reach<'_>,
    ) -> Result<Self, Error> {
        let head = &loaded.package.manifest().package;
        let speaker = Arc::new(Speaker {
            package: head.name.clone(),
            version: head.version.clone(),
            connection: record.key.to_string(),
        });
        let limits = &loaded.limits;
        if matches!(reach, Reach::Connection(_)) {
            migration::ensure(host, record, &loaded).await?;
        }
        let scope = migration::scope(record, &head.name, head.state);
        let (quota, backend, store, wait) = match reach {
            Reach::Nothing => (None, None, None, None),
            Reach::Connection(how) => (
                host.quota(record, &loaded)
                    .await?
                    .map(|quota| quota.at(how.priority)),
                Some(host.http_backend(record, &loaded)),
                Some(host.store()),
                how.wait.clone(),
            ),
        };
        let quota = QuotaAccess::new(quota);
        let storage = Storage::new(store, scope, limits);
        let state = ConnectorState::new(limits, &speaker, backend, quota.clone(), storage);
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
            wait,
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

    /// Holds a call that lasts against what has become of its connection since it
    /// began.
    ///
    /// # Errors
    /// [`Error::NoConnection`] if it was removed, even if there is another one of
    /// its name; [`Error::NeedsReconnect`].
    pub(crate) async fn check_connection(&mut self) -> Result<(), Error> {
        let now = self.host.connection_record(&self.record.key).await?;
        self.check_age(now.created_ms)?;
        must_be_ready(&now)
    }

    /// Whether the connection is the one that was added then.
    ///
    /// # Errors
    /// [`Error::NoConnection`] if it is another one of its name.
    pub(crate) fn check_age(&self, created_ms: u64) -> Result<(), Error> {
        if created_ms != self.record.created_ms {
            return Err(Error::NoConnection {
                connection: self.record.key.to_string(),
            });
        }
        Ok(())
    }

    /// Whether the last call made requests.
    pub(crate) fn has_sent(&self) -> bool {
        self.guest.state().http.has_sent()
    }

    /// Says that the guest broke the contract.
    pub(crate) fn broken(&self, call: &'static str, what: String) -> Error {
        self.guest.fault();
        Error::BrokenContract {
            guest: self.guest_call(call),
            what,
        }
    }

    /// Says that what a guest handed on of the product's answer makes no sense.
    pub(crate) fn not_understood(&self, call: &'static str, what: &str) -> Error {
        self.guest.fault();
        Error::Unexpected {
            call: self.guest_call(call),
            what: bounded(what),
        }
    }

    fn guest_call(&self, call: &'static str) -> GuestCall {
        GuestCall {
            package: self.speaker.package.clone(),
            version: self.speaker.version.clone(),
            call,
        }
    }

    async fn refusal(&mut self, call: &'static str, error: wit::Error) -> Error {
        let call = self.guest_call(call);
        let after = std::time::Duration::from_millis;
        match error {
            wit::Error::Refused(problem) => Error::Refused {
                call,
                problem: Box::new(Problem::from(problem)),
            },
            wit::Error::Reconnect => self.reconnect_reason().await,
            wit::Error::OverQuota(ms) => Error::OverQuota {
                call,
                budget: Box::new(self.quota.status()),
                retry_after: after(ms),
            },
            wit::Error::Unavailable(ms) => Error::Unavailable {
                call,
                retry_after: after(ms),
            },
            wit::Error::UnknownOutcome => Error::UnknownOutcome { call },
            wit::Error::Unexpected(what) => {
                self.guest.fault();
                Error::Unexpected {
                    call,
                    what: bounded(&what),
                }
            }
        }
    }

    /// The guest knows only that the connection is no longer authorised; the
    /// host knows why.
    async fn reconnect_reason(&mut self) -> Error {
        match self.host.connection_record(&self.record.key).await {
            Ok(ConnectionRecord {
                state: ConnectionState::NeedsReconnect { reason },
                ..
            }) => needs_reconnect(&self.record, &reason),
            Ok(_) => needs_reconnect(&self.record, "the product no longer accepts its session"),
            Err(error) => error,
        }
    }
}

fn must_be_ready(record: &ConnectionRecord) -> Result<(), Error> {
    match &record.state {
        ConnectionState::Ready => Ok(()),
        ConnectionState::Pending => Err(needs_reconnect(record, "it was never authorised")),
        ConnectionState::NeedsReconnect { reason } => Err(needs_reconnect(record, reason)),
    }
}

fn needs_reconnect(record: &ConnectionRecord, reason: &str) -> Error {
    Error::NeedsReconnect {
        connection: record.key.to_string(),
        reason: reason.to_owned(),
    }
}

/// JSON Merge Patch (RFC 7396).
fn merge(target: &mut Json, patch: &Json) {
    match (target, patch) {
        (Json::Object(target), Json::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    target.remove(key);
                } else {
                    merge(target.entry(key.clone()).or_insert(Json::Null), value);
                }
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_of_one_call_are_merged_over_the_stored_ones() {
        let mut settings = json!({"api_version": "60.0", "assignment": {"rule": "a", "x": 1}});
        merge(
            &mut settings,
            &json!({"assignment": {"rule": "b", "x": null}, "mru": true}),
        );
        assert_eq!(
            settings,
            json!({"api_version": "60.0", "assignment": {"rule": "b"}, "mru": true})
        );
    }
}
