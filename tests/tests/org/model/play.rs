//! Plays a step against the org through the sandbox, and tells what came of it.

use std::collections::BTreeMap;

use dev_org::Config;
use lockgate::{Connection, Error, Operation, QueryOptions, RowResult, WriteOptions};
use lockgate_tests::org::{NAME, Site, TENANT, demo_org, records};
use serde_json::{Value as Json, json};

use super::books::{Books, Told, Truth};
use super::step::{Action, Step, Verb, Way};

const KEY: &str = "External_Id__c";
const VALUE: &str = "NumberOfEmployees";
const USER: &str = "admin@example.com";

/// How often the writer of a write with a name dies, before one lives in an org
/// where nothing goes wrong.
const DEATHS: usize = 2;

/// A write as the caller words it.
struct Wanted<'w> {
    verb: Verb,
    way: Way,
    rows: &'w [usize],
    /// Its records, or their ids if they are deleted.
    records: Vec<Json>,
    name: String,
}

/// An org and a connection to it.
pub(super) struct Player {
    site: Site,
    crm: Connection,
    /// It goes on in a second host. One is enough: each compiles the connector.
    has_restarted: bool,
}

impl Player {
    pub(super) async fn start(seed: u64) -> Self {
        let site = Site::with(Config { seed, ..demo_org() }).await;
        let crm = site.crm().await;
        Self {
            site,
            crm,
            has_restarted: false,
        }
    }

    /// Others use the org's calls up, but for a few.
    pub(super) fn leave_few_calls(&self, left: u64) {
        let quota = self.site.control.quota();
        self.site.control.set_quota_used(quota.max - left);
    }

    pub(super) async fn play(&mut self, step: &Step, books: &mut Books) -> Result<(), String> {
        let control = self.site.control.clone();
        if step.trouble.is_session_dead {
            control.expire_sessions();
        }
        for rule in &step.trouble.rules {
            control.add_fault(rule.clone());
        }
        match &step.action {
            Action::Write {
                verb,
                way,
                rows,
                value,
                wrong,
            } => {
                if step.trouble.locks {
                    let ids = rows.iter().take(2);
                    let ids = ids.filter_map(|number| books.entries[*number].id.as_deref());
                    control.lock_rows(&ids.collect::<Vec<_>>());
                }
                let record = |number: &usize| record(books, *verb, *number, *value, *wrong);
                let wanted = Wanted {
                    verb: *verb,
                    way: *way,
                    rows,
                    records: rows.iter().map(record).collect(),
                    name: format!("write-{value}"),
                };
                let told = match way {
                    Way::Named => self.write_by_name(&wanted).await,
                    _ => self.write(&wanted).await,
                }?;
                self.calm().await;
                let new = (*verb != Verb::Delete).then_some(*value);
                let before: Vec<_> = books.entries.iter().map(|entry| entry.value).collect();
                books.settle(&told, new, &self.truth())?;
                let has_calls = control.quota().used < control.quota().max / 2;
                if has_calls && (step.trouble.is_none() || *way == Way::Named) {
                    return all_done(&told, *verb, *wrong, *way, &before, step);
                }
                Ok(())
            }
            Action::Query { by_bulk } => {
                let outcome = self.query(*by_bulk).await;
                self.calm().await;
                match outcome {
                    Ok(rows) => books.compare(&rows),
                    Err(error) => read_failed(&error, step),
                }
            }
            Action::Get { rows } => {
                let outcome = self.get(books, rows).await;
                self.calm().await;
                match outcome {
                    Ok(matching) => matching,
                    Err(error) => read_failed(&error, step),
                }
            }
        }
    }

    /// Ends all that goes wrong, and waits for jobs.
    async fn calm(&self) {
        self.site.control.clear_faults();
        self.site.control.unlock_all_rows();
        self.site.control.bulk().settled().await;
    }

    /// What is in the org, read past everything that is under test.
    fn truth(&self) -> Truth {
        self.site.control.org(|org| {
            let user = org.user(USER).unwrap();
            let fields = ["Name", VALUE].map(str::to_owned);
            let mut truth = Truth::new();
            let rows = org.table_of("Account").rows();
            for row in rows.filter(|row| !row.is_deleted()) {
                let id = row.id().to_owned();
                let record = org.read(&user, "Account", &id, Some(&fields), "v60.0");
                let (number, value) = numbered(&record.unwrap());
                truth.entry(number).or_default().push((id, value));
            }
            truth
        })
    }

