//! Several syncs of one database: each with tables of its own, and triggers of the
//! user's that carry values from one to the other.

use std::sync::Arc;

use lockgate::ObjectDescription;
use lockgate_sync::{Database, DatabaseError, Direction, Mapping, Plan, Value};

use crate::fixture::{account, contact};
use crate::org::{Org, fields};
use crate::place::{Place, on_every_database};

on_every_database!(
    what_one_sync_applies_is_sent_by_the_other_once_a_trigger_has_carried_it_over,
    a_sync_that_ends_leaves_the_other_at_work,
    a_table_has_one_sync,
);

/// A name of a contact goes to the account of the same first name, and back. Each
/// writes only where something differs.
const SQLITE: &str = "
    CREATE TRIGGER carry_over AFTER UPDATE OF last_name ON contact BEGIN
        UPDATE account SET name = NEW.last_name
            WHERE local_key = NEW.first_name AND name IS NOT NEW.last_name;
    END;
    CREATE TRIGGER carry_back AFTER UPDATE OF name ON account BEGIN
        UPDATE contact SET last_name = NEW.name
            WHERE first_name = NEW.local_key AND last_name IS NOT NEW.name;
    END;";

const POSTGRES: &str = "
    CREATE FUNCTION carry_over() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE account SET name = NEW.last_name
            WHERE local_key = NEW.first_name AND name IS DISTINCT FROM NEW.last_name;
        RETURN NULL;
    END $$;
    CREATE TRIGGER carry_over AFTER UPDATE OF last_name ON contact
        FOR EACH ROW EXECUTE FUNCTION carry_over();
    CREATE FUNCTION carry_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE contact SET last_name = NEW.name
            WHERE first_name = NEW.local_key AND last_name IS DISTINCT FROM NEW.name;
        RETURN NULL;
    END $$;
    CREATE TRIGGER carry_back AFTER UPDATE OF name ON account
        FOR EACH ROW EXECUTE FUNCTION carry_back();";

async fn try_open(
    place: &Place,
    name: &str,
    object: ObjectDescription,
) -> Result<Database, DatabaseError> {
    let mapping = format!(
        "[objects.{}]\nkey_field = \"Sync_Key__c\"",
        object.summary.name
    );
    let mapping = Mapping::from_toml(&mapping).unwrap();
    let plan = Plan::new(&[object], &mapping, Direction::Both).unwrap();
    let target = place.target().clone().of_sync(name).unwrap();
    Database::open(&target, &Arc::new(plan)).await
}

async fn open(place: &Place, name: &str, object: ObjectDescription) -> Database {
    try_open(place, name, object).await.unwrap()
}

/// How many changes each sync has captured.
fn captured(place: &Place) -> [String; 2] {
    ["people", "firms"]
        .map(|name| place.one(&format!("SELECT count(*) FROM lockgate_{name}_outbox")))
}

async fn what_one_sync_applies_is_sent_by_the_other_once_a_trigger_has_carried_it_over(
    place: Place,
) {
    let people = open(&place, "people", contact()).await;
    let firms = open(&place, "firms", account()).await;
    let (mut crm, mut books) = (Org::default(), Org::default());
    place.sql("INSERT INTO account (local_key, name) VALUES ('Ann', 'Old')");
    books.send(&firms).await;
    let id = crm.create(
        "Contact",
        fields(&[("FirstName", "Ann"), ("LastName", "Old")]),
        false,
    );
    crm.deliver(&people, 10).await;
    place.sql(place.either(SQLITE, POSTGRES));
    assert_eq!(captured(&place), ["0", "0"]);

    crm.update("Contact", &id, fields(&[("LastName", "Doe")]), false);
    crm.deliver(&people, 10).await;
    assert_eq!(
        captured(&place),
        ["0", "1"],
        "a change to the other sync, none to its own"
    );
    books.send(&firms).await;
    crm.deliver(&people, 10).await;
    books.deliver(&firms, 10).await;
    assert_eq!(captured(&place), ["0", "0"], "and it does not come back");
    assert_eq!(
        books.records.values().next().unwrap()["Name"],
        Value::text("Doe")
    );

    let firm = books.records.keys().next().unwrap().1.clone();
    books.update("Account", &firm, fields(&[("Name", "Roe")]), false);
    books.deliver(&firms, 10).await;
    assert_eq!(captured(&place), ["1", "0"]);
    crm.send(&people).await;
    crm.deliver(&people, 10).await;
    assert_eq!(captured(&place), ["0", "0"]);
    let record = crm.records.values().next().unwrap();
    assert_eq!(record["LastName"], Value::text("Roe"));

    place.sql("UPDATE contact SET last_name = 'Poe'");
    assert_eq!(
        captured(&place),
        ["1", "1"],
        "a program's change is one to both"
    );
    crm.send(&people).await;
    books.send(&firms).await;
    assert_eq!(captured(&place), ["0", "0"]);
}

async fn a_sync_that_ends_leaves_the_other_at_work(place: Place) {
    let people = open(&place, "people", contact()).await;
    let firms = open(&place, "firms", account()).await;
    place.sql("INSERT INTO contact (last_name) VALUES ('Doe')");
    firms.forget().await.unwrap();
    place.sql("INSERT INTO contact (last_name) VALUES ('Roe')");
    place.sql("INSERT INTO account (name) VALUES ('Acme')");
    let mut crm = Org::default();
    assert_eq!(crm.send(&people).await.len(), 2);
    assert!(place.try_sql("SELECT * FROM lockgate_firms_rows").is_err());
    let target = place.target().clone();
    let error = Database::attach(&target.of_sync("firms").unwrap()).await;
    assert!(matches!(error, Err(DatabaseError::NoSync)));
    // It may begin again, and takes its table over with what was written meanwhile.
    let firms = open(&place, "firms", account()).await;
    assert_eq!(Org::default().send(&firms).await.len(), 1);
}

async fn a_table_has_one_sync(place: Place) {
    let _people = open(&place, "people", contact()).await;
    let refused = try_open(&place, "others", contact()).await;
    let Err(DatabaseError::Tables { problems }) = refused else {
        panic!("{refused:?}")
    };
    assert!(problems[0].contains("the sync `people` of this database has this table"));
    let name = place.target().clone().of_sync("No Name");
    assert!(name.unwrap_err().to_string().contains("1 to 24 of a-z"));
}
