//! Tables: made, changed with the org, taken over, or refused by name.

use std::sync::Arc;

use lockgate_sync::{Database, DatabaseError, Direction, Mapping, Plan, Value};

use crate::fixture::{account, contact, field};
use crate::org::{Org, fields};
use crate::place::{KEYED, Place, on_every_database};

on_every_database!(
    opening_twice_changes_nothing,
    tables_of_an_older_version_become_those_of_this_one,
    a_new_field_gets_a_column_and_its_object_is_read_anew,
    a_field_that_vanished_keeps_its_column_and_its_data,
    a_field_that_became_something_else_is_told_and_not_guessed,
    a_longer_text_is_no_problem_and_a_shorter_one_neither,
    a_whole_number_that_becomes_a_fraction_is_widened_where_no_digit_can_suffer,
    a_table_of_somebody_else_is_refused_by_name_with_all_that_does_not_fit,
    a_table_that_fits_is_taken_over_with_its_rows,
    a_table_that_was_dropped_is_told,
    a_column_that_is_not_ours_is_never_taken,
    a_preview_tells_and_changes_nothing,
    what_a_column_is_for_can_be_read_by_people,
);

fn plan_of(account: lockgate::ObjectDescription) -> Arc<Plan> {
    let mapping = Mapping::from_toml(KEYED).unwrap();
    let plan = Plan::new(&[account, contact()], &mapping, Direction::Both);
    Arc::new(plan.unwrap())
}

fn problems(result: Result<Database, DatabaseError>) -> Vec<String> {
    match result {
        Err(DatabaseError::Tables { problems }) => problems,
        other => panic!("{other:?}"),
    }
}

async fn opening_twice_changes_nothing(place: Place) {
    let first = place.open(KEYED).await;
    place.sql("INSERT INTO account (name) VALUES ('Acme')");
    let second = place.open(KEYED).await;
    let plan = plan_of(account());
    assert_eq!(
        Database::preview(place.target(), &plan).await.unwrap(),
        [""; 0]
    );
    // Both at a time: whoever comes second finds nothing.
    let mut org = Org::default();
    assert_eq!(org.send(&first).await.len(), 1);
    assert_eq!(org.send(&second).await.len(), 0);
}

async fn tables_of_an_older_version_become_those_of_this_one(place: Place) {
    drop(place.open(KEYED).await);
    place.sql("INSERT INTO account (name) VALUES ('Acme')");
    // As the first version left them.
    let indexes = ["outbox_send", "letters_row", "letters_record"];
    for index in indexes {
        place.sql(&format!("DROP INDEX lockgate_{index}"));
    }
    place.sql("UPDATE lockgate_notes SET value = '1' WHERE name = 'version'");
    let database = place.open(KEYED).await;
    assert_eq!(
        place.one("SELECT value FROM lockgate_notes WHERE name = 'version'"),
        "2"
    );
    assert_eq!(Org::default().send(&database).await.len(), 1);
    drop(database);
    for index in indexes {
        place.sql(&format!("DROP INDEX lockgate_{index}"));
    }

    place.sql("UPDATE lockgate_notes SET value = '3' WHERE name = 'version'");
    let newer = Database::open(place.target(), &plan_of(account())).await;
    assert!(
        matches!(newer, Err(DatabaseError::Newer { found: 3, .. })),
        "{newer:?}"
    );
}

async fn a_new_field_gets_a_column_and_its_object_is_read_anew(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    let id = org.create("Account", fields(&[("Name", "Acme"), ("Fax", "1")]), false);
    org.deliver(&database, 10).await;
    assert_eq!(database.unread(10).await.unwrap(), []);
    drop(database);
    let mut wider = account();
    wider.fields.push(field("Fax", "phone", |_| ()));
    let database = Database::open(place.target(), &plan_of(wider))
        .await
        .unwrap();
    let unread = database.unread(10).await.unwrap();
    assert_eq!(
        (unread[0].object.as_str(), &unread[0].org_id),
        ("Account", &None)
    );
    let item = org.read("Account", &id, Some(unread[0].ticket));
    database.apply(crate::org::batch(item)).await.unwrap();
    assert_eq!(place.rows("SELECT name, fax FROM account"), ["Acme|1"]);
    place.sql("UPDATE account SET fax = '2'");
    assert_eq!(org.send(&database).await[0].fields, fields(&[("Fax", "2")]));
}

