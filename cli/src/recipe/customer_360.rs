//! One profile of each customer: accounts and contacts of the CRM, members of the mailing
//! list and people of a support tool, with their notes, tasks, orders and tickets. Who is
//! known to another source only is written back to the CRM.

mod merge;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use lockgate::manifest::World;
use lockgate::{Records, Transform, WriteOptions};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::report::{Course, Stopped};
use super::stage::{Record, Stage, id, query, text, written};
use crate::packages;
use crate::steps::same;
use crate::text::counted;
use merge::{Account, Contact, Person, SOURCES, domain, merge};

/// What the support tool has exported.
const SUPPORT: &str = include_str!("customer_360/support.json");

/// The field by which records of other sources are found in the CRM.
const KEY: &str = "External_Id__c";

/// Someone who has asked the support for help.
#[derive(Debug, Deserialize)]
struct Asker {
    id: String,
    /// The account's external id.
    account: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    tickets: Vec<Json>,
}

/// All that the sources have, people normalised.
struct Collected {
    accounts: Vec<Record>,
    people: Vec<Person>,
    notes: Vec<Record>,
    tasks: Vec<Record>,
    orders: Vec<Record>,
    /// By the support tool's id of the person.
    tickets: BTreeMap<String, Vec<Json>>,
}

pub(super) async fn run(stage: &Stage, course: &mut Course) -> Result<Json, Stopped> {
    course.step("fill the sources", fill(stage)).await?;
    let normalizer = course.step("load the plugin", normalizer(stage)).await?;
    let collected = course.step("collect", collect(stage, &normalizer)).await?;
    let contacts = course.step("match", matched(&collected)).await?;
    course
        .step("write back", write_back(stage, &contacts))
        .await?;
    course
        .step("once more", once_more(stage, &normalizer, &contacts))
        .await?;
    course
        .step("profile", profile(stage, &collected, &contacts))
        .await
}

/// Two customers, known to all three sources in different words.
async fn fill(stage: &Stage) -> Result<((), String)> {
    let accounts = [
        json!({KEY: "A-1", "Name": "Northwind Boats", "Website": "https://www.northwind.example.com"}),
        json!({KEY: "A-2", "Name": "Tidal Works", "Website": "https://tidal.example.org"}),
    ];
    let mut ids = Vec::new();
    for account in accounts {
        ids.push(stage.create("Account", account).await?);
    }
    let [northwind, tidal] = &ids[..] else {
        anyhow::bail!("two accounts were to be made")
    };
    let anna = json!({
        "FirstName": "ANNA", "LastName": "BERG", "Email": "Anna.Berg@Northwind.example.com",
        "Phone": "(415) 555-0100", "AccountId": northwind,
    });
    let anna = stage.create("Contact", anna).await?;
    let ola = json!({
        "FirstName": "Ola", "LastName": "Holm", "Email": "ola@tidal.example.org",
        "AccountId": tidal,
    });
    stage.create("Contact", ola).await?;
    let task = json!({
        "Subject": "Call about the refit", "Status": "Not Started", "Priority": "Normal",
        "WhatId": northwind, "WhoId": anna,
    });
    stage.create("Task", task).await?;
    let note = json!({
        "kind": "content-note", "parent_id": northwind, "title": "Refit", "text": "Wants it by May.",
    });
    stage.crm.invoke("save-note", &note).await?;
    order(stage, northwind).await?;
    for member in [
        json!({"email": "anna.berg@northwind.example.com", "first_name": "Anna",
               "last_name": "Berg-Holm", "status": "unsubscribed"}),
        json!({"email": "max@northwind.example.com", "first_name": "Max", "last_name": "Maas"}),
        json!({"email": "jo@freemail.example", "first_name": "Jo", "last_name": "Roe"}),
    ] {
        let fields = member.as_object().context("a member is an object")?;
        stage.service.create(fields)?;
    }
    Ok((
        (),
        "2 accounts, 2 contacts, 3 members, 2 people of the support".to_owned(),
    ))
}

async fn order(stage: &Stage, account: &str) -> Result<()> {
    let product = json!({"Name": "Winch", "IsActive": true});
    let product = stage.create("Product2", product).await?;
    let price = json!({"product": product, "unit_price": 950});
    let price = stage.crm.invoke("set-price", &price).await?;
    let entry = price
        .pointer("/price/entry")
        .context("a price without an entry")?;
    let book = stage
        .query("SELECT Id FROM Pricebook2 WHERE IsStandard = true")
        .await?;
    let book = id(book.first().context("the org has no standard price book")?)?;
    let order = json!({
        "AccountId": account, "Pricebook2Id": book, "EffectiveDate": "2030-03-01",
        "Status": "Draft",
        "OrderItems": {"records": [{"PricebookEntryId": entry, "Quantity": 2, "UnitPrice": 950}]},
    });
    stage.create("Order", order).await?;
    Ok(())
}

