//! SOQL and SOSL that the connector writes itself: literals are escaped by
//! construction, since nothing but a `Literal` gets into a condition and nothing
//! but `search_words` into a search.

/// A value as SOQL writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Literal(String);

impl Literal {
    /// A text in quotes.
    pub(crate) fn text(value: &str) -> Self {
        let mut out = String::with_capacity(value.len() + 2);
        out.push('\'');
        for c in value.chars() {
            push_escaped(&mut out, c);
        }
        out.push('\'');
        Self(out)
    }

    /// A number for fields that may hold fractions; `None` if the text is none.
    ///
    /// It has a point: without one, SOQL takes no number beyond 32 bits. All digits
    /// stay, also those that are too many for a float.
    pub(crate) fn number(text: &str) -> Option<Self> {
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite())?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = is_digits(whole) && is_digits(fraction);
        let mut out = match is_plain && (whole == "0" || !whole.starts_with('0')) {
            true => text.to_owned(),
            // Signs, exponents and the like, without them.
            false => number.to_string(),
        };
        if !out.contains('.') {
            out.push_str(".0");
        }
        Some(Self(out))
    }

    /// A pattern for LIKE that finds texts which start with `start`, whatever
    /// wildcards it holds.
    pub(crate) fn starting_with(start: &str) -> Self {
        let mut out = String::with_capacity(start.len() + 3);
        out.push('\'');
        for c in start.chars() {
            if matches!(c, '%' | '_') {
                out.push('\\');
            }
            push_escaped(&mut out, c);
        }
        out.push_str("%'");
        Self(out)
    }
}

impl std::fmt::Display for Literal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Words as SOSL searches for them, whatever signs they hold: all of them have
/// to be found, as they are or (`prefix`) as the starts of words.
pub(crate) fn search_words(text: &str, prefix: bool) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        if ["AND", "OR", "NOT"]
            .iter()
            .any(|o| word.eq_ignore_ascii_case(o))
        {
            // In quotes an operator is a word.
            out.push('"');
            out.push_str(word);
            out.push('"');
            continue;
        }
        for c in word.chars() {
            if "?&|!{}[]()^~*:\\\"'+-".contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
        if prefix {
            out.push('*');
        }
    }
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '\\' | '\'' | '"' => {
            out.push('\\');
            out.push(c);
        }
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c => out.push(c),
    }
}

/// A moment in the form that Salesforce takes everywhere, from any of ISO 8601's
/// that it gives: `2026-05-01T07:25:37.000+0000`, `…Z`, `…+02:00`.
///
/// Only the form is checked; whether there is such a day Salesforce knows.
pub(crate) fn moment(text: &str) -> Option<String> {
    let (day, rest) = text.split_once('T')?;
    let zone_at = rest.find(['Z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone_at);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let shaped = |text: &str, divider: char, lengths: [usize; 3]| {
        let parts: Vec<&str> = text.split(divider).collect();
        parts.len() == 3
            && parts
                .iter()
                .zip(lengths)
                .all(|(part, length)| part.len() == length && digits(part))
    };
    let zone = match zone.as_bytes() {
        b"Z" => "Z".to_owned(),
        [_, rest @ ..] if rest.len() == 4 && rest.iter().all(u8::is_ascii_digit) => {
            let (hours, minutes) = zone.split_at(3);
            format!("{hours}:{minutes}")
        }
        [_, hours @ .., b':', m1, m2]
            if hours.len() == 2 && hours.iter().chain([m1, m2]).all(u8::is_ascii_digit) =>
        {
            zone.to_owned()
        }
        _ => return None,
    };
    let sound = shaped(day, '-', [4, 2, 2])
        && shaped(clock, ':', [2, 2, 2])
        && digits(fraction)
        && fraction.len() <= 9;
    sound.then(|| format!("{day}T{time}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        assert_eq!(Literal::text("O'Neil").to_string(), r"'O\'Neil'");
        assert_eq!(
            Literal::text(r"\' OR Id != '").to_string(),
            r"'\\\' OR Id != \''"
        );
        assert_eq!(Literal::text("a\n\r\t\"b").to_string(), r#"'a\n\r\t\"b'"#);
        assert_eq!(Literal::text("100%_ü").to_string(), "'100%_ü'");
    }

    #[test]
    fn a_number_has_a_point_and_all_its_digits_and_nothing_else_is_one() {
        for (text, written) in [
            ("7", "7.0"),
            ("-7.50", "-7.50"),
            ("0.5", "0.5"),
            ("123456789012345678", "123456789012345678.0"),
            ("1.5e3", "1500.0"),
            ("+007", "7.0"),
            ("5.", "5.0"),
            (".5", "0.5"),
        ] {
            let number = Literal::number(text).map(|number| number.to_string());
            assert_eq!(number.as_deref(), Some(written), "{text}");
        }
        for text in [
            "",
            "-",
            "nan",
            "inf",
            "1e999",
            "7 OR Id != ''",
            "0x7",
            "1_0",
        ] {
            assert_eq!(Literal::number(text), None, "{text}");
        }
    }

    #[test]
    fn a_pattern_takes_wildcards_of_the_value_as_plain_characters() {
        assert_eq!(
            Literal::starting_with("50%_o'f").to_string(),
            r"'50\%\_o\'f%'"
        );
    }

    #[test]
    fn words_of_a_search_are_words_whatever_signs_they_hold() {
        assert_eq!(search_words("Acme & Sons", false), r"Acme \& Sons");
        assert_eq!(
            search_words("} RETURNING User(Id) {x", false),
            r"\} RETURNING User\(Id\) \{x"
        );
        assert_eq!(search_words(" this  or\nthat ", true), "this* \"or\" that*");
        assert_eq!(search_words("\"a*\" \\", false), r#"\"a\*\" \\"#);
        assert_eq!(search_words("  ", true), "");
    }

    #[test]
    fn the_moments_that_salesforce_gives_can_be_given_back() {
        for (given, written) in [
            (
                "2026-05-01T07:25:37.000+0000",
                "2026-05-01T07:25:37.000+00:00",
            ),
            ("2026-05-01T07:25:37Z", "2026-05-01T07:25:37Z"),
            ("2026-05-01T07:25:37-02:30", "2026-05-01T07:25:37-02:30"),
        ] {
            assert_eq!(moment(given).as_deref(), Some(written));
        }
        for bad in [
            "",
            "2026-05-01",
            "2026-05-01T07:25:37",
            "2026-5-1T07:25:37Z",
            "xT07:25:37Z",
        ] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }
}
