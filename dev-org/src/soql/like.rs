//! LIKE: `%` stands for any text, `_` for one character, case does not count.

use std::str::Chars;

use super::ast::StringLiteral;

/// A pattern, ready to be matched many times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// `%`
    Any,
    /// `_`
    One,
    /// A character in lower case.
    Char(char),
}

/// A character without its case; the few whose lower case is longer than one
/// character keep only its first.
fn folded(c: char) -> char {
    if c.is_ascii() {
        c.to_ascii_lowercase()
    } else {
        c.to_lowercase().next().unwrap_or(c)
    }
}

impl Pattern {
    /// The pattern that a string literal spells.
    pub(crate) fn new(literal: &StringLiteral) -> Self {
        let piece = |(offset, c)| match c {
            _ if literal.escaped_wildcards.contains(&offset) => Piece::Char(c),
            '%' => Piece::Any,
            '_' => Piece::One,
            c => Piece::Char(folded(c)),
        };
        Self(literal.text.char_indices().map(piece).collect())
    }

    /// Whether the whole text follows the pattern.
    ///
    /// On a mismatch the last `%` takes one character more, so the time is at
    /// most the product of both lengths.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut pieces: &[Piece] = &self.0;
        let mut rest = text.chars();
        let mut retry: Option<(&[Piece], Chars<'_>)> = None;
        loop {
            let mut ahead = rest.clone();
            match (pieces.split_first(), ahead.next()) {
                (None, None) => return true,
                (Some((Piece::Any, after)), _) => {
                    pieces = after;
                    retry = Some((after, rest.clone()));
                    continue;
                }
                (Some((Piece::One, after)), Some(_)) => {
                    (pieces, rest) = (after, ahead);
                    continue;
                }
                (Some((Piece::Char(wanted), after)), Some(c)) if folded(c) == *wanted => {
                    (pieces, rest) = (after, ahead);
                    continue;
                }
                _ => {}
            }
            let Some((after, mut start)) = retry else {
                return false;
            };
            if start.next().is_none() {
                return false;
            }
            (pieces, rest) = (after, start.clone());
            retry = Some((after, start));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(text: &str, pattern: &str) -> bool {
        Pattern::new(&StringLiteral {
            text: pattern.to_owned(),
            escaped_wildcards: Vec::new(),
        })
        .matches(text)
    }

    #[test]
    fn wildcards_stand_for_any_text_and_for_one_character() {
        assert!(like("Acme Corp", "acme%") && like("Acme", "%"));
        assert!(like("Acme", "_c_e") && like("aXbXc", "%x_x%"));
        assert!(!like("Acme", "_acme") && !like("Acme", "cme"));
        assert!(like("mississippi", "%iss%ip%") && !like("mississippi", "%iss%iss%iss%"));
    }

    #[test]
    fn case_does_not_count_outside_ascii_either() {
        assert!(like("ÉCOLE Ünder", "école ü%"));
    }

    #[test]
    fn an_escaped_wildcard_stands_for_itself() {
        let pattern = Pattern::new(&StringLiteral {
            text: "100%".to_owned(),
            escaped_wildcards: vec![3],
        });
        assert!(pattern.matches("100%") && !pattern.matches("1000"));
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        assert!(!like(
            &"a".repeat(3_000),
            &"%a".repeat(1_000).replace("%a%a", "%a_%b")
        ));
    }
}
