//! From a package to code that can run: kept from an earlier start, compiled in a process
//! of its own, or compiled here; then linked to what its world has.
//!
//! None of it is done on a thread that serves calls.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::Component;

use super::{Host, Inner};
use crate::bindings::connector::ConnectorPre;
use crate::bindings::migrator::MigratorPre;
use crate::capability::log::Speaker;
use crate::connector::LoadedConnector;
use crate::contract::{BatchesPre, Contract, Source};
use crate::engine::Sandbox;
use crate::error::Error;
use crate::grant::Grants;
use crate::limits::Limits;
use crate::manifest::World;
use crate::migration::Migration;
use crate::package::{Package, PackageError};
use crate::rollout::Service;
use crate::state::{connector_linker, transform_linker};
use crate::transform::LoadedTransform;
use crate::trust::Standing;

/// A compiled package of either world.
pub(super) enum Compiled {
    Connector(Arc<LoadedConnector>),
    Transform(Arc<LoadedTransform>),
}

/// Where the code of a package comes from.
enum Code {
    Kept(Component),
    /// Compiled by a process of its own.
    Apart(Bytes),
    /// Still to be compiled, here.
    Missing,
}

impl Host {
    /// Checks a package and makes it ready for calls.
    pub(super) async fn compiled(
        &self,
        package: &Package,
        grants: Grants,
    ) -> Result<Compiled, Error> {
        let standing = self.0.trust.check(package)?;
        let sandbox = Arc::clone(self.0.sandboxes.of(package.world()));
        let (inner, theirs, engine) = (Arc::clone(&self.0), package.clone(), &sandbox.engine);
        let (source, kept) = {
            let (engine, grants) = (engine.clone(), grants.clone());
            aside(move || {
                theirs.check(&grants)?;
                let source = Source::of(&theirs)?;
                let kept = inner.code.kept(&engine, &source);
                Ok((source, kept))
            })
            .await?
        };
        let code = match (kept, standing, &self.0.apart) {
            (Some(component), ..) => Code::Kept(component),
            (None, Standing::Allowed, Some(apart)) => {
                Code::Apart(apart.compile(&sandbox, package, &source.bytes).await?)
            }
            (None, Standing::Allowed, None) => {
                tracing::warn!(
                    package = package.name(),
                    "nobody trusted has signed it, and it is compiled within this process, \
                     where nothing limits time and memory: `HostBuilder::compile_apart` has \
                     that done elsewhere"
                );
                Code::Missing
            }
            (None, Standing::Trusted, _) => Code::Missing,
        };
        let (inner, package) = (Arc::clone(&self.0), package.clone());
        aside(move || {
            let component = inner.component(&sandbox, &source, code)?;
            inner.link(&component, package, &grants)
        })
        .await
    }
}

/// Does on a thread of its own what takes a core for a while.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Engine(format!("the compiler failed: {error}")))?
}

impl Inner {
    fn component(
        &self,
        sandbox: &Sandbox,
        source: &Source,
        code: Code,
    ) -> Result<Component, Error> {
        let (engine, name) = (&sandbox.engine, &source.package);
        let component = match code {
            Code::Kept(component) => return Ok(component),
            Code::Missing => self
                .code
                .compile(engine, source)
                .map_err(|error| PackageError::not_compiled(name, format!("{error:#}"))),
            Code::Apart(code) => self
                .code
                .adopt(engine, source, &code)
                .map_err(|error| PackageError::not_adopted(name, format!("{error:#}"))),
        };
        Ok(component?)
    }

    fn link(
        &self,
        component: &Component,
        package: Package,
        grants: &Grants,
    ) -> Result<Compiled, Error> {
        let limits = self.ceiling.granted(&package.manifest().limits);
        Ok(match package.world() {
            World::Connector => {
                let loaded = self.link_connector(component, package, grants, limits)?;
                Compiled::Connector(Arc::new(loaded))
            }
            World::Transform => {
                let loaded = self.link_transform(component, package, limits)?;
                Compiled::Transform(Arc::new(loaded))
            }
        })
    }

    fn link_connector(
        &self,
        component: &Component,
        package: Package,
        grants: &Grants,
        limits: Limits,
    ) -> Result<LoadedConnector, Error> {
        let engine = &self.sandboxes.connectors.engine;
        let wrong = |error: wasmtime::Error| wrong_type(&package, &error);
        let linker = connector_linker(engine, grants).map_err(wrong)?;
        let pre = linker.instantiate_pre(component).map_err(wrong)?;
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

    fn link_transform(
        &self,
        component: &Component,
        package: Package,
        limits: Limits,
    ) -> Result<LoadedTransform, Error> {
        let engine = &self.sandboxes.transforms.engine;
        let wrong = |error: wasmtime::Error| wrong_type(&package, &error);
        let linker = transform_linker(engine).map_err(wrong)?;
        let pre = linker.instantiate_pre(component).map_err(wrong)?;
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
}

fn wrong_type(package: &Package, error: &wasmtime::Error) -> Error {
    let package = package.name().to_owned();
    PackageError::WrongType {
        package,
        reason: format!("{error:#}"),
    }
    .into()
}
