//! Connectors under test: on a host that is scripted, recorded from a product, and held
//! against the contract with faults in their exchanges.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::path::{Path, PathBuf};

use lockgate_tests::packages::package_dir;
use mailing_list::{Config, MailingList};
use serde_json::{Value as Json, json};
use support::{Run, command, run};
use tempfile::TempDir;

/// A directory of this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A connector's directory with golden folders and nothing else: its package is given.
struct Folders {
    plugin: TempDir,
    package: PathBuf,
}

impl Folders {
    fn new(package: &str) -> Self {
        Self {
            plugin: tempfile::tempdir().unwrap(),
            package: package_dir(package),
        }
    }

    fn path(&self, folder: &str, file: &str) -> PathBuf {
        let folder = self.plugin.path().join("golden").join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder.join(file)
    }

    fn write(&self, folder: &str, file: &str, content: &Json) {
        std::fs::write(self.path(folder, file), content.to_string()).unwrap();
    }

    fn read(&self, folder: &str, file: &str) -> String {
        std::fs::read_to_string(self.path(folder, file)).unwrap()
    }

    /// The arguments of `plugin DOES` of them.
    fn arguments(&self, does: &str, more: &[&str]) -> Vec<String> {
        let (plugin, package) = (self.plugin.path().display(), self.package.display());
        let arguments = [
            "plugin",
            does,
            &plugin.to_string(),
            "--package",
            &package.to_string(),
        ];
        [&arguments, more]
            .concat()
            .iter()
            .map(|&one| one.to_owned())
            .collect()
    }

    fn plugin(&self, does: &str, more: &[&str]) -> Run {
        let data = tempfile::tempdir().unwrap();
        let mut command = command(data.path());
        command.args(self.arguments(does, more));
        run(command, "")
    }
}

fn exchange(method: &str, path: &str, status: u16, body: &Json) -> Json {
    json!({
        "request": { "method": method, "path": path },
        "response": { "status": status, "body": body },
    })
}

