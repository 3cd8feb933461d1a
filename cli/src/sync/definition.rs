//! What a sync is, as it is kept with its connection: sealed, for the address of the
//! database may hold a password, and erased with the connection.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use lockgate::store::StoreError;
use lockgate::{Connection, ConnectionKey, Error, Host};
use lockgate_sync::{Direction, Mapping, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::exit::{advised, tenant_argument, usage};

/// The name under which a connection's syncs are kept.
const KEPT: &str = "syncs";

/// The longest name that tables are called after.
const MAX_TABLES: usize = 24;

/// How a sync was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// API names of its objects.
    pub(crate) objects: Vec<String>,
    /// The database's address, perhaps with a password.
    pub(crate) to: String,
    /// What the sync's own tables are called after, so that several syncs share a
    /// database; `None` for a sync that was set up before that could be.
    #[serde(default)]
    pub(crate) tables: Option<String>,
    /// Which way records go, of objects of which the mapping says nothing.
    pub(crate) direction: Direction,
    /// The mapping file as it was given.
    pub(crate) mapping: String,
    /// What records go through, in this order.
    pub(crate) plugins: Vec<Plugin>,
    /// What decides conflicts of fields whose policy is `plugin`.
    #[serde(default)]
    pub(crate) decider: Option<Plugin>,
    /// The connector's package, where it is not the one that is built in.
    pub(crate) package: Option<PathBuf>,
    /// The connector's way to hear of changes; `None` leaves it to the connector.
    pub(crate) way: Option<String>,
    /// How often all records are compared, in hours; 0 for never.
    pub(crate) reconcile_hours: u32,
    /// It rests.
    pub(crate) is_paused: bool,
}

/// A plugin of a sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plugin {
    /// A package directory, or the name of a built-in one.
    pub(crate) place: PathBuf,
    pub(crate) settings: Json,
}

/// A sync with its name and its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sync {
    pub(crate) name: String,
    pub(crate) connection: ConnectionKey,
    pub(crate) definition: Definition,
}

type Syncs = BTreeMap<String, Definition>;

impl Definition {
    pub(crate) fn target(&self) -> Result<Target> {
        let target = Target::parse(&self.to)?;
        Ok(match &self.tables {
            Some(name) => target.of_sync(name)?,
            None => target,
        })
    }

    pub(crate) fn mapping(&self) -> Result<Mapping> {
        Mapping::from_toml(&self.mapping)
            .map_err(|error| usage(format!("the mapping cannot be read: {error}")))
    }
}

/// What the tables of a sync are called after: its name, and that of the tenant unless
/// it is the usual one, as far as they can stand in the name of a table.
pub(crate) fn tables(connection: &ConnectionKey, name: &str) -> String {
    let whole = match connection.tenant() {
        "default" => name.to_owned(),
        tenant => format!("{tenant}_{name}"),
    };
    let plain = whole
        .to_ascii_lowercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let mut short: String = plain.trim_matches('_').chars().take(MAX_TABLES).collect();
    if !short.starts_with(|first: char| first.is_ascii_lowercase()) {
        short = format!("s{}", short.get(..MAX_TABLES - 1).unwrap_or(&short));
    }
    short.trim_end_matches('_').to_owned()
}

impl Sync {
    /// As messages call it, and unique among all tenants.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.connection.tenant(), self.name)
    }

    /// The sync as commands take it.
    pub(crate) fn as_arguments(&self) -> String {
        format!("{}{}", self.name, tenant_argument(self.connection.tenant()))
    }
}

/// All syncs of a tenant, or of all of them.
pub(crate) async fn all(host: &Host, tenant: Option<&str>) -> Result<Vec<Sync>> {
    let mut all = Vec::new();
    for record in host.connections(tenant).await? {
        let connection = host
            .connection(record.key.tenant(), record.key.name())
            .await?;
        let (syncs, _) = of(&connection).await?;
        all.extend(syncs.into_iter().map(|(name, definition)| Sync {
            name,
            connection: record.key.clone(),
            definition,
        }));
    }
    Ok(all)
}

/// A sync by its name.
pub(crate) async fn find(host: &Host, tenant: &str, name: &str) -> Result<Sync> {
    let all = all(host, Some(tenant)).await?;
    all.into_iter()
        .find(|sync| sync.name == name)
        .ok_or_else(|| {
            let argument = tenant_argument(tenant);
            advised(
                format!("there is no sync `{name}`{argument}"),
                "see them with `lockgate sync list`, or set one up with \
                 `lockgate sync create CONNECTION --object NAME --to sqlite:FILE`",
            )
        })
}

/// Keeps a sync in the place of one of the same name, if there is one.
pub(crate) async fn keep(host: &Host, sync: &Sync) -> Result<()> {
    let (key, definition) = (&sync.connection, Some(sync.definition.clone()));
    write(host, key, &sync.name, definition).await
}

/// Forgets a sync.
pub(crate) async fn forget(host: &Host, sync: &Sync) -> Result<()> {
    write(host, &sync.connection, &sync.name, None).await
}

async fn write(
    host: &Host,
    key: &ConnectionKey,
    name: &str,
    definition: Option<Definition>,
) -> Result<()> {
    let connection = host.connection(key.tenant(), key.name()).await?;
    loop {
        let (mut syncs, version) = of(&connection).await?;
        match definition.clone() {
            Some(definition) => syncs.insert(name.to_owned(), definition),
            None => syncs.remove(name),
        };
        let bytes = serde_json::to_vec(&syncs).context("cannot keep the sync")?;
        match connection.keep(KEPT, &bytes, version).await {
            // Somebody else was faster: on top of what they wrote.
            Err(Error::Store(StoreError::Conflict { .. })) => {}
            other => return Ok(other.map(|_| ())?),
        }
    }
}

async fn of(connection: &Connection) -> Result<(Syncs, Option<u64>)> {
    let Some(kept) = connection.kept(KEPT).await? else {
        return Ok((Syncs::new(), None));
    };
    let syncs = serde_json::from_slice(&kept.bytes).with_context(|| {
        let key = connection.key();
        format!("the syncs of {key} were written by another version of lockgate")
    })?;
    Ok((syncs, Some(kept.version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_called_after_any_sync_there_may_be() {
        for (tenant, name, tables) in [
            ("default", "crm", "crm"),
            ("default", "My-CRM.eu", "my_crm_eu"),
            ("default", "2nd", "s2nd"),
            ("acme", "crm", "acme_crm"),
            (
                "default",
                "a-name-that-is-longer-than-tables",
                "a_name_that_is_longer_th",
            ),
            ("default", "-", "s"),
        ] {
            let key = ConnectionKey::new(tenant, "crm").unwrap();
            let found = super::tables(&key, name);
            assert_eq!(found, tables);
            assert!(Target::sqlite("x.db").of_sync(&found).is_ok(), "{found}");
        }
    }
}
