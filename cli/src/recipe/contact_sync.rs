//! Contacts of the CRM and members of the mailing list, both ways: two syncs on one
//! database, and triggers between their tables.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use lockgate_sync::{Engine, Target};
use rusqlite::Connection as Sqlite;
use serde_json::{Map, Value as Json, json};

use super::at_work::{AtWork, engine};
use super::report::{Course, Stopped};
use super::stage::{Record, Stage, text};
use crate::steps::same;
use crate::text::counted;

/// Contacts, accounts and others that the org begins with.
pub(super) const RECORDS: usize = 100;

/// What a user runs once both syncs have loaded.
const TRIGGERS: &str = include_str!("contact_sync.sql");

/// Keys of rows go to the other side, so that nothing is ever created twice.
const CRM: &str = "[objects.Contact]\nkey_field = \"External_Id__c\"";
const LIST: &str = "[objects.Member]\nkey_field = \"external_key\"";

/// A person as both sides have it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Person {
    first_name: Option<String>,
    last_name: Option<String>,
    is_out: bool,
}

/// By e-mail address in lower case.
type People = BTreeMap<String, Person>;

pub(super) async fn run(stage: &Stage, course: &mut Course) -> Result<Json, Stopped> {
    let file = stage.folder.join("crm.db");
    let [crm, list] = course
        .step("set up two syncs", set_up(stage, &file))
        .await?;
    course
        .step("load both", async {
            crm.run_once().await?;
            list.run_once().await?;
            let (contacts, members) = (count(&file, "contact")?, count(&file, "member")?);
            let what = format!(
                "{} and {}",
                counted(contacts, "contact"),
                counted(members, "member")
            );
            Ok(((), what))
        })
        .await?;
    let mut at_work = course
        .step("join the tables", async {
            open(&file)?
                .execute_batch(TRIGGERS)
                .context("the triggers")?;
            let mut at_work = AtWork::begin([crm, list]);
            let people = equal(stage, &mut at_work).await?;
            Ok((at_work, format!("{people} people on both sides")))
        })
        .await?;
    course
        .step("the CRM changes", the_crm_changes(stage, &mut at_work))
        .await?;
    course
        .step("the list changes", the_list_changes(stage, &mut at_work))
        .await?;
    course
        .step(
            "a program writes",
            a_program_writes(stage, &mut at_work, &file),
        )
        .await?;
    let people = course
        .step("nothing echoes", nothing_echoes(stage, at_work))
        .await?;
    Ok(json!({ "people": people, "letters": 0, "conflicts": 0 }))
}

/// Two syncs on one file, each with bookkeeping of its own.
async fn set_up(stage: &Stage, file: &Path) -> Result<([Arc<Engine>; 2], String)> {
    ensure!(
        !file.exists(),
        "{} is there already: keep this run's files elsewhere",
        file.display()
    );
    // One person is on both sides from the beginning, in other letters.
    let ann = json!({"FirstName": "Ann", "LastName": "Lee", "Email": "ann.lee@example.com"});
    stage.create("Contact", ann).await?;
    for member in [
        json!({"email": "Ann.Lee@Example.com", "first_name": "Anne", "status": "unsubscribed"}),
        json!({"email": "bo@example.com", "first_name": "Bo", "last_name": "Berg", "tags": ["vip"]}),
        json!({"email": "cy@example.com", "first_name": "Cy", "last_name": "Cruz"}),
    ] {
        stage.service.create(&fields(member))?;
    }
    let target = Target::sqlite(file);
    let crm = target.clone().of_sync("crm")?;
    let list = target.of_sync("list")?;
    let engines = [
        engine(&stage.crm, "Contact", CRM, &crm).await?,
        engine(&stage.list, "Member", LIST, &list).await?,
    ];
    Ok((
        engines,
        "Contact and Member in one file of SQLite".to_owned(),
    ))
}

async fn the_crm_changes(stage: &Stage, at_work: &mut AtWork) -> Result<((), String)> {
    let ann = stage
        .query("SELECT Id FROM Contact WHERE Email = 'ann.lee@example.com'")
        .await?;
    let id = ann.first().context("Ann is not in the CRM")?.get("Id");
    let update = json!({"Id": id, "LastName": "Lee-Ng", "HasOptedOutOfEmail": false});
    stage.update("Contact", update).await?;
    let dee = json!({"FirstName": "Dee", "LastName": "Diaz", "Email": "dee@example.com"});
    stage.create("Contact", dee).await?;
    equal(stage, at_work).await?;
    let list = in_list(stage);
    let ann = list
        .get("ann.lee@example.com")
        .context("Ann is not on the list")?;
    same(
        "Ann's name on the list",
        ann.last_name.as_deref(),
        Some("Lee-Ng"),
    )?;
    same("whether Ann is out", ann.is_out, false)?;
    ensure!(
        list.contains_key("dee@example.com"),
        "Dee is not on the list"
    );
    Ok((
        (),
        "a name, an opt-in and a new contact are on the list".to_owned(),
    ))
}

