//! Versions of a package from the command line: installed, swapped, pinned and taken
//! back, without a host and under one that is at work; and what `lockgate bench` tells.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::path::PathBuf;
use std::time::Instant;

use lockgate::webhook::Secret;
use lockgate_tests::packages::package_dir;
use lockgate_tests::receiver::Receiver;
use serde_json::{Value as Json, json};
use support::Bench;
use support::running::{PATIENCE, Running};

const QUERY: [&str; 3] = ["query", "crm", "SELECT Id FROM Account LIMIT 1"];

/// The connector's package as another version, with further limits.
fn version(bench: &Bench, version: &str, limits: &str) -> PathBuf {
    let built = package_dir("salesforce");
    let directory = bench.data.path().join(format!("built-{version}"));
    std::fs::create_dir_all(&directory).unwrap();
    let component = "component.wasm";
    std::fs::copy(built.join(component), directory.join(component)).unwrap();
    let manifest = std::fs::read_to_string(built.join("package.toml")).unwrap();
    let manifest = manifest.replace("version = \"0.1.0\"", &format!("version = \"{version}\""));
    let manifest = manifest.replace("[limits]\n", &format!("[limits]\n{limits}\n"));
    std::fs::write(directory.join("package.toml"), manifest).unwrap();
    directory
}

fn install(bench: &Bench, directory: &std::path::Path) -> Json {
    let install = [
        "package",
        "install",
        directory.to_str().unwrap(),
        "--output",
        "json",
    ];
    bench.lockgate(&install).ended(0).json()
}

/// The roles of the versions, in their order.
fn roles(bench: &Bench) -> Vec<(String, String)> {
    let list = bench
        .lockgate(&["package", "list", "--output", "json"])
        .ended(0)
        .json();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let rows = list.as_array().unwrap();
    rows.iter()
        .map(|row| (text(&row["version"]), text(&row["role"])))
        .collect()
}

