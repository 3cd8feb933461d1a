//! An org and a database that a sync keeps equal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use dev_org::Config;
use lockgate::{Connection, Transform};
use lockgate_sync::{Database, Direction, Engine, EngineOptions, Mapping, Plan, Target};
use lockgate_tests::org::{NAME, Site, TENANT, demo_org, query};
use lockgate_tests::packages::package;
use lockgate_tests::proxy::Proxy;
use rusqlite::Connection as Sqlite;
use serde_json::Value as Json;
use tokio::task::JoinHandle;

/// Objects with a key field, so that nothing is created twice.
const MAPPING: &str = r#"
    [objects.Account]
    key_field = "External_Id__c"
    [objects.Contact]
    key_field = "External_Id__c"
"#;

/// A field and its column.
type Compared = (&'static str, &'static str);

/// What is compared of each object, with its table.
const COMPARED: [(&str, &str, &[Compared]); 2] = [
    (
        "Account",
        "account",
        &[("Name", "name"), ("Phone", "phone"), ("Fax", "fax")],
    ),
    (
        "Contact",
        "contact",
        &[
            ("FirstName", "first_name"),
            ("LastName", "last_name"),
            ("Email", "email"),
            ("AccountId", "account_id"),
        ],
    ),
];

/// Records by their ids.
pub(crate) type Rows = BTreeMap<String, Vec<Option<String>>>;

/// An org and a file of SQLite.
pub(crate) struct Pair {
    pub(crate) site: Arc<Site>,
    pub(crate) crm: Connection,
    plan: Arc<Plan>,
    folder: tempfile::TempDir,
}

