//! A thread that owns one connection to the file and does what it is sent, one
//! transaction for each job.

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::FILE_NAME;
use crate::store::StoreError;

/// Jobs that may wait. Beyond that, callers wait before they can hand over:
/// back-pressure instead of memory.
const WAITING_JOBS: usize = 256;

/// Why a job was rolled back.
pub(super) enum Failure {
    /// The answer is no.
    Refused(StoreError),
    /// The database could not.
    Database(rusqlite::Error),
    /// A row holds what was never written.
    Damaged(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl Failure {
    /// The error for the caller. `path` names the file, `doing` the job.
    pub(super) fn told(self, path: &str, doing: &'static str) -> StoreError {
        let error = match self {
            Self::Refused(error) => return error,
            Self::Damaged(detail) => {
                return StoreError::Corrupt {
                    path: path.to_owned(),
                    detail,
                };
            }
            Self::Database(error) => error,
        };
        // An index of the log that cannot grow is told as an input or output that failed.
        let extended = error.sqlite_error().map(|error| error.extended_code);
        if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
            return StoreError::NoRoom {
                place: path.to_owned(),
            };
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::NoRoom {
                place: path.to_owned(),
            },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt {
                path: path.to_owned(),
                detail: error.to_string(),
            },
            _ => StoreError::Backend {
                doing,
                source: error.into(),
            },
        }
    }
}

/// What a worker's jobs do to the file.
#[derive(Clone, Copy)]
pub(super) enum Access {
    Read,
    Write,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The handle of a worker. The thread ends, and closes its connection, when the
/// handle is dropped and what was handed over is done.
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
    access: Access,
}

impl Worker {
    pub(super) fn start(
        name: &str,
        mut connection: Connection,
        access: Access,
    ) -> Result<Self, StoreError> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING_JOBS);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                while let Some(job) = waiting.blocking_recv() {
                    job(&mut connection);
                }
            })
            .map_err(|source| StoreError::Backend {
                doing: "start its thread",
                source: source.into(),
            })?;
        Ok(Self { jobs, access })
    }

    /// Does `job` in a transaction of its own, committed if it gives `Ok`.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let behavior = match self.access {
            // One snapshot for all that the job reads.
            Access::Read => TransactionBehavior::Deferred,
            Access::Write => TransactionBehavior::Immediate,
        };
        self.hand_over(doing, move |connection| {
            let tx = connection.transaction_with_behavior(behavior)?;
            let answer = job(&tx)?;
            tx.commit()?;
            Ok(answer)
        })
        .await
    }

    /// Moves the log into the file and empties it, so that what was erased does
    /// not live on in the log. If another process is reading just then, the log
    /// goes with a later checkpoint.
    pub(super) async fn wipe_log(&self) -> Result<(), StoreError> {
        self.hand_over("wipe its log", |connection| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            Ok(())
        })
        .await
    }

    async fn hand_over<T: Send + 'static>(
        &self,
        doing: &'static str,
        job: impl FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::Backend {
            doing,
            source: "its thread has ended".into(),
        };
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody waits if the caller's future was dropped.
            let _ = answer.send(job(connection).map_err(|failure| failure.told(FILE_NAME, doing)));
        });
        self.jobs.send(job).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}
