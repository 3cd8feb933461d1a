//! Tenants beside one another, one of which attacks: what it can learn, take and keep
//! busy. The attacker and the others have connections of one package in one host.

use lockgate::{Blame, Error, Limit};
use lockgate_tests::loopback::Loopback;
use serde_json::json;

use crate::attack::{connector, is_pending, one, report, stopped_by};
use crate::quota::counted;

#[tokio::test]
async fn what_another_tenant_has_stored_answers_as_if_it_were_not_there() {
    let server = Loopback::start().await;
    let package = connector("");
    let (host, acme) = server.attacked_by(&package).await;
    let globex = server.connect(&host, &package, "globex", "crm").await;
    let version = one(&acme, "put there 10").await["version"].clone();

    for command in [
        "keys KEY",
        "list KEY",
        "swap KEY VERSION 3",
        "delete KEY",
        "swap KEY none 3",
    ] {
        let command = command.replace("VERSION", &version.to_string());
        let ask = async |key: &str| {
            let told = report(&globex, &command.replace("KEY", key)).await.unwrap();
            json!(told).to_string().replace(key, "KEY")
        };
        let (there, nowhere) = (ask("there").await, ask("elsewhere").await);
        match command.starts_with("swap KEY none") {
            // Numbers of versions are the store's, so they tell nobody anything.
            true => assert!(there.contains("version") && nowhere.contains("version")),
            false => assert_eq!(there, nowhere, "{command}"),
        }
    }
    let kept = one(&acme, "keys there").await;
    assert_eq!(kept["outcome"], json!({ "value": "xxxxxxxxxx" }));
    // What it has written meanwhile did not touch the version either.
    let swapped = one(&acme, &format!("swap there {version} 1")).await;
    assert!(swapped["version"].is_u64(), "{swapped}");
}

#[tokio::test]
async fn a_handle_that_a_call_did_not_get_is_worth_nothing() {
    let server = Loopback::start().await;
    let (host, acme) = server.attacked_by(&counted()).await;
    let globex = server.connect(&host, &counted(), "globex", "crm").await;
    let mut owner = Box::pin(one(&globex, "reserve-send 5 1 /hold"));
    while server.held() == 0 {
        assert!(is_pending(owner.as_mut()).await);
        tokio::task::yield_now().await;
    }
    for number in [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        1_000,
        268_435_455,
        4_294_967_295_u32,
    ] {
        let forged = report(&acme, &format!("forge-handle {number}")).await;
        let error = forged.unwrap_err();
        assert!(
            matches!(error, Error::Crashed { .. }),
            "{number}: {error:?}"
        );
        assert_eq!(error.blame(), Blame::Guest);
    }
    assert_eq!(one(&acme, "send get /ok").await["status"], 200);
    server.release();
    let owner = owner.await;
    assert_eq!(
        (&owner["remaining"], &owner["returned"]),
        (&json!(4), &json!(4))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_tenant_are_served_while_another_attacks() {
    let server = Loopback::start().await;
    let package = connector("cpu_ms = 300\nmemory_mib = 16");
    let (host, acme) = server.attacked_by(&package).await;
    let globex = server.connect(&host, &package, "globex", "crm").await;
    let attacks = [
        ("spin", Limit::Cpu),
        ("spin-async", Limit::Cpu),
        ("recurse", Limit::Stack),
        ("allocate", Limit::Memory),
        ("flood-calls", Limit::HostCalls),
        ("flood-log", Limit::HostCalls),
        ("hold-streams 2000", Limit::Handles),
    ];
    let attackers: Vec<_> = attacks
        .map(|(attack, _)| {
            let acme = acme.clone();
            tokio::spawn(async move { report(&acme, attack).await })
        })
        .into();
    let mut served = 0;
    while served < 20 || attackers.iter().any(|attacker| !attacker.is_finished()) {
        assert_eq!(one(&globex, "send get /ok").await["status"], 200);
        served += 1;
    }
    for ((attack, limit), attacker) in attacks.into_iter().zip(attackers) {
        let outcome = attacker.await.unwrap();
        assert_eq!(stopped_by(outcome).0, limit, "{attack}");
    }
}

#[tokio::test]
async fn a_tenant_that_has_used_up_its_calls_keeps_nobody_else_from_calling() {
    let server = Loopback::start().await;
    let (host, acme) = server.attacked_by(&counted()).await;
    let globex = server.connect(&host, &counted(), "globex", "crm").await;
    one(&acme, "send get /usage/100/100").await;
    let refused = one(&acme, "send get /ok").await;
    assert!(
        refused["error"].as_str().unwrap().contains("OverQuota"),
        "{refused}"
    );
    for _ in 0..3 {
        assert_eq!(one(&globex, "send get /usage/10/100").await["status"], 200);
    }
    let status = one(&globex, "reserve 50 0").await;
    assert_eq!(status["remaining"], 50, "{status}");
}
