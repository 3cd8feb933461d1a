//! The clauses of a statement, in the one order that SOQL allows.

use super::Parser;
use crate::soql::ast::{Name, OrderItem, Query};
use crate::soql::error::{At, QueryError};
use crate::soql::lexer::TokenKind;

/// The largest OFFSET that Salesforce accepts.
const MAX_OFFSET: usize = 2_000;

/// The words that end the FROM clause; no alias may be one of them.
const AFTER_FROM: [&str; 11] = [
    "USING", "WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "UPDATE", "ALL",
];

impl Parser<'_> {
    pub(super) fn query(&mut self) -> Result<Query, QueryError> {
        self.keyword("SELECT")?;
        let select = self.select_list()?;
        self.keyword("FROM")?;
        let from = self.name()?;
        let alias = self.alias_of_from()?;
        let mut related = Vec::new();
        while self.take_symbol(',') {
            let path = self.name()?;
            let alias = self.alias_of_from()?.ok_or_else(|| self.unexpected())?;
            related.push((alias, path));
        }
        if self.take_keyword("USING") {
            self.keyword("SCOPE")?;
            self.name()?;
        }
        let filter = if self.take_keyword("WHERE") {
            Some(self.condition()?)
        } else {
            None
        };
        while self.take_keyword("WITH") {
            self.security_mode()?;
        }
        let mut group = Vec::new();
        if self.take_keyword("GROUP") {
            self.keyword("BY")?;
            group.push(self.expr()?);
            while self.take_symbol(',') {
                group.push(self.expr()?);
            }
        }
        let having = if self.take_keyword("HAVING") {
            Some(self.condition()?)
        } else {
            None
        };
        let mut query = Query {
            select,
            from,
            alias,
            related,
            filter,
            group,
            having,
            order: Vec::new(),
            limit: None,
            offset: None,
            all_rows: false,
        };
        self.tail(&mut query)?;
        Ok(query)
    }

    fn alias_of_from(&mut self) -> Result<Option<Name>, QueryError> {
        self.take_keyword("AS");
        match self.peek() {
            TokenKind::Word(word) if !AFTER_FROM.iter().any(|k| k.eq_ignore_ascii_case(word)) => {
                self.name().map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What follows WITH: access is always checked here, so these change nothing.
    fn security_mode(&mut self) -> Result<(), QueryError> {
        let known = ["SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"];
        if known.iter().any(|mode| self.take_keyword(mode)) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// ORDER BY and everything that may follow it.
    fn tail(&mut self, query: &mut Query) -> Result<(), QueryError> {
        if self.take_keyword("ORDER") {
            self.keyword("BY")?;
            query.order.push(self.order_item()?);
            while self.take_symbol(',') {
                query.order.push(self.order_item()?);
            }
        }
        if self.take_keyword("LIMIT") {
            query.limit = Some(self.count()?);
        }
        if self.take_keyword("OFFSET") {
            let at = self.at();
            let offset = self.count()?;
            if offset > MAX_OFFSET {
                return Err(QueryError::new(
                    "NUMBER_OUTSIDE_VALID_RANGE",
                    At::Word(at),
                    format!("Maximum SOQL offset allowed is {MAX_OFFSET}"),
                ));
            }
            query.offset = Some(offset);
        }
        while self.take_keyword("FOR") {
            let known = ["VIEW", "REFERENCE", "UPDATE"];
            if !known.iter().any(|purpose| self.take_keyword(purpose)) {
                return Err(self.unexpected());
            }
        }
        if self.take_keyword("UPDATE") {
            loop {
                let known = ["TRACKING", "VIEWSTAT"];
                if !known.iter().any(|statistic| self.take_keyword(statistic)) {
                    return Err(self.unexpected());
                }
                if !self.take_symbol(',') {
                    break;
                }
            }
        }
        if self.take_keyword("ALL") {
            self.keyword("ROWS")?;
            query.all_rows = true;
        }
        Ok(())
    }

    fn order_item(&mut self) -> Result<OrderItem, QueryError> {
        let expr = self.expr()?;
        let descending = !self.take_keyword("ASC") && self.take_keyword("DESC");
        let mut nulls_last = false;
        if self.take_keyword("NULLS") {
            nulls_last = self.take_keyword("LAST");
            if !nulls_last {
                self.keyword("FIRST")?;
            }
        }
        Ok(OrderItem {
            expr,
            descending,
            nulls_last,
        })
    }

    /// A whole number that is not negative.
    fn count(&mut self) -> Result<usize, QueryError> {
        let TokenKind::Int(number) = *self.peek() else {
            return Err(self.unexpected());
        };
        let count = usize::try_from(number).map_err(|_| self.unexpected())?;
        self.advance();
        Ok(count)
    }
}
