//! What packages store for a connection, in its table.

use deadpool_postgres::Transaction;

use super::connections::{self, Hold};
use super::errors::Failure;
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

pub(super) async fn get(
    tx: &Transaction<'_>,
    scope: &Scope,
    key: &str,
) -> Result<Option<Value>, Failure> {
    let connection = connections::id(tx, &scope.connection, Hold::Nothing).await?;
    let statement = tx
        .prepare_cached(
            "SELECT version, bytes FROM stored_values \
             WHERE connection = $1 AND package = $2 AND key = $3",
        )
        .await?;
    let row = tx
        .query_opt(&statement, &[&connection, &scope.package, &key.as_bytes()])
        .await?;
    match row {
        Some(row) => Ok(Some(Value {
            version: number(row.try_get(0)?),
            bytes: row.try_get(1)?,
        })),
        None => Ok(None),
    }
}

pub(super) async fn put(
    tx: &Transaction<'_>,
    scope: &Scope,
    key: &str,
    expect: Expect,
    bytes: &[u8],
    limit: u64,
) -> Result<u64, Failure> {
    let connection = connections::id(tx, &scope.connection, Hold::Alone).await?;
    let (current, old_size) = current(tx, connection, scope, key).await?;
    if let Expect::Version(expected) = expect
        && expected != current
    {
        return Err(StoreError::Conflict { current }.into());
    }
    let share = share(tx, connection, scope).await?;
    let new_size = size_of_value(key, bytes.len() as u64);
    let used_bytes = share.used_bytes.saturating_sub(old_size) + new_size;
    // What does not grow is allowed even if the share was made smaller.
    if used_bytes > limit && new_size > old_size {
        return Err(StoreError::Full { limit }.into());
    }
    let version = share.last_version.saturating_add(1);
    let statement = tx
        .prepare_cached(
            "INSERT INTO stored_values (connection, package, key, version, bytes) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (connection, package, key) \
             DO UPDATE SET version = excluded.version, bytes = excluded.bytes",
        )
        .await?;
    let key = key.as_bytes();
    tx.execute(
        &statement,
        &[&connection, &scope.package, &key, &column(version), &bytes],
    )
    .await?;
    let share = Share {
        used_bytes,
        last_version: version,
    };
    keep_share(tx, connection, scope, &share).await?;
    Ok(version)
}

pub(super) async fn delete(
    tx: &Transaction<'_>,
    scope: &Scope,
    key: &str,
) -> Result<bool, Failure> {
    let connection = connections::id(tx, &scope.connection, Hold::Alone).await?;
    let (current, old_size) = current(tx, connection, scope, key).await?;
    if current == 0 {
        return Ok(false);
    }
    let statement = tx
        .prepare_cached(
            "DELETE FROM stored_values WHERE connection = $1 AND package = $2 AND key = $3",
        )
        .await?;
    tx.execute(&statement, &[&connection, &scope.package, &key.as_bytes()])
        .await?;
    let mut share = share(tx, connection, scope).await?;
    share.used_bytes = share.used_bytes.saturating_sub(old_size);
    keep_share(tx, connection, scope, &share).await?;
    Ok(true)
}

pub(super) async fn list(
    tx: &Transaction<'_>,
    scope: &Scope,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<KeyPage, Failure> {
    let connection = connections::id(tx, &scope.connection, Hold::Nothing).await?;
    let limit = limit.min(MAX_LISTED_KEYS) as usize;
    let mut page = KeyPage::default();
    if limit == 0 {
        return Ok(page);
    }
    // From the later of the two on, so that a late page costs what the first one
    // does; with one more than was asked for, which says whether there are any.
    let from = after.map_or(prefix, |after| after.max(prefix));
    let statement = tx
        .prepare_cached(
            "SELECT key FROM stored_values WHERE connection = $1 AND package = $2 \
             AND key >= $3 AND key IS DISTINCT FROM $4 ORDER BY key LIMIT $5",
        )
        .await?;
    let (from, after) = (from.as_bytes(), after.map(str::as_bytes));
    let rows = tx
        .query(
            &statement,
            &[
                &connection,
                &scope.package,
                &from,
                &after,
                &column(limit as u64 + 1),
            ],
        )
        .await?;
    for row in rows {
        let key = String::from_utf8(row.try_get(0)?)
            .map_err(|_| Failure::Damaged(format!("a key of {}", scope.connection)))?;
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
async fn current(
    tx: &Transaction<'_>,
    connection: i64,
    scope: &Scope,
    key: &str,
) -> Result<(u64, u64), Failure> {
    let statement = tx
        .prepare_cached(
            "SELECT version, length(bytes)::bigint FROM stored_values \
             WHERE connection = $1 AND package = $2 AND key = $3",
        )
        .await?;
    let row = tx
        .query_opt(&statement, &[&connection, &scope.package, &key.as_bytes()])
        .await?;
    match row {
        Some(row) => Ok((
            number(row.try_get(0)?),
            size_of_value(key, number(row.try_get(1)?)),
        )),
        None => Ok((0, 0)),
    }
}

async fn share(tx: &Transaction<'_>, connection: i64, scope: &Scope) -> Result<Share, Failure> {
    let statement = tx
        .prepare_cached(
            "SELECT used_bytes, last_version FROM shares WHERE connection = $1 AND package = $2",
        )
        .await?;
    let row = tx
        .query_opt(&statement, &[&connection, &scope.package])
        .await?;
    match row {
        Some(row) => Ok(Share {
            used_bytes: number(row.try_get(0)?),
            last_version: number(row.try_get(1)?),
        }),
        // Random for the same reason as the first version of a secret.
        None => Ok(Share {
            used_bytes: 0,
            last_version: Sealed::next_version(None)?,
        }),
    }
}

async fn keep_share(
    tx: &Transaction<'_>,
    connection: i64,
    scope: &Scope,
    share: &Share,
) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached(
            "INSERT INTO shares (connection, package, used_bytes, last_version) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (connection, package) \
             DO UPDATE SET used_bytes = excluded.used_bytes, last_version = excluded.last_version",
        )
        .await?;
    let (used, last) = (column(share.used_bytes), column(share.last_version));
    tx.execute(&statement, &[&connection, &scope.package, &used, &last])
        .await?;
    Ok(())
}
