//! Shares of the cores and of instances: what a tenant that does its worst leaves to others.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::join_all;
use lockgate::{Blame, ConnectionKey, Error, Limit, Shares, TenantStatus, Transform};
use lockgate_tests::loopback::Loopback;
use lockgate_tests::packages::package_with_limits;
use lockgate_tests::sandbox::TestHost;
use serde_json::json;

use crate::attack::{batch, connector, is_pending, one, report, stopped_by};

/// One core, so that whoever holds it is noticed.
fn one_core() -> Shares {
    Shares {
        running: 1,
        running_of_one: 1,
        ..Shares::default()
    }
}

/// A host with these shares and the hostile transform.
async fn host(shares: Shares, limits: &str) -> TestHost {
    let host = TestHost::with(|builder| builder.shares(shares)).await;
    host.load(&package_with_limits("hostile-transform", limits))
        .await;
    host
}

/// The hostile transform at work for a tenant.
async fn transform(host: &TestHost, attack: &str, tenant: &str) -> Transform {
    let attack = json!({ "do": attack });
    let transform = host.transform("hostile-transform", &attack).await.unwrap();
    transform.on_behalf_of(&ConnectionKey::new(tenant, "crm").unwrap())
}

fn tenant(host: &TestHost, name: &str) -> Option<TenantStatus> {
    let mut all = host.tenants().into_iter();
    all.find(|status| status.tenant == name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_of_a_tenant_that_loops_in_many_calls_run_one_at_a_time_beside_others() {
    let shares = Shares {
        running: 2,
        running_of_one: 1,
        ..Shares::default()
    };
    let host = host(shares, "cpu_ms = 100").await;
    let echo = transform(&host, "echo", "globex").await;
    let records = batch(200);
    // It is there before the others are, so none of them ever is alone.
    echo.apply("Contact", &records).await.unwrap();
    let spin = transform(&host, "spin", "acme").await;
    let attackers: Vec<_> = (0..8)
        .map(|_| {
            let (spin, records) = (spin.clone(), records.clone());
            tokio::spawn(async move { spin.apply("Contact", &records).await })
        })
        .collect();
    let (mut served, mut have_waited) = (0, false);
    while served < 20 || attackers.iter().any(|attacker| !attacker.is_finished()) {
        let transformed = echo.apply("Contact", &records).await.unwrap();
        assert_eq!(transformed.records, records);
        if let Some(acme) = tenant(&host, "acme") {
            assert!(acme.running <= 1, "{acme:?}");
            have_waited |= acme.ready > 0;
        }
        served += 1;
    }
    assert!(have_waited);
    for attacker in attackers {
        assert_eq!(stopped_by(attacker.await.unwrap()).0, Limit::Cpu);
    }
}

#[tokio::test]
async fn a_guest_that_waits_for_its_product_holds_no_core() {
    let server = Loopback::start().await;
    let package = connector("");
    let host = TestHost::with(|builder| builder.shares(one_core())).await;
    host.load(&package).await;
    let acme = server.connect(&host, &package, "acme", "crm").await;
    let globex = server.connect(&host, &package, "globex", "crm").await;
    let mut waiting = pin!(join_all((0..4).map(|_| report(&acme, "send get /hold"))));
    while server.held() < 4 {
        assert!(is_pending(waiting.as_mut()).await);
        tokio::task::yield_now().await;
    }
    for connection in [&acme, &globex] {
        assert_eq!(one(connection, "send get /ok").await["status"], 200);
    }
    server.release();
    assert!(waiting.await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_call_that_nobody_goes_on_with_holds_no_core() {
    let host = host(one_core(), "cpu_ms = 50").await;
    let spin = transform(&host, "spin", "acme").await;
    let echo = transform(&host, "echo", "globex").await;
    let records = batch(3);
    let mut left_alone = pin!(spin.apply("Contact", &records));
    assert!(is_pending(left_alone.as_mut()).await);
    echo.apply("Contact", &records).await.unwrap();
    assert_eq!(stopped_by(left_alone.await).0, Limit::Cpu);
}

/// Whom an error says to be busy, and with what.
fn busy<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (String, String) {
    let error = outcome.unwrap_err();
    assert_eq!((error.blame(), error.is_retryable()), (Blame::Host, true));
    match error {
        Error::Busy { tenant, limit } => (tenant, limit),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tenant_that_has_all_its_places_is_told_so_while_others_are_served() {
    let shares = Shares {
        instances_of_one: 3,
        wait: Duration::ZERO,
        ..Shares::default()
    };
    let host = host(shares, "").await;
    let acme = transform(&host, "echo", "acme").await;
    let globex = transform(&host, "echo", "globex").await;
    let records = batch(3);
    let kept = join_all((0..3).map(|_| acme.warm())).await;
    assert!(kept.iter().all(Result::is_ok));
    let (tenant, limit) = busy(acme.apply("Contact", &records).await);
    assert_eq!(tenant, "acme");
    assert!(limit.contains("of 3 that it may have"), "{limit}");
    globex.apply("Contact", &records).await.unwrap();
    drop(kept);
    acme.apply("Contact", &records).await.unwrap();
}

#[tokio::test]
async fn so_many_calls_of_a_tenant_wait_and_the_next_is_told_at_once() {
    let shares = Shares {
        instances_of_one: 1,
        waiting_of_one: 2,
        ..Shares::default()
    };
    let host = host(shares, "").await;
    let acme = transform(&host, "echo", "acme").await;
    let globex = transform(&host, "echo", "globex").await;
    let records = batch(3);
    let kept = acme.warm().await.unwrap();
    let mut waiting = pin!(join_all((0..2).map(|_| acme.apply("Contact", &records))));
    assert!(is_pending(waiting.as_mut()).await);
    let (_, limit) = busy(acme.apply("Contact", &records).await);
    assert!(limit.contains("2 calls of it wait already"), "{limit}");
    let status = tenant(&host, "acme").unwrap();
    assert_eq!((status.instances, status.waiting), (1, 2));
    globex.apply("Contact", &records).await.unwrap();
    drop(kept);
    assert!(waiting.await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_tenant_that_fills_every_place_that_it_may_have_leaves_room_for_others() {
    let server = Loopback::start().await;
    let package = connector("");
    let (host, acme) = server.attacked_by(&package).await;
    let globex = server.connect(&host, &package, "globex", "crm").await;
    let places = Shares::default().instances_of_one;
    let mut greedy = pin!(join_all(
        (0..places + 40).map(|_| report(&acme, "send get /hold"))
    ));
    while server.held() < places {
        assert!(is_pending(greedy.as_mut()).await);
        tokio::task::yield_now().await;
    }
    assert_eq!(one(&globex, "send get /ok").await["status"], 200);
    assert_eq!(server.held(), places);
    server.release();
    let all = greedy.await;
    let failed = all.iter().find(|outcome| outcome.is_err());
    assert!(failed.is_none(), "{failed:?}");
}