/// The plugin that brings people into one form, told what the fields of ours hold.
async fn normalizer(stage: &Stage) -> Result<(Transform, String)> {
    let name = "contact-normalizer";
    let package = packages::built_in(name).context("a built-in package is missing")??;
    packages::load(&stage.host, &package, World::Transform).await?;
    let settings = json!({
        "default_country": "US",
        "objects": { "Person": { "fields": {
            "first_name": "given-name", "last_name": "family-name", "email": "email",
            "phone": "phone",
        }}},
    });
    let transform = stage.host.transform(name, &settings).await?;
    Ok((transform, name.to_owned()))
}

/// Reads all sources, and has their people normalised.
async fn collect(stage: &Stage, normalizer: &Transform) -> Result<(Collected, String)> {
    let accounts = stage
        .query("SELECT Id, Name, Website, External_Id__c FROM Account ORDER BY Name")
        .await?;
    let mut people = from_crm(stage).await?;
    people.extend(from_list(stage).await?);
    let askers: Vec<Asker> = serde_json::from_str(SUPPORT).context("the support tool's file")?;
    let mut tickets = BTreeMap::new();
    for asker in askers {
        tickets.insert(asker.id.clone(), asker.tickets);
        people.push(Person {
            source: "support".to_owned(),
            id: asker.id,
            first_name: asker.first_name,
            last_name: asker.last_name,
            email: asker.email,
            phone: asker.phone,
            account_key: asker.account,
            ..Person::default()
        });
    }
    let count = people.len();
    let normalised = normalizer
        .apply("Person", &Records::from_items(&people)?)
        .await?;
    let people: Vec<Person> = normalised.records.to_vec()?;
    same("people that came out of the plugin", people.len(), count)?;
    let ids: Vec<&str> = accounts.iter().map(id).collect::<Result<_>>()?;
    let notes = stage
        .crm
        .invoke("notes-of", &json!({ "parent_ids": ids }))
        .await?;
    let notes = notes.get("notes").cloned().unwrap_or_default();
    let collected = Collected {
        accounts,
        people,
        notes: serde_json::from_value(notes).context("notes are a list of objects")?,
        tasks: stage
            .query("SELECT WhatId, Subject, Status FROM Task")
            .await?,
        orders: stage
            .query("SELECT AccountId, OrderNumber, Status, TotalAmount FROM Order")
            .await?,
        tickets,
    };
    let what = format!("{count} people of {} sources, normalised", SOURCES.len());
    Ok((collected, what))
}

async fn from_crm(stage: &Stage) -> Result<Vec<Person>> {
    let contacts = stage
        .query("SELECT Id, FirstName, LastName, Email, Phone, AccountId FROM Contact")
        .await?;
    let owned = |record: &Record, field| text(record, field).map(str::to_owned);
    let person = |contact: &Record| {
        Ok(Person {
            source: "crm".to_owned(),
            id: id(contact)?.to_owned(),
            first_name: owned(contact, "FirstName"),
            last_name: owned(contact, "LastName"),
            email: owned(contact, "Email"),
            phone: owned(contact, "Phone"),
            account: owned(contact, "AccountId"),
            ..Person::default()
        })
    };
    contacts.iter().map(person).collect()
}

async fn from_list(stage: &Stage) -> Result<Vec<Person>> {
    let members = query(&stage.list, "Member").await?;
    let owned = |record: &Record, field| text(record, field).map(str::to_owned);
    let person = |member: &Record| {
        Ok(Person {
            source: "list".to_owned(),
            id: id(member)?.to_owned(),
            first_name: owned(member, "first_name"),
            last_name: owned(member, "last_name"),
            email: owned(member, "email"),
            newsletter: owned(member, "status"),
            ..Person::default()
        })
    };
    members.iter().map(person).collect()
}

async fn matched(collected: &Collected) -> Result<(Vec<Contact>, String)> {
    let accounts = collected.accounts.iter().map(|account| {
        Ok(Account {
            id: id(account)?.to_owned(),
            key: text(account, KEY).map(str::to_owned),
            domain: text(account, "Website").and_then(domain),
        })
    });
    let accounts: Vec<Account> = accounts.collect::<Result<_>>()?;
    let contacts = merge(collected.people.clone(), &accounts);
    same("contacts", contacts.len(), 5)?;
    let by = |way: &str| {
        let found = contacts
            .iter()
            .filter(|contact| contact.matched_by == Some(way));
        found.count()
    };
    same("found by the CRM", by("crm"), 2)?;
    same("found by an external id", by("external id"), 1)?;
    same("found by a domain", by("e-mail domain"), 1)?;
    let conflicts: usize = contacts.iter().map(|contact| contact.conflicts.len()).sum();
    same("conflicts", conflicts, 2)?;
    let what = format!(
        "{} are {} people, {}",
        counted(collected.people.len(), "record"),
        contacts.len(),
        counted(conflicts, "conflict")
    );
    Ok((contacts, what))
}

