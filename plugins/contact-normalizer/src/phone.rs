//! Phone numbers: whatever people write to E.164, such as `+14155550100`, with
//! an extension kept apart: `+14155550100 x12`.
//!
//! What numbers look like in each country is data (`data/calling-codes.tsv`).
//! It tells whether a number is possible, not whether somebody has it.

mod numbering;
mod reading;

use numbering::{Numbering, TrunkRule};
use reading::Reading;

use crate::country;

/// ITU-T E.164, 6.2.1: digits of a number with its calling code.
const MAX_DIGITS: usize = 15;

/// Digits of an extension. The longest in use on office exchanges has 7.
const MAX_EXTENSION: usize = 8;

/// The number in its one form, read as in the country with the alpha-2 code
/// `home` unless it says otherwise; `None` if it cannot be read for certain.
pub(crate) fn normalize(text: &str, home: Option<&str>) -> Option<String> {
    let reading = reading::read(text)?;
    let home = home
        .and_then(country::calling_code)
        .and_then(Numbering::of_code);
    let (numbering, national) = if reading.has_plus {
        international(&reading.digits)?
    } else {
        without_plus(&reading, home?)?
    };
    if !numbering.is_possible(national) || numbering.code.len() + national.len() > MAX_DIGITS {
        return None;
    }
    let mut number = format!("+{}{national}", numbering.code);
    if let Some(extension) = &reading.extension {
        if extension.is_empty() || extension.len() > MAX_EXTENSION {
            return None;
        }
        number.push_str(" x");
        number.push_str(extension);
    }
    Some(number)
}

/// A number that begins with a calling code.
fn international(digits: &str) -> Option<(Numbering, &str)> {
    let numbering = Numbering::at_start_of(digits)?;
    let national = digits.strip_prefix(numbering.code)?;
    // `+44 (0)20 …` and its careless cousin `+44 020 …`. Only for a trunk prefix
    // that no number begins with.
    let without_trunk = numbering
        .trunk
        .filter(|trunk| trunk.starts_with('0'))
        .and_then(|trunk| national.strip_prefix(trunk));
    Some((numbering, without_trunk.unwrap_or(national)))
}

/// A number as it is dialled at home.
fn without_plus(reading: &Reading, home: Numbering) -> Option<(Numbering, &str)> {
    let digits = reading.digits.as_str();
    if let Some(abroad) = home.abroad
        && let Some(rest) = digits.strip_prefix(abroad)
    {
        return international(rest);
    }
    // Whoever writes `00` in a country that dials otherwise means abroad too;
    // where carriers have numbers of their own it may mean anything.
    if let Some(rest) = digits.strip_prefix("00") {
        home.abroad?;
        return international(rest);
    }
    let without_trunk = home.trunk.and_then(|trunk| digits.strip_prefix(trunk));
    match (home.rule, without_trunk) {
        (TrunkRule::Required, Some(national)) => Some((home, national)),
        // No trunk prefix where each number has one: a local number whose area
        // nobody knows, or a zero that a spreadsheet ate. Unsure.
        (TrunkRule::Required, None) => None,
        (TrunkRule::Optional, Some(national)) if home.is_possible(national) => {
            Some((home, national))
        }
        (TrunkRule::Optional, _) | (TrunkRule::None, _) => Some((home, digits)),
    }
}

#[cfg(test)]
mod tests {
    use super::normalize;

