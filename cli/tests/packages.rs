//! Building, inspecting and trying packages, and the demo: no org of our own.

mod support;

use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use support::{command, lockgate, run};

#[test]
fn the_demo_does_what_it_should_and_its_report_adds_up() {
    let run = lockgate(&["demo", "--output", "json", "--records", "5"]).ended(0);
    let report = run.json();
    assert_eq!(report["ok"], true);
    let objects = report["objects"].as_object().unwrap();
    for name in [
        "Account",
        "Contact",
        "Lead",
        "Opportunity",
        "Task",
        "Note",
        "ContentNote",
        "Order",
        "OrderItem",
        "Product2",
        "PricebookEntry",
    ] {
        let object = &objects[name];
        assert_eq!(object["created"], 5, "{name}");
        assert_eq!(object["read"], 5, "{name}");
        assert_eq!(object["updated"], 5, "{name}");
        assert!(object["upserted"].as_u64().unwrap() >= 5, "{name}");
        assert_eq!(object["deleted"], object["upserted"], "{name}");
    }
    let calls = report["api_calls"].as_u64().unwrap();
    assert_eq!(report["quota"]["used"], calls);
    let steps = report["steps"].as_array().unwrap();
    let by_step: u64 = steps
        .iter()
        .filter_map(|step| step["api_calls"].as_u64())
        .sum();
    assert_eq!(by_step, calls);
    assert!(report["refusals"].as_array().unwrap().len() >= 4);
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_demo_in_a_pipe_is_plain_text() {
    let run = lockgate(&["demo", "--records", "1"]).ended(0);
    assert!(
        run.out.ends_with("Every step did what it should.\n"),
        "{run:#?}"
    );
    assert!(
        !run.out.contains('\u{1b}') && run.err.is_empty(),
        "{run:#?}"
    );
}

#[test]
fn a_package_tells_what_it_imports_and_asks_for() {
    let run = lockgate(&["package", "inspect", "salesforce", "--output", "json"]).ended(0);
    let inspected = run.json();
    assert_eq!(inspected["world"], "connector");
    let imports = inspected["imports"].as_array().unwrap();
    assert!(imports.contains(&json!("lockgate:connector/http@0.2.0")));
    assert!(inspected["grants"]["http"].is_string());
    assert_eq!(inspected["digest"].as_str().unwrap().len(), 64);
    let run = lockgate(&["package", "inspect", "no-such-thing"]).ended(2);
    assert!(run.err.contains("lead-scorer"), "{run:#?}");
}

#[test]
fn a_crate_is_built_into_a_package_that_runs_in_the_sandbox() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let crate_directory = root.join("plugins").join("lead-scorer");
    let data = tempfile::tempdir().unwrap();
    let package = data.path().join("package");
    let package = package.to_str().unwrap();
    let mut build = command(data.path());
    build.args([
        "package",
        "build",
        crate_directory.to_str().unwrap(),
        "--into",
        package,
    ]);
    run(build, "").ended(0);
    lockgate(&["package", "inspect", package]).ended(0);
    // The bare component, too.
    let component = Path::new(package).join("component.wasm");
    lockgate(&["package", "inspect", component.to_str().unwrap()]).ended(0);

    let settings = data.path().join("settings.json");
    std::fs::write(
        &settings,
        json!({ "score_field": "Score__c", "base": 7,
            "rules": [{ "when": { "field": "X", "operator": "exists" }, "points": 1 }] })
        .to_string(),
    )
    .unwrap();
    let mut transform = command(data.path());
    transform.args(["transform", package, "--object", "Lead", "--settings"]);
    transform.arg(&settings);
    let transformed = run(
        transform,
        r#"[{"LastName":"A"},{"LastName":"B","Score__c":1}]"#,
    )
    .ended(0);
    assert_eq!(
        transformed.json(),
        json!([{"LastName": "A", "Score__c": 7}, {"LastName": "B", "Score__c": 7}])
    );
}

