//! Lockgate's sync: an engine that keeps contacts equal with a table.

use std::sync::Arc;

use anyhow::Result;
use lockgate_sync::{
    Activity, Database, Direction, Engine, EngineOptions, Mapping, Plan, Progress, Target,
};
use tokio::task::JoinHandle;

use crate::contact::Outcome;
use crate::ours::Session;
use crate::table::{LOOK, Place};

/// What every client keeps of a contact.
pub(crate) const FIELDS: [&str; 9] = [
    "FirstName",
    "LastName",
    "Email",
    "Title",
    "Department",
    "Phone",
    "MailingStreet",
    "MailingCity",
    "MailingCountry",
];

/// An engine and its table.
pub(crate) struct Synced {
    place: Place,
    engine: Arc<Engine>,
    work: Option<JoinHandle<()>>,
    // The connection ends with it.
    _session: Session,
}

impl Drop for Synced {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            work.abort();
        }
    }
}

impl Synced {
    /// An engine at rest, with an empty table.
    pub(crate) async fn open(url: &str, direction: Direction) -> Result<Self> {
        let session = Session::open(url).await?;
        let contact = session.connection().describe("Contact").await?;
        let fields = contact.fields.iter().map(|field| &field.name);
        let others: Vec<&String> = fields
            .filter(|name| !FIELDS.contains(&name.as_str()) && *name != "Id")
            .collect();
        let mapping = format!("[objects.Contact]\nleave_out = {others:?}");
        let mapping = Mapping::from_toml(&mapping)?;
        let plan = Arc::new(Plan::new(&[contact], &mapping, direction)?);
        let place = Place::new()?;
        let database = Database::open(&Target::sqlite(place.file()), &plan).await?;
        let engine = Engine::new(session.connection(), database, EngineOptions::default());
        Ok(Self {
            place,
            engine,
            work: None,
            _session: session,
        })
    }

    /// Has the engine at work, and waits until everything is loaded and listened to.
    /// From then on it is noted how long changes take.
    pub(crate) async fn live(self, rows: u64) -> Result<Self> {
        let live = self.quietly_live(rows).await?;
        live.place.note_lags()?;
        Ok(live)
    }

    /// The same, and nothing is noted.
    pub(crate) async fn quietly_live(mut self, rows: u64) -> Result<Self> {
        self.start();
        while self.place.outcome()?.rows < rows {
            tokio::time::sleep(LOOK).await;
        }
        while !self.is_live().await? {
            tokio::time::sleep(LOOK).await;
        }
        Ok(self)
    }

    /// Whether all is loaded, and was compared once more since events are listened to.
    async fn is_live(&self) -> Result<bool> {
        let status = self.engine.database().status().await?;
        let mut objects = status.objects.values();
        let is_loaded = objects.all(|object| object.progress == Some(Progress::Live));
        let is_compared = self.engine.activity().borrow().compared > 0;
        Ok(is_loaded && is_compared && status.unread == 0 && !status.checkpoints_ms.is_empty())
    }

    fn start(&mut self) {
        let engine = Arc::clone(&self.engine);
        self.work = Some(tokio::spawn(async move {
            let Err(error) = engine.run().await;
            tracing::error!(%error, "the engine ended");
        }));
    }

    /// Loads all contacts.
    pub(crate) async fn load(&mut self, rows: u64) -> Result<Outcome> {
        self.start();
        while self.engine.activity().borrow().applied.inserted < rows {
            tokio::time::sleep(LOOK).await;
        }
        self.place.outcome()
    }

    /// Takes in so many changes, and says what they took.
    pub(crate) async fn receive(&self, rows: u64) -> Result<(Outcome, [f64; 2])> {
        while self.place.seen()? < rows {
            tokio::time::sleep(LOOK).await;
        }
        let outcome = Outcome { rows, length: 0 };
        Ok((outcome, self.place.lags_ms()?))
    }

    /// Takes in so many changes, which the engine itself counts: a table of them would be
    /// in its memory.
    pub(crate) async fn soak(&self, rows: u64) -> Result<Outcome> {
        let mut activity = self.engine.activity();
        let before = activity.borrow().applied.updated;
        let is_enough = |now: &Activity| now.applied.updated >= before + rows;
        activity.wait_for(is_enough).await?;
        Ok(Outcome { rows, length: 0 })
    }

    /// Sends a change of each row.
    pub(crate) async fn send(&self, rows: u64) -> Result<Outcome> {
        self.place.change_all()?;
        while self.engine.activity().borrow().sent.done < rows {
            tokio::time::sleep(LOOK).await;
        }
        Ok(Outcome { rows, length: 0 })
    }
}