    fn check(home: &str, cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            let number = normalize(text, Some(home));
            assert_eq!(number.as_deref(), Some(*expected), "{text} in {home}");
        }
    }

    #[test]
    fn numbers_are_read_as_in_their_country() {
        check(
            "US",
            &[
                ("(415) 555-0100", "+14155550100"),
                ("415.555.0100", "+14155550100"),
                ("1-415-555-0100", "+14155550100"),
                ("+1 415 555 0100", "+14155550100"),
                ("011 49 30 123456", "+4930123456"),
                ("0049 30 123456", "+4930123456"),
                ("tel:+1-415-555-0100", "+14155550100"),
            ],
        );
        check(
            "DE",
            &[
                ("030 123456", "+4930123456"),
                ("030/12 34 56", "+4930123456"),
                ("+49 (0)30 123456", "+4930123456"),
                ("+49 030 123456", "+4930123456"),
                ("0049 (0) 30 123456", "+4930123456"),
            ],
        );
        check("GB", &[("020 7946 0018", "+442079460018")]);
        check("FR", &[("01 23 45 67 89", "+33123456789")]);
        check("IT", &[("06 6982 1234", "+390669821234")]);
        check(
            "RU",
            &[
                ("8 (495) 123-45-67", "+74951234567"),
                ("800 123 45 67", "+78001234567"),
            ],
        );
        check("BR", &[("(11) 98765-4321", "+5511987654321")]);
        check(
            "IN",
            &[
                ("98765 43210", "+919876543210"),
                ("098765 43210", "+919876543210"),
            ],
        );
        check(
            "CN",
            &[
                ("138 0013 8000", "+8613800138000"),
                ("010 6552 9988", "+861065529988"),
            ],
        );
        check("HU", &[("06 1 234 5678", "+3612345678")]);
        check(
            "AU",
            &[
                ("0011 1 415 555 0100", "+14155550100"),
                ("02 5550 1234", "+61255501234"),
            ],
        );
    }

    #[test]
    fn extensions_are_kept_apart() {
        check(
            "US",
            &[
                ("415-555-0100 x123", "+14155550100 x123"),
                ("415-555-0100 ext. 123", "+14155550100 x123"),
                ("415-555-0100 Extension 123", "+14155550100 x123"),
                ("415-555-0100 #123", "+14155550100 x123"),
                ("+1 415 555 0100;ext=123", "+14155550100 x123"),
                ("4155550100x123", "+14155550100 x123"),
            ],
        );
    }

    #[test]
    fn letters_are_keys() {
        check(
            "US",
            &[
                ("1-800-FLOWERS", "+18003569377"),
                ("1 800 GO FEDEX", "+18004633339"),
                ("+1 (800) MY-APPLE", "+18006927753"),
            ],
        );
    }

    #[test]
    fn digits_of_other_scripts_are_digits() {
        check("EG", &[("٠٢ ٢٣٤٥ ٦٧٨٩", "+20223456789")]);
        check("JP", &[("０３-１２３４-５６７８", "+81312345678")]);
    }

    #[test]
    fn what_is_not_certain_is_not_guessed() {
        for text in [
            "",
            "-",
            "n/a",
            "none",
            "call me",
            "123",
            "555-0100",
            "+",
            "+999 123456",
            "+1 123",
            "115 555 0100",
            "415 155 0100",
            "415 555 0100 / 415 555 0101",
            "415-555-0100 x",
            "415-555-0100 or 415-555-0101",
            "+1 415 555 0100 x123456789",
            "jane@example.com",
            "++1 415 555 0100",
            "415+5550100",
            "1-800-FLOWERSHOP",
        ] {
            assert_eq!(normalize(text, Some("US")), None, "{text}");
        }
        for text in ["123456", "30 123456", "4930123456"] {
            assert_eq!(normalize(text, Some("DE")), None, "{text}");
        }
        assert_eq!(normalize("00 21 11 5555 0100", Some("BR")), None);
        assert_eq!(normalize("415 555 0100", None), None);
        assert_eq!(normalize("415 555 0100", Some("AQ")), None);
    }

    #[test]
    fn a_number_once_normalised_stays_as_it_is() {
        for text in [
            "+14155550100",
            "+14155550100 x12",
            "+390669821234",
            "+4930123456",
        ] {
            assert_eq!(normalize(text, None).as_deref(), Some(text));
        }
    }
}
