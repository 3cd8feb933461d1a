//! A user's database in PostgreSQL.
//!
//! A sync's own writes are told from others' by the setting `lockgate.quiet`, which names
//! the sync, ends with our transaction, and is seen by no other session. Rows that a transaction reads
//! to write them are locked, so a program that writes one meanwhile comes before us,
//! with its entry in the outbox, or after us.
//!
//! Transactions of ours take turns, by an advisory lock: several processes may sync
//! the same database, and none sees half of what another does.

mod errors;
mod triggers;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

use ::postgres::config::SslMode;
use ::postgres::types::ToSql;
use ::postgres::{Client, Config, NoTls, Statement};
use rustls::ClientConfig;
use rustls_platform_verifier::Verifier;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::DatabaseError;
use crate::kind::Kind;
use crate::own::{OURS, OwnTables};
use crate::plan::ObjectPlan;
use crate::sql::{Cell, FoundColumn, Row, Sql};
use crate::value::Value;
use errors::{STALE_PLAN, told};
use values::{Given, Taken};

/// Statements kept prepared. Updates differ by the fields that they write; when
/// there are more than this, all are prepared anew.
const STATEMENTS: usize = 256;

/// What every session begins with. Ours take milliseconds, so who waits this long
/// for a lock waits for a program that hangs.
const SESSION: &str = "SET lock_timeout = '10s'; SET client_min_messages = warning; \
                       SET application_name = 'lockgate-sync'";

/// The second number is that of the schema, so that syncs in several do not wait for
/// each other. All syncs of one schema do: triggers between their tables would have them
/// wait for each other's rows, in a circle.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
                     SELECT set_config('lockgate.quiet', '~', true); \
                     SELECT pg_advisory_xact_lock(7627641, hashtext(current_schema()))";

/// Held by the session of an engine at work, one of each sync of each schema.
const CLAIM: &str = "SELECT pg_advisory_lock(7627642, hashtext(current_schema() || $claim$))";

/// Whether an engine of ours works here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    None,
    /// One did, and its session was lost.
    Lost,
    Held,
}

pub(crate) struct Postgres {
    config: Config,
    client: Client,
    claim: Claim,
    statements: HashMap<String, Statement>,
    /// The schema that tables are made in, as SQL writes it.
    schema: String,
    own: OwnTables,
}

impl Postgres {
    /// Connects. Blocks, and must not be called by a thread of an async runtime.
    pub(crate) fn open(config: &Config, own: OwnTables) -> Result<Self, DatabaseError> {
        let (client, schema) = connect(config)?;
        Ok(Self {
            config: config.clone(),
            client,
            claim: Claim::None,
            statements: HashMap::new(),
            schema,
            own,
        })
    }

    fn prepared<T>(
        &mut self,
        sql: &str,
        values: &[Cell],
        run: impl FnOnce(
            &mut Client,
            &Statement,
            &[&(dyn ToSql + Sync)],
        ) -> Result<T, ::postgres::Error>,
    ) -> Result<T, DatabaseError> {
        let statement = match self.statements.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                let text = self.own.fill(sql).replace('?', "$");
                let prepared = self.client.prepare(&text);
                let statement = prepared.map_err(|error| told(error, sql))?;
                if self.statements.len() == STATEMENTS {
                    self.statements.clear();
                }
                self.statements.insert(sql.to_owned(), statement.clone());
                statement
            }
        };
        let given: Vec<Given<'_>> = values.iter().map(Given).collect();
        let given: Vec<&(dyn ToSql + Sync)> = given
            .iter()
            .map(|given| given as &(dyn ToSql + Sync))
            .collect();
        run(&mut self.client, &statement, &given).map_err(|error| {
            if error.code() == Some(&STALE_PLAN) {
                // Somebody has changed the table: the next attempt sees it as it is.
                self.statements.clear();
                return DatabaseError::Busy;
            }
            told(error, sql)
        })
    }
}

