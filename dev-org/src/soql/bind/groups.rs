//! A SELECT that answers groups: GROUP BY, aggregate functions, HAVING.

use super::conditions::{Conditions, Left, Operands};
use super::names::Scope;
use super::record::json_key;
use super::rows::unknown_function;
use super::{Binder, has_aggregate, not_in_grouped};
use crate::schema::FieldKind;
use crate::soql::ast::{Expr, Name, Query, SelectItem};
use crate::soql::check::Set;
use crate::soql::error::QueryError;
use crate::soql::plan::{Aggregate, Aggregation, Cell, Measure, OrderBy, Plan};

/// How many fields ROLLUP and CUBE take.
const MAX_SUBTOTAL_KEYS: usize = 3;

impl<'a> Binder<'a> {
    /// Binds a grouped query.
    pub(super) fn groups(&self, scope: &Scope<'a>, query: &Query) -> Result<Plan, QueryError> {
        if let (Some(_), [], Some(item)) =
            (query.limit, query.group.as_slice(), query.select.first())
        {
            let message =
                "Non-grouped query that uses overall aggregate functions cannot also use LIMIT";
            return Err(QueryError::malformed(at(item), message));
        }
        let mut groups = Groups {
            binder: self,
            scope,
            aggregation: Aggregation::default(),
            unnamed: 0,
        };
        groups.keys(query)?;
        for item in &query.select {
            groups.column(item)?;
        }
        if let Some(having) = &query.having {
            let filter = Conditions::new(&mut groups, self.today).bind(having)?;
            groups.aggregation.having = Some(filter);
        }
        for item in &query.order {
            let (operand, ..) =
                groups.cell(&item.expr, "Ordered field must be grouped or aggregated")?;
            groups.aggregation.order.push(OrderBy {
                operand,
                descending: item.descending,
                nulls_last: item.nulls_last,
            });
        }
        let aggregation = groups.aggregation;
        let mut selection = self.unordered(scope, query)?;
        selection.limit = query.limit;
        selection.offset = query.offset.unwrap_or(0);
        Ok(Plan::Groups(selection, Box::new(aggregation)))
    }
}

fn at(item: &SelectItem) -> usize {
    match item {
        SelectItem::Expr(expr, _) => expr.at(),
        SelectItem::Fields(_, at) => *at,
        SelectItem::Children(query) => query.from.at,
        SelectItem::TypeOf(type_of) => type_of.relationship.at,
        SelectItem::Count => 0,
    }
}

struct Groups<'b, 'a> {
    binder: &'b Binder<'a>,
    scope: &'b Scope<'a>,
    aggregation: Aggregation,
    /// How many columns have got a name of the org's making.
    unnamed: usize,
}

