//! What the host says of the calls that guests made: whose they were, and what they used.

use lockgate::{CallFigures, ConnectionKey};
use lockgate_tests::logs::Logs;
use lockgate_tests::loopback::Loopback;
use lockgate_tests::sandbox::TestHost;
use serde_json::json;

use crate::attack::{batch, connector, one, report, transform_host};

/// The figures of one connection.
fn of(host: &TestHost, connection: &str) -> CallFigures {
    let mut all = host.figures().into_iter();
    all.find(|calls| calls.connection == connection).unwrap()
}

#[tokio::test]
async fn what_calls_of_a_connector_use_is_told_of_each_connection() {
    let server = Loopback::start().await;
    let package = connector("");
    let (host, acme) = server.attacked_by(&package).await;
    let globex = server.connect(&host, &package, "globex", "crm").await;
    let body = one(&acme, "send get /ok").await;
    assert_eq!(body["status"], 200);
    let first = of(&host, "acme/crm");
    assert_eq!(
        (first.package.as_str(), first.version.as_str()),
        ("hostile-connector", "0.1.0")
    );
    assert_eq!((first.instances, first.figures.requests), (0, 1));
    assert!(
        first.figures.host_calls >= 1 && first.figures.cpu_us > 0,
        "{first:?}"
    );

    one(&acme, "send get /ok").await;
    report(&acme, "recurse").await.unwrap_err();
    let acme = of(&host, "acme/crm").figures;
    assert_eq!((acme.requests, acme.traps, acme.failed), (2, 1, 1));
    assert!(acme.calls > first.figures.calls, "{acme:?}");

    let mut pages = globex
        .query("send get /ok", Default::default())
        .await
        .unwrap();
    let globex = of(&host, "globex/crm");
    assert_eq!((globex.instances, globex.figures.traps), (1, 0));
    while pages.next_page().await.unwrap().is_some() {}
    drop(pages);
    assert_eq!(of(&host, "globex/crm").instances, 0);
    // What the version did is what its connections did.
    let packages = host.packages();
    let whole = packages[0].versions[0].figures;
    let globex = of(&host, "globex/crm").figures;
    assert_eq!(whole.calls, acme.calls + globex.calls);
    assert_eq!(whole.cpu_us, acme.cpu_us + globex.cpu_us);
}

#[tokio::test]
async fn bytes_of_batches_count_for_whom_a_transform_works() {
    let host = transform_host("").await;
    let log = json!({ "do": "log", "count": 7 });
    let transform = host.transform("hostile-transform", &log).await.unwrap();
    let records = batch(200);
    transform.apply("Contact", &records).await.unwrap();
    let acme = ConnectionKey::new("acme", "crm").unwrap();
    let transform = transform.on_behalf_of(&acme);
    transform.apply("Contact", &records).await.unwrap();
    transform.apply("Contact", &records).await.unwrap();
    let bytes = records.as_bytes().len() as u64;
    for (connection, times) in [("", 1), ("acme/crm", 2)] {
        let figures = of(&host, connection).figures;
        assert_eq!((figures.calls, figures.host_calls), (times, 7 * times));
        assert_eq!(
            (figures.bytes_in, figures.bytes_out),
            (bytes * times, bytes * times)
        );
    }
}

#[tokio::test]
async fn a_span_says_whose_call_it_is() {
    let host = transform_host("").await;
    let log = json!({ "do": "log", "count": 1 });
    let transform = host.transform("hostile-transform", &log).await.unwrap();
    let acme = ConnectionKey::new("acme", "crm").unwrap();
    let logs = Logs::capture();
    let transform = transform.on_behalf_of(&acme);
    transform.apply("Contact", &batch(1)).await.unwrap();
    let text = logs.text();
    let span =
        r#"call{package="hostile-transform" version="0.1.0" connection="acme/crm" call="apply"}"#;
    assert!(text.contains(span), "{text}");
}
