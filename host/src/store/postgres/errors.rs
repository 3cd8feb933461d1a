//! What the server's errors mean for who asked.

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// Why a transaction was not made, or not known to be.
pub(super) enum Failure {
    /// The answer is no.
    Refused(StoreError),
    /// The database could not.
    Database(tokio_postgres::Error),
    /// There was no connection to be had.
    Pool(PoolError),
    /// A row holds what was never written.
    Damaged(String),
    /// The connection broke while a commit was under way.
    InDoubt(tokio_postgres::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Database(error),
            other => Self::Pool(other),
        }
    }
}

impl Failure {
    /// A commit that the server refused was not made; one without an answer may be.
    pub(super) fn of_commit(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(_) => Self::Database(error),
            None => Self::InDoubt(error),
        }
    }

    /// The error for the caller. `place` says where, `doing` what was asked.
    pub(super) fn told(self, place: &str, doing: &'static str) -> StoreError {
        let place = place.to_owned();
        match self {
            Self::Refused(error) => error,
            Self::Damaged(detail) => StoreError::Corrupt {
                path: place,
                detail,
            },
            Self::InDoubt(error) => StoreError::InDoubt {
                place,
                source: error.into(),
            },
            Self::Pool(error) => StoreError::Unreachable {
                place,
                source: error.into(),
            },
            Self::Database(error) => {
                if error.code() == Some(&SqlState::DISK_FULL) {
                    return StoreError::NoRoom { place };
                }
                let class = error.code().and_then(|code| code.code().get(..2));
                match class {
                    // Deadlock, serialization, a lock that was not to be had.
                    Some("40" | "55") => StoreError::Busy,
                    // The connection broke; the server shuts down or has no room for
                    // more.
                    None | Some("08" | "53" | "57") => StoreError::Unreachable {
                        place,
                        source: error.into(),
                    },
                    Some(_) => StoreError::Backend {
                        doing,
                        source: error.into(),
                    },
                }
            }
        }
    }
}
