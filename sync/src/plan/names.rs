//! Names of tables and columns: short, lower case, and usable in SQL without
//! quotes, for people write them all day.

/// The longest name: PostgreSQL cuts longer ones off, and our triggers add to
/// that of the table.
const MAX_LENGTH: usize = 48;

/// What objects and fields are called that SQL has words of its own for, as far as
/// products do.
const RESERVED: [&str; 34] = [
    "all",
    "analyze",
    "and",
    "any",
    "as",
    "asc",
    "case",
    "check",
    "column",
    "constraint",
    "create",
    "default",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "from",
    "grant",
    "group",
    "in",
    "index",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "primary",
    "references",
    "table",
    "user",
    "window",
];

/// The name of an object's table: `OpportunityLineItem` gives
/// `opportunity_line_item`, `Invoice__c` gives `invoice`, or `invoice_c` if that is
/// taken, and `Order` gives `order_`.
pub(super) fn table(object: &str, is_taken: impl Fn(&str) -> bool) -> String {
    name(object, is_taken)
}

/// The name of a field's column, likewise.
pub(super) fn column(field: &str, is_taken: impl Fn(&str) -> bool) -> String {
    name(field, is_taken)
}

fn name(api_name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let short = api_name.strip_suffix("__c").unwrap_or(api_name);
    let name = free(&snake(short));
    if !is_taken(&name) {
        return name;
    }
    let name = free(&snake(api_name));
    if !is_taken(&name) {
        return name;
    }
    let mut numbered = (2..).map(|number| format!("{name}_{number}"));
    // The iterator has no end.
    numbered.find(|name| !is_taken(name)).unwrap_or(name)
}

fn snake(api_name: &str) -> String {
    let mut name = String::new();
    let mut before = '_';
    let mut characters = api_name.chars().peekable();
    while let Some(character) = characters.next() {
        let begins_word = character.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_digit()
                || (before.is_ascii_uppercase()
                    && characters.peek().is_some_and(char::is_ascii_lowercase)));
        if (begins_word || character == '_') && !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
        if character.is_ascii_alphanumeric() {
            name.push(character.to_ascii_lowercase());
        }
        before = character;
    }
    name.truncate(MAX_LENGTH - 4);
    name.trim_end_matches('_').to_owned()
}

fn free(name: &str) -> String {
    let starts_wrong = !name.starts_with(|first: char| first.is_ascii_lowercase());
    if starts_wrong {
        format!("x_{name}")
    } else if RESERVED.contains(&name) {
        format!("{name}_")
    } else {
        name.to_owned()
    }
}

/// The longest API name: several times what products allow.
const MAX_API_LENGTH: usize = 128;

/// Whether an API name is one: it goes into the text of triggers, and who describes
/// objects is a guest.
pub(super) fn is_api_name(name: &str) -> bool {
    (1..=MAX_API_LENGTH).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What is wrong with a name that somebody chose.
pub(super) fn problem(name: &str) -> Option<String> {
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !is_plain {
        Some("is not a letter followed by letters, digits and `_`, all in lower case".into())
    } else if name.len() > MAX_LENGTH {
        Some(format!("is longer than {MAX_LENGTH} characters"))
    } else if RESERVED.contains(&name) {
        Some("is a word of SQL".into())
    } else if name.starts_with("lockgate_") {
        Some("begins with `lockgate_`, as only our own tables do".into())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_a_person_would_write() {
        let none = |_: &str| false;
        for (api_name, name) in [
            ("FirstName", "first_name"),
            ("OpportunityLineItem", "opportunity_line_item"),
            ("Pricebook2Id", "pricebook2_id"),
            ("HTMLBody", "html_body"),
            ("Sync_Key__c", "sync_key"),
            ("ns__Thing__c", "ns_thing"),
            ("Order", "order_"),
            ("2Fast__c", "x_2_fast"),
        ] {
            assert_eq!(table(api_name, none), name);
            assert_eq!(problem(name), None);
        }
        assert_eq!(column("Fax__c", |name| name == "fax"), "fax_c");
        assert_eq!(column("Fax", |name| name == "fax"), "fax_2");
    }
}