impl<'a> Groups<'_, 'a> {
    fn keys(&mut self, query: &Query) -> Result<(), QueryError> {
        let mut subtotals = None;
        for expr in &query.group {
            match expr {
                Expr::Call(name, arguments) if is_named(name, &["ROLLUP", "CUBE"]) => {
                    if query.group.len() > 1 || arguments.len() > MAX_SUBTOTAL_KEYS {
                        return Err(unknown_function(name));
                    }
                    for argument in arguments {
                        self.key(argument)?;
                    }
                    subtotals = Some(name);
                }
                expr => self.key(expr)?,
            }
        }
        let count = self.aggregation.keys.len();
        self.aggregation.sets = match subtotals {
            None => vec![vec![true; count]],
            Some(name) if is_named(name, &["ROLLUP"]) => (0..=count)
                .rev()
                .map(|kept| (0..count).map(|key| key < kept).collect())
                .collect(),
            Some(_) => (0..1_usize << count)
                .rev()
                .map(|bits| (0..count).map(|key| bits >> key & 1 == 1).collect())
                .collect(),
        };
        Ok(())
    }

    fn key(&mut self, expr: &Expr) -> Result<(), QueryError> {
        let (operand, path) = self.binder.operand(self.scope, expr)?;
        if let Some(field) = path.field()
            && !field.groupable
            && operand.function.is_none()
        {
            let message = format!("field '{}' can not be grouped in a query call", field.name);
            return Err(QueryError::malformed(expr.at(), message));
        }
        self.aggregation.keys.push(operand);
        Ok(())
    }

    /// Adds an entry of the SELECT list.
    fn column(&mut self, item: &SelectItem) -> Result<(), QueryError> {
        let (expr, alias) = match item {
            SelectItem::Expr(expr, alias) => (expr, alias),
            SelectItem::Fields(_, at) => {
                let object = self.scope.object;
                let name = object.fields.get(1).map_or("Id", |field| &field.name);
                return Err(ungrouped(*at, name));
            }
            item => return Err(not_in_grouped(at(item))),
        };
        let (cell, _, name) = self.cell(expr, "Field must be grouped or aggregated")?;
        let key = match (alias, expr) {
            (Some(alias), _) => alias.text.clone(),
            (None, Expr::Path(_)) => name,
            (None, Expr::Call(..)) => {
                self.unnamed += 1;
                format!("expr{}", self.unnamed - 1)
            }
        };
        let json = json_key(&key);
        if self
            .aggregation
            .columns
            .iter()
            .any(|(other, _)| *other == json)
        {
            return Err(QueryError::malformed(
                expr.at(),
                format!("duplicate alias: {key}"),
            ));
        }
        self.aggregation.columns.push((json, cell));
        Ok(())
    }

    /// The cell that an expression stands for, its kind, and its field's name.
    fn cell(
        &mut self,
        expr: &Expr,
        otherwise: &str,
    ) -> Result<(Cell, FieldKind, String), QueryError> {
        if let Expr::Call(name, arguments) = expr {
            if let Some(function) = Aggregate::named(name) {
                return self.measure(name, function, arguments);
            }
            if let ([inner], true) = (arguments.as_slice(), has_aggregate(expr)) {
                // FORMAT(MAX(Amount)) and the like.
                return self.cell(inner, otherwise);
            }
            if let ([inner], true) = (arguments.as_slice(), is_named(name, &["GROUPING"])) {
                let (cell, _, field) = self.cell(inner, otherwise)?;
                return match cell {
                    Cell::Key(key) => Ok((Cell::Grouping(key), FieldKind::Int, field)),
                    _ => Err(unknown_function(name)),
                };
            }
        }
        let (operand, path) = self.binder.operand(self.scope, expr)?;
        let key = self.aggregation.keys.iter().position(|key| *key == operand);
        let key = key.ok_or_else(|| {
            QueryError::malformed(expr.at(), format!("{otherwise}: {}", path.key()))
        })?;
        Ok((Cell::Key(key), operand.kind, path.key().to_owned()))
    }

    fn measure(
        &mut self,
        name: &Name,
        function: Aggregate,
        arguments: &[Expr],
    ) -> Result<(Cell, FieldKind, String), QueryError> {
        let (operand, kind, field) = match arguments {
            [] if function == Aggregate::Count => (None, FieldKind::Int, String::new()),
            [argument] if !has_aggregate(argument) => {
                let (operand, path) = self.binder.operand(self.scope, argument)?;
                let kind = operand.kind;
                (Some(operand), kind, path.key().to_owned())
            }
            _ => return Err(unknown_function(name)),
        };
        if !function.takes(kind) {
            let function = name.text.to_ascii_uppercase();
            let message = format!("field {field} does not support aggregate operator {function}");
            return Err(QueryError::malformed(name.at, message));
        }
        let measure = Measure { function, operand };
        let measures = &mut self.aggregation.measures;
        let at = measures.iter().position(|other| *other == measure);
        let at = at.unwrap_or_else(|| {
            measures.push(measure);
            measures.len() - 1
        });
        Ok((Cell::Measure(at), function.kind(kind), field))
    }
}

fn is_named(name: &Name, names: &[&str]) -> bool {
    names.iter().any(|n| n.eq_ignore_ascii_case(&name.text))
}

fn ungrouped(at: usize, field: &str) -> QueryError {
    QueryError::malformed(at, format!("Field must be grouped or aggregated: {field}"))
}

impl<'a> Operands<'a> for Groups<'_, 'a> {
    type Operand = Cell;

    fn left(&mut self, expr: &Expr) -> Result<Left<'a, Cell>, QueryError> {
        let (operand, kind, name) = self.cell(expr, "Field must be grouped or aggregated")?;
        Ok(Left {
            operand,
            kind,
            name,
            at: expr.at(),
            case_sensitive: false,
            targets: Vec::new(),
        })
    }

    fn semi_join(&mut self, left: &Left<'a, Cell>, _: &Query) -> Result<Set, QueryError> {
        let message = "Semi join sub-selects are not allowed in the HAVING clause";
        Err(QueryError::malformed(left.at, message))
    }
}
