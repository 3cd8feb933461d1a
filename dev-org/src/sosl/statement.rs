//! The clauses of a SOSL statement. Conditions are kept as text: they are
//! those of SOQL, which reads them itself.

use super::{Returning, Scope, Search, malformed};
use crate::fault::Fault;

/// Most characters of a statement.
const LONGEST: usize = 100_000;

pub(super) fn parse(text: &str) -> Result<Search, Fault> {
    if text.len() > LONGEST {
        return Err(malformed(
            "SOSL statements cannot be longer than 100000 characters.",
        ));
    }
    let mut rest = Rest(text.trim());
    if !rest.take("FIND") {
        return Err(rest.unexpected());
    }
    let mut search = Search {
        find: rest.braces()?,
        ..Search::default()
    };
    if rest.take("IN") {
        search.scope = Scope::named(rest.word())?;
        if !rest.take("FIELDS") {
            return Err(rest.unexpected());
        }
    }
    if rest.take("RETURNING") {
        loop {
            search.returning.push(rest.returning()?);
            if !rest.symbol(',') {
                break;
            }
        }
    }
    if rest.take("LIMIT") {
        search.limit = Some(number(rest.word())?);
    }
    // Both only note that somebody has looked.
    if rest.take("UPDATE") {
        rest.word();
    }
    if rest.0.is_empty() {
        Ok(search)
    } else {
        Err(rest.unexpected())
    }
}

/// What has not been read yet, without white space in front.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn unexpected(&self) -> Fault {
        let word = self.0.split_whitespace().next().unwrap_or("<EOF>");
        malformed(format!("unexpected token: '{word}'"))
    }

    fn move_to(&mut self, at: usize) {
        self.0 = self.0.get(at..).unwrap_or_default().trim_start();
    }

    /// A word, which may be empty.
    fn word(&mut self) -> &'a str {
        let end = self
            .0
            .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .unwrap_or(self.0.len());
        let word = self.0.get(..end).unwrap_or_default();
        self.move_to(end);
        word
    }

    /// Takes a keyword if it comes next.
    fn take(&mut self, keyword: &str) -> bool {
        let mut ahead = Rest(self.0);
        let found = ahead.word().eq_ignore_ascii_case(keyword);
        if found {
            self.0 = ahead.0;
        }
        found
    }

    fn symbol(&mut self, symbol: char) -> bool {
        let found = self.0.starts_with(symbol);
        if found {
            self.move_to(symbol.len_utf8());
        }
        found
    }

    /// What stands between the braces, escapes as they are.
    fn braces(&mut self) -> Result<String, Fault> {
        if !self.0.starts_with('{') {
            return Err(self.unexpected());
        }
        let mut escaped = false;
        for (at, letter) in self.0.char_indices().skip(1) {
            if letter == '}' && !escaped {
                let inside = self.0.get(1..at).unwrap_or_default().to_owned();
                self.move_to(at + 1);
                return Ok(inside);
            }
            escaped = letter == '\\' && !escaped;
        }
        Err(malformed("expecting '}', found '<EOF>'"))
    }

    /// `Account` or `Account(Id, Name WHERE ... ORDER BY ... LIMIT 5 OFFSET 1)`
    fn returning(&mut self) -> Result<Returning, Fault> {
        let object = self.word().to_owned();
        if object.is_empty() {
            return Err(self.unexpected());
        }
        let mut returning = Returning {
            object,
            ..Returning::default()
        };
        if !self.0.starts_with('(') {
            return Ok(returning);
        }
        let end = marks(self.0)
            .find(|mark| mark.depth == 0 && mark.word == ")")
            .map(|mark| mark.at)
            .ok_or_else(|| malformed("expecting a right parentheses, found '<EOF>'"))?;
        let inside = self.0.get(1..end).unwrap_or_default();
        self.move_to(end + 1);
        let start = |keyword: &str| {
            marks(inside)
                .find(|mark| mark.depth == 0 && mark.word.eq_ignore_ascii_case(keyword))
                .map(|mark| mark.at)
        };
        let keywords = ["WHERE", "ORDER", "LIMIT", "OFFSET"].map(start);
        let first = keywords.iter().flatten().min().copied();
        let [_, _, limit, offset] = keywords;
        let behind = [limit, offset].into_iter().flatten().min();
        let fields_end = first.unwrap_or(inside.len());
        let conditions_end = behind.unwrap_or(inside.len());
        let part = |from: usize, to: usize| inside.get(from..to).unwrap_or_default().trim();
        part(0, fields_end).clone_into(&mut returning.fields);
        part(fields_end, conditions_end).clone_into(&mut returning.conditions);
        let after =
            |at: usize, keyword: &str| number(Rest(part(at + keyword.len(), inside.len())).word());
        returning.limit = limit.map(|at| after(at, "LIMIT")).transpose()?;
        returning.offset = offset
            .map(|at| after(at, "OFFSET"))
            .transpose()?
            .unwrap_or(0);
        Ok(returning)
    }
}

fn number(text: &str) -> Result<usize, Fault> {
    text.parse()
        .map_err(|_| malformed(format!("unexpected token: '{text}'")))
}

/// A word or a parenthesis outside of string literals.
struct Mark<'a> {
    at: usize,
    word: &'a str,
    /// The parentheses around it; a closing one counts as outside its pair.
    depth: usize,
}

fn marks(text: &str) -> impl Iterator<Item = Mark<'_>> {
    let mut at = 0;
    let mut depth = 0_usize;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..)?;
            let letter = rest.chars().next()?;
            let start = at;
            if letter == '\'' {
                at += literal(rest);
                continue;
            }
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            let end = if is_word(letter) {
                rest.find(|letter| !is_word(letter)).unwrap_or(rest.len())
            } else {
                letter.len_utf8()
            };
            at += end;
            let word = rest.get(..end)?;
            match word {
                "(" => {
                    depth += 1;
                    return Some(Mark {
                        at: start,
                        word,
                        depth: depth - 1,
                    });
                }
                ")" => depth = depth.saturating_sub(1),
                _ if !is_word(letter) => continue,
                _ => {}
            }
            return Some(Mark {
                at: start,
                word,
                depth,
            });
        }
    })
}

/// Bytes of the string literal that a text begins with.
fn literal(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        if letter == '\'' && !escaped {
            return at + 1;
        }
        escaped = letter == '\\' && !escaped;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_is_read() {
        let search = parse(
            "find {Acme \\} Inc} in Name fields returning Account(Id, Name where (Type = 'a) LIMIT 9' and Fax != null) order by Name limit 5 offset 2), Contact LIMIT 20",
        )
        .unwrap();
        assert_eq!(search.find, "Acme \\} Inc");
        assert_eq!((search.scope, search.limit), (Scope::Name, Some(20)));
        let account = Returning {
            object: "Account".to_owned(),
            fields: "Id, Name".to_owned(),
            conditions: "where (Type = 'a) LIMIT 9' and Fax != null) order by Name".to_owned(),
            limit: Some(5),
            offset: 2,
        };
        let contact = Returning {
            object: "Contact".to_owned(),
            ..Returning::default()
        };
        assert_eq!(search.returning, [account, contact]);
    }

    #[test]
    fn what_does_not_belong_there_is_named() {
        for (text, token) in [
            ("SELECT Id FROM Account", "SELECT"),
            ("FIND Acme", "Acme"),
            ("FIND {Acme} IN SOME FIELDS", "SOME"),
            ("FIND {Acme} WITH SNIPPET", "WITH"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!(fault.code, "MALFORMED_SEARCH");
            assert!(fault.message.contains(token), "{}", fault.message);
        }
    }
}
