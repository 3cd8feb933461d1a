//! Why a database did not do what it was asked to.

use thiserror::Error;

/// Why a database did not do it. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// Not an address of a database.
    #[error("`{address}` is no database: write sqlite:FILE or postgres://USER@HOST/DATABASE")]
    BadAddress {
        /// What was given, without what may be a password.
        address: String,
    },
    /// Not a name that a sync's own tables can be called after.
    #[error(
        "`{name}` cannot name a sync in a database: take 1 to 24 of a-z, 0-9 and _, beginning with a letter and not ending with _"
    )]
    BadName {
        /// What was given.
        name: String,
    },
    /// It cannot be opened or reached. Try again when it can.
    #[error("the database cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Others kept it locked for too long. Try again.
    #[error("other programs keep the database locked: try again")]
    Busy,
    /// There is no room for what it would write. Try again when there is.
    #[error("the database's disk is full: make room for it")]
    NoRoom,
    /// Another engine of the same sync works on it.
    #[error("another engine of this sync works on this database: stop it first")]
    Taken,
    /// No sync was ever set up in it.
    #[error("no sync was set up in this database: create it first")]
    NoSync,
    /// The tables do not fit the plan.
    #[error("the tables do not fit: {}", .problems.join("; "))]
    Tables {
        /// One sentence each, with table and column, never none.
        problems: Vec<String>,
    },
    /// Our own tables were made by a newer version.
    #[error(
        "the sync's own tables are of version {found}, and this one knows {known} at most: use the newer version"
    )]
    Newer {
        /// Their version.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// A value breaks a rule of the table: a constraint that somebody added, or a
    /// type that it does not fit.
    #[error("a row breaks a rule of its table: {detail}")]
    Rule {
        /// The database's words.
        detail: String,
    },
    /// There is no conflict or dead letter of this number.
    #[error("there is no {what} {number} that is open: list them again")]
    NoSuch {
        /// What was looked for.
        what: &'static str,
        /// Its number.
        number: i64,
    },
    /// What was read makes no sense.
    #[error("the sync's own tables are damaged ({detail}): restore the database from a backup")]
    Damaged {
        /// What does not fit.
        detail: String,
    },
    /// The database refused.
    #[error("the database cannot {doing}")]
    Backend {
        /// What was tried.
        doing: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl DatabaseError {
    /// Whether the same call may succeed if it is made again, unchanged, after a
    /// pause.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::NoRoom | Self::Unreachable(_))
    }

    pub(crate) fn damaged(detail: impl Into<String>) -> Self {
        Self::Damaged {
            detail: detail.into(),
        }
    }
}
