//! The host: engines, packages, connections. One value that an app clones and
//! hands around; nothing global.

mod build;
mod connect;
mod grants;
mod packages;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Component;

pub use build::{HostBuilder, MASTER_KEY_FILE};
pub use connect::{LoginTo, NewConnection};
pub use grants::{GrantStatus, Waiting};
pub use packages::PackageStatus;
pub(crate) use packages::{LiveSettings, Rollouts};

use crate::auth::Sessions;
use crate::bindings::connector::ConnectorPre;
use crate::bindings::migrator::MigratorPre;
use crate::capability::http::Backend;
use crate::capability::log::Speaker;
use crate::code_cache::CodeCache;
use crate::connection::Connection;
use crate::connector::LoadedConnector;
use crate::contract::{BatchesPre, Contract};
use crate::engine::Sandboxes;
use crate::error::Error;
use crate::grant::Grants;
use crate::grant::live::LiveGrants;
use crate::ledger::{Ledgers, Quota};
use crate::limits::Limits;
use crate::migration::Migration;
use crate::package::{Package, PackageError};
use crate::rollout::Service;
use crate::seal::Sealer;
use crate::shares::TenantStatus;
use crate::state::{connector_linker, transform_linker};
use crate::store::{ConnectionKey, ConnectionRecord, Store, StoreError};
use crate::transform::LoadedTransform;
use crate::transport::Transport;
use crate::trust::Trust;

/// A host of sealed components. Cheap to clone; all clones are one host.
#[derive(Clone, Debug)]
pub struct Host(pub(crate) Arc<Inner>);

/// What all clones of a host share.
pub(crate) struct Inner {
    pub(crate) sandboxes: Sandboxes,
    pub(crate) code: CodeCache,
    pub(crate) ceiling: Limits,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealer: Sealer,
    pub(crate) sessions: Sessions,
    pub(crate) transport: Transport,
    pub(crate) ledgers: Ledgers,
    pub(crate) connectors: Arc<Rollouts<LoadedConnector>>,
    pub(crate) transforms: Rollouts<LoadedTransform>,
    pub(crate) trust: Trust,
    pub(crate) grants: LiveGrants,
    pub(crate) settings: LiveSettings,
    pub(crate) data_dir: PathBuf,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Host {
    /// Begins a host. Nothing is allowed until it is named.
    #[must_use]
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// The data directory that the host was built with.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.0.data_dir
    }

    /// A connection that was added before.
    ///
    /// # Errors
    /// [`Error::NoConnection`], or [`Error::Input`] if the names are malformed.
    pub async fn connection(&self, tenant: &str, name: &str) -> Result<Connection, Error> {
        let key = key(tenant, name)?;
        self.0.connection_record(&key).await?;
        Ok(Connection::new(Arc::clone(&self.0), key))
    }

    /// Has a tenant get so many times the turns on the cores that one of weight 1 gets,
    /// where both have something to do; likewise instances. Everybody begins with 1, and
    /// 0 counts as 1. It is not stored: to be said again by each process.
    pub fn weigh(&self, tenant: &str, weight: u32) {
        self.0.sandboxes.weigh(tenant, weight);
    }

    /// What the tenants that have calls under way have of the host at the moment.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantStatus> {
        self.0.sandboxes.tenants()
    }

    /// Stores what is kept in memory for a moment: the last second's count of API
    /// calls. To be called before a process ends.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn flush(&self) -> Result<(), Error> {
        Ok(self.0.ledgers.flush().await?)
    }

    /// Seals every secret anew that an older master key has sealed, and gives their
    /// number. Other processes on the data directory may work meanwhile: they read the
    /// key file again when they meet the new key. May be broken off and begun again.
    ///
    /// # Errors
    /// [`Error::Key`] if a key is missing that something was sealed with.
    pub async fn reseal(&self) -> Result<u64, Error> {
        Ok(self.0.sealer.reseal(&*self.0.store).await?)
    }

    /// The connections of a tenant, or all of them, ordered by tenant and name.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn connections(&self, tenant: Option<&str>) -> Result<Vec<ConnectionRecord>, Error> {
        Ok(self.0.store.connections(tenant).await?)
    }
}

