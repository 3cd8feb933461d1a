//! The host that stays, on a machine that fails while a sync and webhooks of all kinds
//! are at work: killed at its flushes and writes, with a disk that is full for a while,
//! with a clock that jumps. What was acknowledged is there in the end, and once.
//!
//! It is killed at every flush that it makes, and at some of the hundreds of writes,
//! others each time: `LOCKGATE_MACHINE_SEED=N` takes the same again,
//! `LOCKGATE_MACHINE_WRITES=N` takes more of them.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use dev_org::org::{ADMIN, WriteOptions};
use dev_org::{OutboundMessage, StreamBreak};
use lockgate::webhook::Secret;
use lockgate_tests::dice::Dice;
use lockgate_tests::machine::{Failure, Machine};
use lockgate_tests::receiver::Receiver;
use rusqlite::Connection as Sqlite;
use serde_json::{Value as Json, json};
use support::running::{PATIENCE, Running};
use support::sender::{created, try_to_submit};
use support::{Bench, command, free_port};

/// Writes at which it is killed unless somebody asks for more, and about as many as a
/// life has.
const WRITES: u64 = 6;
const MANY_WRITES: u64 = 400;

/// A life whose flushes are fewer than the one that it is to end at goes on. How many
/// there are differs a little, so that one such life proves nothing.
const LIVES_THAT_GO_ON: u32 = 2;

/// After a crash what was at work waits for its lease to end. So the next process finds
/// the clock so far ahead.
const LEASE_IS_OVER_S: i64 = 70;

const HOUR_S: i64 = 3_600;

/// As long as the org waits before it sends an outbound message again.
const OUTBOUND_WAIT_MS: i64 = 16_000;

/// An org with a sync of accounts, a webhook out of contacts, a signed one that makes
/// leads, and one of the org's own about products; and the machine that has them at work.
struct Ward {
    bench: Bench,
    machine: Machine,
    ahead_s: i64,
    org_ahead_ms: i64,
    /// Where contacts are told.
    app: Receiver,
    /// Where webhooks come in.
    address: String,
    form: (String, Secret),
    /// Changes that were made on all sides.
    rounds: usize,
    /// Whether the last round's webhooks were sent.
    has_told: bool,
}

impl Ward {
    async fn new() -> Self {
        let bench = Bench::connected().await;
        let to = format!("sqlite:{}", bench.data.path().join("crm.db").display());
        let sync = ["sync", "create", "crm", "--object", "Account", "--to", &to];
        bench
            .lockgate(&[&sync[..], &["--key-field", "External_Id__c"]].concat())
            .ended(0);
        let app = Receiver::start(&Secret::generate().unwrap()).await;
        let to = app.url();
        let out = ["webhook", "create", "crm", "Contact", "--to", &to];
        let out = bench.lockgate(&[&out[..], &["--allow-local", "--output", "json"]].concat());
        let secret = out.ended(0).json()["secret"].as_str().unwrap().parse();
        app.knows(&secret.unwrap());
        let into = ["--into", "Lead", "--key", "External_Id__c"];
        let form = [&["--name", "form", "--signed"][..], &into].concat();
        let (path, secret) = created(&bench, &form);
        let address = format!("127.0.0.1:{}", free_port());
        let form = (format!("http://{address}{path}"), secret.unwrap());
        let (path, _) = created(&bench, &["--name", "told", "--product"]);
        let message = OutboundMessage {
            object: "Product2".to_owned(),
            endpoint: format!("http://{address}{path}"),
            fields: vec!["Name".to_owned()],
            send_session_id: false,
        };
        bench.control.set_outbound_messages(vec![message]).unwrap();
        Self {
            bench,
            machine: Machine::build(),
            ahead_s: 0,
            org_ahead_ms: 0,
            app,
            address,
            form,
            rounds: 0,
            has_told: true,
        }
    }

    /// The host, which perhaps does not live long.
    fn start(&self, failure: Option<Failure>) -> Running {
        let mut command = command(self.bench.data.path());
        command.args(["run", "--listen", &self.address]);
        match failure {
            Some(failure) => self.machine.fail(&mut command, failure),
            None => self.machine.run_on(&mut command),
        }
        Running::spawn(command)
    }

    fn set_clock(&mut self, ahead_s: i64) {
        self.ahead_s = ahead_s;
        self.machine.set_clock(ahead_s);
    }

    fn sql(&self) -> Sqlite {
        let sql = Sqlite::open(self.bench.data.path().join("crm.db")).unwrap();
        sql.busy_timeout(PATIENCE).unwrap();
        sql
    }

