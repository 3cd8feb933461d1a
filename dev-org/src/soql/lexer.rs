//! Cuts a SOQL statement into tokens.
//!
//! A dotted path (`Account.Owner.Name`) is one word: SOQL allows no space
//! around the dots, and errors point at the start of the whole path.

use super::error::{At, INVALID_FIELD, MALFORMED_QUERY, QueryError};
use super::temporal;

/// The longest string literal that a statement may hold, in characters.
const MAX_STRING: usize = 4_000;
/// The longest statement, in characters.
const MAX_STATEMENT: usize = 100_000;

/// One token and where it starts (byte offset).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: TokenKind,
    /// Where its first character is.
    pub(crate) at: usize,
    /// Where the next character after it is.
    pub(crate) end: usize,
}

/// The kinds of token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A keyword, a name or a dotted path.
    Word(String),
    /// A string literal with its escapes resolved.
    Text(StringLiteral),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Double(f64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Milliseconds since the epoch.
    DateTime(i64),
    /// Milliseconds of the day.
    Time(u32),
    /// One of `( ) , :` or a character that fits nowhere.
    Symbol(char),
    /// A comparison operator.
    Compare(Comparison),
    /// Behind the last token.
    End,
}

/// A string literal; LIKE must know which wildcards were escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StringLiteral {
    /// The text with every escape resolved.
    pub(crate) text: String,
    /// Byte offsets in `text` of `%` and `_` that were written with a backslash.
    pub(crate) escaped_wildcards: Vec<usize>,
}

/// The comparison operators that are written as symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// `=`
    Equal,
    /// `!=` or `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Cuts the statement; the last token is always [`TokenKind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    if text.chars().count() > MAX_STATEMENT {
        return Err(QueryError::new(
            MALFORMED_QUERY,
            At::Statement,
            format!("SOQL statements cannot be longer than {MAX_STATEMENT} characters."),
        ));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let ended = token.kind == TokenKind::End;
        tokens.push(token);
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes the longest prefix whose characters all satisfy the rule.
    fn take_while(&mut self, rule: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !rule(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn next(&mut self) -> Result<Token, QueryError> {
        self.take_while(char::is_whitespace);
        let at = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            let (kind, end) = (TokenKind::End, at);
            return Ok(Token { kind, at, end });
        };
        let second = rest.chars().nth(1).unwrap_or(' ');
        let kind = match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
                TokenKind::Word(word.to_owned())
            }
            '\'' => TokenKind::Text(self.string()?),
            '0'..='9' => self.number()?,
            '+' | '-' | '.' if second.is_ascii_digit() || second == '.' => self.number()?,
            '!' if second == '=' => self.comparison(Comparison::NotEqual, 2),
            '<' if second == '>' => self.comparison(Comparison::NotEqual, 2),
            '<' if second == '=' => self.comparison(Comparison::LessOrEqual, 2),
            '>' if second == '=' => self.comparison(Comparison::GreaterOrEqual, 2),
            '<' => self.comparison(Comparison::Less, 1),
            '>' => self.comparison(Comparison::Greater, 1),
            '=' => self.comparison(Comparison::Equal, 1),
            '(' | ')' | ',' | ':' | '*' | '{' | '}' | '[' | ']' | '-' | '+' | '/' | '.' | ';' => {
                self.at += first.len_utf8();
                TokenKind::Symbol(first)
            }
            _ => {
                return Err(
                    self.lexical(at, &format!("no viable alternative at character '{first}'"))
                );
            }
        };
        Ok(Token {
            kind,
            at,
            end: self.at,
        })
    }

    fn comparison(&mut self, comparison: Comparison, length: usize) -> TokenKind {
        self.at += length;
        TokenKind::Compare(comparison)
    }

    /// An error of the lexer itself; its message repeats line and column.
    fn lexical(&self, offset: usize, what: &str) -> QueryError {
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count();
        QueryError::new(
            MALFORMED_QUERY,
            At::Character(offset),
            format!("line {line}:{column} {what}"),
        )
    }

    /// A number, or a date, dateTime or time, which all start with a digit.
    fn number(&mut self) -> Result<TokenKind, QueryError> {
        let at = self.at;
        let text = self.literal_text();
        let Some(kind) = literal(text) else {
            let temporal = text.contains(':') || text.matches('-').count() >= 2;
            return Err(if temporal {
                QueryError::new(
                    MALFORMED_QUERY,
                    At::Word(at),
                    format!("Invalid date: {text}"),
                )
            } else {
                QueryError::malformed(at, format!("unexpected token: '{text}'"))
            });
        };
        Ok(kind)
    }

    /// The characters of a number or of a date with all its parts.
    fn literal_text(&mut self) -> &'a str {
        let start = self.at;
        self.take_while(|c| c == '+' || c == '-');
        self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '+'));
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn string(&mut self) -> Result<StringLiteral, QueryError> {
        let start = self.at;
        self.at += 1;
        let mut literal = StringLiteral::default();
        loop {
            literal
                .text
                .push_str(self.take_while(|c| c != '\'' && c != '\\'));
            match self.rest().chars().next() {
                Some('\'') => break,
                Some(_) => self.escape(&mut literal)?,
                None => {
                    let what = "mismatched character '<EOF>' expecting '''";
                    return Err(self.lexical(self.text.len(), what));
                }
            }
        }
        self.at += 1;
        if literal.text.chars().count() > MAX_STRING {
            return Err(QueryError::new(
                INVALID_FIELD,
                At::Word(start),
                format!("string literal cannot be longer than {MAX_STRING} characters"),
            ));
        }
        Ok(literal)
    }

    /// Resolves the escape that starts with the backslash at the current place.
    fn escape(&mut self, literal: &mut StringLiteral) -> Result<(), QueryError> {
        let start = self.at;
        let mut following = self.rest().chars().skip(1);
        let letter = following.next();
        let mut length = 1 + letter.map_or(0, char::len_utf8);
        let resolved = match letter {
            Some('n' | 'N') => Some('\n'),
            Some('r' | 'R') => Some('\r'),
            Some('t' | 'T') => Some('\t'),
            Some('b' | 'B') => Some('\u{8}'),
            Some('f' | 'F') => Some('\u{c}'),
            Some(c @ ('"' | '\'' | '\\')) => Some(c),
            Some(c @ ('%' | '_')) => {
                literal.escaped_wildcards.push(literal.text.len());
                Some(c)
            }
            Some('u') => {
                length += 4;
                let digits: String = following.take(4).collect();
                u32::from_str_radix(&digits, 16)
                    .ok()
                    .filter(|_| digits.len() == 4)
                    .and_then(char::from_u32)
            }
            _ => None,
        };
        let Some(resolved) = resolved else {
            let shown: String = self.rest().chars().take(2).collect();
            let message = format!(
                "invalid string literal. Illegal character sequence '{shown}' in string literal."
            );
            return Err(QueryError::malformed(start, message));
        };
        literal.text.push(resolved);
        self.at += length;
        Ok(())
    }
}

