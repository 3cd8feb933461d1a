//! The tables, and the steps from each schema to the next.

use rusqlite::{Connection, TransactionBehavior};

use super::worker::Failure;

/// `LKGT`: says in the file's header that it is ours.
pub(super) const APPLICATION_ID: i32 = 0x4c4b_4754;

/// The step to each schema from the one before. The schema's number is how many
/// steps have been made; it stands in the file as `user_version`. A step is
/// never changed once released.
pub(super) const STEPS: [&str; 4] = [FIRST, QUEUES, CLOCKS, GRANTS];

/// The newest schema that is known here.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

/// Everything of a connection hangs on its row and goes with it. Ids are never
/// used again (`AUTOINCREMENT`), so nothing can come to belong to a later
/// connection of the same name.
///
/// Keys of stored values are blobs: compared byte by byte, whatever they are.
const FIRST: &str = "
CREATE TABLE key_check (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE connections (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    package TEXT NOT NULL,
    login_origin TEXT NOT NULL,
    origin TEXT,
    identity TEXT,
    flow TEXT NOT NULL,
    client_id TEXT NOT NULL,
    redirect_uri TEXT,
    scopes TEXT NOT NULL,
    username TEXT,
    state TEXT NOT NULL,
    state_reason TEXT,
    settings TEXT NOT NULL,
    local_origins TEXT NOT NULL,
    reserve TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;

CREATE TABLE secrets (
    connection INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (connection, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE authorizations (
    state_digest BLOB NOT NULL PRIMARY KEY,
    connection INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    sealed_verifier BLOB NOT NULL,
    redirect_uri TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX authorizations_of_connection ON authorizations (connection);
CREATE INDEX authorizations_by_expiry ON authorizations (expires_at_ms);

-- How full a scope is, and the last version that it gave out. The row stays
-- when the scope is emptied: versions go on growing.
CREATE TABLE shares (
    connection INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    package TEXT NOT NULL,
    used_bytes INTEGER NOT NULL,
    last_version INTEGER NOT NULL,
    PRIMARY KEY (connection, package)
) STRICT, WITHOUT ROWID;

-- Not WITHOUT ROWID: the index alone serves a listing, past 64 KiB values.
CREATE TABLE stored_values (
    connection INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    package TEXT NOT NULL,
    key BLOB NOT NULL,
    version INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (connection, package, key)
) STRICT;

CREATE TABLE ledger_buckets (
    connection INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    start_ms INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY (connection, start_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_observations (
    connection INTEGER PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    used_calls INTEGER NOT NULL,
    limit_calls INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
";

/// Items are listed and counted by state in the order of their numbers, and taken
/// and forgotten by the time at which they are due. Numbers and the ids of queues
/// are never used again, so that nobody settles or lists what came later.
const QUEUES: &str = "
CREATE TABLE queues (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connection INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    checkpoint BLOB,
    used_bytes INTEGER NOT NULL,
    done INTEGER NOT NULL,
    problem TEXT,
    problem_ms INTEGER,
    UNIQUE (connection, name)
) STRICT;

-- state: waiting, dead or done. due_ms: of a waiting item when it is due or its
-- lease ends, of the others since when they are what they are.
CREATE TABLE queue_items (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    queue INTEGER NOT NULL REFERENCES queues (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    bytes BLOB NOT NULL,
    put_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    problem TEXT,
    UNIQUE (queue, id)
) STRICT;
CREATE INDEX queue_items_in_order ON queue_items (queue, state, number);
CREATE INDEX queue_items_by_due ON queue_items (queue, state, due_ms, number);
";

/// The latest time that a queue has seen, to know when the clock was set back.
const CLOCKS: &str = "
ALTER TABLE queues ADD COLUMN clock_ms INTEGER NOT NULL DEFAULT 0;
";

/// What the connector of a connection may do; NULL where nothing was decided yet.
const GRANTS: &str = "
ALTER TABLE connections ADD COLUMN grants TEXT;
";

/// Makes the steps that are missing, all or none. Processes that open a new file
/// at a time do it one after the other, and only the first finds any missing.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Failure> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let made: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let made_steps = usize::try_from(made).unwrap_or(0);
    if made_steps < STEPS.len() {
        for step in STEPS.iter().skip(made_steps) {
            tx.execute_batch(step)?;
        }
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", NEWEST)?;
    }
    Ok(tx.commit()?)
}
