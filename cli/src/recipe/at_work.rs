//! Syncs of a recipe: set up, and at work until a recipe has seen enough.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use lockgate::Connection;
use lockgate_sync::{Database, Direction, Engine, EngineOptions, Mapping, Plan, Target};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The longest wait for something that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked where no transaction tells of anything.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The engine of a sync of one object, at rest.
pub(super) async fn engine(
    connection: &Connection,
    object: &str,
    mapping: &str,
    target: &Target,
) -> Result<Arc<Engine>> {
    let described = connection.describe(object).await?;
    let mapping = Mapping::from_toml(mapping).context("the recipe's mapping is no TOML")?;
    let plan = Arc::new(Plan::new(&[described], &mapping, Direction::Both)?);
    let database = Database::open(target, &plan).await?;
    let options = EngineOptions {
        reconcile_every: None,
        ..EngineOptions::default()
    };
    Ok(Engine::new(connection, database, options))
}

/// Two syncs at work. They are cut off with this value.
#[derive(Debug)]
pub(super) struct AtWork {
    engines: [Arc<Engine>; 2],
    tasks: [JoinHandle<anyhow::Error>; 2],
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl AtWork {
    pub(super) fn begin(engines: [Arc<Engine>; 2]) -> Self {
        let tasks = engines.each_ref().map(|engine| {
            let engine = Arc::clone(engine);
            tokio::spawn(async move {
                let Err(error) = engine.run().await;
                error.into()
            })
        });
        Self { engines, tasks }
    }

    /// Waits until nothing is left to do and something holds, looking again after each
    /// transaction of either.
    pub(super) async fn until(
        &mut self,
        what: &str,
        holds: impl AsyncFn() -> Result<bool>,
    ) -> Result<()> {
        let [one, other] = self.engines.each_ref();
        let (mut one, mut other) = (one.activity(), other.activity());
        let until = Instant::now() + PATIENCE;
        loop {
            one.borrow_and_update();
            other.borrow_and_update();
            if self.are_idle().await? && holds().await? {
                return Ok(());
            }
            let [first, second] = &mut self.tasks;
            tokio::select! {
                ended = first => return Err(ended?.context("a sync ended")),
                ended = second => return Err(ended?.context("a sync ended")),
                _ = one.changed() => {}
                _ = other.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if Instant::now() > until {
                let waits: Vec<String> = self
                    .engines
                    .iter()
                    .flat_map(|engine| engine.waits())
                    .collect();
                return Err(anyhow!("{what}: not so after {PATIENCE:?} {waits:?}"));
            }
        }
    }

    /// Whether what is here and what is there are the same, as far as either knows.
    async fn are_idle(&self) -> Result<bool> {
        for engine in &self.engines {
            let status = engine.database().status().await?;
            if status.pending + status.under_way + status.unread > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until nothing is left to do, and lets both rest.
    pub(super) async fn rest(mut self) -> Result<[Arc<Engine>; 2]> {
        self.until("nothing is left to do", async || Ok(true))
            .await?;
        for task in &mut self.tasks {
            task.abort();
            // It was told to end: how does not matter.
            let _ = task.await;
        }
        Ok(self.engines.clone())
    }
}
