//! Binds a parsed statement to an org: names become columns, literals become
//! values, and everything that can be wrong with a query is found here.

mod conditions;
mod groups;
mod links;
mod literals;
mod names;
mod record;
mod rows;

use std::sync::Arc;

use super::ast::{Expr, Query, SelectItem};
use super::error::{At, QueryError};
use super::operand::Operand;
use super::plan::{Aggregate, OrderBy, Plan, Record, Selection};
use super::temporal::DAY_MS;
use super::view::View;
use crate::user::User;
use conditions::Conditions;
use names::{Names, Scope};
use rows::RowOperands;

/// What binding needs beside the statement.
pub(crate) struct Binder<'a> {
    names: Names<'a>,
    /// `v60.0`, for the URLs in the answer.
    version: &'a str,
    /// Whether deleted rows count, as for queryAll.
    all_rows: bool,
    today: i64,
}

impl<'a> Binder<'a> {
    /// A binder for one user's statement.
    pub(crate) fn new(view: &View<'a>, user: &'a User, version: &'a str, all_rows: bool) -> Self {
        Self {
            today: view.org.now_ms().div_euclid(DAY_MS),
            names: Names {
                view: view.clone(),
                user,
            },
            version,
            all_rows,
        }
    }

    /// Binds a whole statement.
    pub(crate) fn plan(&self, query: &Query) -> Result<Plan, QueryError> {
        let object = self.names.object(&query.from)?;
        links::check(object, query)?;
        let scope = Scope::new(object, query);
        if query.select.contains(&SelectItem::Count) {
            if let Some(group) = query.group.first() {
                let message = "COUNT() is not allowed with GROUP BY";
                return Err(QueryError::malformed(group.at(), message));
            }
            return Ok(Plan::Count(self.selection(&scope, query)?));
        }
        if is_grouped(query) {
            return self.groups(&scope, query);
        }
        if let Some(having) = &query.having {
            let message = "HAVING clause requires GROUP BY or an aggregate function";
            let at = conditions::first_operand(having).map_or(0, Expr::at);
            return Err(QueryError::malformed(at, message));
        }
        let record = self.record(&scope, query)?;
        let selection = self.selection(&scope, query)?;
        Ok(Plan::Records(selection, Arc::new(record)))
    }

    /// The rows of a statement, and its entries one by one in the order of the
    /// SELECT list, where a record has all fields of a parent in one place.
    /// `None` for a statement that answers groups.
    pub(crate) fn columns(
        &self,
        query: &Query,
    ) -> Result<Option<(Selection, Vec<Record>)>, QueryError> {
        if is_grouped(query) {
            return Ok(None);
        }
        let Plan::Records(selection, _) = self.plan(query)? else {
            return Ok(None);
        };
        let scope = Scope::new(self.names.object(&query.from)?, query);
        let mut records = Vec::with_capacity(query.select.len());
        for item in &query.select {
            let alone = Query {
                select: vec![item.clone()],
                ..query.clone()
            };
            records.push(self.record(&scope, &alone)?);
        }
        Ok(Some((selection, records)))
    }

    /// Which rows, in what order, of a SELECT that does not group.
    fn selection(&self, scope: &Scope<'a>, query: &Query) -> Result<Selection, QueryError> {
        let mut selection = self.unordered(scope, query)?;
        for item in &query.order {
            selection.order.push(OrderBy {
                operand: self.order_operand(scope, &item.expr)?,
                descending: item.descending,
                nulls_last: item.nulls_last,
            });
        }
        selection.limit = query.limit;
        selection.offset = query.offset.unwrap_or(0);
        Ok(selection)
    }

    /// Which rows, before order, limit and offset.
    fn unordered(&self, scope: &Scope<'a>, query: &Query) -> Result<Selection, QueryError> {
        let mut operands = RowOperands {
            binder: self,
            scope,
        };
        let mut conditions = Conditions::new(&mut operands, self.today);
        let filter = query.filter.as_ref().map(|filter| conditions.bind(filter));
        Ok(Selection {
            object: scope.object.index,
            filter: filter.transpose()?,
            order: Vec::new(),
            limit: None,
            offset: 0,
            deleted: self.all_rows || query.all_rows,
        })
    }

    fn order_operand(&self, scope: &Scope<'a>, expr: &Expr) -> Result<Operand, QueryError> {
        let (operand, path) = self.operand(scope, expr)?;
        match path.field() {
            Some(field) if !field.sortable => Err(QueryError::malformed(
                expr.at(),
                format!("field '{}' can not be sorted in a query call", field.name),
            )),
            _ => Ok(operand),
        }
    }
}

/// Whether a SELECT answers groups instead of records.
fn is_grouped(query: &Query) -> bool {
    let is_aggregate = |item: &SelectItem| match item {
        SelectItem::Expr(expr, _) => has_aggregate(expr),
        _ => false,
    };
    !query.group.is_empty() || query.select.iter().any(is_aggregate)
}

fn has_aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) => false,
        Expr::Call(name, arguments) => {
            Aggregate::named(name).is_some() || arguments.iter().any(has_aggregate)
        }
    }
}

/// The error of an entry that only a query with records can have, or the other
/// way round.
fn not_in_grouped(at: usize) -> QueryError {
    QueryError::new(
        super::error::MALFORMED_QUERY,
        At::Word(at),
        "Grouped query cannot use child relationships in the SELECT list",
    )
}
