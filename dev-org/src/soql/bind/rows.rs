//! Operands of WHERE and ORDER BY: fields of a row and its parents, and date
//! functions of them.

use super::conditions::{Left, Operands};
use super::names::{Path, Scope};
use super::{Binder, has_aggregate, links};
use crate::schema::FieldKind;
use crate::soql::ast::{Condition, Expr, Name, Query, Right, SelectItem};
use crate::soql::check::{Constant, Set};
use crate::soql::date_function::DateFunction;
use crate::soql::error::QueryError;
use crate::soql::operand::Operand;
use crate::soql::run::select;
use crate::value::Value;

/// Binds the operands of one SELECT's rows.
pub(super) struct RowOperands<'b, 'a> {
    pub(super) binder: &'b Binder<'a>,
    pub(super) scope: &'b Scope<'a>,
}

impl<'a> Binder<'a> {
    /// An expression over a row, with the path that it is built on.
    pub(super) fn operand(
        &self,
        scope: &Scope<'a>,
        expr: &Expr,
    ) -> Result<(Operand, Path<'a>), QueryError> {
        match expr {
            Expr::Path(name) => {
                let path = self.names.path(scope, name)?;
                Ok((path.operand(), path))
            }
            Expr::Call(name, arguments) => {
                let [argument] = arguments.as_slice() else {
                    return Err(unknown_function(name));
                };
                let (mut operand, path) = self.operand(scope, argument)?;
                let Some(function) = DateFunction::named(&name.text) else {
                    return if is_presentation(name) {
                        Ok((operand, path))
                    } else {
                        Err(unknown_function(name))
                    };
                };
                if !function.takes(operand.kind) || operand.function.is_some() {
                    let message = format!(
                        "field '{}' does not support function {}",
                        path.key(),
                        name.text.to_ascii_uppercase()
                    );
                    return Err(QueryError::malformed(name.at, message));
                }
                operand.kind = function.kind();
                operand.function = Some(function);
                Ok((operand, path))
            }
        }
    }
}

/// Functions that change how a value is shown, not what it is: the org has one
/// currency and one time zone, and labels compare as their values do.
fn is_presentation(name: &Name) -> bool {
    let known = ["toLabel", "FORMAT", "convertCurrency", "convertTimezone"];
    known.iter().any(|k| k.eq_ignore_ascii_case(&name.text))
}

/// The error of a function that does not exist, or not with these arguments.
pub(super) fn unknown_function(name: &Name) -> QueryError {
    QueryError::malformed(
        name.at,
        format!("Invalid function or arguments: {}", name.text),
    )
}

impl<'a> Operands<'a> for RowOperands<'_, 'a> {
    type Operand = Operand;

    fn left(&mut self, expr: &Expr) -> Result<Left<'a, Operand>, QueryError> {
        if has_aggregate(expr) {
            let message = "Aggregate functions are not allowed in the WHERE clause";
            return Err(QueryError::malformed(expr.at(), message));
        }
        let (operand, path) = self.binder.operand(self.scope, expr)?;
        if let Some(field) = path.field() {
            if field.kind == FieldKind::Address {
                let message = "Address fields can only be filtered using Distance expressions";
                return Err(QueryError::field(expr.at(), message));
            }
            if !field.filterable {
                let message = format!("field '{}' can not be filtered in a query call", field.name);
                return Err(QueryError::field(expr.at(), message));
            }
        }
        Ok(Left {
            kind: operand.kind,
            name: path.key().to_owned(),
            at: expr.at(),
            case_sensitive: path.field().is_some_and(|field| field.case_sensitive),
            targets: path.targets(),
            operand,
        })
    }

    /// Runs the inner query now: what is bound is a list of ids.
    fn semi_join(&mut self, left: &Left<'a, Operand>, query: &Query) -> Result<Set, QueryError> {
        let not_an_id = |name: &str| {
            QueryError::malformed(
                left.at,
                format!(
                    "The left operand field in the where expression for outer query should be an \
                     id field, cannot use: '{name}'"
                ),
            )
        };
        if !left.kind.is_id() {
            return Err(not_an_id(&left.name));
        }
        if query.filter.as_ref().is_some_and(has_semi_join) {
            let message = "Nesting of semi join sub-selects is not supported";
            return Err(QueryError::malformed(query.from.at, message));
        }
        let object = self.binder.names.object(&query.from)?;
        links::check_inner(object, query)?;
        let scope = Scope::new(object, query);
        let [SelectItem::Expr(expr @ Expr::Path(_), None)] = query.select.as_slice() else {
            let message = "semi join sub-selects must select exactly one id field";
            return Err(QueryError::malformed(query.from.at, message));
        };
        let (inner, path) = self.binder.operand(&scope, expr)?;
        if !inner.kind.is_id() {
            return Err(not_an_id(path.key()));
        }
        if object.index == self.scope.object.index {
            let message = "The inner and outer selects should not be on the same object type";
            return Err(QueryError::malformed(query.from.at, message));
        }
        let targets = path.targets();
        let same = |target: &&str| targets.contains(target);
        if !targets.is_empty() && !left.targets.is_empty() && !left.targets.iter().any(same) {
            let message = format!(
                "The selected field '{}' in the subquery and the left operand field in the where \
                 expression in the outer query '{}' should point to the same object type",
                path.key(),
                left.name
            );
            return Err(QueryError::malformed(left.at, message));
        }
        let selection = self.binder.selection(&scope, query)?;
        let view = &self.binder.names.view;
        let mut set = Set::default();
        for row in select::rows(view, &selection) {
            if let Value::Text(id) = inner.value(view, row).as_ref() {
                set.insert(Some(Constant::Exact(Value::text(&**id))));
            }
        }
        Ok(set)
    }
}

fn has_semi_join(condition: &Condition) -> bool {
    match condition {
        Condition::And(parts) | Condition::Or(parts) => parts.iter().any(has_semi_join),
        Condition::Not(inner) => has_semi_join(inner),
        Condition::Test(test) => matches!(test.right, Right::InQuery { .. }),
    }
}
