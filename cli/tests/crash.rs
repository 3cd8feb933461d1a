//! The host that stays, killed at random moments while both sides are written to: at
//! the end both hold the same, every change is there once, and none came back.
//!
//! A few cycles here; `cargo xtask crash --cycles N` for more, `--seed N` for a run
//! again.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong here fails the test, and the outcome is told"
)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use dev_org::EventSwitches;
use lockgate::Connection;
use lockgate_tests::dice::Dice;
use lockgate_tests::org::{Site, create, query, records};
use rusqlite::Connection as Sqlite;
use serde_json::{Value as Json, json};
use support::{Run, command, run};
use tempfile::TempDir;

/// Cycles where nobody asks for more.
const CYCLES: u64 = 8;

/// The longest life of a process, in milliseconds: from before it has begun to work to
/// well into it.
const LONGEST_LIFE_MS: u64 = 1_500;

/// The pause between two writes of one side.
const PACE: Duration = Duration::from_millis(5);

/// The longest wait for both sides to become equal at the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a record must be in the end: what each side wrote last. The org's side writes
/// phones only, and the table's sites only, so that whoever writes the other's echoes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Expected {
    phone: Option<String>,
    site: Option<String>,
}

/// What both writers did, by name.
type Model = BTreeMap<String, Expected>;

/// Two writers at work.
#[derive(Clone)]
struct Load {
    cycle: u64,
    model: Arc<Mutex<Model>>,
    writes: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// To be called with each write.
    fn model(&self) -> MutexGuard<'_, Model> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.model.lock().unwrap()
    }
}

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().unwrap())
}

/// The host at work. It is killed with this value, whatever becomes of the test.
struct Host(Child);

impl Drop for Host {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

struct Bench {
    site: Site,
    data: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let site = Site::start().await;
        let bench = Self {
            site,
            data: tempfile::tempdir().unwrap(),
        };
        let url = bench.site.org.url();
        let connect = [
            "connection",
            "create",
            "crm",
            "--local",
            &url,
            "--client-id",
            "dev-org-client",
            "--client-secret",
            "dev-org-secret",
            "--flow",
            "client-credentials",
        ];
        bench.lockgate(&connect).ended(0);
        let to = format!("sqlite:{}", bench.file().display());
        let set_up = [
            "sync",
            "create",
            "crm",
            "--object",
            "Account",
            "--to",
            &to,
            "--key-field",
            "External_Id__c",
        ];
        bench.lockgate(&set_up).ended(0);
        bench
    }

    fn lockgate(&self, arguments: &[&str]) -> Run {
        let mut command = command(self.data.path());
        command.args(arguments);
        tokio::task::block_in_place(|| run(command, ""))
    }

    fn file(&self) -> PathBuf {
        self.data.path().join("crm.db")
    }

    fn sql(&self) -> Sqlite {
        let sql = Sqlite::open(self.file()).unwrap();
        sql.busy_timeout(PATIENCE).unwrap();
        sql
    }

    fn host(&self) -> Host {
        let mut command = command(self.data.path());
        command
            .arg("run")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Host(command.spawn().unwrap())
    }

    fn status(&self) -> Json {
        let status = self.lockgate(&["sync", "status", "crm", "--output", "json"]);
        status.ended(0).json()
    }

    /// Names in the org, with what they hold.
    async fn in_org(&self) -> Vec<(String, Expected)> {
        let crm = self.site.crm().await;
        let text = |value: &Json| value.as_str().map(str::to_owned);
        let all = query(&crm, "SELECT Name, Phone, Site FROM Account").await;
        let all = all.iter().map(|record| {
            let expected = Expected {
                phone: text(&record["Phone"]),
                site: text(&record["Site"]),
            };
            (text(&record["Name"]).unwrap(), expected)
        });
        all.collect()
    }

