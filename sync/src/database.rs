//! The user's database: what the engine of a sync asks of it.
//!
//! One thread owns the connection and does one job after another, each in a
//! transaction of its own: when a call gives `Ok` its effect is durable, when it
//! gives `Err` nothing was changed. A call whose future is dropped may still take
//! effect.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ::postgres::Config;
use tokio::sync::{mpsc, oneshot};

use crate::apply::{self, Care};
use crate::conflicts::{self, Conflict, Resolution};
use crate::error::DatabaseError;
use crate::incoming::{Applied, Batch, Progress};
use crate::letters::{self, Letter};
use crate::outgoing::{self, Outgoing};
use crate::plan::Plan;
use crate::postgres::Postgres;
use crate::schema;
use crate::settle::{self, Settled, Settlement};
use crate::sql::Sql;
use crate::sqlite::Sqlite;
use crate::status::{self, KnownRecord, SyncStatus};
use crate::unread::{self, Unread};

/// Jobs that may wait. Beyond that, callers wait before they can hand over.
const WAITING_JOBS: usize = 64;

/// Where a database is.
#[derive(Clone)]
pub enum Target {
    /// A file of SQLite, made if there is none.
    Sqlite(PathBuf),
    /// A database of PostgreSQL, in the first schema of the user's search path.
    Postgres(Box<Config>),
}

impl Target {
    /// Reads an address: `sqlite:FILE`, or `postgres://USER:PASSWORD@HOST/DATABASE`
    /// as libpq has it, also with `postgres:` before it.
    ///
    /// A connection to PostgreSQL is by TLS if the server can, and its certificate is
    /// checked by the platform's roots; `?sslmode=require` insists on it, and
    /// `?sslmode=disable` does without.
    ///
    /// # Errors
    /// [`DatabaseError::BadAddress`].
    pub fn parse(address: &str) -> Result<Self, DatabaseError> {
        let bad = || DatabaseError::BadAddress {
            address: without_password(address),
        };
        let (scheme, rest) = address.split_once(':').ok_or_else(bad)?;
        match scheme {
            "sqlite" if !rest.is_empty() => Ok(Self::Sqlite(rest.into())),
            "postgres" | "postgresql" => {
                let url = if rest.starts_with("//") {
                    address
                } else {
                    rest
                };
                let config = url.parse().map_err(|_| bad())?;
                Ok(Self::Postgres(Box::new(config)))
            }
            _ => Err(bad()),
        }
    }

    fn open(&self) -> Result<Box<dyn Sql>, DatabaseError> {
        match self {
            Self::Sqlite(path) => Ok(Box::new(Sqlite::open(path)?)),
            Self::Postgres(config) => Ok(Box::new(Postgres::open(config)?)),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            // The configuration has the password.
            Self::Postgres(_) => f.debug_tuple("Postgres").finish_non_exhaustive(),
        }
    }
}

/// An address up to where a password may be.
fn without_password(address: &str) -> String {
    match address.split_once('@') {
        Some((before, after)) => {
            let scheme = before.split(':').next().unwrap_or_default();
            format!("{scheme}:…@{after}")
        }
        None => address.to_owned(),
    }
}

type Job = Box<dyn FnOnce(&mut dyn Sql) + Send>;

/// A user's database with the tables of a plan.
pub struct Database {
    jobs: mpsc::Sender<Job>,
    plan: Arc<Plan>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl Database {
    /// Opens a database, and brings its tables to the plan: makes those that are
    /// missing, adds columns for new fields, and keeps what the plan has no longer.
    ///
    /// # Errors
    /// [`DatabaseError::Tables`] with all that does not fit; then nothing was changed.
    pub async fn open(target: &Target, plan: &Arc<Plan>) -> Result<Self, DatabaseError> {
        let database = Self::start(target, plan).await?;
        database
            .write(|sql, plan| schema::prepare(sql, plan, now_ms()))
            .await?;
        Ok(database)
    }

    /// The statements with which [`Self::open`] would change tables. Nothing is
    /// changed; a file that does not exist is made, and is empty.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn preview(target: &Target, plan: &Arc<Plan>) -> Result<Vec<String>, DatabaseError> {
        let database = Self::start(target, plan).await?;
        let plan = Arc::clone(&database.plan);
        database
            .hand_over(move |sql| {
                sql.begin()?;
                let statements = schema::prepare(sql, &plan, now_ms());
                sql.rollback();
                statements
            })
            .await
    }