#[test]
fn a_directory_that_is_no_crate_is_not_built() {
    let data = tempfile::tempdir().unwrap();
    let run = lockgate(&["package", "build", data.path().to_str().unwrap()]).ended(1);
    assert!(run.err.contains("Cargo.toml"), "{run:#?}");
}

#[test]
fn a_connector_is_no_plugin() {
    let run = lockgate(&["transform", "salesforce", "--object", "Lead"]).ended(2);
    assert!(run.err.contains("transform"), "{run:#?}");
}

#[test]
fn a_reader_that_goes_early_is_no_failure() {
    let data = tempfile::tempdir().unwrap();
    let records = (0..50_000).map(|n| format!("{{\"Email\":\"A{n}@Example.com\"}}\n"));
    let file = data.path().join("records.json");
    std::fs::write(&file, records.collect::<String>()).unwrap();
    let mut command = command(data.path());
    command
        .args(["transform", "contact-normalizer", "--object", "Contact"])
        .arg(&file);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_dev_org_tells_where_it_is_and_who_may_log_in() {
    let data = tempfile::tempdir().unwrap();
    let mut command = command(data.path());
    command.args([
        "dev-org",
        "--listen",
        "127.0.0.1:0",
        "--records",
        "10",
        "--edition",
        "enterprise",
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let first: Vec<String> = lines.by_ref().take(5).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        first[0].starts_with("listening on http://127.0.0.1:"),
        "{first:#?}"
    );
    assert!(first[1].ends_with("dev-org-client") && first[2].ends_with("dev-org-secret"));
    assert!(first[3].contains('@'), "{first:#?}");
}

#[test]
fn a_mailing_list_is_started_connected_to_and_read_from_the_command_line() {
    let data = tempfile::tempdir().unwrap();
    let mut service = command(data.path());
    service.args(["mailing-list", "--listen", "127.0.0.1:0"]);
    let mut child = service.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let first: Vec<String> = lines.by_ref().take(3).map(Result::unwrap).collect();
    let lockgate = |arguments: &[&str], input: &str| {
        let mut command = command(data.path());
        command.args(arguments);
        run(command, input)
    };
    let url = first[0].strip_prefix("listening on ").unwrap();
    let create = [
        "connection",
        "create",
        "list",
        "--connector",
        "mailing-list",
    ];
    let flow = ["--flow", "client-credentials", "--local", url];
    let client = ["--client-id", "mailing-list-client"];
    let secret = ["--client-secret", "mailing-list-secret"];
    let create = [&create[..], &flow, &client, &secret].concat();
    let created = lockgate(&create, "");
    let people = r#"[{"email": "ann@example.com", "tags": "vip"}, {"email": "bo@example.com"}]"#;
    let upsert = ["record", "upsert", "list", "Member", "--key", "email"];
    let written = lockgate(&upsert, people);
    let query = r#"Member {"tag": "vip"}"#;
    let read = lockgate(&["query", "list", query, "--output", "json"], "");
    let wrong = lockgate(&["query", "list", "Member WHERE tag = 'vip'"], "");
    child.kill().unwrap();
    child.wait().unwrap();
    created.ended(0);
    written.ended(0);
    assert_eq!(read.ended(0).json()[0]["email"], "ann@example.com");
    assert!(wrong.err.contains("a query is Member"), "{wrong:#?}");
}

#[test]
fn a_port_that_is_taken_is_told_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for service in ["dev-org", "mailing-list"] {
        let run = lockgate(&[service, "--listen", &address]).ended(1);
        assert!(run.err.contains(&address), "{run:#?}");
        assert!(run.err.contains("another one with --listen"), "{run:#?}");
    }
}

#[test]
fn help_has_examples_and_exit_codes() {
    let run = lockgate(&["sync", "pause", "--help"]).ended(0);
    assert!(run.out.contains("lockgate sync pause crm"), "{run:#?}");
    let run = lockgate(&["--help"]).ended(0);
    assert!(run.out.contains("Exit codes:"), "{run:#?}");
}