/// An engine at work. It is cut off with this value.
pub(crate) struct Running {
    pub(crate) engine: Arc<Engine>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pair {
    /// An org with records, and an empty database.
    pub(crate) async fn new(records: usize) -> Self {
        let config = Config {
            records,
            ..demo_org()
        };
        Self::of(Site::with(config).await).await
    }

    /// An org behind a wire, and an empty database.
    pub(crate) async fn behind(proxy: &Proxy, config: Config) -> Self {
        let site = Site::unconnected(config).await;
        proxy.lead_to(site.org.addr());
        site.connect(TENANT, NAME).await;
        Self::of(site).await
    }

    /// An empty org with another mapping, of accounts alone.
    pub(crate) async fn mapped(mapping: &str) -> Self {
        Self::planned(Site::with(demo_org()).await, &["Account"], mapping).await
    }

    async fn of(site: Site) -> Self {
        Self::planned(site, &["Account", "Contact"], MAPPING).await
    }

    async fn planned(site: Site, objects: &[&str], mapping: &str) -> Self {
        let crm = site.crm().await;
        let mut descriptions = Vec::new();
        for object in objects {
            descriptions.push(crm.describe(object).await.unwrap());
        }
        let mapping = Mapping::from_toml(mapping).unwrap();
        let plan = Plan::new(&descriptions, &mapping, Direction::Both).unwrap();
        Self {
            site: Arc::new(site),
            crm,
            plan: Arc::new(plan),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Another database with the same org.
    pub(crate) fn beside(&self) -> Self {
        Self {
            site: Arc::clone(&self.site),
            crm: self.crm.clone(),
            plan: Arc::clone(&self.plan),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A plugin with its settings.
    pub(crate) async fn plugin(&self, name: &str, settings: Json) -> Transform {
        self.site.host.load(&package(name)).await;
        self.site.host.transform(name, &settings).await.unwrap()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("crm.db")
    }

    /// An engine at rest.
    pub(crate) async fn engine(&self) -> Arc<Engine> {
        self.engine_with(Vec::new()).await
    }

    /// An engine at rest that sends each record through these plugins.
    pub(crate) async fn engine_with(&self, plugins: Vec<Transform>) -> Arc<Engine> {
        self.engine_of(plugins, None).await
    }

    /// An engine at rest whose conflicts this plugin decides.
    pub(crate) async fn engine_that_decides(&self, decider: Transform) -> Arc<Engine> {
        self.engine_of(Vec::new(), Some(decider)).await
    }

    async fn engine_of(&self, plugins: Vec<Transform>, decider: Option<Transform>) -> Arc<Engine> {
        let target = Target::sqlite(self.file());
        let database = Database::open(&target, &self.plan).await.unwrap();
        let options = EngineOptions {
            look_every: std::time::Duration::from_millis(20),
            longest_pause: std::time::Duration::from_secs(2),
            reconcile_every: None,
            way: None,
            plugins,
            decider,
        };
        Engine::new(&self.crm, database, options)
    }

    /// Begins to keep both equal.
    pub(crate) async fn run(&self) -> Running {
        Self::run_engine(self.engine().await)
    }

    pub(crate) fn run_engine(engine: Arc<Engine>) -> Running {
        let working = Arc::clone(&engine);
        let task = tokio::spawn(async move {
            let Err(error) = working.run().await;
            panic!("the sync ended: {error}");
        });
        Running { engine, task }
    }

    /// The database as another program sees it.
    pub(crate) fn sql(&self) -> Sqlite {
        let sql = Sqlite::open(self.file()).unwrap();
        sql.busy_timeout(std::time::Duration::from_secs(30))
            .unwrap();
        sql
    }

    /// What both sides hold, by object.
    pub(crate) async fn sides(&self) -> [(Rows, Rows); 2] {
        let mut sides = [(Rows::new(), Rows::new()), (Rows::new(), Rows::new())];
        for (side, (object, table, compared)) in sides.iter_mut().zip(COMPARED) {
            if self.plan.object(object).is_none() {
                continue;
            }
            *side = (
                self.in_org(object, compared).await,
                self.in_table(table, compared),
            );
        }
        sides
    }

    async fn in_org(&self, object: &str, compared: &[Compared]) -> Rows {
        let fields: Vec<&str> = compared.iter().map(|(field, _)| *field).collect();
        let soql = format!("SELECT Id, {} FROM {object}", fields.join(", "));
        let records = query(&self.crm, &soql).await;
        let text = |value: &Json| value.as_str().map(str::to_owned);
        let records = records.iter().map(|record| {
            let values = fields.iter().map(|field| text(&record[*field]));
            (text(&record["Id"]).unwrap(), values.collect())
        });
        records.collect()
    }

    fn in_table(&self, table: &str, compared: &[Compared]) -> Rows {
        let columns: Vec<&str> = compared.iter().map(|(_, column)| *column).collect();
        let sql = self.sql();
        let text = format!(
            "SELECT coalesce(id, local_key), {} FROM {table}",
            columns.join(", ")
        );
        let mut statement = sql.prepare(&text).unwrap();
        let rows = statement.query_map([], |row| {
            let values = (1..=columns.len()).map(|at| row.get(at));
            Ok((row.get(0)?, values.collect::<Result<Vec<_>, _>>()?))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Whether both sides hold the same.
    pub(crate) async fn is_equal(&self) -> bool {
        self.sides().await.iter().all(|(org, table)| org == table)
    }

    /// Waits until both sides hold the same, and nothing is left to do.
    pub(crate) async fn equal(&self, running: &Running) {
        let mut activity = running.engine.activity();
        loop {
            activity.borrow_and_update();
            let status = running.engine.database().status().await.unwrap();
            let is_idle = status.pending == 0 && status.under_way == 0 && status.unread == 0;
            if is_idle && self.is_equal().await {
                return;
            }
            let heard =
                tokio::time::timeout(std::time::Duration::from_secs(60), activity.changed());
            if heard.await.is_err() {
                panic!(
                    "nothing happens any more: {status:?}, {:?}",
                    self.sides().await
                );
            }
        }
    }
}