    async fn start(target: &Target, plan: &Arc<Plan>) -> Result<Self, DatabaseError> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING_JOBS);
        let (opened, is_open) = oneshot::channel();
        let target = target.clone();
        std::thread::Builder::new()
            .name("lockgate-sync".to_owned())
            .spawn(move || {
                // Opened here: a client may be bound to the thread that uses it.
                let mut sql = match target.open() {
                    Ok(sql) => {
                        let _ = opened.send(Ok(()));
                        sql
                    }
                    Err(error) => {
                        let _ = opened.send(Err(error));
                        return;
                    }
                };
                while let Some(job) = waiting.blocking_recv() {
                    job(sql.as_mut());
                }
            })
            .map_err(|source| DatabaseError::Backend {
                doing: "start its thread".to_owned(),
                source: source.into(),
            })?;
        is_open.await.map_err(|_| gone())??;
        Ok(Self {
            jobs,
            plan: Arc::clone(plan),
        })
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Applies what came from the org, with the checkpoint behind it, all or nothing.
    /// A record that breaks a rule of its table becomes a dead letter.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn apply(&self, batch: Batch) -> Result<Applied, DatabaseError> {
        let batch = Arc::new(batch);
        let first = Arc::clone(&batch);
        let applied = self
            .write(move |sql, plan| apply::apply(sql, plan, &first, now_ms(), Care::Fail))
            .await;
        match applied {
            Err(DatabaseError::Rule { .. }) => {
                self.write(move |sql, plan| {
                    apply::apply(sql, plan, &batch, now_ms(), Care::SetAside)
                })
                .await
            }
            other => other,
        }
    }

    /// Whether any row may have changes to be sent. Costs next to nothing, so that it
    /// can be asked every second.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn has_outgoing(&self) -> Result<bool, DatabaseError> {
        self.read(|sql, _| {
            Ok(!sql
                .rows("SELECT 1 FROM lockgate_outbox LIMIT 1", &[])?
                .is_empty())
        })
        .await
    }

    /// What is to be sent, at most `limit` changes.
    ///
    /// Each is remembered as under way until it is settled. Asking again before that
    /// gives it again, under a new number: so ask once, send, settle, and ask again;
    /// after a crash just ask.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn outgoing(&self, limit: usize) -> Result<Outgoing, DatabaseError> {
        self.write(move |sql, plan| outgoing::outgoing(sql, plan, limit, now_ms()))
            .await
    }

    /// Keeps what became of changes that were sent.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn settle(&self, settlements: Vec<Settlement>) -> Result<Settled, DatabaseError> {
        self.write(move |sql, plan| settle::settle(sql, plan, &settlements, now_ms()))
            .await
    }

    /// Records that must be read again, the longest known first. Begin to read after
    /// this, and apply what was read with its ticket.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn unread(&self, limit: u32) -> Result<Vec<Unread>, DatabaseError> {
        self.read(move |sql, _| unread::list(sql, limit)).await
    }

    /// Takes the mark from an object all of whose records had to be read, once they
    /// were. It stays if the object was marked again since the ticket was given.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn object_was_read(&self, object: &str, ticket: i64) -> Result<(), DatabaseError> {
        let object = object.to_owned();
        self.write(move |sql, _| unread::answered(sql, &object, unread::ALL, ticket))
            .await
    }

    /// The checkpoint that was last kept for a source.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn checkpoint(&self, source: &str) -> Result<Option<Vec<u8>>, DatabaseError> {
        let source = source.to_owned();
        self.read(move |sql, _| status::checkpoint(sql, &source))
            .await
    }

    /// How far the load of an object is; `None` before it began.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn progress(&self, object: &str) -> Result<Option<Progress>, DatabaseError> {
        let object = object.to_owned();
        self.read(move |sql, _| status::progress(sql, &object))
            .await
    }

    /// Records that are known of an object, those behind the id `after` (the empty
    /// text for the first), in the order of the bytes of their ids: to be compared
    /// with those that the org has.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn known_records(
        &self,
        object: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KnownRecord>, DatabaseError> {
        let (object, after) = (object.to_owned(), after.to_owned());
        self.read(move |sql, _| status::known_records(sql, &object, &after, limit))
            .await
    }

    /// Conflicts that nobody has resolved by hand, those behind the number `after`.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn conflicts(&self, after: i64, limit: u32) -> Result<Vec<Conflict>, DatabaseError> {
        self.read(move |sql, _| conflicts::list(sql, after, limit))
            .await
    }

    /// Resolves a conflict.
    ///
    /// # Errors
    /// [`DatabaseError::NoSuch`]; [`DatabaseError::Rule`] if the value is none that the
    /// field can have.
    pub async fn resolve(&self, number: i64, resolution: Resolution) -> Result<(), DatabaseError> {
        self.write(move |sql, plan| conflicts::resolve(sql, plan, number, &resolution, now_ms()))
            .await
    }

    /// Dead letters, those behind the number `after`.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn letters(&self, after: i64, limit: u32) -> Result<Vec<Letter>, DatabaseError> {
        self.read(move |sql, _| letters::list(sql, after, limit))
            .await
    }

    /// Sends a dead letter again, as its row is now; one from the org is read again.
    ///
    /// # Errors
    /// [`DatabaseError::NoSuch`].
    pub async fn send_again(&self, number: i64) -> Result<(), DatabaseError> {
        self.write(move |sql, _| letters::again(sql, number, now_ms()))
            .await
    }

    /// Throws a dead letter away.
    ///
    /// # Errors
    /// [`DatabaseError::NoSuch`].
    pub async fn throw_away(&self, number: i64) -> Result<(), DatabaseError> {
        self.write(move |sql, _| letters::remove(sql, number)).await
    }

    /// How the sync is.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn status(&self) -> Result<SyncStatus, DatabaseError> {
        self.read(|sql, plan| status::status(sql, plan)).await
    }

    /// Ends the sync: triggers and our own tables go, the users' tables stay with all
    /// that is in them. A later sync takes them over.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn forget(self) -> Result<(), DatabaseError> {
        self.write(|sql, _| schema::forget(sql)).await
    }

    /// Does a job that only reads: all of it as of one moment.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Sql, &Plan) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let plan = Arc::clone(&self.plan);
        self.hand_over(move |sql| {
            sql.run("BEGIN", &[])?;
            let answer = job(sql, &plan);
            sql.rollback();
            answer
        })
        .await
    }

    /// Does a job in a transaction, committed if it gives `Ok`.
    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Sql, &Plan) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let plan = Arc::clone(&self.plan);
        self.hand_over(move |sql| {
            sql.begin()?;
            let answer = job(sql, &plan).and_then(|answer| sql.commit().map(|()| answer));
            if answer.is_err() {
                sql.rollback();
            }
            answer
        })
        .await
    }

    async fn hand_over<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Sql) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |sql| {
            let result = sql.revive().and_then(|()| job(sql));
            // Nobody waits if the caller's future was dropped.
            let _ = answer.send(result);
        });
        self.jobs.send(job).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn gone() -> DatabaseError {
    DatabaseError::Backend {
        doing: "be used".to_owned(),
        source: "its thread has ended".into(),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
