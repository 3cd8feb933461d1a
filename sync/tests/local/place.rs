//! A database of a test: as the sync has it, and as another program does.

use std::sync::Arc;

use lockgate_sync::{Database, Direction, Mapping, Plan, Target};

use crate::fixture::{account, contact};

/// Makes a test of each of these functions for every database.
macro_rules! on_every_database {
    ($($promise:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(crate::place::Place::sqlite()).await;
            })*
        }
    };
}
pub(crate) use on_every_database;

/// A database that is gone with the test.
pub(crate) struct Place {
    target: Target,
    file: tempfile::TempPath,
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
        Self {
            target: Target::Sqlite(file.to_path_buf()),
            file,
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The database with the tables of a mapping.
    pub(crate) async fn open(&self, mapping: &str) -> Database {
        Database::open(&self.target, &plan(mapping)).await.unwrap()
    }

    /// What another program is told when it does this.
    pub(crate) fn try_sql(&self, sql: &str) -> Result<(), String> {
        self.connection()
            .execute_batch(sql)
            .map_err(|error| error.to_string())
    }

    /// Another program does this.
    pub(crate) fn sql(&self, sql: &str) {
        self.try_sql(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// What another program sees: each row as its values with `|` between them.
    pub(crate) fn rows(&self, query: &str) -> Vec<String> {
        let connection = self.connection();
        let mut statement = connection.prepare(query).unwrap();
        let width = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..width).map(|at| {
                Ok(match row.get_ref(at)? {
                    rusqlite::types::ValueRef::Null => "-".to_owned(),
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    rusqlite::types::ValueRef::Real(number) => number.to_string(),
                    rusqlite::types::ValueRef::Text(text)
                    | rusqlite::types::ValueRef::Blob(text) => {
                        String::from_utf8_lossy(text).into_owned()
                    }
                })
            });
            Ok(cells.collect::<rusqlite::Result<Vec<String>>>()?.join("|"))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// The first value of a query with one.
    pub(crate) fn one(&self, query: &str) -> String {
        self.rows(query).into_iter().next().unwrap_or_default()
    }

    fn connection(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(&self.file).unwrap();
        connection
            .busy_timeout(std::time::Duration::from_secs(10))
            .unwrap();
        connection
    }
}
