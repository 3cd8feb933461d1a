//! What can be told of a query without asking Salesforce: its fields and its
//! object, if it is as plain as a bulk job needs it. Whatever is not clear is an
//! obstacle, never a guess.

/// A query of fields from one object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Select<'a> {
    text: &'a str,
    /// Fields as they are written: `Account.Name`.
    pub(super) fields: Vec<&'a str>,
    pub(super) object: &'a str,
    /// Where the last field ends.
    fields_end: usize,
}

/// Words outside of parentheses that a job does not take.
const OBSTACLES: [(&str, &str); 8] = [
    ("GROUP", "it groups rows"),
    ("HAVING", "it groups rows"),
    ("OFFSET", "it has an OFFSET"),
    ("TYPEOF", "it has a TYPEOF"),
    ("FOR", "it has a FOR VIEW, FOR REFERENCE or FOR UPDATE"),
    ("UPDATE", "it has an UPDATE"),
    ("ALL", "it has an ALL ROWS"),
    ("DATA", "it has a WITH DATA CATEGORY"),
];

/// What may follow the object.
const CLAUSES: [&str; 5] = ["WHERE", "WITH", "ORDER", "LIMIT", "USING"];

impl<'a> Select<'a> {
    /// Reads a query, or says what is in the way of a bulk job.
    pub(super) fn read(text: &'a str) -> Result<Self, &'static str> {
        let mut tokens = Tokens { text, at: 0 };
        if !tokens.next().is_some_and(|token| token.is("SELECT")) {
            return Err("it does not begin with SELECT");
        }
        let mut fields = Vec::new();
        let fields_end = loop {
            match tokens.next() {
                Some(Token::Word(word)) if obstacle(word).is_none() => fields.push(word),
                Some(Token::Word(word)) => return Err(obstacle(word).unwrap_or_default()),
                Some(Token::Parentheses) => return Err("it asks for children"),
                _ => return Err("its list of fields is not clear"),
            }
            let end = tokens.at;
            match tokens.next() {
                Some(Token::Other(',')) => {}
                Some(token) if token.is("FROM") => break end,
                Some(Token::Parentheses) => return Err("it has a function among its fields"),
                _ => return Err("its list of fields is not clear"),
            }
        };
        let Some(Token::Word(object)) = tokens.next() else {
            return Err("it is not clear what it is FROM");
        };
        match tokens.next() {
            None => {}
            Some(token) if CLAUSES.iter().any(|clause| token.is(clause)) => {}
            Some(Token::Word(word)) if obstacle(word).is_some() => {
                return Err(obstacle(word).unwrap_or_default());
            }
            Some(_) => return Err("it has an alias, or several objects, in FROM"),
        }
        for token in tokens {
            match token {
                Token::Word(word) => obstacle(word).map_or(Ok(()), Err)?,
                Token::Broken => return Err("a quote or parenthesis in it does not end"),
                Token::Parentheses | Token::Other(_) => {}
            }
        }
        Ok(Self {
            text,
            fields,
            object,
            fields_end,
        })
    }

    /// The same query with more fields.
    pub(super) fn with(&self, more: &[String]) -> String {
        let (before, behind) = self.text.split_at(self.fields_end);
        let mut out = before.to_owned();
        for field in more {
            out.push_str(", ");
            out.push_str(field);
        }
        out.push_str(behind);
        out
    }

    /// How many objects are on the way to its fields, at most.
    pub(super) fn objects_at_most(&self) -> u64 {
        let mut paths: Vec<String> = Vec::new();
        for field in &self.fields {
            let dots = field.match_indices('.').map(|(at, _)| at);
            paths.extend(dots.filter_map(|at| Some(field.get(..at)?.to_ascii_lowercase())));
        }
        paths.sort_unstable();
        paths.dedup();
        1 + paths.len() as u64
    }
}

fn obstacle(word: &str) -> Option<&'static str> {
    let found = OBSTACLES
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name));
    found.map(|(_, what)| *what)
}

