//! Opens what a sync needs: its connection with the connector, its plan, its database
//! and its plugins.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lockgate::{Connection, Host, Transform};
use lockgate_sync::{Database, Engine, EngineOptions, Plan, SyncError};

use super::Named;
use super::definition::{Definition, Plugin, Sync};
use crate::args::{Common, Owner};
use crate::exit::usage;
use crate::{kept, packages, session};

/// A sync by its name, on a host that can reach its connection.
pub(crate) async fn find(common: &Common, named: &Named) -> Result<(Host, Sync)> {
    let host = session::open(common, None).await?;
    let sync: Sync = kept::find(&host, &named.tenant, &named.name).await?;
    let key = &sync.connection;
    let host = session::trusting(common, host, key.tenant(), key.name()).await?;
    Ok((host, sync))
}

/// The connection of a sync, with its connector loaded.
pub(crate) async fn connection(host: &Host, sync: &Sync) -> Result<Connection> {
    let key = &sync.connection;
    let connection = host.connection(key.tenant(), key.name()).await?;
    let owner = Owner {
        tenant: key.tenant().to_owned(),
        package: sync.definition.package.clone(),
    };
    session::load_connector(host, &connection, &owner).await?;
    Ok(connection)
}

/// The plan of a sync, from what the org says now of its objects.
pub(crate) async fn plan(connection: &Connection, definition: &Definition) -> Result<Plan> {
    let mut descriptions = Vec::with_capacity(definition.objects.len());
    for object in &definition.objects {
        let described = connection.describe(object).await;
        descriptions.push(described.with_context(|| format!("cannot describe {object}"))?);
    }
    let mapping = definition.mapping()?;
    let plan = Plan::new(&descriptions, &mapping, definition.direction);
    plan.map_err(|problems| usage(problems.to_string()))
}

/// The plugins of a sync.
pub(crate) async fn plugins(host: &Host, definition: &Definition) -> Result<Vec<Transform>> {
    load_all(host, &definition.plugins).await
}

/// Plugins with their settings.
pub(crate) async fn load_all(host: &Host, plugins: &[Plugin]) -> Result<Vec<Transform>> {
    let mut loaded = Vec::with_capacity(plugins.len());
    for plugin in plugins {
        loaded.push(load(host, plugin).await?);
    }
    Ok(loaded)
}

/// What decides a sync's conflicts.
pub(crate) async fn decider(host: &Host, definition: &Definition) -> Result<Option<Transform>> {
    match &definition.decider {
        Some(plugin) => load(host, plugin).await.map(Some),
        None => Ok(None),
    }
}

async fn load(host: &Host, plugin: &Plugin) -> Result<Transform> {
    let name = packages::load_plugin(host, &plugin.place).await?;
    Ok(host.transform(&name, &plugin.settings).await?)
}

/// The engine of a sync, at rest.
pub(crate) async fn engine(
    host: &Host,
    connection: &Connection,
    sync: &Sync,
) -> Result<Arc<Engine>> {
    let definition = &sync.definition;
    let plan = Arc::new(plan(connection, definition).await?);
    let database = Database::open(&definition.target()?, &plan).await?;
    let hours = definition.reconcile_hours;
    let options = EngineOptions {
        reconcile_every: (hours > 0).then(|| Duration::from_hours(u64::from(hours))),
        way: definition.way.clone(),
        plugins: plugins(host, definition).await?,
        decider: decider(host, definition).await?,
        ..EngineOptions::default()
    };
    Ok(Engine::new(connection, database, options))
}

/// An error of a sync as those of the connection or the database that it is.
pub(crate) fn told(error: SyncError) -> anyhow::Error {
    match error {
        SyncError::Connection(error) => error.into(),
        SyncError::Database(error) => error.into(),
        other => other.into(),
    }
}
