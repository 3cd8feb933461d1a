//! Turns the tokens of a statement into a [`Query`].
//!
//! A plain recursive descent: one function for each rule of the grammar, the
//! clauses in `clauses.rs`, the SELECT list in `select.rs`, conditions and
//! literals in `condition.rs`.

mod clauses;
mod condition;
mod select;
#[cfg(test)]
mod tests;

use super::ast::{Name, Query};
use super::error::QueryError;
use super::lexer::{Token, TokenKind, tokens};

/// How deep parentheses and functions may nest; a statement of 100,000
/// characters could otherwise exhaust the stack.
const MAX_DEPTH: usize = 100;

/// Parses a whole statement.
pub(crate) fn parse(text: &str) -> Result<Query, QueryError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
    };
    let query = parser.query()?;
    match parser.peek() {
        TokenKind::End => Ok(query),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    /// Index of the next token; never behind the last one, which is the end.
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &TokenKind {
        self.peek_at(0)
    }

    /// The token that many places behind the next one.
    fn peek_at(&self, ahead: usize) -> &TokenKind {
        self.tokens
            .get(self.next + ahead)
            .map_or(&TokenKind::End, |token| &token.kind)
    }

    /// Where the next token starts.
    fn at(&self) -> usize {
        self.tokens
            .get(self.next)
            .map_or(self.text.len(), |token| token.at)
    }

    fn advance(&mut self) {
        self.next += 1;
    }

    /// The error that the next token cannot stand where it stands.
    fn unexpected(&self) -> QueryError {
        QueryError::malformed(
            self.at(),
            format!("unexpected token: '{}'", self.next_as_written()),
        )
    }

    /// The error that a certain thing should stand here.
    fn expecting(&self, what: &str) -> QueryError {
        QueryError::malformed(
            self.at(),
            format!("expecting {what}, found '{}'", self.next_as_written()),
        )
    }

    fn next_as_written(&self) -> &str {
        match self.tokens.get(self.next) {
            Some(token) if token.kind != TokenKind::End => {
                self.text.get(token.at..token.end).unwrap_or_default()
            }
            _ => "<EOF>",
        }
    }

    fn is_keyword_at(&self, ahead: usize, keyword: &str) -> bool {
        matches!(self.peek_at(ahead), TokenKind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        self.is_keyword_at(0, keyword)
    }

    /// Takes the keyword if it comes next.
    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        self.next += usize::from(found);
        found
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), QueryError> {
        if self.take_keyword(keyword) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn is_symbol(&self, symbol: char) -> bool {
        *self.peek() == TokenKind::Symbol(symbol)
    }

    fn take_symbol(&mut self, symbol: char) -> bool {
        let found = self.is_symbol(symbol);
        self.next += usize::from(found);
        found
    }

    fn closing_parenthesis(&mut self) -> Result<(), QueryError> {
        if self.take_symbol(')') {
            Ok(())
        } else {
            Err(self.expecting("a right parentheses"))
        }
    }

    /// A name or a dotted path.
    fn name(&mut self) -> Result<Name, QueryError> {
        let at = self.at();
        let TokenKind::Word(word) = self.peek() else {
            return Err(self.unexpected());
        };
        let text = word.clone();
        if text.split('.').any(str::is_empty) {
            return Err(self.unexpected());
        }
        self.advance();
        Ok(Name { text, at })
    }

    /// Runs a rule one level deeper.
    fn nested<T>(
        &mut self,
        rule: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        if self.depth == MAX_DEPTH {
            return Err(QueryError::malformed(
                self.at(),
                "query is nested too deeply",
            ));
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }
}
