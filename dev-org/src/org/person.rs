//! Person accounts: an account that is a person has the fields of one, a name
//! made of its parts, and a contact that follows it.

use std::sync::Arc;

use super::Org;
use super::check::missing_fields;
use super::draft::Draft;
use crate::fault::Fault;
use crate::schema::Object;
use crate::table::Row;
use crate::user::User;
use crate::value::Value;

/// Fields of the account, and those of its contact that follow them.
const FOLLOWED: [(&str, &str); 11] = [
    ("LastName", "LastName"),
    ("FirstName", "FirstName"),
    ("Salutation", "Salutation"),
    ("Name", "Name"),
    ("PersonEmail", "Email"),
    ("PersonMobilePhone", "MobilePhone"),
    ("PersonHomePhone", "HomePhone"),
    ("PersonTitle", "Title"),
    ("PersonBirthdate", "Birthdate"),
    ("PersonLeadSource", "LeadSource"),
    ("Phone", "Phone"),
];

impl Org {
    /// Decides whether an account is a person, and names it. Before the check
    /// of required fields: a person's name is made here.
    pub(super) fn name_person(&self, draft: &mut Draft<'_>) -> Result<(), Fault> {
        if draft.object.name != "Account" || !self.schema.features.person_accounts {
            return Ok(());
        }
        let kind = draft.text("RecordTypeId");
        let stated = self
            .declared_type(draft.object, kind)
            .map(|kind| kind.person);
        let is_person = match draft.is_new() {
            true => stated.unwrap_or(!draft.get("LastName").is_null()),
            false => draft.before("IsPersonAccount").is_true(),
        };
        let foreign: Vec<&str> = draft
            .object
            .fields
            .iter()
            .map(|field| field.name.as_str())
            .filter(|name| draft.is_given(name) && !draft.get(name).is_null())
            .filter(|name| match is_person {
                true => *name == "Name",
                false => is_of_person(name),
            })
            .collect();
        if !foreign.is_empty() {
            let mut fault = Fault::bad_request(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                format!(
                    "Account: bad field names on insert/update call: {}",
                    foreign.join(", ")
                ),
            );
            fault.fields = foreign.into_iter().map(str::to_owned).collect();
            return Err(fault);
        }
        draft.set("IsPersonAccount", Value::Bool(is_person));
        if !is_person {
            return Ok(());
        }
        if draft.get("LastName").is_null() {
            return missing_fields(vec!["LastName".to_owned()]);
        }
        super::derive::derive_name(draft);
        if draft.get("RecordTypeId").is_null() {
            let rows = self.record_type_rows(draft.object);
            let person = rows.into_iter().find(|row| {
                self.declared_type(draft.object, row.id())
                    .is_some_and(|kind| kind.person)
            });
            if let Some(row) = person {
                draft.set("RecordTypeId", Value::Text(row.shared_id()));
            }
        }
        Ok(())
    }

    /// The account, as table and place, of a person's contact.
    pub(super) fn account_of_person(&self, object: &Object, row: &Row) -> Option<(usize, usize)> {
        let is_person = object.column("IsPersonAccount")?;
        if object.name != "Contact" || !row.get(is_person).is_true() {
            return None;
        }
        let accounts = self.schema.object("Account")?;
        let id = row.get(object.column("AccountId")?).as_str()?;
        Some((accounts.index, self.table(accounts).place_of(id)?))
    }

    /// Makes a person's contact, or brings it up to date.
    pub(super) fn follow_person(&mut self, who: &User, account: &Draft<'_>, id: &str) {
        if !account.get("IsPersonAccount").is_true() {
            return;
        }
        let values = || FOLLOWED.map(|(from, to)| (to, account.get(from).clone()));
        if let Some(contact) = account.get("PersonContactId").as_str() {
            self.set_computed(contact, &values());
            return;
        }
        let schema = Arc::clone(&self.schema);
        let Some(object) = schema.object("Contact") else {
            return;
        };
        let mut contact = Draft::new(object);
        super::write::give_defaults(&mut contact, who);
        for (field, value) in values() {
            contact.set(field, value);
        }
        contact.set("AccountId", Value::text(id));
        contact.set("IsPersonAccount", Value::Bool(true));
        contact.set("OwnerId", account.get("OwnerId").clone());
        let contact = self.store_new(who, &mut contact);
        self.set_computed(id, &[("PersonContactId", Value::Text(contact))]);
    }
}

fn is_of_person(field: &str) -> bool {
    matches!(field, "LastName" | "FirstName" | "Salutation") || field.starts_with("Person")
}
