//! Random writes on both sides, with everything that may go wrong between them: lost
//! answers, crashes, events that come twice or late, readings that are old. In the
//! end both sides are equal, nothing was made twice, and nothing is left to send.
//!
//! `LOCKGATE_SYNC_SEED=N` runs one seed again and prints its steps.
#![expect(
    clippy::print_stdout,
    reason = "seeds and steps are for whoever runs the test"
)]

use std::collections::BTreeMap;

use lockgate_sync::{
    Batch, Database, Fields, Incoming, Resolution, SendOutcome, Settlement, Value,
};

use crate::org::{Org, fields};
use crate::place::{Place, on_every_database};

on_every_database!(whatever_happens_both_sides_become_equal);

/// Runs one seed again.
const SEED_VARIABLE: &str = "LOCKGATE_SYNC_SEED";
/// Set by `cargo xtask test --long`.
const LONG_VARIABLE: &str = "LOCKGATE_LONG";

const SEEDS: u64 = 12;
const LONG_SEEDS: u64 = 400;
const STEPS: usize = 120;

/// A small generator: the same steps for the same seed on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % limit
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| &from[self.below(from.len())])
    }
}

async fn whatever_happens_both_sides_become_equal(place: Place) {
    let chosen = std::env::var(SEED_VARIABLE).ok();
    let chosen: Option<u64> = chosen.map(|seed| seed.parse().unwrap());
    let seeds = match chosen {
        Some(seed) => seed..=seed,
        None if std::env::var_os(LONG_VARIABLE).is_some() => 1..=LONG_SEEDS,
        // What is the same on all databases need not be played on each as often.
        None => 1..=place.either(SEEDS, SEEDS / 3),
    };
    println!("seeds {seeds:?}");
    for seed in seeds {
        println!("seed {seed}");
        let mut play = Play::new(&place, seed, chosen.is_some()).await;
        for _ in 0..STEPS {
            play.step().await;
        }
        play.finish().await;
        play.audit();
        play.database.take().unwrap().forget().await.unwrap();
        place.sql("DROP TABLE contact; DROP TABLE account");
    }
}

const MAPPINGS: [&str; 4] = ["org", "local", "newest", "plugin"];

struct Play<'a> {
    place: &'a Place,
    mapping: String,
    /// Open but for a moment.
    database: Option<Database>,
    org: Org,
    dice: Dice,
    /// Records as they were read, some time ago.
    readings: Vec<Incoming>,
    says: bool,
    /// Rows that were inserted here: their keys are the test's own, so that a seed
    /// always does the same.
    inserted: usize,
}

impl<'a> Play<'a> {
    async fn new(place: &'a Place, seed: u64, says: bool) -> Self {
        let mut dice = Dice::new(seed);
        let policy = MAPPINGS[dice.below(4)];
        let mapping = format!(
            "[objects.Account]\nkey_field = \"Sync_Key__c\"\npolicy = \"{policy}\"\n\
             [objects.Contact]\nkey_field = \"Sync_Key__c\"\npolicy = \"{policy}\""
        );
        Self {
            place,
            database: Some(place.open(&mapping).await),
            mapping,
            org: Org::default(),
            dice,
            readings: Vec::new(),
            says,
            inserted: 0,
        }
    }

    fn say(&self, text: &str) {
        if self.says {
            println!("  {text}");
        }
    }

    fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    fn sql(&self, sql: &str) {
        self.say(sql);
        self.place.sql(sql);
    }

    async fn step(&mut self) {
        match self.dice.below(20) {
            0..=6 => self.write_here(),
            7..=10 => self.write_there(),
            11..=13 => self.send().await,
            14..=16 => self.deliver().await,
            17 => {
                self.say("read again");
                self.org.read_again(self.database()).await;
            }
            18 => self.read_late().await,
            _ => {
                self.say("crash");
                self.database = None;
                self.database = Some(self.place.open(&self.mapping).await);
            }
        }
    }

