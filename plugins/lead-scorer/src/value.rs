//! The value of a field as conditions see it: a slice of the record, read no
//! further than a condition needs.

use std::borrow::Cow;

use record_batch::{Record, text_of};
use serde_json::value::RawValue;

/// A field that a condition names: its slot, and the rest of the way if it lies
/// within a related record (`Owner.Name`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) slot: usize,
    pub(crate) rest: Vec<String>,
}

impl Path {
    /// The value as it stands in the record; `None` if it is absent or `null`.
    pub(crate) fn value<'a>(&self, record: &Record<'a, '_>) -> Option<&'a str> {
        let mut value = record.raw(self.slot)?;
        for name in &self.rest {
            value = member(value, name)?;
        }
        (value != "null").then_some(value)
    }
}

/// A member of an object. Related records are small: a few fields each.
fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let members: std::collections::BTreeMap<Cow<'a, str>, &'a RawValue> =
        serde_json::from_str(object).ok()?;
    members.get(name).map(|value| value.get())
}

/// Whether there is anything: not an empty text, nor blanks.
pub(crate) fn is_filled(raw: &str) -> bool {
    match raw.as_bytes() {
        // Nearly all values begin so: no need to look at the rest.
        [b'"', b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9', ..] | [b'-' | b'0'..=b'9', ..] => true,
        _ => text_of(raw).is_none_or(|text| !text.trim().is_empty()),
    }
}

/// The text of a string, or of a number or truth value as it is written.
pub(crate) fn text(raw: &str) -> Option<Cow<'_, str>> {
    if raw.starts_with('"') {
        text_of(raw)
    } else if raw.starts_with(['{', '[']) {
        None
    } else {
        Some(Cow::Borrowed(raw))
    }
}

/// The number, also of a string that holds one: answers that came as CSV have
/// nothing but strings.
pub(crate) fn number(raw: &str) -> Option<f64> {
    let text = text(raw)?;
    let text = text.trim();
    // Rust also reads `inf`, `nan` and `infinity`, which nobody means.
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.ends_with(|c: char| c.is_ascii_digit() || c == '.');
    if is_number { text.parse().ok() } else { None }
}

/// Whether two texts are the same but for case and blanks around. `wanted` is
/// in lower case.
pub(crate) fn is_same(text: &str, wanted: &str) -> bool {
    let text = text.trim();
    text.eq_ignore_ascii_case(wanted) || (!text.is_ascii() && text.to_lowercase() == wanted)
}

/// Whether a text contains another, whatever the case. `wanted` is in lower
/// case.
pub(crate) fn contains(text: &str, wanted: &str) -> bool {
    if text.is_ascii() && wanted.is_ascii() {
        let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
        wanted.is_empty()
            || text
                .windows(wanted.len())
                .any(|window| window.eq_ignore_ascii_case(wanted))
    } else {
        text.to_lowercase().contains(wanted)
    }
}

/// The host of an e-mail address, of a web address, or of a bare host name.
pub(crate) fn domain(text: &str) -> &str {
    let text = text.trim();
    let (mut start, mut end) = (0, None);
    // One look at each byte. What has a meaning is ASCII, so the cuts are clean.
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'@' => (start, end) = (at + 1, None),
            b':' if text.get(at..).is_some_and(|rest| rest.starts_with("://")) => {
                (start, end) = (at + 3, None);
            }
            b':' => end = end.or(Some(at)),
            b'/' | b'?' | b'#' if at >= start => {
                end = end.or(Some(at));
                break;
            }
            _ => {}
        }
    }
    let host = text.get(start..end.unwrap_or(text.len()));
    host.unwrap_or_default().trim_end_matches(['.', '>'])
}

/// Whether a host is a domain or lies below it. `wanted` is in lower case.
pub(crate) fn is_within(host: &str, wanted: &str) -> bool {
    let Some(at) = host.len().checked_sub(wanted.len()) else {
        return false;
    };
    let Some((head, tail)) = host.split_at_checked(at) else {
        return false;
    };
    is_same(tail, wanted) && (head.is_empty() || (head.len() > 1 && head.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_found_in_addresses_of_mail_and_web() {
        for text in [
            "jane@Example.com",
            "Jane <jane@example.com>",
            "https://user@example.com:8080/a?b#c",
            "example.com",
            "http://example.com.",
            "https://example.com/a@b?c:d#e",
            "https://jane:secret@example.com:8080",
            "example.com?at=https://elsewhere.net",
        ] {
            assert!(is_within(domain(text), "example.com"), "{text}");
        }
        assert!(is_within("mail.example.com", "example.com"));
        for other in [
            "notexample.com",
            ".example.com",
            "example.com.evil.net",
            "com",
            "",
        ] {
            assert!(!is_within(domain(other), "example.com"), "{other}");
        }
    }

    #[test]
    fn numbers_are_read_from_text_but_words_are_not() {
        assert_eq!(number("\" 12.5 \""), Some(12.5));
        assert_eq!(number("1e3"), Some(1000.0));
        for none in ["\"inf\"", "\"nan\"", "true", "\"12 items\"", "{}", "\"\""] {
            assert_eq!(number(none), None, "{none}");
        }
    }
}
