//! Storage as a guest sees it: its own values and nobody else's.

use lockgate::Connection;
use lockgate_tests::loopback::Loopback;
use serde_json::{Value as Json, json};

use crate::attack::{connector, one, report};

async fn version(crm: &Connection, command: &str) -> u64 {
    let report = one(crm, command).await;
    report["version"]
        .as_u64()
        .unwrap_or_else(|| panic!("{command}: {report}"))
}

async fn refused(crm: &Connection, command: &str) -> String {
    let report = one(crm, command).await;
    report["error"]
        .as_str()
        .unwrap_or_else(|| panic!("{command}: {report}"))
        .to_owned()
}

#[tokio::test]
async fn values_of_other_tenants_and_connections_cannot_be_reached() {
    let server = Loopback::start().await;
    let package = connector("");
    let (host, acme) = server.attacked_by(&package).await;
    let sibling = server.connect(&host, &package, "acme", "second").await;
    let globex = server.connect(&host, &package, "globex", "crm").await;
    version(&acme, "put secret 10").await;

    for other in [&sibling, &globex] {
        assert_eq!(one(other, "list").await, json!({ "keys": [] }));
        assert_eq!(
            one(other, "keys secret").await["outcome"],
            json!({ "value": null })
        );
        let guesses = "guess-keys acme acme/crm acme/crm/hostile-connector crm globex";
        let reports = report(other, guesses).await.unwrap();
        assert!(reports.len() > 60);
        for report in reports {
            let outcome = &report["outcome"];
            let nothing = outcome["value"].is_null() && outcome.get("value").is_some();
            let invalid = outcome["error"]
                .as_str()
                .is_some_and(|e| e.contains("InvalidKey"));
            assert!(nothing || invalid, "{report}");
        }
        // What one deletes is its own.
        assert_eq!(
            one(other, "delete secret").await,
            json!({ "deleted": "secret" })
        );
    }
    assert_eq!(
        one(&acme, "keys secret").await["outcome"],
        json!({ "value": "xxxxxxxxxx" })
    );
    assert_eq!(one(&acme, "list se").await, json!({ "keys": ["secret"] }));
}

#[tokio::test]
async fn keys_that_another_layer_could_read_as_something_else_are_invalid() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let reports = report(&crm, "guess-keys").await.unwrap();
    let invalid = |report: &&Json| report["outcome"]["error"].as_str() == Some("Error::InvalidKey");
    let valid: Vec<&str> = reports
        .iter()
        .filter(|report| !invalid(report))
        .map(|report| report["key"].as_str().unwrap())
        .collect();
    let longest = "k".repeat(256);
    let expected = [
        ".",
        "..",
        "../",
        "../../",
        "/",
        "//",
        "_",
        "tokens",
        "refresh_token",
        longest.as_str(),
    ];
    assert_eq!(valid, expected);
}

#[tokio::test]
async fn a_write_knows_the_version_that_it_replaces() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let first = version(&crm, "put k 1").await;
    let second = version(&crm, "put k 2").await;
    assert!(second > first);
    let stale = refused(&crm, &format!("swap k {first} 3")).await;
    assert!(stale.contains(&format!("Conflict({second})")), "{stale}");
    let third = version(&crm, &format!("swap k {second} 3")).await;
    assert!(third > second);
    assert!(
        refused(&crm, "swap k none 4")
            .await
            .contains(&format!("Conflict({third})"))
    );
    assert_eq!(
        one(&crm, "keys k").await["outcome"],
        json!({ "value": "yyy" })
    );

    one(&crm, "delete k").await;
    one(&crm, "delete k").await;
    assert!(
        refused(&crm, &format!("swap k {third} 5"))
            .await
            .contains("Conflict(0)")
    );
    let fresh = version(&crm, "swap k none 5").await;
    assert!(
        refused(&crm, "swap k none 6")
            .await
            .contains(&format!("Conflict({fresh})"))
    );
}

#[tokio::test]
async fn a_version_of_a_key_that_was_deleted_never_comes_back() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let old = version(&crm, "put k 1").await;
    one(&crm, "delete k").await;
    version(&crm, "put k 2").await;
    // Who has seen the old value must not take the new one for it.
    assert!(
        refused(&crm, &format!("swap k {old} 3"))
            .await
            .contains("Conflict")
    );
}

#[tokio::test]
async fn values_and_the_share_of_a_connection_are_bounded() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("storage_mib = 1")).await;
    version(&crm, "put k 65536").await;
    assert!(
        refused(&crm, "put k 65537")
            .await
            .contains("TooLarge(65536)")
    );
    let full = one(&crm, "fill-storage 65536").await;
    assert!(full["written"].as_u64().unwrap() <= 15, "{full}");
    assert!(
        full["error"].as_str().unwrap().contains("Full(1048576)"),
        "{full}"
    );
    // What is full is this connection's share, and only until something goes.
    let other = server
        .connect(&host, &connector("storage_mib = 1"), "globex", "crm")
        .await;
    version(&other, "put k 65536").await;
    one(&crm, "delete fill/0").await;
    version(&crm, "put again 60000").await;
}
