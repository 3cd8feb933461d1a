//! Queues in their tables. What changes how full a queue is locks its row first; what
//! takes items passes over those that somebody else is taking.

use deadpool_postgres::Transaction;
use tokio_postgres::Row;

use super::connections::{self, Hold};
use super::errors::Failure;
use crate::store::columns::{column, number, tries};
use crate::store::queue::{CLOCK_NOTED_EVERY_MS, CLOCK_SKEW_MS, cost, cut};
use crate::store::{
    ListedItem, MAX_QUEUE_PAGE_BYTES, MAX_QUEUE_PAGE_ITEMS, QueueCounts, QueueKey, QueueOutcome,
    QueuePage, QueueProblem, QueuePut, QueueState, QueueTake, Settled, StoreError, Taken,
    TakenItem, Which,
};

pub(super) async fn put(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    put: &QueuePut,
) -> Result<u64, Failure> {
    let connection = connections::id(tx, &queue.connection, Hold::There).await?;
    let make = tx
        .prepare_cached(
            "INSERT INTO queues (connection, name, used_bytes, done) VALUES ($1, $2, 0, 0) \
             ON CONFLICT (connection, name) DO NOTHING",
        )
        .await?;
    tx.execute(&make, &[&connection, &queue.name]).await?;
    let lock = tx
        .prepare_cached(
            "SELECT id, used_bytes FROM queues WHERE connection = $1 AND name = $2 FOR UPDATE",
        )
        .await?;
    let row = tx.query_one(&lock, &[&connection, &queue.name]).await?;
    let (id, before_bytes): (i64, u64) = (row.try_get(0)?, number(row.try_get(1)?));
    let insert = tx
        .prepare_cached(
            "INSERT INTO queue_items (queue, id, state, bytes, put_ms, due_ms, tries) \
             VALUES ($1, $2, 'waiting', $3, $4, $4, 0) ON CONFLICT (queue, id) DO NOTHING",
        )
        .await?;
    let (mut new, mut used_bytes) = (0, before_bytes);
    for item in &put.items {
        let at_ms = column(put.at_ms);
        if tx
            .execute(&insert, &[&id, &item.id, &item.bytes, &at_ms])
            .await?
            > 0
        {
            new += 1;
            used_bytes += cost(item.bytes.len() as u64);
        }
    }
    if new > 0 && before_bytes >= put.limit_bytes {
        let limit = put.limit_bytes;
        return Err(StoreError::QueueFull { limit }.into());
    }
    let keep = tx
        .prepare_cached(
            "UPDATE queues SET used_bytes = $2, checkpoint = coalesce($3, checkpoint), \
             clock_ms = greatest(clock_ms, $4) WHERE id = $1",
        )
        .await?;
    let (used_bytes, at_ms) = (column(used_bytes), column(put.at_ms));
    tx.execute(&keep, &[&id, &used_bytes, &put.checkpoint, &at_ms])
        .await?;
    Ok(new)
}

pub(super) async fn checkpoint(
    tx: &Transaction<'_>,
    queue: &QueueKey,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some(id) = id(tx, queue, Hold::Nothing).await? else {
        return Ok(None);
    };
    let read = tx
        .prepare_cached("SELECT checkpoint FROM queues WHERE id = $1")
        .await?;
    Ok(tx.query_one(&read, &[&id]).await?.try_get(0)?)
}

pub(super) async fn take(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    take: QueueTake,
) -> Result<Taken, Failure> {
    let Some(id) = id(tx, queue, Hold::There).await? else {
        return Ok(Taken::default());
    };
    follow_clock(tx, id, take.now_ms).await?;
    // Sizes first: what is taken at a time has a bound in bytes, too.
    let due = tx
        .prepare_cached(
            "SELECT number, length(bytes)::bigint FROM queue_items \
             WHERE queue = $1 AND state = 'waiting' AND due_ms <= $2 \
             ORDER BY due_ms, number LIMIT $3 FOR UPDATE SKIP LOCKED",
        )
        .await?;
    let limit = i64::from(take.limit.min(MAX_QUEUE_PAGE_ITEMS));
    let rows = tx.query(&due, &[&id, &column(take.now_ms), &limit]).await?;
    let (numbers, _) = fitting(&rows, limit)?;
    let leased_until_ms = take.now_ms.saturating_add(take.lease_ms);
    let lease = tx
        .prepare_cached(
            "UPDATE queue_items SET due_ms = $2, tries = tries + 1 WHERE number = ANY($1) \
             RETURNING number, id, bytes, put_ms, tries",
        )
        .await?;
    let rows = tx
        .query(&lease, &[&numbers, &column(leased_until_ms)])
        .await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let item_number: i64 = row.try_get("number")?;
        let item = TakenItem {
            id: row.try_get("id")?,
            bytes: row.try_get("bytes")?,
            put_ms: number(row.try_get("put_ms")?),
            tries: tries(row.try_get("tries")?),
            leased_until_ms,
        };
        let place = numbers.iter().position(|number| *number == item_number);
        items.push((place, item));
    }
    // As they were due, in whatever order they were changed.
    items.sort_unstable_by_key(|(place, _)| *place);
    let next = tx
        .prepare_cached(
            "SELECT min(due_ms) FROM queue_items \
             WHERE queue = $1 AND state = 'waiting' AND number <> ALL($2)",
        )
        .await?;
    let next: Option<i64> = tx.query_one(&next, &[&id, &numbers]).await?.try_get(0)?;
    Ok(Taken {
        items: items.into_iter().map(|(_, item)| item).collect(),
        next_due_ms: next.map(number),
    })
}