fn role(version: &str, role: &str) -> (String, String) {
    (version.to_owned(), role.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_installed_swapped_to_pinned_and_rolled_back() {
    let bench = Bench::connected().await;
    let new = install(&bench, &version(&bench, "0.2.0", ""));
    assert_eq!(
        (&new["is_new"], &new["current"]),
        (&json!(true), &json!("0.1.0"))
    );
    let again = install(&bench, &version(&bench, "0.2.0", ""));
    assert_eq!(again["is_new"], false);
    // What the program carries is the way back.
    let both = [role("0.1.0", "current"), role("0.2.0", "installed")];
    assert_eq!(roles(&bench), both);
    bench.lockgate(&QUERY).ended(0);

    let canary = [
        "package",
        "canary",
        "salesforce",
        "0.2.0",
        "--connection",
        "crm",
    ];
    let for_nobody = bench.lockgate(&canary[..4]).ended(2);
    for way in ["--share", "--connection"] {
        assert!(for_nobody.err.contains(way), "{for_nobody:#?}");
    }
    bench.lockgate(&canary).ended(0);
    assert_eq!(roles(&bench)[1], role("0.2.0", "canary"));
    bench.lockgate(&QUERY).ended(0);
    let swap = ["package", "swap", "salesforce", "0.2.0"];
    let swapped = bench.lockgate(&swap).ended(0);
    assert!(
        swapped.out.contains("calls go to 0.2.0 (on trial)"),
        "{swapped:#?}"
    );
    assert_eq!(
        roles(&bench),
        [role("0.1.0", "before"), role("0.2.0", "on trial")]
    );
    bench.lockgate(&QUERY).ended(0);

    let pin = [
        "package",
        "pin",
        "salesforce",
        "0.1.0",
        "--connection",
        "crm",
    ];
    bench.lockgate(&pin).ended(0);
    bench.lockgate(&QUERY).ended(0);
    let people = bench.lockgate(&["package", "list"]).ended(0);
    assert!(
        people.out.contains("before, pinned for default/crm"),
        "{people:#?}"
    );
    let unpin = ["package", "unpin", "salesforce", "--connection", "crm"];
    for needed in ["0.1.0", "0.2.0", "0.3.0", ".."] {
        let remove = ["package", "remove", "salesforce", needed];
        bench.lockgate(&remove).ended(1);
    }
    bench.lockgate(&unpin).ended(0);
    bench
        .lockgate(&["package", "rollback", "salesforce"])
        .ended(0);
    assert_eq!(roles(&bench), both);
    let nothing = bench
        .lockgate(&["package", "rollback", "salesforce"])
        .ended(2);
    assert!(
        nothing.err.contains("package swap salesforce"),
        "{nothing:#?}"
    );

    // A swap that is trusted at once is gone back from as well.
    let at_once = [&swap[..], &["--trial-s", "0"]].concat();
    bench.lockgate(&at_once).ended(0);
    assert_eq!(
        roles(&bench),
        [role("0.1.0", "before"), role("0.2.0", "current")]
    );
    bench
        .lockgate(&["package", "rollback", "salesforce"])
        .ended(0);
    bench.lockgate(&QUERY).ended(0);
    let history = bench.lockgate(&["package", "history", "salesforce", "--output", "json"]);
    let history = history.ended(0).json();
    let words: Vec<&str> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["what"].as_str().unwrap())
        .collect();
    let done = [
        "canary",
        "swapped",
        "pinned",
        "unpinned",
        "rolled-back",
        "swapped",
        "rolled-back",
    ];
    assert_eq!(words, done);
    bench
        .lockgate(&["package", "history", "salesforce"])
        .ended(0);

    let remove = [
        "package",
        "remove",
        "salesforce",
        "0.2.0",
        "--output",
        "json",
    ];
    let removed = bench.lockgate(&remove).ended(0).json();
    assert_eq!(removed["removed"], json!(["0.2.0"]));
    assert_eq!(roles(&bench), [role("0.1.0", "current")]);
    bench.lockgate(&QUERY).ended(0);
    // The same version may come back, even with other content.
    let back = install(&bench, &version(&bench, "0.2.0", "cpu_ms = 1_999"));
    assert_eq!(back["is_new"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_revoked_is_left_by_a_swap_and_holds_up_no_other() {
    let bench = Bench::connected().await;
    for number in ["0.2.0", "0.3.0"] {
        install(&bench, &version(&bench, number, ""));
    }
    let package = |action: &str, arguments: &[&str]| {
        let command = [&["package", action, "salesforce"], arguments].concat();
        bench.lockgate(&command)
    };
    // Revoked while another one is on trial against it.
    package("swap", &["0.2.0"]).ended(0);
    package("pin", &["0.1.0", "--connection", "crm"]).ended(0);
    package("revoke", &["0.1.0"]).ended(0);
    bench.lockgate(&QUERY).ended(0);
    assert_eq!(roles(&bench)[1], role("0.2.0", "current"));
    // Revoked while calls go to it.
    package("revoke", &["0.2.0"]).ended(0);
    let refused = bench.lockgate(&QUERY).ended(1);
    assert!(
        refused.err.contains("lockgate package swap salesforce"),
        "{refused:#?}"
    );
    let swapped = package("swap", &["0.3.0"]).ended(0);
    assert!(swapped.out.contains("calls go to 0.3.0"), "{swapped:#?}");
    bench.lockgate(&QUERY).ended(0);
    package("swap", &["0.2.0"]).ended(1);
    bench.lockgate(&QUERY).ended(0);
    assert_eq!(roles(&bench)[2], role("0.3.0", "current"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_is_refused_and_nothing_changes() {
    let bench = Bench::connected().await;
    let unknown = bench
        .lockgate(&["package", "swap", "salesforce", "9.0.0"])
        .ended(1);
    assert!(unknown.err.contains("0.1.0"), "{unknown:#?}");
    assert!(
        unknown.err.contains("lockgate package install"),
        "{unknown:#?}"
    );
    install(&bench, &version(&bench, "0.2.0", ""));
    let other = version(&bench, "0.2.0", "cpu_ms = 1_999");
    let refused = bench
        .lockgate(&["package", "install", other.to_str().unwrap()])
        .ended(1);
    assert!(refused.err.contains("another version"), "{refused:#?}");
    let history = bench.lockgate(&["package", "history", "nothing"]).ended(2);
    assert!(history.err.contains("nothing"), "{history:#?}");
    assert_eq!(roles(&bench)[0], role("0.1.0", "current"));
    bench.lockgate(&QUERY).ended(0);
}

/// Waits until the figures of the host that runs are as they should be.
fn until(bench: &Bench, what: &str, is_so: impl Fn(&[Json]) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        let list = bench.lockgate(&["package", "list", "--output", "json"]);
        let list = list.ended(0).json();
        if is_so(list.as_array().unwrap()) {
            return;
        }
        assert!(Instant::now() < end, "never {what}: {list:#}");
    }
}

fn contact(bench: &Bench, name: &str) {
    let record = json!({ "LastName": name }).to_string();
    bench
        .lockgate(&["record", "create", "crm", "Contact", &record])
        .ended(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_at_work_swaps_and_no_event_is_lost_or_doubled() {
    let bench = Bench::connected().await;
    let app = Receiver::start(&Secret::generate().unwrap()).await;
    let to = app.url();
    let create = [
        "webhook",
        "create",
        "crm",
        "Contact",
        "--to",
        &to,
        "--allow-local",
    ];
    let created = bench
        .lockgate(&[&create[..], &["--output", "json"]].concat())
        .ended(0);
    app.knows(&created.json()["secret"].as_str().unwrap().parse().unwrap());
    install(&bench, &version(&bench, "0.2.0", ""));
    let running = tokio::task::block_in_place(|| Running::start(&bench));
    bench.control.events().subscribed(1).await;

    contact(&bench, "Before");
    app.until(1).await;
    let swap = ["package", "swap", "salesforce", "0.2.0"];
    bench.lockgate(&swap).ended(0);
    until(&bench, "handed over", |rows| {
        rows[0]["live"]["instances"] == 0 && rows[1]["live"]["instances"] == 1
    });
    contact(&bench, "After");
    app.until(2).await;
    bench
        .lockgate(&["package", "rollback", "salesforce"])
        .ended(0);
    until(&bench, "handed back", |rows| {
        rows[0]["live"]["instances"] == 1 && rows[1]["live"]["instances"] == 0
    });
    contact(&bench, "Back");
    app.until(3).await;
    running.stop();
    let names: Vec<Json> = app
        .came()
        .iter()
        .map(|came| came.body["data"]["fields"]["LastName"].clone())
        .collect();
    assert_eq!(names, ["Before", "After", "Back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_at_work_takes_a_bad_version_back_and_remembers_it() {
    let bench = Bench::connected().await;
    let file = bench.data.path().join("crm.db");
    let to = format!("sqlite:{}", file.display());
    let create = ["sync", "create", "crm", "--object", "Account", "--to", &to];
    bench
        .lockgate(&[&create[..], &["--key-field", "External_Id__c"]].concat())
        .ended(0);
    // It starts, and can do nothing.
    install(&bench, &version(&bench, "0.2.0", "host_calls = 2"));
    let running = tokio::task::block_in_place(|| Running::start(&bench));
    bench.control.events().subscribed(1).await;
    bench
        .lockgate(&["package", "swap", "salesforce", "0.2.0"])
        .ended(0);
    // Something to do, again and again.
    let end = Instant::now() + PATIENCE;
    while roles(&bench)[0] != role("0.1.0", "current") {
        assert!(
            Instant::now() < end,
            "never taken back: {:?}",
            roles(&bench)
        );
        let sql = rusqlite::Connection::open(&file).unwrap();
        sql.busy_timeout(PATIENCE).unwrap();
        sql.execute("UPDATE account SET phone = hex(randomblob(4))", [])
            .unwrap();
    }
    bench.lockgate(&QUERY).ended(0);
    running.stop();
    let history = bench
        .lockgate(&["package", "history", "salesforce"])
        .ended(0);
    assert!(history.out.contains("taken-back"), "{history:#?}");
    // Another start does not try it again.
    let running = tokio::task::block_in_place(|| Running::start(&bench));
    assert_eq!(
        roles(&bench),
        [role("0.1.0", "current"), role("0.2.0", "installed")]
    );
    bench.lockgate(&QUERY).ended(0);
    running.stop();
}

#[test]
fn the_bench_of_swaps_loses_no_call_and_tells_what_they_cost() {
    let bench = support::lockgate(&[
        "bench", "swap", "--swaps", "10", "--rate", "200", "--output", "json",
    ]);
    let figures = bench.ended(0).json();
    assert_eq!(
        (&figures["swaps"], &figures["failed"]),
        (&json!(10), &json!(0))
    );
    assert_eq!(figures["calls"], 200);
    for name in ["p99_ms", "p999_ms", "p999_during_swap_ms", "activation_ms"] {
        assert!(figures[name].as_f64().unwrap() > 0.0, "{name}: {figures}");
    }
}

#[test]
fn the_bench_of_neighbours_tells_what_calls_cost_alone_and_beside_an_attacker() {
    let bench = support::lockgate(&[
        "bench",
        "neighbour",
        "--seconds",
        "1",
        "--rate",
        "20",
        "--attacks",
        "4",
        "--output",
        "json",
    ]);
    let figures = bench.ended(0).json();
    assert_eq!(
        (&figures["calls"], &figures["failed"]),
        (&json!(20), &json!(0))
    );
    let number = |name: &str| figures[name].as_f64().unwrap();
    let ratio = number("p99_beside_ms") / number("p99_ms");
    // A number that was written and read again may differ in its last bit.
    assert!(
        (number("p99_ratio") - ratio).abs() <= ratio * 1e-12,
        "{figures}"
    );
    assert!(
        number("p50_ms") > 0.0 && number("p50_beside_ms") > 0.0,
        "{figures}"
    );
}
