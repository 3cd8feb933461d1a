//! Conditions: what must be true of a record.

use record_batch::Record;

use crate::value::{self, Path};

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    /// All of them are true; so is none at all.
    All(Vec<Self>),
    /// At least one of them is true.
    Any(Vec<Self>),
    /// It is not true.
    Not(Box<Self>),
    /// A field passes a test. A field that is missing passes none but
    /// [`Test::Missing`].
    Field(Path, Test),
}

/// What a field's value can be tested for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    /// It is one of these texts, whatever the case.
    OneOf(Vec<String>),
    /// It is this number.
    Number(f64),
    /// It is this truth value.
    Truth(bool),
    /// It contains one of these texts, whatever the case.
    Contains(Vec<String>),
    /// It is an e-mail or web address within one of these domains.
    MatchesDomain(Vec<String>),
    /// It is greater.
    Greater(Bound),
    /// It is less.
    Less(Bound),
    /// It has a value.
    Exists,
    /// It has none.
    Missing,
}

/// What values are measured against.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bound {
    /// A number.
    Number(f64),
    /// A date or a moment as ISO 8601 writes it, which sorts as text does.
    Date(String),
}

impl Condition {
    /// Whether it is true of a record.
    pub(crate) fn holds(&self, record: &Record<'_, '_>) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|c| c.holds(record)),
            Self::Any(conditions) => conditions.iter().any(|c| c.holds(record)),
            Self::Not(condition) => !condition.holds(record),
            Self::Field(path, test) => {
                let value = path.value(record).filter(|raw| value::is_filled(raw));
                match (test, value) {
                    (Test::Missing, value) => value.is_none(),
                    (_, None) => false,
                    (test, Some(raw)) => test.passes(raw),
                }
            }
        }
    }
}

impl Test {
    fn passes(&self, raw: &str) -> bool {
        let text_passes = |passes: &dyn Fn(&str) -> bool| {
            value::text(raw).is_some_and(|text| passes(text.as_ref()))
        };
        match self {
            Self::OneOf(wanted) => {
                text_passes(&|text| wanted.iter().any(|w| value::is_same(text, w)))
            }
            Self::Contains(wanted) => {
                text_passes(&|text| wanted.iter().any(|w| value::contains(text, w)))
            }
            Self::MatchesDomain(wanted) => text_passes(&|text| {
                let host = value::domain(text);
                wanted.iter().any(|w| value::is_within(host, w))
            }),
            // Both come from text of a few digits: no arithmetic went before.
            Self::Number(wanted) => value::number(raw) == Some(*wanted),
            Self::Truth(wanted) => {
                text_passes(&|text| value::is_same(text, if *wanted { "true" } else { "false" }))
            }
            Self::Greater(Bound::Number(bound)) => value::number(raw).is_some_and(|n| n > *bound),
            Self::Less(Bound::Number(bound)) => value::number(raw).is_some_and(|n| n < *bound),
            Self::Greater(Bound::Date(bound)) => text_passes(&|t| is_date(t) && t > bound.as_str()),
            Self::Less(Bound::Date(bound)) => text_passes(&|t| is_date(t) && t < bound.as_str()),
            Self::Exists => true,
            Self::Missing => false,
        }
    }
}

/// Whether a text begins as `2026-01-31`.
pub(crate) fn is_date(text: &str) -> bool {
    let mut bytes = text.bytes();
    "dddd-dd-dd".bytes().all(|form| match (form, bytes.next()) {
        (b'd', Some(byte)) => byte.is_ascii_digit(),
        (mark, byte) => byte == Some(mark),
    })
}
