//! Connections in their table.

use rusqlite::{OptionalExtension as _, Row, Transaction, named_params, params};
use serde::de::DeserializeOwned;

use super::worker::Failure;
use crate::grant::{ConnectionGrants, GrantChange, Grants};
use crate::store::columns::{self, column, json, number};
use crate::store::{ConnectionKey, ConnectionRecord, StoreError};

const COLUMNS: &str = "tenant, name, package, login_origin, origin, identity, flow, client_id, \
     redirect_uri, scopes, username, state, state_reason, settings, local_origins, reserve, \
     grants, created_ms, updated_ms";

/// The row that everything of a connection hangs on.
pub(super) fn id(tx: &Transaction<'_>, key: &ConnectionKey) -> Result<i64, Failure> {
    tx.prepare_cached("SELECT id FROM connections WHERE tenant = ?1 AND name = ?2")?
        .query_row(params![key.tenant(), key.name()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::NotFound(key.clone()).into())
}

pub(super) fn insert(tx: &Transaction<'_>, record: &ConnectionRecord) -> Result<(), Failure> {
    let (state, reason) = columns::of_state(&record.state);
    let inserted = tx
        .prepare_cached(
            "INSERT INTO connections (tenant, name, package, login_origin, origin, identity, flow, \
             client_id, redirect_uri, scopes, username, state, state_reason, settings, \
             local_origins, reserve, grants, created_ms, updated_ms) \
             VALUES (:tenant, :name, :package, :login_origin, :origin, :identity, :flow, \
             :client_id, :redirect_uri, :scopes, :username, :state, :state_reason, :settings, \
             :local_origins, :reserve, :grants, :created_ms, :updated_ms) \
             ON CONFLICT (tenant, name) DO NOTHING",
        )?
        .execute(named_params! {
            ":tenant": record.key.tenant(),
            ":name": record.key.name(),
            ":package": record.package,
            ":login_origin": record.login_origin,
            ":origin": record.origin,
            ":identity": record.identity,
            ":flow": record.flow.name(),
            ":client_id": record.client_id,
            ":redirect_uri": record.redirect_uri,
            ":scopes": json(&record.scopes)?,
            ":username": record.username,
            ":state": state,
            ":state_reason": reason,
            ":settings": json(&record.settings)?,
            ":local_origins": json(&record.local_origins)?,
            ":reserve": json(&record.reserve)?,
            ":grants": record.grants.as_ref().map(json).transpose()?,
            ":created_ms": column(record.created_ms),
            ":updated_ms": column(record.updated_ms),
        })?;
    if inserted == 0 {
        return Err(StoreError::Exists(record.key.clone()).into());
    }
    Ok(())
}

pub(super) fn update(tx: &Transaction<'_>, record: &ConnectionRecord) -> Result<(), Failure> {
    let id = id(tx, &record.key)?;
    tx.prepare_cached(
        "UPDATE connections SET package = :package, login_origin = :login_origin, flow = :flow, \
         client_id = :client_id, redirect_uri = :redirect_uri, scopes = :scopes, \
         username = :username, settings = :settings, local_origins = :local_origins, \
         reserve = :reserve, updated_ms = :updated_ms WHERE id = :id",
    )?
    .execute(named_params! {
        ":id": id,
        ":package": record.package,
        ":login_origin": record.login_origin,
        ":flow": record.flow.name(),
        ":client_id": record.client_id,
        ":redirect_uri": record.redirect_uri,
        ":scopes": json(&record.scopes)?,
        ":username": record.username,
        ":settings": json(&record.settings)?,
        ":local_origins": json(&record.local_origins)?,
        ":reserve": json(&record.reserve)?,
        ":updated_ms": column(record.updated_ms),
    })?;
    Ok(())
}

pub(super) fn change_grants(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    change: &GrantChange,
    at_ms: u64,
) -> Result<ConnectionRecord, Failure> {
    let mut record = one(tx, key)?;
    record.grants = Some(columns::changed_grants(record.grants, change));
    record.updated_ms = at_ms;
    tx.prepare_cached(
        "UPDATE connections SET grants = ?3, updated_ms = ?4 WHERE tenant = ?1 AND name = ?2",
    )?
    .execute(params![
        key.tenant(),
        key.name(),
        json(&record.grants)?,
        column(at_ms)
    ])?;
    Ok(record)
}

pub(super) fn settle_grants(
    tx: &Transaction<'_>,
    package: &str,
    grants: &Grants,
) -> Result<u64, Failure> {
    let grants = json(&ConnectionGrants::decided(grants, grants))?;
    let settled = tx
        .prepare_cached("UPDATE connections SET grants = ?2 WHERE package = ?1 AND grants IS NULL")?
        .execute(params![package, grants])?;
    Ok(settled as u64)
}

pub(super) fn one(tx: &Transaction<'_>, key: &ConnectionKey) -> Result<ConnectionRecord, Failure> {
    let mut statement = tx.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM connections WHERE tenant = ?1 AND name = ?2"
    ))?;
    let mut rows = statement.query(params![key.tenant(), key.name()])?;
    match rows.next()? {
        Some(row) => record(row),
        None => Err(StoreError::NotFound(key.clone()).into()),
    }
}

