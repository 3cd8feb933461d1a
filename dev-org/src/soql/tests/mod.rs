//! Queries against a small org: what they answer and how they are refused.

mod conditions;
mod errors;
mod fields;
mod groups;
mod many;
mod paging;
mod relationships;
mod rights;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Answer, Page, run};
use crate::fault::Fault;
use crate::org::{Org, WriteOptions};
use crate::schema::{DEMO, Schema};
use crate::user::User;
use crate::value::parse_datetime;

/// An org with a handful of records, known by short names.
struct Small {
    org: Org,
    who: User,
    ids: HashMap<&'static str, String>,
}

impl Small {
    /// Three accounts in a row of parents, their people, deals, tasks and
    /// invoices, all made on Saturday 2026-05-16 at noon.
    fn new() -> Self {
        let mut schema = Schema::standard().unwrap();
        schema.extend(DEMO).unwrap();
        let mut org = Org::new(schema);
        org.set_now_ms(parse_datetime("2026-05-16T12:00:00Z"));
        let who = User::clone(org.users().next().unwrap());
        let ids = HashMap::new();
        let mut small = Self { org, who, ids };
        small.add_accounts();
        small.add_people_and_deals();
        small.add_tasks_and_invoices();
        small
    }

    fn add_accounts(&mut self) {
        let acme = json!({
            "Name": "Acme", "Industry": "Technology", "NumberOfEmployees": 100,
            "AnnualRevenue": 1_000_000.0, "BillingCity": "Berlin", "External_Id__c": "a-1",
            "Description": "Makes everything",
        });
        self.add("acme", "Account", acme);
        let bolt = json!({"Name": "Bolt", "NumberOfEmployees": 5, "ParentId": self.id("acme")});
        self.add("bolt", "Account", bolt);
        let cargo = json!({"Name": "cargo", "Industry": "Technology", "ParentId": self.id("bolt")});
        self.add("cargo", "Account", cargo);
    }

    fn add_people_and_deals(&mut self) {
        let acme = self.id("acme").to_owned();
        let bolt = self.id("bolt").to_owned();
        for (key, first, last, email, account) in [
            ("ada", "Ada", "Lovelace", "ada@example.com", Some(&acme)),
            ("bob", "Bob", "Stone", "bob@example.com", Some(&acme)),
            ("cy", "Cy", "Young", "cy@example.com", None),
        ] {
            let person =
                json!({"FirstName": first, "LastName": last, "Email": email, "AccountId": account});
            self.add(key, "Contact", person);
        }
        for (key, name, amount, stage, close, account) in [
            ("big", "Big deal", 500.0, "Prospecting", "2026-05-20", &acme),
            (
                "small",
                "Small deal",
                100.0,
                "Closed Won",
                "2026-01-10",
                &acme,
            ),
            ("mid", "Mid deal", 300.0, "Prospecting", "2025-12-31", &bolt),
        ] {
            let deal = json!({
                "Name": name, "Amount": amount, "StageName": stage, "CloseDate": close,
                "AccountId": account,
            });
            self.add(key, "Opportunity", deal);
        }
    }

    fn add_tasks_and_invoices(&mut self) {
        let call = json!({"Subject": "Call", "WhoId": self.id("ada"), "WhatId": self.id("acme")});
        self.add("call", "Task", call);
        let email = json!({"Subject": "Email", "WhatId": self.id("big")});
        self.add("email", "Task", email);
        self.add("alone", "Task", json!({"Subject": "Other"}));
        for (key, amount, tags) in [
            ("one", 10.0, Some("Recurring;Export")),
            ("two", 20.5, Some("Disputed")),
            ("three", 30.0, None),
        ] {
            let invoice = json!({
                "Account__c": self.id("acme"), "Amount__c": amount, "Tags__c": tags,
                "Due_Date__c": "2026-05-31",
            });
            self.add(key, "Invoice__c", invoice);
        }
    }

    fn add(&mut self, key: &'static str, object: &str, fields: Json) {
        let body = fields.as_object().unwrap();
        let options = WriteOptions::default();
        let id = self.org.create(&self.who, object, body, &options).unwrap();
        self.ids.insert(key, id.to_string());
    }

    fn id(&self, key: &str) -> &str {
        &self.ids[key]
    }

    fn answer(&self, text: &str) -> Result<Answer, Fault> {
        run(&self.org, &self.who, text, false, "v60.0")
    }

    fn refused(&self, text: &str) -> Fault {
        self.answer(text).unwrap_err()
    }

    /// The last line of the message, which says what is wrong.
    fn complaint(&self, text: &str) -> (&'static str, String) {
        let fault = self.refused(text);
        let line = fault.message.lines().last().unwrap().to_owned();
        (fault.code, line)
    }

    /// The records of a query as text, keys in their order.
    fn json(&self, text: &str) -> String {
        written(&self.org, &self.answer(text).unwrap())
    }

    fn records(&self, text: &str) -> Vec<Json> {
        serde_json::from_str(&self.json(text)).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The first selected value of every record.
    fn column(&self, text: &str) -> Vec<Json> {
        let second = |record: &Json| record.as_object().unwrap().values().nth(1).cloned();
        self.records(text).iter().filter_map(second).collect()
    }

    /// The names of the accounts for which a condition holds.
    fn accounts(&self, condition: &str) -> Vec<String> {
        let names = self.column(&format!("SELECT Name FROM Account WHERE {condition}"));
        names
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    /// The same with a field hidden from the user.
    fn hiding(mut self, object: &str, field: &str) -> Self {
        self.who.hide_field(object, field);
        self
    }
}

/// All records of an answer, none of which has more children than fit.
fn written(org: &Org, answer: &Answer) -> String {
    let mut out = Vec::new();
    let page = Page {
        from: 0,
        size: 2_000,
    };
    let keep = &mut |_: Answer| panic!("no page of children is left over");
    answer.write_records(org, page, keep, &mut out);
    String::from_utf8(out).unwrap()
}

/// The org is shared by tests that do not change it.
fn small() -> Arc<Small> {
    static SMALL: std::sync::OnceLock<Arc<Small>> = std::sync::OnceLock::new();
    Arc::clone(SMALL.get_or_init(|| Arc::new(Small::new())))
}
