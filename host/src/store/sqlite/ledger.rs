//! Ledgers of calls in their tables.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::connections;
use super::worker::Failure;
use crate::store::columns::{column, number};
use crate::store::{ConnectionKey, LedgerBucket, LedgerObservation};

pub(super) fn add(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    calls: &[LedgerBucket],
    observed: Option<LedgerObservation>,
) -> Result<(), Failure> {
    let connection = connections::id(tx, key)?;
    let mut statement = tx.prepare_cached(
        "INSERT INTO ledger_buckets (connection, start_ms, calls) VALUES (?1, ?2, ?3) \
         ON CONFLICT (connection, start_ms) DO UPDATE SET calls = calls + excluded.calls",
    )?;
    for bucket in calls {
        statement.execute(params![
            connection,
            column(bucket.start_ms),
            column(bucket.calls)
        ])?;
    }
    if let Some(observed) = observed {
        tx.prepare_cached(
            "INSERT INTO ledger_observations (connection, used_calls, limit_calls, at_ms) \
             VALUES (?1, ?2, ?3, ?4) ON CONFLICT (connection) DO UPDATE \
             SET used_calls = excluded.used_calls, limit_calls = excluded.limit_calls, \
             at_ms = excluded.at_ms WHERE excluded.at_ms >= ledger_observations.at_ms",
        )?
        .execute(params![
            connection,
            column(observed.used),
            column(observed.limit),
            column(observed.at_ms)
        ])?;
    }
    Ok(())
}

pub(super) fn load(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    since_ms: u64,
) -> Result<(Vec<LedgerBucket>, Option<LedgerObservation>), Failure> {
    let connection = connections::id(tx, key)?;
    let buckets = tx
        .prepare_cached(
            "SELECT start_ms, calls FROM ledger_buckets \
             WHERE connection = ?1 AND start_ms >= ?2 ORDER BY start_ms",
        )?
        .query_map(params![connection, column(since_ms)], |row| {
            Ok(LedgerBucket {
                start_ms: number(row.get(0)?),
                calls: number(row.get(1)?),
            })
        })?
        .collect::<Result<_, _>>()?;
    let observed = tx
        .prepare_cached(
            "SELECT used_calls, limit_calls, at_ms FROM ledger_observations WHERE connection = ?1",
        )?
        .query_row([connection], |row| {
            Ok(LedgerObservation {
                used: number(row.get(0)?),
                limit: number(row.get(1)?),
                at_ms: number(row.get(2)?),
            })
        })
        .optional()?;
    Ok((buckets, observed))
}

pub(super) fn prune(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    before_ms: u64,
) -> Result<u64, Failure> {
    let connection = connections::id(tx, key)?;
    let pruned = tx
        .prepare_cached("DELETE FROM ledger_buckets WHERE connection = ?1 AND start_ms < ?2")?
        .execute(params![connection, column(before_ms)])?;
    Ok(pruned as u64)
}
