//! Field-level security: what a user cannot see or edit is named, and never
//! silently null.

use lockgate::{Advice, Connection, Error, Outcome, Problem, QueryOptions, WriteOptions};
use lockgate_tests::org::{Site, create, get, records};
use serde_json::{Value as Json, json};

const USER: &str = "admin@example.com";

async fn restricted() -> (Site, Connection) {
    let site = Site::start().await;
    let crm = site.crm().await;
    site.control.org(|org| {
        org.change_user(USER, |user| {
            user.hide_field("Account", "Phone");
            user.lock_field("Account", "Fax");
        });
    });
    (site, crm)
}

async fn problem(crm: &Connection, rows: Json) -> Problem {
    let results = crm
        .create("Account", &records(&rows), WriteOptions::default())
        .await
        .unwrap();
    let failed = results.into_iter().find_map(|result| match result.outcome {
        Outcome::Failed { problems } => problems.into_iter().next(),
        _ => None,
    });
    failed.expect("all were written")
}

#[tokio::test]
async fn writing_a_hidden_field_names_it_and_says_that_permissions_are_the_likely_cause() {
    let (_site, crm) = restricted().await;
    let row = json!({"Name":"A","Phone":"1"});
    // Alone and among others, which are two routes.
    for rows in [json!([row]), json!([{"Name":"B"}, row])] {
        let problem = problem(&crm, rows).await;
        assert_eq!(problem.advice, Advice::FixSchema, "{problem:?}");
        assert_eq!(problem.fields, ["Phone"], "{problem:?}");
        assert!(
            problem.message.contains("field-level security"),
            "{problem:?}"
        );
        assert!(
            problem.to_string().contains("field permissions"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn writing_a_read_only_field_names_it_and_says_that_permissions_are_the_likely_cause() {
    let (_site, crm) = restricted().await;
    let id = create(&crm, "Account", json!({"Name":"A"})).await;
    let rows = records(&json!([{"Id":id,"Fax":"1"}]));
    let results = crm
        .update("Account", &rows, WriteOptions::default())
        .await
        .unwrap();
    let Outcome::Failed { problems } = &results[0].outcome else {
        panic!("Fax was written")
    };
    assert_eq!(problems[0].fields, ["Fax"], "{problems:?}");
    assert!(
        problems[0].message.contains("field permissions"),
        "{problems:?}"
    );
}

#[tokio::test]
async fn reading_a_hidden_field_is_refused_by_name_and_never_null() {
    let (_site, crm) = restricted().await;
    let id = create(&crm, "Account", json!({"Name":"A"})).await;
    let fields = ["Name".to_owned(), "Phone".to_owned()];
    let by_id = crm
        .get("Account", std::slice::from_ref(&id), &fields)
        .await
        .unwrap_err();
    let soql = "SELECT Name, Phone FROM Account";
    let by_query = crm.query(soql, QueryOptions::default()).await.unwrap_err();
    for error in [by_id, by_query] {
        let Error::Refused { problem, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(problem.fields, ["Phone"], "{problem:?}");
        assert!(
            problem.message.contains("field-level security"),
            "{problem:?}"
        );
    }
    let all = get(&crm, "Account", &[&id], &[]).await;
    assert!(
        all[0].get("Phone").is_none() && all[0].get("Fax").is_some(),
        "{}",
        all[0]
    );
}

#[tokio::test]
async fn describe_shows_what_the_user_sees_and_may_edit() {
    let (site, crm) = restricted().await;
    let account = crm.describe("account").await.unwrap();
    assert_eq!(account.summary.name, "Account");
    let field = |name: &str| account.fields.iter().find(|field| field.name == name);
    assert!(field("Phone").is_none());
    assert!(field("Fax").is_some_and(|fax| !fax.updateable && !fax.createable));
    let name = field("Name").unwrap();
    assert!(name.required && name.updateable && name.max_length == 255);
    assert!(field("External_Id__c").is_some_and(|key| key.external_id && key.custom));
    assert!(
        account
            .children
            .iter()
            .any(|child| child.relationship.as_deref() == Some("Contacts"))
    );

    let objects = crm.objects().await.unwrap();
    for name in [
        "Account",
        "Contact",
        "Lead",
        "Opportunity",
        "Task",
        "Note",
        "ContentNote",
        "Order",
    ] {
        assert!(
            objects
                .iter()
                .any(|object| object.name == name && !object.custom),
            "{name}"
        );
    }
    assert!(
        objects
            .iter()
            .any(|object| object.name == "Invoice__c" && object.custom)
    );

    let error = crm.describe("No_Such__c").await.unwrap_err();
    let Error::Refused { problem, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(problem.advice, Advice::FixSchema);
    site.control
        .org(|org| org.change_user(USER, |user| user.free_field("Account", "Phone")));
    let account = crm.describe("Account").await.unwrap();
    assert!(account.fields.iter().any(|field| field.name == "Phone"));
}
