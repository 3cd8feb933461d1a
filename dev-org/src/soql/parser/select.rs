//! The SELECT list: fields, functions, aggregates, subqueries, FIELDS and TYPEOF.

use super::Parser;
use crate::soql::ast::{Expr, FieldSet, Name, SelectItem, TypeOf};
use crate::soql::error::QueryError;
use crate::soql::lexer::TokenKind;

impl Parser<'_> {
    pub(super) fn select_list(&mut self) -> Result<Vec<SelectItem>, QueryError> {
        let at = self.at();
        let mut items = vec![self.select_item()?];
        while self.take_symbol(',') {
            items.push(self.select_item()?);
        }
        if items.len() > 1 && items.contains(&SelectItem::Count) {
            let message = "COUNT() must be the only element in the SELECT list";
            return Err(QueryError::malformed(at, message));
        }
        Ok(items)
    }

    fn select_item(&mut self) -> Result<SelectItem, QueryError> {
        if self.take_symbol('(') {
            let query = self.nested(Self::query)?;
            self.closing_parenthesis()?;
            return Ok(SelectItem::Children(Box::new(query)));
        }
        if self.is_keyword("FROM") && !matches!(self.peek_at(1), TokenKind::Symbol(',')) {
            return Err(self.unexpected());
        }
        if self.is_keyword("TYPEOF") && matches!(self.peek_at(1), TokenKind::Word(_)) {
            return self.type_of().map(SelectItem::TypeOf);
        }
        if *self.peek_at(1) == TokenKind::Symbol('(') {
            if self.is_keyword("COUNT") && *self.peek_at(2) == TokenKind::Symbol(')') {
                self.next += 3;
                return Ok(SelectItem::Count);
            }
            if self.is_keyword("FIELDS") {
                return self.field_set();
            }
        }
        let expr = self.expr()?;
        let alias = match self.peek() {
            TokenKind::Word(word) if !word.eq_ignore_ascii_case("FROM") => Some(self.name()?),
            _ => None,
        };
        Ok(SelectItem::Expr(expr, alias))
    }

    /// A path, or a function applied to paths.
    pub(super) fn expr(&mut self) -> Result<Expr, QueryError> {
        let name = self.name()?;
        if !self.take_symbol('(') {
            return Ok(Expr::Path(name));
        }
        let mut arguments = Vec::new();
        if !self.is_symbol(')') {
            arguments.push(self.nested(Self::expr)?);
            while self.take_symbol(',') {
                arguments.push(self.nested(Self::expr)?);
            }
        }
        self.closing_parenthesis()?;
        Ok(Expr::Call(name, arguments))
    }

    fn field_set(&mut self) -> Result<SelectItem, QueryError> {
        let at = self.at();
        self.next += 2;
        let sets = [
            ("ALL", FieldSet::All),
            ("STANDARD", FieldSet::Standard),
            ("CUSTOM", FieldSet::Custom),
        ];
        let Some((_, set)) = sets.into_iter().find(|(name, _)| self.take_keyword(name)) else {
            return Err(self.unexpected());
        };
        self.closing_parenthesis()?;
        Ok(SelectItem::Fields(set, at))
    }

    fn type_of(&mut self) -> Result<TypeOf, QueryError> {
        self.keyword("TYPEOF")?;
        let relationship = self.name()?;
        let mut branches = Vec::new();
        while self.take_keyword("WHEN") {
            let object = self.name()?;
            self.keyword("THEN")?;
            branches.push((object, self.names()?));
        }
        if branches.is_empty() {
            return Err(self.unexpected());
        }
        let otherwise = if self.take_keyword("ELSE") {
            self.names()?
        } else {
            Vec::new()
        };
        self.keyword("END")?;
        Ok(TypeOf {
            relationship,
            branches,
            otherwise,
        })
    }

    fn names(&mut self) -> Result<Vec<Name>, QueryError> {
        let mut names = vec![self.name()?];
        while self.take_symbol(',') {
            names.push(self.name()?);
        }
        Ok(names)
    }
}
