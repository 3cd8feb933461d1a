//! Logins that need no person, and those where the person does not come.

mod support;

use dev_org::{App, Config, SigningKey, VerifyingKey};
use serde_json::json;
use support::{Bench, Run, free_port};

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_signs_connects_for_a_user_and_its_key_is_never_shown() {
    let key = SigningKey::generate().unwrap();
    let app = App {
        keys: vec![VerifyingKey::from_pem(&key.public_pem()).unwrap()],
        ..App::new("robot", "unused")
    };
    let bench = Bench::with(Config {
        apps: vec![app],
        ..Config::default()
    })
    .await;
    let url = bench.org.url();
    let create = |key_file: &str| -> Run {
        bench.lockgate(&[
            "connection",
            "create",
            "erp",
            "--local",
            &url,
            "--client-id",
            "robot",
            "--flow",
            "jwt-bearer",
            "--private-key-file",
            key_file,
            "--username",
            "leads@example.com",
            "--output",
            "json",
        ])
    };
    // A key that the app does not know is refused, and leaves nothing behind.
    let other = SigningKey::generate().unwrap().private_pem();
    let other = bench.file("other.pem", &other);
    let refused = create(other.to_str().unwrap());
    assert_ne!(refused.code, 0, "{refused:#?}");
    assert_eq!(bench.connections(), json!([]));

    let pem = bench.file("key.pem", &key.private_pem());
    let created = create(pem.to_str().unwrap()).ended(0);
    assert_eq!(created.json()["state"], "ready");
    assert_eq!(created.json()["flow"], "jwt-bearer");
    let line = "SELECT Id FROM Account LIMIT 1";
    bench.control.clear_requests();
    let queried = bench.lockgate(&["query", "erp", line]).ended(0);
    let user = bench.control.requests().into_iter().find_map(|r| r.user);
    assert_eq!(user.as_deref(), Some("leads@example.com"));

    // Without a file that holds the key, each command asks anew by itself.
    std::fs::remove_file(pem).unwrap();
    bench.control.expire_sessions();
    let again = bench.lockgate(&["-vvv", "query", "erp", line]).ended(0);
    for line in key.private_pem().lines().filter(|line| line.len() >= 16) {
        for shown in [&created, &queried, &again, &refused] {
            assert!(!format!("{shown:?}").contains(line), "{shown:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_nobody_does_ends_and_leaves_no_half_connection() {
    let bench = Bench::start().await;
    let redirect = format!("http://127.0.0.1:{}/callback", free_port());
    let run = bench
        .create("crm", &["--redirect-uri", &redirect, "--timeout", "1"])
        .ended(1);
    assert!(run.err.contains("nobody logged in within 1 s"), "{run:#?}");
    assert!(run.err.contains("run the command again"), "{run:#?}");
    assert_eq!(bench.connections(), json!([]));

    // Unless it says otherwise, a person has the ten minutes of the login page.
    let help = support::lockgate(&["connection", "create", "--help"]).ended(0);
    assert!(help.out.contains("[default: 600]"), "{help:#?}");
    bench.create("crm", &["--timeout", "601"]).ended(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_to_reconnect_that_nobody_does_leaves_the_connection_as_it_was() {
    let bench = Bench::start().await;
    let redirect = format!("http://127.0.0.1:{}/callback", free_port());
    bench
        .with_login(&bench.creating("crm", &["--redirect-uri", &redirect]))
        .await
        .ended(0);
    let reconnect = ["connection", "reconnect", "crm", "--no-browser"];
    let run = bench
        .lockgate(&[&reconnect[..], &["--timeout", "1"]].concat())
        .ended(1);
    assert!(run.err.contains("nobody logged in"), "{run:#?}");
    bench.lockgate(&["connection", "test", "crm"]).ended(0);

    #[cfg(unix)]
    {
        let run = bench.interrupted(&reconnect).ended(130);
        assert!(run.err.contains("the connection is as it was"), "{run:#?}");
        bench.lockgate(&["connection", "test", "crm"]).ended(0);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_interrupted_ends_with_130_and_leaves_no_half_connection() {
    let bench = Bench::with(Config {
        tls: true,
        ..Config::default()
    })
    .await;
    let ca = bench.org.ca_pem_path().unwrap().to_str().unwrap();
    let redirect = format!("http://127.0.0.1:{}/callback", free_port());
    let create = bench.creating("crm", &["--redirect-uri", &redirect, "--ca", ca]);
    let run = bench.interrupted(&create).ended(130);
    assert!(
        run.err
            .contains("error: interrupted: no connection was kept"),
        "{run:#?}"
    );
    assert_eq!(run.out, "");
    assert_eq!(bench.connections(), json!([]));
    // The name is free again.
    bench
        .create("crm", &["--flow", "client-credentials", "--ca", ca])
        .ended(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_was_killed_can_be_finished_or_taken_away() {
    let bench = Bench::start().await;
    let redirect = format!("http://127.0.0.1:{}/callback", free_port());
    let create = bench.creating("rr", &["--redirect-uri", &redirect]);
    bench.killed(&create);
    let again = bench.lockgate(&create).ended(1);
    for command in ["connection reconnect rr`", "connection remove rr`"] {
        assert!(again.err.contains(command), "{command}: {again:#?}");
    }
    assert!(again.err.contains("never finished"), "{again:#?}");
    bench
        .with_login(&["connection", "reconnect", "rr", "--no-browser"])
        .await
        .ended(0);
    let taken = bench.lockgate(&create).ended(1);
    assert!(taken.err.contains("take another name"), "{taken:#?}");
}
