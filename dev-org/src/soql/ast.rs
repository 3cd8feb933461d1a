//! The shape of a SOQL statement as written: names are still text, nothing is
//! looked up. Every name carries its place, since errors show it.

use super::date_literal::DateLiteral;
pub(crate) use super::lexer::{Comparison, StringLiteral};

/// A name or a dotted path and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// As written.
    pub(crate) text: String,
    /// Byte offset of its first character.
    pub(crate) at: usize,
}

/// One SELECT, also the ones in parentheses.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    /// What is selected, in order.
    pub(crate) select: Vec<SelectItem>,
    /// The sObject (or the child relationship, in a subquery).
    pub(crate) from: Name,
    /// Its alias.
    pub(crate) alias: Option<Name>,
    /// Further FROM entries: alias and the path it stands for (`c.Account a`).
    pub(crate) related: Vec<(Name, Name)>,
    /// WHERE.
    pub(crate) filter: Option<Condition>,
    /// GROUP BY.
    pub(crate) group: Vec<Expr>,
    /// HAVING.
    pub(crate) having: Option<Condition>,
    /// ORDER BY.
    pub(crate) order: Vec<OrderItem>,
    /// LIMIT.
    pub(crate) limit: Option<usize>,
    /// OFFSET.
    pub(crate) offset: Option<usize>,
    /// ALL ROWS.
    pub(crate) all_rows: bool,
}

/// One entry of the SELECT list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SelectItem {
    /// A field, a path, a function, or an aggregate, with its alias.
    Expr(Expr, Option<Name>),
    /// `COUNT()`
    Count,
    /// `FIELDS(ALL)`
    Fields(FieldSet, usize),
    /// A parent-to-child subquery.
    Children(Box<Query>),
    /// `TYPEOF What WHEN Account THEN Phone ELSE Name END`
    TypeOf(TypeOf),
}

/// What `FIELDS()` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldSet {
    /// Every field.
    All,
    /// Those that Salesforce brings.
    Standard,
    /// Those with `__c`.
    Custom,
}

/// A TYPEOF expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeOf {
    /// The polymorphic relationship.
    pub(crate) relationship: Name,
    /// sObject and the fields to take if the record is one.
    pub(crate) branches: Vec<(Name, Vec<Name>)>,
    /// The fields to take otherwise.
    pub(crate) otherwise: Vec<Name>,
}

/// A field, a path, or a function applied to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expr {
    /// A field or a path.
    Path(Name),
    /// A function with its arguments.
    Call(Name, Vec<Self>),
}

impl Expr {
    /// Where it starts.
    pub(crate) fn at(&self) -> usize {
        match self {
            Self::Path(name) | Self::Call(name, _) => name.at,
        }
    }
}

/// A condition of WHERE or HAVING.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    /// All of them.
    And(Vec<Self>),
    /// Any of them.
    Or(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// One comparison.
    Test(Test),
}

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Test {
    /// The left side.
    pub(crate) left: Expr,
    /// The operator and the right side.
    pub(crate) right: Right,
}

/// The operators with their right sides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Right {
    /// `= 5`
    Compare(Comparison, Literal),
    /// `LIKE 'a%'`
    Like(Literal),
    /// `IN (...)`, `NOT IN (...)`
    In {
        /// The list.
        list: Vec<Literal>,
        /// NOT.
        negated: bool,
    },
    /// `IN (SELECT ...)`, `NOT IN (SELECT ...)`
    InQuery {
        /// The semi-join.
        query: Box<Query>,
        /// NOT.
        negated: bool,
    },
    /// `INCLUDES (...)`, `EXCLUDES (...)`
    Includes {
        /// The list; values joined by `;` must all be there.
        list: Vec<Literal>,
        /// EXCLUDES.
        negated: bool,
    },
}

/// A literal and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Literal {
    /// What it is.
    pub(crate) kind: LiteralKind,
    /// Byte offset of its first character.
    pub(crate) at: usize,
}

/// The kinds of literal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LiteralKind {
    /// `null`
    Null,
    /// `TRUE`, `FALSE`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Double(f64),
    /// `USD5000`: the amount; an org with one currency has nothing to convert.
    Currency(f64),
    /// A string.
    Text(StringLiteral),
    /// A date.
    Date(i32),
    /// A dateTime.
    DateTime(i64),
    /// A time.
    Time(u32),
    /// A date literal.
    Range(DateLiteral),
}

/// One entry of ORDER BY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderItem {
    /// What to sort by.
    pub(crate) expr: Expr,
    /// DESC.
    pub(crate) descending: bool,
    /// NULLS LAST; the default is first, in both directions.
    pub(crate) nulls_last: bool,
}
