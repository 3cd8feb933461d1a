//! Why a store did not do what it was asked to.

use thiserror::Error;

use super::ConnectionKey;

/// A name that cannot be a tenant's or a connection's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} `{}` is not 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`", .name.escape_default())]
pub struct BadConnectionKey {
    /// `tenant` or `connection`.
    pub what: &'static str,
    /// What was given, cut at 80 characters.
    pub name: String,
}

/// Why a store did not do it. Nothing was changed, unless it is [`Self::InDoubt`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The connection does not exist, or has been erased.
    #[error("there is no connection {0}")]
    NotFound(ConnectionKey),
    /// A connection of this key exists already.
    #[error("the connection {0} exists already")]
    Exists(ConnectionKey),
    /// Somebody else wrote in between. Read again and decide again.
    #[error("somebody else wrote in between: the version is now {current}")]
    Conflict {
        /// The version that there is, 0 if there is nothing.
        current: u64,
    },
    /// A new version must be greater than the one that it replaces.
    #[error("version {given} does not follow version {expected}")]
    BadVersion {
        /// The version that was given.
        given: u64,
        /// The version that it was to replace, 0 for none.
        expected: u64,
    },
    /// The package's share for this connection is full.
    #[error("the share of {limit} bytes is full: delete something first")]
    Full {
        /// The share, in bytes.
        limit: u64,
    },
    /// An address that is none of a database.
    #[error("the store's address is not like postgres://USER:PASSWORD@HOST/DATABASE")]
    BadAddress,
    /// The database cannot be reached, or has no room for another connection.
    #[error("{place} cannot be reached")]
    Unreachable {
        /// The server and the database.
        place: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection broke while a transaction was being committed: it was made, or
    /// it was not. Read to find out.
    #[error("{place} did not say whether it has kept what was written")]
    InDoubt {
        /// The server and the database.
        place: String,
        /// How it broke.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The queue holds as much as it may, or more.
    #[error(
        "the queue is full ({limit} bytes and more): let what waits be done, or discard what was given up"
    )]
    QueueFull {
        /// From how much on it takes nothing new, in bytes.
        limit: u64,
    },
    /// Something is larger than a queue takes.
    #[error("the {what} is longer than {limit} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its limit, in bytes.
        limit: usize,
    },
    /// Another process kept the store locked for too long. Try again.
    #[error("another process keeps the store locked: try again")]
    Busy,
    /// There is no room for what would be written. Try again when there is.
    #[error("the disk of {place} is full: make room for it")]
    NoRoom {
        /// The file, or the server and the database.
        place: String,
    },
    /// The file is something else.
    #[error("{path} is not a Lockgate store: move it away, or name another data directory")]
    NotOurs {
        /// The file.
        path: String,
    },
    /// The file was written by a newer version.
    #[error(
        "{path} has schema {found} and this version of Lockgate knows {known} at most: use the newer version"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        found: i64,
        /// The newest schema that is known here.
        known: i64,
    },
    /// What was read makes no sense: the file is damaged.
    #[error("{path} is damaged ({detail}): restore it from a backup")]
    Corrupt {
        /// The file.
        path: String,
        /// What does not fit.
        detail: String,
    },
    /// Others than the owner can read or write the file.
    #[error("{path} is open to others (mode {mode:03o}): run `chmod 600 {path}`")]
    TooOpen {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The data directory or the file cannot be used.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The database refused.
    #[error("the store cannot {doing}")]
    Backend {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether the same call may succeed if it is made again, unchanged, after a
    /// pause.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Busy | Self::NoRoom { .. } | Self::Unreachable { .. }
        )
    }
}
