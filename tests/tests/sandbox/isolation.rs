//! Calls do not see one another: not in memory, not in time.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use lockgate::{Limit, Shares, Transform};
use lockgate_tests::handmade::transform;
use lockgate_tests::loopback::Loopback;
use lockgate_tests::packages::package;
use lockgate_tests::sandbox::TestHost;
use serde_json::{Value as Json, json};

use crate::attack::{
    apply, batch, connector, is_pending, report, still_serves, stopped_by, transform_host,
};

/// How many instances of an engine live at a time.
const POOL: usize = 256;

/// A host in which one tenant may have them all.
async fn host_without_shares() -> TestHost {
    let shares = Shares {
        instances_of_one: POOL,
        ..Shares::default()
    };
    TestHost::with(|builder| builder.shares(shares)).await
}

async fn hostile(host: &TestHost, attack: Json) -> Transform {
    host.transform("hostile-transform", &attack).await.unwrap()
}

#[tokio::test]
async fn nothing_that_a_guest_keeps_survives_its_call_unless_it_is_kept_warm() {
    let host = transform_host("").await;
    let counting = hostile(&host, json!({ "do": "state" })).await;
    for _ in 0..3 {
        let seen = counting.apply("Contact", &batch(1)).await.unwrap();
        assert_eq!(&seen.records.as_bytes()[..], br#"[{"calls":1}]"#);
    }
    let mut warm = counting.warm().await.unwrap();
    for expected in 1..=3 {
        let seen = warm.apply("Contact", &batch(1)).await.unwrap();
        assert_eq!(
            seen.records.as_bytes(),
            &format!("[{{\"calls\":{expected}}}]")
        );
    }
}

#[tokio::test]
async fn a_warm_instance_that_failed_is_not_used_again() {
    let host = transform_host("cpu_ms = 50").await;
    let mut warm = hostile(&host, json!({ "do": "spin" }))
        .await
        .warm()
        .await
        .unwrap();
    assert_eq!(
        stopped_by(warm.apply("Contact", &batch(1)).await).0,
        Limit::Cpu
    );
    let error = warm.apply("Contact", &batch(1)).await.unwrap_err();
    assert!(error.to_string().contains("take a new one"), "{error}");
    still_serves(&host).await;
}

#[tokio::test]
async fn limits_of_a_warm_instance_count_afresh_for_each_batch() {
    let host = transform_host("").await;
    let attack = json!({ "do": "log", "count": 10, "bytes": 60_000 });
    let mut warm = hostile(&host, attack).await.warm().await.unwrap();
    // Each takes more than half of what would stop it.
    for _ in 0..5 {
        warm.apply("Contact", &batch(1)).await.unwrap();
    }
}

/// Traps unless all memory that nobody wrote is zero, and then fills it.
const CHECK_AND_SOIL: &str = "
    (drop (memory.grow (i32.const 8)))
    (local.set $at (i32.const 131072))
    (loop $next
        (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const 655360))))
    (memory.fill (i32.const 131072) (i32.const 0xaa) (i32.const 524288))";

#[tokio::test]
async fn a_pooled_slot_shows_nothing_of_the_guest_before() {
    let host = host_without_shares().await;
    for name in ["soiler", "finder"] {
        host.load(&transform(name, "", CHECK_AND_SOIL)).await;
    }
    // All slots are in use at once, so that each is used again.
    for name in ["soiler", "soiler", "finder"] {
        let checking = host.transform(name, &json!({})).await.unwrap();
        let all = join_all((0..POOL).map(|_| checking.warm())).await;
        assert!(
            all.iter().all(Result::is_ok),
            "{name} found what another had written"
        );
    }
}

#[tokio::test]
async fn guests_of_many_tables_take_no_slots_from_others() {
    let host = host_without_shares().await;
    host.load(&package("hostile-transform")).await;
    host.load(&transform("tables", &"(table 10 funcref)".repeat(6), ""))
        .await;
    let greedy = host.transform("tables", &json!({})).await.unwrap();
    let kept = join_all((0..POOL - 1).map(|_| greedy.warm())).await;
    assert!(
        kept.iter().all(Result::is_ok),
        "{:?}",
        kept.iter().find(|one| one.is_err())
    );
    still_serves(&host).await;
}

