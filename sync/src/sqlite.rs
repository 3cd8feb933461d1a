//! A user's database in a file of SQLite.
//!
//! A sync's own writes are told from others' by a row in its table `lockgate_quiet`: it
//! is put there at the beginning of a transaction of ours and taken away at its end, so
//! nobody else ever sees it, for SQLite has one writer at a time.
//!
//! Numbers with a fraction have columns without affinity: up to fifteen digits are
//! stored as numbers, which SQLite gives back digit by digit, and longer ones as
//! texts, so that comparing and adding works and no digit is ever lost.

mod triggers;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{Connection, ErrorCode, Statement, ToSql};

use crate::error::DatabaseError;
use crate::kind::Kind;
use crate::own::{OURS, OwnTables};
use crate::plan::ObjectPlan;
use crate::sql::{Cell, FoundColumn, Row, Sql};
use crate::value::Value;

/// How long a write waits for other programs.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often an engine that waits for another looks again, and how many times.
const CLAIM_POLL: Duration = Duration::from_millis(50);
const CLAIM_POLLS: u32 = 60;

/// How much of the file is kept in memory, in KiB: the rows of some ten thousand
/// records, with what is known of them.
const CACHE_KIB: i64 = 16 * 1024;

/// Statements kept prepared: some twenty of ours, and a few for each table.
const STATEMENTS: usize = 256;

/// A number with more digits than this is stored as a text.
const EXACT_DIGITS: usize = 15;

pub(crate) struct Sqlite {
    connection: Connection,
    path: PathBuf,
    own: OwnTables,
    /// Locked while an engine of ours works. SQLite has no lock that outlives a
    /// transaction.
    claim: Option<File>,
}