    async fn write(
        &self,
        wanted: &Wanted<'_>,
    ) -> Result<BTreeMap<usize, (Told, Option<String>)>, String> {
        let options = WriteOptions {
            all_or_none: wanted.way == Way::AllOrNone,
            way: (wanted.way == Way::Bulk).then(|| "bulk".to_owned()),
            ..WriteOptions::default()
        };
        let rows = || records(&json!(wanted.records));
        let crm = &self.crm;
        let outcome = match wanted.verb {
            Verb::Create => crm.create("Account", &rows(), options).await,
            Verb::Update => crm.update("Account", &rows(), options).await,
            Verb::Upsert => crm.upsert("Account", KEY, &rows(), options).await,
            Verb::Delete => crm.delete("Account", &wanted.ids(), options).await,
        };
        match outcome {
            Ok(results) if results.len() == wanted.rows.len() => {
                let told = results.iter().map(|r| (Told::of(r), r.id.clone()));
                Ok(wanted.rows.iter().copied().zip(told).collect())
            }
            Ok(results) => Err(format!("{} results", results.len())),
            Err(error) => {
                let told = told_of(&error)?;
                Ok(wanted.rows.iter().map(|row| (*row, (told, None))).collect())
            }
        }
    }

    /// Writes until a writer lives long enough to see all results.
    async fn write_by_name(
        &mut self,
        wanted: &Wanted<'_>,
    ) -> Result<BTreeMap<usize, (Told, Option<String>)>, String> {
        for death in 0..DEATHS {
            // The first one dies after the rows went up, the next one later; what
            // goes wrong before that kills them as well.
            if let Err(error) = self.write_on(wanted, Some(death + 1)).await {
                told_of(&error)?;
            }
        }
        if !self.has_restarted {
            let host = self.site.another_host().await;
            self.crm = host.connection(TENANT, NAME).await.unwrap();
            self.has_restarted = true;
        }
        self.site.control.clear_faults();
        self.site.control.unlock_all_rows();
        let results = self.write_on(wanted, None).await;
        let results = results.map_err(|error| format!("with nothing wrong: {error:?}"))?;
        let told = results.iter().map(|row| {
            let place = usize::try_from(row.row).unwrap();
            let id = row.result.id.clone();
            (wanted.rows[place], (Told::of(&row.result), id))
        });
        Ok(told.collect())
    }

    /// Writes by name, and asks for results so often, or until they are all here.
    async fn write_on(
        &self,
        wanted: &Wanted<'_>,
        asks: Option<usize>,
    ) -> Result<Vec<RowResult>, Error> {
        let options = WriteOptions {
            name: Some(wanted.name.clone()),
            ..WriteOptions::default()
        };
        let operation = match wanted.verb {
            Verb::Create => Operation::Create,
            Verb::Update => Operation::Update,
            Verb::Upsert => Operation::Upsert(KEY.to_owned()),
            Verb::Delete => Operation::Delete,
        };
        let mut writer = self.crm.write("Account", operation, options).await?;
        let mut results = match wanted.verb {
            Verb::Delete => writer.push_ids(&wanted.ids()).await?,
            _ => writer.push(&records(&json!(wanted.records))).await?,
        };
        let mut asked = 0;
        while asks.is_none_or(|asks| asked < asks) {
            let Some(more) = writer.finish().await? else {
                break;
            };
            results.extend(more);
            asked += 1;
        }
        Ok(results)
    }

    async fn query(&self, by_bulk: bool) -> Result<Vec<(usize, Option<i64>)>, Error> {
        let options = QueryOptions {
            page_size: 200,
            way: by_bulk.then(|| "bulk".to_owned()),
            ..QueryOptions::default()
        };
        let soql = format!("SELECT Id, Name, {VALUE} FROM Account");
        let pages = self.crm.query(&soql, options).await?;
        let rows: Vec<Json> = pages.collect(100_000).await?.to_vec().unwrap();
        Ok(rows.iter().map(numbered).collect())
    }