    fn in_org(&self, object: &str, record: &Json) {
        self.bench.control.org(|org| {
            let who = org.user(ADMIN).unwrap();
            let (record, options) = (record.as_object().unwrap(), WriteOptions::default());
            org.create(&who, object, record, &options).unwrap();
        });
    }

    /// All records of an object, as text.
    fn records(&self, object: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let names: Vec<String> = fields.iter().map(|name| (*name).to_owned()).collect();
        self.bench.control.org(|org| {
            let who = org.user(ADMIN).unwrap();
            let rows = org.table_of(object).rows().filter(|row| !row.is_deleted());
            rows.map(|row| {
                let read = org.read(&who, object, row.id(), Some(&names), "v60.0");
                let read = read.unwrap();
                let text = |name: &&str| read[*name].as_str().unwrap_or("-").to_owned();
                fields.iter().map(text).collect()
            })
            .collect()
        })
    }

    /// Changes accounts on both sides, and makes a contact.
    fn change(&mut self) {
        self.rounds += 1;
        self.has_told = false;
        let n = self.rounds;
        let account = json!({ "Name": format!("Org {n}"), "Phone": format!("+1 {n}") });
        self.in_org("Account", &account);
        self.in_org("Contact", &json!({ "LastName": format!("Contact {n}") }));
        let rows = format!(
            "INSERT INTO account (name) VALUES ('Local {n}');
             UPDATE account SET phone = 'at {n}' WHERE name = 'Local {}';
             DELETE FROM account WHERE name = 'Org {}';",
            n.saturating_sub(1),
            n.saturating_sub(2),
        );
        self.sql().execute_batch(&rows).unwrap();
    }

    /// Sends the round's signed webhook, and gives the status of the answer.
    async fn submit(&self) -> Option<u16> {
        let n = self.rounds;
        let (url, secret) = &self.form;
        let lead = json!({ "External_Id__c": format!("form-{n}"), "LastName": "Doe",
                           "Company": "Acme" });
        let ahead = Duration::from_secs(self.ahead_s.unsigned_abs());
        let now = match self.ahead_s < 0 {
            true => SystemTime::now() - ahead,
            false => SystemTime::now() + ahead,
        };
        let id = format!("msg_{n}");
        try_to_submit(url, secret, &id, now, &lead).await
    }

    /// Has the org tell of a product by itself.
    fn make_product(&self) {
        self.in_org(
            "Product2",
            &json!({ "Name": format!("Told {}", self.rounds) }),
        );
    }

    /// Tells by webhooks what happened in this round, once the host listens.
    async fn tell(&mut self, host: &mut Running) {
        if self.has_told {
            return;
        }
        self.make_product();
        while self.submit().await != Some(204) {
            if host.has_ended() {
                return;
            }
        }
        self.has_told = true;
    }

    /// What is not yet where it belongs; `None` once everything is.
    fn missing(&self) -> Option<String> {
        let there = self.records("Account", &["Id", "Name", "Phone"]);
        let sql = self.sql();
        let mut rows = sql
            .prepare("SELECT coalesce(id, '-'), name, coalesce(phone, '-') FROM account")
            .unwrap();
        let rows = rows.query_map([], |row| Ok(vec![row.get(0)?, row.get(1)?, row.get(2)?]));
        let here: Vec<Vec<String>> = rows.unwrap().map(Result::unwrap).collect();
        let sides = [&here, &there].map(|side| side.iter().collect::<BTreeSet<_>>());
        let differing: Vec<_> = sides[0].symmetric_difference(&sides[1]).take(9).collect();
        if !differing.is_empty() {
            return Some(format!("of one side only: {differing:?}"));
        }
        let came = self.app.came();
        let taken = came.iter().filter(|came| came.answered < 300);
        let told: BTreeSet<&str> = taken.filter_map(|came| name(&came.body)).collect();
        let contacts = (1..=self.rounds).map(|n| format!("Contact {n}"));
        if let Some(name) = contacts.into_iter().find(|name| !told.contains(&**name)) {
            return Some(format!("{name} was not told"));
        }
        let leads = self.records("Lead", &["External_Id__c"]).concat();
        let n_taken = self.rounds - usize::from(!self.has_told);
        let keys = (1..=n_taken).map(|n| format!("form-{n}"));
        if let Some(key) = keys.into_iter().find(|key| !leads.contains(key)) {
            return Some(format!("{key} is no lead"));
        }
        let outbound = self.bench.control.outbound_counts();
        (outbound.pending > 0).then(|| format!("{outbound:?}"))
    }