async fn the_list_changes(stage: &Stage, at_work: &mut AtWork) -> Result<((), String)> {
    let members = stage.service.members();
    let bo = members.iter().find(|member| {
        member
            .get("email")
            .is_some_and(|email| email == "bo@example.com")
    });
    let bo = bo.and_then(|member| member.get("id")?.as_str());
    let bo = bo.context("Bo is not on the list")?;
    let change = json!({"status": "unsubscribed", "email": "bo.berg@example.com"});
    stage.service.update(bo, &fields(change))?;
    let eve = json!({"email": "eve@example.com", "first_name": "Eve", "last_name": "Eng"});
    stage.service.create(&fields(eve))?;
    equal(stage, at_work).await?;
    let crm = in_crm(stage).await?;
    let bo = crm
        .get("bo.berg@example.com")
        .context("Bo's address is the old one")?;
    same("whether Bo is out", bo.is_out, true)?;
    ensure!(crm.contains_key("eve@example.com"), "Eve is not in the CRM");
    Ok((
        (),
        "an opt-out, an address and a new member are in the CRM".to_owned(),
    ))
}

async fn a_program_writes(
    stage: &Stage,
    at_work: &mut AtWork,
    file: &Path,
) -> Result<((), String)> {
    open(file)?.execute(
        "UPDATE contact SET first_name = 'Cyrus' WHERE email = 'cy@example.com'",
        [],
    )?;
    equal(stage, at_work).await?;
    for (side, people) in [
        ("the list", in_list(stage)),
        ("the CRM", in_crm(stage).await?),
    ] {
        let cy = people.get("cy@example.com").context("Cy is gone")?;
        let what = format!("Cy's name in {side}");
        same(&what, cy.first_name.as_deref(), Some("Cyrus"))?;
    }
    Ok(((), "one UPDATE is in the CRM and on the list".to_owned()))
}

/// Lets both rest, compares all records once more, and looks that nothing was left to
/// send: what came from one side has not come back.
async fn nothing_echoes(stage: &Stage, at_work: AtWork) -> Result<(usize, String)> {
    let engines = at_work.rest().await?;
    let changes = stage.service.change_count();
    for engine in &engines {
        let before = engine.activity().borrow().sent;
        engine.run_once().await?;
        same(
            "what a comparison has sent",
            engine.activity().borrow().sent,
            before,
        )?;
        let status = engine.database().status().await?;
        same("dead letters", status.letters_in + status.letters_out, 0)?;
        same("conflicts", status.decided + status.undecided, 0)?;
    }
    same(
        "changes of the list since",
        stage.service.change_count(),
        changes,
    )?;
    let (crm, list) = (in_crm(stage).await?, in_list(stage));
    same("both sides", &crm, &list)?;
    let what = "all records compared once more, nothing to send, no letters, no conflicts";
    Ok((crm.len(), what.to_owned()))
}

/// Waits until both sides have the same people, and gives how many.
async fn equal(stage: &Stage, at_work: &mut AtWork) -> Result<usize> {
    let are_equal = async || Ok(in_crm(stage).await? == in_list(stage));
    at_work
        .until("the CRM and the list have the same people", are_equal)
        .await?;
    Ok(in_list(stage).len())
}

async fn in_crm(stage: &Stage) -> Result<People> {
    let query = "SELECT Email, FirstName, LastName, HasOptedOutOfEmail FROM Contact \
                 WHERE Email != null";
    let records = stage.query(query).await?;
    let fields = ["Email", "FirstName", "LastName"];
    Ok(people(&records, fields, |record| {
        record.get("HasOptedOutOfEmail") == Some(&Json::Bool(true))
    }))
}

fn in_list(stage: &Stage) -> People {
    let members: Vec<Record> = stage.service.members().into_iter().map(fields).collect();
    people(&members, ["email", "first_name", "last_name"], |member| {
        text(member, "status") == Some("unsubscribed")
    })
}

fn people(
    records: &[Record],
    [email, first_name, last_name]: [&str; 3],
    is_out: impl Fn(&Record) -> bool,
) -> People {
    let owned = |record: &Record, field| text(record, field).map(str::to_owned);
    let person = |record: &Record| {
        let person = Person {
            first_name: owned(record, first_name),
            last_name: owned(record, last_name),
            is_out: is_out(record),
        };
        Some((text(record, email)?.to_lowercase(), person))
    };
    records.iter().filter_map(person).collect()
}

fn fields(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The file as any program opens it.
fn open(file: &Path) -> Result<Sqlite> {
    let sqlite = Sqlite::open(file)?;
    sqlite.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(sqlite)
}

fn count(file: &Path, table: &str) -> Result<usize> {
    let query = format!("SELECT count(*) FROM {table}");
    let count: u32 = open(file)?.query_row(&query, [], |row| row.get(0))?;
    Ok(usize::try_from(count)?)
}
