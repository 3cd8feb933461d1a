//! Guests that go over a limit: stopped with the limit's name, within a sane
//! time, and without harm to the next call.

use std::time::{Duration, Instant};

use lockgate::{Blame, Error, Limit, Limits, Package};
use lockgate_tests::handmade::{transform, transform_manifest, transform_that_allocates};
use lockgate_tests::loopback::Loopback;
use lockgate_tests::packages::package_with_limits;
use lockgate_tests::sandbox::TestHost;
use serde_json::{Value as Json, json};

use crate::attack::{apply, connector, report, still_serves, stopped_by, transform_host};

/// Longer than any of these calls may take on a busy machine.
const SANE: Duration = Duration::from_secs(20);

async fn stopped(limits: &str, attack: Json) -> (Limit, String) {
    let host = transform_host(limits).await;
    let before = Instant::now();
    let outcome = apply(&host, attack).await;
    assert!(before.elapsed() < SANE, "{:?}", before.elapsed());
    let error = outcome.as_ref().unwrap_err();
    assert_eq!(error.blame(), Blame::Guest);
    assert!(!error.is_retryable());
    still_serves(&host).await;
    stopped_by(outcome)
}

#[tokio::test]
async fn an_endless_loop_is_stopped_by_its_cpu_limit() {
    let (limit, allowed) = stopped("cpu_ms = 100", json!({ "do": "spin" })).await;
    assert_eq!((limit, allowed.as_str()), (Limit::Cpu, "100 ms"));
}

#[tokio::test]
async fn a_loop_of_giant_copies_is_stopped_by_its_cpu_limit() {
    let (limit, _) = stopped("cpu_ms = 200", json!({ "do": "copy" })).await;
    assert_eq!(limit, Limit::Cpu);
}

#[tokio::test]
async fn endless_recursion_is_stopped_by_the_stack() {
    let (limit, _) = stopped("", json!({ "do": "recurse" })).await;
    assert_eq!(limit, Limit::Stack);
    // The same without the compiler's own stack in linear memory.
    let host = TestHost::new().await;
    let recursion = "(func $f (result i32) (i32.add (call $f) (i32.const 1)))";
    host.load(&transform("recursion", recursion, "(drop (call $f))"))
        .await;
    let outcome = host.transform("recursion", &json!({})).await;
    assert_eq!(stopped_by(outcome).0, Limit::Stack);
}

/// A handmade transform is stopped while it is made, and the host serves on.
async fn never_made(handmade: &Package) -> Error {
    let host = transform_host("").await;
    let limits = "[limits]\ncpu_ms = 100\n";
    let manifest = transform_manifest(handmade.name()) + limits;
    let package = Package::from_parts(&manifest, handmade.component().clone()).unwrap();
    host.load(&package).await;
    let outcome = host.transform(handmade.name(), &json!({})).await;
    still_serves(&host).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.blame(), Blame::Guest, "{error:?}");
    error
}

#[tokio::test]
async fn a_loop_in_a_start_function_is_stopped_by_its_cpu_limit() {
    let start = "(func $start (loop $again (br $again))) (start $start)";
    let stopped = never_made(&transform("start", start, "")).await;
    let told = "over the limit of CPU time (100 ms, `cpu_ms` in `[limits]` of its manifest)";
    assert!(stopped.to_string().ends_with(told), "{stopped}");
    assert_eq!(stopped_by::<()>(Err(stopped)).0, Limit::Cpu);
}

#[tokio::test]
async fn a_guest_that_gives_up_is_told_with_what_that_means() {
    let start = "(func $start unreachable) (start $start)";
    let error = never_made(&transform("start", start, "")).await;
    let told = "it panicked, threw what nothing caught, or gave an answer that is none of the \
                contract's";
    assert!(matches!(error, Error::Crashed { .. }), "{error:?}");
    assert!(error.to_string().ends_with(told), "{error}");
}