    /// Waits until everything is where it belongs, or the host has ended; whether it is.
    fn settles(&mut self, host: &mut Running) -> bool {
        let end = Instant::now() + PATIENCE;
        loop {
            let Some(missing) = self.missing() else {
                return true;
            };
            if host.has_ended() {
                return false;
            }
            if self.bench.control.outbound_counts().waiting > 0 {
                self.org_ahead_ms += OUTBOUND_WAIT_MS;
                self.bench.control.set_clock_offset_ms(self.org_ahead_ms);
            }
            let status = self.bench.lockgate(&["sync", "status", "crm"]);
            let round = self.rounds;
            assert!(Instant::now() < end, "round {round}: {missing} {status:#?}");
        }
    }

    /// Whether what is there is there once, and events are told under their ids.
    fn check(&self, after: &str) {
        let mut seen = BTreeSet::new();
        let accounts = self.records("Account", &["Name"]).concat();
        let leads = self.records("Lead", &["External_Id__c"]).concat();
        let is_ours = |name: &&String| {
            ["Org ", "Local ", "form-"]
                .iter()
                .any(|our| name.starts_with(our))
        };
        for name in accounts.iter().chain(&leads).filter(is_ours) {
            assert!(seen.insert(name), "{name} is there twice after {after}");
        }
        let locals = (1..=self.rounds).map(|n| format!("Local {n}"));
        let orgs = [self.rounds - 1, self.rounds].map(|n| format!("Org {n}"));
        let lost: Vec<String> = locals
            .chain(orgs.into_iter().filter(|name| name != "Org 0"))
            .filter(|name| !seen.contains(name))
            .collect();
        assert_eq!(lost, Vec::<String>::new(), "lost after {after}");
        let mut told: BTreeMap<String, (String, &[u8])> = BTreeMap::new();
        let came = self.app.came();
        for came in came.iter().filter(|came| name(&came.body).is_some()) {
            let first = told.entry(name(&came.body).unwrap().to_owned());
            let this = (came.id().to_owned(), &came.bytes[..]);
            assert_eq!(first.or_insert_with(|| this.clone()), &this, "{after}");
        }
    }

    /// What the org has told and nobody has taken yet: everything that it was
    /// acknowledged.
    fn check_inbox(&self) {
        let inbox = ["webhook", "receive", "inbox", "told", "--limit", "1000"];
        let inbox = self
            .bench
            .lockgate(&[&inbox[..], &["--output", "json"]].concat());
        let inbox = inbox.ended(0).json();
        let kept = inbox.as_array().unwrap().iter();
        let kept = kept.map(|item| item["content"]["payload"]["Name"].as_str().unwrap());
        let kept: BTreeSet<&str> = kept.collect();
        let all: Vec<String> = (1..=self.rounds).map(|n| format!("Told {n}")).collect();
        assert_eq!(kept, all.iter().map(String::as_str).collect());
    }

    /// A life of the host that ends with this failure, or not, and one in which all that
    /// was left undone is done. Whether it did not end.
    async fn survives(&mut self, failure: Failure) -> bool {
        self.set_clock(0);
        self.change();
        let mut host = self.start(Some(failure));
        let mut survives = tokio::task::block_in_place(|| host.says("at work"));
        if survives {
            survives = self.goes_on(&mut host).await;
        }
        if survives {
            // Once more, while everything is at work.
            self.change();
            survives = self.goes_on(&mut host).await;
        }
        if !survives {
            host.kill();
            self.set_clock(LEASE_IS_OVER_S);
            host = self.working();
            assert!(self.goes_on(&mut host).await, "it ends after {failure:?}");
        }
        self.check(&format!("{failure:?}"));
        host.kill();
        survives
    }

    /// The host at work.
    fn working(&self) -> Running {
        let host = self.start(None);
        tokio::task::block_in_place(|| host.hear("at work"));
        host
    }

    /// Tells what is to be told, and waits as [`Self::settles`].
    async fn goes_on(&mut self, host: &mut Running) -> bool {
        self.tell(host).await;
        tokio::task::block_in_place(|| self.settles(host))
    }

