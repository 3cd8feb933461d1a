//! What is written in a phone field: a plus sign, digits and letters for keys,
//! the marks between them, an extension.

/// Longer texts are notes and not numbers. In bytes.
const MAX_TEXT: usize = 80;

/// Fewest digits before letters count as keys: an area code. Without them the
/// letters are words.
const MIN_DIGITS_BEFORE_LETTERS: usize = 3;

/// How an extension is announced, in lower case, longer ones first.
const EXTENSION_MARKS: [&str; 9] = [
    ";ext=",
    "extension",
    "extn.",
    "ext.",
    "extn",
    "ext:",
    "ext",
    "x",
    "#",
];

/// A number taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) has_plus: bool,
    pub(crate) digits: String,
    pub(crate) extension: Option<String>,
}

/// Takes a text apart; `None` if there is anything in it that numbers do not
/// have.
pub(crate) fn read(text: &str) -> Option<Reading> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    let text = visible.trim().to_lowercase();
    let text = text.strip_prefix("tel:").unwrap_or(&text);
    let (number, extension) = split_extension(text);
    let extension = match extension {
        Some(extension) => Some(all_digits(extension.trim())?),
        None => None,
    };
    let mut number = number.trim();
    let has_plus = number.starts_with(['+', '＋']);
    if has_plus {
        number = number.trim_start_matches('＋');
        number = number.strip_prefix('+').unwrap_or(number);
    }
    // The trunk prefix that is to be left out from abroad, for any spacing.
    let packed: String = number.chars().filter(|c| !c.is_whitespace()).collect();
    let packed = packed.replacen("(0)", "", usize::from(has_plus || packed.starts_with("00")));
    let mut digits = String::with_capacity(packed.len());
    let mut has_letters = false;
    for character in packed.chars() {
        if let Some(digit) = digit(character) {
            // `30 or 40`: letters between digits spell nothing.
            if has_letters {
                return None;
            }
            digits.push(digit);
        } else if let Some(key) = key(character) {
            if digits.len() < MIN_DIGITS_BEFORE_LETTERS {
                return None;
            }
            has_letters = true;
            digits.push(key);
        } else if !is_mark(character) {
            return None;
        }
    }
    Some(Reading {
        has_plus,
        digits,
        extension,
    })
}

/// The number and what follows the mark of an extension. A mark counts only
/// behind a digit and before digits alone, so that letters that are keys
/// (`FEDEX`) are none.
fn split_extension(text: &str) -> (&str, Option<&str>) {
    for mark in EXTENSION_MARKS {
        let Some(at) = text.rfind(mark) else {
            continue;
        };
        let (number, rest) = text.split_at(at);
        let rest = rest.strip_prefix(mark).unwrap_or_default();
        let number = number.trim_end_matches([' ', ',', '(', '\u{a0}']);
        let follows_digit = number.ends_with(|c| digit(c).is_some());
        if follows_digit && !rest.contains(|c: char| c.is_alphabetic()) {
            return (number, Some(rest.trim_end_matches(')')));
        }
    }
    (text, None)
}

fn all_digits(text: &str) -> Option<String> {
    text.chars().map(digit).collect()
}

/// A digit of the scripts that contacts are written in: European, Arabic,
/// Persian, Devanagari, full-width.
fn digit(character: char) -> Option<char> {
    const ZEROS: [u32; 5] = [0x30, 0x660, 0x6F0, 0x966, 0xFF10];
    let code = character as u32;
    ZEROS
        .iter()
        .find(|zero| (**zero..**zero + 10).contains(&code))
        .and_then(|zero| char::from_digit(code - zero, 10))
}

/// The key that a small letter stands on (ITU-T E.161).
fn key(character: char) -> Option<char> {
    Some(match character {
        'a'..='c' => '2',
        'd'..='f' => '3',
        'g'..='i' => '4',
        'j'..='l' => '5',
        'm'..='o' => '6',
        'p'..='s' => '7',
        't'..='v' => '8',
        'w'..='z' => '9',
        _ => return None,
    })
}

/// What stands between digits and means nothing.
fn is_mark(character: char) -> bool {
    matches!(
        character,
        '-' | '‐' | '‑' | '‒' | '–' | '—' | '−' | '－' | '.' | '(' | ')' | '/' | '·'
    )
}

/// Marks of direction and joiners, which come along with a copy.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}'
            | '\u{FEFF}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_anything_foreign_is_not_read() {
        for text in [
            "415 555 0100!",
            "a@b",
            "415_555",
            "555 ☎",
            "4155550100 x 1 2 a",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn invisible_marks_of_direction_are_skipped() {
        let reading = read("\u{202A}+1 415 555 0100\u{202C}").unwrap();
        assert_eq!(reading.digits, "14155550100");
    }
}
