//! The tables, and the steps from each schema to the next.

use deadpool_postgres::Client;

use super::errors::Failure;
use crate::store::StoreError;

/// The step to each schema from the one before. The schema's number is how many steps
/// have been made; it stands in the table `lockgate_schema`. A step is never changed
/// once released.
const STEPS: [&str; 4] = [FIRST, QUEUES, CLOCKS, GRANTS];

/// The newest schema that is known here.
const NEWEST: i64 = STEPS.len() as i64;

/// Held while tables are made, so that hosts that start at a time do it one after the
/// other. The second number is that of the schema.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7627643, hashtext(current_schema()))";

const VERSION: &str = "CREATE TABLE IF NOT EXISTS lockgate_schema (version bigint NOT NULL)";

/// Everything of a connection hangs on its row and goes with it, as in SQLite.
const FIRST: &str = r#"
CREATE TABLE key_check (
    only_one boolean PRIMARY KEY CHECK (only_one),
    sealed bytea NOT NULL
);

CREATE TABLE connections (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    package text NOT NULL,
    login_origin text NOT NULL,
    origin text,
    identity text,
    flow text NOT NULL,
    client_id text NOT NULL,
    redirect_uri text,
    scopes text NOT NULL,
    username text,
    state text NOT NULL,
    state_reason text,
    settings text NOT NULL,
    local_origins text NOT NULL,
    reserve text NOT NULL,
    created_ms bigint NOT NULL,
    updated_ms bigint NOT NULL,
    UNIQUE (tenant, name)
);

CREATE TABLE secrets (
    connection bigint NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (connection, name)
);

CREATE TABLE authorizations (
    state_digest bytea NOT NULL PRIMARY KEY,
    connection bigint NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    sealed_verifier bytea NOT NULL,
    redirect_uri text NOT NULL,
    expires_at_ms bigint NOT NULL
);
CREATE INDEX authorizations_of_connection ON authorizations (connection);
CREATE INDEX authorizations_by_expiry ON authorizations (expires_at_ms);

CREATE TABLE shares (
    connection bigint NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    package text COLLATE "C" NOT NULL,
    used_bytes bigint NOT NULL,
    last_version bigint NOT NULL,
    PRIMARY KEY (connection, package)
);

CREATE TABLE stored_values (
    connection bigint NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    package text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    version bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (connection, package, key)
);

CREATE TABLE ledger_buckets (
    connection bigint NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    start_ms bigint NOT NULL,
    calls bigint NOT NULL,
    PRIMARY KEY (connection, start_ms)
);

CREATE TABLE ledger_observations (
    connection bigint PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    used_calls bigint NOT NULL,
    limit_calls bigint NOT NULL,
    at_ms bigint NOT NULL
);
"#;

/// Numbers of items grow in the order in which items were put; `state` and `due_ms`
/// mean what they mean in SQLite.
const QUEUES: &str = r#"
CREATE TABLE queues (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection bigint NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    checkpoint bytea,
    used_bytes bigint NOT NULL,
    done bigint NOT NULL,
    problem text,
    problem_ms bigint,
    UNIQUE (connection, name)
);

CREATE TABLE queue_items (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue bigint NOT NULL REFERENCES queues (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL,
    state text NOT NULL,
    bytes bytea NOT NULL,
    put_ms bigint NOT NULL,
    due_ms bigint NOT NULL,
    tries bigint NOT NULL,
    problem text,
    UNIQUE (queue, id)
);
CREATE INDEX queue_items_in_order ON queue_items (queue, state, number);
CREATE INDEX queue_items_by_due ON queue_items (queue, state, due_ms, number);
"#;

/// The latest time that a queue has seen, as in SQLite.
const CLOCKS: &str = "ALTER TABLE queues ADD COLUMN clock_ms bigint NOT NULL DEFAULT 0";

/// What the connector of a connection may do, as in SQLite.
const GRANTS: &str = "ALTER TABLE connections ADD COLUMN grants text";

/// Makes the steps that are missing, all or none.
pub(super) async fn migrate(client: &mut Client, place: &str) -> Result<(), Failure> {
    let tx = client.transaction().await?;
    tx.batch_execute(LOCK).await?;
    tx.batch_execute(VERSION).await?;
    let row = tx
        .query_opt("SELECT version FROM lockgate_schema", &[])
        .await?;
    let made: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
    if made > NEWEST {
        return Err(Failure::Refused(StoreError::Newer {
            path: place.to_owned(),
            found: made,
            known: NEWEST,
        }));
    }
    let made_steps = usize::try_from(made).unwrap_or(0);
    if made_steps < STEPS.len() {
        for step in STEPS.iter().skip(made_steps) {
            tx.batch_execute(step).await?;
        }
        tx.batch_execute("DELETE FROM lockgate_schema").await?;
        tx.execute("INSERT INTO lockgate_schema VALUES ($1)", &[&NEWEST])
            .await?;
    }
    Ok(tx.commit().await?)
}
