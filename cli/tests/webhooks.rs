//! Webhooks from the command line: set up, tested, at work in the host that stays,
//! looked after, and ended.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use lockgate::webhook::Secret;
use lockgate_tests::receiver::Receiver;
use lockgate_tests::secrets::files_with;
use serde_json::{Value as Json, json};
use support::Bench;
use support::running::{PATIENCE, Running};

/// An org with the webhook `crm` of contacts, and the app that it goes to.
async fn sent_to_an_app(more: &[&str]) -> (Bench, Receiver, Secret) {
    let bench = Bench::connected().await;
    // It learns the right secret below.
    let app = Receiver::start(&Secret::generate().unwrap()).await;
    let to = app.url();
    let mut create = vec!["webhook", "create", "crm", "Contact", "--to", &to];
    create.extend(["--allow-local", "--output", "json"]);
    create.extend(more);
    let created = bench.lockgate(&create).ended(0);
    assert!(created.err.contains("lockgate run"), "{created:#?}");
    let secret: Secret = created.json()["secret"].as_str().unwrap().parse().unwrap();
    app.knows(&secret);
    (bench, app, secret)
}

fn contact(bench: &Bench, name: &str) {
    let record = json!({ "LastName": name }).to_string();
    bench
        .lockgate(&["record", "create", "crm", "Contact", &record])
        .ended(0);
}

fn status(bench: &Bench) -> Json {
    bench
        .lockgate(&["webhook", "status", "crm", "--output", "json"])
        .ended(0)
        .json()
}

/// Waits until the status is as it should be.
fn until(bench: &Bench, what: &str, is_so: impl Fn(&Json) -> bool) -> Json {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let status = status(bench);
        if is_so(&status) {
            return status;
        }
        assert!(std::time::Instant::now() < end, "never {what}: {status:#}");
    }
}

