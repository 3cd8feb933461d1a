//! The local side of tasks that synchronise: a file of SQLite, and how what came into
//! it is looked at. The same for every client, which has its own tables in it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use rusqlite::{Connection, Row};

use crate::contact::Outcome;

/// How often a client looks whether all is there.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// How long a change took from its commit in the org to its row: the change says in
/// `phone` when it was made, in milliseconds since 1970, and a trigger notes when the
/// row changed.
const SEEN: &str = "
CREATE TABLE IF NOT EXISTS seen (lag_ms REAL NOT NULL);
CREATE TRIGGER IF NOT EXISTS see AFTER UPDATE OF phone ON contact
WHEN new.phone IS NOT old.phone BEGIN
  INSERT INTO seen VALUES (unixepoch('subsec') * 1000.0 - CAST(new.phone AS REAL));
END";

/// A database in a folder that goes with it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
        })
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("contacts.db")
    }

    pub(crate) fn open(&self) -> Result<Connection> {
        let sql = Connection::open(self.file())?;
        sql.busy_timeout(Duration::from_secs(30))?;
        Ok(sql)
    }

    /// Notes from now on how long changes take.
    pub(crate) fn note_lags(&self) -> Result<()> {
        Ok(self.open()?.execute_batch(SEEN)?)
    }

    /// How many changes came.
    pub(crate) fn seen(&self) -> Result<u64> {
        let count = "SELECT count(*) FROM seen";
        Ok(self.open()?.query_row(count, [], |row| number(row, 0))?)
    }

    /// The median and the 99th percentile of what changes took, in milliseconds.
    pub(crate) fn lags_ms(&self) -> Result<[f64; 2]> {
        let sql = self.open()?;
        let mut all = sql.prepare("SELECT lag_ms FROM seen ORDER BY lag_ms")?;
        let all: Vec<f64> = all
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let at = |share: usize| all.get(all.len() * share / 100).copied();
        Ok([50, 99].map(|share| at(share).unwrap_or(f64::NAN)))
    }

    /// The rows, and the length of a field in all of them.
    pub(crate) fn outcome(&self) -> Result<Outcome> {
        let sums = "SELECT count(*), coalesce(sum(length(email)), 0) FROM contact";
        Ok(self.open()?.query_row(sums, [], |row| {
            Ok(Outcome {
                rows: number(row, 0)?,
                length: number(row, 1)?,
            })
        })?)
    }

    /// Changes all rows, as a user's program does.
    pub(crate) fn change_all(&self) -> Result<()> {
        let change = "UPDATE contact SET phone = '+1 555 ' || rowid";
        self.open()?.execute(change, [])?;
        Ok(())
    }
}

/// A number that is never negative.
fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(at)?.unsigned_abs())
}