pub(super) fn list(
    tx: &Transaction<'_>,
    tenant: Option<&str>,
) -> Result<Vec<ConnectionRecord>, Failure> {
    let which = match tenant {
        Some(_) => "WHERE tenant = ?1",
        None => "WHERE ?1 IS NULL",
    };
    let mut statement = tx.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM connections {which} ORDER BY tenant, name"
    ))?;
    let mut rows = statement.query([tenant])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(records)
}

pub(super) fn erase(tx: &Transaction<'_>, key: &ConnectionKey) -> Result<(), Failure> {
    let id = id(tx, key)?;
    tx.prepare_cached("DELETE FROM connections WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

pub(super) fn erase_tenant(tx: &Transaction<'_>, tenant: &str) -> Result<u64, Failure> {
    let erased = tx
        .prepare_cached("DELETE FROM connections WHERE tenant = ?1")?
        .execute([tenant])?;
    Ok(erased as u64)
}

/// The two names of a connection as they were stored.
pub(super) fn key(tenant: &str, name: &str) -> Result<ConnectionKey, Failure> {
    ConnectionKey::new(tenant, name).map_err(|error| Failure::Damaged(error.to_string()))
}

fn record(row: &Row<'_>) -> Result<ConnectionRecord, Failure> {
    let (tenant, name): (String, String) = (row.get("tenant")?, row.get("name")?);
    let key = key(&tenant, &name)?;
    let damaged = |column: &str| Failure::Damaged(format!("{column} of connection {key}"));
    let flow_name: String = row.get("flow")?;
    let state_name: String = row.get("state")?;
    Ok(ConnectionRecord {
        package: row.get("package")?,
        login_origin: row.get("login_origin")?,
        origin: row.get("origin")?,
        identity: row.get("identity")?,
        flow: columns::flow(&flow_name).ok_or_else(|| damaged("flow"))?,
        client_id: row.get("client_id")?,
        redirect_uri: row.get("redirect_uri")?,
        scopes: parsed(row, "scopes").ok_or_else(|| damaged("scopes"))?,
        username: row.get("username")?,
        state: columns::state(&state_name, row.get("state_reason")?)
            .ok_or_else(|| damaged("state"))?,
        settings: parsed(row, "settings").ok_or_else(|| damaged("settings"))?,
        local_origins: parsed(row, "local_origins").ok_or_else(|| damaged("local_origins"))?,
        reserve: parsed(row, "reserve").ok_or_else(|| damaged("reserve"))?,
        grants: grants(row).ok_or_else(|| damaged("grants"))?,
        created_ms: number(row.get("created_ms")?),
        updated_ms: number(row.get("updated_ms")?),
        key,
    })
}

fn grants(row: &Row<'_>) -> Option<Option<ConnectionGrants>> {
    match row.get("grants").ok()? {
        None => Some(None),
        Some::<String>(text) => columns::parsed(&text).map(Some),
    }
}

fn parsed<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Option<T> {
    let text: String = row.get(column).ok()?;
    columns::parsed(&text)
}
