//! Connections in their table.

use deadpool_postgres::Transaction;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use super::errors::Failure;
use crate::grant::{ConnectionGrants, GrantChange, Grants};
use crate::store::columns::{self, column, json, number};
use crate::store::{ConnectionKey, ConnectionRecord, StoreError};

const COLUMNS: &str = "tenant, name, package, login_origin, origin, identity, flow, client_id, \
     redirect_uri, scopes, username, state, state_reason, settings, local_origins, reserve, \
     grants, created_ms, updated_ms";

/// What a transaction wants with the row that everything of a connection hangs on.
#[derive(Clone, Copy)]
pub(super) enum Hold {
    /// To read what hangs on it.
    Nothing,
    /// That it is not erased meanwhile.
    There,
    /// To be the only one who writes what hangs on it.
    Alone,
}

/// The row that everything of a connection hangs on.
pub(super) async fn id(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    hold: Hold,
) -> Result<i64, Failure> {
    let sql = match hold {
        Hold::Nothing => "SELECT id FROM connections WHERE tenant = $1 AND name = $2",
        Hold::There => "SELECT id FROM connections WHERE tenant = $1 AND name = $2 FOR KEY SHARE",
        Hold::Alone => {
            "SELECT id FROM connections WHERE tenant = $1 AND name = $2 FOR NO KEY UPDATE"
        }
    };
    let statement = tx.prepare_cached(sql).await?;
    let row = tx
        .query_opt(&statement, &[&key.tenant(), &key.name()])
        .await?;
    match row {
        Some(row) => Ok(row.try_get(0)?),
        None => Err(StoreError::NotFound(key.clone()).into()),
    }
}

pub(super) async fn insert(tx: &Transaction<'_>, record: &ConnectionRecord) -> Result<(), Failure> {
    let (state, reason) = columns::of_state(&record.state);
    let statement = tx
        .prepare_cached(
            "INSERT INTO connections (tenant, name, package, login_origin, origin, identity, flow, \
             client_id, redirect_uri, scopes, username, state, state_reason, settings, \
             local_origins, reserve, grants, created_ms, updated_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
             $18, $19) ON CONFLICT (tenant, name) DO NOTHING",
        )
        .await?;
    let inserted = tx
        .execute(
            &statement,
            &[
                &record.key.tenant(),
                &record.key.name(),
                &record.package,
                &record.login_origin,
                &record.origin,
                &record.identity,
                &record.flow.name(),
                &record.client_id,
                &record.redirect_uri,
                &json(&record.scopes)?,
                &record.username,
                &state,
                &reason,
                &json(&record.settings)?,
                &json(&record.local_origins)?,
                &json(&record.reserve)?,
                &record.grants.as_ref().map(json).transpose()?,
                &column(record.created_ms),
                &column(record.updated_ms),
            ],
        )
        .await?;
    if inserted == 0 {
        return Err(StoreError::Exists(record.key.clone()).into());
    }
    Ok(())
}