/// Checks the two names of a connection.
pub(crate) fn key(tenant: &str, name: &str) -> Result<ConnectionKey, Error> {
    ConnectionKey::new(tenant, name).map_err(|error| Error::Input(error.to_string()))
}

impl Inner {
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    fn compile_connector(
        &self,
        package: Package,
        grants: &Grants,
        limits: Limits,
    ) -> Result<LoadedConnector, Error> {
        let engine = &self.sandboxes.connectors.engine;
        let wrong = |error: wasmtime::Error| wrong_type(&package, &error);
        let component = self.component(engine, &package)?;
        let linker = connector_linker(engine, grants).map_err(wrong)?;
        let pre = linker.instantiate_pre(&component).map_err(wrong)?;
        let asked = package.asked_grants();
        let inspection = package.inspect()?;
        let exports = &mut inspection.exports.iter();
        let migrator = exports
            .any(|export| export.is_contract("migration"))
            .then(|| MigratorPre::new(pre.clone()).map_err(wrong))
            .transpose()?;
        let pre = ConnectorPre::new(pre).map_err(wrong)?;
        let vendor =
            package.manifest().vendor.clone().ok_or_else(|| {
                PackageError::Manifest(vec!["a connector needs [vendor]".to_owned()])
            })?;
        Ok(LoadedConnector {
            auth: Arc::new(vendor.auth.clone()),
            vendor: Arc::new(vendor),
            sandbox: Arc::clone(&self.sandboxes.connectors),
            pre,
            limits,
            package,
            service: Service::new(),
            migration: Migration::new(migrator),
            wants: asked.intersection(grants).copied().collect(),
        })
    }

    fn compile_transform(
        &self,
        package: Package,
        limits: Limits,
    ) -> Result<LoadedTransform, Error> {
        let engine = &self.sandboxes.transforms.engine;
        let wrong = |error: wasmtime::Error| wrong_type(&package, &error);
        let component = self.component(engine, &package)?;
        let linker = transform_linker(engine).map_err(wrong)?;
        let pre = linker.instantiate_pre(&component).map_err(wrong)?;
        let head = &package.manifest().package;
        let contract = Contract::of(&head.contract)
            .ok_or_else(|| PackageError::wrong_contract(&head.name, &head.contract))?;
        let pre = BatchesPre::new(contract, pre).map_err(wrong)?;
        let speaker = Arc::new(Speaker {
            package: head.name.clone(),
            version: head.version.clone(),
            connection: String::new(),
        });
        Ok(LoadedTransform {
            sandbox: Arc::clone(&self.sandboxes.transforms),
            pre,
            limits,
            speaker,
            package,
            service: Service::new(),
        })
    }

    fn component(&self, engine: &Engine, package: &Package) -> Result<Component, Error> {
        self.code.component(engine, package).map_err(|error| {
            PackageError::not_compiled(package.name(), format!("{error:#}")).into()
        })
    }

    pub(crate) async fn connection_record(
        &self,
        key: &ConnectionKey,
    ) -> Result<ConnectionRecord, Error> {
        match self.store.connection(key).await {
            Err(StoreError::NotFound(key)) => Err(Error::NoConnection {
                connection: key.to_string(),
            }),
            other => Ok(other?),
        }
    }

    /// The connection's budget; none if the product does not count calls.
    pub(crate) async fn quota(
        &self,
        record: &ConnectionRecord,
        loaded: &LoadedConnector,
    ) -> Result<Option<Quota>, Error> {
        match &loaded.vendor.quota {
            Some(rule) => Ok(Some(
                self.ledgers
                    .quota(&record.key, rule, record.reserve)
                    .await?,
            )),
            None => Ok(None),
        }
    }

    pub(crate) fn http_backend(
        &self,
        record: &ConnectionRecord,
        loaded: &LoadedConnector,
    ) -> Arc<Backend> {
        Arc::new(Backend {
            key: record.key.clone(),
            vendor: Arc::clone(&loaded.vendor),
            sessions: self.sessions.clone(),
            transport: self.transport.clone(),
        })
    }
}

fn wrong_type(package: &Package, error: &wasmtime::Error) -> Error {
    let package = package.name().to_owned();
    PackageError::WrongType {
        package,
        reason: format!("{error:#}"),
    }
    .into()
}
