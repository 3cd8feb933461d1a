//! Files down and up.

mod support;

use dev_org::{FaultKind, FaultRule};
use serde_json::json;
use support::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_put_beside_a_record_and_got_again() {
    let bench = Bench::connected().await;
    let account = bench
        .lockgate(&[
            "record",
            "create",
            "crm",
            "Account",
            r#"{"Name":"A"}"#,
            "--output",
            "json",
        ])
        .ended(0)
        .json();
    let account = account[0]["id"].as_str().unwrap();
    let file = bench.file("report.txt", "line one\nline two\n");
    let file = file.to_str().unwrap();
    let put = [
        "file", "put", "crm", file, "--title", "Report", "--on", account,
    ];
    let result = bench.lockgate(&[&put[..], &["--output", "json"]].concat());
    let result = result.ended(0).json();
    assert_eq!(result["outcome"], "created");
    let id = result["id"].as_str().unwrap();

    let got = bench.lockgate(&["file", "get", "crm", id]).ended(0);
    assert_eq!(got.out, "line one\nline two\n");
    let to = bench.data.path().join("got.txt");
    let to_argument = to.to_str().unwrap();
    bench
        .lockgate(&["file", "get", "crm", id, "--to", to_argument])
        .ended(0);
    assert_eq!(
        std::fs::read_to_string(&to).unwrap(),
        "line one\nline two\n"
    );

    let soql = format!("SELECT Title, PathOnClient FROM ContentVersion WHERE Id = '{id}'");
    let rows = bench.lockgate(&["query", "crm", &soql, "--output", "json"]);
    let rows = rows.ended(0).json();
    assert_eq!(rows[0]["Title"], "Report");
    assert_eq!(rows[0]["PathOnClient"], "report.txt");

    let put = [
        "file",
        "put",
        "crm",
        file,
        "--object",
        "Attachment",
        "--on",
        account,
    ];
    let run = bench.lockgate(&put).ended(0);
    let id = run.out.trim().strip_prefix("created ").unwrap();
    let got = bench.lockgate(&["file", "get", "crm", id, "--object", "Attachment"]);
    assert_eq!(got.ended(0).out, "line one\nline two\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_did_not_come_whole_does_not_appear_under_its_name() {
    let bench = Bench::connected().await;
    let file = bench.file("a.txt", &"content ".repeat(10_000));
    let put = bench.lockgate(&[
        "file",
        "put",
        "crm",
        file.to_str().unwrap(),
        "--output",
        "json",
    ]);
    let id = put.ended(0).json()["id"].as_str().unwrap().to_owned();
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("got.txt");
    let to_argument = to.to_str().unwrap();
    let get = ["file", "get", "crm", &id, "--to", to_argument];
    let truncated = FaultKind::Truncate { keep_bytes: None };
    bench
        .control
        .add_fault(FaultRule::next(1, "/VersionData", truncated));
    bench.lockgate(&get).ended(6);
    assert_eq!(place.path().read_dir().unwrap().count(), 0);
    // What was there before stays until there is something whole.
    std::fs::write(&to, "before").unwrap();
    let truncated = FaultKind::Truncate { keep_bytes: None };
    bench
        .control
        .add_fault(FaultRule::next(1, "/VersionData", truncated));
    bench.lockgate(&get).ended(6);
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "before");
    bench.lockgate(&get).ended(0);
    assert_eq!(
        std::fs::read_to_string(&to).unwrap(),
        "content ".repeat(10_000)
    );
    assert_eq!(place.path().read_dir().unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_is_no_trouble_for_who_puts_a_file() {
    let bench = Bench::connected().await;
    bench.control.expire_sessions();
    let file = bench.file("a.txt", "content");
    bench
        .lockgate(&["file", "put", "crm", file.to_str().unwrap()])
        .ended(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_file_ends_with_its_code_and_says_what_to_do() {
    let bench = Bench::connected().await;
    let missing = bench.data.path().join("missing.txt");
    let run = bench
        .lockgate(&["file", "put", "crm", missing.to_str().unwrap()])
        .ended(2);
    assert!(run.err.contains("missing.txt"), "{run:#?}");
    let nowhere = bench.data.path().join("nowhere").join("copy.txt");
    let nowhere = ["--to", nowhere.to_str().unwrap()];
    let run = bench
        .lockgate(&[&["file", "get", "crm", "068000000000001AAA"], &nowhere[..]].concat())
        .ended(2);
    assert!(run.err.contains("nowhere is no directory"), "{run:#?}");
    let run = bench.lockgate(&["file", "put", "crm", bench.data.path().to_str().unwrap()]);
    run.ended(2);
    let run = bench
        .lockgate(&["file", "get", "crm", "068000000000001AAA"])
        .ended(1);
    assert!(run.err.contains("NOT_FOUND"), "{run:#?}");
    let file = bench.file("a.txt", "content");
    let fields = json!({ "PathOnClient": null }).to_string();
    let put = [
        "file",
        "put",
        "crm",
        file.to_str().unwrap(),
        "--fields",
        &fields,
    ];
    let run = bench.lockgate(&put).ended(5);
    assert!(run.err.contains("PathOnClient"), "{run:#?}");
}