/// Notes what time it is, and does away with what a clock that was set back would do, as
/// in SQLite. The queue's row is locked before any item, as by all others.
async fn follow_clock(tx: &Transaction<'_>, queue: i64, now_ms: u64) -> Result<(), Failure> {
    let read = tx
        .prepare_cached("SELECT clock_ms FROM queues WHERE id = $1")
        .await?;
    let is_right = |noted_ms: u64| {
        now_ms.saturating_sub(noted_ms) <= CLOCK_NOTED_EVERY_MS
            && noted_ms.saturating_sub(now_ms) <= CLOCK_SKEW_MS
    };
    if is_right(number(tx.query_one(&read, &[&queue]).await?.try_get(0)?)) {
        return Ok(());
    }
    let lock = tx
        .prepare_cached("SELECT clock_ms FROM queues WHERE id = $1 FOR UPDATE")
        .await?;
    let noted_ms = number(tx.query_one(&lock, &[&queue]).await?.try_get(0)?);
    if is_right(noted_ms) {
        // Another has noted it meanwhile.
        return Ok(());
    }
    if noted_ms > now_ms {
        let back = tx
            .prepare_cached(
                "UPDATE queue_items SET due_ms = greatest(due_ms - $2, 0) \
                 WHERE queue = $1 AND state = 'waiting' AND due_ms > $3",
            )
            .await?;
        let back_ms = column(noted_ms - now_ms);
        tx.execute(&back, &[&queue, &back_ms, &column(now_ms)])
            .await?;
    }
    let note = tx
        .prepare_cached("UPDATE queues SET clock_ms = $2 WHERE id = $1")
        .await?;
    tx.execute(&note, &[&queue, &column(now_ms)]).await?;
    Ok(())
}

/// The numbers of the rows that fit into a page, and whether others were left out. Rows
/// are numbers and sizes.
fn fitting(rows: &[Row], limit: i64) -> Result<(Vec<i64>, bool), Failure> {
    let (mut numbers, mut bytes) = (Vec::new(), 0);
    for row in rows {
        if numbers.len() as i64 == limit || bytes >= MAX_QUEUE_PAGE_BYTES {
            return Ok((numbers, true));
        }
        numbers.push(row.try_get(0)?);
        bytes += number(row.try_get(1)?);
    }
    Ok((numbers, false))
}

pub(super) async fn settle(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    settled: &[Settled],
    at_ms: u64,
) -> Result<u64, Failure> {
    let Some(id) = locked_id(tx, queue).await? else {
        return Ok(0);
    };
    let mut changed = 0;
    for item in settled {
        changed += match &item.outcome {
            QueueOutcome::Done => {
                let done = finish(tx, id, &unfinished(tx, id, &item.id).await?, at_ms).await?;
                let count = tx
                    .prepare_cached("UPDATE queues SET done = done + $2 WHERE id = $1")
                    .await?;
                tx.execute(&count, &[&id, &column(done)]).await?;
                done
            }
            QueueOutcome::Again { due_ms, problem } => {
                let to = ("waiting", *due_ms, cut(problem));
                give_back(tx, id, item, to, at_ms).await?
            }
            QueueOutcome::Dead { problem } => {
                let to = ("dead", at_ms, cut(problem));
                give_back(tx, id, item, to, at_ms).await?
            }
        };
    }
    Ok(changed)
}

