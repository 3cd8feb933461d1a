//! A bound query: every name is resolved, every right checked, so that running
//! it cannot fail.

use std::sync::Arc;

use super::ast::Name;
use super::check::Filter;
use super::operand::{Leaf, Operand, Step};
use crate::schema::FieldKind;
use crate::value::Value;

/// Which rows of an object, and in what order.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// The object's place in the schema.
    pub(crate) object: usize,
    /// WHERE.
    pub(crate) filter: Option<Filter<Operand>>,
    /// ORDER BY.
    pub(crate) order: Vec<OrderBy<Operand>>,
    /// LIMIT.
    pub(crate) limit: Option<usize>,
    /// OFFSET.
    pub(crate) offset: usize,
    /// Whether deleted rows count.
    pub(crate) deleted: bool,
}

/// One entry of ORDER BY.
#[derive(Clone, Debug)]
pub(crate) struct OrderBy<O> {
    /// What to sort by.
    pub(crate) operand: O,
    /// DESC.
    pub(crate) descending: bool,
    /// NULLS LAST.
    pub(crate) nulls_last: bool,
}

/// What a whole statement answers.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// Records.
    Records(Selection, Arc<Record>),
    /// Their number.
    Count(Selection),
    /// Groups.
    Groups(Selection, Box<Aggregation>),
}

/// How one record is written.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The object's place in the schema.
    pub(crate) object: usize,
    /// Everything in front of the id: `{"attributes":{"type":"Account","url":"/.../`.
    pub(crate) head: Vec<u8>,
    /// The fields, in the order selected.
    pub(crate) fields: Vec<Output>,
}

/// One key of a record with how its value is written.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// The key with its quotes and what stands around: `,"Name":`.
    pub(crate) key: Vec<u8>,
    /// The value.
    pub(crate) content: Content,
}

/// The name in a key with its quotes.
pub(crate) fn plain_key(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    text.trim_matches([',', '"', ':']).to_owned()
}

/// How a value is written.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// As stored.
    Column(usize),
    /// As FORMAT or toLabel shows it.
    Shown(usize, Shown),
    /// An address, or the URL of binary content: neither is stored as written.
    Computed {
        /// The object's place in the schema.
        object: usize,
        /// The field's column.
        column: usize,
        /// `v60.0`, for URLs.
        version: Arc<str>,
    },
    /// The same for every row.
    Constant(Value),
    /// A parent: the same record form whatever its object is.
    Parent(Step, Record),
    /// A polymorphic parent with the fields of the Name object.
    NamedParent(Step, NamedParent),
    /// TYPEOF: the record form by the parent object's place.
    TypeOf(Step, Vec<Option<Record>>),
    /// A parent-to-child subquery.
    Children(Box<Children>),
}

/// A polymorphic parent: keys, and by object the column or the constant text.
#[derive(Clone, Debug)]
pub(crate) struct NamedParent {
    /// Everything in front of the id, by the parent object's place.
    pub(crate) heads: Vec<Vec<u8>>,
    /// Key and place of each field.
    pub(crate) fields: Vec<(Vec<u8>, Leaf)>,
}

/// A parent-to-child subquery.
#[derive(Clone, Debug)]
pub(crate) struct Children {
    /// Which children.
    pub(crate) selection: Selection,
    /// The child's reference field.
    pub(crate) parent_column: usize,
    /// How each is written.
    pub(crate) record: Arc<Record>,
}

/// How a value is made readable.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    /// FORMAT, for a field of this kind and this many decimals.
    Format(FieldKind, u32),
    /// toLabel: value in lower case and label.
    Label(Vec<(String, String)>),
}

/// A grouped or aggregated query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aggregation {
    /// GROUP BY.
    pub(crate) keys: Vec<Operand>,
    /// For each group of subtotals, which keys it keeps. A plain GROUP BY is
    /// one group that keeps all.
    pub(crate) sets: Vec<Vec<bool>>,
    /// Everything that is computed over a group.
    pub(crate) measures: Vec<Measure>,
    /// The keys of an answered row: JSON key and cell.
    pub(crate) columns: Vec<(Vec<u8>, Cell)>,
    /// HAVING.
    pub(crate) having: Option<Filter<Cell>>,
    /// ORDER BY.
    pub(crate) order: Vec<OrderBy<Cell>>,
}

/// A value of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// A key.
    Key(usize),
    /// A measure.
    Measure(usize),
    /// GROUPING(key): 1 if the row is a subtotal over it.
    Grouping(usize),
}

/// Something computed over a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measure {
    /// How.
    pub(crate) function: Aggregate,
    /// Over what; `COUNT()` counts rows.
    pub(crate) operand: Option<Operand>,
}

/// The aggregate functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    /// COUNT
    Count,
    /// COUNT_DISTINCT
    CountDistinct,
    /// SUM
    Sum,
    /// AVG
    Average,
    /// MIN
    Min,
    /// MAX
    Max,
}

impl Aggregate {
    /// The function with this name.
    pub(crate) fn named(name: &Name) -> Option<Self> {
        match name.text.to_ascii_uppercase().as_str() {
            "COUNT" => Some(Self::Count),
            "COUNT_DISTINCT" => Some(Self::CountDistinct),
            "SUM" => Some(Self::Sum),
            "AVG" => Some(Self::Average),
            "MIN" => Some(Self::Min),
            "MAX" => Some(Self::Max),
            _ => None,
        }
    }

    /// Whether it can be computed over fields of this kind.
    pub(crate) fn takes(self, kind: FieldKind) -> bool {
        match self {
            Self::Count | Self::CountDistinct => true,
            Self::Sum | Self::Average => kind.is_decimal() || kind == FieldKind::Int,
            Self::Min | Self::Max => !matches!(
                kind,
                FieldKind::Boolean
                    | FieldKind::MultiPicklist
                    | FieldKind::Address
                    | FieldKind::Base64
            ),
        }
    }

    /// The kind of its results over fields of this kind.
    pub(crate) fn kind(self, kind: FieldKind) -> FieldKind {
        match self {
            Self::Count | Self::CountDistinct => FieldKind::Int,
            Self::Average => FieldKind::Double,
            Self::Sum | Self::Min | Self::Max => kind,
        }
    }
}