#[tokio::test]
async fn an_allocator_that_lies_traps_loops_or_calls_the_host_harms_only_its_call() {
    let log = r#"(import "lockgate:connector/log@0.2.0" "write"
        (func $log (param i32 i32 i32 i32 i32)))"#;
    let zeros = "(i32.const 0) ".repeat(5);
    for (fields, allocate) in [
        ("", "i32.const -1"),
        ("", "i32.const 131071"),
        ("", "unreachable"),
        (log, &format!("(call $log {zeros}) i32.const 65536")),
    ] {
        let package = transform_that_allocates("allocator", fields, allocate, "");
        let error = never_made(&package).await;
        assert!(
            matches!(error, Error::Crashed { .. }),
            "{allocate}: {error:?}"
        );
    }
    let loops = "(loop $again (br $again)) i32.const 65536";
    let stopped = never_made(&transform_that_allocates("allocator", "", loops, "")).await;
    assert_eq!(stopped_by::<()>(Err(stopped)).0, Limit::Cpu);
}

#[tokio::test]
async fn a_memory_bomb_is_stopped_by_the_memory_limit() {
    let (limit, allowed) = stopped("memory_mib = 16", json!({ "do": "allocate" })).await;
    assert_eq!((limit, allowed.as_str()), (Limit::Memory, "16 MiB"));
}

#[tokio::test]
async fn growth_past_the_memory_limit_is_refused_and_the_guest_may_go_on() {
    let host = transform_host("memory_mib = 16").await;
    let outcome = apply(&host, json!({ "do": "grow-memory" })).await.unwrap();
    assert_eq!(outcome.records.len(), 3);
}

#[tokio::test]
async fn a_table_that_grows_is_stopped_by_the_table_limit() {
    let host = TestHost::new().await;
    let grow = "(loop $again (br_if $again (i32.ne (i32.const -1)
        (table.grow $t (ref.null func) (i32.const 1000))))) unreachable";
    host.load(&transform("table", "(table $t 1 funcref)", grow))
        .await;
    let (limit, allowed) = stopped_by(host.transform("table", &json!({})).await);
    assert_eq!((limit, allowed.as_str()), (Limit::Table, "10000 elements"));
}

#[tokio::test]
async fn a_component_that_begins_with_too_much_memory_or_table_never_starts() {
    let begins_with = |fields: &str, limits: &str| {
        let manifest = format!("{}[limits]\n{limits}\n", transform_manifest("large"));
        let component = transform("large", fields, "").component().clone();
        Package::from_parts(&manifest, component).unwrap()
    };
    for (package, expected) in [
        // Every handmade transform begins with two pages of 64 KiB.
        (begins_with("", "memory_mib = 0"), Limit::Memory),
        (begins_with("(table 20000 funcref)", ""), Limit::Table),
    ] {
        let host = TestHost::new().await;
        host.load(&package).await;
        let outcome = host.transform("large", &json!({})).await;
        assert_eq!(stopped_by(outcome).0, expected);
    }
}

#[tokio::test]
async fn a_return_of_gigabytes_is_stopped_before_the_host_holds_them() {
    let (limit, _) = stopped("", json!({ "do": "huge-records", "bytes": 2_000_000_000 })).await;
    assert_eq!(limit, Limit::Memory);
    // In the guest's memory there is room for them, but not in one host call.
    let attack = json!({ "do": "huge-records", "bytes": 45 * 1024 * 1024 });
    let (limit, allowed) = stopped("memory_mib = 128", attack).await;
    assert_eq!((limit, allowed.as_str()), (Limit::HostCallBytes, "40 MiB"));
}

#[tokio::test]
async fn a_list_of_millions_is_stopped_before_the_host_builds_it() {
    let attack = json!({ "do": "huge-verdicts", "count": 4_000_000 });
    let (limit, _) = stopped("memory_mib = 128", attack).await;
    assert_eq!(limit, Limit::HostCallBytes);
}

