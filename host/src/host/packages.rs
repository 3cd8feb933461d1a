//! Packages of a host: loaded, tried, swapped under load, looked at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::code::Compiled;
use super::{Host, Inner};
use crate::connector::{Instance, LoadedConnector};
use crate::error::Error;
use crate::grant::Grant;
use crate::manifest::World;
use crate::migration;
use crate::package::Package;
use crate::rollout::{
    CallFigures, Rollout, Steer, Step, VersionChange, VersionStatus, Versioned, Watcher,
};
use crate::transform::Transform;

/// Packages of one world, by name.
pub(crate) struct Rollouts<L> {
    by_name: RwLock<BTreeMap<String, Arc<Rollout<L>>>>,
    watcher: Option<Watcher>,
}

/// The settings that handles of transforms have, by the transform's name: a version is
/// not staged that does not take them.
pub(crate) type LiveSettings = Mutex<BTreeMap<String, Vec<Weak<str>>>>;

/// A package that is loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PackageStatus {
    /// Its name.
    pub name: String,
    /// What it is.
    pub world: World,
    /// Its versions: first the one that is trusted, then the one on trial.
    pub versions: Vec<VersionStatus>,
}

impl Host {
    /// Loads a package with the grants that it is given: checks it, compiles it, and
    /// has all calls go to it at once. Calls that are under way in another version end
    /// there, within 15 minutes.
    ///
    /// These grants are the most that any connection gets of the package; what each one
    /// gets is in its [`NewConnection::grants`](crate::NewConnection::grants).
    ///
    /// To hold a version against the one before it, [`Self::stage`] it and
    /// [`Self::steer`] calls to it.
    ///
    /// # Errors
    /// [`Error::Package`] with the reason. None of the package has run then.
    pub async fn load(
        &self,
        package: &Package,
        grants: impl IntoIterator<Item = Grant>,
    ) -> Result<(), Error> {
        let compiled = self.compiled(package, grants.into_iter().collect()).await?;
        let name = package.name();
        match compiled {
            Compiled::Connector(loaded) => {
                self.0.settle_grants(name).await?;
                self.0.connectors.install(name, loaded);
            }
            Compiled::Transform(loaded) => self.0.transforms.install(name, loaded),
        }
        Ok(())
    }

    /// Loads a version beside those that are at work, and tries it: it describes
    /// itself, and takes the settings of every connection that uses the package, or of
    /// every [`Transform`] handle that there is. Calls go to it when [`Self::steer`] says
    /// so. It replaces one that is staged under the same version. The first version of a
    /// package gets its calls at once.
    ///
    /// A connection that was not granted all that the version asks for stays on the one
    /// that it has until [`Self::grant`] gives it the rest.
    ///
    /// # Errors
    /// [`Error::Package`]; [`Error::Settings`] and [`Error::Crashed`] and the like if it
    /// fails what it is tried with. It is not staged then.
    pub async fn stage(
        &self,
        package: &Package,
        grants: impl IntoIterator<Item = Grant>,
    ) -> Result<(), Error> {
        let compiled = self.compiled(package, grants.into_iter().collect()).await?;
        let name = package.name();
        match compiled {
            Compiled::Connector(loaded) => {
                self.0.settle_grants(name).await?;
                for record in self.0.store.connections(None).await? {
                    if record.package == name {
                        let loaded = Arc::clone(&loaded);
                        Instance::check_settings(&self.0, &record, Arc::clone(&loaded)).await?;
                        migration::try_out(&self.0, &record, &loaded).await?;
                    }
                }
                self.0.connectors.stage(name, loaded);
            }
            Compiled::Transform(loaded) => {
                loaded.describe().await?;
                for settings in self.0.live_settings(name) {
                    loaded.configured(&settings, None).await?;
                }
                self.0.transforms.stage(name, loaded);
            }
        }
        Ok(())
    }

    /// Changes which version of a package calls go to, in one step for all calls that
    /// begin from now on. Calls under way end on the version that they began with;
    /// subscriptions hand over behind their last checkpoint.
    ///
    /// # Errors
    /// [`Error::Input`], saying why it makes no sense; [`Error::NoVersion`] if the
    /// version is not loaded. Nothing has changed then.
    pub fn steer(&self, package: &str, step: &Step) -> Result<(), Error> {
        self.0.steered(package)?.steer(step)
    }