/// Puts an item that is still leased to the caller into a state, with the time and the
/// problem that go with it.
async fn give_back(
    tx: &Transaction<'_>,
    queue: i64,
    item: &Settled,
    (state, due_ms, problem): (&str, u64, &str),
    at_ms: u64,
) -> Result<u64, Failure> {
    let give = tx
        .prepare_cached(
            "UPDATE queue_items SET state = $4, due_ms = $5, problem = $6 \
             WHERE queue = $1 AND id = $2 AND state = 'waiting' AND due_ms = $3",
        )
        .await?;
    let (leased, due) = (column(item.leased_until_ms), column(due_ms));
    let changed = tx
        .execute(&give, &[&queue, &item.id, &leased, &state, &due, &problem])
        .await?;
    if changed > 0 {
        let tell = tx
            .prepare_cached(
                "UPDATE queues SET problem = $2, problem_ms = $3, \
                 clock_ms = greatest(clock_ms, $3) WHERE id = $1",
            )
            .await?;
        tx.execute(&tell, &[&queue, &problem, &column(at_ms)])
            .await?;
    }
    Ok(changed)
}

/// An item that is not done; none if there is no such item.
async fn unfinished(tx: &Transaction<'_>, queue: i64, item: &str) -> Result<Vec<Row>, Failure> {
    let find = tx
        .prepare_cached(
            "SELECT number, length(bytes)::bigint FROM queue_items \
             WHERE queue = $1 AND id = $2 AND state <> 'done'",
        )
        .await?;
    Ok(tx.query(&find, &[&queue, &item]).await?)
}

/// The dead items that are meant.
async fn dead(tx: &Transaction<'_>, queue: i64, which: &Which) -> Result<Vec<Row>, Failure> {
    let id = match which {
        Which::One(id) => Some(id),
        Which::All => None,
    };
    let find = tx
        .prepare_cached(
            "SELECT number, length(bytes)::bigint FROM queue_items \
             WHERE queue = $1 AND state = 'dead' AND ($2::text IS NULL OR id = $2)",
        )
        .await?;
    Ok(tx.query(&find, &[&queue, &id]).await?)
}

/// The numbers of items, and what they take of the share together.
fn numbers(items: &[Row]) -> Result<(Vec<i64>, u64), Failure> {
    let (mut numbers, mut costs) = (Vec::with_capacity(items.len()), 0);
    for item in items {
        numbers.push(item.try_get(0)?);
        costs += cost(number(item.try_get(1)?));
    }
    Ok((numbers, costs))
}

/// Takes the bytes of items out of the queue and keeps their ids; gives their number.
async fn finish(
    tx: &Transaction<'_>,
    queue: i64,
    items: &[Row],
    at_ms: u64,
) -> Result<u64, Failure> {
    let (numbers, freed) = numbers(items)?;
    let finish = tx
        .prepare_cached(
            "UPDATE queue_items SET state = 'done', bytes = '', problem = NULL, due_ms = $2 \
             WHERE number = ANY($1)",
        )
        .await?;
    tx.execute(&finish, &[&numbers, &column(at_ms)]).await?;
    let free = tx
        .prepare_cached("UPDATE queues SET used_bytes = greatest(used_bytes - $2, 0) WHERE id = $1")
        .await?;
    tx.execute(&free, &[&queue, &column(freed)]).await?;
    Ok(items.len() as u64)
}

pub(super) async fn list(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    state: QueueState,
    after: Option<u64>,
    limit: u32,
) -> Result<QueuePage, Failure> {
    let mut page = QueuePage::default();
    let limit = i64::from(limit.min(MAX_QUEUE_PAGE_ITEMS));
    let Some(id) = id(tx, queue, Hold::Nothing).await? else {
        return Ok(page);
    };
    if limit == 0 {
        return Ok(page);
    }
    let sizes = tx
        .prepare_cached(
            "SELECT number, length(bytes)::bigint FROM queue_items \
             WHERE queue = $1 AND state = $2 AND number > $3 ORDER BY number LIMIT $4",
        )
        .await?;
    let (state, after) = (state.name(), column(after.unwrap_or(0)));
    let rows = tx
        .query(&sizes, &[&id, &state, &after, &(limit + 1)])
        .await?;
    let (numbers, is_cut) = fitting(&rows, limit)?;
    let read = tx
        .prepare_cached(
            "SELECT number, id, bytes, put_ms, due_ms, tries, problem FROM queue_items \
             WHERE number = ANY($1) ORDER BY number",
        )
        .await?;
    for row in tx.query(&read, &[&numbers]).await? {
        page.items.push(ListedItem {
            number: number(row.try_get("number")?),
            id: row.try_get("id")?,
            bytes: row.try_get("bytes")?,
            put_ms: number(row.try_get("put_ms")?),
            due_ms: number(row.try_get("due_ms")?),
            tries: tries(row.try_get("tries")?),
            problem: row.try_get("problem")?,
        });
    }
    if is_cut {
        page.next = page.items.last().map(|item| item.number);
    }
    Ok(page)
}