/// Writes people whom the CRM does not know, but whose account it does, by an external
/// id that is made of their id in the source that has them.
async fn write_back(stage: &Stage, contacts: &[Contact]) -> Result<((), String)> {
    let records = contacts.iter().filter_map(|contact| {
        let account = contact.account.as_ref()?;
        if contact.sources.contains_key("crm") {
            return None;
        }
        let (source, id) = contact.sources.first_key_value()?;
        Some(json!({
            KEY: format!("{source}-{id}"),
            "AccountId": account,
            "FirstName": contact.first_name,
            "LastName": contact.last_name,
            "Email": contact.email,
            "Phone": contact.phone,
        }))
    });
    let records: Vec<Json> = records.collect();
    let results = stage
        .crm
        .upsert(
            "Contact",
            KEY,
            &Records::from_items(&records)?,
            WriteOptions::default(),
        )
        .await?;
    let ids = written("Contact", &results)?;
    same("contacts written back", ids.len(), 2)?;
    Ok((
        (),
        format!("{} that only others knew", counted(ids.len(), "contact")),
    ))
}

/// Collects again: who was written back is one of the CRM's now, and nobody is there
/// twice.
async fn once_more(
    stage: &Stage,
    normalizer: &Transform,
    before: &[Contact],
) -> Result<((), String)> {
    write_back(stage, before).await?;
    let contacts = stage.query("SELECT Id FROM Contact").await?;
    same("contacts in the CRM", contacts.len(), 4)?;
    let (collected, _) = collect(stage, normalizer).await?;
    let again = merge(collected.people, &[]);
    same("people", again.len(), before.len())?;
    let known = again
        .iter()
        .filter(|contact| contact.matched_by == Some("crm"));
    same("people that the CRM knows", known.count(), 4)?;
    Ok(((), "nobody is there twice".to_owned()))
}

/// The profiles, as one JSON that is kept as well.
async fn profile(
    stage: &Stage,
    collected: &Collected,
    contacts: &[Contact],
) -> Result<(Json, String)> {
    let mut accounts = Vec::new();
    for account in &collected.accounts {
        let key = id(account)?;
        let own = |contact: &&Contact| contact.account.as_deref() == Some(key);
        let contacts: Vec<&Contact> = contacts.iter().filter(own).collect();
        let tickets = contacts.iter().filter_map(|contact| {
            let asker = contact.sources.get("support")?;
            collected.tickets.get(asker)
        });
        accounts.push(json!({
            "name": account.get("Name"),
            "external_id": account.get(KEY),
            "contacts": contacts,
            "notes": of(&collected.notes, ("parent_id", key), &["title", "text"]),
            "tasks": of(&collected.tasks, ("WhatId", key), &["Subject", "Status"]),
            "orders": of(
                &collected.orders,
                ("AccountId", key),
                &["OrderNumber", "Status", "TotalAmount"],
            ),
            "tickets": tickets.flatten().collect::<Vec<&Json>>(),
        }));
    }
    let unmatched: Vec<&Contact> = contacts
        .iter()
        .filter(|contact| contact.account.is_none())
        .collect();
    let profile = json!({ "accounts": accounts, "unmatched": unmatched });
    for (pointer, count) in [
        ("/accounts/0/contacts", 2),
        ("/accounts/0/notes", 1),
        ("/accounts/0/tasks", 1),
        ("/accounts/0/orders", 1),
        ("/accounts/0/tickets", 1),
        ("/accounts/1/contacts", 2),
        ("/accounts/1/tickets", 2),
        ("/unmatched", 1),
    ] {
        let found = profile
            .pointer(pointer)
            .and_then(Json::as_array)
            .map_or(0, Vec::len);
        same(pointer, found, count)?;
    }
    stage.write("profile.json", &serde_json::to_string_pretty(&profile)?)?;
    let what = format!("{}, in profile.json", counted(accounts.len(), "account"));
    Ok((profile, what))
}

/// The records of an account, with these fields.
fn of(records: &[Record], (field, account): (&str, &str), wanted: &[&str]) -> Vec<Json> {
    let own = records
        .iter()
        .filter(|record| text(record, field) == Some(account));
    let short = |record: &Record| {
        let told = wanted
            .iter()
            .map(|name| ((*name).to_owned(), record.get(*name).cloned()));
        told.map(|(name, value)| (name, value.unwrap_or_default()))
            .collect::<Record>()
    };
    own.map(short).map(Json::Object).collect()
}
