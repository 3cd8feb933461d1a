//! One sync at work: begun again after whatever ends it, with pauses that grow, and
//! with a new plan when the org's objects have changed.

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use lockgate_sync::{Activity, Engine};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::control::{Calls, Live};
use super::hosts::Hosts;
use crate::exit::duration;
use crate::output;
use crate::sync::definition::Sync;
use crate::sync::open;
use crate::text;

/// The first and the longest pause after a failure.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often the org is asked whether its objects have changed. Connectors know by
/// validators, so that it costs little.
const PLAN_EVERY: Duration = Duration::from_hours(1);

/// A sync at work. It goes on until it is stopped.
pub(super) struct Work {
    task: JoinHandle<()>,
    state: Arc<StdMutex<State>>,
}

/// How far it is.
#[derive(Clone, Default)]
enum State {
    #[default]
    Starting,
    Running(Arc<Engine>),
    Failing(String, Activity),
}

impl Work {
    pub(super) fn begin(hosts: Arc<Mutex<Hosts>>, sync: Sync) -> Self {
        let state = Arc::default();
        let task = tokio::spawn(work(hosts, sync, Arc::clone(&state)));
        Self { task, state }
    }

    /// Stops it, and waits until it has.
    pub(super) async fn stop(self) {
        self.task.abort();
        // It was cut off, as it was asked to be.
        let _ = self.task.await;
    }

    /// Whether it waits for its next try.
    pub(super) fn is_failing(&self) -> bool {
        matches!(self.state(), State::Failing(..))
    }

    fn state(&self) -> State {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    pub(super) async fn live(&self) -> Live {
        match self.state() {
            State::Starting => Live {
                state: "starting".to_owned(),
                problem: None,
                waits: Vec::new(),
                activity: Activity::default(),
                budget: None,
            },
            State::Running(engine) => {
                Live {
                    state: "running".to_owned(),
                    problem: None,
                    waits: engine.waits(),
                    activity: *engine.activity().borrow(),
                    // A status without it is better than none.
                    budget: calls(&engine).await.ok().flatten(),
                }
            }
            State::Failing(problem, activity) => Live {
                state: "failing".to_owned(),
                problem: Some(problem),
                waits: Vec::new(),
                activity,
                budget: None,
            },
        }
    }
}

/// What is left of the budget, and what of it this sync still needs; `None` if the
/// product does not count calls.
async fn calls(engine: &Engine) -> Result<Option<Calls>> {
    let connection = engine.connection();
    let to_do = engine.database().status().await?.calls_to_do();
    let Some(forecast) = connection.forecast(to_do).await? else {
        return Ok(None);
    };
    let budget = connection.budget().await?;
    Ok(Some(Calls {
        limit: budget.limit,
        used: budget.used,
        available: budget.available,
        to_do,
        done_in_s: forecast.done_in.map(|wait| wait.as_secs()),
    }))
}

async fn work(hosts: Arc<Mutex<Hosts>>, sync: Sync, state: Arc<StdMutex<State>>) {
    let set = |now: State| *state.lock().unwrap_or_else(PoisonError::into_inner) = now;
    let mut pause = SHORTEST_PAUSE;
    loop {
        let begun = Instant::now();
        let mut activity = Activity::default();
        let ended = serve(
            &hosts,
            &sync,
            |engine| set(State::Running(engine)),
            &mut activity,
        );
        let Err(error) = ended.await else {
            output::tell(&format!("{}: its objects have changed", sync.title()));
            set(State::Starting);
            continue;
        };
        if begun.elapsed() > LONGEST_PAUSE {
            pause = SHORTEST_PAUSE;
        }
        let problem = format!("{error:#}");
        output::tell(&format!(
            "{}: {} (tries again in {})",
            sync.title(),
            text::clean(&problem),
            duration(pause)
        ));
        set(State::Failing(problem, activity));
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Has the engine at work until it fails, or its plan is out of date.
async fn serve(
    hosts: &Mutex<Hosts>,
    sync: &Sync,
    running: impl FnOnce(Arc<Engine>),
    activity: &mut Activity,
) -> Result<()> {
    let engine = {
        // One after the other: compilers would only slow each other down.
        let mut hosts = hosts.lock().await;
        let package = sync.definition.package.as_deref();
        let (host, connection) = hosts.connect(&sync.connection, package).await?;
        open::engine(&host, &connection, sync).await?
    };
    running(Arc::clone(&engine));
    let ended = tokio::select! {
        ended = engine.run() => match ended {
            Ok(never) => match never {},
            Err(error) => Err(open::told(error)),
        },
        () = is_out_of_date(&engine, sync) => Ok(()),
    };
    *activity = *engine.activity().borrow();
    ended
}

/// Comes when the org's objects are no longer as the plan has them.
async fn is_out_of_date(engine: &Engine, sync: &Sync) {
    loop {
        sleep(PLAN_EVERY).await;
        match open::plan(engine.connection(), &sync.definition).await {
            Ok(plan) if &plan == engine.database().plan() => {}
            Ok(_) => return,
            // The engine meets it as well, if it matters.
            Err(error) => tracing::warn!(%error, "a sync cannot see whether its objects changed"),
        }
    }
}
