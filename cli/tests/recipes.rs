//! The recipes, each run as a person does.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::path::Path;

use serde_json::{Value as Json, json};
use support::{command, lockgate, run};

/// Runs a recipe, and gives its report.
fn played(name: &str, keep: &Path) -> Json {
    let data = tempfile::tempdir().unwrap();
    let mut command = command(data.path());
    command.args(["recipe", "run", name, "--output", "json", "--keep"]);
    command.arg(keep);
    let report = run(command, "").ended(0).json();
    assert_eq!(report["recipe"], name);
    assert_eq!(report["ok"], true);
    let steps = report["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["ok"] == true), "{steps:?}");
    report
}

#[test]
fn the_recipes_are_listed_and_documented() {
    let listed = lockgate(&["recipe", "list", "--output", "json"])
        .ended(0)
        .json();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/recipes.md")).unwrap();
    let recipes = listed.as_array().unwrap();
    assert_eq!(recipes.len(), 5);
    for recipe in recipes {
        let heading = format!("\n## `{}`\n", recipe["name"].as_str().unwrap());
        assert!(page.contains(&heading), "{heading}");
    }
    let unknown = lockgate(&["recipe", "run", "no-such"]).ended(2);
    assert!(unknown.err.contains("contact-sync"), "{unknown:#?}");
}

#[test]
fn a_form_makes_one_lead_for_each_person_scored_and_assigned() {
    let keep = tempfile::tempdir().unwrap();
    let report = played("lead-capture", keep.path());
    let leads = report["result"]["leads"].as_array().unwrap();
    let emails: Vec<&Json> = leads.iter().map(|lead| &lead["email"]).collect();
    assert_eq!(emails, ["ann.lee@example.com", "bo@example.com"]);
    assert!(
        leads
            .iter()
            .all(|lead| lead["owner"] == "leads@example.com")
    );
    let scores: Vec<&Json> = leads.iter().map(|lead| &lead["score"]).collect();
    assert_eq!(scores, [90.0, 20.0]);
}

#[test]
fn a_deal_that_is_won_leaves_one_task_and_one_tag() {
    let keep = tempfile::tempdir().unwrap();
    let report = played("pipeline", keep.path());
    let result = &report["result"];
    assert_eq!(result["tags"], json!(["customer", "newsletter"]));
    assert!(
        result["task"]["WhatId"]
            .as_str()
            .unwrap()
            .starts_with("006")
    );
}

#[test]
fn contacts_and_members_become_equal_both_ways() {
    let keep = tempfile::tempdir().unwrap();
    let report = played("contact-sync", keep.path());
    let people = report["result"]["people"].as_i64().unwrap();
    let sql = rusqlite::Connection::open(keep.path().join("crm.db")).unwrap();
    let both =
        "SELECT count(*) FROM contact JOIN member ON lower(contact.email) = lower(member.email)
                WHERE contact.id IS NOT NULL AND member.id IS NOT NULL";
    let joined: i64 = sql.query_row(both, [], |row| row.get(0)).unwrap();
    assert_eq!(joined, people);
    // A folder with a run in it is not written over.
    let data = tempfile::tempdir().unwrap();
    let mut again = command(data.path());
    again.args(["recipe", "run", "contact-sync", "--keep"]);
    again.arg(keep.path());
    let again = run(again, "").ended(1);
    assert!(again.out.contains("is there already"), "{again:#?}");
    assert!(again.out.ends_with("Not every check held.\n"), "{again:#?}");
}

#[test]
fn a_shops_orders_are_in_the_crm_once_and_their_status_is_back() {
    let keep = tempfile::tempdir().unwrap();
    let report = played("shop-orders", keep.path());
    let orders = report["result"]["orders"].as_array().unwrap();
    assert_eq!(orders[0]["amount"], 116.25);
    assert!(orders.iter().all(|order| order["status"] == "Activated"));
    let told = std::fs::read(keep.path().join("shop-status.json")).unwrap();
    let told: Json = serde_json::from_slice(&told).unwrap();
    let activated = "Activated";
    let expected = json!({"W-5001": activated, "W-5002": activated, "W-5003": activated});
    assert_eq!(told, expected);
}

#[test]
fn a_customers_profile_has_all_sources_and_tells_where_they_differ() {
    let keep = tempfile::tempdir().unwrap();
    let report = played("customer-360", keep.path());
    let northwind = &report["result"]["accounts"][0];
    let anna = &northwind["contacts"][0];
    assert_eq!(anna["email"], "anna.berg@northwind.example.com");
    assert_eq!(anna["newsletter"], "unsubscribed");
    let name = &anna["conflicts"][0];
    assert_eq!(name["holds"], "crm");
    let values = json!({"crm": "Berg", "support": "Berg", "list": "Berg-Holm"});
    assert_eq!(name["values"], values);
    assert_eq!(northwind["orders"][0]["TotalAmount"], 1900.0);
    assert_eq!(
        report["result"]["unmatched"][0]["email"],
        "jo@freemail.example"
    );
    let kept = std::fs::read(keep.path().join("profile.json")).unwrap();
    assert_eq!(
        serde_json::from_slice::<Json>(&kept).unwrap(),
        report["result"]
    );
}
