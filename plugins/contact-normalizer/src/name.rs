//! Names of people: white space always, capitals only where somebody held the
//! shift key down or never touched it.
//!
//! A name in mixed case was written by a person who knows better than any rule
//! (`van der Berg`, `DeVito`, `LaToya`), so it is left as it is.

use std::borrow::Cow;

const MAC_NAMES: &str = include_str!("../data/mac-names.txt");

/// Words that stay small within a family name.
const PARTICLES: [&str; 32] = [
    "af", "av", "bin", "bint", "da", "das", "de", "del", "dela", "den", "der", "des", "do", "dos",
    "du", "e", "het", "ibn", "in", "la", "les", "los", "ten", "ter", "van", "vom", "von", "y",
    "zu", "zum", "zur", "und",
];

/// Particles that stay small only after another one: `de la Cruz`, but
/// `La Guardia`.
const ONLY_AFTER_ANOTHER: [&str; 5] = ["la", "les", "los", "in", "und"];

/// Particles that stay small only between two other words: `Ortega y Gasset`.
const ONLY_BETWEEN: [&str; 3] = ["e", "y", "und"];

/// What may follow a family name, and is written in capitals.
const NUMERALS: [&str; 6] = ["ii", "iii", "iv", "vi", "vii", "viii"];

/// Beginnings after whose apostrophe a capital follows, besides single letters.
const BEFORE_APOSTROPHE: [&str; 4] = ["dell", "all", "sant", "mc"];

/// Where in a whole name the text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A given or a middle name: no particles, no numerals.
    Given,
    /// A family name.
    Family,
    /// Both: the first word is a given name.
    Full,
}

/// The name in its one form.
pub(crate) fn normalize(text: &str, part: Part) -> String {
    let tidy = tidy(text);
    let letters = tidy.chars().filter(|c| c.is_alphabetic()).count();
    let has_upper = tidy.chars().any(char::is_uppercase);
    let has_lower = tidy.chars().any(char::is_lowercase);
    let is_mixed = has_upper && has_lower;
    // `JP`, `J. R.`: initials, as likely as a shouted `Jo`.
    let may_be_initials = !has_lower && (letters <= 2 || tidy.contains('.'));
    // A Turkish word: its small letters follow rules of their own.
    let is_turkish = tidy.contains('İ');
    if is_mixed || may_be_initials || is_turkish || !(has_upper || has_lower) {
        return tidy.into_owned();
    }
    let words: Vec<String> = tidy.split(' ').map(str::to_lowercase).collect();
    let mut name = String::with_capacity(tidy.len());
    let mut after_particle = false;
    for (place, word) in words.iter().enumerate() {
        let is_first = place == 0;
        let is_last = place + 1 == words.len();
        if !is_first {
            name.push(' ');
        }
        let may_be_particle = match part {
            Part::Given => false,
            Part::Family => !is_last,
            Part::Full => !is_first && !is_last,
        };
        let known = |list: &[&str]| list.contains(&word.as_str());
        after_particle = may_be_particle
            && (known(&PARTICLES) || word == "'t" || word == "’t")
            && (after_particle || !known(&ONLY_AFTER_ANOTHER))
            && !(is_first && known(&ONLY_BETWEEN));
        if after_particle {
            name.push_str(word);
        } else if is_last && !is_first && part != Part::Given && known(&NUMERALS) {
            name.push_str(&word.to_uppercase());
        } else {
            capitalize(word, &mut name);
        }
    }
    name
}

