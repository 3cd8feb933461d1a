//! A process that syncs while it writes is killed with SIGKILL, again and again, at
//! whatever moment it has come to. What it committed is there, once, on both sides.
//!
//! The org is a file of events, one a line, from which it is made anew each time: it
//! outlives the process as a real one does.
#![expect(
    clippy::print_stdout,
    reason = "the child tells its parent what it begins, and the parent the outcome"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use lockgate_sync::{Database, Settlement, Value};

use crate::org::{Org, fields};
use crate::place::{KEYED, Place, on_every_database};
use crate::random::Dice;

on_every_database!(a_process_that_is_killed_at_any_moment_loses_nothing_and_doubles_nothing);

/// Where the child finds what it syncs: an address and a file, with a line break
/// between them.
const PLACES: &str = "LOCKGATE_SYNC_CRASH_PLACES";
const SEED: &str = "LOCKGATE_SYNC_CRASH_SEED";
/// Set by `cargo xtask test --long`.
const LONG_VARIABLE: &str = "LOCKGATE_LONG";

const CYCLES: usize = 15;
const LONG_CYCLES: usize = 300;
/// What a child begins before it is killed: from a step after its start to some
/// rounds of all.
const STEPS: usize = 60;

async fn a_process_that_is_killed_at_any_moment_loses_nothing_and_doubles_nothing(place: Place) {
    let cycles = match std::env::var_os(LONG_VARIABLE) {
        Some(_) => LONG_CYCLES,
        None => CYCLES,
    };
    let mut seed = [0; 4];
    getrandom::fill(&mut seed).unwrap();
    let seed = u64::from(u32::from_le_bytes(seed));
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let database = place.open(KEYED).await;
    place.sql("CREATE TABLE journal (number INTEGER NOT NULL)");
    drop(database);
    let log = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    for cycle in 0..cycles {
        let steps = 1 + dice.below(STEPS);
        let places = format!("{}\n{}", place.address(), log.display());
        tokio::task::spawn_blocking(move || run_and_kill(&places, cycle, steps))
            .await
            .unwrap();
    }
    let database = place.open(KEYED).await;
    let mut org = Org::of_log(&log);
    org.delivered = delivered(&database).await;
    let mut rounds = 0;
    loop {
        org.deliver(&database, usize::MAX).await;
        let read = org.read_again(&database).await;
        let sent = org.send(&database).await.len();
        if read + sent + (org.events.len() - org.delivered) == 0 {
            break;
        }
        rounds += 1;
        assert!(rounds < 20, "it comes to no end");
    }

    let written: usize = place.one("SELECT count(*) FROM journal").parse().unwrap();
    let own: usize = place
        .one("SELECT count(*) FROM contact WHERE local_key LIKE 'key-%' AND id IS NOT NULL")
        .parse()
        .unwrap();
    let doubled = org.made.values().filter(|times| **times > 1).count();
    // Both sides write fields of their own, so a conflict is an echo that was taken
    // for a change.
    let conflicts: usize = place
        .one("SELECT count(*) FROM lockgate_conflicts")
        .parse()
        .unwrap();
    let here = place.rows("SELECT id, last_name, first_name, email FROM contact ORDER BY id");
    let there: Vec<String> = org
        .records
        .iter()
        .map(|((_, id), record)| {
            let text = |field: &str| record.get(field).and_then(Value::as_text).unwrap_or("-");
            format!(
                "{id}|{}|{}|{}",
                text("LastName"),
                text("FirstName"),
                text("Email")
            )
        })
        .collect();
    assert_eq!(here, there);
    println!(
        "cycles={cycles} lost={} duplicated={doubled} echoed={conflicts}, of {written} rows and {} events",
        written - own,
        org.events.len()
    );
    assert_eq!((written - own, doubled, conflicts), (0, 0, 0));
    assert!(
        written > cycles / 2,
        "{written} rows: the children did not get far enough"
    );
}

/// Runs a child until it has begun so many steps, and kills it.
fn run_and_kill(places: &str, cycle: usize, steps: usize) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "crash::syncs_until_it_is_killed",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(PLACES, places)
        .env(SEED, cycle.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let begun = output.lines().map(Result::unwrap);
    let begun = begun
        .filter(|line| line.starts_with("step "))
        .take(steps)
        .count();
    let has_ended = child.try_wait().unwrap();
    assert_eq!(
        (begun, has_ended),
        (steps, None),
        "the child ended by itself"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[ignore = "the child of the tests of this file, which start it"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syncs_until_it_is_killed() {
    let places = std::env::var(PLACES).unwrap();
    let (address, log) = places.split_once('\n').unwrap();
    let cycle: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let mut dice = Dice::new(cycle + 1);
    let place = Place::at(address);
    let database = place.open(KEYED).await;
    let mut org = Org::of_log(Path::new(log));
    org.delivered = delivered(&database).await;
    for step in 0_u64.. {
        let number = cycle * 1_000_000 + step;
        step_begins("write here");
        place.sql(&format!(
            "BEGIN; INSERT INTO contact (local_key, last_name) VALUES ('key-{number}', 'new'); \
             INSERT INTO journal VALUES ({number}); COMMIT"
        ));
        place.sql(&format!(
            "UPDATE contact SET first_name = '{number}' WHERE last_name = 'new' \
             AND local_key < 'key-{}'",
            number / 2
        ));
        step_begins("write there");
        let ids: Vec<String> = org.records.keys().map(|(_, id)| id.clone()).collect();
        if let Some(id) = dice.pick(&ids) {
            let email = fields(&[("Email", &number.to_string())]);
            org.update("Contact", id, email, false);
        }
        if dice.below(4) == 0 {
            org.create("Contact", fields(&[("LastName", "there")]), false);
        }
        step_begins("ask");
        let outgoing = database.outgoing(5).await.unwrap();
        step_begins("send");
        let settlements = outgoing.changes.iter().map(|change| Settlement {
            send: change.send,
            outcome: org.receive(change),
        });
        let settlements = settlements.collect();
        step_begins("settle");
        database.settle(settlements).await.unwrap();
        step_begins("apply");
        org.deliver(&database, 1 + dice.below(10)).await;
        step_begins("read");
        org.read_again(&database).await;
    }
}

fn step_begins(what: &str) {
    let mut output = std::io::stdout();
    writeln!(output, "step {what}").unwrap();
    output.flush().unwrap();
}

/// How many events the database has had.
async fn delivered(database: &Database) -> usize {
    let checkpoint = database.checkpoint("events").await.unwrap();
    let text = String::from_utf8(checkpoint.unwrap_or_default()).unwrap();
    text.parse().unwrap_or(0)
}
