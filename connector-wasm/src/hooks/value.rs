//! The texts of a message in the words in which REST tells the same field. A message
//! does not say of what type a text is; the object's description does.

use serde_json::value::RawValue;

use crate::wire::push_text;

/// Appends the text of a field of this type as JSON. What does not fit the type, or
/// has none that is known, is a text.
pub(super) fn push(out: &mut Vec<u8>, kind: Option<&str>, text: &str) {
    match kind {
        Some("boolean") => match text {
            "true" | "1" => out.extend_from_slice(b"true"),
            "false" | "0" => out.extend_from_slice(b"false"),
            other => push_text(out, other),
        },
        Some("int" | "long" | "double" | "currency" | "percent") if is_number(text) => {
            out.extend_from_slice(text.as_bytes());
        }
        // XML Schema writes the zone in another way.
        Some("datetime") => match text.strip_suffix('Z') {
            Some(moment) => push_text(out, &format!("{moment}+0000")),
            None => push_text(out, text),
        },
        _ => push_text(out, text),
    }
}

/// Whether JSON writes a number so: not `+1`, `.5` or `INF`.
fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && serde_json::from_str::<&RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_what_rest_gives_for_the_same_field() {
        for (kind, text, json) in [
            (Some("boolean"), "true", "true"),
            (Some("boolean"), "0", "false"),
            (Some("boolean"), "yes", "\"yes\""),
            (Some("currency"), "1250.50", "1250.50"),
            (Some("double"), "-1.0E-7", "-1.0E-7"),
            (Some("int"), "007", "\"007\""),
            (Some("double"), "INF", "\"INF\""),
            (Some("double"), "1 ", "1 "),
            (Some("string"), "12", "\"12\""),
            (None, "true", "\"true\""),
            (Some("date"), "2026-02-09", "\"2026-02-09\""),
            (Some("time"), "10:30:00.000Z", "\"10:30:00.000Z\""),
            (
                Some("datetime"),
                "2026-02-09T23:17:59.000Z",
                "\"2026-02-09T23:17:59.000+0000\"",
            ),
            (Some("textarea"), "a\n\"b\"", "\"a\\n\\\"b\\\"\""),
        ] {
            let mut out = Vec::new();
            push(&mut out, kind, text);
            assert_eq!(String::from_utf8(out).unwrap(), json, "{kind:?} {text}");
        }
    }
}
