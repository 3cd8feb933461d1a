//! Sealed secrets in their table, and what changes together with the tokens.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::connections;
use super::worker::Failure;
use crate::store::columns::{self, column, number};
use crate::store::{ConnectionKey, ConnectionState, Sealed, StoreError, TOKENS, TokenUpdate};

pub(super) fn key_check(tx: &Transaction<'_>, fresh: &[u8]) -> Result<Vec<u8>, Failure> {
    tx.prepare_cached(
        "INSERT INTO key_check (only, sealed) VALUES (1, ?1) ON CONFLICT (only) DO NOTHING",
    )?
    .execute([fresh])?;
    Ok(tx
        .prepare_cached("SELECT sealed FROM key_check")?
        .query_row([], |row| row.get(0))?)
}

pub(super) fn replace_key_check(
    tx: &Transaction<'_>,
    old: &[u8],
    fresh: &[u8],
) -> Result<(), Failure> {
    let replaced = tx
        .prepare_cached("UPDATE key_check SET sealed = ?2 WHERE sealed = ?1")?
        .execute([old, fresh])?;
    match replaced {
        0 => Err(StoreError::Conflict { current: 0 }.into()),
        _ => Ok(()),
    }
}

/// All secrets by connection and name.
pub(super) fn names(tx: &Transaction<'_>) -> Result<Vec<(ConnectionKey, String)>, Failure> {
    let mut statement = tx.prepare_cached(
        "SELECT connections.tenant, connections.name, secrets.name FROM secrets \
         JOIN connections ON connections.id = secrets.connection \
         ORDER BY connections.tenant, connections.name, secrets.name",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut names = Vec::new();
    for row in rows {
        let (tenant, connection, name): (String, String, String) = row?;
        names.push((connections::key(&tenant, &connection)?, name));
    }
    Ok(names)
}

pub(super) fn put(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    name: &str,
    expected: Option<u64>,
    sealed: &Sealed,
) -> Result<(), Failure> {
    let connection = connections::id(tx, key)?;
    put_at(tx, connection, name, expected, sealed)
}

pub(super) fn get(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    name: &str,
) -> Result<Option<Sealed>, Failure> {
    let connection = connections::id(tx, key)?;
    Ok(tx
        .prepare_cached("SELECT version, sealed FROM secrets WHERE connection = ?1 AND name = ?2")?
        .query_row(params![connection, name], |row| {
            Ok(Sealed {
                version: number(row.get(0)?),
                bytes: row.get(1)?,
            })
        })
        .optional()?)
}

pub(super) fn delete(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    name: &str,
) -> Result<bool, Failure> {
    let connection = connections::id(tx, key)?;
    let deleted = tx
        .prepare_cached("DELETE FROM secrets WHERE connection = ?1 AND name = ?2")?
        .execute(params![connection, name])?;
    Ok(deleted > 0)
}

pub(super) fn save_tokens(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    update: &TokenUpdate,
) -> Result<(), Failure> {
    let connection = connections::id(tx, key)?;
    put_at(tx, connection, TOKENS, update.expected, &update.sealed)?;
    tx.prepare_cached("UPDATE connections SET origin = ?2, identity = ?3 WHERE id = ?1")?
        .execute(params![connection, update.origin, update.identity])?;
    set_state_at(tx, connection, &update.state, update.at_ms)
}

pub(super) fn set_state(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    expected: Option<u64>,
    state: &ConnectionState,
    at_ms: u64,
) -> Result<(), Failure> {
    let connection = connections::id(tx, key)?;
    expect(tx, connection, TOKENS, expected)?;
    set_state_at(tx, connection, state, at_ms)
}

fn set_state_at(
    tx: &Transaction<'_>,
    connection: i64,
    state: &ConnectionState,
    at_ms: u64,
) -> Result<(), Failure> {
    let (state, reason) = columns::of_state(state);
    tx.prepare_cached(
        "UPDATE connections SET state = ?2, state_reason = ?3, updated_ms = ?4 WHERE id = ?1",
    )?
    .execute(params![connection, state, reason, column(at_ms)])?;
    Ok(())
}

fn put_at(
    tx: &Transaction<'_>,
    connection: i64,
    name: &str,
    expected: Option<u64>,
    sealed: &Sealed,
) -> Result<(), Failure> {
    expect(tx, connection, name, expected)?;
    let replaced = expected.unwrap_or(0);
    if sealed.version <= replaced {
        return Err(StoreError::BadVersion {
            given: sealed.version,
            expected: replaced,
        }
        .into());
    }
    tx.prepare_cached(
        "INSERT INTO secrets (connection, name, version, sealed) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (connection, name) \
         DO UPDATE SET version = excluded.version, sealed = excluded.sealed",
    )?
    .execute(params![
        connection,
        name,
        column(sealed.version),
        sealed.bytes
    ])?;
    Ok(())
}

/// The compare of compare-and-swap.
fn expect(
    tx: &Transaction<'_>,
    connection: i64,
    name: &str,
    expected: Option<u64>,
) -> Result<(), Failure> {
    let current = tx
        .prepare_cached("SELECT version FROM secrets WHERE connection = ?1 AND name = ?2")?
        .query_row(params![connection, name], |row| row.get(0))
        .optional()?
        .map(number);
    if current == expected {
        Ok(())
    } else {
        Err(StoreError::Conflict {
            current: current.unwrap_or(0),
        }
        .into())
    }
}