#[test]
fn a_connector_finds_the_storage_and_the_time_that_its_folder_says() {
    let folders = Folders::new("hostile-connector");
    let query = |text: &str| json!({ "do": "query", "text": text });
    folders.write("storage", "call.json", &query("put made 2"));
    folders.write(
        "storage",
        "stored.json",
        &json!({ "kept": { "a": 1 }, "bytes": { "base64": "/wA=" } }),
    );
    folders.write(
        "storage",
        "stored-after.json",
        &json!({ "kept": { "a": 2 } }),
    );
    folders.write("storage", "expected.json", &json!([{ "version": 3 }]));
    folders.write("time", "call.json", &query("clock"));
    std::fs::write(folders.path("time", "now.txt"), "2026-03-01T09:30:00Z\n").unwrap();
    let clock = json!([{ "monotonic_ms": 0, "now_ms": 1_772_357_400_000_u64 }]);
    folders.write("time", "expected.json", &clock);
    folders.write("wait", "call.json", &query("wait 60000"));
    folders.write("wait", "expected.json", &json!([{ "done": "wait" }]));
    folders.write("request", "call.json", &query("send GET /v1/notes"));
    let answer = exchange("GET", "/v1/notes", 200, &json!({ "notes": [] }));
    folders.write("request", "exchanges.json", &json!([answer]));

    let tested = folders.plugin("test", &[]).ended(1);
    for line in [
        "FAILED storage",
        "+  \"made\": \"xx\"",
        "-    \"a\": 2",
        "ok     time",
        "ok     wait",
        "FAILED request",
    ] {
        assert!(tested.out.contains(line), "{line}: {tested:#?}");
    }
    // What is stored is what is expected from now on, and what came.
    folders.plugin("test", &["--bless"]).ended(0);
    let after: Json = serde_json::from_str(&folders.read("storage", "stored-after.json")).unwrap();
    assert_eq!(
        after,
        json!({ "bytes": { "base64": "/wA=" }, "kept": { "a": 1 }, "made": "xx" })
    );
    let tested = folders.plugin("test", &["--output", "json"]).ended(0);
    let report = tested.json();
    let case = |name: &str| {
        let cases = report["cases"].as_array().unwrap();
        cases
            .iter()
            .find(|case| case["name"] == name)
            .unwrap()
            .clone()
    };
    let storage = case("storage");
    assert_eq!(
        (&storage["storage_reads"], &storage["storage_writes"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(storage["requests"], 0);
    let request = case("request");
    assert_eq!(
        (&request["requests"], &request["bytes_in"]),
        (&json!(1), &json!(12))
    );
    assert!(
        request["instructions"].as_u64().unwrap() > 1_000,
        "{request}"
    );
    assert!(
        request["memory_bytes"].as_u64().unwrap() >= 64 * 1024,
        "{request}"
    );
    let one = folders.plugin("test", &["--case", "time", "--output", "json"]);
    assert_eq!(one.ended(0).json()["passed"], 1);
    let none = folders.plugin("test", &["--case", "nothing"]).ended(2);
    assert!(none.err.contains("no folder `nothing`"), "{none:#?}");
}

/// A data directory with a connection to a mailing list that runs.
async fn list() -> (MailingList, TempDir) {
    let service = MailingList::start(Config::default()).await.unwrap();
    let data = tempfile::tempdir().unwrap();
    let config = Config::default();
    let mut create = command(data.path());
    create.args([
        "connection",
        "create",
        "list",
        "--connector",
        "mailing-list",
    ]);
    create.args(["--local", &service.url(), "--flow", "client-credentials"]);
    create.args([
        "--client-id",
        &config.client_id,
        "--client-secret",
        &config.client_secret,
    ]);
    tokio::task::block_in_place(|| run(create, "")).ended(0);
    (service, data)
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_are_recorded_from_a_product_and_play_it_from_then_on() {
    let (service, data) = list().await;
    let folders = Folders::new("mailing-list");
    let rows: Vec<Json> = (0..3)
        .map(|n| json!({ "email": format!("m{n}@example.com") }))
        .collect();
    let create = json!({ "do": "create", "object": "Member", "records": rows });
    folders.write("a-create", "call.json", &create);
    folders.write(
        "b-query",
        "call.json",
        &json!({ "do": "query", "text": "Member" }),
    );
    let record = |more: &[&str]| {
        let mut test = command(data.path());
        test.args(folders.arguments("test", &[&["--record", "list"], more].concat()));
        tokio::task::block_in_place(|| run(test, ""))
    };
    let recorded = record(&["--bless", "--output", "json"]).ended(0).json();
    assert_eq!(recorded["recorded"].as_array().unwrap().len(), 2);
    assert_eq!(recorded["passed"], 2);
    assert_eq!(service.members().len(), 3);
    let written = folders.read("b-query", "exchanges.json");
    assert!(written.contains("m2@example.com"), "{written}");
    for folder in ["a-create", "b-query"] {
        let written = folders.read(folder, "exchanges.json");
        // It logs in with the one and gets the other: neither is in what was recorded.
        assert!(
            !written.contains(&Config::default().client_secret),
            "{written}"
        );
        assert!(
            !written.to_ascii_lowercase().contains("bearer"),
            "{written}"
        );
    }
    // Nothing is left to record, but what is named is recorded anew.
    let nothing = record(&[]).ended(2);
    assert!(nothing.err.contains("--case"), "{nothing:#?}");
    let again = record(&["--case", "b-query"]).ended(0);
    assert!(
        again.out.contains("recorded b-query: 1 exchange"),
        "{again:#?}"
    );
    assert_eq!(service.members().len(), 3);
    // The product is not needed any more.
    service.stop().await;
    let played = tokio::task::block_in_place(|| folders.plugin("test", &[]));
    assert!(
        played
            .ended(0)
            .out
            .contains("2 folders came out as expected")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_of_another_connector_or_connection_is_refused() {
    let (_service, data) = list().await;
    let folders = Folders::new("hostile-connector");
    folders.write(
        "one",
        "call.json",
        &json!({ "do": "query", "text": "list" }),
    );
    for (connection, told) in [
        ("list", "the connection is of the connector `mailing-list`"),
        ("nobody", "there is no connection `default/nobody`"),
    ] {
        let mut test = command(data.path());
        test.args(folders.arguments("test", &["--record", connection]));
        let refused = tokio::task::block_in_place(|| run(test, ""));
        assert_ne!(refused.code, 0);
        assert!(refused.err.contains(told), "{refused:#?}");
    }
    assert!(!folders.path("one", "exchanges.json").exists());
}

/// What `plugin conform` says of a connector of this repository, rule by rule.
fn conform(directory: &str, package: &str, code: i32) -> Json {
    let (directory, package) = (repository(directory), package_dir(package));
    let (directory, package) = (
        directory.display().to_string(),
        package.display().to_string(),
    );
    let conform = ["plugin", "conform", &directory, "--package", &package];
    let conform = [&conform[..], &["--output", "json"]].concat();
    support::lockgate(&conform).ended(code).json()
}

/// The rules with this outcome.
fn rules(report: &Json, outcome: &str) -> Vec<String> {
    let rules = report["rules"].as_array().unwrap();
    let fits = rules.iter().filter(|rule| rule["outcome"] == outcome);
    fits.map(|rule| rule["name"].as_str().unwrap().to_owned())
        .collect()
}

const NONE: [&str; 0] = [];

#[test]
fn the_connector_of_the_mailing_list_keeps_every_rule_of_the_contract() {
    let report = conform("mailing-list/connector", "mailing-list", 0);
    assert_eq!(rules(&report, "failed"), NONE, "{report:#}");
    assert_eq!(rules(&report, "not-applicable"), NONE, "{report:#}");
    assert_eq!(report["passed"], 9);
}

#[test]
fn the_connector_of_salesforce_keeps_every_rule_of_the_contract() {
    let report = conform("connector-wasm", "salesforce", 0);
    assert_eq!(rules(&report, "failed"), NONE, "{report:#}");
    assert_eq!(rules(&report, "not-applicable"), NONE, "{report:#}");
}

#[test]
fn a_careless_connector_is_told_which_rules_it_breaks_and_where() {
    let report = conform("tests/guests/careless-connector", "careless-connector", 1);
    assert_eq!(
        rules(&report, "failed"),
        [
            "pages",
            "over-quota",
            "unreadable-answer",
            "broken-off",
            "big-batch",
            "lost-create"
        ],
        "{report:#}"
    );
    // What the host does for it, it cannot get wrong.
    assert_eq!(
        rules(&report, "ok"),
        ["golden", "expired-token", "given-up"],
        "{report:#}"
    );
    let failures = |name: &str| {
        let rules = report["rules"].as_array().unwrap();
        let rule = rules.iter().find(|rule| rule["name"] == name).unwrap();
        rule["failures"].to_string()
    };
    assert!(
        failures("pages").contains("1 of 3 records did not come"),
        "{report:#}"
    );
    let unreadable = failures("unreadable-answer");
    assert!(unreadable.contains("crashed"), "{unreadable}");
    assert!(unreadable.contains("taken for an answer"), "{unreadable}");
    assert!(
        failures("lost-create").contains("sent 2 times"),
        "{report:#}"
    );
}

#[test]
fn a_transform_has_no_product_to_be_played() {
    let folders = Folders::new("lead-scorer");
    folders.write("one", "input.json", &json!([]));
    let refused = folders.plugin("conform", &[]).ended(2);
    assert!(refused.err.contains("lockgate plugin test"), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_a_command_are_counted_when_the_next_one_begins() {
    let (_list, data) = list().await;
    let lockgate = |arguments: &[&str]| {
        let mut command = command(data.path());
        command.args(arguments);
        tokio::task::block_in_place(|| run(command, "")).ended(0)
    };
    lockgate(&["query", "list", "Member"]);
    let told = lockgate(&["limits", "list", "--output", "json"]).json();
    let budget = &told["budget"];
    assert!(budget["used"].as_u64().unwrap() > 0, "{told}");
    assert_eq!(budget["limit"], 10_000);
}
