//! Versions that replace one another while calls and subscriptions are under way.

use std::time::Duration;

use futures_util::future::join_all;
use lockgate::{
    CallFigures, ConnectionKey, Error, Event, Grant, Move, PackageError, PackageStatus, Reach,
    Stand, Start, Step, SubscribeOptions, Trial,
};
use lockgate_tests::handmade;
use lockgate_tests::loopback::Loopback;
use lockgate_tests::packages::package_with;
use lockgate_tests::sandbox::TestHost;
use serde_json::json;

use crate::attack::{batch, connector, is_pending, one, transform_host};

/// A package of the same component, as another version.
fn version(name: &str, version: &str, limits: &str) -> lockgate::Package {
    package_with(name, |manifest| {
        let old = manifest
            .lines()
            .find(|line| line.starts_with("version"))
            .unwrap();
        let new = format!("version = \"{version}\"");
        manifest.replacen(old, &new, 1) + limits
    })
}

async fn stage(host: &TestHost, package: &lockgate::Package) -> Result<(), Error> {
    host.stage(package, package.asked_grants()).await
}

fn at_once(version: &str, drain: Duration) -> Step {
    Step::Swap {
        version: version.to_owned(),
        trial: None,
        drain,
    }
}

fn only(host: &TestHost) -> PackageStatus {
    let mut packages = host.packages();
    assert_eq!(packages.len(), 1);
    packages.remove(0)
}

#[tokio::test]
async fn a_subscription_is_handed_over_at_a_checkpoint_without_a_lost_or_doubled_event() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    let options = SubscribeOptions {
        start: Start::Oldest,
        way: None,
    };
    let mut busy = crm.subscribe(&["count 3"], options).await.unwrap();
    let mut ids = Vec::new();
    for number in 1..=9 {
        for _ in 0..3 {
            let delivery = busy.next_delivery().await.unwrap().unwrap();
            ids.extend(
                delivery
                    .events
                    .iter()
                    .map(|event| Event::id(event).to_owned()),
            );
        }
        let next = format!("0.2.{number}");
        stage(&host, &version("hostile-connector", &next, ""))
            .await
            .unwrap();
        host.steer("hostile-connector", &Step::swap(next)).unwrap();
    }
    let all: Vec<String> = (0..81).map(|n| format!("event-{n}")).collect();
    assert_eq!(ids, all);
    // The first version is done, the eighth had the last deliveries.
    let versions = only(&host).versions;
    let instances: Vec<_> = versions.iter().filter(|v| v.instances > 0).collect();
    assert_eq!(instances.len(), 1, "{instances:#?}");
    assert_eq!(instances[0].version, "0.2.8");
}

#[tokio::test]
async fn a_subscription_that_waits_is_handed_over_at_once() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    let options = SubscribeOptions::default();
    let mut waiting = crm
        .subscribe(&["then send get /hold"], options)
        .await
        .unwrap();
    let first = waiting.next_delivery().await.unwrap().unwrap();
    let mut next = Box::pin(waiting.next_delivery());
    assert!(is_pending(next.as_mut()).await);
    stage(&host, &version("hostile-connector", "0.2.0", ""))
        .await
        .unwrap();
    host.steer("hostile-connector", &Step::swap("0.2.0"))
        .unwrap();
    // The new version begins behind the checkpoint, so its first is the second.
    let second = next.await.unwrap().unwrap();
    assert_eq!(first.events[0].id(), "event-1000");
    assert_eq!(second.events[0].id(), "event-1001");
}

