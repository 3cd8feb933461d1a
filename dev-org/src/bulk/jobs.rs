//! All jobs of the org with their states, limits and switches. Tasks and
//! requests meet here; the lock is held for a look or a change, never for work.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::job::{Job, Task, Wanted, Work};
use super::quota::Quota;
use super::switches::{BulkJobState as State, Switches};
use super::{ingest, query};
use crate::fault::Fault;
use crate::id;
use crate::rolling::DAY_MS;
use crate::state::Shared;

/// The key prefix of jobs.
const PREFIX: &str = "750";
/// The first serial number, large enough for ids to look lived-in.
const FIRST_SERIAL: u64 = 916_132_832;
/// How long a job may wait for its data.
const OPEN_MS: i64 = DAY_MS;
/// How long a finished job and its results stay.
const KEPT_MS: i64 = 7 * DAY_MS;

/// Why work ends before its last row.
pub(super) enum Ended {
    /// The job was aborted or deleted.
    Stopped,
    Failed(String),
}

/// The jobs and what steers them.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    /// By serial number, which is the order in which they were created.
    jobs: BTreeMap<u64, Job>,
    made: u64,
    pub(crate) quota: Quota,
    pub(crate) switches: Switches,
}

impl Jobs {
    /// A job by id of either length, after what time does to jobs.
    pub(crate) fn find(&mut self, job: &str, now_ms: i64) -> Option<&mut Job> {
        self.age(now_ms);
        let serial = id::serial(&id::normalize(job)?)?;
        self.jobs
            .get_mut(&serial)
            .filter(|found| id::same(&found.work.id, job))
    }

    /// All jobs, the newest first.
    pub(crate) fn all(&mut self, now_ms: i64) -> impl Iterator<Item = (u64, &Job)> {
        self.age(now_ms);
        self.jobs.iter().rev().map(|(serial, job)| (*serial, job))
    }

    pub(crate) fn remove(&mut self, job: &str) {
        if let Some(serial) = id::serial(job) {
            self.jobs.remove(&serial);
        }
    }

    /// A job whose data never came is given up after a day; what is finished
    /// is forgotten after a week.
    fn age(&mut self, now_ms: i64) {
        self.jobs
            .retain(|_, job| !job.state.is_final() || now_ms - job.modified_ms < KEPT_MS);
        for job in self.jobs.values_mut() {
            if job.state == State::Open && now_ms - job.work.created_ms >= OPEN_MS {
                job.state = State::Aborted;
                job.modified_ms = job.work.created_ms + OPEN_MS;
            }
        }
    }
}

/// The bulk side of an org.
#[derive(Debug)]
pub(crate) struct Bulk {
    jobs: Mutex<Jobs>,
    tasks: Mutex<JoinSet<()>>,
    /// Counts the changes of jobs and switches, for those who wait for one.
    changes: watch::Sender<u64>,
}

