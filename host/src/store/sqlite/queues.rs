//! Queues in their tables.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::connections;
use super::worker::Failure;
use crate::store::columns::{column, number, tries};
use crate::store::queue::{CLOCK_NOTED_EVERY_MS, CLOCK_SKEW_MS, cost, cut};
use crate::store::{
    ListedItem, MAX_QUEUE_PAGE_BYTES, MAX_QUEUE_PAGE_ITEMS, QueueCounts, QueueKey, QueueOutcome,
    QueuePage, QueueProblem, QueuePut, QueueState, QueueTake, Settled, StoreError, Taken,
    TakenItem, Which,
};

pub(super) fn put(tx: &Transaction<'_>, queue: &QueueKey, put: &QueuePut) -> Result<u64, Failure> {
    let connection = connections::id(tx, &queue.connection)?;
    tx.prepare_cached(
        "INSERT INTO queues (connection, name, used_bytes, done) VALUES (?1, ?2, 0, 0) \
         ON CONFLICT (connection, name) DO NOTHING",
    )?
    .execute(params![connection, queue.name])?;
    let (id, used_bytes): (i64, i64) = tx
        .prepare_cached("SELECT id, used_bytes FROM queues WHERE connection = ?1 AND name = ?2")?
        .query_row(params![connection, queue.name], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO queue_items (queue, id, state, bytes, put_ms, due_ms, tries) \
         VALUES (?1, ?2, 'waiting', ?3, ?4, ?4, 0) ON CONFLICT (queue, id) DO NOTHING",
    )?;
    let before_bytes = number(used_bytes);
    let (mut new, mut used_bytes) = (0, before_bytes);
    for item in &put.items {
        let at_ms = column(put.at_ms);
        if insert.execute(params![id, item.id, item.bytes, at_ms])? > 0 {
            new += 1;
            used_bytes += cost(item.bytes.len() as u64);
        }
    }
    if new > 0 && before_bytes >= put.limit_bytes {
        let limit = put.limit_bytes;
        return Err(StoreError::QueueFull { limit }.into());
    }
    tx.prepare_cached(
        "UPDATE queues SET used_bytes = ?2, checkpoint = coalesce(?3, checkpoint), \
         clock_ms = max(clock_ms, ?4) WHERE id = ?1",
    )?
    .execute(params![
        id,
        column(used_bytes),
        put.checkpoint,
        column(put.at_ms)
    ])?;
    Ok(new)
}

pub(super) fn checkpoint(
    tx: &Transaction<'_>,
    queue: &QueueKey,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some(id) = id(tx, queue)? else {
        return Ok(None);
    };
    Ok(tx
        .prepare_cached("SELECT checkpoint FROM queues WHERE id = ?1")?
        .query_row([id], |row| row.get(0))?)
}

pub(super) fn take(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    take: QueueTake,
) -> Result<Taken, Failure> {
    let mut taken = Taken::default();
    let Some(id) = id(tx, queue)? else {
        return Ok(taken);
    };
    follow_clock(tx, id, take.now_ms)?;
    let leased_until_ms = take.now_ms.saturating_add(take.lease_ms);
    let mut numbers: Vec<i64> = Vec::new();
    {
        // One more than is taken, to see when the next is due.
        let limit = take.limit.min(MAX_QUEUE_PAGE_ITEMS) as usize;
        let mut statement = tx.prepare_cached(
            "SELECT number, due_ms, id, bytes, put_ms, tries FROM queue_items \
             WHERE queue = ?1 AND state = 'waiting' ORDER BY due_ms, number",
        )?;
        let mut rows = statement.query([id])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let due_ms = number(row.get("due_ms")?);
            if due_ms > take.now_ms || numbers.len() == limit || bytes >= MAX_QUEUE_PAGE_BYTES {
                taken.next_due_ms = Some(due_ms);
                break;
            }
            let item = TakenItem {
                id: row.get("id")?,
                bytes: row.get("bytes")?,
                put_ms: number(row.get("put_ms")?),
                tries: tries(row.get("tries")?).saturating_add(1),
                leased_until_ms,
            };
            bytes += item.bytes.len() as u64;
            numbers.push(row.get("number")?);
            taken.items.push(item);
        }
    }
    let mut lease = tx.prepare_cached(
        "UPDATE queue_items SET due_ms = ?2, tries = tries + 1 WHERE number = ?1",
    )?;
    for number in numbers {
        lease.execute(params![number, column(leased_until_ms)])?;
    }
    Ok(taken)
}

