//! Authorizations under way, in their table.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::connections;
use super::worker::Failure;
use crate::store::columns::{column, number};
use crate::store::{Authorization, ConnectionKey, StoreError};

pub(super) fn put(
    tx: &Transaction<'_>,
    state_digest: [u8; 32],
    authorization: &Authorization,
) -> Result<(), Failure> {
    let connection = connections::id(tx, &authorization.key)?;
    let inserted = tx
        .prepare_cached(
            "INSERT INTO authorizations \
             (state_digest, connection, sealed_verifier, redirect_uri, expires_at_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (state_digest) DO NOTHING",
        )?
        .execute(params![
            state_digest,
            connection,
            authorization.sealed_verifier,
            authorization.redirect_uri,
            column(authorization.expires_at_ms),
        ])?;
    if inserted == 0 {
        return Err(StoreError::Conflict { current: 1 }.into());
    }
    Ok(())
}

pub(super) fn take(
    tx: &Transaction<'_>,
    state_digest: [u8; 32],
    now_ms: u64,
) -> Result<Option<Authorization>, Failure> {
    let found = tx
        .prepare_cached(
            "SELECT c.tenant, c.name, a.sealed_verifier, a.redirect_uri, a.expires_at_ms \
             FROM authorizations a JOIN connections c ON c.id = a.connection \
             WHERE a.state_digest = ?1",
        )?
        .query_row([state_digest], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        })
        .optional()?;
    let Some((tenant, name, sealed_verifier, redirect_uri, expires_at_ms)) = found else {
        return Ok(None);
    };
    tx.prepare_cached("DELETE FROM authorizations WHERE state_digest = ?1")?
        .execute([state_digest])?;
    let expires_at_ms = number(expires_at_ms);
    if expires_at_ms <= now_ms {
        return Ok(None);
    }
    Ok(Some(Authorization {
        key: ConnectionKey::new(&tenant, &name)
            .map_err(|error| Failure::Damaged(error.to_string()))?,
        sealed_verifier,
        redirect_uri,
        expires_at_ms,
    }))
}

pub(super) fn purge(tx: &Transaction<'_>, now_ms: u64) -> Result<u64, Failure> {
    let purged = tx
        .prepare_cached("DELETE FROM authorizations WHERE expires_at_ms <= ?1")?
        .execute([column(now_ms)])?;
    Ok(purged as u64)
}
