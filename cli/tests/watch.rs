//! Watching events: of an org, and of a connector that tells what a test asks for
//! beside a server that only logs in.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use lockgate_tests::loopback::Loopback;
use lockgate_tests::packages::package_dir;
use serde_json::Value as Json;
use support::{Bench, Run, command, ended, run};
use tempfile::TempDir;

/// A connection `crm` of the connector whose sources are commands.
struct Watched {
    data: TempDir,
    _server: Loopback,
}

impl Watched {
    async fn start() -> Self {
        let server = Loopback::start().await;
        let watched = Self {
            data: tempfile::tempdir().unwrap(),
            _server: server,
        };
        let origin = watched._server.origin();
        let create = [
            "connection",
            "create",
            "crm",
            "--connector",
            "hostile-connector",
            "--local",
            origin,
            "--client-id",
            "client",
            "--client-secret",
            "client-secret-of-the-watched",
            "--flow",
            "client-credentials",
        ];
        watched.lockgate(&create).ended(0);
        watched
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = command(self.data.path());
        command.args(arguments);
        command
            .arg("--package")
            .arg(package_dir("hostile-connector"));
        command
    }

    fn lockgate(&self, arguments: &[&str]) -> Run {
        let command = self.command(arguments);
        // The server answers on other threads of this process meanwhile.
        tokio::task::block_in_place(|| run(command, ""))
    }

    /// The lines of a watch for programs.
    fn lines(&self, arguments: &[&str]) -> Vec<Json> {
        let mut all = vec!["watch", "crm", "--output", "json"];
        all.extend(arguments);
        let run = self.lockgate(&all).ended(0);
        let lines = run.out.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    }
}

fn ids(lines: &[Json]) -> Vec<&str> {
    lines
        .iter()
        .filter_map(|line| line["id"].as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_to_an_org_is_seen() {
    let bench = Bench::connected().await;
    let create = ["record", "create", "crm", "Account", r#"{"Name":"Acme"}"#];
    bench.lockgate(&create).ended(0);
    let watch = [
        "watch", "crm", "Account", "--from", "oldest", "--limit", "1",
    ];
    let run = bench.lockgate(&watch).ended(0);
    assert!(run.out.contains("created (own)"), "{run:#?}");
    assert!(run.out.contains(r#""Name":"Acme""#), "{run:#?}");
    let listed = bench.lockgate(&["watch", "crm"]).ended(0);
    assert!(listed.out.contains("SOURCE"), "{listed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_goes_on_from_the_last_checkpoint_and_misses_nothing() {
    let watched = Watched::start().await;
    let first = watched.lines(&["count 3", "--limit", "4"]);
    // What came together with the last of them comes too.
    let expected: Vec<String> = (1000..1006).map(|n| format!("event-{n}")).collect();
    assert_eq!(ids(&first), expected);
    let checkpoints: Vec<bool> = first
        .iter()
        .map(|line| line["checkpoint"].is_string())
        .collect();
    assert_eq!(checkpoints, [false, false, true, false, false, true]);
    let place = first[5]["checkpoint"].as_str().unwrap();
    let second = watched.lines(&["count 3", "--limit", "1", "--from", place]);
    assert_eq!(ids(&second), ["event-1006", "event-1007", "event-1008"]);
    let oldest = watched.lines(&["count 1", "--limit", "1", "--from", "oldest"]);
    assert_eq!(ids(&oldest), ["event-0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_a_line_an_event_and_how_to_go_on() {
    let watched = Watched::start().await;
    let run = watched.lockgate(&["watch", "crm", "kinds", "--limit", "3"]);
    let run = run.ended(0);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 3, "{run:#?}");
    assert!(lines[0].contains("updated") && lines[0].contains("record-1"));
    assert!(lines[1].contains("stale") && lines[1].contains("any of them"));
    assert!(lines[2].contains("message") && lines[2].contains("Thing_Told__e"));
    assert!(run.err.contains("--from MTAwMA=="), "{run:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_of_event_are_listed_where_no_source_is_named() {
    let watched = Watched::start().await;
    let run = watched.lockgate(&["watch", "crm"]).ended(0);
    assert!(run.out.contains("quiet") && run.out.contains("Only checkpoints."));
    let run = watched.lockgate(&["watch", "crm", "--output", "json"]);
    let listed = run.ended(0).json();
    assert_eq!(listed[0]["name"], "quiet");
    assert_eq!(listed[0]["payload_schema"]["type"], "object");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_is_the_regular_end() {
    let watched = Watched::start().await;
    let mut command = watched.command(&["watch", "crm", "then wait 60000"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let run = tokio::task::block_in_place(|| {
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert!(line.contains("record-1000"), "{line}");
        support::interrupt(&child);
        ended(child, String::new())
    });
    assert!(run.ended(0).err.contains("--from MTAwMQ=="));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_says_what_to_do_next() {
    let watched = Watched::start().await;
    let gone = ["watch", "crm", "count 1", "--from", "bm93aGVyZQ=="];
    let run = watched.lockgate(&gone).ended(1);
    assert!(run.err.contains("`--from newest`"), "{run:#?}");
    let run = watched.lockgate(&["watch", "crm", "count 1", "--from", "yesterday"]);
    assert!(run.ended(2).err.contains("`oldest`"));
    let run = watched.lockgate(&["watch", "crm", "quiet", "quiet"]);
    assert!(run.ended(2).err.contains("twice"));
    let run = watched.lockgate(&["watch", "crm", "fail over-quota"]);
    assert!(run.ended(4).err.contains("lockgate limits crm"));
    let run = watched.lockgate(&["watch", "crm", "then panic"]).ended(1);
    assert!(run.out.contains("record-1000") && run.err.contains("crashed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_used_up_is_waited_for_if_it_is_to() {
    let watched = Watched::start().await;
    let lines = watched.lines(&["fail over-quota-soon", "--wait", "--limit", "1"]);
    assert_eq!(ids(&lines), ["event-1000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_fault_is_waited_out() {
    let watched = Watched::start().await;
    let arguments = ["watch", "crm", "fail unavailable-soon", "--limit", "1"];
    let run = watched.lockgate(&arguments).ended(0);
    assert!(run.out.contains("record-1000"), "{run:#?}");
    assert!(run.err.contains("cannot be reached"), "{run:#?}");
}
