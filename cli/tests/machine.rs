//! The command on a machine that fails: killed at each write and flush of a file, with
//! a full disk, with a clock that jumps. What comes next time is right again.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::collections::BTreeMap;

use dev_org::Config;
use dev_org::org::{ADMIN, WriteOptions};
use lockgate_tests::dice::Dice;
use lockgate_tests::machine::{Failure, Machine};
use rusqlite::Connection as Sqlite;
use serde_json::{Value as Json, json};
use support::{Bench, Run, command, run};

/// The exit code that stands for a process that was killed.
const KILLED: i32 = -1;

/// More flushes than any command here makes.
const MANY: u64 = 400;

/// Writes that a process is killed or finds no room at, of each test: some of the
/// hundreds that there are, others each time.
const WRITES: usize = 12;

const QUERY: [&str; 3] = ["query", "crm", "SELECT Id FROM Account LIMIT 1"];
const SYNC: [&str; 3] = ["sync", "run-once", "crm"];

/// An org, the command, and the machine that it runs on.
struct Ward {
    bench: Bench,
    machine: Machine,
}

impl Ward {
    fn of(bench: Bench) -> Self {
        let machine = Machine::build();
        Self { bench, machine }
    }

    fn run(&self, arguments: &[&str], failure: Option<Failure>) -> Run {
        let mut command = command(self.bench.data.path());
        command.args(arguments);
        match failure {
            Some(failure) => self.machine.fail(&mut command, failure),
            None => self.machine.run_on(&mut command),
        }
        tokio::task::block_in_place(|| run(command, ""))
    }

    fn file(&self) -> std::path::PathBuf {
        self.bench.data.path().join("crm.db")
    }

    fn sql(&self, sql: &str) {
        Sqlite::open(self.file())
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }

    /// An org with the sync `crm` of accounts, which has run.
    async fn synced() -> Self {
        let ward = Self::of(Bench::connected().await);
        let to = format!("sqlite:{}", ward.file().display());
        let create = ["sync", "create", "crm", "--object", "Account", "--to", &to];
        let keyed = [&create[..], &["--key-field", "External_Id__c"]].concat();
        ward.run(&keyed, None).ended(0);
        ward.run(&SYNC, None).ended(0);
        ward
    }

    /// A change of each kind on either side, told apart by a number.
    fn change(&self, number: usize) {
        let (name, phone) = (format!("Org {number}"), format!("+1 {number}"));
        let record = json!({ "Name": name, "Phone": phone });
        self.bench.control.org(|org| {
            let who = org.user(ADMIN).unwrap();
            let (record, options) = (record.as_object().unwrap(), WriteOptions::default());
            org.create(&who, "Account", record, &options).unwrap();
        });
        self.sql(&format!(
            "INSERT INTO account (name, phone) VALUES ('Local {number}', '{phone}');
             UPDATE account SET phone = 'at {number}' WHERE name = 'Local {}';
             DELETE FROM account WHERE name = 'Org {}';",
            number.saturating_sub(1),
            number.saturating_sub(2),
        ));
    }

    /// Whether both sides have the same accounts, none of them twice.
    fn check(&self, after: &str) {
        let query = "SELECT Id, Name, Phone FROM Account";
        let found = self.run(&["query", "crm", query, "--output", "json"], None);
        let text = |value: &Json| value.as_str().unwrap_or("-").to_owned();
        let there: BTreeMap<String, String> = found
            .ended(0)
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                (
                    text(&row["Id"]),
                    text(&row["Name"]) + "|" + &text(&row["Phone"]),
                )
            })
            .collect();
        let sql = Sqlite::open(self.file()).unwrap();
        let mut rows = sql
            .prepare("SELECT id, name || '|' || coalesce(phone, '-') FROM account")
            .unwrap();
        let here: BTreeMap<String, String> = rows
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(here, there, "{after}");
        let mut names: Vec<&str> = there
            .values()
            .filter_map(|shown| shown.split('|').next())
            .filter(|name| name.starts_with("Org ") || name.starts_with("Local "))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "twice {after}: {names:?}");
    }
}

/// Numbers of writes, in turn small and large, since most come early.
fn writes(dice: &mut Dice) -> impl Iterator<Item = u64> {
    (0..WRITES).map(|n| 1 + dice.below(if n % 2 == 0 { 30 } else { MANY }))
}