/// The host at work, and the org knows that somebody listens.
async fn running(bench: &Bench) -> Running {
    let running = tokio::task::block_in_place(|| Running::start(bench));
    bench.control.events().subscribed(1).await;
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_set_up_tested_listed_and_removed() {
    let bench = Bench::connected().await;
    let secret = Secret::generate().unwrap();
    let app = Receiver::start(&secret).await;
    let to = format!("{}?key=k3y", app.url());
    let create = [
        "webhook",
        "create",
        "crm",
        "Contact",
        "--to",
        &to,
        "--allow-local",
    ];
    let created = bench.lockgate(&create).ended(0);
    let shown = created.out.lines().last().unwrap();
    app.knows(&shown.parse().unwrap());
    let again = bench.lockgate(&create).ended(1);
    assert!(again.err.contains("--name"), "{again:#?}");

    let tested = bench.lockgate(&["webhook", "test", "crm"]).ended(0);
    assert!(tested.out.contains("answered 204"), "{tested:#?}");
    let came = app.came().remove(0);
    assert_eq!(came.body["type"], "webhook.test");
    assert!(came.id().starts_with("test_"), "it verifies");
    app.answers(403);
    let refused = bench.lockgate(&["webhook", "test", "crm", "--output", "json"]);
    let refused = refused.ended(1).json();
    assert_eq!(
        (&refused["taken"], &refused["status"]),
        (&json!(false), &json!(403))
    );

    let listed = bench.lockgate(&["webhook", "list", "--output", "json"]);
    let listed = listed.ended(0).json();
    assert_eq!(listed[0]["sources"], json!(["Contact"]));
    let people = bench.lockgate(&["webhook", "list"]).ended(0);
    let status = bench.lockgate(&["webhook", "status"]).ended(0);
    assert!(status.out.contains("not running"), "{status:#?}");
    // The secret is shown once, and what is kept of it is sealed.
    let all = format!("{people:?}{status:?}{listed}{tested:?}");
    for secret in [&shown[6..], "k3y"] {
        assert!(!all.contains(secret), "{all}");
        let files = files_with(bench.data.path(), secret.as_bytes());
        assert_eq!(files, Vec::<std::path::PathBuf>::new());
    }
    bench.lockgate(&["webhook", "remove", "crm"]).ended(0);
    let gone = bench.lockgate(&["webhook", "status", "crm"]).ended(1);
    assert!(gone.err.contains("lockgate webhook list"), "{gone:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_that_stays_sends_what_happens_and_what_is_brought_back() {
    let (bench, app, _) = sent_to_an_app(&["--tries", "1"]).await;
    let running = running(&bench).await;
    contact(&bench, "Doe");
    let came = app.until(1).await.remove(0);
    assert_eq!(came.body["data"]["fields"]["LastName"], "Doe");
    assert!(!came.id().is_empty(), "it verifies");

    app.answers(500);
    contact(&bench, "Roe");
    let came = app.until(2).await.remove(1);
    tokio::task::block_in_place(|| until(&bench, "given up", |status| status["dead"] == 1));
    let letters = ["webhook", "letters", "crm", "--output", "json"];
    let letters = bench.lockgate(&letters).ended(0).json();
    assert_eq!(letters[0]["id"], came.id());
    assert_eq!(letters[0]["problem"], "it answered 500");
    assert_eq!(letters[0]["content"], came.body);
    let nothing = ["webhook", "letters", "crm", "--again", "no-such"];
    let nothing = bench.lockgate(&nothing).ended(2);
    assert!(nothing.err.contains("no-such"), "{nothing:#?}");
    app.answers(204);
    bench
        .lockgate(&["webhook", "letters", "crm", "--again", came.id()])
        .ended(0);
    assert_eq!(app.until(3).await[2].id(), came.id());
    let sent = tokio::task::block_in_place(|| {
        until(&bench, "sent", |status| {
            status["sent"] == 2 && status["dead"] == 0
        })
    });
    assert_eq!(sent["last_problem"]["text"], "it answered 500");
    assert_eq!(sent["state"], "running");

    // A pause is a pause, and nothing is lost in it.
    bench.lockgate(&["webhook", "pause", "crm"]).ended(0);
    assert_eq!(status(&bench)["state"], "paused");
    bench.control.events().subscribed(0).await;
    contact(&bench, "Meanwhile");
    bench.lockgate(&["webhook", "start", "crm"]).ended(0);
    let came = app.until(4).await.remove(3);
    assert_eq!(came.body["data"]["fields"]["LastName"], "Meanwhile");
    tokio::task::block_in_place(|| running.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_before_anything_happened_still_tells_what_happens_until_its_next_start()
 {
    let (bench, app, _) = sent_to_an_app(&[]).await;
    tokio::task::block_in_place(|| {
        let running = Running::start(&bench);
        until(&bench, "subscribed", |status| status["state"] == "running");
        running.kill();
    });
    contact(&bench, "Meanwhile");
    let _running = tokio::task::block_in_place(|| Running::start(&bench));
    let came = app.until(1).await.remove(0);
    assert_eq!(came.body["data"]["fields"]["LastName"], "Meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_and_the_old_one_both_sign_until_the_old_one_is_ended() {
    let (bench, app, old) = sent_to_an_app(&[]).await;
    let rotated = bench.lockgate(&["webhook", "rotate", "crm"]).ended(0);
    let new: Secret = rotated.out.lines().last().unwrap().parse().unwrap();
    for known in [&old, &new] {
        app.knows(known);
        bench.lockgate(&["webhook", "test", "crm"]).ended(0);
    }
    bench
        .lockgate(&["webhook", "rotate", "crm", "--end"])
        .ended(0);
    for known in [&old, &new] {
        app.knows(known);
        bench.lockgate(&["webhook", "test", "crm"]).ended(0);
    }
    let came = app.came();
    let signatures: Vec<usize> = came.iter().map(|came| came.signatures).collect();
    assert_eq!(signatures, [2, 2, 1, 1]);
    let verified: Vec<bool> = came.iter().map(|came| came.verified.is_ok()).collect();
    assert_eq!(verified, [true, true, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_answers_410_is_left_alone_until_it_is_started_again() {
    let (bench, app, _) = sent_to_an_app(&[]).await;
    app.answers(410);
    let running = running(&bench).await;
    contact(&bench, "Doe");
    tokio::task::block_in_place(|| {
        let line = running.hear("410");
        assert!(line.contains("lockgate webhook start crm"), "{line}");
        let gone = |status: &Json| status["state"] == "not wanted any more";
        let gone = until(&bench, "gone", gone);
        assert_eq!((&gone["waiting"], &gone["dead"]), (&json!(1), &json!(0)));
        app.answers(204);
        bench.lockgate(&["webhook", "start", "crm"]).ended(0);
        until(&bench, "sent", |status| status["sent"] == 1);
        running.stop();
    });
    let came = app.came();
    assert_eq!(came[0].id(), came[1].id());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_allowed_is_refused_with_the_reason() {
    let bench = Bench::connected().await;
    for (to, reason) in [
        ("http://127.0.0.1:3000/", "https"),
        ("https://10.0.0.1/", "public internet"),
        ("https://app.example.com:8443/", "443"),
        ("nonsense", "https://"),
    ] {
        let run = bench.lockgate(&["webhook", "create", "crm", "Contact", "--to", to]);
        let run = run.ended(2);
        assert!(run.err.contains(reason), "{to}: {run:#?}");
        // Named where it would help, and only there.
        let would_help = to != "nonsense";
        assert_eq!(run.err.contains("--allow-local"), would_help, "{run:#?}");
    }
    let listed = bench.lockgate(&["webhook", "list", "--output", "json"]);
    assert_eq!(listed.ended(0).json(), json!([]));
}
