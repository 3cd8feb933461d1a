//! The master key put anew, and the store copied and restored, while connections stay
//! what they are.

mod support;

use support::{Bench, command, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_put_anew_and_the_old_one_forgotten() {
    let bench = Bench::connected().await;
    let show = || {
        bench
            .lockgate(&["key", "show", "--output", "json"])
            .ended(0)
            .json()
    };
    let first = show();
    assert_eq!(first["older"].as_array().unwrap().len(), 0);
    let rotated = bench.lockgate(&["key", "rotate"]).ended(0);
    assert!(rotated.err.contains("lockgate key forget"), "{rotated:#?}");
    let both = show();
    assert_eq!(both["older"][0], first["key"]);
    assert_ne!(both["key"], first["key"]);
    bench.lockgate(&["connection", "test", "crm"]).ended(0);
    let old = std::fs::read_to_string(bench.data.path().join("master.key")).unwrap();
    let forgotten = bench.lockgate(&["key", "forget"]).ended(0);
    assert!(forgotten.out.contains("1 older key"), "{forgotten:#?}");
    bench.lockgate(&["connection", "test", "crm"]).ended(0);
    assert_eq!(show()["older"].as_array().unwrap().len(), 0);

    // The old key alone is the wrong one now.
    let (_, old) = old.trim().split_once('\n').unwrap();
    let mut command = command(bench.data.path());
    command
        .args(["connection", "list"])
        .env("LOCKGATE_MASTER_KEY", old);
    let wrong = tokio::task::block_in_place(|| run(command, "")).ended(1);
    assert!(wrong.err.contains("was sealed with key"), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_environment_is_put_anew_by_giving_both() {
    let bench = Bench::start().await;
    let (old, new) = (
        "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
        "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=",
    );
    let with = |key: &str, arguments: &[&str]| {
        let mut command = command(bench.data.path());
        command.args(arguments).env("LOCKGATE_MASTER_KEY", key);
        tokio::task::block_in_place(|| run(command, ""))
    };
    let creating = bench.creating("crm", &["--flow", "client-credentials"]);
    let creating: Vec<&str> = creating.iter().map(String::as_str).collect();
    with(old, &creating).ended(0);
    let refused = with(old, &["key", "rotate"]).ended(1);
    assert!(
        refused.err.contains("LOCKGATE_MASTER_KEY=NEW,OLD"),
        "{refused:#?}"
    );
    let both = format!("{new},{old}");
    let resealed = with(&both, &["key", "reseal"]).ended(0);
    assert!(resealed.out.contains("sealed anew"), "{resealed:#?}");
    with(new, &["connection", "test", "crm"]).ended(0);
    with(old, &["connection", "test", "crm"]).ended(1);
    assert!(!bench.data.path().join("master.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_elsewhere_with_the_key_and_is_of_no_use_without() {
    let bench = Bench::connected().await;
    let file = bench.data.path().join("backup");
    let file = file.to_str().unwrap();
    bench.lockgate(&["backup", file]).ended(0);
    let again = bench.lockgate(&["backup", file]).ended(2);
    assert!(again.err.contains("name another file"), "{again:#?}");

    let elsewhere = tempfile::tempdir().unwrap();
    let key = bench.data.path().join("master.key");
    let at = |arguments: &[&str]| {
        let mut command = command(elsewhere.path());
        command.args(arguments);
        tokio::task::block_in_place(|| run(command, ""))
    };
    let key = key.to_str().unwrap();
    let refused = at(&["restore", file]).ended(1);
    assert!(refused.err.contains("--master-key-file"), "{refused:#?}");
    // A wrong key leaves nothing behind that would be in the way of the right one.
    let wrong = bench.data.path().join("wrong.key");
    at(&[
        "restore",
        file,
        "--master-key-file",
        wrong.to_str().unwrap(),
    ])
    .ended(1);
    let restored = at(&["restore", file, "--master-key-file", key]).ended(0);
    assert!(restored.out.contains("1 connection"), "{restored:#?}");
    at(&["connection", "test", "crm", "--master-key-file", key]).ended(0);
    at(&["restore", file, "--master-key-file", key]).ended(1);
    let wrong = at(&["connection", "test", "crm"]).ended(1);
    assert!(wrong.err.contains("is missing"), "{wrong:#?}");
}
