//! Running the hostile guests: what their commands give, and which limit
//! stopped them.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use lockgate::{Connection, Error, Limit, Records, Transformed};
use lockgate_tests::packages::{package, package_with_limits};
use lockgate_tests::sandbox::TestHost;
use serde_json::Value as Json;

/// A batch of so many small records.
pub(crate) fn batch(count: usize) -> Records {
    let rows: Vec<Json> = (0..count).map(|n| serde_json::json!({ "Id": n })).collect();
    Records::from_items(&rows).unwrap()
}

/// A host with the hostile transform under these limits, lines of the
/// manifest's `[limits]`.
pub(crate) async fn transform_host(limits: &str) -> TestHost {
    let host = TestHost::new().await;
    host.load(&package_with_limits("hostile-transform", limits))
        .await;
    host
}

/// Attacks in `apply`, with a batch of three records.
pub(crate) async fn apply(host: &TestHost, attack: Json) -> Result<Transformed, Error> {
    host.transform("hostile-transform", &attack)
        .await?
        .apply("Contact", &batch(3))
        .await
}

/// Shows that the host still serves.
pub(crate) async fn still_serves(host: &TestHost) {
    let echo = apply(host, serde_json::json!({ "do": "echo" }))
        .await
        .unwrap();
    assert_eq!(echo.records, batch(3));
}

/// The hostile connector under these limits.
pub(crate) fn connector(limits: &str) -> lockgate::Package {
    match limits {
        "" => package("hostile-connector"),
        limits => package_with_limits("hostile-connector", limits),
    }
}

/// What a command of the hostile connector reports.
pub(crate) async fn report(connection: &Connection, command: &str) -> Result<Vec<Json>, Error> {
    let pages = connection.query(command, Default::default()).await?;
    pages.collect(10_000).await?.to_vec()
}

/// The one report of a command.
pub(crate) async fn one(connection: &Connection, command: &str) -> Json {
    let mut reports = report(connection, command).await.unwrap();
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports.remove(0)
}

/// The limit that stopped a call, with its value.
pub(crate) fn stopped_by<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (Limit, String) {
    match outcome {
        Err(Error::LimitExceeded { limit, allowed, .. }) => (limit, allowed),
        other => panic!("no limit has stopped it: {other:?}"),
    }
}

/// Whether a text could be anything but one line of text on a terminal.
pub(crate) fn is_plain(text: &str) -> bool {
    let turns = |c| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !text.chars().any(|c| c.is_control() || turns(c))
}

/// Goes on with a future for as long as it runs without waiting, and tells
/// whether it is still not done.
pub(crate) async fn is_pending<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}
