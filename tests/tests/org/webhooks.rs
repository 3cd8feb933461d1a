//! Webhooks out: what happens in an org arrives at an app as signed requests, at least
//! once each, whatever fails in between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lockgate::outbound::{Courier, Ended, Endpoint, Retries, Tested};
use lockgate::store::{QueueCounts, QueueState, Which};
use lockgate::webhook::Secret;
use lockgate::{Connection, Error};
use lockgate_tests::org::{NAME, Site, TENANT, create, records};
use lockgate_tests::receiver::{Came, Receiver};
use lockgate_tests::secrets::{Listener, files_with};
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The longest wait for something that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// An app, and what it is told of: contacts, in three tries that follow each other at
/// once.
async fn app() -> (Receiver, Endpoint) {
    let secret = Secret::generate().unwrap();
    let app = Receiver::start(&secret).await;
    let endpoint = Endpoint {
        allow_local: true,
        retries: Retries {
            pauses: vec![Duration::from_millis(1)],
            max_tries: 3,
        },
        ..Endpoint::new("app", app.url(), secret, &["Contact"])
    };
    (app, endpoint)
}

/// A courier at work. It is cut off with this value, as a process that is killed.
struct AtWork {
    courier: Arc<Courier>,
    task: JoinHandle<Ended>,
}

impl AtWork {
    fn start(crm: &Connection, endpoint: &Endpoint) -> Self {
        let courier = Arc::new(crm.courier(endpoint.clone()).unwrap());
        let running = Arc::clone(&courier);
        let task = tokio::spawn(async move { running.run().await });
        Self { courier, task }
    }

    async fn ended(&mut self) -> Ended {
        let ended = timeout(PATIENCE, &mut self.task).await;
        ended.expect("it goes on").unwrap()
    }