impl Default for Bulk {
    fn default() -> Self {
        Self {
            jobs: Mutex::default(),
            tasks: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Bulk {
    pub(crate) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait that something is different.
    pub(crate) fn changed(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Makes a job.
    pub(crate) fn create(&self, wanted: Wanted) -> Job {
        let mut jobs = self.jobs();
        let serial = FIRST_SERIAL + jobs.made;
        jobs.made += 1;
        let is_query = wanted.task.is_query();
        let now_ms = wanted.created_ms;
        let work = Work::new(id::make(PREFIX, serial), wanted);
        let job = Job {
            work: Arc::new(work),
            // A query brings all that it needs.
            state: if is_query {
                State::UploadComplete
            } else {
                State::Open
            },
            modified_ms: now_ms,
            error: None,
            has_data: is_query,
            is_held: false,
            total_ms: 0,
        };
        jobs.jobs.insert(serial, job.clone());
        job
    }

    /// Starts the work of a job that has its data.
    pub(crate) fn start(&self, shared: &Arc<Shared>, work: &Arc<Work>) {
        let (shared, work) = (Arc::clone(shared), Arc::clone(work));
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are let go.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move { run(&shared, &work).await });
    }

    /// Ends all work, since tasks keep the org alive.
    pub(crate) fn shut_down(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.abort_all();
        tasks.detach_all();
    }

    /// Moves a job to a state, unless it has ended meanwhile.
    pub(crate) fn advance(&self, work: &Work, state: State, now_ms: i64) -> bool {
        self.end(work, state, now_ms, None, 0)
    }

    /// As `advance`, with the error of a failed job and the time it took.
    pub(crate) fn end(
        &self,
        work: &Work,
        state: State,
        now_ms: i64,
        error: Option<String>,
        total_ms: u64,
    ) -> bool {
        let mut jobs = self.jobs();
        let moved = jobs
            .find(&work.id, now_ms)
            .filter(|job| !job.state.is_final())
            .map(|job| {
                job.state = state;
                job.modified_ms = now_ms;
                job.error = error;
                job.total_ms = total_ms;
            });
        drop(jobs);
        self.changed();
        moved.is_some()
    }

    /// Waits at the switches. Then says how many rows may be worked on before
    /// the next look, or why there is none.
    pub(super) async fn pass(&self, work: &Work, state: State, now_ms: i64) -> Result<u64, Ended> {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let rows = work.rows();
            let (may_go, is_news) = {
                let mut jobs = self.jobs();
                let waits = jobs.switches.holds(state, rows);
                let job = jobs.find(&work.id, now_ms).ok_or(Ended::Stopped)?;
                if job.state.is_final() || work.is_stopped() {
                    return Err(Ended::Stopped);
                }
                let is_news = job.is_held != waits;
                job.is_held = waits;
                (!waits, is_news)
            };
            if is_news {
                self.changed();
            }
            if may_go {
                break;
            }
            // Our own news is seen, too, and looked at once more.
            if changes.changed().await.is_err() {
                return Err(Ended::Stopped);
            }
        }
        let slice_ms = self.jobs().switches.slice_ms;
        if slice_ms > 0 {
            tokio::time::sleep(Duration::from_millis(slice_ms)).await;
        }
        let rows = work.rows();
        let mut jobs = self.jobs();
        if state == State::InProgress
            && let Some(message) = jobs.switches.fail(&work.object, rows)
        {
            return Err(Ended::Failed(message));
        }
        let stop = jobs.switches.next_stop(&work.object, rows);
        Ok(stop.map_or(u64::MAX, |stop| stop - rows))
    }

    /// Waits until every job is finished, held, or waits for its data.
    pub(crate) async fn settled(&self, now_ms: i64) {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let is_settled = self
                .jobs()
                .all(now_ms)
                .all(|(_, job)| job.state.is_final() || job.state == State::Open || job.is_held);
            if is_settled || changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Ends a job for its user.
    pub(crate) fn abort(&self, job: &str, now_ms: i64) -> Result<Job, Fault> {
        let found = self.jobs().find(job, now_ms).cloned();
        let found = found.ok_or_else(Fault::not_there)?;
        if !found.state.is_final() {
            found.work.stop.store(true, Ordering::Release);
            // The slice that is being written ends first.
            drop(found.work.outcome());
        }
        let mut jobs = self.jobs();
        let found = jobs.find(job, now_ms).ok_or_else(Fault::not_there)?;
        if found.state.is_final() {
            return Err(wrong_state(&format!(
                "Aborting already {} Job not allowed",
                state_in_words(found.state)
            )));
        }
        found.state = State::Aborted;
        found.modified_ms = now_ms;
        found.is_held = false;
        let found = found.clone();
        drop(jobs);
        self.changed();
        Ok(found)
    }
}

/// The error for a job that is in another state than a request needs.
pub(crate) fn wrong_state(message: &str) -> Fault {
    Fault::bad_request("INVALIDJOBSTATE", message)
}

/// A state as the API's sentences name it.
pub(crate) fn state_in_words(state: State) -> &'static str {
    match state {
        State::JobComplete => "Completed",
        State::UploadComplete | State::InProgress => "Closed",
        other => other.name(),
    }
}

/// Works on a job until it ends.
async fn run(shared: &Arc<Shared>, work: &Arc<Work>) {
    let now_ms = || shared.clock.now_ms();
    let bulk = &shared.bulk;
    let started = Instant::now();
    let waited = bulk.pass(work, State::UploadComplete, now_ms()).await;
    if waited.is_err() || !bulk.advance(work, State::InProgress, now_ms()) {
        return;
    }
    let worked = match work.task {
        Task::Ingest { .. } => ingest::load(shared, work).await,
        Task::Query { .. } => query::find(shared, work).await,
    };
    let (state, error) = match worked {
        Ok(()) => (State::JobComplete, None),
        Err(Ended::Failed(message)) => (State::Failed, Some(message)),
        Err(Ended::Stopped) => return,
    };
    let total_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    bulk.end(work, state, now_ms(), error, total_ms);
}
