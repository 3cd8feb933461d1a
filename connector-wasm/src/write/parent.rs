//! Which record a row locks beside itself while it is written, as far as the row
//! says so by itself: the account of a contact, the order of a product.
//!
//! Two requests that hold rows of one parent at the same time wait for one
//! another, and after 10 s the second one fails with `UNABLE_TO_LOCK_ROW`.

use std::collections::HashMap;

use super::print;
use crate::body::Row;
use crate::names;
use crate::wire::decoded;

/// Relationships whose parent is locked, the likeliest first. Each stands for its
/// field, `AccountId`, and for the parent by external id, `Account`.
const PARENTS: [&str; 12] = [
    "Order",
    "Opportunity",
    "Account",
    "Campaign",
    "Case",
    "Contact",
    "Lead",
    "LinkedEntity",
    "What",
    "Who",
    "Parent",
    "Pricebook2",
];

/// References of nearly all records, whose targets are not locked.
const NO_PARENTS: [&str; 4] = ["OwnerId", "Owner", "RecordTypeId", "RecordType"];

/// The parent that a row names, as a text that is the same for rows of the same
/// parent.
pub(super) fn parent_of<'a>(row: &Row<'a>) -> Option<&'a str> {
    let mut best: Option<(usize, &'a str)> = None;
    for (name, value) in row.members() {
        let Some((rank, key)) = named(name, value) else {
            continue;
        };
        if best.is_none_or(|(other, _)| rank < other) {
            best = Some((rank, key));
        }
    }
    best.map(|(_, key)| key)
}

/// The parent that one field names, and how likely it is the one that is locked: the
/// least is the likeliest.
pub(super) fn named<'a>(name: &str, value: &'a str) -> Option<(usize, &'a str)> {
    let key = key(value)?;
    if key.starts_with('"') && !may_refer(name) {
        return None;
    }
    match rank(name) {
        Some(rank) => Some((rank, key)),
        // Fields of the org's own may hold texts that look like short ids.
        None => is_custom_reference(name, value).then_some((PARENTS.len(), key)),
    }
}

/// Whether a text in a field may name a parent, by the field's name.
pub(super) fn may_be_parent(name: &str) -> bool {
    may_refer(name) && (rank(name).is_some() || name.ends_with("__c"))
}

/// The same of a field of the org's own, which may as well hold any other text.
pub(super) fn may_be_custom_parent(name: &str) -> bool {
    may_be_parent(name) && rank(name).is_none()
}

/// Whether a field may refer to another record, by its name: most that hold texts do
/// not, and need no further look.
fn may_refer(name: &str) -> bool {
    let end = name.as_bytes().last_chunk::<2>();
    end.is_some_and(|end| end.eq_ignore_ascii_case(b"id")) || name.ends_with("__c")
}

/// What stands for a parent: the first 15 characters of an id, or the external id
/// with its field.
fn key(value: &str) -> Option<&str> {
    match value.bytes().next()? {
        b'{' => Some(value),
        // With the quote in front.
        b'"' if value.len() >= 17 => value.get(..16),
        _ => None,
    }
}

fn rank(name: &str) -> Option<usize> {
    let stem = match name
        .len()
        .checked_sub(2)
        .map(|at| name.split_at_checked(at))
    {
        Some(Some((stem, end))) if end.eq_ignore_ascii_case("Id") => stem,
        _ => name,
    };
    let mut parents = PARENTS.iter();
    parents.position(|parent| parent.eq_ignore_ascii_case(stem))
}

fn is_custom_reference(name: &str, value: &str) -> bool {
    let is_other = NO_PARENTS
        .iter()
        .any(|other| other.eq_ignore_ascii_case(name));
    match value.starts_with('{') {
        true => !is_other,
        false => {
            name.ends_with("__c")
                && value.len() == 20
                && decoded(value).is_some_and(|id| names::id(&id).is_ok())
        }
    }
}

/// The parents that some rows have named so far, by their prints.
#[derive(Debug, Default)]
pub(super) struct Parents(HashMap<u64, u32>);

impl Parents {
    /// The first row of the same parent, given the place of this one, which is that
    /// itself if it names none.
    pub(super) fn first_of(&mut self, row: &Row<'_>, place: u32) -> u32 {
        match parent_of(row) {
            Some(parent) => *self.0.entry(print::of(parent.as_bytes())).or_insert(place),
            None => place,
        }
    }
}

/// Puts rows of one parent beside one another, parents in the order in which they
/// come first. Rows that name none stay where they are among them.
pub(super) fn grouped<'a, T>(rows: Vec<T>, parent_of: impl Fn(&T) -> Option<&'a str>) -> Vec<T> {
    let mut places: HashMap<&'a str, usize> = HashMap::new();
    let ranked = rows.into_iter().enumerate().map(|(at, row)| {
        let parent = parent_of(&row);
        let rank = parent.map_or(at, |parent| *places.entry(parent).or_insert(at));
        (rank, row)
    });
    let mut ranked: Vec<(usize, T)> = ranked.collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{KeyedBy, read_rows};

    fn rows(json: &str) -> Vec<Row<'_>> {
        let rows = read_rows(json.as_bytes(), KeyedBy::Nothing).unwrap();
        rows.into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn a_row_names_its_parent_by_id_or_external_id_and_owners_are_none() {
        for (row, parent) in [
            (
                r#"{"OwnerId":"005dM00000aYaE3QAK","accountid":"0015J000004TNtzQAG"}"#,
                Some("\"0015J000004TNtz"),
            ),
            (
                r#"{"AccountId":"0015J000004TNtz"}"#,
                Some("\"0015J000004TNtz"),
            ),
            (
                r#"{"AccountId":"0015J000004TNtzQAG","OrderId":"8015J000004TNtzQAG"}"#,
                Some("\"8015J000004TNtz"),
            ),
            (r#"{"Account":{"K__c":"7"}}"#, Some(r#"{"K__c":"7"}"#)),
            (r#"{"Trip__r":{"K__c":"7"}}"#, Some(r#"{"K__c":"7"}"#)),
            (
                r#"{"Trip__c":"001dM00003kRs59QAC"}"#,
                Some("\"001dM00003kRs59"),
            ),
            (r#"{"Code__c":"eighteen-characters"}"#, None),
            (r#"{"AccountName":"a long name of an account"}"#, None),
            (
                r#"{"Owner":{"Username":"u"},"AccountId":null,"Name":"x"}"#,
                None,
            ),
        ] {
            let json = format!("[{row}]");
            assert_eq!(parent_of(&rows(&json)[0]), parent, "{row}");
        }
    }

    #[test]
    fn rows_of_one_parent_come_together_and_others_stay() {
        let json: Vec<String> = ["a", "b", "", "a", "c", "b", "", "a"]
            .iter()
            .enumerate()
            .map(|(at, key)| match *key {
                "" => format!(r#"{{"N":"{at}"}}"#),
                key => format!(r#"{{"N":"{at}","Account":{{"K__c":"{key}"}}}}"#),
            })
            .collect();
        let json = format!("[{}]", json.join(","));
        let all = grouped(rows(&json), parent_of);
        let numbers: Vec<&str> = all
            .iter()
            .filter_map(|row| row.members().next().map(|(_, value)| value))
            .collect();
        let wanted = ["0", "3", "7", "1", "5", "2", "4", "6"].map(|at| format!("\"{at}\""));
        assert_eq!(numbers, wanted);
    }
}
