//! Countries: names in many spellings to ISO 3166-1 alpha-2 codes.

use crate::table;

static NAMES: &str = table::body(include_str!("../data/country-names.tsv"));
static COUNTRIES: &str = table::body(include_str!("../data/countries.tsv"));

/// Two-letter codes that are not of ISO 3166 but mean one country to everybody:
/// the usual name of the United Kingdom, and what the EU writes for Greece.
const OTHER_CODES: [(&str, &str); 2] = [("UK", "GB"), ("EL", "GR")];

/// The longest name that is looked up, in characters. The longest known one has
/// 52.
const MAX_NAME: usize = 100;

/// The alpha-2 code of a country that is given by code or by name.
pub(crate) fn code(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if text.chars().count() > MAX_NAME {
        return None;
    }
    let plain: String = text.chars().filter(char::is_ascii_alphabetic).collect();
    if plain.len() == 2 && text.chars().all(|c| c.is_ascii_alphabetic() || c == '.') {
        return from_code(&plain.to_ascii_uppercase());
    }
    table::find(NAMES, &fold(text))
}

/// A code as the data knows it, if it is one.
fn from_code(code: &str) -> Option<&'static str> {
    let code = OTHER_CODES
        .iter()
        .find(|(other, _)| *other == code)
        .map_or(code, |(_, iso)| iso);
    // The table's own text, which lives as long as the program.
    let columns = table::find(COUNTRIES, code)?;
    let at = (columns.as_ptr() as usize).checked_sub(COUNTRIES.as_ptr() as usize)?;
    COUNTRIES.get(at.checked_sub(3)?..at.checked_sub(1)?)
}

/// The calling code of a country by its alpha-2 code.
pub(crate) fn calling_code(code: &str) -> Option<&'static str> {
    table::find(COUNTRIES, code).filter(|calling| *calling != "-")
}

/// A name without what people write differently: case, accents, punctuation,
/// spaces, `the`, and `&` for `and`.
fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    for word in name.replace('&', " and ").split_whitespace() {
        if word
            .trim_matches([',', '(', ')'])
            .eq_ignore_ascii_case("the")
        {
            continue;
        }
        for character in word.chars().flat_map(char::to_lowercase) {
            fold_character(character, &mut folded);
        }
    }
    folded
}

/// The letters from U+00C0 to U+017F without their accents; `.` for those that
/// become two letters or none.
const LATIN: &str = "aaaaaa.ceeeeiiiidnooooo.ouuuuy..aaaaaa.ceeeeiiiidnooooo.ouuuuy.y\
    aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiii.i..jjkkkllllllllllnnnnnnnnnoooooo..rrrrrr\
    ssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/// The same from U+1EA0 to U+1EF9: the letters of Vietnamese.
const VIETNAMESE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeeeeeeeeeeeiiiioooooooooooooooooooooooo\
    uuuuuuuuuuuuuuyyyyyyyy";

fn fold_character(character: char, folded: &mut String) {
    let from_table = |table: &str, first: u32| {
        let place = (character as u32 - first) as usize;
        table.as_bytes().get(place).map(|byte| char::from(*byte))
    };
    match character {
        'a'..='z' | '0'..='9' => folded.push(character),
        'ß' => folded.push_str("ss"),
        'æ' => folded.push_str("ae"),
        'œ' => folded.push_str("oe"),
        'þ' => folded.push_str("th"),
        'ĳ' => folded.push_str("ij"),
        // Punctuation, spaces, combining accents.
        '\0'..'\u{C0}'
        | '×'
        | '÷'
        | '\u{300}'..='\u{36F}'
        | '\u{2000}'..='\u{206F}'
        | '\u{3000}'..='\u{303F}'
        | '・' => {}
        '\u{C0}'..='\u{17F}' => {
            folded.extend(from_table(LATIN, 0xC0).filter(|c| *c != '.'));
        }
        '\u{1EA0}'..='\u{1EF9}' => folded.extend(from_table(VIETNAMESE, 0x1EA0)),
        other => folded.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_known_by_code_name_alias_and_their_own_spelling() {
        for (text, expected) in [
            ("de", "DE"),
            ("U.S.", "US"),
            ("uk", "GB"),
            ("XK", "XK"),
            ("DEU", "DE"),
            ("U.S.A.", "US"),
            ("Germany", "DE"),
            ("  the   NETHERLANDS ", "NL"),
            ("Netherlands, The", "NL"),
            ("Deutschland", "DE"),
            ("Österreich", "AT"),
            ("Osterreich", "AT"),
            ("Côte d’Ivoire", "CI"),
            ("COTE D'IVOIRE", "CI"),
            ("Việt Nam", "VN"),
            ("Korea, Republic of", "KR"),
            ("日本", "JP"),
            ("中国", "CN"),
            ("Россия", "RU"),
            ("Ελλάδα", "GR"),
            ("السعودية", "SA"),
            ("Espan\u{303}a", "ES"),
            ("Trinidad & Tobago", "TT"),
            ("St. Lucia", "LC"),
            ("Allemagne", "DE"),
            ("Türkiye", "TR"),
        ] {
            assert_eq!(code(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_country_or_could_be_two_is_not_guessed() {
        for text in [
            "", "ZZ", "XX", "Atlantis", "Congo", "12", "N/A", "-", "Bavaria",
        ] {
            assert_eq!(code(text), None, "{text}");
        }
    }

    #[test]
    fn every_name_in_the_data_is_folded_and_has_a_code() {
        for line in NAMES.lines() {
            let (name, code) = line.split_once('\t').unwrap();
            assert_eq!(fold(name), name);
            assert!(table::find(COUNTRIES, code).is_some(), "{code}");
        }
    }
}