#[tokio::test]
async fn a_panic_and_a_trap_are_crashes_without_the_guests_words() {
    let host = transform_host("").await;
    for attack in ["panic", "trap"] {
        let error = apply(&host, json!({ "do": attack })).await.unwrap_err();
        assert!(matches!(error, Error::Crashed { .. }), "{error:?}");
        assert_eq!(error.blame(), Blame::Guest);
        assert!(!error.to_string().contains("forged"), "{error}");
        still_serves(&host).await;
    }
}

#[tokio::test]
async fn settings_that_attack_are_stopped_before_there_is_a_transform() {
    let host = transform_host("cpu_ms = 100").await;
    let attack = json!({ "do": "spin", "at": "configure" });
    let outcome = host.transform("hostile-transform", &attack).await;
    assert_eq!(stopped_by(outcome).0, Limit::Cpu);
    still_serves(&host).await;
}

#[tokio::test]
async fn the_hosts_ceiling_is_above_what_a_package_asks_for() {
    let ceiling = Limits {
        cpu: Duration::from_millis(60),
        memory_bytes: 8 * 1024 * 1024,
        ..Limits::ceiling()
    };
    let host = TestHost::with(|builder| builder.ceiling(ceiling)).await;
    let greedy = "cpu_ms = 3_600_000\nmemory_mib = 4_000";
    host.load(&package_with_limits("hostile-transform", greedy))
        .await;
    let outcome = apply(&host, json!({ "do": "spin" })).await;
    assert_eq!(stopped_by(outcome), (Limit::Cpu, "60 ms".to_owned()));
    let outcome = apply(&host, json!({ "do": "allocate" })).await;
    assert_eq!(stopped_by(outcome), (Limit::Memory, "8 MiB".to_owned()));
    still_serves(&host).await;
}

/// A connector under these limits does this, and is stopped.
async fn connector_stopped(limits: &str, command: &str) -> Limit {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector(limits)).await;
    let before = Instant::now();
    let outcome = report(&crm, command).await;
    assert!(before.elapsed() < SANE, "{command}: {:?}", before.elapsed());
    assert_eq!(outcome.as_ref().unwrap_err().blame(), Blame::Guest);
    report(&crm, "send get /ok").await.unwrap();
    stopped_by(outcome).0
}

#[tokio::test]
async fn a_connector_that_burns_time_is_stopped_wherever_it_does_so() {
    for command in ["spin", "now spin", "spin-async"] {
        assert_eq!(
            connector_stopped("cpu_ms = 100", command).await,
            Limit::Cpu,
            "{command}"
        );
    }
}

#[tokio::test]
async fn a_connector_that_waits_too_long_is_stopped_by_the_wall_clock() {
    assert_eq!(
        connector_stopped("wall_ms = 200", "wait 60000").await,
        Limit::Wall
    );
}

#[tokio::test]
async fn a_connector_that_recurses_or_allocates_is_stopped() {
    assert_eq!(connector_stopped("", "recurse").await, Limit::Stack);
    assert_eq!(
        connector_stopped("memory_mib = 16", "allocate").await,
        Limit::Memory
    );
}

#[tokio::test]
async fn a_flood_of_host_calls_is_stopped() {
    assert_eq!(
        connector_stopped("host_calls = 500", "flood-calls").await,
        Limit::HostCalls
    );
    assert_eq!(connector_stopped("", "flood-log").await, Limit::HostCalls);
}

#[tokio::test]
async fn handles_are_counted() {
    assert_eq!(
        connector_stopped("", "hold-streams 2000").await,
        Limit::Handles
    );
}

#[tokio::test]
async fn a_connector_that_panics_or_waits_for_nothing_harms_only_its_call() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("wall_ms = 500")).await;
    for command in ["panic", "never"] {
        let error = report(&crm, command).await.unwrap_err();
        assert_eq!(error.blame(), Blame::Guest, "{command}: {error:?}");
        assert!(!error.to_string().contains("forged"), "{error}");
        report(&crm, "send get /ok").await.unwrap();
    }
}
