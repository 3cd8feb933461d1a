//! JSON as it is compared: one value a line, without the white space that was
//! there, but with keys in their order and numbers as they were written.

/// Spreads valid JSON over lines. Two texts are spread alike if and only if they
/// differ in white space, or in how characters of texts are escaped.
pub(super) fn spread(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut rest = json;
    while let Some(character) = rest.chars().next() {
        let mut length = character.len_utf8();
        match character {
            '"' => {
                length = string_length(rest);
                text.push_str(&plain(rest.get(..length).unwrap_or(rest)));
            }
            '{' | '[' => {
                depth += 1;
                text.push(character);
                begin_line(&mut text, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                begin_line(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(character);
                begin_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            other if other.is_ascii_whitespace() => {}
            other => text.push(other),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    text
}

fn begin_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

/// The length of the string that `text` begins with, its quotes included.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A string with its characters escaped in one way; as it was if it is half a
/// character, which no text can hold.
fn plain(string: &str) -> String {
    serde_json::from_str::<String>(string)
        .and_then(|text| serde_json::to_string(&text))
        .unwrap_or_else(|_| string.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_escapes_do_not_matter() {
        let dense = r#"[{"a":"\u00fc\"}","b":[1,2]}]"#;
        let wide = "[ { \"a\" : \"ü\\\"}\",\n \"b\": [1 , 2] } ]";
        assert_eq!(spread(dense), spread(wide));
        assert!(
            spread(dense).contains("\n    \"b\": [\n      1,\n"),
            "{}",
            spread(dense)
        );
    }

    #[test]
    fn the_order_of_keys_and_the_digits_of_numbers_do_matter() {
        assert_ne!(spread(r#"{"a":1,"b":2}"#), spread(r#"{"b":2,"a":1}"#));
        assert_ne!(spread("1.50"), spread("1.5"));
        assert_ne!(spread(r#""\ud800""#), spread(r#""\ud801""#));
    }
}