/// Other numbers each time; the failures that they make are in the messages of tests.
fn dice() -> Dice {
    Dice::new(u64::from(std::process::id()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_is_killed_at_any_flush_or_write_goes_on_and_both_sides_become_equal() {
    let ward = Ward::synced().await;
    let mut dice = dice();
    let flushes = (1..MANY).map(Failure::KilledAtFlush);
    let mut number = 0;
    for failure in flushes {
        number += 1;
        ward.change(number);
        let ended = ward.run(&SYNC, Some(failure));
        let was_killed = ended.code == KILLED;
        if !was_killed {
            ended.ended(0);
        }
        ward.run(&SYNC, None).ended(0);
        ward.check(&format!("{failure:?}"));
        if !was_killed {
            break;
        }
    }
    assert!((5..MANY as usize).contains(&number), "{number} flushes");
    for at in writes(&mut dice) {
        number += 1;
        ward.change(number);
        let failure = Failure::KilledAtWrite(at);
        ward.run(&SYNC, Some(failure));
        ward.run(&SYNC, None).ended(0);
        ward.check(&format!("{failure:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_is_told_and_nothing_is_lost_when_there_is_room_again() {
    let ward = Ward::synced().await;
    let mut dice = dice();
    for (number, at) in (1..).zip(writes(&mut dice)) {
        ward.change(number);
        let full = ward.run(&SYNC, Some(Failure::FullAtWrite(at)));
        if full.code != 0 {
            assert!(full.err.contains("full"), "at {at}: {full:#?}");
        }
        ward.run(&SYNC, None).ended(0);
        ward.check(&format!("a full disk at write {at}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_torn_is_refused_and_left_as_it_is() {
    let ward = Ward::synced().await;
    ward.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    let whole = std::fs::read(ward.file()).unwrap();
    let mut scribbled = whole.clone();
    scribbled[..64].fill(0x5a);
    for torn in [&whole[..whole.len() / 2], &whole[..5_000], &scribbled] {
        std::fs::write(ward.file(), torn).unwrap();
        let refused = ward.run(&SYNC, None).ended(1);
        assert!(refused.err.contains("damaged"), "{refused:#?}");
        assert!(refused.err.contains("restore"), "{refused:#?}");
        assert_eq!(std::fs::read(ward.file()).unwrap(), torn);
    }
    std::fs::write(ward.file(), &whole).unwrap();
    ward.run(&SYNC, None).ended(0);
    ward.check("the torn files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_an_hour_either_way_changes_nothing() {
    let ward = Ward::synced().await;
    for (number, ahead_s) in [3_600, -3_600, 0, -3_600, 3_600, 0].into_iter().enumerate() {
        ward.machine.set_clock(ahead_s);
        ward.change(number + 1);
        ward.run(&SYNC, None).ended(0);
        ward.check(&format!("{ahead_s} s ahead"));
        let budget = ward.run(&["limits", "crm", "--output", "json"], None);
        let used = budget.ended(0).json()["budget"]["used"].as_u64().unwrap();
        let counted = ward.bench.control.quota().used;
        assert!(
            used >= counted,
            "{used} of {counted} are known {ahead_s} s ahead"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_is_killed_at_any_step_ends_in_tokens_or_in_a_wish_to_reconnect() {
    let config = Config {
        rotate_refresh_tokens: true,
        ..Config::default()
    };
    let ward = Ward::of(Bench::with(config).await);
    let creating = ward.bench.creating("crm", &[]);
    ward.bench.with_login(&creating).await.ended(0);
    let (mut recovered, mut lost) = (0, 0);
    for at in 1..MANY {
        ward.bench.control.expire_sessions();
        let ended = ward.run(&QUERY, Some(Failure::KilledAtFlush(at)));
        if ended.code != KILLED {
            ended.ended(0);
            break;
        }
        let logins = || {
            let requests = ward.bench.control.requests();
            let is_login = |path: &str| path.ends_with("/oauth2/token");
            requests
                .iter()
                .filter(|request| is_login(&request.path))
                .count()
        };
        let before = logins();
        let next = ward.run(&QUERY, None);
        let asked = logins() - before;
        assert!(asked <= 2, "{asked} times for tokens after flush {at}");
        match next.code {
            0 => recovered += 1,
            // The org has made the old token worthless, and the new one was never kept.
            3 => {
                lost += 1;
                assert!(
                    next.err.contains("lockgate connection reconnect crm"),
                    "{next:#?}"
                );
                let again = ["connection", "reconnect", "crm", "--no-browser"];
                ward.bench.with_login(&again).await.ended(0);
            }
            _ => panic!("after flush {at}: {next:#?}"),
        }
    }
    assert!(recovered > 0, "{recovered} recovered, {lost} lost");
    println!("recovered={recovered} reconnected={lost}");
}