#[tokio::test]
async fn calls_under_way_end_on_the_version_that_they_began_with() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    let mut held = Box::pin(one(&crm, "send get /hold"));
    while server.held() == 0 {
        assert!(is_pending(held.as_mut()).await);
        tokio::task::yield_now().await;
    }
    stage(&host, &version("hostile-connector", "0.2.0", ""))
        .await
        .unwrap();
    host.steer(
        "hostile-connector",
        &at_once("0.2.0", Duration::from_secs(900)),
    )
    .unwrap();
    // New ones are served meanwhile, elsewhere.
    one(&crm, "send get /bytes/3").await;
    let [new, old] = &only(&host).versions[..] else {
        panic!("two versions are loaded");
    };
    assert_eq!(
        (new.version.as_str(), &new.stand),
        ("0.2.0", &Stand::Trusted)
    );
    assert_eq!((old.instances, &old.stand), (1, &Stand::Before));
    server.release();
    held.await;
    assert_eq!(only(&host).versions[1].instances, 0);
}

#[tokio::test]
async fn a_call_that_outlasts_the_time_to_drain_is_stopped_and_says_why() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    let mut held = Box::pin(crate::attack::report(&crm, "send get /hold"));
    while server.held() == 0 {
        assert!(is_pending(held.as_mut()).await);
        tokio::task::yield_now().await;
    }
    stage(&host, &version("hostile-connector", "0.2.0", ""))
        .await
        .unwrap();
    host.steer("hostile-connector", &at_once("0.2.0", Duration::ZERO))
        .unwrap();
    let stopped = held.await.unwrap_err();
    assert!(matches!(stopped, Error::Drained(_)), "{stopped:?}");
    assert!(stopped.is_retryable());
    one(&crm, "send get /bytes/3").await;
}

#[tokio::test]
async fn a_transform_does_its_work_for_a_connection_in_the_version_that_this_is_pinned_to() {
    let host = TestHost::new().await;
    host.load(&version("hostile-transform", "0.1.0", "")).await;
    stage(&host, &version("hostile-transform", "0.2.0", ""))
        .await
        .unwrap();
    let connection = ConnectionKey::new("acme", "crm").unwrap();
    let pin = Step::Pin {
        connection: connection.clone(),
        version: "0.2.0".to_owned(),
    };
    host.steer("hostile-transform", &pin).unwrap();
    let transform = host.transform("hostile-transform", &json!({})).await;
    let transform = transform.unwrap();
    let calls = |version: &str| {
        let of = |calls: &CallFigures| calls.connection == "acme/crm" && calls.version == version;
        host.figures()
            .iter()
            .filter(|calls| of(calls))
            .map(|calls| calls.figures.calls)
            .sum::<u64>()
    };
    let for_it = transform.on_behalf_of(&connection);
    for_it.apply("Contact", &batch(1)).await.unwrap();
    assert_eq!((calls("0.1.0"), calls("0.2.0")), (0, 1));
    host.steer("hostile-transform", &Step::Unpin { connection })
        .unwrap();
    for_it.apply("Contact", &batch(1)).await.unwrap();
    assert_eq!((calls("0.1.0"), calls("0.2.0")), (1, 1));
}

#[tokio::test]
async fn a_version_that_goes_over_its_limits_is_taken_back_and_calls_go_on() {
    let host = transform_host("").await;
    let attack = json!({ "do": "log", "count": 30, "bytes": 1_000 });
    let noisy = host.transform("hostile-transform", &attack).await.unwrap();
    let bad = version("hostile-transform", "0.2.0", "\n[limits]\nlog_kib = 1\n");
    stage(&host, &bad).await.unwrap();
    host.steer("hostile-transform", &Step::swap("0.2.0"))
        .unwrap();
    let mut failed = 0;
    for _ in 0..50 {
        failed += usize::from(noisy.apply("Contact", &batch(3)).await.is_err());
    }
    assert_eq!(failed, 3);
    let status = only(&host);
    let bad = status
        .versions
        .iter()
        .find(|v| v.version == "0.2.0")
        .unwrap();
    assert!(
        matches!(bad.stand, Stand::Resting { failures: 1, .. }),
        "{bad:?}"
    );
    // It described itself before.
    assert_eq!((bad.figures.calls, bad.figures.traps), (4, 3));
    let changes = host.changes("hostile-transform").unwrap();
    let last = changes.last().unwrap();
    assert_eq!(last.what, Move::TakenBack);
    assert!(last.reason.contains("3 of 3 calls failed"), "{last:?}");
}