    async fn get(&self, books: &Books, rows: &[usize]) -> Result<Result<(), String>, Error> {
        let entries = rows.iter().map(|number| (*number, &books.entries[*number]));
        let entries: Vec<_> = entries.collect();
        let ids: Vec<String> = entries.iter().map(|(_, e)| e.id.clone().unwrap()).collect();
        let fields = ["Name", VALUE].map(str::to_owned);
        let answer = self.crm.get("Account", &ids, &fields).await?;
        let found: Vec<Json> = serde_json::from_slice(&answer).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|r| (!r.is_null()).then(|| numbered(r)))
            .collect();
        let expected: Vec<_> = entries
            .iter()
            .map(|(number, entry)| entry.value.map(|value| (*number, Some(value))))
            .collect();
        Ok(match found == expected {
            true => Ok(()),
            false => Err(format!("got {found:?} instead of {expected:?}")),
        })
    }
}

impl Wanted<'_> {
    fn ids(&self) -> Vec<String> {
        let ids = self.records.iter();
        ids.map(|id| id.as_str().unwrap().to_owned()).collect()
    }
}

/// A record as it is written; its id if it is deleted.
fn record(books: &Books, verb: Verb, number: usize, value: i64, wrong: Option<usize>) -> Json {
    let entry = &books.entries[number];
    let name = format!("Record {number}");
    let mut record = match verb {
        Verb::Create => json!({"Name": name, VALUE: value}),
        Verb::Update => json!({"Id": entry.id, VALUE: value}),
        Verb::Upsert => json!({KEY: format!("key-{number}"), "Name": name, VALUE: value}),
        Verb::Delete => return json!(entry.id),
    };
    if wrong == Some(number) {
        record["TickerSymbol"] = json!("longer than twenty characters");
    }
    record
}

/// Number and value of a record as it is read.
fn numbered(record: &Json) -> (usize, Option<i64>) {
    let name = record["Name"].as_str().unwrap();
    let number = name.strip_prefix("Record ").unwrap().parse().unwrap();
    (number, record[VALUE].as_i64())
}

/// What an error of a whole write tells of each of its records.
fn told_of(error: &Error) -> Result<Told, String> {
    match error {
        Error::UnknownOutcome { .. } => Ok(Told::InDoubt),
        Error::Unavailable { .. }
        | Error::OverQuota { .. }
        | Error::NeedsReconnect { .. }
        | Error::Unexpected { .. }
        | Error::Refused { .. } => Ok(Told::Failed),
        error => Err(format!("an error that no write should end with: {error:?}")),
    }
}

/// Checks that only what is wrong failed where nothing went wrong.
fn all_done(
    told: &BTreeMap<usize, (Told, Option<String>)>,
    verb: Verb,
    wrong: Option<usize>,
    way: Way,
    before: &[Option<i64>],
    step: &Step,
) -> Result<(), String> {
    let misses =
        |number: &usize| matches!(verb, Verb::Update | Verb::Delete) && before[*number].is_none();
    let is_wrong = |number: &usize| wrong == Some(*number) || misses(number);
    let is_undone = way == Way::AllOrNone && told.keys().any(is_wrong);
    for (number, (told, _)) in told {
        let is_done = !matches!(told, Told::Failed | Told::InDoubt);
        let should_fail = is_undone || is_wrong(number);
        // What locks refused while a job ran stays refused under its name.
        if is_done == should_fail && !step.trouble.locks {
            return Err(format!(
                "record {number} was told as {told:?}, though nothing else went wrong"
            ));
        }
    }
    Ok(())
}

/// Whether a read may end so.
fn read_failed(error: &Error, step: &Step) -> Result<(), String> {
    let may_fail = !step.trouble.rules.is_empty() || matches!(error, Error::OverQuota { .. });
    match error {
        Error::Unavailable { .. }
        | Error::OverQuota { .. }
        | Error::NeedsReconnect { .. }
        | Error::Unexpected { .. }
            if may_fail =>
        {
            Ok(())
        }
        error => Err(format!("the read failed: {error:?}")),
    }
}
