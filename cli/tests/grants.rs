//! What connectors may do from the command line: given, refused, shown, waited for, and
//! changed under a host that is at work.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::path::{Path, PathBuf};
use std::time::Instant;

use lockgate_tests::packages::package_dir;
use mailing_list::{Config, MailingList};
use serde_json::{Value as Json, json};
use support::running::{PATIENCE, Running};
use support::{Bench, Run, command, run};

const QUERY: [&str; 3] = ["query", "list", "Member {}"];

/// A mailing list with a connection to it.
struct List {
    data: tempfile::TempDir,
    service: MailingList,
}

impl List {
    async fn connected(more: &[&str]) -> (Self, Run) {
        let list = Self {
            data: tempfile::tempdir().unwrap(),
            service: MailingList::start(Config::default()).await.unwrap(),
        };
        let created = list.create("list", more);
        (list, created)
    }

    fn create(&self, name: &str, more: &[&str]) -> Run {
        let url = self.service.url();
        let create = ["connection", "create", name, "--connector", "mailing-list"];
        let login = ["--flow", "client-credentials", "--local", &url];
        let client = ["--client-id", "mailing-list-client"];
        let secret = ["--client-secret", "mailing-list-secret"];
        self.lockgate(&[&create[..], &login, &client, &secret, more].concat())
    }

    fn lockgate(&self, arguments: &[&str]) -> Run {
        let mut command = command(self.data.path());
        command.args(arguments);
        // The service answers on other threads of this process meanwhile.
        tokio::task::block_in_place(|| run(command, ""))
    }

    fn grants(&self) -> Json {
        let grants = ["connection", "grants", "list", "--output", "json"];
        self.lockgate(&grants).ended(0).json()
    }

    /// Installs the connector as another version that wants to keep values as well.
    fn install(&self, version: &str) {
        let directory = that_wants_more(self.data.path(), version);
        let install = ["package", "install", directory.to_str().unwrap()];
        self.lockgate(&install).ended(0);
    }
}

