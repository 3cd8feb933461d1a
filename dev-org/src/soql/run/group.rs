//! GROUP BY and aggregate functions.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::{select, sort};
use crate::schema::FieldKind;
use crate::soql::check::{fold, order};
use crate::soql::operand::Operand;
use crate::soql::plan::{Aggregate, Aggregation, Cell, Measure, Selection};
use crate::soql::view::View;
use crate::table::Row;
use crate::value::Value;

/// The groups of a query as JSON objects, in their order.
pub(crate) fn rows(
    view: &View<'_>,
    selection: &Selection,
    aggregation: &Aggregation,
) -> Vec<Vec<u8>> {
    let everything = Selection {
        limit: None,
        offset: 0,
        ..selection.clone()
    };
    let mut groups = Groups::new(aggregation);
    for row in select::rows(view, &everything) {
        groups.add(view, row);
    }
    let groups: Vec<Finished> = groups.finish();
    let mut order: Vec<u32> = (0..)
        .zip(&groups)
        .filter(|(_, group)| match &aggregation.having {
            Some(having) => having.holds(&|cell: &Cell| group.value(*cell)),
            None => true,
        })
        .map(|(at, _)| at)
        .collect();
    let at = |place: u32| groups.get(place as usize);
    if !aggregation.order.is_empty() {
        sort::by(&mut order, &aggregation.order, usize::MAX, |place, by| {
            let cell = aggregation.order.get(by)?.operand;
            let group = at(place)?;
            let value = group.value(cell);
            Some(match operand_of(aggregation, cell) {
                Some(operand) => sort::Key::of(&value, operand),
                None => sort::Key::of_number(&value),
            })
        });
    }
    order
        .into_iter()
        .filter_map(at)
        .skip(selection.offset)
        .take(selection.limit.unwrap_or(usize::MAX))
        .map(|group| group.json(aggregation))
        .collect()
}

/// The operand whose values a cell holds; none if it holds counts.
fn operand_of(aggregation: &Aggregation, cell: Cell) -> Option<&Operand> {
    match cell {
        Cell::Key(key) => aggregation.keys.get(key),
        Cell::Measure(at) => aggregation.measures.get(at)?.operand.as_ref(),
        Cell::Grouping(_) => None,
    }
}

/// A group with its results.
struct Finished {
    keys: Vec<Value>,
    /// Which keys the group keeps; the others are subtotals.
    kept: Vec<bool>,
    measures: Vec<Value>,
}

impl Finished {
    fn value(&self, cell: Cell) -> Cow<'_, Value> {
        let stored = match cell {
            Cell::Key(key) => self.keys.get(key),
            Cell::Measure(at) => self.measures.get(at),
            Cell::Grouping(key) => {
                let kept = self.kept.get(key).copied().unwrap_or(true);
                return Cow::Owned(Value::Int(i64::from(!kept)));
            }
        };
        stored.map_or(Cow::Owned(Value::Null), Cow::Borrowed)
    }

    fn json(&self, aggregation: &Aggregation) -> Vec<u8> {
        let mut out = br#"{"attributes":{"type":"AggregateResult"}"#.to_vec();
        for (key, cell) in &aggregation.columns {
            out.extend_from_slice(key);
            self.value(*cell).write_json(&mut out);
        }
        out.push(b'}');
        out
    }
}

struct Groups<'p> {
    aggregation: &'p Aggregation,
    /// Place in `groups` by the number of the key set and the encoded keys.
    places: HashMap<Vec<u8>, usize>,
    groups: Vec<Group>,
}

struct Group {
    keys: Vec<Value>,
    kept: Vec<bool>,
    totals: Vec<Total>,
}

impl<'p> Groups<'p> {
    fn new(aggregation: &'p Aggregation) -> Self {
        let mut groups = Self {
            aggregation,
            places: HashMap::new(),
            groups: Vec::new(),
        };
        // Without GROUP BY there is one group even of no rows.
        if aggregation.keys.is_empty() {
            groups.group(vec![0], Vec::new(), Vec::new());
        }
        groups
    }

    fn add(&mut self, view: &View<'_>, row: &Row) {
        let aggregation = self.aggregation;
        let keys: Vec<Cow<'_, Value>> = aggregation
            .keys
            .iter()
            .map(|key| key.value(view, row))
            .collect();
        for (number, kept) in (0_u8..).zip(&aggregation.sets) {
            let mut code = vec![number];
            for ((value, key), kept) in keys.iter().zip(&aggregation.keys).zip(kept) {
                if *kept {
                    encode(value, key, &mut code);
                }
            }
            let at = match self.places.get(&code) {
                Some(at) => *at,
                None => {
                    let value = |(value, kept): (&Cow<'_, Value>, &bool)| match kept {
                        true => value.as_ref().clone(),
                        false => Value::Null,
                    };
                    let values = keys.iter().zip(kept).map(value).collect();
                    self.group(code, values, kept.clone())
                }
            };
            let Some(group) = self.groups.get_mut(at) else {
                continue;
            };
            for (total, measure) in group.totals.iter_mut().zip(&aggregation.measures) {
                total.add(view, row, measure);
            }
        }
    }

