//! Conditions of WHERE and HAVING, whatever their operands are.

use super::literals::{Bound, bind};
use crate::schema::FieldKind;
use crate::soql::ast::{Comparison, Condition, Expr, Literal, LiteralKind, Query, Right};
use crate::soql::check::{Check, Filter, Negated, Set, fold};
use crate::soql::error::{At, QueryError};
use crate::soql::like::Pattern;

/// How many semi-joins a WHERE may hold.
const MAX_SEMI_JOINS: usize = 2;

/// The left side of a comparison.
pub(super) struct Left<'a, O> {
    pub(super) operand: O,
    pub(super) kind: FieldKind,
    /// The field's name, for messages.
    pub(super) name: String,
    pub(super) at: usize,
    /// Whether text compares with case.
    pub(super) case_sensitive: bool,
    /// The objects whose ids it holds.
    pub(super) targets: Vec<&'a str>,
}

/// What conditions need to know about their operands.
pub(super) trait Operands<'a> {
    /// The bound form of an operand.
    type Operand;

    /// Binds the left side of a comparison.
    fn left(&mut self, expr: &Expr) -> Result<Left<'a, Self::Operand>, QueryError>;

    /// The values that a semi-join finds for a left side.
    fn semi_join(
        &mut self,
        left: &Left<'a, Self::Operand>,
        query: &Query,
    ) -> Result<Set, QueryError>;
}

/// Binds conditions; `today` fixes the date literals.
pub(super) struct Conditions<'o, S> {
    pub(super) operands: &'o mut S,
    pub(super) today: i64,
    semi_joins: usize,
}

impl<'a, 'o, S: Operands<'a>> Conditions<'o, S> {
    pub(super) fn new(operands: &'o mut S, today: i64) -> Self {
        Self {
            operands,
            today,
            semi_joins: 0,
        }
    }

    pub(super) fn bind(&mut self, condition: &Condition) -> Result<Filter<S::Operand>, QueryError> {
        self.level(condition, None)
    }

    /// `inside` names the operator that keeps semi-joins out, if there is one.
    fn level(
        &mut self,
        condition: &Condition,
        inside: Option<&str>,
    ) -> Result<Filter<S::Operand>, QueryError> {
        match condition {
            Condition::And(parts) => {
                let parts = parts.iter().map(|part| self.level(part, inside));
                Ok(Filter::And(parts.collect::<Result<_, _>>()?))
            }
            Condition::Or(parts) => {
                let parts = parts.iter().map(|part| self.level(part, Some("OR")));
                Ok(Filter::Or(parts.collect::<Result<_, _>>()?))
            }
            Condition::Not(inner) => {
                let inner = self.level(inner, Some("NOT"))?;
                Ok(Filter::Not(Box::new(inner)))
            }
            Condition::Test(test) => {
                let left = self.operands.left(&test.left)?;
                if let (Right::InQuery { .. }, Some(operator)) = (&test.right, inside) {
                    let message = format!(
                        "Semi join sub-selects are not allowed with the '{operator}' operator"
                    );
                    return Err(QueryError::malformed(left.at, message));
                }
                let check = self.check(&left, &test.right)?;
                Ok(Filter::Check(left.operand, check))
            }
        }
    }

    fn check(&mut self, left: &Left<'a, S::Operand>, right: &Right) -> Result<Check, QueryError> {
        match right {
            Right::Compare(comparison, literal) => self.compare(left, *comparison, literal),
            Right::Like(literal) => like(left, literal),
            Right::In { list, negated } => {
                let mut set = Set::default();
                for literal in list {
                    match bind(left, literal, self.today)? {
                        Bound::Missing => set.insert(None),
                        Bound::One(constant) => set.insert(Some(constant)),
                        Bound::Range(..) => return Err(invalid_operator(left)),
                    }
                }
                Ok(Check::In(set, Negated(*negated)))
            }
            Right::InQuery { query, negated } => {
                self.semi_joins += 1;
                if self.semi_joins > MAX_SEMI_JOINS {
                    let message =
                        format!("Maximum {MAX_SEMI_JOINS} semi join sub-selects are allowed");
                    return Err(QueryError::malformed(left.at, message));
                }
                let set = self.operands.semi_join(left, query)?;
                Ok(Check::In(set, Negated(*negated)))
            }
            Right::Includes { list, negated } => includes(left, list, *negated),
        }
    }

    fn compare(
        &self,
        left: &Left<'a, S::Operand>,
        comparison: Comparison,
        literal: &Literal,
    ) -> Result<Check, QueryError> {
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        if !equality && matches!(left.kind, FieldKind::Boolean | FieldKind::MultiPicklist) {
            return Err(invalid_operator(left));
        }
        Ok(match bind(left, literal, self.today)? {
            Bound::One(constant) => Check::Compare(comparison, constant),
            Bound::Range(first, behind) => Check::Range(comparison, first, behind),
            Bound::Missing => match comparison {
                Comparison::Equal => Check::Missing,
                Comparison::NotEqual => Check::Present,
                // Nothing is less or greater than nothing.
                _ => Check::In(Set::default(), Negated(false)),
            },
        })
    }
}

fn like<O>(left: &Left<'_, O>, literal: &Literal) -> Result<Check, QueryError> {
    if left.kind.is_id() {
        return Err(QueryError::new(
            "INVALID_QUERY_FILTER_OPERATOR",
            At::Word(left.at),
            "invalid operator on id field",
        ));
    }
    match &literal.kind {
        _ if !left.kind.is_text() || left.kind == FieldKind::MultiPicklist => {
            Err(invalid_operator(left))
        }
        LiteralKind::Text(text) => Ok(Check::Like(Pattern::new(text))),
        LiteralKind::Null => Ok(Check::Missing),
        _ => Err(invalid_operator(left)),
    }
}

fn includes<O>(left: &Left<'_, O>, list: &[Literal], negated: bool) -> Result<Check, QueryError> {
    if left.kind != FieldKind::MultiPicklist {
        return Err(QueryError::field(
            left.at,
            "includes or excludes operator only valid on multipicklist field",
        ));
    }
    let alternatives = list.iter().map(|literal| match &literal.kind {
        LiteralKind::Text(text) => Ok(text
            .text
            .split(';')
            .map(|value| fold(value.trim()).into_owned())
            .collect()),
        _ => Err(invalid_operator(left)),
    });
    Ok(Check::Includes(
        alternatives.collect::<Result<_, _>>()?,
        Negated(negated),
    ))
}

fn invalid_operator<O>(left: &Left<'_, O>) -> QueryError {
    QueryError::field(left.at, "invalid operator")
}

/// The first operand of a condition, for errors about the whole of it.
pub(super) fn first_operand(condition: &Condition) -> Option<&Expr> {
    match condition {
        Condition::And(parts) | Condition::Or(parts) => parts.first().and_then(first_operand),
        Condition::Not(inner) => first_operand(inner),
        Condition::Test(test) => Some(&test.left),
    }
}