    /// What has changed of a package since this host began, from the oldest to the
    /// newest; the last 1,000.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no such package.
    pub fn changes(&self, package: &str) -> Result<Vec<VersionChange>, Error> {
        Ok(self.0.steered(package)?.changes())
    }

    /// The packages that are loaded, in the order of their names.
    #[must_use]
    pub fn packages(&self) -> Vec<PackageStatus> {
        let mut all = self.0.connectors.status(World::Connector);
        all.extend(self.0.transforms.status(World::Transform));
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// What calls came to since their version was loaded, for each package, version and
    /// connection that has made any.
    #[must_use]
    pub fn figures(&self) -> Vec<CallFigures> {
        let mut all = self.0.connectors.figures();
        all.extend(self.0.transforms.figures());
        all.sort_by(|one, other| {
            let of = |figures: &CallFigures| (figures.package.clone(), figures.connection.clone());
            of(one).cmp(&of(other))
        });
        all
    }

    /// A transform with its settings, after it has looked at them itself. Each batch
    /// goes to the version that is current then.
    ///
    /// # Errors
    /// [`Error::NotLoaded`], [`Error::Input`] if the settings are neither an object nor
    /// `null`, or [`Error::Settings`] with every problem that the transform sees.
    pub async fn transform(&self, name: &str, settings: &Json) -> Result<Transform, Error> {
        let world = World::Transform.name();
        let rollout = self
            .0
            .transforms
            .get(name)
            .ok_or_else(|| Error::NotLoaded {
                world,
                name: name.to_owned(),
            })?;
        let transform = Transform::configured(rollout, settings).await?;
        self.0.keep_settings(name, transform.settings());
        Ok(transform)
    }
}

impl Inner {
    /// The versions of a connector.
    pub(crate) fn connector(&self, name: &str) -> Result<Arc<Rollout<LoadedConnector>>, Error> {
        let world = World::Connector.name();
        self.connectors.get(name).ok_or_else(|| Error::NotLoaded {
            world,
            name: name.to_owned(),
        })
    }

    fn steered(&self, name: &str) -> Result<Arc<dyn Steer>, Error> {
        if let Some(rollout) = self.connectors.get(name) {
            return Ok(rollout);
        }
        match self.transforms.get(name) {
            Some(rollout) => Ok(rollout),
            None => Err(Error::Input(format!("no package named `{name}` is loaded"))),
        }
    }

    fn keep_settings(&self, name: &str, settings: Weak<str>) {
        let mut all = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.entry(name.to_owned()).or_default();
        kept.retain(|settings| settings.strong_count() > 0);
        kept.push(settings);
    }

    fn live_settings(&self, name: &str) -> Vec<Arc<str>> {
        let all = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.get(name).into_iter().flatten();
        kept.filter_map(Weak::upgrade).collect()
    }
}

// A map is whole after each step, also if its holder panics after it.
impl<L: Versioned> Rollouts<L> {
    pub(crate) fn new(watcher: Option<Watcher>) -> Self {
        Self {
            by_name: RwLock::default(),
            watcher,
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Rollout<L>>> {
        let all = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned()
    }

    fn install(&self, name: &str, loaded: Arc<L>) {
        self.put(name, loaded, Rollout::install);
    }

    fn stage(&self, name: &str, loaded: Arc<L>) {
        self.put(name, loaded, Rollout::stage);
    }

    /// Begins a package, or adds a version to it.
    fn put(&self, name: &str, loaded: Arc<L>, add: fn(&Rollout<L>, Arc<L>)) {
        let mut all = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        match all.get(name) {
            Some(rollout) => add(rollout, loaded),
            None => {
                all.insert(
                    name.to_owned(),
                    Arc::new(Rollout::new(loaded, self.watcher.clone())),
                );
            }
        }
    }

    fn figures(&self) -> Vec<CallFigures> {
        let all = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        all.values().flat_map(|rollout| rollout.figures()).collect()
    }

    fn status(&self, world: World) -> Vec<PackageStatus> {
        let all = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let status = |(name, rollout): (&String, &Arc<Rollout<L>>)| PackageStatus {
            name: name.clone(),
            world,
            versions: rollout.status(),
        };
        all.iter().map(status).collect()
    }
}