    fn write_here(&mut self) {
        let value = self.dice.below(5);
        let rows = self
            .place
            .rows("SELECT local_key FROM contact ORDER BY coalesce(id, local_key)");
        let accounts = self
            .place
            .rows("SELECT coalesce(id, local_key) FROM account ORDER BY 1");
        let account = match self.dice.pick(&accounts) {
            Some(account) if value > 0 => format!("'{account}'"),
            _ => "NULL".to_owned(),
        };
        let row = self.dice.pick(&rows).cloned().unwrap_or_default();
        self.inserted += 1;
        let key = format!("key-{:04}", self.inserted);
        match self.dice.below(8) {
            0 => self.sql(&format!(
                "INSERT INTO account (local_key, name) VALUES ('{key}', 'here {value}')"
            )),
            1 | 2 => self.sql(&format!(
                "INSERT INTO contact (local_key, last_name, account_id) \
                 VALUES ('{key}', 'new {value}', {account})"
            )),
            3 => self.sql(&format!("DELETE FROM contact WHERE local_key = '{row}'")),
            4 => self.sql(&format!(
                "UPDATE contact SET account_id = {account} WHERE local_key = '{row}'"
            )),
            5 => self.sql(&format!(
                "BEGIN; UPDATE contact SET email = '{value}'; \
                 DELETE FROM contact WHERE local_key = '{row}'; ROLLBACK"
            )),
            _ => self.sql(&format!(
                "UPDATE contact SET first_name = 'here {value}', score = {value} \
                 WHERE local_key = '{row}'"
            )),
        }
    }

    fn write_there(&mut self) {
        let value = self.dice.below(5).to_string();
        let contacts: Vec<String> = self
            .org
            .records
            .keys()
            .filter(|(object, _)| object == "Contact")
            .map(|(_, id)| id.clone())
            .collect();
        let contact = self.dice.pick(&contacts).cloned();
        let some = fields(&[
            ("FirstName", &format!("there {value}")),
            ("Score__c", &value),
        ]);
        match (self.dice.below(6), contact) {
            (0, _) | (_, None) => {
                self.say("create there");
                let new = fields(&[("LastName", "there"), ("FirstName", &value)]);
                self.org.create("Contact", new, false);
            }
            (1, Some(id)) => {
                self.say(&format!("delete {id} there"));
                self.org.delete("Contact", &id, false);
            }
            (2, Some(id)) => {
                self.say(&format!("email of {id} there: {value}"));
                self.org
                    .update("Contact", &id, fields(&[("Email", &value)]), false);
            }
            (_, Some(id)) => {
                self.say(&format!("update {id} there: {value}"));
                self.org.update("Contact", &id, some, false);
            }
        }
        if let Some(id) = self.dice.pick(&contacts) {
            self.readings.push(self.org.read("Contact", id, None));
        }
    }

    /// Sends; some answers are lost, some writes are never made, and now and then
    /// nobody is left to settle.
    async fn send(&mut self) {
        let limit = 1 + self.dice.below(6);
        let outgoing = self.database().outgoing(limit).await.unwrap();
        let mut settlements = Vec::new();
        for change in &outgoing.changes {
            let send = change.send;
            let fate = self.dice.below(8);
            self.say(&format!("send {change:?}, fate {fate}"));
            match fate {
                0 => settlements.push(Settlement {
                    send,
                    outcome: SendOutcome::Later,
                }),
                1 => {
                    self.org.receive(change);
                    settlements.push(Settlement {
                        send,
                        outcome: SendOutcome::InDoubt,
                    });
                }
                _ => settlements.push(Settlement {
                    send,
                    outcome: self.org.receive(change),
                }),
            }
            if self.dice.below(6) == 0 {
                self.write_here();
            }
        }
        match self.dice.below(5) {
            0 => self.say("nobody settles"),
            1 => {
                self.deliver().await;
                self.database().settle(settlements).await.unwrap();
            }
            _ => {
                self.database().settle(settlements).await.unwrap();
            }
        }
    }