    fn group(&mut self, code: Vec<u8>, keys: Vec<Value>, kept: Vec<bool>) -> usize {
        let at = self.groups.len();
        self.groups.push(Group {
            keys,
            kept,
            totals: vec![Total::default(); self.aggregation.measures.len()],
        });
        self.places.insert(code, at);
        at
    }

    fn finish(self) -> Vec<Finished> {
        let measures = &self.aggregation.measures;
        let finished = |group: Group| Finished {
            keys: group.keys,
            kept: group.kept,
            measures: group
                .totals
                .into_iter()
                .zip(measures)
                .map(|(total, measure)| total.result(measure))
                .collect(),
        };
        self.groups.into_iter().map(finished).collect()
    }
}

/// Writes a value so that equal values, and only those, are the same bytes.
fn encode(value: &Value, operand: &Operand, out: &mut Vec<u8>) {
    let (tag, bytes): (u8, Cow<'_, [u8]>) = match value {
        Value::Null => (0, Cow::Borrowed(&[])),
        Value::Bool(flag) => (1, vec![u8::from(*flag)].into()),
        Value::Int(number) => (2, number.to_le_bytes().to_vec().into()),
        Value::Double(number) => (3, number.to_bits().to_le_bytes().to_vec().into()),
        Value::Text(text) if operand.kind.is_id() => (4, text.as_bytes().into()),
        Value::Text(text) => (4, fold(text).into_owned().into_bytes().into()),
        Value::Date(days) => (5, days.to_le_bytes().to_vec().into()),
        Value::DateTime(ms) => (6, ms.to_le_bytes().to_vec().into()),
        Value::Time(ms) => (7, ms.to_le_bytes().to_vec().into()),
        Value::Blob(bytes) => (8, Cow::Borrowed(bytes)),
    };
    out.push(tag);
    out.extend_from_slice(&bytes.len().to_le_bytes());
    out.extend_from_slice(&bytes);
}

/// What is known of a group so far.
#[derive(Clone, Debug, Default)]
struct Total {
    count: i64,
    sum: f64,
    /// The least or greatest value, for MIN and MAX.
    best: Option<Value>,
    distinct: HashSet<Vec<u8>>,
}

impl Total {
    fn add(&mut self, view: &View<'_>, row: &Row, measure: &Measure) {
        let Some(operand) = &measure.operand else {
            self.count += 1;
            return;
        };
        let value = operand.value(view, row);
        if value.is_null() {
            return;
        }
        self.count += 1;
        match measure.function {
            Aggregate::Count => {}
            Aggregate::Sum | Aggregate::Average => self.sum += value.as_f64().unwrap_or(0.0),
            Aggregate::CountDistinct => {
                let mut code = Vec::new();
                encode(&value, operand, &mut code);
                self.distinct.insert(code);
            }
            Aggregate::Min | Aggregate::Max => {
                let better = match &self.best {
                    None => true,
                    Some(best) => {
                        let order = match (value.as_str(), best.as_str()) {
                            (Some(a), Some(b)) => Some(fold(a).cmp(&fold(b))),
                            _ => order(&value, best),
                        };
                        let is_less = measure.function == Aggregate::Min;
                        order.is_some_and(|o| if is_less { o.is_lt() } else { o.is_gt() })
                    }
                };
                if better {
                    self.best = Some(value.into_owned());
                }
            }
        }
    }

    fn result(self, measure: &Measure) -> Value {
        let is_whole = measure
            .operand
            .as_ref()
            .is_some_and(|operand| operand.kind == FieldKind::Int);
        match measure.function {
            Aggregate::Count => Value::Int(self.count),
            Aggregate::CountDistinct => {
                Value::Int(i64::try_from(self.distinct.len()).unwrap_or(i64::MAX))
            }
            _ if self.count == 0 => Value::Null,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a sum of whole numbers is one, and beyond 2^53 a double is as close as it gets"
            )]
            Aggregate::Sum if is_whole => Value::Int(self.sum as i64),
            Aggregate::Sum => Value::Double(self.sum),
            #[expect(clippy::cast_precision_loss, reason = "no table has 2^53 rows")]
            Aggregate::Average => Value::Double(self.sum / self.count as f64),
            Aggregate::Min | Aggregate::Max => self.best.unwrap_or(Value::Null),
        }
    }
}