#[tokio::test]
async fn a_version_that_fails_what_it_is_tried_with_is_never_staged() {
    let host = TestHost::new().await;
    let good = handmade::transform("scorer", "", "");
    host.load(&good).await;
    let _handle = host.transform("scorer", &json!({})).await.unwrap();
    let manifest = handmade::transform_manifest("scorer").replace("0.1.0'\nworld", "0.2.0'\nworld");
    let traps = handmade::transform("scorer", "", "unreachable");
    let traps = lockgate::Package::from_parts(&manifest, traps.component().clone()).unwrap();
    let refused = stage(&host, &traps).await.unwrap_err();
    assert!(matches!(refused, Error::Crashed { .. }), "{refused:?}");
    let unknown = host.steer("scorer", &Step::swap("0.2.0")).unwrap_err();
    assert!(matches!(unknown, Error::NoVersion { .. }), "{unknown:?}");
    assert_eq!(only(&host).versions.len(), 1);
}

#[tokio::test]
async fn a_version_that_wants_more_than_it_is_given_leaves_the_one_at_work() {
    let server = Loopback::start().await;
    let (host, crm) = server.attacked_by(&connector("")).await;
    let next = version("hostile-connector", "0.2.0", "");
    for kept_back in Grant::ALL {
        // The one at work has it: that says nothing for the next.
        let given = Grant::ALL.into_iter().filter(|grant| *grant != kept_back);
        let refused = host.stage(&next, given).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Package(PackageError::NotGranted { grant, .. })
                if *grant == kept_back),
            "{refused:?}"
        );
        let unknown = host.steer("hostile-connector", &Step::swap("0.2.0"));
        assert!(
            matches!(unknown, Err(Error::NoVersion { .. })),
            "{unknown:?}"
        );
        assert_eq!(one(&crm, "send get /ok").await["status"], 200);
    }
}

#[tokio::test]
async fn a_canary_serves_its_share_beside_the_others() {
    let host = transform_host("").await;
    let attack = json!({ "do": "echo" });
    let echo = host.transform("hostile-transform", &attack).await.unwrap();
    let next = version("hostile-transform", "0.2.0", "");
    stage(&host, &next).await.unwrap();
    let canary = Step::Canary {
        version: "0.2.0".to_owned(),
        reach: Reach::Share(0.25),
        trial: Trial::default(),
    };
    host.steer("hostile-transform", &canary).unwrap();
    let before = only(&host).versions[1].figures.calls;
    for _ in 0..40 {
        echo.apply("Contact", &batch(3)).await.unwrap();
    }
    let after = only(&host).versions[1].figures.calls;
    assert_eq!(after - before, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_in_a_hundred_swaps() {
    let host = transform_host("").await;
    let attack = json!({ "do": "echo" });
    let echo = host.transform("hostile-transform", &attack).await.unwrap();
    for next in ["0.2.0", "0.3.0"] {
        let next = version("hostile-transform", next, "");
        stage(&host, &next).await.unwrap();
    }
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let calls = async {
        let mut n_calls = 0;
        while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
            let three = batch(3);
            let some = (0..4).map(|_| echo.apply("Contact", &three));
            for outcome in join_all(some).await {
                assert_eq!(outcome.unwrap().records, batch(3));
                n_calls += 1;
            }
        }
        n_calls
    };
    let swaps = async {
        for n in 0..100 {
            let next = ["0.2.0", "0.3.0"][n % 2];
            let at_once = at_once(next, Duration::from_secs(900));
            host.steer("hostile-transform", &at_once).unwrap();
            tokio::task::yield_now().await;
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (n_calls, ()) = tokio::join!(calls, swaps);
    assert!(n_calls > 0);
    assert_eq!(host.changes("hostile-transform").unwrap().len(), 101);
}