/// Without white space at the ends, with one space for any run of it inside.
pub(crate) fn tidy(text: &str) -> Cow<'_, str> {
    let trimmed = text.trim();
    let is_tidy =
        !trimmed.contains("  ") && !trimmed.contains(|c: char| c.is_whitespace() && c != ' ');
    if is_tidy {
        Cow::Borrowed(trimmed)
    } else {
        Cow::Owned(trimmed.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Writes one word, in lower case so far, with its capitals.
fn capitalize(word: &str, name: &mut String) {
    let mut rest = word;
    loop {
        let end = rest.find(['-', '‐', '‑', '–']).unwrap_or(rest.len());
        let (part, tail) = rest.split_at(end);
        capitalize_part(part, name);
        let mut characters = tail.chars();
        let Some(hyphen) = characters.next() else {
            return;
        };
        name.push(hyphen);
        rest = characters.as_str();
    }
}

fn capitalize_part(part: &str, name: &mut String) {
    if let Some((head, tail)) = part.split_once(['\'', '’', 'ʼ'])
        && !tail.is_empty()
    {
        let mark = part.get(head.len()..part.len() - tail.len());
        let opens = head.chars().count() == 1 || BEFORE_APOSTROPHE.contains(&head);
        first_upper(head, name);
        name.push_str(mark.unwrap_or_default());
        // `O'Neil`, but `Ta'rique`; and a single letter is an ending: `Ma'a`.
        if opens && tail.chars().count() > 1 {
            capitalize_part(tail, name);
        } else {
            name.push_str(tail);
        }
        return;
    }
    let after_mac = match part.strip_prefix("mc") {
        Some(tail) if tail.chars().count() > 1 => Some(("Mc", tail)),
        Some(_) => None,
        None => part
            .strip_prefix("mac")
            .filter(|_| MAC_NAMES.lines().any(|line| line == part))
            .map(|tail| ("Mac", tail)),
    };
    match after_mac {
        Some((head, tail)) => {
            name.push_str(head);
            first_upper(tail, name);
        }
        None => first_upper(part, name),
    }
}

fn first_upper(word: &str, name: &mut String) {
    // Past a bracket or a quotation mark: `(bob)`.
    let start = word.find(char::is_alphabetic).unwrap_or(0);
    let (before, letters) = word.split_at(start);
    name.push_str(before);
    let mut characters = letters.chars();
    if let Some(first) = characters.next() {
        name.extend(first.to_uppercase());
        name.push_str(characters.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn family_names_in_one_case_get_their_capitals() {
        for (text, expected) in [
            ("MCDONALD", "McDonald"),
            ("mcdonald", "McDonald"),
            ("O'NEIL", "O'Neil"),
            ("o’neil", "O’Neil"),
            ("VAN DER BERG", "van der Berg"),
            ("van", "Van"),
            ("DE LA CRUZ", "de la Cruz"),
            ("LA GUARDIA", "La Guardia"),
            ("SMITH-JONES", "Smith-Jones"),
            ("D'ANGELO", "D'Angelo"),
            ("DELL'ACQUA", "Dell'Acqua"),
            ("MACDONALD", "MacDonald"),
            ("MACHADO", "Machado"),
            ("macron", "Macron"),
            ("ORTEGA Y GASSET", "Ortega y Gasset"),
            ("SMITH III", "Smith III"),
            ("MÜLLER", "Müller"),
            ("ΠΑΠΑΔΟΠΟΥΛΟΣ", "Παπαδοπουλος"),
            ("VAN 'T HOFF", "van 't Hoff"),
            ("  smith \t jones ", "Smith Jones"),
        ] {
            assert_eq!(normalize(text, Part::Family), expected, "{text}");
        }
    }

    #[test]
    fn given_names_know_no_particles() {
        for (text, expected) in [
            ("jean-luc", "Jean-Luc"),
            ("MARY ANN", "Mary Ann"),
            ("VAN ANH", "Van Anh"),
            ("TA'RIQUE", "Ta'rique"),
            ("(bob)", "(Bob)"),
        ] {
            assert_eq!(normalize(text, Part::Given), expected, "{text}");
        }
        assert_eq!(
            normalize("JAN VAN DER BERG", Part::Full),
            "Jan van der Berg"
        );
    }

    #[test]
    fn mixed_case_initials_and_other_scripts_are_only_tidied() {
        for text in [
            "van der Berg",
            "DeVito",
            "LaToya",
            "McDonald",
            "JP",
            "J.R.R.",
            "ÖZDEMİR",
            "山田",
            "محمد",
            "",
            "3",
        ] {
            assert_eq!(normalize(text, Part::Family), text);
        }
        assert_eq!(normalize(" deVito\u{a0} ", Part::Family), "deVito");
    }

    #[test]
    fn a_name_once_normalised_stays_as_it_is() {
        for text in [
            "MCDONALD",
            "van der berg",
            "O'NEIL",
            "JEAN-LUC",
            "de la cruz",
            "JP",
        ] {
            let once = normalize(text, Part::Family);
            assert_eq!(normalize(&once, Part::Family), once);
        }
    }
}
