//! Conditions and literals.
//!
//! SOQL gives AND, OR and NOT no precedence over each other: a level of a
//! condition holds ANDs only or ORs only, and NOT stands alone on its level.

use super::Parser;
use crate::soql::ast::{Condition, Literal, LiteralKind, Right, Test};
use crate::soql::date_literal::{date_literal, takes_count};
use crate::soql::error::QueryError;
use crate::soql::lexer::TokenKind;

impl Parser<'_> {
    pub(super) fn condition(&mut self) -> Result<Condition, QueryError> {
        if self.take_keyword("NOT") {
            let inner = self.simple_condition()?;
            return Ok(Condition::Not(Box::new(inner)));
        }
        let first = self.simple_condition()?;
        for (keyword, combine) in [
            ("AND", Condition::And as fn(Vec<Condition>) -> Condition),
            ("OR", Condition::Or),
        ] {
            if self.is_keyword(keyword) {
                let mut parts = vec![first];
                while self.take_keyword(keyword) {
                    parts.push(self.simple_condition()?);
                }
                return Ok(combine(parts));
            }
        }
        Ok(first)
    }

    /// A condition in parentheses, or one comparison.
    fn simple_condition(&mut self) -> Result<Condition, QueryError> {
        if self.take_symbol('(') {
            let inner = self.nested(Self::condition)?;
            self.closing_parenthesis()?;
            return Ok(inner);
        }
        let left = self.expr()?;
        let right = self.right()?;
        Ok(Condition::Test(Test { left, right }))
    }

    fn right(&mut self) -> Result<Right, QueryError> {
        if let TokenKind::Compare(comparison) = *self.peek() {
            self.advance();
            return Ok(Right::Compare(comparison, self.literal()?));
        }
        if self.take_keyword("LIKE") {
            return Ok(Right::Like(self.literal()?));
        }
        if self.is_keyword("NOT") && self.is_keyword_at(1, "IN") {
            self.next += 2;
            return self.in_list(true);
        }
        if self.take_keyword("IN") {
            return self.in_list(false);
        }
        for (keyword, negated) in [("INCLUDES", false), ("EXCLUDES", true)] {
            if self.take_keyword(keyword) {
                let list = self.literal_list()?;
                return Ok(Right::Includes { list, negated });
            }
        }
        Err(self.unexpected())
    }

    fn in_list(&mut self, negated: bool) -> Result<Right, QueryError> {
        if *self.peek() == TokenKind::Symbol('(') && self.is_keyword_at(1, "SELECT") {
            self.advance();
            let query = Box::new(self.nested(Self::query)?);
            self.closing_parenthesis()?;
            return Ok(Right::InQuery { query, negated });
        }
        let list = self.literal_list()?;
        Ok(Right::In { list, negated })
    }

    fn literal_list(&mut self) -> Result<Vec<Literal>, QueryError> {
        if !self.take_symbol('(') {
            return Err(self.unexpected());
        }
        let mut list = vec![self.literal()?];
        while self.take_symbol(',') {
            list.push(self.literal()?);
        }
        self.closing_parenthesis()?;
        Ok(list)
    }

    fn literal(&mut self) -> Result<Literal, QueryError> {
        let at = self.at();
        let kind = match self.peek() {
            TokenKind::Text(text) => LiteralKind::Text(text.clone()),
            TokenKind::Int(number) => LiteralKind::Int(*number),
            TokenKind::Double(number) => LiteralKind::Double(*number),
            TokenKind::Date(days) => LiteralKind::Date(*days),
            TokenKind::DateTime(millis) => LiteralKind::DateTime(*millis),
            TokenKind::Time(millis) => LiteralKind::Time(*millis),
            TokenKind::Word(word) => {
                let word = word.clone();
                return self.word_literal(&word, at);
            }
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok(Literal { kind, at })
    }

    /// `null`, a boolean, a date literal or an amount with its currency.
    fn word_literal(&mut self, word: &str, at: usize) -> Result<Literal, QueryError> {
        let literal = |kind| Ok(Literal { kind, at });
        if takes_count(word) && *self.peek_at(1) == TokenKind::Symbol(':') {
            let TokenKind::Int(count) = *self.peek_at(2) else {
                self.next += 2;
                return Err(self.unexpected());
            };
            let range = date_literal(word, Some(count)).ok_or_else(|| self.unexpected())?;
            self.next += 3;
            return literal(LiteralKind::Range(range));
        }
        let kind = match word.to_ascii_lowercase().as_str() {
            "null" => Some(LiteralKind::Null),
            "true" => Some(LiteralKind::Bool(true)),
            "false" => Some(LiteralKind::Bool(false)),
            _ => date_literal(word, None)
                .map(LiteralKind::Range)
                .or_else(|| currency(word)),
        };
        let Some(kind) = kind else {
            return Err(self.unexpected());
        };
        self.advance();
        literal(kind)
    }
}

/// `USD5000.5`: an ISO code and an amount.
fn currency(word: &str) -> Option<LiteralKind> {
    let (code, amount) = word.split_at_checked(3)?;
    let is_amount = amount.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let is_code = code.bytes().all(|b| b.is_ascii_alphabetic());
    let amount = amount.parse().ok()?;
    (is_code && is_amount).then_some(LiteralKind::Currency(amount))
}