#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// From one parenthesis to the one that closes it.
    Parentheses,
    /// A text in quotes is a quote.
    Other(char),
    Broken,
}

impl Token<'_> {
    fn is(&self, name: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(name))
    }
}

/// The words of a query that stand in no parentheses and no quotes.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let rest = self.text.get(self.at..)?;
        let blank = rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let first = rest.chars().next()?;
        let word = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.')
            .unwrap_or(rest.len());
        let (token, length) =
            match first {
                '\'' => quoted(rest)
                    .map_or((Token::Broken, rest.len()), |end| (Token::Other('\''), end)),
                '(' => enclosed(rest)
                    .map_or((Token::Broken, rest.len()), |end| (Token::Parentheses, end)),
                _ if word > 0 => (Token::Word(rest.get(..word)?), word),
                other => (Token::Other(other), other.len_utf8()),
            };
        self.at += blank + length;
        Some(token)
    }
}

/// The length of a text in quotes at the beginning of `rest`.
fn quoted(rest: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            b'\'' if !is_escaped => return Some(at + 1),
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}

/// The length of what stands in parentheses at the beginning of `rest`.
fn enclosed(rest: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_u32, 0);
    loop {
        let length = match rest.as_bytes().get(at)? {
            b'\'' => quoted(rest.get(at..)?)?,
            b'(' => {
                depth += 1;
                1
            }
            b')' => {
                depth -= 1;
                1
            }
            _ => 1,
        };
        at += length;
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_the_object_are_found_and_more_fields_put_behind_them() {
        let text = "select  Id , Account.Owner.Name\n FROM Contact WHERE Name IN ('a, FROM (', 'O\\'x') \
                    AND AccountId IN (SELECT Id FROM Account GROUP BY Id) ORDER BY Name LIMIT 5";
        let select = Select::read(text).unwrap();
        assert_eq!(select.fields, ["Id", "Account.Owner.Name"]);
        assert_eq!(select.object, "Contact");
        assert_eq!(select.objects_at_most(), 3);
        let more = select.with(&["Account.Id".to_owned(), "X".to_owned()]);
        assert!(
            more.starts_with("select  Id , Account.Owner.Name, Account.Id, X\n FROM Contact WHERE"),
            "{more}"
        );
        assert_eq!(Select::read("SELECT Id FROM Lead").unwrap().object, "Lead");
    }

    #[test]
    fn whatever_a_job_cannot_answer_or_is_not_clear_is_an_obstacle() {
        for (text, named) in [
            ("SELECT COUNT() FROM Lead", "function"),
            (
                "SELECT Name, COUNT(Id) n FROM Lead GROUP BY Name",
                "function",
            ),
            ("SELECT Name FROM Lead GROUP BY Name", "groups"),
            ("SELECT Id FROM Lead LIMIT 5 OFFSET 3", "OFFSET"),
            (
                "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
                "children",
            ),
            (
                "SELECT TYPEOF What WHEN Account THEN Name END FROM Task",
                "TYPEOF",
            ),
            ("SELECT FIELDS(ALL) FROM Lead LIMIT 200", "function"),
            ("SELECT toLabel(Status) FROM Lead", "function"),
            ("SELECT c.Name FROM Contact c", "alias"),
            ("SELECT Name FROM Contact, Contact.Account a", "alias"),
            ("SELECT Name n FROM Contact", "not clear"),
            ("SELECT Id FROM Lead FOR VIEW", "FOR VIEW"),
            ("SELECT Id FROM Lead WHERE Name = 'x", "does not end"),
            ("SELECT Id FROM Lead WHERE (Name = 'x'", "does not end"),
            ("SELECT FROM Lead", "not clear"),
            ("SELECT Id", "not clear"),
            ("FIND {x}", "SELECT"),
            ("", "SELECT"),
        ] {
            let what = Select::read(text).unwrap_err();
            assert!(what.contains(named), "{text}: {what}");
        }
    }
}
