//! ORDER BY, for rows and for groups.

use std::cmp::Ordering;

use crate::soql::check::fold;
use crate::soql::operand::Operand;
use crate::soql::plan::OrderBy;
use crate::value::Value;

/// What a value sorts by.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Missing,
    Int(i64),
    Double(f64),
    Text(Box<str>),
}

impl Key {
    /// The key of a number of the org's own making.
    pub(super) fn of_number(value: &Value) -> Self {
        match value {
            Value::Int(number) => Self::Int(*number),
            Value::Double(number) => Self::Double(*number),
            _ => Self::Missing,
        }
    }

    /// The key of an operand's value: ids sort with case, picklists in the order
    /// of their values in setup, other text by its upper case.
    pub(super) fn of(value: &Value, operand: &Operand) -> Self {
        match value {
            // Files cannot be sorted by.
            Value::Null | Value::Blob(_) => Self::Missing,
            Value::Bool(flag) => Self::Int(i64::from(*flag)),
            Value::Int(number) => Self::Int(*number),
            Value::Double(number) => Self::Double(*number),
            Value::Text(text) if operand.kind.is_id() => Self::Text(text.as_ref().into()),
            Value::Text(text) if !operand.picklist.is_empty() => {
                let folded = fold(text);
                let rank = operand.picklist.iter().position(|value| *value == folded);
                let rank = rank.unwrap_or(operand.picklist.len());
                Self::Int(i64::try_from(rank).unwrap_or(i64::MAX))
            }
            Value::Text(text) if text.is_ascii() => Self::Text(text.to_ascii_uppercase().into()),
            Value::Text(text) => Self::Text(text.to_uppercase().into()),
            Value::Date(days) => Self::Int(i64::from(*days)),
            Value::DateTime(ms) => Self::Int(*ms),
            Value::Time(ms) => Self::Int(i64::from(*ms)),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (a, b) => a.number().total_cmp(&b.number()),
        }
    }

    fn number(&self) -> f64 {
        match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "only a column of mixed numbers gets here, and those are compared as doubles"
            )]
            Self::Int(number) => *number as f64,
            Self::Double(number) => *number,
            Self::Missing | Self::Text(_) => 0.0,
        }
    }
}

/// Sorts items by an order, ties in the order in which they came. Only the
/// first `wanted` need to be right, which keeps a page of a large table cheap.
pub(super) fn by<O>(
    items: &mut Vec<u32>,
    order: &[OrderBy<O>],
    wanted: usize,
    key: impl Fn(u32, usize) -> Option<Key>,
) {
    // One flat list of keys: an allocation for each item would cost more than
    // the comparisons.
    let width = order.len();
    let mut keys = Vec::with_capacity(items.len() * width);
    for item in items.iter() {
        keys.extend((0..width).map(|at| key(*item, at).unwrap_or(Key::Missing)));
    }
    let compare = |a: &usize, b: &usize| {
        for (at, by) in order.iter().enumerate() {
            let pair = (keys.get(a * width + at), keys.get(b * width + at));
            let (Some(left), Some(right)) = pair else {
                continue;
            };
            let first = match (left, right) {
                (Key::Missing, Key::Missing) => Ordering::Equal,
                (Key::Missing, _) => nulls(by.nulls_last),
                (_, Key::Missing) => nulls(by.nulls_last).reverse(),
                _ if by.descending => right.order(left),
                _ => left.order(right),
            };
            if first.is_ne() {
                return first;
            }
        }
        a.cmp(b)
    };
    let mut sorted: Vec<usize> = (0..items.len()).collect();
    if wanted < sorted.len() / 2 {
        if wanted > 0 {
            sorted.select_nth_unstable_by(wanted, compare);
        }
        sorted.truncate(wanted);
    }
    sorted.sort_unstable_by(compare);
    *items = sorted
        .into_iter()
        .filter_map(|at| items.get(at).copied())
        .collect();
}

fn nulls(last: bool) -> Ordering {
    if last {
        Ordering::Greater
    } else {
        Ordering::Less
    }
}
