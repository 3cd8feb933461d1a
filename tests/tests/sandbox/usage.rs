//! What an instance of a transform says that it has used.

use lockgate::{Records, Usage};
use lockgate_tests::packages::package;
use lockgate_tests::sandbox::TestHost;
use serde_json::{Value as Json, json};

use crate::attack::{batch, transform_host};

/// What one batch in an instance of its own has used, whatever came of it.
async fn used(host: &TestHost, attack: Json, records: &Records) -> Usage {
    let transform = host.transform("hostile-transform", &attack).await.unwrap();
    let mut instance = transform.warm().await.unwrap();
    // What stops a batch has been paid for as well.
    let _ = instance.apply("Contact", records).await;
    instance.usage()
}

#[tokio::test]
async fn instructions_are_counted_alike_each_time_and_grow_with_the_batch() {
    let host = TestHost::with(lockgate::HostBuilder::count_instructions).await;
    host.load(&package("hostile-transform")).await;
    let echo = json!({ "do": "echo" });
    let first = used(&host, echo.clone(), &batch(10)).await;
    let again = used(&host, echo.clone(), &batch(10)).await;
    let more = used(&host, echo, &batch(1_000)).await;
    assert_eq!(first, again);
    assert!(first.instructions.unwrap() > 0);
    assert!(more.instructions > first.instructions, "{more:?}");
    assert!(more.memory_bytes >= first.memory_bytes && first.memory_bytes > 0);
}

#[tokio::test]
async fn host_calls_and_memory_are_told_of_a_batch_that_was_stopped_as_well() {
    let host = transform_host("").await;
    let log = json!({ "do": "log", "count": 7 });
    let logged = used(&host, log, &batch(1)).await;
    assert_eq!((logged.host_calls, logged.instructions), (7, None));
    let greedy = used(&host, json!({ "do": "allocate" }), &batch(1)).await;
    let allowed = lockgate::Limits::default().memory_bytes;
    assert!(
        greedy.memory_bytes > allowed / 2 && greedy.memory_bytes <= allowed,
        "{greedy:?}"
    );
}
