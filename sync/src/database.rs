//! The user's database: what the engine of a sync asks of it.
//!
//! One thread owns the connection and does one job after another, each in a
//! transaction of its own: when a call gives `Ok` its effect is durable, when it
//! gives `Err` nothing was changed. A call whose future is dropped may still take
//! effect.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};

use crate::apply::{self, Care};
use crate::conflicts::{self, Conflict, Resolution};
use crate::error::DatabaseError;
use crate::incoming::{Applied, Batch, Progress};
use crate::letters::{self, Letter};
use crate::numbers;
use crate::outgoing::{self, Outgoing};
use crate::plan::Plan;
use crate::rewriting::{self, Rewrite};
use crate::schema;
use crate::settle::{self, Settled, Settlement};
use crate::sql::Sql;
use crate::status::{self, KnownRecord, SyncStatus};
use crate::target::Target;
use crate::unread::{self, Unread};
use crate::value::Fields;

/// Jobs that may wait. Beyond that, callers wait before they can hand over.
const WAITING_JOBS: usize = 64;

type Job = Box<dyn FnOnce(&mut dyn Sql) + Send>;

/// A user's database with the tables of a plan.
pub struct Database {
    worker: Worker,
    plan: Arc<Plan>,
}

/// The thread that owns the connection.
struct Worker(mpsc::Sender<Job>);

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
        let database = Self {
            worker: Worker::start(target).await?,
            plan: Arc::clone(plan),
        };
        database
            .write(|sql, plan| schema::prepare(sql, plan, now_ms()))
            .await?;
        Ok(database)
    }

    /// Opens a database in which a sync was set up before, with the plan that its
    /// tables were last brought to: to ask how the sync is, also while an engine works
    /// on it, or to resolve conflicts.
    ///
    /// # Errors
    /// [`DatabaseError::NoSync`]; otherwise as [`Self::open`].
    pub async fn attach(target: &Target) -> Result<Self, DatabaseError> {
        let worker = Worker::start(target).await?;
        let plan = worker.hand_over(schema::kept_plan).await?;
        Ok(Self {
            worker,
            plan: Arc::new(plan),
        })
    }

    /// The statements with which [`Self::open`] would change tables. Nothing is
    /// changed; a file that does not exist is made, and is empty.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn preview(target: &Target, plan: &Arc<Plan>) -> Result<Vec<String>, DatabaseError> {
        let worker = Worker::start(target).await?;
        let plan = Arc::clone(plan);
        worker
            .hand_over(move |sql| {
                sql.begin()?;
                let statements = schema::prepare(sql, &plan, now_ms());
                sql.rollback();
                statements
            })
            .await
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes the database for one engine, for as long as this value lives: two would
    /// send everything twice. Waits a while for another that is about to end.
    ///
    /// # Errors
    /// [`DatabaseError::Taken`].
    pub(crate) async fn claim(&self) -> Result<(), DatabaseError> {
        self.worker.hand_over(|sql| sql.claim()).await
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
        self.read(|sql, _| Ok(!sql.rows("SELECT 1 FROM ~outbox LIMIT 1", &[])?.is_empty()))
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

    /// What both sides last agreed on about records, by their ids; nothing of those
    /// that are not known.
    pub(crate) async fn agreed(
        &self,
        object: &str,
        org_ids: Vec<String>,
    ) -> Result<BTreeMap<String, Fields>, DatabaseError> {
        let object = object.to_owned();
        self.read(move |sql, _| rewriting::agreed(sql, &object, &org_ids))
            .await
    }

    /// Rows as they are now, by their keys; nothing of those that are gone.
    pub(crate) async fn rows(
        &self,
        object: &str,
        local_keys: Vec<String>,
    ) -> Result<BTreeMap<String, Fields>, DatabaseError> {
        let object = object.to_owned();
        self.read(move |sql, plan| rewriting::rows(sql, plan, &object, &local_keys))
            .await
    }

    /// Writes what plugins made of rows that are about to be sent, and remembers it
    /// with what is sent.
    pub(crate) async fn rewrite(&self, rewrites: Vec<Rewrite>) -> Result<(), DatabaseError> {
        self.write(move |sql, plan| rewriting::rewrite(sql, plan, &rewrites))
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

    /// Marks all records of all objects to be compared with the org's: the engine at
    /// work does so within seconds, or the next one.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn compare_all(&self) -> Result<(), DatabaseError> {
        self.write(|sql, plan| {
            numbers::next(sql)?;
            let taken = plan.objects.iter().filter(|object| object.takes());
            for object in taken {
                unread::mark(sql, &object.object, unread::ALL, now_ms())?;
            }
            Ok(())
        })
        .await
    }

    /// What would be sent now, at most `limit` changes. Nothing is remembered.
    ///
    /// # Errors
    /// [`DatabaseError::is_passing`] tells whether to try again.
    pub async fn preview_outgoing(&self, limit: usize) -> Result<Outgoing, DatabaseError> {
        let plan = Arc::clone(&self.plan);
        self.worker
            .hand_over(move |sql| {
                sql.begin()?;
                let outgoing = outgoing::outgoing(sql, &plan, limit, now_ms());
                sql.rollback();
                outgoing
            })
            .await
    }

    /// Ends the sync: triggers and our own tables go, the users' tables stay with all
    /// that is in them. A later sync takes them over.
    ///
    /// # Errors
    /// [`DatabaseError::Taken`] while an engine works on it.
    pub async fn forget(self) -> Result<(), DatabaseError> {
        self.claim().await?;
        self.write(|sql, _| schema::forget(sql)).await
    }

    /// Does a job that only reads: all of it as of one moment.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Sql, &Plan) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let plan = Arc::clone(&self.plan);
        self.worker
            .hand_over(move |sql| {
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
        self.worker
            .hand_over(move |sql| {
                sql.begin()?;
                let answer = job(sql, &plan).and_then(|answer| sql.commit().map(|()| answer));
                if answer.is_err() {
                    sql.rollback();
                }
                answer
            })
            .await
    }
}

impl Worker {
    async fn start(target: &Target) -> Result<Self, DatabaseError> {
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
        Ok(Self(jobs))
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
        self.0.send(job).await.map_err(|_| gone())?;
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