    /// Waits until the queue is as it should be.
    async fn until(&self, what: &str, is_so: impl Fn(&QueueCounts) -> bool) -> QueueCounts {
        until(&self.courier, what, is_so).await
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn until(courier: &Courier, what: &str, is_so: impl Fn(&QueueCounts) -> bool) -> QueueCounts {
    let settled = async {
        loop {
            let counts = courier.queue().counts().await.unwrap();
            if is_so(&counts) {
                return counts;
            }
            tokio::task::yield_now().await;
        }
    };
    let counts = timeout(PATIENCE, settled).await;
    counts.unwrap_or_else(|_| panic!("never {what}"))
}

/// The connection, with a courier at work that hears of what happens.
async fn at_work(site: &Site, endpoint: &Endpoint) -> (Connection, AtWork) {
    let crm = site.crm().await;
    let at_work = AtWork::start(&crm, endpoint);
    site.control.events().subscribed(1).await;
    (crm, at_work)
}

async fn contact(crm: &Connection, name: &str) -> String {
    create(crm, "Contact", json!({ "LastName": name })).await
}

fn name(came: &Came) -> &Json {
    &came.body["data"]["fields"]["LastName"]
}

#[tokio::test]
async fn what_happens_in_an_org_arrives_as_requests_that_verify() {
    let site = Site::start().await;
    let (app, endpoint) = app().await;
    let (crm, at_work) = at_work(&site, &endpoint).await;
    let id = contact(&crm, "Doe").await;
    let made = app.until(1).await.remove(0);
    assert_eq!(made.target, "/hooks");
    assert_eq!(made.body["type"], "record.created");
    let data = &made.body["data"];
    assert_eq!(
        (&data["tenant"], &data["connection"]),
        (&json!(TENANT), &json!(NAME))
    );
    assert_eq!(
        (&data["object"], &data["own"]),
        (&json!("Contact"), &json!(true))
    );
    assert_eq!(data["record_ids"], json!([id]));
    assert_eq!(name(&made), "Doe");
    assert!(made.body["timestamp"].as_str().unwrap().ends_with('Z'));

    let rows = records(&json!([{ "Id": id, "LastName": "Roe" }]));
    crm.update("Contact", &rows, Default::default())
        .await
        .unwrap();
    let changed = app.until(2).await.remove(1);
    assert_eq!(changed.body["type"], "record.updated");
    assert_eq!(name(&changed), "Roe");
    crm.delete("Contact", &[id], Default::default())
        .await
        .unwrap();
    let came = app.until(3).await;
    assert_eq!(came[2].body["type"], "record.deleted");
    let ids: BTreeSet<&str> = came.iter().map(Came::id).collect();
    assert_eq!(ids.len(), 3, "each has an id of its own");
    let counts = at_work.until("sent", |counts| counts.done == 3).await;
    assert_eq!((counts.waiting, counts.dead), (0, 0));
    assert!(at_work.courier.status().hears);
}

#[tokio::test]
async fn an_app_that_fails_twice_gets_the_same_event_again_under_its_id() {
    let site = Site::start().await;
    let (app, endpoint) = app().await;
    app.answers_next(&[500, 500]);
    let (crm, at_work) = at_work(&site, &endpoint).await;
    contact(&crm, "Doe").await;
    let came = app.until(3).await;
    let answered: Vec<u16> = came.iter().map(|came| came.answered).collect();
    assert_eq!(answered, [500, 500, 204]);
    assert!(came.iter().all(|again| again.id() == came[0].id()));
    assert!(came.iter().all(|again| again.bytes == came[0].bytes));
    let counts = at_work.until("sent", |counts| counts.done == 1).await;
    assert_eq!(counts.last_problem.unwrap().text, "it answered 500");
}

#[tokio::test]
async fn what_is_refused_too_often_is_a_dead_letter_until_it_is_brought_back() {
    let site = Site::start().await;
    let (app, endpoint) = app().await;
    // A redirect is a refusal like any other, and nobody goes where it leads.
    app.answers_next(&[500, 307, 400]);
    let (crm, at_work) = at_work(&site, &endpoint).await;
    contact(&crm, "Doe").await;
    at_work.until("given up", |counts| counts.dead == 1).await;
    let came = app.came();
    assert_eq!(came.len(), 3, "{came:#?}");
    assert!(came.iter().all(|came| came.target == "/hooks"));
    let queue = at_work.courier.queue();
    let letters = queue.list(QueueState::Dead, None, 10).await.unwrap();
    let letter = &letters.items[0];
    assert_eq!((letter.id.as_str(), letter.tries), (came[0].id(), 3));
    assert_eq!(letter.problem.as_deref(), Some("it answered 400"));
    assert_eq!(letter.bytes, came[0].bytes);

    let one = Which::One(letter.id.clone());
    assert_eq!(queue.again(&one).await.unwrap(), 1);
    at_work.courier.wake();
    let again = app.until(4).await.remove(3);
    assert_eq!(again.id(), came[0].id());
    let counts = at_work.until("sent", |counts| counts.done == 1).await;
    assert_eq!((counts.waiting, counts.dead), (0, 0));
}

#[tokio::test]
async fn an_app_that_is_gone_gets_nothing_more_until_somebody_asks_for_it() {
    let site = Site::start().await;
    let (app, endpoint) = app().await;
    app.answers(410);
    let (crm, mut at_work) = at_work(&site, &endpoint).await;
    contact(&crm, "Doe").await;
    assert_eq!(at_work.ended().await, Ended::Gone);
    let counts = at_work.courier.queue().counts().await.unwrap();
    assert_eq!((counts.waiting, counts.dead), (1, 0), "it waits");
    app.answers(204);
    let again = AtWork::start(&crm, &endpoint);
    let came = app.until(2).await;
    assert_eq!(came[0].id(), came[1].id());
    again.until("sent", |counts| counts.done == 1).await;
}

#[tokio::test]
async fn a_process_that_is_killed_loses_nothing_and_ids_stay() {
    let site = Site::start().await;
    let (app, endpoint) = app().await;
    let endpoint = Endpoint {
        in_flight: 1,
        ..endpoint
    };
    app.close();
    let (crm, first) = at_work(&site, &endpoint).await;
    for name in ["one", "two", "three"] {
        contact(&crm, name).await;
    }
    // One is under way, the others are kept and not taken yet.
    let cut_off = app.until(1).await.remove(0);
    first.until("kept", |counts| counts.waiting == 3).await;
    drop(first);
    site.control.events().subscribed(0).await;
    contact(&crm, "meanwhile").await;
    app.open();

    let host = site.another_host().await;
    let crm = host.connection(TENANT, NAME).await.unwrap();
    let second = AtWork::start(&crm, &endpoint);
    let counts = second.until("sent", |counts| counts.done == 3).await;
    assert_eq!((counts.waiting, counts.dead), (1, 0));
    let came = app.came();
    let names: BTreeSet<&str> = came[1..]
        .iter()
        .map(|came| name(came).as_str().unwrap())
        .collect();
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["meanwhile", "three", "two"]
    );
    // What was under way is nobody else's until its lease ends; then it is sent again.
    let queue = second.courier.queue();
    let left = queue.list(QueueState::Waiting, None, 10).await.unwrap();
    let left = &left.items[0];
    assert_eq!((left.id.as_str(), left.tries), (cut_off.id(), 1));
}

#[tokio::test]
async fn events_that_are_gone_are_told_and_what_is_new_comes_after_that() {
    let site = Site::start().await;
    let (app, endpoint) = app().await;
    let (crm, first) = at_work(&site, &endpoint).await;
    contact(&crm, "known").await;
    first.until("sent", |counts| counts.done == 1).await;
    drop(first);
    site.control.events().subscribed(0).await;
    contact(&crm, "missed").await;
    site.control.events().expire();
    let second = AtWork::start(&crm, &endpoint);
    // It asks behind its place, is told that this is gone, and asks for what is new.
    site.control.events().subscribed(1).await;
    contact(&crm, "new").await;
    second.until("sent", |counts| counts.done >= 3).await;
    let came = app.came();
    let missed = came
        .iter()
        .find(|came| came.body["type"] == "events.missed")
        .unwrap();
    assert_eq!(missed.body["data"]["sources"], json!(["Contact"]));
    let names: Vec<&Json> = came
        .iter()
        .map(name)
        .filter(|name| name.is_string())
        .collect();
    assert_eq!(names, ["known", "new"]);
}

#[tokio::test]
async fn while_the_queue_is_full_events_wait_in_the_org_and_none_is_lost() {
    let site = Site::start().await;
    let (app, endpoint) = app().await;
    let endpoint = Endpoint {
        max_queue_bytes: 1,
        ..endpoint
    };
    app.close();
    let (crm, at_work) = at_work(&site, &endpoint).await;
    contact(&crm, "one").await;
    at_work.until("kept", |counts| counts.waiting == 1).await;
    contact(&crm, "two").await;
    let courier = Arc::clone(&at_work.courier);
    let is_full = move |_: &QueueCounts| {
        let problem = courier.status().hearing_problem;
        problem.is_some_and(|problem| problem.contains("full"))
    };
    let counts = at_work.until("full", is_full).await;
    assert_eq!(counts.waiting, 1);
    contact(&crm, "three").await;
    app.open();
    at_work.until("sent", |counts| counts.done == 3).await;
    let came = app.came();
    let names: Vec<&Json> = came.iter().map(name).collect();
    assert_eq!(names, ["one", "two", "three"]);
}

#[tokio::test]
async fn two_processes_share_the_work_and_nothing_is_sent_twice() {
    let site = Site::start().await;
    let (app, endpoint) = app().await;
    let (crm, first) = at_work(&site, &endpoint).await;
    let host = site.another_host().await;
    let other = host.connection(TENANT, NAME).await.unwrap();
    let second = AtWork::start(&other, &endpoint);
    site.control.events().subscribed(2).await;
    for n in 0..10 {
        contact(&crm, &format!("n{n}")).await;
    }
    first.until("sent", |counts| counts.done == 10).await;
    let came = app.came();
    let ids: BTreeSet<&str> = came.iter().map(Came::id).collect();
    assert_eq!((ids.len(), came.len()), (10, 10));
    drop(second);
}

#[tokio::test]
async fn a_private_address_is_refused_unless_it_is_allowed() {
    let site = Site::start().await;
    let (app, endpoint) = app().await;
    let crm = site.crm().await;
    for url in [app.url(), "https://10.0.0.1/".to_owned()] {
        let guarded = Endpoint {
            allow_local: false,
            url,
            ..endpoint.clone()
        };
        let error = crm.courier(guarded).unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{error}");
    }
    assert!(app.came().is_empty());
}

#[tokio::test]
async fn a_test_is_sent_at_once_and_goes_with_its_connection() {
    let site = Site::start().await;
    let (app, endpoint) = app().await;
    let crm = site.crm().await;
    let courier = crm.courier(endpoint.clone()).unwrap();
    app.answers_next(&[401]);
    for expected in [401, 204] {
        let tested = courier.test().await.unwrap();
        let Tested::Answered { status, .. } = tested else {
            panic!("{tested:?}");
        };
        assert_eq!(status, expected);
    }
    let came = app.came();
    assert_eq!(came[0].body["type"], "webhook.test");
    assert_ne!(came[0].id(), came[1].id());
    // A courier whose connection is removed ends by itself.
    let mut at_work = AtWork::start(&crm, &endpoint);
    site.control.events().subscribed(1).await;
    site.host.remove_connection(TENANT, NAME).await.unwrap();
    at_work.courier.wake();
    assert_eq!(at_work.ended().await, Ended::Removed);
}

#[tokio::test]
async fn no_secret_of_an_endpoint_stands_in_logs_or_in_the_data_directory() {
    let listener = Listener::default();
    let guard = tracing::subscriber::set_default(listener.clone());
    let site = Site::start().await;
    let (app, endpoint) = app().await;
    let endpoint = Endpoint {
        url: format!("{}?key=not-for-logs", app.url()),
        ..endpoint
    };
    app.answers(500);
    let (crm, at_work) = at_work(&site, &endpoint).await;
    contact(&crm, "Doe").await;
    at_work.until("given up", |counts| counts.dead == 1).await;
    let heard = listener.heard() + &format!("{:?} {:#?}", at_work.courier, endpoint);
    drop(guard);
    assert!(heard.contains("dead letter"), "the log was not heard");
    let secret = endpoint.secrets[0].secret.expose();
    for secret in [&secret[6..], "not-for-logs"] {
        let line = heard.lines().find(|line| line.contains(secret));
        assert_eq!(line.map(|line| line.replace(secret, "<secret>")), None);
        let files = files_with(site.host.data_dir(), secret.as_bytes());
        assert_eq!(files, Vec::<std::path::PathBuf>::new());
    }
}
