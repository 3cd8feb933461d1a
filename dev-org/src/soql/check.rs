//! Comparing a row's value with what the statement says.
//!
//! Text compares without case, ids exactly, and numbers of either kind with
//! each other. A missing value equals only `null` and is neither less nor
//! greater than anything.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

use super::ast::Comparison;
use super::like::Pattern;
use crate::value::Value;

/// A condition over operands of some kind: fields of a row, or cells of a group.
#[derive(Clone, Debug)]
pub(crate) enum Filter<O> {
    /// All of them.
    And(Vec<Self>),
    /// Any of them.
    Or(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// One check of one operand.
    Check(O, Check),
}

impl<O> Filter<O> {
    /// Whether the condition holds, given a way to get an operand's value.
    pub(crate) fn holds<'v>(&'v self, value: &impl Fn(&'v O) -> Cow<'v, Value>) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(value)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(value)),
            Self::Not(inner) => !inner.holds(value),
            Self::Check(operand, check) => check.holds(&value(operand)),
        }
    }
}

/// One check of a value.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    /// `= null`
    Missing,
    /// `!= null`
    Present,
    /// Any comparison with one value.
    Compare(Comparison, Constant),
    /// A comparison with a date literal: its first value and the first behind it.
    Range(Comparison, Value, Value),
    /// LIKE
    Like(Pattern),
    /// IN, NOT IN
    In(Set, Negated),
    /// INCLUDES, EXCLUDES: the alternatives, each of which is a set of values in
    /// lower case that must all be there.
    Includes(Vec<Vec<String>>, Negated),
}

/// Whether a NOT belongs to the operator itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Negated(pub(crate) bool);

impl Check {
    /// Whether the value passes.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Missing => is_missing(value),
            Self::Present => !is_missing(value),
            Self::Compare(comparison, constant) => satisfies(*comparison, constant.order(value)),
            Self::Range(comparison, first, behind) => {
                let before_start = order(value, first).map(Ordering::is_lt);
                let before_end = order(value, behind).map(Ordering::is_lt);
                let (Some(before_start), Some(before_end)) = (before_start, before_end) else {
                    return *comparison == Comparison::NotEqual;
                };
                match comparison {
                    Comparison::Equal => before_end && !before_start,
                    Comparison::NotEqual => before_start || !before_end,
                    Comparison::Less => before_start,
                    Comparison::LessOrEqual => before_end,
                    Comparison::Greater => !before_end,
                    Comparison::GreaterOrEqual => !before_start,
                }
            }
            Self::Like(pattern) => value.as_str().is_some_and(|text| pattern.matches(text)),
            Self::In(set, Negated(negated)) => set.contains(value) != *negated,
            Self::Includes(alternatives, Negated(negated)) => {
                let text = value.as_str().unwrap_or_default();
                includes(text, alternatives) != *negated
            }
        }
    }
}

fn satisfies(comparison: Comparison, order: Option<Ordering>) -> bool {
    match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order.is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
        Comparison::Greater => order.is_some_and(Ordering::is_gt),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    }
}

/// Empty text is no value.
fn is_missing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        _ => false,
    }
}

fn includes(text: &str, alternatives: &[Vec<String>]) -> bool {
    let has = |wanted: &String| text.split(';').any(|part| same_text(part, wanted));
    alternatives.iter().any(|together| together.iter().all(has))
}

/// A value that the statement names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Constant {
    /// Text that compares without case; kept in lower case.
    Caseless(String),
    /// Anything else, ids among them.
    Exact(Value),
}

impl Constant {
    fn order(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            (Self::Caseless(folded), Value::Text(text)) => Some(caseless_order(text, folded)),
            (Self::Caseless(_), _) => None,
            (Self::Exact(constant), value) => order(value, constant),
        }
    }
}

/// How two values of one kind compare; `None` if one is missing or they differ
/// in kind.
pub(crate) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::DateTime(a), Value::DateTime(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// Whether a text equals another one that is already in lower case.
fn same_text(text: &str, folded: &str) -> bool {
    if text.is_ascii() {
        text.eq_ignore_ascii_case(folded)
    } else {
        caseless_order(text, folded).is_eq()
    }
}

/// Compares a text, without its case, to one that is already in lower case.
fn caseless_order(text: &str, folded: &str) -> Ordering {
    text.chars()
        .flat_map(char::to_lowercase)
        .cmp(folded.chars())
}

/// Text in the form in which equal texts are equal.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .all(|b| b.is_ascii() && !b.is_ascii_uppercase())
    {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().flat_map(char::to_lowercase).collect())
    }
}

