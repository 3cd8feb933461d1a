//! Whether a value fits its field: its JSON type, its length, its form.

use super::about;
use crate::bindings::exports::lockgate::connector::records::{Advice, Field, Problem};
use crate::names;
use crate::wire::decoded;

/// What is wrong with a value that is not empty. `prefix` gives the first three
/// characters of an object's ids, where they are known.
pub(super) fn wrong(
    field: &Field,
    value: &str,
    prefix: impl Fn(&str) -> Option<String>,
) -> Option<Problem> {
    let text = decoded(value);
    let text = text.as_deref().map(str::trim);
    let number = || text.unwrap_or(value).parse::<f64>().ok();
    let (fits, wanted) = match field.kind.as_str() {
        "boolean" => (
            matches!(text.unwrap_or(value), "true" | "false"),
            "true or false",
        ),
        "int" | "long" => (
            number().is_some_and(|number| number.fract() == 0.0),
            "a whole number",
        ),
        "double" | "currency" | "percent" => (number().is_some_and(f64::is_finite), "a number"),
        "date" => (text.is_some_and(is_date), "a date like 2030-01-31"),
        "datetime" => (
            text.is_some_and(is_datetime),
            "a time like 2030-01-31T09:30:00Z",
        ),
        "time" => (text.is_some_and(is_clock), "a time of day like 09:30:00Z"),
        "reference" | "id" => return reference(field, text, prefix),
        _ if value.starts_with(['{', '[']) => (false, "a text"),
        _ => return text.and_then(|text| wrong_text(field, text)),
    };
    (!fits).then(|| {
        let message = format!("the value is not {wanted}");
        about(
            &field.name,
            Advice::FixRecord,
            "JSON_PARSER_ERROR",
            &message,
        )
    })
}

fn wrong_text(field: &Field, text: &str) -> Option<Problem> {
    let fix = |code, message: &str| Some(about(&field.name, Advice::FixRecord, code, message));
    let is_listed = |part: &str| {
        let mut listed = field.picklist.iter();
        listed.any(|value| value.eq_ignore_ascii_case(part))
    };
    if let Some(problem) = too_long(field, text) {
        return Some(problem);
    }
    let is_unlisted = match field.kind.as_str() {
        "email" if !is_email(text) => {
            return fix("INVALID_EMAIL_ADDRESS", "the value is no e-mail address");
        }
        "multipicklist" => text.split(';').any(|part| !is_listed(part)),
        "picklist" => !is_listed(text),
        _ => false,
    };
    if field.restricted && is_unlisted {
        let code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
        return fix(code, "the value is not one of the picklist's");
    }
    None
}

/// Whether a text is longer than its field.
pub(super) fn too_long(field: &Field, text: &str) -> Option<Problem> {
    let most = usize::try_from(field.max_length).unwrap_or(usize::MAX);
    let length = text.chars().count();
    (most > 0 && length > most).then(|| {
        let message = format!("{length} characters are more than the {most} of the field");
        about(&field.name, Advice::FixRecord, "STRING_TOO_LONG", &message)
    })
}

fn reference(
    field: &Field,
    text: Option<&str>,
    prefix: impl Fn(&str) -> Option<String>,
) -> Option<Problem> {
    let fix = |message: &str| {
        Some(about(
            &field.name,
            Advice::FixRecord,
            "MALFORMED_ID",
            message,
        ))
    };
    let id = match text.map(names::id) {
        Some(Ok(id)) => id,
        Some(Err(problem)) => return fix(&problem.message),
        None => return fix("an id is a text"),
    };
    let prefixes: Option<Vec<String>> = field.references.iter().map(|to| prefix(to)).collect();
    let prefixes = prefixes.filter(|prefixes| !prefixes.is_empty())?;
    if prefixes
        .iter()
        .any(|prefix| id.starts_with(prefix.as_str()))
    {
        return None;
    }
    fix(&format!(
        "this is the id of another object: those of {} start with {}",
        field.references.join(", "),
        prefixes.join(", ")
    ))
}

