//! The tasks, who does them, and how each client is started.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::contact::SOQL;

/// Contacts that change again and again while changes are taken over.
pub(crate) const CHANGING: u64 = 1_000;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Read one field of every row of a query, by REST.
    QueryRest,
    /// The same by a job of Bulk API 2.0.
    QueryBulk,
    /// Create records by Collections.
    WriteCollections,
    /// The same by jobs of Bulk API 2.0.
    WriteBulk,
    /// Get one record by its id.
    Get,
    /// Load all records into a table.
    SyncLoad,
    /// Take changes over into a table as events tell of them, 1,000 a second.
    SyncIn,
    /// Send changes of a table.
    SyncOut,
    /// Take over as many changes as come in an hour, as fast as they go, and see what
    /// becomes of the memory. By itself, and only if it is asked for.
    SyncSoak,
}

impl Task {
    /// Those that compare clients.
    pub(crate) const ALL: [Self; 8] = [
        Self::QueryRest,
        Self::QueryBulk,
        Self::WriteCollections,
        Self::WriteBulk,
        Self::Get,
        Self::SyncLoad,
        Self::SyncIn,
        Self::SyncOut,
    ];

    /// What clients know it by, too.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::QueryRest => "query-rest",
            Self::QueryBulk => "query-bulk",
            Self::WriteCollections => "write-collections",
            Self::WriteBulk => "write-bulk",
            Self::Get => "get",
            Self::SyncLoad => "sync-load",
            Self::SyncIn => "sync-in",
            Self::SyncOut => "sync-out",
            Self::SyncSoak => "sync-soak",
        }
    }

    /// Rows unless the caller says how many.
    pub(crate) const fn rows(self) -> u64 {
        match self {
            Self::QueryRest => 1_000_000,
            // jsforce does not come to the end of an answer in twenty parts.
            Self::QueryBulk => 200_000,
            Self::WriteCollections | Self::WriteBulk | Self::SyncLoad => 100_000,
            Self::SyncIn => 20_000,
            // An hour of 55 changes a second, which is a busy org.
            Self::SyncSoak => 200_000,
            Self::SyncOut => 10_000,
            Self::Get => 2_000,
        }
    }

    pub(crate) fn named(name: &str) -> Result<Self> {
        let all: Vec<Self> = Self::ALL.into_iter().chain([Self::SyncSoak]).collect();
        let names = all.iter().map(|task| task.name()).collect::<Vec<_>>();
        let task = all.iter().find(|task| task.name() == name).copied();
        task.with_context(|| {
            let names = names.join(", ");
            format!("there is no task {name:?}: take one of {names}")
        })
    }

    /// Ours first; the others are what it is compared with.
    pub(crate) const fn clients(self) -> &'static [Client] {
        match self {
            Self::QueryRest => &[
                Client::Lockgate,
                Client::Jsforce,
                Client::SimpleSalesforce,
                Client::Reqwest,
                Client::ReqwestValue,
            ],
            Self::QueryBulk | Self::WriteCollections | Self::WriteBulk => &[
                Client::Lockgate,
                Client::Jsforce,
                Client::SimpleSalesforce,
                Client::Reqwest,
            ],
            Self::Get | Self::SyncLoad | Self::SyncIn | Self::SyncOut => {
                &[Client::Lockgate, Client::Reqwest]
            }
            Self::SyncSoak => &[Client::Lockgate],
        }
    }
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Lockgate,
    Jsforce,
    SimpleSalesforce,
    /// A loop over reqwest into a typed struct.
    Reqwest,
    /// The same into an untyped tree.
    ReqwestValue,
}

impl Client {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lockgate => "lockgate",
            Self::Jsforce => "jsforce",
            Self::SimpleSalesforce => "simple-salesforce",
            Self::Reqwest => "reqwest",
            Self::ReqwestValue => "reqwest-value",
        }
    }

    /// The most CPU that ours may take over this one's, if that was promised.
    pub(crate) const fn target(self, task: Task) -> Option<f64> {
        match (self, task) {
            (_, Task::Get | Task::SyncLoad | Task::SyncIn | Task::SyncOut | Task::SyncSoak) => None,
            (Self::Jsforce | Self::SimpleSalesforce, _) => Some(0.25),
            (Self::Reqwest, _) => Some(1.4),
            (Self::Lockgate | Self::ReqwestValue, _) => None,
        }
    }

    /// The command that does a task, not yet bound to a core.
    pub(crate) fn command(self, task: Task, url: &str, rows: u64) -> Result<Command> {
        let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers");
        let mut command = match self {
            Self::Lockgate | Self::Reqwest | Self::ReqwestValue => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(self.name());
                command
            }
            Self::Jsforce => {
                let mut command = Command::new("node");
                command.arg(scripts.join("bench.mjs"));
                command
            }
            Self::SimpleSalesforce => {
                let mut command = Command::new(variable("PEERS_PYTHON")?);
                command.arg(scripts.join("bench.py"));
                command
            }
        };
        command.args([task.name(), url, &rows.to_string()]);
        command.env("PEERS_SOQL", SOQL);
        Ok(command)
    }
}

/// What `cargo xtask bench-peers` says of the clients that it has installed.
pub(crate) fn variable(name: &str) -> Result<String> {
    match std::env::var(name) {
        Ok(value) => Ok(value),
        Err(_) => bail!("{name} is not set: run `cargo xtask bench-peers`"),
    }
}
