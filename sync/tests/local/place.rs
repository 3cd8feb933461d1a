//! A database of a test: as the sync has it, and as another program does.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use lockgate_sync::{Database, Direction, Mapping, Plan, Target};
use postgres::SimpleQueryMessage;
use test_postgres::Server;

use crate::fixture::{account, contact};

/// A promise: the sentence, and what shows it.
pub(crate) type Case = (&'static str, fn(Place) -> BoxFuture<'static, ()>);

/// Makes a test of each of these functions on SQLite, and lists them for the others.
macro_rules! on_every_database {
    ($($promise:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(crate::place::Place::sqlite()).await;
            })*
        }

        pub(crate) const CASES: &[crate::place::Case] =
            &[$((stringify!($promise), |place| Box::pin($promise(place)))),*];
    };
}
pub(crate) use on_every_database;

/// A database that is gone with the test.
pub(crate) struct Place {
    address: String,
    target: Target,
    other: Other,
    /// Removed with the test.
    kept: Option<tempfile::TempPath>,
}

/// The way of other programs to it.
enum Other {
    Sqlite(PathBuf),
    Postgres(Box<Client>),
}

/// A client that blocks, and so must neither work nor end on a thread of a runtime.
struct Client(Mutex<Option<postgres::Client>>);

impl Client {
    fn connect(address: &str) -> Self {
        let client = apart(|| postgres::Client::connect(address, postgres::NoTls).unwrap());
        Self(Mutex::new(Some(client)))
    }

    fn with<T: Send>(&self, job: impl FnOnce(&mut postgres::Client) -> T + Send) -> T {
        apart(|| job(self.0.lock().unwrap().as_mut().unwrap()))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        apart(|| drop(self.0.lock().unwrap().take()));
    }
}

/// The mapping of most tests.
pub(crate) const KEYED: &str = r#"
    [objects.Contact]
    key_field = "Sync_Key__c"
    [objects.Account]
    key_field = "Sync_Key__c"
"#;

pub(crate) fn plan(mapping: &str) -> Arc<Plan> {
    let mapping = Mapping::from_toml(mapping).unwrap();
    let plan = Plan::new(&[account(), contact()], &mapping, Direction::Both);
    Arc::new(plan.unwrap())
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let file = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::remove_file(&file).unwrap();
        let mut place = Self::at(&format!("sqlite:{}", file.display()));
        place.kept = Some(file);
        place
    }

    pub(crate) fn postgres(server: &Server) -> Self {
        Self::at(&server.database())
    }

    /// A place that another process has made.
    pub(crate) fn at(address: &str) -> Self {
        let target = Target::parse(address).unwrap();
        let other = match target.file() {
            Some(file) => Other::Sqlite(file.to_owned()),
            None => Other::Postgres(Box::new(Client::connect(address))),
        };
        Self {
            address: address.to_owned(),
            target,
            other,
            kept: None,
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// This on SQLite, that on PostgreSQL.
    pub(crate) fn either<T>(&self, sqlite: T, postgres: T) -> T {
        match self.other {
            Other::Sqlite(_) => sqlite,
            Other::Postgres(_) => postgres,
        }
    }

    /// The database with the tables of a mapping.
    pub(crate) async fn open(&self, mapping: &str) -> Database {
        Database::open(&self.target, &plan(mapping)).await.unwrap()
    }

    /// What another program is told when it does this.
    pub(crate) fn try_sql(&self, sql: &str) -> Result<(), String> {
        match &self.other {
            Other::Sqlite(file) => connection(file)
                .execute_batch(sql)
                .map_err(|error| error.to_string()),
            Other::Postgres(client) => client.with(|client| {
                client.batch_execute(sql).map_err(|error| {
                    let told = error.as_db_error().map(|error| error.message().to_owned());
                    told.unwrap_or_else(|| error.to_string())
                })
            }),
        }
    }

    /// Another program does this.
    pub(crate) fn sql(&self, sql: &str) {
        self.try_sql(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// What another program sees: each row as its values with `|` between them.
    pub(crate) fn rows(&self, query: &str) -> Vec<String> {
        match &self.other {
            Other::Sqlite(file) => sqlite_rows(file, query),
            Other::Postgres(client) => client.with(|client| {
                let messages = client.simple_query(query).unwrap();
                let rows = messages.iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                });
                let row = |row: &postgres::SimpleQueryRow| {
                    let cells = (0..row.len()).map(|at| row.get(at).unwrap_or("-"));
                    cells.collect::<Vec<&str>>().join("|")
                };
                rows.map(row).collect()
            }),
        }
    }

    /// The first value of a query with one.
    pub(crate) fn one(&self, query: &str) -> String {
        self.rows(query).into_iter().next().unwrap_or_default()
    }
}

fn connection(file: &std::path::Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    connection
}

fn sqlite_rows(file: &std::path::Path, query: &str) -> Vec<String> {
    let connection = connection(file);
    let mut statement = connection.prepare(query).unwrap();
    let width = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells = (0..width).map(|at| {
            Ok(match row.get_ref(at)? {
                rusqlite::types::ValueRef::Null => "-".to_owned(),
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                rusqlite::types::ValueRef::Real(number) => number.to_string(),
                rusqlite::types::ValueRef::Text(text) | rusqlite::types::ValueRef::Blob(text) => {
                    String::from_utf8_lossy(text).into_owned()
                }
            })
        });
        Ok(cells.collect::<rusqlite::Result<Vec<String>>>()?.join("|"))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// On a thread of its own: the client blocks, and has a runtime of its own.
fn apart<T: Send>(job: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(job).join().unwrap())
}
