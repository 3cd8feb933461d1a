//! Ledgers of calls in their tables.

use deadpool_postgres::Transaction;

use super::connections::{self, Hold};
use super::errors::Failure;
use crate::store::columns::{column, number};
use crate::store::{ConnectionKey, LedgerBucket, LedgerObservation};

pub(super) async fn add(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    calls: &[LedgerBucket],
    observed: Option<&LedgerObservation>,
) -> Result<(), Failure> {
    let connection = connections::id(tx, key, Hold::There).await?;
    let statement = tx
        .prepare_cached(
            "INSERT INTO ledger_buckets (connection, start_ms, calls) VALUES ($1, $2, $3) \
             ON CONFLICT (connection, start_ms) \
             DO UPDATE SET calls = ledger_buckets.calls + excluded.calls",
        )
        .await?;
    // In one order in every host, so that no two wait for each other.
    let mut calls = calls.to_owned();
    calls.sort_unstable_by_key(|bucket| bucket.start_ms);
    for bucket in calls {
        let (start_ms, calls) = (column(bucket.start_ms), column(bucket.calls));
        tx.execute(&statement, &[&connection, &start_ms, &calls])
            .await?;
    }
    if let Some(observed) = observed {
        let statement = tx
            .prepare_cached(
                "INSERT INTO ledger_observations (connection, used_calls, limit_calls, at_ms) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT (connection) DO UPDATE \
                 SET used_calls = excluded.used_calls, limit_calls = excluded.limit_calls, \
                 at_ms = excluded.at_ms WHERE excluded.at_ms >= ledger_observations.at_ms",
            )
            .await?;
        let (used, limit) = (column(observed.used), column(observed.limit));
        let at_ms = column(observed.at_ms);
        tx.execute(&statement, &[&connection, &used, &limit, &at_ms])
            .await?;
    }
    Ok(())
}

pub(super) async fn load(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    since_ms: u64,
) -> Result<(Vec<LedgerBucket>, Option<LedgerObservation>), Failure> {
    let connection = connections::id(tx, key, Hold::Nothing).await?;
    let statement = tx
        .prepare_cached(
            "SELECT start_ms, calls FROM ledger_buckets \
             WHERE connection = $1 AND start_ms >= $2 ORDER BY start_ms",
        )
        .await?;
    let rows = tx
        .query(&statement, &[&connection, &column(since_ms)])
        .await?;
    let mut buckets = Vec::with_capacity(rows.len());
    for row in rows {
        buckets.push(LedgerBucket {
            start_ms: number(row.try_get(0)?),
            calls: number(row.try_get(1)?),
        });
    }
    let statement = tx
        .prepare_cached(
            "SELECT used_calls, limit_calls, at_ms FROM ledger_observations WHERE connection = $1",
        )
        .await?;
    let observed = match tx.query_opt(&statement, &[&connection]).await? {
        Some(row) => Some(LedgerObservation {
            used: number(row.try_get(0)?),
            limit: number(row.try_get(1)?),
            at_ms: number(row.try_get(2)?),
        }),
        None => None,
    };
    Ok((buckets, observed))
}

pub(super) async fn prune(
    tx: &Transaction<'_>,
    key: &ConnectionKey,
    before_ms: u64,
) -> Result<u64, Failure> {
    let connection = connections::id(tx, key, Hold::There).await?;
    let statement = tx
        .prepare_cached("DELETE FROM ledger_buckets WHERE connection = $1 AND start_ms < $2")
        .await?;
    Ok(tx
        .execute(&statement, &[&connection, &column(before_ms)])
        .await?)
}