    /// A ward whose table is there and whose webhook has its place among the events, where
    /// the clock is so far ahead.
    async fn begun(ahead_s: i64) -> Self {
        let mut ward = Self::new().await;
        ward.set_clock(ahead_s);
        tokio::task::block_in_place(|| {
            ward.bench.lockgate(&["sync", "run-once", "crm"]).ended(0);
            let host = ward.working();
            let end = Instant::now() + PATIENCE;
            let status = ["webhook", "status", "crm", "--output", "json"];
            while ward.bench.lockgate(&status).ended(0).json()["state"] != "running" {
                assert!(Instant::now() < end, "the webhook never hears");
            }
            host.kill();
        });
        ward
    }
}

/// The name of the contact that an event tells of.
fn name(body: &Json) -> Option<&str> {
    body["data"]["fields"]["LastName"].as_str()
}

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_at_any_flush_or_write_loses_and_doubles_nothing() {
    let seed = number("LOCKGATE_MACHINE_SEED", u64::from(std::process::id()));
    println!("seed={seed}");
    let mut dice = Dice::new(seed);
    let mut ward = Ward::begun(0).await;
    let (mut at, mut n_going_on) = (0, 0);
    while n_going_on < LIVES_THAT_GO_ON {
        at += 1;
        let survives = ward.survives(Failure::KilledAtFlush(at)).await;
        n_going_on = if survives { n_going_on + 1 } else { 0 };
    }
    println!("{at} flushes");
    assert!(at > 15, "{at} flushes are fewer than there is to keep");
    for _ in 0..number("LOCKGATE_MACHINE_WRITES", WRITES) {
        let at = 1 + dice.below(MANY_WRITES);
        ward.survives(Failure::KilledAtWrite(at)).await;
    }
    ward.check_inbox();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_is_full_nothing_is_acknowledged_and_with_room_again_all_goes_on() {
    let mut ward = Ward::begun(0).await;
    let mut host = ward.working();
    ward.change();
    assert!(ward.goes_on(&mut host).await);
    ward.machine.set_full(true);
    ward.change();
    assert_eq!(ward.submit().await, Some(503));
    ward.make_product();
    ward.bench.control.outbound_waiting(1).await;
    tokio::task::block_in_place(|| {
        let end = Instant::now() + PATIENCE;
        for of in ["webhook", "sync"] {
            let status = [of, "status", "crm", "--output", "json"];
            while !ward.bench.lockgate(&status).ended(0).out.contains("full") {
                assert!(Instant::now() < end, "the {of} does not tell");
            }
        }
    });
    assert!(!host.has_ended());
    ward.machine.set_full(false);
    assert!(ward.goes_on(&mut host).await);
    ward.check("a full disk");
    ward.check_inbox();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_while_the_host_is_at_work_stalls_and_loses_nothing() {
    let mut ward = Ward::begun(0).await;
    let mut host = ward.working();
    for ahead_s in [HOUR_S, -HOUR_S, 0, -HOUR_S, HOUR_S, 0] {
        // One event waits for another try, one comes after the jump.
        let n_came = ward.app.came().len();
        ward.app.answers_next(&[500]);
        ward.change();
        let came = ward.app.until(n_came + 1).await;
        assert_eq!(came[n_came].answered, 500);
        ward.set_clock(ahead_s);
        assert!(ward.goes_on(&mut host).await);
        // Sessions and subscriptions end whatever the clock says.
        ward.bench.control.expire_sessions();
        let events = ward.bench.control.events();
        events.end_streams(StreamBreak::default());
        ward.change();
        assert!(ward.goes_on(&mut host).await);
    }
    ward.check_inbox();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_at_work_when_a_host_with_a_wrong_clock_was_killed_does_not_wait_for_that_time() {
    let mut ward = Ward::begun(HOUR_S).await;
    let host = ward.working();
    ward.app.close();
    ward.change();
    ward.app.until(1).await;
    host.kill();
    ward.app.open();
    ward.set_clock(0);
    let mut host = ward.working();
    let end = Instant::now() + PATIENCE;
    // The lease lasts a minute, not an hour.
    for ahead_s in (0..2 * LEASE_IS_OVER_S).chain(std::iter::repeat(2 * LEASE_IS_OVER_S)) {
        ward.set_clock(ahead_s);
        tokio::task::block_in_place(|| ward.bench.lockgate(&["webhook", "status"]).ended(0));
        if ward.app.came().len() > 1 {
            break;
        }
        assert!(Instant::now() < end, "it waits for the wrong time");
    }
    let came = ward.app.came();
    assert_eq!(came[0].bytes, came[1].bytes);
    assert!(ward.goes_on(&mut host).await);
    ward.check_inbox();
}
