//! Opening the file: made for its owner only, and used only if it is ours.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::worker::Failure;
use super::{FILE_NAME, schema};
use crate::private_file;
use crate::store::StoreError;

/// How long a write waits for another process. Ours take milliseconds; what
/// takes longer is stuck.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A pause between attempts to turn the log on, which SQLite does not wait for
/// by itself.
const LOG_PAUSE: Duration = Duration::from_millis(10);

/// Files up to this size are read through when they are opened (some 10 ms), so
/// that damage is told at the start. In larger ones it is told where it is met.
const CHECKED_BYTES: u64 = 8 * 1024 * 1024;

/// The log shrinks to this size after a checkpoint, in bytes.
const LOG_BYTES: i64 = 16 * 1024 * 1024;

/// Statements kept prepared for each connection: more than there are.
const STATEMENTS: usize = 96;

/// An open store.
pub(super) struct Opened {
    pub(super) path: String,
    pub(super) writer: Connection,
    pub(super) reader: Connection,
}

/// Opens a file to read it, if it is a sound store of ours. Blocks.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let shown = path.display().to_string();
    let told = |failure: Failure| match failure {
        Failure::Database(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            StoreError::NotOurs {
                path: shown.clone(),
            }
        }
        other => other.told(&shown, "be read"),
    };
    let connection = connect(path).map_err(|error| told(error.into()))?;
    recognise(&connection, &shown).map_err(told)?;
    check(&connection).map_err(told)?;
    Ok(connection)
}

/// Opens the store in `data_dir`. Blocks.
pub(super) fn open(data_dir: &Path) -> Result<Opened, StoreError> {
    let io = |doing| {
        let path = data_dir.display().to_string();
        move |source| StoreError::Io {
            doing,
            path,
            source,
        }
    };
    private_file::make_directory(data_dir).map_err(io("make the data directory"))?;
    // SQLite refuses links in the path below, where they would be an attack.
    // Those above the data directory are the operator's.
    let directory = data_dir
        .canonicalize()
        .map_err(io("find the data directory"))?;
    let dir = Dir::open_ambient_dir(&directory, ambient_authority())
        .map_err(io("open the data directory"))?;
    let full_path = directory.join(FILE_NAME);
    let path = full_path.display().to_string();
    let bytes = prepare_file(&dir, &path)?;

    let told = |failure: Failure| match failure {
        Failure::Database(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            StoreError::NotOurs { path: path.clone() }
        }
        other => other.told(&path, "be opened"),
    };
    let mut writer = connect(&full_path).map_err(|error| told(error.into()))?;
    recognise(&writer, &path).map_err(told)?;
    if bytes <= CHECKED_BYTES {
        check(&writer).map_err(told)?;
    }
    turn_log_on(&writer).map_err(told)?;
    schema::migrate(&mut writer).map_err(told)?;
    let reader = connect(&full_path).map_err(|error| told(error.into()))?;
    reader
        .pragma_update(None, "query_only", true)
        .map_err(|error| told(error.into()))?;
    Ok(Opened {
        path,
        writer,
        reader,
    })
}

/// Makes the file if there is none, refuses one that is not private, and gives
/// its size. SQLite gives the files of its log the mode of this one.
///
/// A file that exists is looked at and never opened here: to close it again
/// would drop the locks of another store of this process on the same file.
fn prepare_file(dir: &Dir, path: &str) -> Result<u64, StoreError> {
    let io = |doing| {
        move |source| StoreError::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    };
    let metadata = match dir.symlink_metadata(FILE_NAME) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            private_file::make(dir, FILE_NAME, &[]).map_err(io("make"))?;
            dir.symlink_metadata(FILE_NAME)
        }
        other => other,
    }
    .map_err(io("look at"))?;
    if !metadata.is_file() {
        return Err(StoreError::NotOurs {
            path: path.to_owned(),
        });
    }
    if let Some(mode) = private_file::open_to_others(&metadata) {
        return Err(StoreError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(metadata.len())
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A damaged or planted file must not make SQLite run anything, or read past
    // a page's cells.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // What is erased is overwritten in the file. The pragma answers with what it
    // has set.
    connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
    Ok(connection)
}

/// Only what we wrote, or what is empty, is ever written to.
fn recognise(connection: &Connection, path: &str) -> Result<(), Failure> {
    let read = || -> rusqlite::Result<(i32, i64, i64)> {
        // As of one moment: another process may be about to make it ours.
        let _moment = connection.unchecked_transaction()?;
        Ok((
            connection.pragma_query_value(None, "application_id", |row| row.get(0))?,
            connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
        ))
    };
    let (application, version, objects) = read()?;
    let ours = application == schema::APPLICATION_ID;
    let empty = application == 0 && version == 0 && objects == 0;
    if !ours && !empty {
        return Err(Failure::Refused(StoreError::NotOurs {
            path: path.to_owned(),
        }));
    }
    if version > schema::NEWEST {
        return Err(Failure::Refused(StoreError::Newer {
            path: path.to_owned(),
            found: version,
            known: schema::NEWEST,
        }));
    }
    Ok(())
}

fn check(connection: &Connection) -> Result<(), Failure> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(Failure::Damaged(verdict))
    }
}

/// Two processes that do this on a new file at a time get in each other's way,
/// and SQLite answers busy at once rather than wait for a lock that might never
/// come free. Here it does.
fn turn_log_on(connection: &Connection) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let result = connection.query_row("PRAGMA journal_mode = WAL", [], |row| {
            row.get::<_, String>(0)
        });
        match result {
            Ok(mode) if mode == "wal" => break,
            Ok(mode) => {
                return Err(Failure::Refused(StoreError::Backend {
                    doing: "use a write-ahead log on this file system",
                    source: format!("the journal stays in mode {mode}").into(),
                }));
            }
            Err(error) => {
                let failure = Failure::from(error).told(FILE_NAME, "turn its log on");
                if !failure.is_passing() || begun.elapsed() > BUSY_TIMEOUT {
                    return Err(failure.into());
                }
                std::thread::sleep(LOG_PAUSE);
            }
        }
    }
    connection.query_row(
        &format!("PRAGMA journal_size_limit = {LOG_BYTES}"),
        [],
        |_| Ok(()),
    )?;
    Ok(())
}
