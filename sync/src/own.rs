//! What a sync's own tables are called in the user's database.
//!
//! Several syncs may share a database, each with tables of its own: those of the sync
//! `crm` are `lockgate_crm_rows` and so on, those of a sync without a name
//! `lockgate_rows`. All SQL says `~rows`, and a backend puts the name in: no name of a
//! user's table, column or field has a `~`.

use std::borrow::Cow;

use crate::error::DatabaseError;

/// What all of our tables begin with.
pub(crate) const OURS: &str = "lockgate_";

/// The longest name of a sync: PostgreSQL cuts names of tables off after 63.
const MAX_NAME: usize = 24;

/// What the tables of one sync begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnTables {
    prefix: String,
}

impl Default for OwnTables {
    fn default() -> Self {
        Self {
            prefix: OURS.to_owned(),
        }
    }
}

impl OwnTables {
    /// The tables of the sync with this name.
    pub(crate) fn of(name: &str) -> Result<Self, DatabaseError> {
        let is_name = name.len() <= MAX_NAME
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && !name.ends_with('_')
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        match is_name {
            true => Ok(Self {
                prefix: format!("{OURS}{name}_"),
            }),
            false => Err(DatabaseError::BadName {
                name: name.to_owned(),
            }),
        }
    }

    /// The name of the sync; `None` if it has none.
    pub(crate) fn name(&self) -> Option<&str> {
        name_in(&self.prefix)
    }

    /// A statement, or a table's name, with the names of the tables in it.
    pub(crate) fn fill<'a>(&self, sql: &'a str) -> Cow<'a, str> {
        match sql.contains('~') {
            true => Cow::Owned(sql.replace('~', &self.prefix)),
            false => Cow::Borrowed(sql),
        }
    }
}

/// The name of the sync whose tables begin so.
pub(crate) fn name_in(prefix: &str) -> Option<&str> {
    prefix.strip_prefix(OURS)?.strip_suffix('_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sync_has_tables_of_its_own() {
        let sql = "SELECT base FROM ~rows, contact";
        let own = OwnTables::of("crm_2").unwrap();
        assert_eq!(
            own.fill(sql),
            "SELECT base FROM lockgate_crm_2_rows, contact"
        );
        assert_eq!(own.name(), Some("crm_2"));
        let only = OwnTables::default();
        assert_eq!(only.fill(sql), "SELECT base FROM lockgate_rows, contact");
        assert_eq!(only.name(), None);
    }

    #[test]
    fn a_name_is_what_can_stand_in_a_tables_name() {
        for name in ["", "Crm", "2crm", "crm-2", "crm_", "crm;", &"x".repeat(25)] {
            assert!(OwnTables::of(name).is_err(), "{name}");
        }
    }
}
