//! The rows of a selection: by index where the condition pins one, by a look at
//! every row otherwise.

use super::sort;
use crate::schema::ID_COLUMN;
use crate::soql::ast::Comparison;
use crate::soql::check::{Check, Constant, Filter, Negated};
use crate::soql::operand::Operand;
use crate::soql::plan::Selection;
use crate::soql::view::View;
use crate::table::{Row, Table};
use crate::value::Value;

/// The rows of a selection in their order.
pub(crate) fn rows<'a>(view: &View<'a>, selection: &Selection) -> Vec<&'a Row> {
    let Some(table) = view.table(selection.object) else {
        return Vec::new();
    };
    places(view, selection)
        .into_iter()
        .filter_map(|place| table.row_at(place as usize))
        .collect()
}

/// The places of a selection's rows in their table, in their order. A table
/// counts its rows in 32 bits, and a million places are better in 4 MB than 8.
pub(crate) fn places(view: &View<'_>, selection: &Selection) -> Vec<u32> {
    match candidates(view, selection) {
        Some(places) => among(view, selection, places.into_iter()),
        None => {
            let rows = view.table(selection.object).map_or(0, Table::len);
            among(view, selection, 0..rows)
        }
    }
}

/// The places that can be a selection's rows, if an index knows them.
pub(crate) fn candidates(view: &View<'_>, selection: &Selection) -> Option<Vec<usize>> {
    let table = view.table(selection.object)?;
    pinned(table, selection.filter.as_ref()?)
}

/// The places of a selection's rows that have a value in an indexed column: the
/// children of a record.
pub(crate) fn places_with(
    view: &View<'_>,
    selection: &Selection,
    column: usize,
    value: &Value,
) -> Vec<u32> {
    let Some(table) = view.table(selection.object) else {
        return Vec::new();
    };
    let candidates = table.find_places(column, value);
    among(view, selection, candidates.into_iter())
}

fn among(
    view: &View<'_>,
    selection: &Selection,
    candidates: impl Iterator<Item = usize>,
) -> Vec<u32> {
    let matching = matching(view, selection, candidates);
    if selection.order.is_empty() {
        let limit = selection.limit.unwrap_or(usize::MAX);
        return matching.skip(selection.offset).take(limit).collect();
    }
    let places = matching.collect();
    arranged(view, selection, places)
}

/// Those of some places whose rows match a selection's condition.
pub(crate) fn matching<'v>(
    view: &'v View<'v>,
    selection: &'v Selection,
    candidates: impl Iterator<Item = usize> + 'v,
) -> impl Iterator<Item = u32> + 'v {
    let table = view.table(selection.object);
    candidates
        .filter(move |place| {
            let Some(row) = table.and_then(|table| table.row_at(*place)) else {
                return false;
            };
            if row.is_deleted() && (row.purged || !selection.deleted) {
                return false;
            }
            match &selection.filter {
                Some(filter) => filter.holds(&|operand: &Operand| operand.value(view, row)),
                None => true,
            }
        })
        .filter_map(|place| u32::try_from(place).ok())
}

/// Matching places in a selection's order, between its offset and limit.
pub(crate) fn arranged(view: &View<'_>, selection: &Selection, mut places: Vec<u32>) -> Vec<u32> {
    let Some(table) = view.table(selection.object) else {
        return Vec::new();
    };
    let limit = selection.limit.unwrap_or(usize::MAX);
    let wanted = selection.offset.saturating_add(limit);
    let key = |place: u32, at: usize| {
        let row = table.row_at(place as usize)?;
        let operand = &selection.order.get(at)?.operand;
        Some(sort::Key::of(&operand.value(view, row), operand))
    };
    match selection.order.as_slice() {
        [] => {}
        // Places are in the order of ids already.
        [only] if only.operand.own_column() == Some(ID_COLUMN) => {
            if only.descending {
                places.reverse();
            }
        }
        order => sort::by(&mut places, order, wanted, key),
    }
    places.truncate(wanted);
    places.drain(..selection.offset.min(places.len()));
    places
}

/// Candidates for a condition in the order of the table, if an index has them.
fn pinned(table: &Table, filter: &Filter<Operand>) -> Option<Vec<usize>> {
    match filter {
        Filter::And(parts) => parts.iter().find_map(|part| pinned(table, part)),
        Filter::Check(operand, check) => {
            let column = operand.own_column()?;
            if !table.is_indexed(column) {
                return None;
            }
            let values: Vec<Value> = match check {
                Check::Compare(Comparison::Equal, Constant::Exact(value)) => vec![value.clone()],
                Check::Compare(Comparison::Equal, Constant::Caseless(text)) => {
                    vec![Value::text(text.as_str())]
                }
                Check::In(set, Negated(false)) => set
                    .ids()
                    .or_else(|| set.texts())?
                    .iter()
                    .map(|text| Value::text(text.as_str()))
                    .collect(),
                _ => return None,
            };
            let mut places: Vec<usize> = values
                .iter()
                .flat_map(|value| table.find_places(column, value))
                .collect();
            places.sort_unstable();
            places.dedup();
            Some(places)
        }
        _ => None,
    }
}
