//! The words of a search, and whether the words of a record meet them.

use super::malformed;
use crate::fault::Fault;

/// Characters that mean something and need a backslash to be meant themselves.
const RESERVED: &str = "&|!{}[]^~:";

/// How deep parentheses may nest.
const MOST_DEEP: usize = 50;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    /// Words in a row; `*` stands for any letters and `?` for one.
    Phrase(Vec<String>),
}

/// The words of one field.
#[derive(Clone, Debug)]
pub(super) struct Words(Vec<String>);

impl Words {
    /// A telephone number is found by its digits as well, however they are
    /// spaced.
    pub(super) fn of(text: &str, is_phone: bool) -> Self {
        let mut words = split(text, |letter| letter.is_alphanumeric());
        if is_phone {
            words.push(text.chars().filter(char::is_ascii_digit).collect());
        }
        Self(words)
    }
}

impl Expression {
    /// Reads what stands between the braces.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let mut parser = Parser {
            tokens: tokens(text)?,
            next: 0,
        };
        let letters = text.chars().filter(|letter| letter.is_alphanumeric());
        if letters.count() < 2 {
            return Err(malformed(format!(
                "search term must be longer than one character: {text}"
            )));
        }
        let expression = parser.any(0)?;
        match parser.peek() {
            None => Ok(expression),
            Some(_) => Err(malformed(format!("The search term cannot be read: {text}"))),
        }
    }

    /// Whether the fields of a record together meet it.
    pub(super) fn holds(&self, fields: &[Words]) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(fields)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(fields)),
            Self::Not(part) => !part.holds(fields),
            Self::Phrase(phrase) => fields.iter().any(|Words(words)| {
                words.windows(phrase.len()).any(|window| {
                    window
                        .iter()
                        .zip(phrase)
                        .all(|(word, pattern)| fits(word, pattern))
                })
            }),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(Vec<String>),
    And,
    Or,
    Not,
    Open,
    Close,
}

fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.peek().copied() {
        match letter {
            '(' | ')' => {
                letters.next();
                tokens.push(if letter == '(' {
                    Token::Open
                } else {
                    Token::Close
                });
            }
            '"' => {
                letters.next();
                let mut phrase = String::new();
                while let Some(letter) = letters.next().filter(|letter| *letter != '"') {
                    phrase.push(match letter {
                        '\\' => letters.next().unwrap_or(' '),
                        letter => letter,
                    });
                }
                push_words(&mut tokens, &phrase);
            }
            letter if letter.is_whitespace() => {
                letters.next();
            }
            _ => {
                let mut word = String::new();
                while let Some(letter) = letters.peek().copied() {
                    if letter.is_whitespace() || "()\"".contains(letter) {
                        break;
                    }
                    if RESERVED.contains(letter) {
                        return Err(malformed(format!(
                            "The character '{letter}' has to be escaped with a backslash: {text}"
                        )));
                    }
                    letters.next();
                    // An escaped sign is text, and text is split at signs.
                    word.push(match letter {
                        '\\' => letters
                            .next()
                            .filter(|c| c.is_alphanumeric())
                            .unwrap_or(' '),
                        letter => letter,
                    });
                }
                match word.as_str() {
                    "AND" => tokens.push(Token::And),
                    "OR" => tokens.push(Token::Or),
                    "NOT" => tokens.push(Token::Not),
                    word => push_words(&mut tokens, word),
                }
            }
        }
    }
    Ok(tokens)
}

fn push_words(tokens: &mut Vec<Token>, text: &str) {
    let words = split(text, |letter| {
        letter.is_alphanumeric() || "*?".contains(letter)
    });
    if !words.is_empty() {
        tokens.push(Token::Word(words));
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    /// `a OR b`
    fn any(&mut self, depth: usize) -> Result<Expression, Fault> {
        let mut parts = vec![self.all(depth)?];
        while self.take(&Token::Or) {
            parts.push(self.all(depth)?);
        }
        Ok(only(parts, Expression::Or))
    }

    /// `a AND b`, `a b` and `a AND NOT b`
    fn all(&mut self, depth: usize) -> Result<Expression, Fault> {
        let mut parts = vec![self.one(depth)?];
        loop {
            let joined = self.take(&Token::And);
            match self.peek() {
                Some(Token::Word(_) | Token::Open | Token::Not) => parts.push(self.one(depth)?),
                _ if joined => return Err(malformed("The search term ends with AND")),
                _ => return Ok(only(parts, Expression::And)),
            }
        }
    }

    fn one(&mut self, depth: usize) -> Result<Expression, Fault> {
        if depth > MOST_DEEP {
            return Err(malformed("The search term is nested too deeply"));
        }
        if self.take(&Token::Not) {
            return Ok(Expression::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take(&Token::Open) {
            let inside = self.any(depth + 1)?;
            if !self.take(&Token::Close) {
                return Err(malformed("A parenthesis of the search term is not closed"));
            }
            return Ok(inside);
        }
        match self.peek().cloned() {
            Some(Token::Word(words)) => {
                self.next += 1;
                Ok(Expression::Phrase(words))
            }
            _ => Err(malformed("No search term found")),
        }
    }
}

fn only(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match (parts.len(), parts.pop()) {
        (1, Some(part)) => part,
        (_, Some(last)) => {
            parts.push(last);
            join(parts)
        }
        (_, None) => join(parts),
    }
}

fn split(text: &str, is_part: impl Fn(char) -> bool) -> Vec<String> {
    text.split(|letter| !is_part(letter))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Whether a word meets a pattern. Goes back only to the last `*`, which is
/// enough, and never takes longer than both lengths multiplied.
fn fits(word: &str, pattern: &str) -> bool {
    let word: Vec<char> = word.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    let (mut at, mut in_pattern) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = word.get(at) {
        match pattern.get(in_pattern) {
            Some('*') => {
                star = Some((in_pattern, at));
                in_pattern += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == letter => {
                at += 1;
                in_pattern += 1;
            }
            _ => match star {
                Some((place, from)) => {
                    star = Some((place, from + 1));
                    in_pattern = place + 1;
                    at = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern
        .get(in_pattern..)
        .is_some_and(|rest| rest.iter().all(|letter| *letter == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(find: &str, text: &str) -> bool {
        let fields = [Words::of(text, false)];
        Expression::parse(find).unwrap().holds(&fields)
    }

    #[test]
    fn words_are_found_whole_and_without_case() {
        assert!(holds("acme", "The ACME Company"));
        assert!(!holds("acm", "The ACME Company"));
        assert!(holds("acm*", "The ACME Company"));
        assert!(holds("a?me", "The ACME Company"));
        assert!(holds("joe@example.com", "joe@example.com"));
    }

    #[test]
    fn words_are_joined_by_and_or_and_not() {
        assert!(holds("acme company", "Company of Acme"));
        assert!(!holds("\"acme company\"", "Company of Acme"));
        assert!(holds("(nope OR acme) AND company", "Company of Acme"));
        assert!(!holds("company AND NOT acme", "Company of Acme"));
    }

    #[test]
    fn too_few_letters_and_bare_signs_are_refused() {
        for find in ["a", "*", "", "a&b", "acme AND", "(acme"] {
            assert!(Expression::parse(find).is_err(), "{find}");
        }
        assert!(holds("a\\&b", "A&B"));
    }

    #[test]
    fn a_telephone_number_is_found_by_its_digits() {
        let fields = [Words::of("(415) 555-1212", true)];
        assert!(Expression::parse("4155551212").unwrap().holds(&fields));
        assert!(Expression::parse("555-1212").unwrap().holds(&fields));
    }
}
