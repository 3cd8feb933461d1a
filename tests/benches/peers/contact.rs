//! The records that are written and read: contacts with eleven fields, made of
//! their number and one of a few templates, the same for every client.

use std::borrow::Cow;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// What the scripts of the other clients read too.
const TEMPLATES: &str = include_str!("../../peers/contacts.json");

/// What is queried: eleven fields, of which one is read. Some 380 bytes a row.
pub(crate) const SOQL: &str = "SELECT Id, FirstName, LastName, Email, Title, Department, Phone, \
     MailingStreet, MailingCity, MailingCountry, LeadSource FROM Contact";

/// How long every client waits between two looks at a job, ours at first. Their
/// own seconds would say nothing but how long they are.
pub(crate) const LOOK_MS: u64 = 250;

/// The most records that one request writes.
pub(crate) const COLLECTION: u64 = 200;

/// All of a contact but what its number says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Template {
    first_name: String,
    title: String,
    department: String,
    phone: String,
    mailing_street: String,
    mailing_city: String,
    mailing_state: String,
    mailing_country: String,
    lead_source: String,
}

/// A contact to write.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Contact<'a> {
    /// In front, as Collections want it.
    #[serde(rename = "attributes", skip_serializing_if = "Option::is_none")]
    pub(crate) attributes: Option<Attributes>,
    first_name: &'a str,
    title: &'a str,
    department: &'a str,
    phone: &'a str,
    mailing_street: &'a str,
    mailing_city: &'a str,
    mailing_state: &'a str,
    mailing_country: &'a str,
    lead_source: &'a str,
    last_name: String,
    email: String,
}

/// What tells Collections of which object a record is.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Attributes {
    pub(crate) r#type: &'static str,
}

/// The templates, in the order in which contacts take turns with them.
pub(crate) fn templates() -> Result<Vec<Template>> {
    Ok(serde_json::from_str(TEMPLATES)?)
}

/// The contacts of these numbers.
pub(crate) fn contacts(templates: &[Template], numbers: std::ops::Range<u64>) -> Vec<Contact<'_>> {
    let turns = templates
        .iter()
        .cycle()
        .skip(turn(templates, numbers.start));
    numbers
        .zip(turns)
        .map(|(n, template)| Contact {
            attributes: None,
            first_name: &template.first_name,
            title: &template.title,
            department: &template.department,
            phone: &template.phone,
            mailing_street: &template.mailing_street,
            mailing_city: &template.mailing_city,
            mailing_state: &template.mailing_state,
            mailing_country: &template.mailing_country,
            lead_source: &template.lead_source,
            last_name: format!("Peer {n:07}"),
            email: format!("peer.{n:07}@example.com"),
        })
        .collect()
}

fn turn(templates: &[Template], number: u64) -> usize {
    usize::try_from(number).unwrap_or(0) % templates.len().max(1)
}

/// The one field that every client reads of a row.
#[derive(Debug, Deserialize)]
pub(crate) struct Row<'a> {
    #[serde(borrow, rename = "Email")]
    pub(crate) email: Cow<'a, str>,
}

/// What is shown of a row so that clients can be compared.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Shown {
    id: String,
    email: String,
    first_name: String,
}

impl Shown {
    /// The row as one line; the scripts print the same.
    pub(crate) fn line(&self) -> String {
        format!("row {} {} {}", self.id, self.email, self.first_name)
    }
}

/// What came of a task: the rows, and the length of the field in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) rows: u64,
    pub(crate) length: u64,
}

impl Outcome {
    /// Reads the field of some rows.
    pub(crate) fn read(&mut self, rows: &[Row<'_>]) {
        self.rows += rows.len() as u64;
        self.length += rows.iter().map(|row| row.email.len() as u64).sum::<u64>();
    }

    /// Reads the field of one row.
    pub(crate) fn read_one(&mut self, row: &Row<'_>) {
        self.read(std::slice::from_ref(row));
    }
}