fn connect(config: &Config) -> Result<(Client, String), DatabaseError> {
    let unreachable = |error: ::postgres::Error| DatabaseError::Unreachable(error.into());
    let client = match config.get_ssl_mode() {
        SslMode::Disable => config.connect(NoTls),
        _ => config.connect(MakeRustlsConnect::new(tls()?)),
    };
    let mut client = client.map_err(unreachable)?;
    client.batch_execute(SESSION).map_err(unreachable)?;
    let row = client
        .query_one("SELECT quote_ident(current_schema())", &[])
        .map_err(unreachable)?;
    // A search path without any schema has none.
    let schema: Option<String> = row.try_get(0).map_err(unreachable)?;
    let schema = schema.ok_or_else(|| {
        DatabaseError::Unreachable("the user's search path names no schema that exists".into())
    })?;
    Ok((client, schema))
}

/// Certificates are checked by the platform's roots, always: what is not checked is
/// not worth its name.
fn tls() -> Result<ClientConfig, DatabaseError> {
    let wrong = |error: rustls::Error| DatabaseError::Unreachable(error.into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(Arc::clone(&provider)).map_err(wrong)?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

impl Sql for Postgres {
    fn begin(&mut self) -> Result<(), DatabaseError> {
        let begun = self.client.batch_execute(&self.own.fill(BEGIN));
        begun.map_err(|error| {
            self.rollback();
            told(error, "begin a transaction")
        })
    }

    fn commit(&mut self) -> Result<(), DatabaseError> {
        let committed = self.client.batch_execute("COMMIT");
        committed.map_err(|error| told(error, "commit"))
    }

    fn rollback(&mut self) {
        // It fails only where the connection is gone, and the server does it then.
        let _ = self.client.batch_execute("ROLLBACK");
    }

    fn check_at_once(&mut self) -> Result<(), DatabaseError> {
        self.define("SET CONSTRAINTS ALL IMMEDIATE")
    }

    fn run(&mut self, sql: &str, values: &[Cell]) -> Result<u64, DatabaseError> {
        self.prepared(sql, values, |client, statement, given| {
            client.execute(statement, given)
        })
    }

    fn rows(&mut self, sql: &str, values: &[Cell]) -> Result<Vec<Row>, DatabaseError> {
        self.prepared(sql, values, |client, statement, given| {
            let rows = client.query(statement, given)?;
            let row = |row: &::postgres::Row| {
                let cells = (0..row.len()).map(|at| {
                    let taken: Option<Taken> = row.try_get(at)?;
                    Ok(taken.map_or(Cell::Null, |Taken(cell)| cell))
                });
                Ok(Row(cells.collect::<Result<_, ::postgres::Error>>()?))
            };
            rows.iter().map(row).collect()
        })
    }

    fn define(&mut self, sql: &str) -> Result<(), DatabaseError> {
        self.statements.clear();
        let defined = self.client.batch_execute(&self.own.fill(sql));
        defined.map_err(|error| told(error, sql))
    }

    fn other_syncs(&mut self) -> Result<Vec<String>, DatabaseError> {
        let rows = self.rows(
            "SELECT left(relname::text, -length('columns')) FROM pg_class \
             JOIN pg_namespace ON pg_namespace.oid = relnamespace \
             WHERE nspname = current_schema() AND relkind = 'r' \
             AND starts_with(relname::text, ?1::text) AND right(relname::text, 8) = '_columns' \
             AND relname::text <> '~columns'",
            &[OURS.into()],
        )?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    fn found_columns(&mut self, table: &str) -> Result<Vec<FoundColumn>, DatabaseError> {
        let table = self.own.fill(table).into_owned();
        let rows = self.rows(
            "SELECT attname::text, format_type(atttypid, atttypmod), \
             attnotnull AND NOT atthasdef AND attidentity = '' \
             FROM pg_attribute \
             WHERE attrelid = to_regclass(quote_ident(current_schema()) || '.' || ?1::text) \
             AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            &[table.into()],
        )?;
        let column = |row: &Row| {
            Ok(FoundColumn {
                name: row.text(0)?,
                column_type: row.text(1)?,
                is_required: row.int(2)? != 0,
            })
        };
        rows.iter().map(column).collect()
    }

    fn serial(&self) -> &'static str {
        "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    }

    fn key_definition(&self) -> &'static str {
        "text NOT NULL PRIMARY KEY DEFAULT replace(gen_random_uuid()::text, '-', '')"
    }

    fn column_type(&self, kind: Kind, max_length: u32) -> String {
        // In the words of `format_type`, so that they can be compared.
        match kind {
            Kind::Text if max_length > 0 => format!("character varying({max_length})"),
            Kind::Text => "text".to_owned(),
            Kind::Boolean => "boolean".to_owned(),
            Kind::Int => "bigint".to_owned(),
            Kind::Decimal => "numeric".to_owned(),
            Kind::Date => "date".to_owned(),
            Kind::Datetime => "timestamp(3) with time zone".to_owned(),
            Kind::Time => "time(3) without time zone".to_owned(),
        }
    }

    fn read(&self, column: &str, kind: Kind) -> String {
        match kind {
            Kind::Text | Kind::Boolean | Kind::Int => column.to_owned(),
            Kind::Decimal | Kind::Time => format!("{column}::text"),
            Kind::Date => format!("to_char({column}, 'YYYY-MM-DD')"),
            Kind::Datetime => {
                format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
            }
        }
    }

    fn cell(&self, _: Kind, value: &Value) -> Cell {
        match value {
            Value::Null => Cell::Null,
            Value::Bool(value) => Cell::Text(value.to_string()),
            Value::Number(text) | Value::Text(text) => Cell::Text(text.clone()),
        }
    }

    fn for_update(&self) -> &'static str {
        " FOR UPDATE"
    }

    fn by_bytes(&self, column: &str) -> String {
        format!("{column} COLLATE \"C\"")
    }

    fn widen(
        &self,
        table: &str,
        column: &str,
        (from, from_length): (Kind, u32),
        (to, to_length): (Kind, u32),
    ) -> Option<String> {
        let is_longer = to_length == 0 || (from_length > 0 && to_length > from_length);
        let is_safe = match (from, to) {
            (Kind::Text, Kind::Text) => is_longer,
            (Kind::Int, Kind::Decimal) => true,
            (Kind::Int | Kind::Date, Kind::Text) => to_length == 0 || to_length >= 20,
            _ => false,
        };
        let to = self.column_type(to, to_length);
        is_safe.then(|| {
            format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {to} USING {column}::{to}")
        })
    }

    fn watch(&self, object: &ObjectPlan) -> String {
        triggers::watch(object, &self.schema)
    }

    fn unwatch(&self, table: &str) -> String {
        triggers::unwatch(table)
    }

    fn document(&mut self, table: &str, column: &str, text: &str) -> Result<(), DatabaseError> {
        self.statements.clear();
        // The text is the product's own, and may have any sign in it.
        let text = text.replace('\'', "''");
        let sql = format!("COMMENT ON COLUMN {table}.{column} IS '{text}'");
        let documented = self.client.batch_execute(&sql);
        documented.map_err(|error| told(error, "document a column"))
    }

    fn claim(&mut self) -> Result<(), DatabaseError> {
        if self.claim == Claim::Held {
            return Ok(());
        }
        // Of a sync without a name it is the schema's alone, as it always was.
        let name = self.own.name().map(|name| format!("/{name}"));
        let name = name.unwrap_or_default();
        let claimed = self
            .client
            .batch_execute(&CLAIM.replace("$claim$", &format!("'{name}'")));
        claimed.map_err(|error| match told(error, CLAIM) {
            // The session's time for a lock is over.
            DatabaseError::Busy => DatabaseError::Taken,
            other => other,
        })?;
        self.claim = Claim::Held;
        Ok(())
    }

    fn revive(&mut self) -> Result<(), DatabaseError> {
        if self.client.is_closed() {
            self.statements.clear();
            (self.client, self.schema) = connect(&self.config)?;
            if self.claim == Claim::Held {
                self.claim = Claim::Lost;
            }
        }
        match self.claim {
            // Another engine may have come in the meantime.
            Claim::Lost => self.claim(),
            Claim::None | Claim::Held => Ok(()),
        }
    }
}
