//! Literals against the kind of the field that they are compared with.

use super::conditions::Left;
use crate::id;
use crate::schema::FieldKind;
use crate::soql::ast::{Literal, LiteralKind};
use crate::soql::check::{Constant, fold};
use crate::soql::error::{At, QueryError};
use crate::soql::temporal::DAY_MS;
use crate::value::Value;

/// What a literal stands for.
pub(super) enum Bound {
    /// `null`, or empty text.
    Missing,
    /// One value.
    One(Constant),
    /// The first value of a range and the first behind it.
    Range(Value, Value),
}

/// The literal as a value of the left side's kind.
pub(super) fn bind<O>(
    left: &Left<'_, O>,
    literal: &Literal,
    today: i64,
) -> Result<Bound, QueryError> {
    let exact = |value| Ok(Bound::One(Constant::Exact(value)));
    let kind = left.kind;
    match &literal.kind {
        LiteralKind::Null => Ok(Bound::Missing),
        LiteralKind::Text(text) if kind.is_id() => id_constant(left, &text.text),
        LiteralKind::Text(text) if kind.is_text() && text.text.is_empty() => Ok(Bound::Missing),
        LiteralKind::Text(text) if kind.is_text() => {
            if left.case_sensitive {
                exact(Value::text(text.text.as_str()))
            } else {
                let folded = fold(&text.text).into_owned();
                Ok(Bound::One(Constant::Caseless(folded)))
            }
        }
        LiteralKind::Bool(flag) if kind == FieldKind::Boolean => exact(Value::Bool(*flag)),
        LiteralKind::Int(number) if is_number(kind) => exact(Value::Int(*number)),
        LiteralKind::Double(number) if is_number(kind) => exact(Value::Double(*number)),
        LiteralKind::Currency(amount) if kind == FieldKind::Currency => {
            exact(Value::Double(*amount))
        }
        LiteralKind::Date(days) if kind == FieldKind::Date => exact(Value::Date(*days)),
        LiteralKind::DateTime(ms) if kind == FieldKind::DateTime => exact(Value::DateTime(*ms)),
        LiteralKind::Time(ms) if kind == FieldKind::Time => exact(Value::Time(*ms)),
        LiteralKind::Range(range) if matches!(kind, FieldKind::Date | FieldKind::DateTime) => {
            let (first, behind) = range.days(today);
            let value = |days: i64| match kind {
                FieldKind::Date => i32::try_from(days).map_or(Value::Null, Value::Date),
                _ => Value::DateTime(days.saturating_mul(DAY_MS)),
            };
            Ok(Bound::Range(value(first), value(behind)))
        }
        _ => Err(wrong_type(left)),
    }
}

fn is_number(kind: FieldKind) -> bool {
    kind.is_decimal() || kind == FieldKind::Int
}

fn id_constant<O>(left: &Left<'_, O>, text: &str) -> Result<Bound, QueryError> {
    if text.is_empty() {
        return Ok(Bound::Missing);
    }
    let Some(id) = id::normalize(text) else {
        return Err(QueryError::new(
            "INVALID_QUERY_FILTER_OPERATOR",
            At::Word(left.at),
            format!("invalid ID field: {text}"),
        ));
    };
    Ok(Bound::One(Constant::Exact(Value::text(id))))
}

/// The error of a literal that cannot be a value of the field.
fn wrong_type<O>(left: &Left<'_, O>) -> QueryError {
    let (name, quoted) = match left.kind {
        FieldKind::Boolean => ("boolean", false),
        FieldKind::Int => ("int", false),
        FieldKind::Double => ("double", false),
        FieldKind::Currency => ("currency", false),
        FieldKind::Percent => ("percent", false),
        FieldKind::Date => ("date", false),
        FieldKind::DateTime => ("dateTime", false),
        FieldKind::Time => ("time", false),
        FieldKind::Id | FieldKind::Reference => ("id", true),
        _ => ("string", true),
    };
    let quotes = if quoted { "should" } else { "should not" };
    QueryError::field(
        left.at,
        format!(
            "value of filter criterion for field '{}' must be of type {name} and {quotes} be \
             enclosed in quotes",
            left.name
        ),
    )
}
