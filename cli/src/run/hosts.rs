//! The hosts on the data directory: one for all connections, and one for each root
//! certificate that is trusted for a connection of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lockgate::{Connection, ConnectionKey, Host, HostBuilder, PackageStatus, VersionChange};

use super::control::Load;
use crate::args::Common;
use crate::shelf::{Shelf, Wish, carry_out};
use crate::{packages, roots, session};

/// A root certificate; `None` stands for the platform's alone.
type Root = Option<Vec<u8>>;

/// Hosts by the root that they trust beside the platform's.
#[derive(Debug)]
pub(super) struct Hosts {
    common: Common,
    /// The one without another root.
    plain: Host,
    by_root: BTreeMap<Root, Open>,
}

#[derive(Debug)]
struct Open {
    host: Host,
    /// Connectors that are loaded, by name and by directory.
    connectors: BTreeSet<(String, Option<PathBuf>)>,
}

impl Hosts {
    pub(super) fn new(common: &Common, host: Host) -> Self {
        Self {
            common: common.clone(),
            plain: host.clone(),
            by_root: BTreeMap::from([(None, Open::new(host))]),
        }
    }

    /// A connection and its host, with its connector loaded: the built-in one, or that of
    /// a package directory.
    pub(super) async fn connect(
        &mut self,
        key: &ConnectionKey,
        package: Option<&Path>,
    ) -> Result<(Host, Connection)> {
        let open = self.open(key).await?;
        let connection = open.host.connection(key.tenant(), key.name()).await?;
        let record = connection.record().await?;
        let place = (record.package, package.map(Path::to_owned));
        if !open.connectors.contains(&place) {
            packages::load_connector(&open.host, &place.0, place.1.as_deref()).await?;
            open.connectors.insert(place);
        }
        Ok((open.host.clone(), connection))
    }

    /// A connection on its host, whatever is loaded there.
    pub(super) async fn connection(&mut self, key: &ConnectionKey) -> Result<Connection> {
        let open = self.open(key).await?;
        Ok(open.host.connection(key.tenant(), key.name()).await?)
    }

    /// The host of a connection.
    async fn open(&mut self, key: &ConnectionKey) -> Result<&mut Open> {
        let root = roots::of(&self.plain, key.tenant(), key.name()).await?;
        Ok(match self.by_root.entry(root) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let shelf = Shelf::of(&self.common)?;
                let follow = |builder: HostBuilder| builder.watch_packages(shelf.follower());
                let host = session::open_with(&self.common, entry.key().clone(), follow).await?;
                entry.insert(Open::new(host))
            }
        })
    }

    /// How the packages do, each version of each host for itself.
    pub(super) fn packages(&self) -> Vec<PackageStatus> {
        let hosts = self.by_root.values();
        hosts.flat_map(|open| open.host.packages()).collect()
    }

    /// What calls come to, on all hosts.
    pub(super) fn load(&self) -> Load {
        let mut load = Load::default();
        for Open { host, .. } in self.by_root.values() {
            load.calls.extend(host.figures());
            load.tenants.extend(host.tenants());
        }
        load
    }

    /// Sends calls of a package elsewhere, on each host that has it.
    pub(super) async fn steer(&self, name: &str, wish: &Wish) -> Result<VersionChange> {
        let shelf = Shelf::of(&self.common)?;
        let has = |host: &Host| host.packages().iter().any(|status| status.name == name);
        let hosts = self.by_root.values().map(|open| open.host.clone());
        let mut hosts: Vec<Host> = hosts.filter(has).collect();
        if hosts.is_empty() {
            // Nobody uses it yet, but what does not start is refused all the same.
            let course = shelf.course(name)?.context("it is not installed")?;
            let world = shelf.package(name, &course.current)?.world();
            course.begin(&self.plain, &shelf, name, world).await?;
            hosts.push(self.plain.clone());
        }
        carry_out(&hosts, &shelf, name, wish).await
    }

    /// Has the calls of a connection that are under way see what it was granted.
    pub(super) async fn reread_grants(&self, tenant: &str, name: &str) -> Result<()> {
        for open in self.by_root.values() {
            open.host.reread_grants(tenant, name).await?;
        }
        Ok(())
    }

    /// Writes down what is only in memory yet.
    pub(super) async fn flush(&self) -> Result<()> {
        for open in self.by_root.values() {
            open.host.flush().await?;
        }
        Ok(())
    }
}

impl Open {
    fn new(host: Host) -> Self {
        Self {
            host,
            connectors: BTreeSet::new(),
        }
    }
}
