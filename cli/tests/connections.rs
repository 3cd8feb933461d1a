//! Connections as a person makes, uses and removes them.

mod support;

use std::net::TcpListener;

use dev_org::Config;
use serde_json::json;
use support::{Bench, free_port};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_connects_in_the_browser_and_reconnects_after_the_grant_died() {
    let bench = Bench::start().await;
    let (url, port) = (bench.org.url(), free_port());
    let redirect = format!("http://127.0.0.1:{port}/callback");
    let create = [
        "connection",
        "create",
        "crm",
        "--local",
        &url,
        "--client-id",
        "dev-org-client",
        "--client-secret",
        "dev-org-secret",
        "--redirect-uri",
        &redirect,
        "--no-browser",
    ];
    let run = bench.with_login(&create).await.ended(0);
    assert!(run.out.contains("default/crm is connected"), "{run:#?}");
    bench.lockgate(&["connection", "test", "crm"]).ended(0);

    bench.control.kill_refresh_tokens();
    bench.control.expire_sessions();
    let run = bench
        .lockgate(&["query", "crm", "SELECT Id FROM Account LIMIT 1"])
        .ended(3);
    assert!(
        run.err.contains("`lockgate connection reconnect crm`"),
        "{run:#?}"
    );
    let shown = bench
        .lockgate(&["connection", "show", "crm", "--output", "json"])
        .ended(0);
    assert_eq!(shown.json()["state"], "needs-reconnect");

    bench
        .with_login(&["connection", "reconnect", "crm", "--no-browser"])
        .await
        .ended(0);
    bench.lockgate(&["connection", "test", "crm"]).ended(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_callback_port_is_named_and_leaves_no_half_connection() {
    let bench = Bench::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let redirect = format!("http://{address}/callback");
    let run = bench.create("crm", &["--redirect-uri", &redirect]).ended(1);
    assert!(run.err.contains(&address.to_string()), "{run:#?}");
    assert!(run.err.contains("--redirect-uri"), "{run:#?}");
    let list = bench
        .lockgate(&["connection", "list", "--output", "json"])
        .ended(0);
    assert_eq!(list.json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_connects_without_a_person_and_secrets_are_never_shown() {
    let bench = Bench::start().await;
    let url = bench.org.url();
    let secret = bench.file("secret", "dev-org-secret\n");
    let run = bench
        .lockgate(&[
            "connection",
            "create",
            "nightly",
            "--tenant",
            "acme",
            "--local",
            &url,
            "--client-id",
            "dev-org-client",
            "--client-secret-file",
            secret.to_str().unwrap(),
            "--flow",
            "client-credentials",
            "--keep-calls",
            "100",
            "--output",
            "json",
        ])
        .ended(0);
    assert_eq!(run.json()["state"], "ready");
    assert_eq!(run.json()["reserve"]["keep_calls"], 100);

    let list = bench.lockgate(&["connection", "list"]).ended(0);
    let show = bench
        .lockgate(&["connection", "show", "nightly", "--tenant", "acme"])
        .ended(0);
    for shown in [&run, &list, &show] {
        assert!(!shown.out.contains("dev-org-secret"), "{shown:#?}");
    }
    // Other tenants do not see it.
    let run = bench.lockgate(&["connection", "show", "nightly"]).ended(1);
    assert!(run.err.contains("lockgate connection list"), "{run:#?}");

    let removed = bench
        .lockgate(&["connection", "remove", "nightly", "--tenant", "acme"])
        .ended(0);
    assert!(
        removed.out.contains("acme/nightly is removed"),
        "{removed:#?}"
    );
    bench
        .lockgate(&["connection", "show", "nightly", "--tenant", "acme"])
        .ended(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_told_and_leaves_no_half_connection() {
    let bench = Bench::start().await;
    let url = bench.org.url();
    let run = bench
        .lockgate(&[
            "connection",
            "create",
            "crm",
            "--local",
            &url,
            "--client-id",
            "dev-org-client",
            "--client-secret",
            "wrong-one",
            "--flow",
            "client-credentials",
        ])
        .ended(1);
    assert!(run.err.contains("client secret"), "{run:#?}");
    assert!(!run.err.contains("wrong-one"), "{run:#?}");
    let list = bench
        .lockgate(&["connection", "list", "--output", "json"])
        .ended(0);
    assert_eq!(list.json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_with_tls_is_reached_with_its_own_authority_and_not_without() {
    let bench = Bench::with(Config {
        tls: true,
        ..Config::default()
    })
    .await;
    let ca = bench
        .org
        .ca_pem_path()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let refused = bench.create("crm", &["--flow", "client-credentials"]);
    assert_ne!(refused.code, 0, "{refused:#?}");
    bench
        .create("crm", &["--flow", "client-credentials", "--ca", &ca])
        .ended(0);
    // Later commands find it by themselves.
    bench.lockgate(&["connection", "test", "crm"]).ended(0);
    bench.lockgate(&["connection", "remove", "crm"]).ended(0);
    // And it goes with the connection.
    let refused = bench.create("crm", &["--flow", "client-credentials"]);
    assert_ne!(refused.code, 0, "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_key_is_refused() {
    let bench = Bench::connected().await;
    let key = bench.file("unused", "").with_file_name("other.key");
    let arguments = [
        "connection",
        "list",
        "--master-key-file",
        key.to_str().unwrap(),
    ];
    let run = bench.lockgate(&arguments).ended(1);
    assert!(run.err.contains("key"), "{run:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_from_a_directory_takes_the_place_of_the_built_in_one() {
    let bench = Bench::connected().await;
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../connector-wasm");
    let package = bench.data.path().join("package");
    let package = package.to_str().unwrap();
    bench
        .lockgate(&["package", "build", source, "--into", package])
        .ended(0);
    bench
        .lockgate(&["connection", "test", "crm", "--package", package])
        .ended(0);
    let empty = bench.data.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let empty = empty.to_str().unwrap();
    let run = bench
        .lockgate(&["connection", "test", "crm", "--package", empty])
        .ended(1);
    assert!(run.err.contains("package.toml"), "{run:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_from_the_environment_opens_what_was_sealed_with_it_and_nothing_else_does() {
    let bench = Bench::start().await;
    let url = bench.org.url();
    let key = format!("{}=", "A".repeat(43));
    let with_key = |arguments: &[&str]| {
        let mut command = support::command(bench.data.path());
        command.args(arguments).env("LOCKGATE_MASTER_KEY", &key);
        tokio::task::block_in_place(|| support::run(command, ""))
    };
    with_key(&[
        "connection",
        "create",
        "crm",
        "--local",
        &url,
        "--client-id",
        "dev-org-client",
        "--client-secret",
        "dev-org-secret",
        "--flow",
        "client-credentials",
    ])
    .ended(0);
    with_key(&["connection", "test", "crm"]).ended(0);
    let run = bench.lockgate(&["connection", "test", "crm"]).ended(1);
    assert!(run.err.contains("is missing"), "{run:#?}");
    assert!(!bench.data.path().join("master.key").exists());
    let elsewhere = bench.data.path().join("elsewhere.key");
    let given = ["--master-key-file", elsewhere.to_str().unwrap()];
    let run = bench.lockgate(&[&["connection", "test", "crm"], &given[..]].concat());
    assert!(run.ended(1).err.contains("`elsewhere.key` is missing"));
    assert!(!elsewhere.exists());
    let mut command = support::command(bench.data.path());
    command.args(["connection", "list"]);
    command.env("LOCKGATE_MASTER_KEY", "no key");
    let run = tokio::task::block_in_place(|| support::run(command, "")).ended(2);
    assert!(run.err.contains("openssl rand -base64 32"), "{run:#?}");
}

#[test]
fn what_is_missing_for_a_connection_is_told_with_its_option_and_nothing_else_is() {
    let create = ["connection", "create", "crm", "--client-id", "ID"];
    for (more, option) in [
        (&["--login", "my-domain"][..], "--subdomain"),
        (
            &["--login", "production", "--flow", "client-credentials"],
            "--client-secret",
        ),
    ] {
        let run = support::lockgate(&[&create[..], more].concat()).ended(2);
        assert!(run.err.contains(option), "{run:#?}");
        assert_eq!(run.err.lines().count(), 1, "{run:#?}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = support::command(file.path());
    command.args(["connection", "list"]);
    let run = support::run(command, "").ended(2);
    assert!(run.err.contains("is a file"), "{run:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_the_connector_cannot_use_are_told_before_anybody_logs_in() {
    let bench = Bench::start().await;
    let file = bench.file("settings.json", r#"{"api_version": 67, "typo": true}"#);
    let settings = ["--settings", file.to_str().unwrap()];
    let run = bench.create("crm", &settings).ended(2);
    for problem in ["/api_version", "/typo", "run the command again"] {
        assert!(run.err.contains(problem), "{problem}: {run:#?}");
    }
    assert_eq!(bench.connections(), json!([]));
    assert!(bench.control.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_reserve_of_a_connection_are_changed_and_hold_from_the_next_call() {
    let bench = Bench::connected().await;
    let change = |more: &[&str], input: &str| {
        let mut arguments = vec!["connection", "change", "crm", "--output", "json"];
        arguments.extend(more);
        bench.lockgate_reading(&arguments, input)
    };
    let settings = r#"{"api_version": "60.0"}"#;
    let changed = change(&["--settings", "-", "--keep-calls", "7"], settings).ended(0);
    assert_eq!(changed.json()["settings"]["api_version"], "60.0");
    assert_eq!(changed.json()["reserve"]["keep_calls"], 7);
    let query = ["query", "crm", "SELECT Id FROM Account LIMIT 1"];
    bench.lockgate(&query).ended(0);
    let requests = bench.control.requests();
    let asked = |r: &dev_org::LoggedRequest| r.path == "/services/data/v60.0/query";
    assert!(requests.iter().any(asked), "{requests:#?}");

    // What is not named stays.
    let changed = change(&["--max-share-percent", "50"], "").ended(0);
    assert_eq!(changed.json()["settings"]["api_version"], "60.0");
    let reserve = json!({
        "max_share_percent": 50,
        "keep_calls": 7,
        "sync_leaves_percent": null,
        "backfill_leaves_percent": null,
    });
    assert_eq!(changed.json()["reserve"], reserve);

    // What the connector cannot use is refused whole.
    let wrong = ["--settings", "-", "--keep-calls", "9"];
    let run = change(&wrong, r#"{"typo": 1}"#).ended(2);
    assert!(run.err.contains("/typo"), "{run:#?}");
    assert_eq!(bench.connections()[0]["reserve"], reserve);
    let run = change(&[], "").ended(2);
    assert!(run.err.contains("--keep-calls"), "{run:#?}");
    let change = ["connection", "change", "crm", "--keep-calls", "0"];
    let run = bench.lockgate(&change).ended(0);
    assert!(run.out.contains("default/crm is changed"), "{run:#?}");
}
