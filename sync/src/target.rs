//! Where a user's database is, and whose of the syncs in it.

use std::fmt;
use std::path::{Path, PathBuf};

use ::postgres::Config;

use crate::error::DatabaseError;
use crate::own::OwnTables;
use crate::postgres::Postgres;
use crate::sql::Sql;
use crate::sqlite::Sqlite;

/// Where a database is, and which of the syncs in it is meant.
///
/// Several syncs may share a database if each has a name; see [`Self::of_sync`].
#[derive(Clone)]
pub struct Target {
    place: Place,
    own: OwnTables,
}

#[derive(Clone)]
enum Place {
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
            "sqlite" if !rest.is_empty() => Ok(Self::sqlite(rest)),
            "postgres" | "postgresql" => {
                let url = if rest.starts_with("//") {
                    address
                } else {
                    rest
                };
                let config = url.parse().map_err(|_| bad())?;
                Ok(Self::at(Place::Postgres(Box::new(config))))
            }
            _ => Err(bad()),
        }
    }

    /// A file of SQLite, made if there is none.
    pub fn sqlite(file: impl Into<PathBuf>) -> Self {
        Self::at(Place::Sqlite(file.into()))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            own: OwnTables::default(),
        }
    }

    /// The same database for the sync with this name, 1 to 24 of `a-z 0-9 _`, beginning
    /// with a letter: what it knows lies in tables that are called after it, so that
    /// several syncs share a database, each with its own objects' tables. What one of
    /// them writes is to the others a change like any program's, also what triggers of
    /// the user's do then.
    ///
    /// # Errors
    /// [`DatabaseError::BadName`].
    pub fn of_sync(self, name: &str) -> Result<Self, DatabaseError> {
        Ok(Self {
            own: OwnTables::of(name)?,
            ..self
        })
    }

    /// The file, of SQLite.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::Sqlite(file) => Some(file),
            Place::Postgres(_) => None,
        }
    }

    /// An address as it may be shown: without what may be a password.
    #[must_use]
    pub fn shown(address: &str) -> String {
        without_password(address)
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Sql>, DatabaseError> {
        let own = self.own.clone();
        match &self.place {
            Place::Sqlite(path) => Ok(Box::new(Sqlite::open(path, own)?)),
            Place::Postgres(config) => Ok(Box::new(Postgres::open(config, own)?)),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Target");
        match &self.place {
            Place::Sqlite(path) => debug.field("sqlite", path),
            // The configuration has the password.
            Place::Postgres(_) => debug.field("postgres", &"…"),
        };
        debug.field("sync", &self.own.name()).finish()
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
