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
    let Some(table) = view.table(selection.object) else {
        return Vec::new();
    };
    match selection
        .filter
        .as_ref()
        .and_then(|filter| pinned(table, filter))
    {
        Some(places) => among(view, table, selection, places.into_iter()),
        None => among(view, table, selection, 0..table.len()),
    }
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
    among(view, table, selection, candidates.into_iter())
}

fn among(
    view: &View<'_>,
    table: &Table,
    selection: &Selection,
    candidates: impl Iterator<Item = usize>,
) -> Vec<u32> {
    let holds = |place: &usize| {
        let Some(row) = table.row_at(*place) else {
            return false;
        };
        if row.is_deleted() && !selection.deleted {
            return false;
        }
        match &selection.filter {
            Some(filter) => filter.holds(&|operand: &Operand| operand.value(view, row)),
            None => true,
        }
    };
    let matching = candidates
        .filter(holds)
        .filter_map(|place| u32::try_from(place).ok());
    let limit = selection.limit.unwrap_or(usize::MAX);
    if selection.order.is_empty() {
        return matching.skip(selection.offset).take(limit).collect();
    }
    let mut places: Vec<u32> = matching.collect();
    let wanted = selection.offset.saturating_add(limit);
    let key = |place: u32, at: usize| {
        let row = table.row_at(place as usize)?;
        let operand = &selection.order.get(at)?.operand;
        Some(sort::Key::of(&operand.value(view, row), operand))
    };
    match selection.order.as_slice() {
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