/// What a literal that starts with a digit or a sign stands for.
fn literal(text: &str) -> Option<TokenKind> {
    if let Some(date) = temporal::parse_date(text) {
        return Some(TokenKind::Date(date));
    }
    if let Some(instant) = temporal::parse_datetime(text) {
        return Some(TokenKind::DateTime(instant));
    }
    if let Some(time) = temporal::parse_time(text) {
        return Some(TokenKind::Time(time));
    }
    let plain = text.strip_prefix('+').unwrap_or(text);
    if let Ok(number) = plain.parse::<i64>() {
        return Some(TokenKind::Int(number));
    }
    let numeric = plain
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    let number = plain.parse::<f64>().ok()?;
    (numeric && number.is_finite()).then_some(TokenKind::Double(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut kinds: Vec<TokenKind> = tokens(text).unwrap().into_iter().map(|t| t.kind).collect();
        assert_eq!(kinds.pop(), Some(TokenKind::End));
        kinds
    }

    fn text(text: &str) -> String {
        match kinds(text).pop() {
            Some(TokenKind::Text(literal)) => literal.text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_dotted_path_is_one_word() {
        assert_eq!(
            kinds("Account.Owner.Name"),
            vec![TokenKind::Word("Account.Owner.Name".to_owned())]
        );
    }

    #[test]
    fn numbers_and_dates_are_told_apart() {
        assert_eq!(
            kinds("5 -5 5.5 .5 1e3 2026-05-01 1970-01-01T00:00:01Z 01:00:00Z"),
            vec![
                TokenKind::Int(5),
                TokenKind::Int(-5),
                TokenKind::Double(5.5),
                TokenKind::Double(0.5),
                TokenKind::Double(1000.0),
                TokenKind::Date(20574),
                TokenKind::DateTime(1000),
                TokenKind::Time(3_600_000),
            ]
        );
    }

    #[test]
    fn an_offset_moves_a_datetime_to_utc() {
        assert_eq!(
            kinds("1970-01-01T02:00:00+02:00 1970-01-01T00:00:00.250-0100"),
            vec![TokenKind::DateTime(0), TokenKind::DateTime(3_600_250)]
        );
    }

    #[test]
    fn every_escape_of_a_string_is_resolved() {
        assert_eq!(
            text(r#"'\n\r\t\b\f\"\'\\\u0041'"#),
            "\n\r\t\u{8}\u{c}\"'\\A"
        );
    }

    #[test]
    fn escaped_wildcards_are_remembered() {
        let Some(TokenKind::Text(literal)) = kinds(r"'a\%b_'").pop() else {
            panic!("no string");
        };
        assert_eq!(literal.text, "a%b_");
        assert_eq!(literal.escaped_wildcards, vec![1]);
    }

    #[test]
    fn an_unknown_escape_is_refused() {
        assert_eq!(tokens(r"'\q'").unwrap_err().code, MALFORMED_QUERY);
    }

    #[test]
    fn an_open_string_is_refused_at_the_end() {
        let error = tokens("x = 'abc").unwrap_err();
        assert_eq!(
            error.message,
            "line 1:8 mismatched character '<EOF>' expecting '''"
        );
    }

    #[test]
    fn a_double_quote_is_no_token() {
        let error = tokens("x = \"a\"").unwrap_err();
        assert_eq!(
            error.full_message("x = \"a\""),
            "\nx = \"a\"\n   ^\nERROR at Row:1:Column:4\nline 1:4 no viable alternative at character '\"'"
        );
    }

    #[test]
    fn a_string_of_more_than_4000_characters_is_refused() {
        assert!(tokens(&format!("'{}'", "é".repeat(4_000))).is_ok());
        assert!(tokens(&format!("'{}'", "é".repeat(4_001))).is_err());
    }

    #[test]
    fn a_statement_of_more_than_100000_characters_is_refused() {
        let error = tokens(&" ".repeat(100_001)).unwrap_err();
        assert_eq!(error.at, At::Statement);
        assert!(tokens(&" ".repeat(100_000)).is_ok());
    }
}
