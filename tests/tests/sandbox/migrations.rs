//! What an older version of a connector has stored, and what a newer one finds of it.

use std::time::Duration;

use lockgate::{Connection, Error, Package, Step};
use lockgate_tests::loopback::Loopback;
use lockgate_tests::packages::package_with;
use lockgate_tests::sandbox::TestHost;
use serde_json::{Value as Json, json};

use crate::attack::{connector, is_plain, one, report};

/// The hostile connector as a version whose values have another form.
fn version(version: &str, state: u32) -> Package {
    package_with("hostile-connector", |manifest| {
        let lines = manifest
            .lines()
            .map(|line| match line.starts_with("version") {
                true => format!("version = \"{version}\"\nstate = {state}"),
                false => line.to_owned(),
            });
        lines.collect::<Vec<_>>().join("\n")
    })
}

async fn swap(host: &TestHost, version: &Package) -> Result<(), Error> {
    host.stage(version, version.asked_grants()).await?;
    let step = Step::Swap {
        version: version.manifest().package.version.clone(),
        trial: None,
        drain: Duration::ZERO,
    };
    host.steer("hostile-connector", &step)
}

async fn keys(crm: &Connection) -> Json {
    one(crm, "list").await["keys"].clone()
}

async fn put(crm: &Connection, key: &str, bytes: usize) {
    let put = one(crm, &format!("put {key} {bytes}")).await;
    assert!(put["version"].is_u64(), "{put}");
}

#[tokio::test]
async fn a_newer_version_takes_over_what_an_older_one_has_stored_and_leaves_it_as_it_was() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    put(&crm, "a", 3).await;
    put(&crm, "b", 104).await;
    let (second, third) = (version("0.2.0", 2), version("0.3.0", 3));
    swap(&host, &second).await.unwrap();
    assert_eq!(keys(&crm).await, json!(["from-1/a"]));
    put(&crm, "c", 3).await;
    host.steer("hostile-connector", &Step::Rollback).unwrap();
    assert_eq!(keys(&crm).await, json!(["a", "b"]));
    put(&crm, "d", 3).await;
    // What was taken over once is not taken over again.
    swap(&host, &second).await.unwrap();
    assert_eq!(keys(&crm).await, json!(["c", "from-1/a"]));
    // The next one begins where this one is.
    swap(&host, &third).await.unwrap();
    assert_eq!(keys(&crm).await, json!(["from-2/c", "from-2/from-1/a"]));
}

#[tokio::test]
async fn values_of_many_parts_and_of_each_connection_are_taken_over() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    let other = server.connect(&host, &connector(""), "other", "crm").await;
    for n in 0..450 {
        put(&crm, &format!("{n:03}"), 1).await;
    }
    put(&other, "only", 1).await;
    swap(&host, &version("0.2.0", 2)).await.unwrap();
    let all = keys(&crm).await;
    let all = all.as_array().unwrap();
    assert_eq!((all.len(), &all[449]), (450, &json!("from-1/449")));
    assert_eq!(keys(&other).await, json!(["from-1/only"]));
}

#[tokio::test]
async fn a_version_that_cannot_take_the_values_over_is_never_staged() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    for (bytes, what) in [(101, "too old"), (102, "crashed"), (103, "not a key")] {
        put(&crm, "a", bytes).await;
        let refused = swap(&host, &version("0.2.0", 2))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains(what) && is_plain(&refused), "{refused}");
        assert_eq!(keys(&crm).await, json!(["a"]));
    }
    // Without being tried before, it shows with the first call.
    put(&crm, "a", 101).await;
    host.load(&version("0.2.0", 2)).await;
    let refused = report(&crm, "list").await.unwrap_err();
    assert!(matches!(refused, Error::NotMigrated { .. }), "{refused:?}");
    host.load(&connector("")).await;
    assert_eq!(keys(&crm).await, json!(["a"]));
}
