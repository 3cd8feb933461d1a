//! Authorizations under way, in their table.

use deadpool_postgres::Transaction;

use super::connections::{self, Hold};
use super::errors::Failure;
use crate::store::columns::{column, number};
use crate::store::{Authorization, StoreError};

pub(super) async fn put(
    tx: &Transaction<'_>,
    state_digest: [u8; 32],
    authorization: &Authorization,
) -> Result<(), Failure> {
    let connection = connections::id(tx, &authorization.key, Hold::There).await?;
    let statement = tx
        .prepare_cached(
            "INSERT INTO authorizations \
             (state_digest, connection, sealed_verifier, redirect_uri, expires_at_ms) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (state_digest) DO NOTHING",
        )
        .await?;
    let inserted = tx
        .execute(
            &statement,
            &[
                &state_digest.as_slice(),
                &connection,
                &authorization.sealed_verifier,
                &authorization.redirect_uri,
                &column(authorization.expires_at_ms),
            ],
        )
        .await?;
    if inserted == 0 {
        return Err(StoreError::Conflict { current: 1 }.into());
    }
    Ok(())
}

pub(super) async fn take(
    tx: &Transaction<'_>,
    state_digest: [u8; 32],
    now_ms: u64,
) -> Result<Option<Authorization>, Failure> {
    // Of several that take it at a time one deletes it, and only that one gets it.
    let statement = tx
        .prepare_cached(
            "DELETE FROM authorizations a USING connections c \
             WHERE a.state_digest = $1 AND c.id = a.connection \
             RETURNING c.tenant, c.name, a.sealed_verifier, a.redirect_uri, a.expires_at_ms",
        )
        .await?;
    let row = tx
        .query_opt(&statement, &[&state_digest.as_slice()])
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let expires_at_ms = number(row.try_get(4)?);
    if expires_at_ms <= now_ms {
        return Ok(None);
    }
    Ok(Some(Authorization {
        key: connections::key(row.try_get(0)?, row.try_get(1)?)?,
        sealed_verifier: row.try_get(2)?,
        redirect_uri: row.try_get(3)?,
        expires_at_ms,
    }))
}

pub(super) async fn purge(tx: &Transaction<'_>, now_ms: u64) -> Result<u64, Failure> {
    let statement = tx
        .prepare_cached("DELETE FROM authorizations WHERE expires_at_ms <= $1")
        .await?;
    Ok(tx.execute(&statement, &[&column(now_ms)]).await?)
}
