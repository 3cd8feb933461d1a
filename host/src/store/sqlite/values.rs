//! What packages store for a connection, in its table.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::connections;
use super::worker::Failure;
use crate::store::columns::{column, number, size_of_value};
use crate::store::{KeyPage, MAX_LISTED_KEYS, Scope, Sealed, StoreError, Value};

/// What must be there for a write to happen.
#[derive(Clone, Copy)]
pub(super) enum Expect {
    Anything,
    /// This version; 0 for no value.
    Version(u64),
}

/// How full a scope is, and the last version that it gave out.
struct Share {
    used_bytes: u64,
    last_version: u64,
}

pub(super) fn get(
    tx: &Transaction<'_>,
    scope: &Scope,
    key: &str,
) -> Result<Option<Value>, Failure> {
    let connection = connections::id(tx, &scope.connection)?;
    Ok(tx
        .prepare_cached(
            "SELECT version, bytes FROM stored_values \
             WHERE connection = ?1 AND package = ?2 AND key = ?3",
        )?
        .query_row(params![connection, scope.package, key.as_bytes()], |row| {
            Ok(Value {
                version: number(row.get(0)?),
                bytes: row.get(1)?,
            })
        })
        .optional()?)
}

pub(super) fn put(
    tx: &Transaction<'_>,
    scope: &Scope,
    key: &str,
    expect: Expect,
    bytes: &[u8],
    limit: u64,
) -> Result<u64, Failure> {
    let connection = connections::id(tx, &scope.connection)?;
    let (current, old_size) = current(tx, connection, scope, key)?;
    if let Expect::Version(expected) = expect
        && expected != current
    {
        return Err(StoreError::Conflict { current }.into());
    }
    let share = share(tx, connection, scope)?;
    let new_size = size_of_value(key, bytes.len() as u64);
    let used_bytes = share.used_bytes.saturating_sub(old_size) + new_size;
    // What does not grow is allowed even if the share was made smaller.
    if used_bytes > limit && new_size > old_size {
        return Err(StoreError::Full { limit }.into());
    }
    let version = share.last_version.saturating_add(1);
    tx.prepare_cached(
        "INSERT INTO stored_values (connection, package, key, version, bytes) \
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (connection, package, key) \
         DO UPDATE SET version = excluded.version, bytes = excluded.bytes",
    )?
    .execute(params![
        connection,
        scope.package,
        key.as_bytes(),
        column(version),
        bytes
    ])?;
    let share = Share {
        used_bytes,
        last_version: version,
    };
    keep_share(tx, connection, scope, &share)?;
    Ok(version)
}

pub(super) fn delete(tx: &Transaction<'_>, scope: &Scope, key: &str) -> Result<bool, Failure> {
    let connection = connections::id(tx, &scope.connection)?;
    let (current, old_size) = current(tx, connection, scope, key)?;
    if current == 0 {
        return Ok(false);
    }
    tx.prepare_cached(
        "DELETE FROM stored_values WHERE connection = ?1 AND package = ?2 AND key = ?3",
    )?
    .execute(params![connection, scope.package, key.as_bytes()])?;
    let mut share = share(tx, connection, scope)?;
    share.used_bytes = share.used_bytes.saturating_sub(old_size);
    keep_share(tx, connection, scope, &share)?;
    Ok(true)
}

pub(super) fn list(
    tx: &Transaction<'_>,
    scope: &Scope,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<KeyPage, Failure> {
    let connection = connections::id(tx, &scope.connection)?;
    let limit = limit.min(MAX_LISTED_KEYS) as usize;
    let mut page = KeyPage::default();
    if limit == 0 {
        return Ok(page);
    }
    // From the later of the two on, so that a late page costs what the first
    // one does; `after` itself is passed over below.
    let from = after.map_or(prefix, |after| after.max(prefix));
    let mut statement = tx.prepare_cached(
        "SELECT key FROM stored_values \
         WHERE connection = ?1 AND package = ?2 AND key >= ?3 ORDER BY key LIMIT ?4",
    )?;
    let mut rows = statement.query(params![
        connection,
        scope.package,
        from.as_bytes(),
        column(limit as u64 + 2)
    ])?;
    while let Some(row) = rows.next()? {
        let key = String::from_utf8(row.get(0)?)
            .map_err(|_| Failure::Damaged(format!("a key of {}", scope.connection)))?;
        if Some(key.as_str()) == after {
            continue;
        }
        if !key.starts_with(prefix) {
            break;
        }
        if page.keys.len() == limit {
            page.next = page.keys.last().cloned();
            break;
        }
        page.keys.push(key);
    }
    Ok(page)
}

/// The version and the size of what is there; 0 and 0 for nothing.
fn current(
    tx: &Transaction<'_>,
    connection: i64,
    scope: &Scope,
    key: &str,
) -> Result<(u64, u64), Failure> {
    let found = tx
        .prepare_cached(
            "SELECT version, length(bytes) FROM stored_values \
             WHERE connection = ?1 AND package = ?2 AND key = ?3",
        )?
        .query_row(params![connection, scope.package, key.as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(found.map_or((0, 0), |(version, len)| {
        (number(version), size_of_value(key, number(len)))
    }))
}

fn share(tx: &Transaction<'_>, connection: i64, scope: &Scope) -> Result<Share, Failure> {
    let found = tx
        .prepare_cached(
            "SELECT used_bytes, last_version FROM shares WHERE connection = ?1 AND package = ?2",
        )?
        .query_row(params![connection, scope.package], |row| {
            Ok(Share {
                used_bytes: number(row.get(0)?),
                last_version: number(row.get(1)?),
            })
        })
        .optional()?;
    match found {
        Some(share) => Ok(share),
        // Random for the same reason as the first version of a secret.
        None => Ok(Share {
            used_bytes: 0,
            last_version: Sealed::next_version(None)?,
        }),
    }
}

fn keep_share(
    tx: &Transaction<'_>,
    connection: i64,
    scope: &Scope,
    share: &Share,
) -> Result<(), Failure> {
    tx.prepare_cached(
        "INSERT INTO shares (connection, package, used_bytes, last_version) \
         VALUES (?1, ?2, ?3, ?4) ON CONFLICT (connection, package) \
         DO UPDATE SET used_bytes = excluded.used_bytes, last_version = excluded.last_version",
    )?
    .execute(params![
        connection,
        scope.package,
        column(share.used_bytes),
        column(share.last_version)
    ])?;
    Ok(())
}