    fn in_table(&self) -> Vec<(String, Expected)> {
        let sql = self.sql();
        let mut statement = sql
            .prepare("SELECT name, phone, site FROM account")
            .unwrap();
        let rows = statement.query_map([], |row| {
            let expected = Expected {
                phone: row.get(1)?,
                site: row.get(2)?,
            };
            Ok((row.get(0)?, expected))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Changes of the sync's making that write what only the org's side writes.
    fn echoes(&self) -> usize {
        let events = self.site.control.events();
        let events = events.kept("/data/AccountChangeEvent").unwrap();
        let is_echo = |event: &&Json| {
            let payload = &event["payload"];
            let origin = payload["ChangeEventHeader"]["changeOrigin"].as_str();
            origin.is_some_and(|origin| origin.contains("client=Lockgate"))
                && payload["Phone"].is_string()
        };
        events.iter().filter(is_echo).count()
    }
}

/// Writes to the org as somebody else does, until it is told to stop.
async fn write_to_org(load: Load, crm: Connection, mut random: Dice) {
    let mut n = 0;
    let recent = "SELECT Id, Name FROM Account ORDER BY CreatedDate DESC LIMIT 200";
    let mut some = query(&crm, recent).await;
    while load.goes_on() {
        n += 1;
        if n % 20 == 0 {
            some = query(&crm, recent).await;
        }
        let one = usize::try_from(random.below(some.len().max(1) as u64)).unwrap();
        let name = some.get(one).map(|record| record["Name"].as_str().unwrap());
        match (random.below(4), name) {
            // The table's side updates none of these.
            (0, Some(name)) if name.starts_with("Org") && name.ends_with('2') => {
                let ids = [some[one]["Id"].as_str().unwrap().to_owned()];
                let gone = crm
                    .delete("Account", &ids, Default::default())
                    .await
                    .unwrap();
                if gone[0].is_ok() {
                    load.model().remove(name);
                }
            }
            // And deletes some of those.
            (1 | 2, Some(name)) if !name.ends_with('1') => {
                let phone = format!("+1 {} {n}", load.cycle);
                let rows = records(&json!([{"Id": some[one]["Id"], "Phone": phone}]));
                let changed = crm
                    .update("Account", &rows, Default::default())
                    .await
                    .unwrap();
                if changed[0].is_ok() {
                    load.model().entry(name.to_owned()).or_default().phone = Some(phone);
                }
            }
            _ => {
                let name = format!("Org {} {n}", load.cycle);
                // Before it is there, so that the other side finds it.
                load.model().insert(name.clone(), Expected::default());
                create(&crm, "Account", json!({"Name": name})).await;
            }
        }
        tokio::time::sleep(PACE).await;
    }
}

/// Writes to the table as any program does, until it is told to stop.
fn write_to_table(load: &Load, sql: &Sqlite, mut random: Dice) {
    let mut n = 0;
    let pick = "SELECT name FROM account ORDER BY random() LIMIT 1";
    while load.goes_on() {
        n += 1;
        let one: Option<String> = sql.query_row(pick, [], |row| row.get(0)).ok();
        match (random.below(4), one) {
            (0, Some(name)) if name.starts_with("Row") && name.ends_with('1') => {
                let gone = sql.execute("DELETE FROM account WHERE name = ?1", [&name]);
                if gone.unwrap() > 0 {
                    load.model().remove(&name);
                }
            }
            (1 | 2, Some(name)) if !name.ends_with('1') && !name.ends_with('2') => {
                let site = format!("{} {n}", load.cycle);
                let update = "UPDATE account SET site = ?1 WHERE name = ?2";
                if sql.execute(update, [&site, &name]).unwrap() > 0 {
                    load.model().entry(name).or_default().site = Some(site);
                }
            }
            _ => {
                let name = format!("Row {} {n}", load.cycle);
                load.model().insert(name.clone(), Expected::default());
                let insert = "INSERT INTO account (name) VALUES (?1)";
                sql.execute(insert, [&name]).unwrap();
            }
        }
        std::thread::sleep(PACE);
    }
}

/// Records that are not the same on both sides, at most some of them.
fn differing<'a>(
    org: &'a [(String, Expected)],
    table: &'a [(String, Expected)],
) -> Vec<(&'static str, &'a (String, Expected))> {
    let only_org = org.iter().filter(|one| !table.contains(one));
    let only_table = table.iter().filter(|one| !org.contains(one));
    let only_org = only_org.take(10).map(|one| ("org", one));
    let only_table = only_table.take(10).map(|one| ("table", one));
    only_org.chain(only_table).collect()
}

/// What one side lacks of what it must hold, and what it has more than once.
fn audit(model: &Model, side: &[(String, Expected)]) -> (Vec<String>, Vec<String>) {
    let mut found: BTreeMap<&String, Vec<&Expected>> = BTreeMap::new();
    for (name, record) in side {
        found.entry(name).or_default().push(record);
    }
    let is_lost = |name: &&String| {
        found
            .get(name)
            .is_none_or(|found| found[0] != &model[*name])
    };
    let lost = model.keys().filter(is_lost).cloned();
    // What was deleted and is there again is a deletion that was lost.
    let back = found.keys().filter(|name| !model.contains_key(**name));
    let lost = lost.chain(back.map(|name| format!("deletion of {name}")));
    let twice = found.iter().filter(|(_, found)| found.len() > 1);
    (
        lost.collect(),
        twice.map(|(name, _)| (*name).clone()).collect(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_host_that_is_killed_again_and_again_loses_nothing_doubles_nothing_and_echoes_nothing() {
    let cycles = number("LOCKGATE_CRASH_CYCLES", CYCLES);
    let seed = number("LOCKGATE_CRASH_SEED", u64::from(std::process::id()));
    println!("seed={seed}");
    let mut random = Dice::new(seed);
    let bench = Bench::start().await;
    let somebody = json!({"call_options": {"client": "Somebody"}});
    let crm = bench.site.crm().await.with_settings(somebody);
    bench.site.control.set_quota_max(10_000_000);
    let deliveries = EventSwitches {
        deliveries_max: Some(10_000_000),
        ..EventSwitches::default()
    };
    bench.site.control.events().set(&deliveries).unwrap();
    let (model, writes) = (Arc::default(), Arc::new(AtomicU64::new(0)));
    for cycle in 0..cycles {
        let host = bench.host();
        let load = Load {
            cycle,
            model: Arc::clone(&model),
            writes: Arc::clone(&writes),
            stop: Arc::default(),
        };
        let mut next = || Dice::new(random.below(u64::MAX));
        let org = tokio::spawn(write_to_org(load.clone(), crm.clone(), next()));
        let (here, sql, random_here) = (load.clone(), bench.sql(), next());
        let table = tokio::task::spawn_blocking(move || write_to_table(&here, &sql, random_here));
        tokio::time::sleep(Duration::from_millis(random.below(LONGEST_LIFE_MS))).await;
        drop(host);
        load.stop.store(true, Ordering::Relaxed);
        org.await.unwrap();
        table.await.unwrap();
    }
    let host = bench.host();
    let end = Instant::now() + PATIENCE;
    loop {
        let status = bench.status();
        let known = &status["status"];
        let is_idle = ["pending", "under_way", "unread"]
            .iter()
            .all(|what| known[what] == 0);
        let (mut org, mut table) = (bench.in_org().await, bench.in_table());
        org.sort_by(|a, b| a.0.cmp(&b.0));
        table.sort_by(|a, b| a.0.cmp(&b.0));
        if is_idle && status["state"] == "running" && org == table {
            break;
        }
        if Instant::now() > end {
            let conflicts = bench.lockgate(&["sync", "conflicts", "crm"]).out;
            panic!(
                "both sides never become equal: {status:#}\n{conflicts}\n{:?}",
                differing(&org, &table)
            );
        }
    }
    drop(host);
    let model = model.lock().unwrap().clone();
    let (lost_there, twice_there) = audit(&model, &bench.in_org().await);
    let (lost_here, twice_here) = audit(&model, &bench.in_table());
    let (lost, twice) = (
        lost_there.len() + lost_here.len(),
        twice_there.len() + twice_here.len(),
    );
    let echoed = bench.echoes();
    println!(
        "{} records of {} writes",
        model.len(),
        writes.load(Ordering::Relaxed)
    );
    println!("cycles={cycles} lost={lost} duplicated={twice} echoed={echoed}");
    assert_eq!(
        (lost, twice, echoed),
        (0, 0, 0),
        "lost {lost_there:?} {lost_here:?}, twice {twice_there:?} {twice_here:?}"
    );
}