/// Notes what time it is. If the clock was set back, whatever waits until a time by the
/// clock before would wait for as much longer: it waits as long as was meant.
fn follow_clock(tx: &Transaction<'_>, queue: i64, now_ms: u64) -> Result<(), Failure> {
    let noted_ms: i64 = tx
        .prepare_cached("SELECT clock_ms FROM queues WHERE id = ?1")?
        .query_row([queue], |row| row.get(0))?;
    let noted_ms = number(noted_ms);
    let back_ms = noted_ms.saturating_sub(now_ms);
    if back_ms > CLOCK_SKEW_MS {
        tx.prepare_cached(
            "UPDATE queue_items SET due_ms = max(due_ms - ?2, 0) \
             WHERE queue = ?1 AND state = 'waiting' AND due_ms > ?3",
        )?
        .execute(params![queue, column(back_ms), column(now_ms)])?;
    }
    if back_ms > CLOCK_SKEW_MS || now_ms.saturating_sub(noted_ms) > CLOCK_NOTED_EVERY_MS {
        tx.prepare_cached("UPDATE queues SET clock_ms = ?2 WHERE id = ?1")?
            .execute(params![queue, column(now_ms)])?;
    }
    Ok(())
}

pub(super) fn settle(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    settled: &[Settled],
    at_ms: u64,
) -> Result<u64, Failure> {
    let Some(id) = id(tx, queue)? else {
        return Ok(0);
    };
    let mut changed = 0;
    for Settled {
        id: item,
        leased_until_ms,
        outcome,
    } in settled
    {
        changed += match outcome {
            QueueOutcome::Done => {
                let done = finish(tx, id, &unfinished(tx, id, item)?, at_ms)?;
                tx.prepare_cached("UPDATE queues SET done = done + ?2 WHERE id = ?1")?
                    .execute(params![id, column(done)])?;
                done
            }
            QueueOutcome::Again { due_ms, problem } => {
                let to = ("waiting", *due_ms, cut(problem));
                give_back(tx, id, item, *leased_until_ms, to, at_ms)?
            }
            QueueOutcome::Dead { problem } => {
                let to = ("dead", at_ms, cut(problem));
                give_back(tx, id, item, *leased_until_ms, to, at_ms)?
            }
        };
    }
    Ok(changed)
}

/// Puts an item that is still leased to the caller into a state, with the time and the
/// problem that go with it.
fn give_back(
    tx: &Transaction<'_>,
    queue: i64,
    item: &str,
    leased_until_ms: u64,
    (state, due_ms, problem): (&str, u64, &str),
    at_ms: u64,
) -> Result<u64, Failure> {
    let changed = tx
        .prepare_cached(
            "UPDATE queue_items SET state = ?4, due_ms = ?5, problem = ?6 \
             WHERE queue = ?1 AND id = ?2 AND state = 'waiting' AND due_ms = ?3",
        )?
        .execute(params![
            queue,
            item,
            column(leased_until_ms),
            state,
            column(due_ms),
            problem
        ])?;
    if changed > 0 {
        tx.prepare_cached(
            "UPDATE queues SET problem = ?2, problem_ms = ?3, clock_ms = max(clock_ms, ?3) \
             WHERE id = ?1",
        )?
        .execute(params![queue, problem, column(at_ms)])?;
    }
    Ok(changed as u64)
}

/// A row, and what it takes of the share.
type Found = (i64, u64);

/// An item that is not done; none if there is no such item.
fn unfinished(tx: &Transaction<'_>, queue: i64, item: &str) -> Result<Vec<Found>, Failure> {
    let mut statement = tx.prepare_cached(
        "SELECT number, length(bytes) FROM queue_items \
         WHERE queue = ?1 AND id = ?2 AND state <> 'done'",
    )?;
    let found = statement.query_map(params![queue, item], found)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The dead items that are meant.
fn dead(tx: &Transaction<'_>, queue: i64, which: &Which) -> Result<Vec<Found>, Failure> {
    let select = "SELECT number, length(bytes) FROM queue_items WHERE queue = ?1 AND";
    Ok(match which {
        // Apart from the other, so that one is found without looking at all.
        Which::One(id) => tx
            .prepare_cached(&format!("{select} id = ?2 AND state = 'dead'"))?
            .query_map(params![queue, id], found)?
            .collect::<Result<_, _>>()?,
        Which::All => tx
            .prepare_cached(&format!("{select} state = 'dead'"))?
            .query_map([queue], found)?
            .collect::<Result<_, _>>()?,
    })
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok((row.get(0)?, cost(number(row.get(1)?))))
}

/// Takes the bytes of items out of the queue and keeps their ids; gives their number.
fn finish(tx: &Transaction<'_>, queue: i64, items: &[Found], at_ms: u64) -> Result<u64, Failure> {
    let mut finish = tx.prepare_cached(
        "UPDATE queue_items SET state = 'done', bytes = x'', problem = NULL, due_ms = ?2 \
         WHERE number = ?1",
    )?;
    for (number, _) in items {
        finish.execute(params![number, column(at_ms)])?;
    }
    let freed: u64 = items.iter().map(|(_, cost)| cost).sum();
    tx.prepare_cached("UPDATE queues SET used_bytes = max(used_bytes - ?2, 0) WHERE id = ?1")?
        .execute(params![queue, column(freed)])?;
    Ok(items.len() as u64)
}

pub(super) fn list(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    state: QueueState,
    after: Option<u64>,
    limit: u32,
) -> Result<QueuePage, Failure> {
    let mut page = QueuePage::default();
    let limit = limit.min(MAX_QUEUE_PAGE_ITEMS) as usize;
    let Some(id) = id(tx, queue)? else {
        return Ok(page);
    };
    if limit == 0 {
        return Ok(page);
    }
    let mut statement = tx.prepare_cached(
        "SELECT number, id, bytes, put_ms, due_ms, tries, problem FROM queue_items \
         WHERE queue = ?1 AND state = ?2 AND number > ?3 ORDER BY number",
    )?;
    let mut rows = statement.query(params![id, state.name(), column(after.unwrap_or(0))])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        if page.items.len() == limit || bytes >= MAX_QUEUE_PAGE_BYTES {
            page.next = page.items.last().map(|item| item.number);
            break;
        }
        let item = ListedItem {
            number: number(row.get("number")?),
            id: row.get("id")?,
            bytes: row.get("bytes")?,
            put_ms: number(row.get("put_ms")?),
            due_ms: number(row.get("due_ms")?),
            tries: tries(row.get("tries")?),
            problem: row.get("problem")?,
        };
        bytes += item.bytes.len() as u64;
        page.items.push(item);
    }
    Ok(page)
}