    async fn deliver(&mut self) {
        if self.dice.below(4) == 0 {
            // Again from a while ago.
            self.org.delivered = self.org.delivered.saturating_sub(self.dice.below(5));
        }
        let limit = 1 + self.dice.below(8);
        self.say(&format!("deliver {limit} from {}", self.org.delivered));
        self.org
            .deliver(self.database.as_ref().unwrap(), limit)
            .await;
    }

    async fn read_late(&mut self) {
        let readings = self.readings.split_off(self.readings.len() / 2);
        let items = readings
            .into_iter()
            .filter(|reading| matches!(reading, Incoming::Record(_)));
        self.say("old readings come");
        let batch = Batch {
            items: items.collect(),
            ..Batch::default()
        };
        self.database().apply(batch).await.unwrap();
    }

    /// Everything comes through, until nothing happens any more.
    async fn finish(&mut self) {
        for _ in 0..50 {
            self.org
                .deliver(self.database.as_ref().unwrap(), usize::MAX)
                .await;
            let database = self.database.as_ref().unwrap();
            let read = self.org.read_again(database).await;
            for conflict in database.conflicts(0, 1_000).await.unwrap() {
                if conflict.taken == "undecided" {
                    database
                        .resolve(conflict.number, Resolution::Local)
                        .await
                        .unwrap();
                }
            }
            let sent = self.org.send(database).await;
            self.say(&format!("send {sent:?}"));
            let sent = sent.len();
            let waiting = self.org.events.len() - self.org.delivered;
            self.say(&format!(
                "finishing: read {read}, sent {sent}, {waiting} events wait"
            ));
            if read + sent + waiting == 0 {
                return;
            }
        }
        panic!("it comes to no end: {:?}", self.database().status().await);
    }

    fn audit(&self) {
        let letters = self.place.rows("SELECT reason FROM lockgate_letters");
        let mut here = BTreeMap::new();
        let contacts = "SELECT id, last_name, first_name, email, account_id FROM contact";
        for (object, query) in [
            ("Account", "SELECT id, name FROM account"),
            ("Contact", contacts),
        ] {
            for row in self.place.rows(query) {
                let (id, rest) = row.split_once('|').unwrap();
                // What is a letter waits for a person.
                if id != "-" {
                    here.insert((object.to_owned(), id.to_owned()), rest.to_owned());
                } else {
                    assert!(!letters.is_empty(), "{row} was never sent");
                }
            }
        }
        let text = |fields: &Fields, field: &str| match fields.get(field) {
            Some(Value::Text(text)) => text.clone(),
            _ => "-".to_owned(),
        };
        let there: BTreeMap<_, _> = self
            .org
            .records
            .iter()
            .map(|(key, fields)| {
                let names: &[&str] = match key.0.as_str() {
                    "Account" => &["Name"],
                    _ => &["LastName", "FirstName", "Email", "AccountId"],
                };
                let values: Vec<String> = names.iter().map(|name| text(fields, name)).collect();
                (key.clone(), values.join("|"))
            })
            .collect();
        assert_eq!(here, there, "letters: {letters:?}");
        for (key, times) in &self.org.made {
            // A second time only where the first was deleted there.
            let gone = self.org.gone.get(key).copied().unwrap_or(0);
            assert!(*times <= 1 + gone, "{key} was made {times} times");
        }
        let scores = self
            .place
            .rows("SELECT id, score FROM contact WHERE id IS NOT NULL");
        for row in scores {
            let (id, score) = row.split_once('|').unwrap();
            let record = &self.org.records[&("Contact".to_owned(), id.to_owned())];
            let theirs = match record.get("Score__c") {
                Some(Value::Text(text) | Value::Number(text)) => text.as_str(),
                _ => "-",
            };
            assert_eq!(score, theirs, "score of {id}");
        }
    }
}
