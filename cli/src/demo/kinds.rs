//! The objects that the demo works on, parents first, and a plausible record of
//! each.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Value as Json, json};

/// The custom field by which records are found in an upsert.
pub(super) const EXTERNAL_ID: &str = "External_Id__c";

/// `<p>Met at the fair; wants a quote.</p>` in base64, as content notes want it.
const NOTE_HTML: &str = "PHA+TWV0IGF0IHRoZSBmYWlyOyB3YW50cyBhIHF1b3RlLjwvcD4=";

/// One object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) object: &'static str,
    /// Whether the demo's schema gives it an external id.
    pub(super) has_external_id: bool,
    /// The field that an update changes.
    pub(super) changed: &'static str,
}

/// All of them, in an order in which each can refer to those before it.
pub(super) const KINDS: [Kind; 11] = [
    kind("Account", true, "Phone"),
    kind("Product2", true, "Description"),
    kind("PricebookEntry", false, "UnitPrice"),
    kind("Contact", true, "Title"),
    kind("Lead", true, "Title"),
    kind("Opportunity", true, "NextStep"),
    kind("Order", true, "Description"),
    kind("OrderItem", false, "Quantity"),
    kind("Task", true, "Priority"),
    kind("Note", false, "Title"),
    kind("ContentNote", false, "Title"),
];

const fn kind(object: &'static str, has_external_id: bool, changed: &'static str) -> Kind {
    Kind {
        object,
        has_external_id,
        changed,
    }
}

/// What records refer to.
#[derive(Debug)]
pub(super) struct Parents<'a> {
    pub(super) ids: &'a BTreeMap<&'static str, Vec<String>>,
    pub(super) price_book: &'a str,
}

impl Parents<'_> {
    fn id(&self, object: &str, number: usize) -> Result<&str> {
        let ids = self.ids.get(object).map(Vec::as_slice).unwrap_or_default();
        let at = number.checked_rem(ids.len()).unwrap_or(0);
        ids.get(at)
            .map(String::as_str)
            .with_context(|| format!("there is no {object} to refer to"))
    }
}

impl Kind {
    /// The field by which an upsert finds its record.
    pub(super) const fn key(self) -> &'static str {
        if self.has_external_id {
            EXTERNAL_ID
        } else {
            "Id"
        }
    }

    /// The value of the key of a record.
    pub(super) fn external_id(self, number: usize) -> String {
        format!("demo-{}-{number}", self.object.to_lowercase())
    }

    /// A new record.
    pub(super) fn record(self, number: usize, parents: &Parents<'_>) -> Result<Json> {
        let mut record = self.fields(number, parents)?;
        if let (true, Some(fields)) = (self.has_external_id, record.as_object_mut()) {
            fields.insert(EXTERNAL_ID.to_owned(), self.external_id(number).into());
        }
        Ok(record)
    }

    fn fields(self, number: usize, parents: &Parents<'_>) -> Result<Json> {
        Ok(match self.object {
            "Account" => json!({
                "Name": format!("Harbour Trading {number}"),
                "BillingCity": "Bremen",
                "BillingCountry": "Germany",
            }),
            "Product2" => json!({
                "Name": format!("Mooring line {number}"),
                "ProductCode": format!("DEMO-{number}"),
                "IsActive": true,
            }),
            "PricebookEntry" => json!({
                "Pricebook2Id": parents.price_book,
                "Product2Id": parents.id("Product2", number)?,
                "UnitPrice": 20 + number,
                "IsActive": true,
            }),
            "Contact" => json!({
                "AccountId": parents.id("Account", number)?,
                "FirstName": "JEAN-LUC",
                "LastName": format!("van der berg {}", letters(number)),
                "Email": format!("Jean.Luc.{number}@Example.COM"),
                "Phone": "(415) 555-0100",
                "MailingCountry": "U.S.A.",
            }),
            "Lead" => json!({
                "LastName": format!("Okafor {}", letters(number)),
                "Company": format!("Tideway {number}"),
                "Title": if number.is_multiple_of(2) { "Chief Buyer" } else { "Clerk" },
                "Email": format!("okafor.{number}@example.com"),
                "NumberOfEmployees": 100 * (number % 12),
            }),
            "Opportunity" => json!({
                "AccountId": parents.id("Account", number)?,
                "Name": format!("Refit {number}"),
                "StageName": "Prospecting",
                "CloseDate": "2030-06-30",
                "Amount": 1000 * (number + 1),
            }),
            "Order" => json!({
                "AccountId": parents.id("Account", number)?,
                "Pricebook2Id": parents.price_book,
                "EffectiveDate": "2030-01-15",
                "Status": "Draft",
            }),
            "OrderItem" => json!({
                "OrderId": parents.id("Order", number)?,
                "PricebookEntryId": parents.id("PricebookEntry", number)?,
                "Quantity": 1 + number % 5,
                "UnitPrice": 20 + number,
            }),
            "Task" => json!({
                "Subject": format!("Call back {number}"),
                "WhatId": parents.id("Account", number)?,
                "Status": "Not Started",
                "Priority": "Normal",
            }),
            "Note" => json!({
                "ParentId": parents.id("Account", number)?,
                "Title": format!("Visit {number}"),
                "Body": "Wants the brochure.",
            }),
            _ => json!({ "Title": format!("Fair {number}"), "Content": NOTE_HTML }),
        })
    }

    /// A new value of the changed field: `round` tells one change from the next.
    pub(super) fn value(self, number: usize, round: usize) -> Json {
        match self.object {
            "PricebookEntry" => json!(100 * round + number),
            "OrderItem" => json!(10 * round + 1 + number % 5),
            "Task" => json!(if round.is_multiple_of(2) {
                "Low"
            } else {
                "High"
            }),
            "Account" => json!(format!("(415) 555-01{:02}", (10 * round + number) % 100)),
            _ => json!(format!("Changed {round}.{number}")),
        }
    }
}

/// A number in letters, for names of people.
fn letters(number: usize) -> String {
    let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap_or(0));
    format!(
        "{}{}",
        letter(number / 26).to_ascii_uppercase(),
        letter(number)
    )
}
