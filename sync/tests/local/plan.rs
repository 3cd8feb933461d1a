//! Plans from descriptions, with and without a mapping.

use lockgate_sync::{Direction, Kind, Mapping, Plan, PlanProblems, Policy};

use crate::fixture::{account, contact, field};

fn plan(mapping: &str) -> Result<Plan, PlanProblems> {
    let mapping = Mapping::from_toml(mapping).unwrap();
    Plan::new(&[contact(), account()], &mapping, Direction::Both)
}

#[test]
fn without_a_mapping_every_field_with_values_has_a_column_and_parents_come_first() {
    let plan = plan("").unwrap();
    let [account, contact] = &plan.objects[..] else {
        panic!("{plan:?}");
    };
    assert_eq!(
        (account.table.as_str(), contact.table.as_str()),
        ("account", "contact")
    );
    let columns: Vec<_> = contact
        .columns
        .iter()
        .map(|column| (column.field.as_str(), column.column.as_str(), column.kind))
        .collect();
    // Not the id, which every table has, and not the group of fields.
    assert_eq!(
        columns,
        [
            ("AccountId", "account_id", Kind::Text),
            ("FirstName", "first_name", Kind::Text),
            ("LastName", "last_name", Kind::Text),
            ("Email", "email", Kind::Text),
            ("Birthdate", "birthdate", Kind::Date),
            ("DoNotCall", "do_not_call", Kind::Boolean),
            ("Score__c", "score", Kind::Decimal),
            ("Sync_Key__c", "sync_key", Kind::Text),
            ("SystemModstamp", "system_modstamp", Kind::Datetime),
        ]
    );
}

#[test]
fn a_mapping_renames_leaves_out_and_chooses() {
    let plan = plan(
        r#"
        [objects.Contact]
        table = "people"
        direction = "in"
        policy = "newest"
        key_field = "Sync_Key__c"
        leave_out = ["Birthdate"]
        [objects.Contact.fields.Email]
        column = "mail"
        policy = "local"
        "#,
    )
    .unwrap();
    let contact = plan.object("Contact").unwrap();
    assert_eq!(contact.table, "people");
    assert_eq!(contact.direction, Direction::In);
    assert!(contact.column("Birthdate").is_none());
    assert!(
        contact.column("Sync_Key__c").is_none(),
        "it is the key column"
    );
    let email = contact.column("Email").unwrap();
    assert_eq!(
        (email.column.as_str(), email.policy),
        ("mail", Policy::Local)
    );
    let name = contact.column("LastName").unwrap();
    assert_eq!(name.policy, Policy::Newest);
}

#[test]
fn all_problems_of_a_mapping_are_told_at_once() {
    let error = plan(
        r#"
        [objects.Lead]
        [objects.Account]
        table = "order"
        [objects.Account.fields.Name]
        column = "id"
        [objects.Contact]
        key_field = "Email"
        leave_out = ["Nickname"]
        [objects.Contact.fields.LastName]
        column = "Last Name"
        "#,
    )
    .unwrap_err();
    let starts: Vec<&str> = error
        .problems
        .iter()
        .map(|problem| problem.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        starts,
        [
            "Lead",
            "Contact.Nickname",
            "Contact.Email",
            "Contact.LastName",
            "Account",
            "Account.Name"
        ],
        "{error}"
    );
    assert!(Mapping::from_toml("[objects.Contact]\ncolour = 1").is_err());
}

#[test]
fn a_name_that_would_end_a_text_of_sql_is_refused() {
    let mut account = account();
    account.fields[1].name = "Name'); DROP TABLE x; --".into();
    let error = Plan::new(&[account], &Mapping::default(), Direction::Both).unwrap_err();
    assert_eq!(error.problems.len(), 1);
    assert!(
        error.problems[0].contains("is no API name of letters, digits and `_`"),
        "{error}"
    );
}

#[test]
fn two_objects_never_share_a_table() {
    let mut custom = account();
    custom.summary.name = "Account__c".into();
    let plan = Plan::new(&[account(), custom], &Mapping::default(), Direction::Both).unwrap();
    assert_eq!(plan.object("Account__c").unwrap().table, "account_c");

    let mapping = Mapping::from_toml("[objects.Contact]\ntable = \"account\"").unwrap();
    let error = Plan::new(&[account(), contact()], &mapping, Direction::Both).unwrap_err();
    assert!(error.problems[0].starts_with("Contact: its table `account` is that of Account"));
}

#[test]
fn objects_that_refer_to_each_other_are_planned_all_the_same() {
    let mut account = account();
    account
        .fields
        .push(field("MainContact__c", "reference", |field| {
            field.references = vec!["Contact".into()];
        }));
    let plan = Plan::new(&[contact(), account], &Mapping::default(), Direction::Both).unwrap();
    assert_eq!(plan.objects.len(), 2);
}