/// `2030-01-31`; a time behind it is left out by Salesforce.
fn is_date(text: &str) -> bool {
    let (date, rest) = text.split_at_checked(10).unwrap_or((text, ""));
    let mut parts = date.split('-').map(digits);
    let (Some(Some((4, year))), Some(Some((2, month))), Some(Some((2, day))), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && (rest.is_empty() || rest.starts_with('T'))
}

/// `2030-01-31T09:30:00.000+01:00`, with or without seconds and zone.
fn is_datetime(text: &str) -> bool {
    let (date, rest) = text.split_at_checked(10).unwrap_or((text, ""));
    let Some(clock) = rest.strip_prefix('T') else {
        return is_date(date) && rest.is_empty();
    };
    let (clock, zone) = match clock.find(['+', '-']) {
        Some(at) => clock.split_at_checked(at).unwrap_or((clock, "")),
        None => (clock, ""),
    };
    let zone: String = zone.chars().skip(1).filter(|c| *c != ':').collect();
    is_date(date)
        && is_clock(clock)
        && (zone.is_empty() || digits(&zone).is_some_and(|(n, _)| n == 4))
}

/// `09:30:00.000Z`, with or without seconds.
fn is_clock(text: &str) -> bool {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let parts: Vec<Option<(usize, u32)>> = whole.split(':').map(digits).collect();
    let most = [23, 59, 59];
    let fits = |(part, most): (&Option<(usize, u32)>, u32)| {
        part.is_some_and(|(length, number)| length == 2 && number <= most)
    };
    (2..=3).contains(&parts.len()) && parts.iter().zip(most).all(fits) && digits(fraction).is_some()
}

/// How many digits a text has, which is nothing else, and their number.
fn digits(text: &str) -> Option<(usize, u32)> {
    let is_digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.get(..text.len().min(9))?.parse().ok()?;
    is_digits.then_some((text.len(), number))
}

/// Something before one `@`, and a domain with a dot in it.
fn is_email(text: &str) -> bool {
    let is_plain = |part: &str| {
        let is_sound =
            |c: char| !c.is_whitespace() && !c.is_control() && !"@,;:<>()[]\\\"".contains(c);
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && !part.contains("..")
            && part.chars().all(is_sound)
    };
    text.split_once('@')
        .is_some_and(|(name, domain)| is_plain(name) && is_plain(domain) && domain.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: &str) -> Field {
        Field {
            name: "F".to_owned(),
            label: String::new(),
            kind: kind.to_owned(),
            max_length: if kind == "string" { 3 } else { 0 },
            required: false,
            nillable: true,
            createable: true,
            updateable: true,
            custom: false,
            unique: false,
            external_id: false,
            references: vec!["Account".to_owned()],
            picklist: vec!["Red".to_owned(), "Green".to_owned()],
            restricted: true,
        }
    }

    fn code(kind: &str, value: &str) -> String {
        let prefix = |object: &str| (object == "Account").then(|| "001".to_owned());
        wrong(&field(kind), value, prefix).map_or_else(String::new, |problem| problem.code)
    }

    #[test]
    fn values_that_fit_their_field_are_let_through() {
        for (kind, value) in [
            ("boolean", "true"),
            ("boolean", "\"false\""),
            ("int", "7"),
            ("int", "-7.0"),
            ("int", "\"12\""),
            ("currency", "1.5e3"),
            ("currency", "\"1.5\""),
            ("date", "\"2028-02-29\""),
            ("date", "\"2030-01-31T00:00:00Z\""),
            ("datetime", "\"2030-01-31\""),
            ("datetime", "\"2030-01-31T09:30Z\""),
            ("datetime", "\"2030-01-31T09:30:00.123+01:00\""),
            ("datetime", "\"2030-01-31T09:30:00.000+0000\""),
            ("time", "\"09:30:00.000Z\""),
            ("email", "\"a.b+c@example.co.uk\""),
            ("picklist", "\"red\""),
            ("multipicklist", "\"Red;Green\""),
            ("string", "\"\\u00fcbe\""),
            ("string", "123"),
            ("reference", "\"001dM00003kRs59QAC\""),
            ("reference", "\"001dM00003kRs59\""),
        ] {
            assert_eq!(code(kind, value), "", "{kind} {value}");
        }
    }

    #[test]
    fn values_that_do_not_fit_are_told_by_salesforces_own_codes() {
        let parser = "JSON_PARSER_ERROR";
        let unlisted = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
        for (kind, value, expected) in [
            ("boolean", "1", parser),
            ("int", "1.5", parser),
            ("int", "\"many\"", parser),
            ("double", "true", parser),
            ("date", "\"2030-02-29\"", parser),
            ("date", "\"31.01.2030\"", parser),
            ("date", "20300131", parser),
            ("datetime", "\"2030-01-31T25:00:00Z\"", parser),
            ("datetime", "\"2030-01-31 09:30:00\"", parser),
            ("time", "\"9:30\"", parser),
            ("string", "{\"a\":1}", parser),
            ("string", "\"four\"", "STRING_TOO_LONG"),
            ("email", "\"a@b\"", "INVALID_EMAIL_ADDRESS"),
            ("email", "\"a b@example.com\"", "INVALID_EMAIL_ADDRESS"),
            ("picklist", "\"Blue\"", unlisted),
            ("multipicklist", "\"Red;Blue\"", unlisted),
            ("reference", "\"001dM00003kRs59QAG\"", "MALFORMED_ID"),
            ("reference", "\"003dM00001wBXYDQA4\"", "MALFORMED_ID"),
            ("reference", "7", "MALFORMED_ID"),
        ] {
            assert_eq!(code(kind, value), expected, "{kind} {value}");
        }
    }
}