pub(super) fn again(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    which: &Which,
    now_ms: u64,
) -> Result<u64, Failure> {
    let Some(id) = id(tx, queue)? else {
        return Ok(0);
    };
    let dead = dead(tx, id, which)?;
    let mut wait = tx.prepare_cached(
        "UPDATE queue_items SET state = 'waiting', tries = 0, due_ms = ?2 WHERE number = ?1",
    )?;
    for (number, _) in &dead {
        wait.execute(params![number, column(now_ms)])?;
    }
    tx.prepare_cached("UPDATE queues SET clock_ms = max(clock_ms, ?2) WHERE id = ?1")?
        .execute(params![id, column(now_ms)])?;
    Ok(dead.len() as u64)
}

pub(super) fn discard(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    which: &Which,
    at_ms: u64,
) -> Result<u64, Failure> {
    match id(tx, queue)? {
        Some(id) => finish(tx, id, &dead(tx, id, which)?, at_ms),
        None => Ok(0),
    }
}

pub(super) fn counts(tx: &Transaction<'_>, queue: &QueueKey) -> Result<QueueCounts, Failure> {
    let Some(id) = id(tx, queue)? else {
        return Ok(QueueCounts::default());
    };
    let mut counts = tx
        .prepare_cached("SELECT used_bytes, done, problem, problem_ms FROM queues WHERE id = ?1")?
        .query_row([id], |row| {
            let problem: Option<String> = row.get(2)?;
            let at_ms: Option<i64> = row.get(3)?;
            Ok(QueueCounts {
                used_bytes: number(row.get(0)?),
                done: number(row.get(1)?),
                last_problem: problem
                    .zip(at_ms.map(number))
                    .map(|(text, at_ms)| QueueProblem { text, at_ms }),
                ..QueueCounts::default()
            })
        })?;
    let mut count =
        tx.prepare_cached("SELECT count(*) FROM queue_items WHERE queue = ?1 AND state = ?2")?;
    let mut of = |state: QueueState| -> Result<u64, Failure> {
        Ok(number(
            count.query_row(params![id, state.name()], |row| row.get(0))?,
        ))
    };
    counts.waiting = of(QueueState::Waiting)?;
    counts.dead = of(QueueState::Dead)?;
    counts.oldest_waiting_ms = tx
        .prepare_cached(
            "SELECT put_ms FROM queue_items WHERE queue = ?1 AND state = 'waiting' \
             ORDER BY number LIMIT 1",
        )?
        .query_row([id], |row| row.get(0))
        .optional()?
        .map(number);
    Ok(counts)
}

pub(super) fn prune(
    tx: &Transaction<'_>,
    queue: &QueueKey,
    before_ms: u64,
) -> Result<u64, Failure> {
    let Some(id) = id(tx, queue)? else {
        return Ok(0);
    };
    let pruned = tx
        .prepare_cached(
            "DELETE FROM queue_items WHERE queue = ?1 AND state = 'done' AND due_ms < ?2",
        )?
        .execute(params![id, column(before_ms)])?;
    Ok(pruned as u64)
}

pub(super) fn erase(tx: &Transaction<'_>, queue: &QueueKey) -> Result<bool, Failure> {
    let Some(id) = id(tx, queue)? else {
        return Ok(false);
    };
    tx.prepare_cached("DELETE FROM queues WHERE id = ?1")?
        .execute([id])?;
    Ok(true)
}

/// The row that everything of a queue hangs on; `None` if nothing was put yet.
fn id(tx: &Transaction<'_>, queue: &QueueKey) -> Result<Option<i64>, Failure> {
    let connection = connections::id(tx, &queue.connection)?;
    Ok(tx
        .prepare_cached("SELECT id FROM queues WHERE connection = ?1 AND name = ?2")?
        .query_row(params![connection, queue.name], |row| row.get(0))
        .optional()?)
}