async fn a_field_that_vanished_keeps_its_column_and_its_data(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (name, annual_revenue) VALUES ('Acme', 5)");
    org.send(&database).await;
    drop(database);
    let mut narrower = account();
    narrower
        .fields
        .retain(|field| field.name != "AnnualRevenue");
    let database = Database::open(place.target(), &plan_of(narrower))
        .await
        .unwrap();
    assert_eq!(
        place.rows("SELECT name, annual_revenue FROM account"),
        ["Acme|5"]
    );
    place.sql("UPDATE account SET annual_revenue = 6");
    assert_eq!(org.send(&database).await, []);
    drop(database);
    // It comes back.
    let database = place.open(KEYED).await;
    place.sql("UPDATE account SET annual_revenue = 7");
    assert_eq!(org.send(&database).await.len(), 1);
}

async fn a_field_that_became_something_else_is_told_and_not_guessed(place: Place) {
    drop(place.open(KEYED).await);
    let mut other = account();
    for field in &mut other.fields {
        match field.name.as_str() {
            "Name" => field.kind = "boolean".into(),
            "Founded__c" => field.kind = "int".into(),
            _ => (),
        }
    }
    let problems = problems(Database::open(place.target(), &plan_of(other)).await);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("account.name: Name was Text and is Boolean now"));
    assert!(problems[1].starts_with("account.founded: Founded__c was Datetime and is Int now"));
    // Nothing was changed.
    drop(place.open(KEYED).await);
}

async fn a_longer_text_is_no_problem_and_a_shorter_one_neither(place: Place) {
    for length in [80, 255, 40] {
        let mut other = account();
        let field = other.fields.iter_mut().find(|field| field.name == "Name");
        field.unwrap().max_length = length;
        let database = Database::open(place.target(), &plan_of(other))
            .await
            .unwrap();
        place.sql(&format!(
            "INSERT INTO account (name) VALUES ('{}')",
            "x".repeat(60)
        ));
        let outgoing = database.outgoing(10).await.unwrap();
        assert_eq!(outgoing.refused > 0, length == 40);
    }
}

async fn a_whole_number_that_becomes_a_fraction_is_widened_where_no_digit_can_suffer(place: Place) {
    let with_staff = |kind: &str| {
        let mut account = account();
        account.fields.push(field("Staff", kind, |_| ()));
        plan_of(account)
    };
    let database = Database::open(place.target(), &with_staff("int")).await;
    drop(database.unwrap());
    place.sql("INSERT INTO account (name, staff) VALUES ('Acme', 7)");
    let opened = Database::open(place.target(), &with_staff("double")).await;
    if place.either(true, false) {
        // SQLite cannot change the type of a column.
        assert!(problems(opened)[0].starts_with("account.staff: Staff was Int and is Decimal"));
        return;
    }
    let (database, mut org) = (opened.unwrap(), Org::default());
    place.sql("UPDATE account SET staff = 7.5");
    let sent = org.send(&database).await;
    assert_eq!(sent[0].fields["Staff"], Value::Number("7.5".into()));
}

