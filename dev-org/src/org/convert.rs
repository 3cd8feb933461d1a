//! Lead conversion: a lead becomes a contact of an account, new or known, and
//! perhaps a deal; the lead itself is closed for good.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use time::{Date, Month};

use super::draft::Draft;
use super::{Org, WriteOptions};
use crate::fault::Fault;
use crate::id::{self, Id};
use crate::table::Row;
use crate::user::User;
use crate::value::{Value, date_of, date_to_wire, day_of_ms, days_of};

/// What a conversion is to do.
#[derive(Clone, Debug, Default)]
pub struct Conversion {
    /// The lead.
    pub lead: String,
    /// The status it gets: one that counts as converted.
    pub status: String,
    /// An account to use instead of a new one.
    pub account: Option<String>,
    /// A contact of that account to use instead of a new one.
    pub contact: Option<String>,
    /// A deal to use instead of a new one.
    pub opportunity: Option<String>,
    /// The name of the new deal; the company's when left out.
    pub opportunity_name: Option<String>,
    /// Whether there is to be no deal.
    pub no_opportunity: bool,
    /// Who owns what is new; the lead's owner when left out.
    pub owner: Option<String>,
    /// Whether the lead's source replaces that of a known contact.
    pub overwrite_source: bool,
}

/// What a conversion made or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The lead.
    pub lead: Id,
    /// Its account.
    pub account: Option<Id>,
    /// Its contact.
    pub contact: Option<Id>,
    /// Its deal.
    pub opportunity: Option<Id>,
}

/// Fields of a lead, and those of the account made of it.
const TO_ACCOUNT: [(&str, &str); 13] = [
    ("Company", "Name"),
    ("Phone", "Phone"),
    ("Fax", "Fax"),
    ("Website", "Website"),
    ("Industry", "Industry"),
    ("Rating", "Rating"),
    ("AnnualRevenue", "AnnualRevenue"),
    ("NumberOfEmployees", "NumberOfEmployees"),
    ("Street", "BillingStreet"),
    ("City", "BillingCity"),
    ("State", "BillingState"),
    ("PostalCode", "BillingPostalCode"),
    ("Country", "BillingCountry"),
];

/// Fields of a lead, and those of the contact made of it.
const TO_CONTACT: [(&str, &str); 15] = [
    ("LastName", "LastName"),
    ("FirstName", "FirstName"),
    ("Salutation", "Salutation"),
    ("Title", "Title"),
    ("Email", "Email"),
    ("Phone", "Phone"),
    ("MobilePhone", "MobilePhone"),
    ("Fax", "Fax"),
    ("LeadSource", "LeadSource"),
    ("Description", "Description"),
    ("Street", "MailingStreet"),
    ("City", "MailingCity"),
    ("State", "MailingState"),
    ("PostalCode", "MailingPostalCode"),
    ("Country", "MailingCountry"),
];

impl Org {
    /// Converts a lead, or leaves everything as it was.
    ///
    /// # Errors
    /// When the lead is not there or converted already, the status is none of
    /// a converted lead, a record to use does not fit, or a new one is refused.
    pub fn convert_lead(
        &mut self,
        who: &User,
        wanted: &Conversion,
        options: &WriteOptions,
    ) -> Result<Converted, Fault> {
        self.begin();
        let done = self.try_convert(who, wanted, options);
        match done {
            Ok(_) => self.commit(),
            Err(_) => self.rollback(),
        }
        done
    }

    fn try_convert(
        &mut self,
        who: &User,
        wanted: &Conversion,
        options: &WriteOptions,
    ) -> Result<Converted, Fault> {
        let lead = self.convertible(who, wanted)?;
        let owner = match &wanted.owner {
            Some(owner) => json!(owner),
            None => self.value_of(&lead, "OwnerId").to_json(),
        };
        let copied = |org: &Self, fields: &[(&str, &str)]| -> Map<String, Json> {
            let values = fields.iter().map(|(from, to)| {
                let value = org.value_of(&lead, from).to_json();
                ((*to).to_owned(), value)
            });
            let given = values.filter(|(_, value)| !value.is_null());
            given
                .chain([("OwnerId".to_owned(), owner.clone())])
                .collect()
        };
        let account = match &wanted.account {
            Some(account) => self.known("Account", account, "accountId")?,
            None => {
                let body = copied(self, &TO_ACCOUNT);
                self.create(who, "Account", &body, options)?
            }
        };
        let contact = match &wanted.contact {
            Some(contact) => {
                let contact = self.known("Contact", contact, "contactId")?;
                self.use_contact(who, wanted, &lead, &account, &contact)?;
                contact
            }
            None => {
                let mut body = copied(self, &TO_CONTACT);
                body.insert("AccountId".to_owned(), json!(&*account));
                self.create(who, "Contact", &body, options)?
            }
        };
        let opportunity = match &wanted.opportunity {
            Some(deal) => Some(self.known("Opportunity", deal, "opportunityId")?),
            None if wanted.no_opportunity => None,
            None => {
                let mut body = copied(self, &[("LeadSource", "LeadSource")]);
                let company = self.value_of(&lead, "Company");
                let name = wanted.opportunity_name.as_deref();
                let name = name.or(company.as_str()).unwrap_or_default();
                for (field, value) in [
                    ("Name", json!(name)),
                    ("AccountId", json!(&*account)),
                    ("StageName", self.first_stage().to_json()),
                    ("CloseDate", json!(end_of_quarter(self.now_ms()))),
                ] {
                    body.insert(field.to_owned(), value);
                }
                Some(self.create(who, "Opportunity", &body, options)?)
            }
        };
        self.move_tasks(&lead, &contact, opportunity.as_ref().unwrap_or(&account));
        let converted = Converted {
            lead,
            account: Some(account),
            contact: Some(contact),
            opportunity,
        };
        self.close_lead(who, &wanted.status, &converted);
        Ok(converted)
    }