pub(super) async fn again(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    which: &Which,
    now_ms: u64,
) -> Result<u64, Failure> {
    let Some(id) = locked_id(tx, queue).await? else {
        return Ok(0);
    };
    let dead = dead(tx, id, which).await?;
    let (numbers, _) = numbers(&dead)?;
    let wait = tx
        .prepare_cached(
            "UPDATE queue_items SET state = 'waiting', tries = 0, due_ms = $2 \
             WHERE number = ANY($1)",
        )
        .await?;
    let n_again = tx.execute(&wait, &[&numbers, &column(now_ms)]).await?;
    let note = tx
        .prepare_cached("UPDATE queues SET clock_ms = greatest(clock_ms, $2) WHERE id = $1")
        .await?;
    tx.execute(&note, &[&id, &column(now_ms)]).await?;
    Ok(n_again)
}

pub(super) async fn discard(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    which: &Which,
    at_ms: u64,
) -> Result<u64, Failure> {
    match locked_id(tx, queue).await? {
        Some(id) => finish(tx, id, &dead(tx, id, which).await?, at_ms).await,
        None => Ok(0),
    }
}

pub(super) async fn counts(tx: &Transaction<'_>, queue: &QueueKey) -> Result<QueueCounts, Failure> {
    let Some(id) = id(tx, queue, Hold::Nothing).await? else {
        return Ok(QueueCounts::default());
    };
    let read = tx
        .prepare_cached(
            "SELECT used_bytes, done, problem, problem_ms, \
             (SELECT count(*) FROM queue_items WHERE queue = $1 AND state = 'waiting') AS waiting, \
             (SELECT count(*) FROM queue_items WHERE queue = $1 AND state = 'dead') AS dead, \
             (SELECT put_ms FROM queue_items WHERE queue = $1 AND state = 'waiting' \
              ORDER BY number LIMIT 1) AS oldest FROM queues WHERE id = $1",
        )
        .await?;
    let row = tx.query_one(&read, &[&id]).await?;
    let problem: Option<String> = row.try_get("problem")?;
    let at_ms: Option<i64> = row.try_get("problem_ms")?;
    let oldest: Option<i64> = row.try_get("oldest")?;
    Ok(QueueCounts {
        waiting: number(row.try_get("waiting")?),
        dead: number(row.try_get("dead")?),
        done: number(row.try_get("done")?),
        oldest_waiting_ms: oldest.map(number),
        used_bytes: number(row.try_get("used_bytes")?),
        last_problem: problem
            .zip(at_ms.map(number))
            .map(|(text, at_ms)| QueueProblem { text, at_ms }),
    })
}

pub(super) async fn prune(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    before_ms: u64,
) -> Result<u64, Failure> {
    let Some(id) = id(tx, queue, Hold::There).await? else {
        return Ok(0);
    };
    let prune = tx
        .prepare_cached(
            "DELETE FROM queue_items WHERE queue = $1 AND state = 'done' AND due_ms < $2",
        )
        .await?;
    Ok(tx.execute(&prune, &[&id, &column(before_ms)]).await?)
}

pub(super) async fn erase(tx: &Transaction<'_>, queue: &QueueKey) -> Result<bool, Failure> {
    let Some(id) = locked_id(tx, queue).await? else {
        return Ok(false);
    };
    let erase = tx
        .prepare_cached("DELETE FROM queues WHERE id = $1")
        .await?;
    tx.execute(&erase, &[&id]).await?;
    Ok(true)
}

/// The row that everything of a queue hangs on; `None` if nothing was put yet.
async fn id(tx: &Transaction<'_>, queue: &QueueKey, hold: Hold) -> Result<Option<i64>, Failure> {
    let connection = connections::id(tx, &queue.connection, hold).await?;
    let find = tx
        .prepare_cached("SELECT id FROM queues WHERE connection = $1 AND name = $2")
        .await?;
    let row = tx.query_opt(&find, &[&connection, &queue.name]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// The same row, which nobody else changes until the transaction ends.
async fn locked_id(tx: &Transaction<'_>, queue: &QueueKey) -> Result<Option<i64>, Failure> {
    let Some(id) = id(tx, queue, Hold::There).await? else {
        return Ok(None);
    };
    let lock = tx
        .prepare_cached("SELECT id FROM queues WHERE id = $1 FOR UPDATE")
        .await?;
    let row = tx.query_opt(&lock, &[&id]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}
