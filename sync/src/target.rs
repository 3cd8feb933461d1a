//! Where a user's database is.

use std::fmt;
use std::path::PathBuf;

use ::postgres::Config;

use crate::error::DatabaseError;
use crate::postgres::Postgres;
use crate::sql::Sql;
use crate::sqlite::Sqlite;

/// Where a database is.
#[derive(Clone)]
pub enum Target {
    /// A file of SQLite, made if there is none.
    Sqlite(PathBuf),
    /// A database of PostgreSQL, in the first schema of the user's search path.
    Postgres(Box<Config>),
}

impl Target {
    /// Reads an address: `sqlite:FILE`, or `postgres://USER:PASSWORD@HOST/DATABASE`
    /// as libpq has it, also with `postgres:` before it.
    ///
    /// A connection to PostgreSQL is by TLS if the server can, and its certificate is
    /// checked by the platform's roots; `?sslmode=require` insists on it, and
    /// `?sslmode=disable` does without.
    ///
    /// # Errors
    /// [`DatabaseError::BadAddress`].
    pub fn parse(address: &str) -> Result<Self, DatabaseError> {
        let bad = || DatabaseError::BadAddress {
            address: without_password(address),
        };
        let (scheme, rest) = address.split_once(':').ok_or_else(bad)?;
        match scheme {
            "sqlite" if !rest.is_empty() => Ok(Self::Sqlite(rest.into())),
            "postgres" | "postgresql" => {
                let url = if rest.starts_with("//") {
                    address
                } else {
                    rest
                };
                let config = url.parse().map_err(|_| bad())?;
                Ok(Self::Postgres(Box::new(config)))
            }
            _ => Err(bad()),
        }
    }

    /// An address as it may be shown: without what may be a password.
    #[must_use]
    pub fn shown(address: &str) -> String {
        without_password(address)
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Sql>, DatabaseError> {
        match self {
            Self::Sqlite(path) => Ok(Box::new(Sqlite::open(path)?)),
            Self::Postgres(config) => Ok(Box::new(Postgres::open(config)?)),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            // The configuration has the password.
            Self::Postgres(_) => f.debug_tuple("Postgres").finish_non_exhaustive(),
        }
    }
}

/// An address without what may be a password, to be shown.
fn without_password(address: &str) -> String {
    match address.split_once('@') {
        Some((before, after)) => {
            let scheme = before.split(':').next().unwrap_or_default();
            format!("{scheme}:…@{after}")
        }
        None => address.to_owned(),
    }
}
