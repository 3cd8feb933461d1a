//! The fields of the objects that hold people, by the names that they have in
//! every org.

use super::{Field, Kind, Plan};

const CONTACT: [(&str, Kind); 25] = [
    ("FirstName", Kind::GivenName),
    ("MiddleName", Kind::GivenName),
    ("LastName", Kind::FamilyName),
    ("Title", Kind::Text),
    ("Department", Kind::Text),
    ("AssistantName", Kind::FullName),
    ("Email", Kind::Email),
    ("Phone", Kind::Phone),
    ("MobilePhone", Kind::Phone),
    ("HomePhone", Kind::Phone),
    ("OtherPhone", Kind::Phone),
    ("AssistantPhone", Kind::Phone),
    ("Fax", Kind::Phone),
    ("MailingStreet", Kind::Text),
    ("MailingCity", Kind::Text),
    ("MailingState", Kind::Text),
    ("MailingPostalCode", Kind::Text),
    ("MailingCountry", Kind::Country),
    ("MailingCountryCode", Kind::Country),
    ("OtherStreet", Kind::Text),
    ("OtherCity", Kind::Text),
    ("OtherState", Kind::Text),
    ("OtherPostalCode", Kind::Text),
    ("OtherCountry", Kind::Country),
    ("OtherCountryCode", Kind::Country),
];

const LEAD: [(&str, Kind); 15] = [
    ("FirstName", Kind::GivenName),
    ("MiddleName", Kind::GivenName),
    ("LastName", Kind::FamilyName),
    ("Title", Kind::Text),
    ("Company", Kind::Text),
    ("Email", Kind::Email),
    ("Phone", Kind::Phone),
    ("MobilePhone", Kind::Phone),
    ("Fax", Kind::Phone),
    ("Street", Kind::Text),
    ("City", Kind::Text),
    ("State", Kind::Text),
    ("PostalCode", Kind::Text),
    ("Country", Kind::Country),
    ("CountryCode", Kind::Country),
];

/// The objects with their plans.
pub(super) fn plans() -> Vec<(String, Plan)> {
    ["Contact", "Lead"]
        .into_iter()
        .filter_map(|object| {
            Some((
                object.to_owned(),
                Plan::new(fields(object)?, &phone_country(object)),
            ))
        })
        .collect()
}

/// The fields of an object that has defaults.
pub(super) fn fields(object: &str) -> Option<Vec<Field>> {
    let table: &[(&str, Kind)] = match object {
        "Contact" => &CONTACT,
        "Lead" => &LEAD,
        _ => return None,
    };
    let field = |(name, kind): &(&str, Kind)| Field {
        name: (*name).to_owned(),
        kind: *kind,
    };
    Some(table.iter().map(field).collect())
}

/// Where phones are at home: the country of the first address.
pub(super) fn phone_country(object: &str) -> Vec<String> {
    let names: &[&str] = match object {
        "Contact" => &["MailingCountryCode", "MailingCountry"],
        "Lead" => &["CountryCode", "Country"],
        _ => &[],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}