impl Sqlite {
    /// Opens the file, and makes it if there is none.
    pub(crate) fn open(path: &Path, own: OwnTables) -> Result<Self, DatabaseError> {
        let is_new = !path.exists();
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            // A commit that was answered survives a power cut: what was sent to the
            // org is never forgotten here.
            connection.pragma_update(None, "synchronous", "FULL")?;
            // Negative numbers are KiB.
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            if is_new {
                // So that readers and the one writer do not wait for each other. A
                // file that exists keeps its ways.
                connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
            }
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(connection)
        };
        let connection = open().map_err(|error| match told(error, "open the file") {
            DatabaseError::Backend { source, .. } => DatabaseError::Unreachable(source),
            other => other,
        })?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            own,
            claim: None,
        })
    }

    fn prepared<T>(
        &mut self,
        sql: &str,
        values: &[Cell],
        run: impl FnOnce(&mut Statement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, DatabaseError> {
        let go = || -> rusqlite::Result<T> {
            let mut statement = self.connection.prepare_cached(&self.own.fill(sql))?;
            for (at, value) in values.iter().enumerate() {
                statement.raw_bind_parameter(at + 1, value)?;
            }
            run(&mut statement)
        };
        go().map_err(|error| told(error, &self.own.fill(sql)))
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Stored::Null),
            Self::Int(number) => ToSqlOutput::Owned(Stored::Integer(*number)),
            Self::Real(number) => ToSqlOutput::Owned(Stored::Real(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

impl Sql for Sqlite {
    fn begin(&mut self) -> Result<(), DatabaseError> {
        self.run("BEGIN IMMEDIATE", &[])?;
        let quiet = "CREATE TABLE IF NOT EXISTS ~quiet (mark INTEGER NOT NULL); \
                     INSERT INTO ~quiet VALUES (1)";
        self.define(quiet).inspect_err(|_| self.rollback())
    }

    fn commit(&mut self) -> Result<(), DatabaseError> {
        self.run("DELETE FROM ~quiet", &[])?;
        self.run("COMMIT", &[]).map(|_| ())
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            // It fails only where SQLite has done it by itself.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn check_at_once(&mut self) -> Result<(), DatabaseError> {
        // Only foreign keys can wait, and a connection has to ask for them.
        Ok(())
    }

    fn run(&mut self, sql: &str, values: &[Cell]) -> Result<u64, DatabaseError> {
        let count = self.prepared(sql, values, |statement| statement.raw_execute())?;
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    fn rows(&mut self, sql: &str, values: &[Cell]) -> Result<Vec<Row>, DatabaseError> {
        self.prepared(sql, values, |statement| {
            let width = statement.column_count();
            let mut found = Vec::new();
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                let cells = (0..width).map(|at| {
                    Ok(match row.get_ref(at)? {
                        ValueRef::Null => Cell::Null,
                        ValueRef::Integer(number) => Cell::Int(number),
                        ValueRef::Real(number) => Cell::Real(number),
                        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                            Cell::Text(String::from_utf8_lossy(bytes).into_owned())
                        }
                    })
                });
                found.push(Row(cells.collect::<rusqlite::Result<_>>()?));
            }
            Ok(found)
        })
    }

    fn define(&mut self, sql: &str) -> Result<(), DatabaseError> {
        self.connection
            .execute_batch(&self.own.fill(sql))
            .map_err(|error| told(error, &self.own.fill(sql)))
    }

    fn other_syncs(&mut self) -> Result<Vec<String>, DatabaseError> {
        let rows = self.rows(
            "SELECT substr(name, 1, length(name) - length('columns')) FROM sqlite_schema \
             WHERE type = 'table' AND substr(name, 1, ?2) = ?1 AND name GLOB '*_columns' \
             AND name <> '~columns'",
            &[
                OURS.into(),
                Cell::Int(i64::try_from(OURS.len()).unwrap_or(0)),
            ],
        )?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    fn found_columns(&mut self, table: &str) -> Result<Vec<FoundColumn>, DatabaseError> {
        let table = self.own.fill(table).into_owned();
        let rows = self.rows(
            "SELECT name, type, \"notnull\", dflt_value FROM pragma_table_info(?1)",
            &[table.into()],
        )?;
        let column = |row: &Row| {
            Ok(FoundColumn {
                name: row.text(0)?,
                column_type: row.text(1)?,
                is_required: row.int(2)? != 0 && row.cell(3)? == &Cell::Null,
            })
        };
        rows.iter().map(column).collect()
    }

    fn serial(&self) -> &'static str {
        "INTEGER PRIMARY KEY AUTOINCREMENT"
    }

    fn key_definition(&self) -> &'static str {
        "TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(16))))"
    }

    fn column_type(&self, kind: Kind, max_length: u32) -> String {
        match kind {
            Kind::Text if max_length > 0 => format!("VARCHAR({max_length})"),
            // The names tell people; both keep what they are given, as texts.
            Kind::Text | Kind::Date | Kind::Datetime | Kind::Time => "TEXT".to_owned(),
            Kind::Boolean => "BOOLEAN".to_owned(),
            Kind::Int => "INTEGER".to_owned(),
            Kind::Decimal => String::new(),
        }
    }

    fn read(&self, column: &str, _: Kind) -> String {
        column.to_owned()
    }

    fn cell(&self, kind: Kind, value: &Value) -> Cell {
        match value {
            Value::Null => Cell::Null,
            Value::Bool(value) => Cell::Int(i64::from(*value)),
            Value::Text(text) => Cell::Text(text.clone()),
            Value::Number(text) => number(kind, text),
        }
    }

    fn for_update(&self) -> &'static str {
        // A transaction that writes is alone from its beginning.
        ""
    }

    fn by_bytes(&self, column: &str) -> String {
        column.to_owned()
    }

    fn widen(
        &self,
        _: &str,
        _: &str,
        (from, from_length): (Kind, u32),
        (to, to_length): (Kind, u32),
    ) -> Option<String> {
        // Lengths are not enforced, and dates are texts. A column of whole numbers
        // would turn a long fraction into a float.
        let is_text = |kind| matches!(kind, Kind::Text | Kind::Date | Kind::Datetime | Kind::Time);
        let is_safe = (from == to && from_length != to_length)
            || (is_text(from) && to == Kind::Text)
            || (from == Kind::Decimal && to == Kind::Text);
        is_safe.then(String::new)
    }

    fn watch(&self, object: &ObjectPlan) -> String {
        triggers::watch(object)
    }

    fn unwatch(&self, table: &str) -> String {
        triggers::unwatch(table)
    }

    fn document(&mut self, _: &str, _: &str, _: &str) -> Result<(), DatabaseError> {
        Ok(())
    }

    fn claim(&mut self) -> Result<(), DatabaseError> {
        if self.claim.is_some() {
            return Ok(());
        }
        let failed = |source: std::io::Error| DatabaseError::Backend {
            doing: "be taken for one engine".to_owned(),
            source: source.into(),
        };
        let mut path = self.path.clone().into_os_string();
        path.push("-engine");
        if let Some(name) = self.own.name() {
            path.push("-");
            path.push(name);
        }
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(path);
        let file = file.map_err(failed)?;
        for _ in 0..CLAIM_POLLS {
            match file.try_lock() {
                Ok(()) => {
                    self.claim = Some(file);
                    return Ok(());
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(CLAIM_POLL),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Err(DatabaseError::Taken)
    }

    fn revive(&mut self) -> Result<(), DatabaseError> {
        Ok(())
    }
}

fn number(kind: Kind, text: &str) -> Cell {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if kind == Kind::Text {
        Cell::Text(text.to_owned())
    } else if let Ok(number) = text.parse() {
        Cell::Int(number)
    } else if digits <= EXACT_DIGITS {
        text.parse()
            .map_or_else(|_| Cell::Text(text.to_owned()), Cell::Real)
    } else {
        Cell::Text(text.to_owned())
    }
}

fn told(error: rusqlite::Error, sql: &str) -> DatabaseError {
    let detail = error.to_string();
    // An index of the log that cannot grow is told as an input or output that failed.
    let extended = error.sqlite_error().map(|error| error.extended_code);
    if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
        return DatabaseError::NoRoom;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DatabaseError::Busy,
        Some(ErrorCode::DiskFull) => DatabaseError::NoRoom,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            DatabaseError::damaged(detail)
        }
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
            DatabaseError::Rule { detail }
        }
        _ => DatabaseError::Backend {
            doing: format!("do `{}`", first_words(sql)),
            source: error.into(),
        },
    }
}

/// Enough of a statement to know it by; values are never in it.
fn first_words(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().take(4).collect();
    words.join(" ")
}
