//! Sealed secrets in their table, and what changes together with the tokens.

use deadpool_postgres::Transaction;

use super::connections::{self, Hold};
use super::errors::Failure;
use crate::store::columns::{self, column, number};
use crate::store::{ConnectionKey, ConnectionState, Sealed, StoreError, TOKENS, TokenUpdate};

pub(super) async fn key_check(tx: &Transaction<'_>, fresh: &[u8]) -> Result<Vec<u8>, Failure> {
    // Whoever comes second waits for the first here, and then sees its row.
    let insert = "INSERT INTO key_check (only_one, sealed) VALUES (true, $1) \
                  ON CONFLICT (only_one) DO NOTHING";
    tx.execute(insert, &[&fresh]).await?;
    let row = tx.query_one("SELECT sealed FROM key_check", &[]).await?;
    Ok(row.try_get(0)?)
}

pub(super) async fn replace_key_check(
    tx: &Transaction<'_>,
    old: &[u8],
    fresh: &[u8],
) -> Result<(), Failure> {
    let replace = "UPDATE key_check SET sealed = $2 WHERE sealed = $1";
    match tx.execute(replace, &[&old, &fresh]).await? {
        0 => Err(StoreError::Conflict { current: 0 }.into()),
        _ => Ok(()),
    }
}

/// All secrets by connection and name.
pub(super) async fn names(tx: &Transaction<'_>) -> Result<Vec<(ConnectionKey, String)>, Failure> {
    let list = "SELECT connections.tenant, connections.name, secrets.name FROM secrets \
                JOIN connections ON connections.id = secrets.connection \
                ORDER BY connections.tenant, connections.name, secrets.name";
    let rows = tx.query(list, &[]).await?;
    rows.iter()
        .map(|row| {
            let key = connections::key(row.try_get(0)?, row.try_get(1)?)?;
            Ok((key, row.try_get(2)?))
        })
        .collect()
}

pub(super) async fn put(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    name: &str,
    expected: Option<u64>,
    sealed: &Sealed,
) -> Result<(), Failure> {
    let connection = connections::id(tx, key, Hold::Alone).await?;
    put_at(tx, connection, name, expected, sealed).await
}

pub(super) async fn get(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    name: &str,
) -> Result<Option<Sealed>, Failure> {
    let connection = connections::id(tx, key, Hold::Nothing).await?;
    let statement = tx
        .prepare_cached("SELECT version, sealed FROM secrets WHERE connection = $1 AND name = $2")
        .await?;
    match tx.query_opt(&statement, &[&connection, &name]).await? {
        Some(row) => Ok(Some(Sealed {
            version: number(row.try_get(0)?),
            bytes: row.try_get(1)?,
        })),
        None => Ok(None),
    }
}

pub(super) async fn delete(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    name: &str,
) -> Result<bool, Failure> {
    let connection = connections::id(tx, key, Hold::Alone).await?;
    let statement = tx
        .prepare_cached("DELETE FROM secrets WHERE connection = $1 AND name = $2")
        .await?;
    Ok(tx.execute(&statement, &[&connection, &name]).await? > 0)
}

pub(super) async fn save_tokens(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    update: &TokenUpdate,
) -> Result<(), Failure> {
    let connection = connections::id(tx, key, Hold::Alone).await?;
    put_at(tx, connection, TOKENS, update.expected, &update.sealed).await?;
    let statement = tx
        .prepare_cached("UPDATE connections SET origin = $2, identity = $3 WHERE id = $1")
        .await?;
    tx.execute(&statement, &[&connection, &update.origin, &update.identity])
        .await?;
    set_state_at(tx, connection, &update.state, update.at_ms).await
}

pub(super) async fn set_state(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    expected: Option<u64>,
    state: &ConnectionState,
    at_ms: u64,
) -> Result<(), Failure> {
    let connection = connections::id(tx, key, Hold::Alone).await?;
    expect(tx, connection, TOKENS, expected).await?;
    set_state_at(tx, connection, state, at_ms).await
}

async fn set_state_at(
    tx: &Transaction<'_>,
    connection: i64,
    state: &ConnectionState,
    at_ms: u64,
) -> Result<(), Failure> {
    let (state, reason) = columns::of_state(state);
    let statement = tx
        .prepare_cached(
            "UPDATE connections SET state = $2, state_reason = $3, updated_ms = $4 WHERE id = $1",
        )
        .await?;
    tx.execute(&statement, &[&connection, &state, &reason, &column(at_ms)])
        .await?;
    Ok(())
}

async fn put_at(
    tx: &Transaction<'_>,
    connection: i64,
    name: &str,
    expected: Option<u64>,
    sealed: &Sealed,
) -> Result<(), Failure> {
    expect(tx, connection, name, expected).await?;
    let replaced = expected.unwrap_or(0);
    if sealed.version <= replaced {
        return Err(StoreError::BadVersion {
            given: sealed.version,
            expected: replaced,
        }
        .into());
    }
    let statement = tx
        .prepare_cached(
            "INSERT INTO secrets (connection, name, version, sealed) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (connection, name) \
             DO UPDATE SET version = excluded.version, sealed = excluded.sealed",
        )
        .await?;
    let version = column(sealed.version);
    tx.execute(&statement, &[&connection, &name, &version, &sealed.bytes])
        .await?;
    Ok(())
}

/// The compare of compare-and-swap. Nobody else writes meanwhile: the connection's row
/// is held.
async fn expect(
    tx: &Transaction<'_>,
    connection: i64,
    name: &str,
    expected: Option<u64>,
) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached("SELECT version FROM secrets WHERE connection = $1 AND name = $2")
        .await?;
    let row = tx.query_opt(&statement, &[&connection, &name]).await?;
    let current = match row {
        Some(row) => Some(number(row.try_get(0)?)),
        None => None,
    };
    if current == expected {
        Ok(())
    } else {
        Err(StoreError::Conflict {
            current: current.unwrap_or(0),
        }
        .into())
    }
}