    /// The lead, when it and the status allow a conversion.
    fn convertible(&self, who: &User, wanted: &Conversion) -> Result<Id, Fault> {
        let object = self.visible_object(&self.schema, who, "Lead")?;
        let lead = self.known("Lead", &wanted.lead, "leadId")?;
        if !who.object_permissions(&object.name).edit {
            return Err(Fault::bad_request(
                "INSUFFICIENT_ACCESS_OR_READONLY",
                "insufficient access rights on object id",
            ));
        }
        if self.value_of(&lead, "IsConverted").is_true() {
            return Err(Fault::bad_request(
                "CANNOT_UPDATE_CONVERTED_LEAD",
                "cannot reference converted lead",
            ));
        }
        if !self.flag_of("LeadStatus", &wanted.status, "IsConverted") {
            return Err(Fault::bad_request(
                "INVALID_STATUS",
                format!("invalid convertedStatus: {}", wanted.status),
            ));
        }
        if wanted.contact.is_some() && wanted.account.is_none() {
            return Err(Fault::bad_request(
                "REQUIRED_FIELD_MISSING",
                "accountId is required when contactId is given",
            )
            .on("accountId"));
        }
        self.check_not_locked(&lead)?;
        Ok(lead)
    }

    /// The id of a live record of an object.
    fn known(&self, object: &str, id: &str, field: &str) -> Result<Id, Fault> {
        let found = id::normalize(id)
            .zip(self.schema.object(object))
            .and_then(|(id, object)| self.table(object).get(&id))
            .filter(|row| !row.is_deleted());
        found.map(Row::shared_id).ok_or_else(|| {
            Fault::bad_request("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
                .on(field)
        })
    }

    /// A known contact keeps its values, but for the source if so wished.
    fn use_contact(
        &mut self,
        who: &User,
        wanted: &Conversion,
        lead: &str,
        account: &str,
        contact: &str,
    ) -> Result<(), Fault> {
        let of = self.value_of(contact, "AccountId");
        if !of.as_str().is_some_and(|of| id::same(of, account)) {
            return Err(Fault::bad_request(
                "INVALID_CROSS_REFERENCE_KEY",
                "The contact does not belong to the account",
            )
            .on("contactId"));
        }
        if wanted.overwrite_source {
            let source = self.value_of(lead, "LeadSource").to_json();
            let body = Map::from_iter([("LeadSource".to_owned(), source)]);
            self.update(who, "Contact", contact, &body, &WriteOptions::default())?;
        }
        Ok(())
    }

    /// The stage that new deals begin with.
    fn first_stage(&self) -> Value {
        let stages = self.schema.object("OpportunityStage");
        let column = stages.and_then(|stages| stages.column("ApiName"));
        let first = self
            .table_of("OpportunityStage")
            .rows()
            .find(|row| !row.is_deleted());
        column
            .zip(first)
            .map_or(Value::Null, |(column, row)| row.get(column).clone())
    }

    /// What was to be done about the lead is now about its contact and deal.
    fn move_tasks(&mut self, lead: &Id, contact: &Id, what: &Id) {
        let Some(tasks) = self.schema.object("Task") else {
            return;
        };
        let Some(by_who) = tasks.column("WhoId") else {
            return;
        };
        let found = self
            .table(tasks)
            .find(by_who, &Value::Text(Arc::clone(lead)));
        let open: Vec<Id> = found
            .into_iter()
            .filter(|row| !row.is_deleted())
            .map(Row::shared_id)
            .collect();
        let account = self.value_of(contact, "AccountId");
        for task in open {
            self.set_computed(
                &task,
                &[
                    ("WhoId", Value::Text(Arc::clone(contact))),
                    ("WhatId", Value::Text(Arc::clone(what))),
                    ("AccountId", account.clone()),
                ],
            );
        }
        self.count_open_tasks(what);
    }

    fn close_lead(&mut self, who: &User, status: &str, converted: &Converted) {
        let schema = Arc::clone(&self.schema);
        let Some(object) = schema.object("Lead") else {
            return;
        };
        let Some(place) = self.table(object).place_of(&converted.lead) else {
            return;
        };
        let Some(row) = self.table(object).row_at(place) else {
            return;
        };
        let mut draft = Draft::of(object, row);
        let id = |id: &Option<Id>| id.clone().map_or(Value::Null, Value::Text);
        for (field, value) in [
            ("Status", Value::text(status)),
            ("IsConverted", Value::Bool(true)),
            ("ConvertedDate", Value::Date(day_of_ms(self.now_ms()))),
            ("ConvertedAccountId", id(&converted.account)),
            ("ConvertedContactId", id(&converted.contact)),
            ("ConvertedOpportunityId", id(&converted.opportunity)),
            ("IsUnreadByOwner", Value::Bool(false)),
        ] {
            draft.set(field, value);
        }
        self.stamp_change(who, &mut draft);
        self.replace_row(object, place, Row::new(draft.values));
    }
}

/// The last day of the quarter, when new deals are to be closed.
fn end_of_quarter(now_ms: i64) -> String {
    let today = date_of(day_of_ms(now_ms));
    let (month, day) = match u8::from(today.month()) {
        1..=3 => (Month::March, 31),
        4..=6 => (Month::June, 30),
        7..=9 => (Month::September, 30),
        _ => (Month::December, 31),
    };
    let end = Date::from_calendar_date(today.year(), month, day).unwrap_or(today);
    date_to_wire(days_of(end))
}
