//! What a sync is, as it is kept with its connection.

use std::path::PathBuf;

use anyhow::Result;
use lockgate::ConnectionKey;
use lockgate_sync::{Direction, Mapping, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::exit::usage;
use crate::kept::{self, Kept};

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
pub(crate) type Sync = Kept<Definition>;

impl kept::Definition for Definition {
    const WORD: &'static str = "sync";
    const KEPT: &'static str = "syncs";
    const ADVICE: &'static str = "see them with `lockgate sync list`, or set one up with \
         `lockgate sync create CONNECTION --object NAME --to sqlite:FILE`";
}

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