pub(super) async fn update(tx: &Transaction<'_>, record: &ConnectionRecord) -> Result<(), Failure> {
    let id = id(tx, &record.key, Hold::Alone).await?;
    let statement = tx
        .prepare_cached(
            "UPDATE connections SET package = $2, login_origin = $3, flow = $4, client_id = $5, \
             redirect_uri = $6, scopes = $7, username = $8, settings = $9, local_origins = $10, \
             reserve = $11, updated_ms = $12 WHERE id = $1",
        )
        .await?;
    tx.execute(
        &statement,
        &[
            &id,
            &record.package,
            &record.login_origin,
            &record.flow.name(),
            &record.client_id,
            &record.redirect_uri,
            &json(&record.scopes)?,
            &record.username,
            &json(&record.settings)?,
            &json(&record.local_origins)?,
            &json(&record.reserve)?,
            &column(record.updated_ms),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn change_grants(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    change: &GrantChange,
    at_ms: u64,
) -> Result<ConnectionRecord, Failure> {
    let id = id(tx, key, Hold::Alone).await?;
    let mut record = one(tx, key).await?;
    record.grants = Some(columns::changed_grants(record.grants, change));
    record.updated_ms = at_ms;
    let statement = tx
        .prepare_cached("UPDATE connections SET grants = $2, updated_ms = $3 WHERE id = $1")
        .await?;
    let grants = json(&record.grants)?;
    tx.execute(&statement, &[&id, &grants, &column(at_ms)])
        .await?;
    Ok(record)
}

pub(super) async fn settle_grants(
    tx: &Transaction<'_>,
    package: &str,
    grants: &Grants,
) -> Result<u64, Failure> {
    let grants = json(&ConnectionGrants::decided(grants, grants))?;
    let statement = tx
        .prepare_cached("UPDATE connections SET grants = $2 WHERE package = $1 AND grants IS NULL")
        .await?;
    Ok(tx.execute(&statement, &[&package, &grants]).await?)
}

pub(super) async fn one(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
) -> Result<ConnectionRecord, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM connections WHERE tenant = $1 AND name = $2");
    let statement = tx.prepare_cached(&sql).await?;
    match tx
        .query_opt(&statement, &[&key.tenant(), &key.name()])
        .await?
    {
        Some(row) => record(&row),
        None => Err(StoreError::NotFound(key.clone()).into()),
    }
}

pub(super) async fn list(
    tx: &Transaction<'_>,
    tenant: Option<&str>,
) -> Result<Vec<ConnectionRecord>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM connections WHERE $1::text IS NULL OR tenant = $1 \
         ORDER BY tenant, name"
    );
    let statement = tx.prepare_cached(&sql).await?;
    let rows = tx.query(&statement, &[&tenant]).await?;
    rows.iter().map(record).collect()
}

pub(super) async fn erase(tx: &Transaction<'_>, key: &ConnectionKey) -> Result<(), Failure> {
    let id = id(tx, key, Hold::Alone).await?;
    let statement = tx
        .prepare_cached("DELETE FROM connections WHERE id = $1")
        .await?;
    tx.execute(&statement, &[&id]).await?;
    Ok(())
}

pub(super) async fn erase_tenant(tx: &Transaction<'_>, tenant: &str) -> Result<u64, Failure> {
    let statement = tx
        .prepare_cached("DELETE FROM connections WHERE tenant = $1")
        .await?;
    Ok(tx.execute(&statement, &[&tenant]).await?)
}

/// The two names of a connection as they were stored.
pub(super) fn key(tenant: &str, name: &str) -> Result<ConnectionKey, Failure> {
    ConnectionKey::new(tenant, name).map_err(|error| Failure::Damaged(error.to_string()))
}

fn record(row: &Row) -> Result<ConnectionRecord, Failure> {
    let key = key(row.try_get("tenant")?, row.try_get("name")?)?;
    let damaged = |column: &str| Failure::Damaged(format!("{column} of connection {key}"));
    Ok(ConnectionRecord {
        package: row.try_get("package")?,
        login_origin: row.try_get("login_origin")?,
        origin: row.try_get("origin")?,
        identity: row.try_get("identity")?,
        flow: columns::flow(row.try_get("flow")?).ok_or_else(|| damaged("flow"))?,
        client_id: row.try_get("client_id")?,
        redirect_uri: row.try_get("redirect_uri")?,
        scopes: parsed(row, "scopes").ok_or_else(|| damaged("scopes"))?,
        username: row.try_get("username")?,
        state: columns::state(row.try_get("state")?, row.try_get("state_reason")?)
            .ok_or_else(|| damaged("state"))?,
        settings: parsed(row, "settings").ok_or_else(|| damaged("settings"))?,
        local_origins: parsed(row, "local_origins").ok_or_else(|| damaged("local_origins"))?,
        reserve: parsed(row, "reserve").ok_or_else(|| damaged("reserve"))?,
        grants: grants(row).ok_or_else(|| damaged("grants"))?,
        created_ms: number(row.try_get("created_ms")?),
        updated_ms: number(row.try_get("updated_ms")?),
        key,
    })
}

fn grants(row: &Row) -> Option<Option<ConnectionGrants>> {
    match row.try_get::<_, Option<&str>>("grants").ok()? {
        None => Some(None),
        Some(text) => columns::parsed(text).map(Some),
    }
}

fn parsed<T: DeserializeOwned>(row: &Row, column: &str) -> Option<T> {
    columns::parsed(row.try_get(column).ok()?)
}
