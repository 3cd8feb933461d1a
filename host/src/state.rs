//! What lives in a store beside the guest, one type a world, and the linkers that
//! connect the interfaces to it. A transform's state has no network in it.

use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{HasData, Linker, ResourceTable};

use crate::bindings::contract;
use crate::capability::http::{Backend, Http};
use crate::capability::log::{HasLog, Log, LogView, Speaker};
use crate::capability::outgoing::Outgoing;
use crate::capability::quota::QuotaAccess;
use crate::capability::storage::Storage;
use crate::capability::stream::Exchanges;
use crate::capability::tables::Tables;
use crate::grant::live::Live;
use crate::grant::{Grant, Grants};
use crate::limits::Limits;
use crate::meter::{Meter, Metered};
use crate::rehearsal::Rehearsal;

/// The state of a connector's call.
#[derive(Debug)]
pub(crate) struct ConnectorState {
    pub(crate) meter: Meter,
    pub(crate) log: Log,
    pub(crate) http: Http,
    pub(crate) storage: Storage,
    pub(crate) quota: QuotaAccess,
    pub(crate) stream: Exchanges,
    pub(crate) tables: Tables,
    pub(crate) outgoing: Outgoing,
    /// What the call is part of, if that has a clock of its own.
    pub(crate) rehearsal: Option<Rehearsal>,
    pub(crate) table: ResourceTable,
    grants: Arc<Live>,
}

impl ConnectorState {
    /// The state of an instance that reaches what it is given, and nothing else.
    pub(crate) fn new(
        limits: &Limits,
        speaker: &Arc<Speaker>,
        grants: Arc<Live>,
        backend: Option<Arc<Backend>>,
        quota: QuotaAccess,
        storage: Storage,
    ) -> Self {
        let meter = Meter::new(limits.clone());
        Self {
            log: Log::new(Arc::clone(speaker)),
            http: Http::new(backend.clone(), quota.clone(), limits, meter.traffic()),
            meter,
            stream: Exchanges::new(backend, limits),
            tables: Tables::default(),
            outgoing: Outgoing::default(),
            storage,
            quota,
            rehearsal: None,
            table: ResourceTable::new(),
            grants,
        }
    }

    /// Begins a call of the host that needs a grant: the one place at which those of the
    /// connection are held against what a guest does, below whatever version of the
    /// contract it was built against.
    ///
    /// # Errors
    /// Ends the call of the guest, which can neither answer it nor hide it.
    pub(crate) fn enter(&mut self, grant: Grant) -> wasmtime::Result<()> {
        self.meter.host_call()?;
        Ok(self.grants.check(grant)?)
    }

    /// What the connection was given, to hear of changes.
    pub(crate) const fn grants(&self) -> &Arc<Live> {
        &self.grants
    }

    /// The same as part of a rehearsal.
    pub(crate) fn rehearsing(mut self, rehearsal: Option<&Rehearsal>) -> Self {
        self.http.recording = rehearsal.and_then(Rehearsal::recording).cloned();
        self.rehearsal = rehearsal.cloned();
        self
    }

    /// Begins a new page: limits that re-arm are full again.
    pub(crate) fn rearm(&mut self) {
        self.meter.rearm();
        self.log.rearm();
        self.http.rearm();
        self.quota.rearm();
    }
}

/// Names [`ConnectorState`] to the linker.
#[derive(Debug)]
pub(crate) struct ConnectorHost;

impl HasData for ConnectorHost {
    type Data<'a> = &'a mut ConnectorState;
}

/// The state of a transform's call.
#[derive(Debug)]
pub(crate) struct TransformState {
    pub(crate) meter: Meter,
    pub(crate) log: Log,
}

impl Metered for ConnectorState {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl Metered for TransformState {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

/// A linker for the world `connector` with nothing in it but what was granted.
pub(crate) fn connector_linker(
    engine: &Engine,
    grants: &Grants,
) -> wasmtime::Result<Linker<ConnectorState>> {
    let mut linker = Linker::new(engine);
    let state: fn(&mut ConnectorState) -> &mut ConnectorState = |state| state;
    contract::log::add_to_linker::<_, HasLog>(&mut linker, |state: &mut ConnectorState| LogView {
        log: &mut state.log,
        meter: &mut state.meter,
    })?;
    contract::clock::add_to_linker::<_, ConnectorHost>(&mut linker, state)?;
    contract::tables::add_to_linker::<_, ConnectorHost>(&mut linker, state)?;
    contract::outgoing::add_to_linker::<_, ConnectorHost>(&mut linker, state)?;
    if grants.contains(&Grant::Http) {
        contract::http::add_to_linker::<_, ConnectorHost>(&mut linker, state)?;
    }
    if grants.contains(&Grant::Storage) {
        contract::storage::add_to_linker::<_, ConnectorHost>(&mut linker, state)?;
    }
    if grants.contains(&Grant::Quota) {
        contract::quota::add_to_linker::<_, ConnectorHost>(&mut linker, state)?;
    }
    if grants.contains(&Grant::Stream) {
        contract::stream::add_to_linker::<_, ConnectorHost>(&mut linker, state)?;
    }
    Ok(linker)
}

/// The linker for the world `transform`: a log, and nothing else.
pub(crate) fn transform_linker(engine: &Engine) -> wasmtime::Result<Linker<TransformState>> {
    let mut linker = Linker::new(engine);
    contract::log::add_to_linker::<_, HasLog>(&mut linker, |state: &mut TransformState| LogView {
        log: &mut state.log,
        meter: &mut state.meter,
    })?;
    Ok(linker)
}