/// The right side of IN.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set {
    /// Text in lower case.
    caseless: HashSet<String>,
    /// Ids.
    exact: HashSet<String>,
    /// Values that are not text: few, since a statement has to spell them.
    others: Vec<Value>,
    /// `null` in the list.
    missing: bool,
}

impl Set {
    /// Adds a value of the list; `None` is `null`.
    pub(crate) fn insert(&mut self, constant: Option<Constant>) {
        match constant {
            None => self.missing = true,
            Some(Constant::Caseless(text)) => drop(self.caseless.insert(text)),
            Some(Constant::Exact(Value::Text(id))) => drop(self.exact.insert(id.to_string())),
            Some(Constant::Exact(value)) => self.others.push(value),
        }
    }

    fn contains(&self, value: &Value) -> bool {
        match value {
            _ if is_missing(value) => self.missing,
            Value::Text(text) => {
                (!self.exact.is_empty() && self.exact.contains(text.as_ref()))
                    || (!self.caseless.is_empty() && self.caseless.contains(fold(text).as_ref()))
            }
            value => {
                let same = |other| order(value, other) == Some(Ordering::Equal);
                self.others.iter().any(same)
            }
        }
    }

    /// The ids of the list, if it holds nothing else.
    pub(crate) fn ids(&self) -> Option<&HashSet<String>> {
        let only_ids = self.caseless.is_empty() && self.others.is_empty() && !self.missing;
        only_ids.then_some(&self.exact)
    }

    /// The texts of the list in lower case, if it holds nothing else.
    pub(crate) fn texts(&self) -> Option<&HashSet<String>> {
        let only_texts = self.exact.is_empty() && self.others.is_empty() && !self.missing;
        only_texts.then_some(&self.caseless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(comparison: Comparison, constant: Constant, value: &Value) -> bool {
        Check::Compare(comparison, constant).holds(value)
    }

    fn number(value: f64) -> Constant {
        Constant::Exact(Value::Double(value))
    }

    #[test]
    fn text_compares_without_case_and_ids_with_it() {
        let text = Constant::Caseless("acme ü".to_owned());
        assert!(compare(
            Comparison::Equal,
            text.clone(),
            &Value::text("ACME Ü")
        ));
        assert!(compare(Comparison::Less, text, &Value::text("ACME A")));
        let id = Constant::Exact(Value::text("001a"));
        assert!(!compare(Comparison::Equal, id, &Value::text("001A")));
    }

    #[test]
    fn numbers_of_both_kinds_compare_with_each_other() {
        assert!(compare(Comparison::Equal, number(5.0), &Value::Int(5)));
        assert!(compare(Comparison::Greater, number(4.5), &Value::Int(5)));
    }

    #[test]
    fn a_missing_value_is_unequal_to_everything_and_orders_with_nothing() {
        assert!(compare(Comparison::NotEqual, number(5.0), &Value::Null));
        assert!(!compare(Comparison::Less, number(5.0), &Value::Null));
        assert!(!compare(
            Comparison::GreaterOrEqual,
            number(5.0),
            &Value::Null
        ));
        assert!(Check::Missing.holds(&Value::text("")) && !Check::Present.holds(&Value::Null));
    }

    #[test]
    fn a_range_is_compared_by_its_ends() {
        let range = |comparison, day| {
            Check::Range(comparison, Value::Date(10), Value::Date(20)).holds(&Value::Date(day))
        };
        assert!(range(Comparison::Equal, 10) && !range(Comparison::Equal, 20));
        assert!(range(Comparison::Less, 9) && !range(Comparison::Less, 10));
        assert!(range(Comparison::LessOrEqual, 19) && !range(Comparison::LessOrEqual, 20));
        assert!(range(Comparison::Greater, 20) && !range(Comparison::Greater, 19));
        assert!(range(Comparison::GreaterOrEqual, 10) && range(Comparison::NotEqual, 9));
    }

    #[test]
    fn a_list_may_hold_null_and_finds_text_without_case() {
        let mut set = Set::default();
        set.insert(Some(Constant::Caseless("hot".to_owned())));
        set.insert(None);
        let check = Check::In(set, Negated(false));
        assert!(check.holds(&Value::text("Hot")) && check.holds(&Value::Null));
        assert!(!check.holds(&Value::text("Cold")));
    }

    #[test]
    fn includes_wants_all_of_any_alternative() {
        let words = |text: &str| text.split(';').map(str::to_owned).collect::<Vec<_>>();
        let check = Check::Includes(vec![words("a;b"), words("c")], Negated(false));
        assert!(check.holds(&Value::text("A;x;B")) && check.holds(&Value::text("c")));
        assert!(!check.holds(&Value::text("a;x")) && !check.holds(&Value::Null));
    }
}