#[tokio::test]
async fn more_calls_than_there_are_slots_wait_for_their_turn() {
    let host = host_without_shares().await;
    host.load(&package("hostile-transform")).await;
    let echo = hostile(&host, json!({ "do": "echo" })).await;
    let mut kept = join_all((0..POOL).map(|_| echo.warm())).await;
    assert!(kept.iter().all(Result::is_ok));
    let records = batch(3);
    let mut waiting = pin!(echo.apply("Contact", &records));
    assert!(is_pending(waiting.as_mut()).await);
    kept.pop();
    waiting.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_calls_at_once_all_finish() {
    let host = transform_host("").await;
    let echo = hostile(&host, json!({ "do": "echo" })).await;
    let records = batch(200);
    let outcomes = join_all((0..300).map(|_| {
        let (echo, records) = (echo.clone(), records.clone());
        tokio::spawn(async move { echo.apply("Contact", &records).await })
    }))
    .await;
    assert!(
        outcomes
            .into_iter()
            .all(|outcome| outcome.unwrap().unwrap().records == records)
    );

    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let outcomes = join_all((0..300).map(|_| {
        let crm = crm.clone();
        tokio::spawn(async move { report(&crm, "wait 100").await })
    }))
    .await;
    for outcome in outcomes {
        assert_eq!(outcome.unwrap().unwrap(), [json!({ "done": "wait" })]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transforms_beside_hostile_ones_run_unharmed() {
    let host = Arc::new(transform_host("cpu_ms = 300\nmemory_mib = 16").await);
    let attacks = [
        "spin",
        "recurse",
        "allocate",
        "copy",
        "panic",
        "log-forever",
        "grow-memory",
    ];
    let attackers: Vec<_> = attacks
        .into_iter()
        .map(|attack| {
            let host = Arc::clone(&host);
            tokio::spawn(async move { apply(&host, json!({ "do": attack })).await.is_ok() })
        })
        .collect();
    let echo = hostile(&host, json!({ "do": "echo" })).await;
    let mut served = 0;
    while served < 20 || attackers.iter().any(|attacker| !attacker.is_finished()) {
        echo.apply("Contact", &batch(3)).await.unwrap();
        served += 1;
    }
    for (attack, attacker) in attacks.into_iter().zip(attackers) {
        assert_eq!(attacker.await.unwrap(), attack == "grow-memory", "{attack}");
    }
}

#[tokio::test]
async fn a_call_in_a_loop_does_not_stop_the_timers_of_its_thread() {
    let host = transform_host("cpu_ms = 500").await;
    let ticks = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&ticks);
    // One thread runs both the guest and the timer.
    let timer = tokio::spawn(async move {
        let mut timer = tokio::time::interval(Duration::from_millis(10));
        loop {
            timer.tick().await;
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let outcome = apply(&host, json!({ "do": "spin" })).await;
    timer.abort();
    assert_eq!(stopped_by(outcome).0, Limit::Cpu);
    let ticks = ticks.load(Ordering::Relaxed);
    assert!(ticks >= 10, "the timer fired {ticks} times in 500 ms");
}

#[tokio::test]
async fn a_call_that_is_dropped_in_its_middle_leaves_its_slot_behind() {
    let host = transform_host("").await;
    let spinning = hostile(&host, json!({ "do": "spin" })).await;
    let records = batch(3);
    for _ in 0..POOL + 10 {
        let mut call = pin!(spinning.apply("Contact", &records));
        assert!(is_pending(call.as_mut()).await);
    }
    still_serves(&host).await;
}

#[tokio::test]
async fn a_connectors_call_that_is_dropped_in_its_middle_leaves_its_slot_behind() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for _ in 0..POOL + 10 {
        let mut pages = crm.query("wait 60000", Default::default()).await.unwrap();
        let mut page = pin!(pages.next_page());
        assert!(is_pending(page.as_mut()).await);
    }
    assert_eq!(
        report(&crm, "wait 1").await.unwrap(),
        [json!({ "done": "wait" })]
    );
}
