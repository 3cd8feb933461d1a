//! Two syncs of two products on one database, both at work: triggers of the user's carry
//! values from one to the other, and nothing comes back.

use std::sync::Arc;
use std::time::Duration;

use dev_org::Config;
use lockgate::Connection;
use lockgate_sync::{Database, Direction, Engine, EngineOptions, Mapping, Plan, Target};
use lockgate_tests::list;
use lockgate_tests::org::{Site, TENANT, create, demo_org, ids, query, records};
use mailing_list::MailingList;
use rusqlite::Connection as Sqlite;
use serde_json::{Value as Json, json};

use crate::pair::{Pair, Running};

/// A user's triggers between the two tables.
const TRIGGERS: &str = "
    CREATE TRIGGER contact_is_new AFTER INSERT ON contact WHEN NEW.email IS NOT NULL BEGIN
        INSERT INTO member (email, last_name) SELECT NEW.email, NEW.last_name
            WHERE NOT EXISTS (SELECT 1 FROM member WHERE email = NEW.email);
    END;
    CREATE TRIGGER contact_has_changed AFTER UPDATE OF last_name ON contact BEGIN
        UPDATE member SET last_name = NEW.last_name
            WHERE email = NEW.email AND last_name IS NOT NEW.last_name;
    END;
    CREATE TRIGGER member_is_new AFTER INSERT ON member BEGIN
        INSERT INTO contact (email, last_name) SELECT NEW.email, NEW.last_name
            WHERE NOT EXISTS (SELECT 1 FROM contact WHERE email = NEW.email);
    END;
    CREATE TRIGGER member_has_changed AFTER UPDATE OF last_name ON member BEGIN
        UPDATE contact SET last_name = NEW.last_name
            WHERE email = NEW.email AND last_name IS NOT NEW.last_name;
    END;";

struct Both {
    service: MailingList,
    crm: Connection,
    file: tempfile::TempPath,
    engines: [Arc<Engine>; 2],
    // The org and the host live as long as the test.
    _site: Site,
}

async fn engine(connection: &Connection, object: &str, key: &str, target: &Target) -> Arc<Engine> {
    let described = connection.describe(object).await.unwrap();
    let mapping = format!("[objects.{object}]\nkey_field = \"{key}\"");
    let mapping = Mapping::from_toml(&mapping).unwrap();
    let plan = Plan::new(&[described], &mapping, Direction::Both).unwrap();
    let database = Database::open(target, &Arc::new(plan)).await.unwrap();
    let options = EngineOptions {
        look_every: Duration::from_millis(20),
        reconcile_every: None,
        ..EngineOptions::default()
    };
    Engine::new(connection, database, options)
}

async fn both() -> Both {
    let site = Site::with(Config {
        records: 40,
        ..demo_org()
    })
    .await;
    let (crm, service) = (site.crm().await, list::start().await);
    let list = list::join(&site.host, &service, TENANT).await;
    let file = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let target = Target::sqlite(file.to_path_buf());
    let of = |name: &str| target.clone().of_sync(name).unwrap();
    let engines = [
        engine(&crm, "Contact", "External_Id__c", &of("crm")).await,
        engine(&list, "Member", "external_key", &of("list")).await,
    ];
    for engine in &engines {
        engine.run_once().await.unwrap();
    }
    let both = Both {
        service,
        crm,
        file,
        engines,
        _site: site,
    };
    both.sql().execute_batch(TRIGGERS).unwrap();
    both
}

impl Both {
    fn sql(&self) -> Sqlite {
        let sql = Sqlite::open(&self.file).unwrap();
        sql.busy_timeout(Duration::from_secs(30)).unwrap();
        sql
    }

    fn run(&self) -> [Running; 2] {
        self.engines
            .each_ref()
            .map(|engine| Pair::run_engine(Arc::clone(engine)))
    }

    /// E-mail addresses with last names, of the members.
    fn on_list(&self) -> Vec<(String, String)> {
        people(&self.service.members(), "email", "last_name")
    }