fn that_wants_more(data: &Path, version: &str) -> PathBuf {
    let built = package_dir("mailing-list");
    let directory = data.join(format!("built-{version}"));
    std::fs::create_dir_all(&directory).unwrap();
    let component = "component.wasm";
    std::fs::copy(built.join(component), directory.join(component)).unwrap();
    let manifest = std::fs::read_to_string(built.join("package.toml")).unwrap();
    let manifest = manifest.replacen("0.1.0", version, 1);
    let manifest = manifest.replace("\n[grants]\n", "\n[grants]\nstorage = \"Remembers.\"\n");
    std::fs::write(directory.join("package.toml"), manifest).unwrap();
    directory
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_gives_what_is_asked_and_is_told_so_in_one_line() {
    let (list, created) = List::connected(&[]).await;
    let created = created.ended(0);
    let words = "may send requests to the org of the connection; 64 MiB of memory; 2 s of CPU a \
                 call; may not keep values; may not plan with the budget of API calls; may not \
                 open event streams";
    assert!(created.err.contains(words), "{created:#?}");
    assert_eq!(created.err.lines().count(), 1, "{created:#?}");
    let grants = list.grants();
    assert_eq!(
        (&grants["given"], &grants["refused"]),
        (&json!(["http"]), &json!([]))
    );
    assert_eq!(
        (&grants["version"], &grants["waits_for"]),
        (&json!("0.1.0"), &Json::Null)
    );
    assert_eq!(grants["in_words"], words);
    assert_eq!(grants["asked"][0]["given"], true);
    list.lockgate(&QUERY).ended(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_made_with_the_grants_that_are_named_and_no_others() {
    let (list, created) = List::connected(&["--grant", "none"]).await;
    created.ended(0);
    assert_eq!(list.grants()["refused"], json!(["http"]));
    let denied = list.lockgate(&QUERY).ended(1);
    let advice = "`lockgate connection grant list http`";
    assert!(denied.err.contains(advice), "{denied:#?}");
    let shown = list.lockgate(&["connection", "show", "list", "--output", "json"]);
    assert_eq!(shown.ended(0).json()["refused"], json!(["http"]));

    let unasked = list.create("other", &["--grant", "http,stream"]).ended(2);
    assert!(
        unasked
            .err
            .contains("does not ask for `stream`, but for http"),
        "{unasked:#?}"
    );
    let unknown = list.create("other", &["--grant", "files"]).ended(2);
    assert!(unknown.err.contains("storage"), "{unknown:#?}");
    let given = list.create("other", &["--grant", "all"]).ended(0);
    assert!(given.err.is_empty(), "{given:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_is_denied_by_the_next_command_and_what_is_granted_is_not() {
    let (list, _) = List::connected(&[]).await;
    let revoked = list
        .lockgate(&["connection", "revoke", "list", "all"])
        .ended(0);
    assert!(
        revoked.out.contains("may not send requests"),
        "{revoked:#?}"
    );
    let denied = list.lockgate(&QUERY).ended(1);
    assert!(
        denied.err.contains("connection grant list http"),
        "{denied:#?}"
    );
    let granted = list
        .lockgate(&["connection", "grant", "list", "http"])
        .ended(0);
    assert!(granted.out.contains("; 64 MiB of memory"), "{granted:#?}");
    list.lockgate(&QUERY).ended(0);
    let unknown = list
        .lockgate(&["connection", "grant", "list", "files"])
        .ended(2);
    assert!(
        unknown.err.contains("http, storage, quota and stream"),
        "{unknown:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_asks_for_more_waits_and_says_which_command_has_it_go_on() {
    let (list, _) = List::connected(&[]).await;
    let advice = "`lockgate connection grant list storage`";
    list.install("0.2.0");
    let swap = |version| ["package", "swap", "mailing-list", version, "--trial-s", "0"];
    let swapped = list.lockgate(&swap("0.2.0")).ended(0);
    assert!(
        swapped.err.contains("default/list stays on 0.1.0"),
        "{swapped:#?}"
    );
    assert!(swapped.err.contains(advice), "{swapped:#?}");
    list.lockgate(&QUERY).ended(0);
    // Through another swap, which nobody waits in.
    list.install("0.3.0");
    list.lockgate(&swap("0.3.0")).ended(0);
    list.lockgate(&QUERY).ended(0);
    for command in [
        &["package", "list"][..],
        &["connection", "show", "list"],
        &["connection", "grants", "list"],
    ] {
        let told = list.lockgate(command).ended(0);
        assert!(
            told.out.contains("stays on 0.1.0: mailing-list 0.3.0"),
            "{told:#?}"
        );
        assert!(told.out.contains(advice), "{told:#?}");
    }
    let packages = list.lockgate(&["package", "list", "--output", "json"]);
    let newest = packages.ended(0).json()[2]["waiting"][0].clone();
    assert_eq!(newest["connection"], "default/list");
    assert_eq!(newest["missing"], json!(["storage"]));
    assert_eq!(list.grants()["version"], "0.1.0");
    // A new connection is asked for all of it at once.
    list.create("new", &[]).ended(0);
    list.lockgate(&["connection", "grant", "list", "all"])
        .ended(0);
    let grants = list.grants();
    assert_eq!(
        (&grants["version"], &grants["waits_for"]),
        (&json!("0.3.0"), &Json::Null)
    );
    list.lockgate(&QUERY).ended(0);
}

/// How the one sync of a host that runs is.
fn sync(bench: &Bench) -> Json {
    let status = ["sync", "status", "crm", "--output", "json"];
    bench.lockgate(&status).ended(0).json()
}

/// Waits until a sync is as it should be.
fn until(bench: &Bench, is_so: impl Fn(&str) -> bool) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let status = sync(bench).to_string();
        if is_so(&status) {
            return status;
        }
        assert!(Instant::now() < end, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_at_work_denies_what_is_revoked_and_goes_on_by_itself_once_it_is_granted() {
    let bench = Bench::connected().await;
    let file = bench.data.path().join("crm.db");
    let to = format!("sqlite:{}", file.display());
    let create = ["sync", "create", "crm", "--object", "Account", "--to", &to];
    bench.lockgate(&create).ended(0);
    let running = tokio::task::block_in_place(|| Running::start(&bench));
    let is_running = |status: &str| status.contains("\"state\":\"running\"");
    until(&bench, is_running);
    bench
        .lockgate(&["connection", "revoke", "crm", "all"])
        .ended(0);
    let failing = until(&bench, |status| status.contains("\"state\":\"failing\""));
    assert!(
        failing.contains("lockgate connection grant crm "),
        "{failing}"
    );
    bench
        .lockgate(&["connection", "grant", "crm", "all"])
        .ended(0);
    until(&bench, is_running);
    running.stop();
}

/// The command with a terminal on all its streams, and what is typed there.
#[cfg(target_os = "linux")]
fn on_a_terminal(list: &List, arguments: &[&str], typed: &str) -> Run {
    use std::process::Command;

    let quoted: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
    let line = format!("{} {}", env!("CARGO_BIN_EXE_lockgate"), quoted.join(" "));
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let settings = command(list.data.path());
    for (name, value) in settings.get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    tokio::task::block_in_place(|| run(terminal, typed))
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_shown_what_is_asked_and_gives_it_with_a_yes() {
    let (list, _) = List::connected(&[]).await;
    let url = list.service.url();
    let create = [
        "connection",
        "create",
        "second",
        "--connector",
        "mailing-list",
    ];
    let login = ["--flow", "client-credentials", "--local", &url];
    let client = ["--client-id", "mailing-list-client"];
    let secret = ["--client-secret", "mailing-list-secret"];
    let create = [&create[..], &login, &client, &secret].concat();
    let refused = on_a_terminal(&list, &create, "n\n").ended(1);
    for told in [
        "Calls the API of the connected",
        "[Y/n]",
        "--grant http,storage",
    ] {
        assert!(refused.out.contains(told), "{told}: {refused:#?}");
    }
    list.lockgate(&["connection", "show", "second"]).ended(1);
    let given = on_a_terminal(&list, &create, "y\n").ended(0);
    assert!(given.out.contains("is connected"), "{given:#?}");
    list.lockgate(&["connection", "show", "second"]).ended(0);
}