async fn a_table_of_somebody_else_is_refused_by_name_with_all_that_does_not_fit(place: Place) {
    place.sql("CREATE TABLE account (id INTEGER, secret TEXT NOT NULL)");
    place.sql("INSERT INTO account VALUES (1, 'theirs')");
    let plan = plan_of(account());
    let problems = problems(Database::open(place.target(), &plan).await);
    let [problem] = &problems[..] else {
        panic!("{problems:?}");
    };
    for part in [
        "account: there is a table of this name that is not ours",
        "it has no column local_key",
        place.either(
            "its column id is INTEGER and not VARCHAR(18)",
            "its column id is integer and not character varying(18)",
        ),
        "it has no column name",
        "its column secret must be given",
        "choose another name in the mapping",
    ] {
        assert!(problem.contains(part), "{part}: {problem}");
    }
    assert_eq!(place.rows("SELECT id, secret FROM account"), ["1|theirs"]);
    let mapping = format!("{KEYED}table = \"org_account\"");
    drop(place.open(&mapping).await);
}

async fn a_table_that_fits_is_taken_over_with_its_rows(place: Place) {
    let (database, mut org) = (place.open(KEYED).await, Org::default());
    place.sql("INSERT INTO account (name) VALUES ('known')");
    org.send(&database).await;
    database.forget().await.unwrap();
    // Nobody watches now.
    place.sql("INSERT INTO account (name) VALUES ('new')");
    place.sql("UPDATE account SET annual_revenue = 5 WHERE name = 'known'");
    let database = place.open(KEYED).await;
    let sent = org.send(&database).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(
        place.one("SELECT count(*) FROM account WHERE id IS NOT NULL"),
        "2"
    );
    // What is loaded meets the row that was there.
    let id = place.one("SELECT id FROM account WHERE name = 'known'");
    let loaded = org.read("Account", &id, None);
    database.apply(crate::org::batch(loaded)).await.unwrap();
    assert_eq!(place.one("SELECT count(*) FROM account"), "2");
}

async fn a_table_that_was_dropped_is_told(place: Place) {
    drop(place.open(KEYED).await);
    place.sql("DROP TABLE account");
    let problems = problems(Database::open(place.target(), &plan_of(account())).await);
    assert!(
        problems[0].starts_with("account: its table was dropped"),
        "{problems:?}"
    );
    // As is one that the mapping looks for elsewhere.
    let mapping = Mapping::from_toml("[objects.Contact]\ntable = \"people\"").unwrap();
    let plan = Plan::new(&[contact()], &mapping, Direction::Both).unwrap();
    let problems = self::problems(Database::open(place.target(), &Arc::new(plan)).await);
    assert!(
        problems[0].contains("its records are in the table `contact`"),
        "{problems:?}"
    );
}

async fn a_column_that_is_not_ours_is_never_taken(place: Place) {
    drop(place.open(KEYED).await);
    place.sql("ALTER TABLE account ADD COLUMN fax TEXT");
    let mut wider = account();
    wider.fields.push(field("Fax", "phone", |_| ()));
    let problems = problems(Database::open(place.target(), &plan_of(wider)).await);
    assert!(
        problems[0].starts_with("account.fax: there is a column of this name that is not ours"),
        "{problems:?}"
    );
    // A column of theirs beside ours harms nobody.
    drop(place.open(KEYED).await);
}

async fn a_preview_tells_and_changes_nothing(place: Place) {
    let plan = plan_of(account());
    let statements = Database::preview(place.target(), &plan).await.unwrap();
    assert!(
        statements[0].starts_with("CREATE TABLE account (\n  local_key "),
        "{statements:?}"
    );
    assert!(place.try_sql("SELECT * FROM account").is_err());
    assert!(place.try_sql("SELECT * FROM lockgate_rows").is_err());
    assert_eq!(
        Database::preview(place.target(), &plan).await.unwrap(),
        statements
    );
}

async fn what_a_column_is_for_can_be_read_by_people(place: Place) {
    let _database = place.open(KEYED).await;
    assert_eq!(
        place.rows(
            "SELECT field, product_kind, access, picklist FROM lockgate_columns \
             WHERE table_name = 'account' AND column_name IN ('currency', 'system_modstamp') \
             ORDER BY field"
        ),
        [
            "Currency|picklist|given on insert|CHF;EUR",
            "SystemModstamp|datetime|told by the org|"
        ]
    );
}