    /// The same of the contacts that have an address.
    async fn in_crm(&self) -> Vec<(String, String)> {
        let soql = "SELECT Email, LastName FROM Contact WHERE Email != null";
        people(&query(&self.crm, soql).await, "Email", "LastName")
    }

    /// Waits until nothing is left to do, and both sides have the same people.
    async fn equal(&self) {
        let [mut one, mut other] = self.engines.each_ref().map(|engine| engine.activity());
        loop {
            one.borrow_and_update();
            other.borrow_and_update();
            let mut left = 0;
            for engine in &self.engines {
                let status = engine.database().status().await.unwrap();
                left += status.pending + status.under_way + status.unread;
            }
            if left == 0 && self.in_crm().await == self.on_list() {
                return;
            }
            tokio::select! {
                _ = one.changed() => {}
                _ = other.changed() => {}
                () = tokio::time::sleep(Duration::from_secs(60)) => panic!(
                    "nothing happens any more, {left} left: {:?} and {:?}",
                    self.in_crm().await,
                    self.on_list()
                ),
            }
        }
    }
}

fn people(records: &[Json], email: &str, name: &str) -> Vec<(String, String)> {
    let text = |record: &Json, field: &str| record[field].as_str().unwrap().to_owned();
    let mut people: Vec<_> = records
        .iter()
        .map(|record| (text(record, email), text(record, name)))
        .collect();
    people.sort();
    people
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_products_become_equal_both_ways_over_one_database_and_nothing_echoes() {
    let both = both().await;
    let running = both.run();
    both.sql()
        .execute_batch(
            "INSERT INTO member (email, last_name) SELECT email, last_name FROM contact
                 WHERE email IS NOT NULL",
        )
        .unwrap();
    both.equal().await;
    assert!(
        both.on_list().len() > 3,
        "there was something to carry over"
    );

    let ann = json!({"LastName": "Lee", "Email": "ann@example.com"});
    let ann = create(&both.crm, "Contact", ann).await;
    let bo = json!({"email": "bo@example.com", "last_name": "Berg"});
    let bo = both.service.create(bo.as_object().unwrap()).unwrap();
    both.equal().await;
    let update = records(&json!([{"Id": ann, "LastName": "Ng"}]));
    let updated = both
        .crm
        .update("Contact", &update, Default::default())
        .await;
    ids(&updated.unwrap());
    let update = json!({"last_name": "Bell"});
    let id = bo["id"].as_str().unwrap();
    both.service
        .update(id, update.as_object().unwrap())
        .unwrap();
    both.equal().await;
    let has = |email: &str, name: &str| (email.to_owned(), name.to_owned());
    let here = both.in_crm().await;
    assert!(here.contains(&has("ann@example.com", "Ng")), "{here:?}");
    assert!(here.contains(&has("bo@example.com", "Bell")), "{here:?}");

    // A program writes one table, and both products hear of it.
    both.sql()
        .execute_batch("UPDATE contact SET last_name = 'Bo' WHERE email = 'bo@example.com'")
        .unwrap();
    both.equal().await;
    assert!(both.on_list().contains(&has("bo@example.com", "Bo")));

    // Each change went over once: at rest nothing is left to send, nor to take.
    drop(running);
    let changes = both.service.change_count();
    for engine in &both.engines {
        let sent = engine.activity().borrow().sent;
        engine.run_once().await.unwrap();
        assert_eq!(engine.activity().borrow().sent, sent);
        let database = engine.database();
        assert_eq!(database.conflicts(0, 10).await.unwrap(), []);
        assert_eq!(database.letters(0, 10).await.unwrap(), []);
    }
    assert_eq!(both.service.change_count(), changes);
    let outbox = "SELECT (SELECT count(*) FROM lockgate_crm_outbox)
                       + (SELECT count(*) FROM lockgate_list_outbox)";
    let left: i64 = both.sql().query_row(outbox, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}
