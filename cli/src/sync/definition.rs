//! What a sync is, as it is kept with its connection.

use std::path::PathBuf;

use anyhow::Result;
use lockgate_sync::{Direction, Mapping, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::exit::usage;
use crate::kept::{self, Kept};

/// How a sync was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// API names of its objects.
    pub(crate) objects: Vec<String>,
    /// The database's address, perhaps with a password.
    pub(crate) to: String,
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
        Ok(Target::parse(&self.to)?)
    }

    pub(crate) fn mapping(&self) -> Result<Mapping> {
        Mapping::from_toml(&self.mapping)
            .map_err(|error| usage(format!("the mapping cannot be read: {error}")))
    }
}
