//! Who is who: people of several sources, found to be the same by their e-mail address,
//! and the accounts that they belong to.
//!
//! Values of a field that differ are never mixed: the first source that has one holds,
//! and all of them are told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The sources, those whose word holds first.
pub(super) const SOURCES: [&str; 3] = ["crm", "support", "list"];

/// A person as one source has it, once normalised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) source: String,
    /// The source's own id.
    pub(super) id: String,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    /// The id of the account, where the source knows it.
    pub(super) account: Option<String>,
    /// The account's external id, where the source knows that.
    pub(super) account_key: Option<String>,
    pub(super) newsletter: Option<String>,
}

/// An account, as far as matching needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) key: Option<String>,
    /// The domain of its website.
    pub(super) domain: Option<String>,
}

/// One person of all sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Contact {
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) newsletter: Option<String>,
    /// The ids that it has, by source.
    pub(super) sources: BTreeMap<String, String>,
    /// How its account was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) matched_by: Option<&'static str>,
    /// Fields of which sources say different things.
    pub(super) conflicts: Vec<Conflict>,
    #[serde(skip)]
    pub(super) account: Option<String>,
}

/// A field of which sources say different things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Conflict {
    pub(super) field: &'static str,
    /// Whose value holds.
    pub(super) holds: String,
    /// What each says.
    pub(super) values: BTreeMap<String, String>,
}

/// Brings people together. Who has no e-mail address is a contact by itself.
pub(super) fn merge(people: Vec<Person>, accounts: &[Account]) -> Vec<Contact> {
    let mut groups: BTreeMap<String, Vec<Person>> = BTreeMap::new();
    for person in people {
        let name = person.email.clone();
        let name = name.unwrap_or_else(|| format!("{} {}", person.source, person.id));
        groups.entry(name).or_default().push(person);
    }
    groups
        .into_values()
        .map(|group| contact(group, accounts))
        .collect()
}

fn contact(mut group: Vec<Person>, accounts: &[Account]) -> Contact {
    let rank = |person: &Person| SOURCES.iter().position(|source| *source == person.source);
    group.sort_by_key(rank);
    let mut conflicts = Vec::new();
    let mut value = |field: &'static str, of: fn(&Person) -> Option<&String>| {
        let told: Vec<(&str, &String)> = group
            .iter()
            .filter_map(|person| Some((person.source.as_str(), of(person)?)))
            .collect();
        let (source, first) = *told.first()?;
        if told.iter().any(|(_, other)| *other != first) {
            let values = told.iter();
            conflicts.push(Conflict {
                field,
                holds: source.to_owned(),
                values: values
                    .map(|(source, value)| ((*source).to_owned(), (*value).clone()))
                    .collect(),
            });
        }
        Some(first.clone())
    };
    let first_name = value("first_name", |person| person.first_name.as_ref());
    let last_name = value("last_name", |person| person.last_name.as_ref());
    let email = value("email", |person| person.email.as_ref());
    let phone = value("phone", |person| person.phone.as_ref());
    let newsletter = value("newsletter", |person| person.newsletter.as_ref());
    let found = account(&group, email.as_deref(), accounts);
    Contact {
        first_name,
        last_name,
        email,
        phone,
        newsletter,
        sources: group
            .iter()
            .map(|person| (person.source.clone(), person.id.clone()))
            .collect(),
        matched_by: found.as_ref().map(|(_, by)| *by),
        conflicts,
        account: found.map(|(id, _)| id),
    }
}

/// The account of a person: what the CRM says, else the external id that another source
/// knows, else the domain of the e-mail address.
fn account(
    group: &[Person],
    email: Option<&str>,
    accounts: &[Account],
) -> Option<(String, &'static str)> {
    if let Some(id) = group.iter().find_map(|person| person.account.clone()) {
        return Some((id, "crm"));
    }
    let by = |fits: &dyn Fn(&Account) -> bool| {
        let found = accounts.iter().find(|account| fits(account));
        found.map(|account| account.id.clone())
    };
    let key = group.iter().find_map(|person| person.account_key.as_ref());
    if let Some(id) = key.and_then(|key| by(&|account| account.key.as_ref() == Some(key))) {
        return Some((id, "external id"));
    }
    let (_, domain) = email?.rsplit_once('@')?;
    by(&|account| account.domain.as_deref() == Some(domain)).map(|id| (id, "e-mail domain"))
}

/// The domain of a website, without `www.`.
pub(super) fn domain(website: &str) -> Option<String> {
    let rest = website.split_once("://").map_or(website, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?', '#']).next()?.to_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host);
    host.contains('.').then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(source: &str, id: &str, email: &str) -> Person {
        Person {
            source: source.to_owned(),
            id: id.to_owned(),
            email: Some(email.to_owned()),
            ..Person::default()
        }
    }

    fn accounts() -> Vec<Account> {
        vec![Account {
            id: "001".to_owned(),
            key: Some("A-1".to_owned()),
            domain: Some("northwind.example.com".to_owned()),
        }]
    }

    #[test]
    fn values_that_differ_are_told_with_their_sources_and_the_first_source_holds() {
        let list = Person {
            last_name: Some("Holm".to_owned()),
            newsletter: Some("subscribed".to_owned()),
            ..person("list", "m1", "a@example.com")
        };
        let crm = Person {
            last_name: Some("Berg".to_owned()),
            account: Some("001".to_owned()),
            ..person("crm", "003", "a@example.com")
        };
        let merged = merge(vec![list, crm], &accounts());
        let [contact] = &merged[..] else {
            panic!("{merged:?}")
        };
        assert_eq!(contact.last_name.as_deref(), Some("Berg"));
        assert_eq!(contact.newsletter.as_deref(), Some("subscribed"));
        assert_eq!(contact.matched_by, Some("crm"));
        let [conflict] = &contact.conflicts[..] else {
            panic!("{contact:?}")
        };
        assert_eq!(
            (conflict.field, conflict.holds.as_str()),
            ("last_name", "crm")
        );
        assert_eq!(conflict.values["list"], "Holm");
    }

    #[test]
    fn an_account_is_found_by_external_id_or_by_domain_or_not_at_all() {
        let keyed = Person {
            account_key: Some("A-1".to_owned()),
            ..person("support", "S-1", "x@freemail.example")
        };
        let found = |person| merge(vec![person], &accounts())[0].matched_by;
        assert_eq!(found(keyed), Some("external id"));
        assert_eq!(
            found(person("list", "m1", "x@northwind.example.com")),
            Some("e-mail domain")
        );
        assert_eq!(
            found(person("list", "m2", "x@evil-northwind.example.com")),
            None
        );
    }

    #[test]
    fn a_website_has_a_domain() {
        for website in ["https://www.Acme.example.com/x", "acme.example.com:443"] {
            assert_eq!(domain(website).as_deref(), Some("acme.example.com"));
        }
        assert_eq!(domain("intranet"), None);
    }
}
