//! What a query answers: which rows, and how to write any page of them.

use std::sync::Arc;

use super::plan::Record;
use super::run::write::Writer;
use super::view::View;
use crate::org::Org;
use crate::table::Row;

/// The result of a query, from which pages are written one by one. It borrows
/// nothing and keeps four bytes for each row, so it can wait behind a query
/// locator; a row is read when its page is written.
#[derive(Clone, Debug)]
pub struct Answer {
    total: usize,
    rows: Rows,
}

#[derive(Clone, Debug)]
enum Rows {
    /// COUNT() answers a number and no rows.
    None,
    /// Records by their place in their table.
    Records(Arc<[u32]>, Arc<Record>),
    /// Groups, already written.
    Groups(Arc<[Vec<u8>]>),
}

/// Which part of an answer to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The number of the first row, from zero.
    pub from: usize,
    /// How many rows at most.
    pub size: usize,
}

impl Answer {
    /// The answer of COUNT().
    pub(crate) fn of_count(total: usize) -> Self {
        Self {
            total,
            rows: Rows::None,
        }
    }

    /// An answer of records.
    pub(crate) fn of_records(places: Vec<u32>, record: Arc<Record>) -> Self {
        Self {
            total: places.len(),
            rows: Rows::Records(places.into(), record),
        }
    }

    /// An answer of groups.
    pub(crate) fn of_groups(groups: Vec<Vec<u8>>) -> Self {
        Self {
            total: groups.len(),
            rows: Rows::Groups(groups.into()),
        }
    }

    /// Only the records that a test lets through, a number of them skipped and
    /// no more than a limit kept.
    pub(crate) fn among(
        self,
        org: &Org,
        test: impl Fn(&Row) -> bool,
        offset: usize,
        limit: usize,
    ) -> Self {
        let Rows::Records(places, record) = &self.rows else {
            return self;
        };
        let view = View::of(org);
        let Some(table) = view.table(record.object) else {
            return self;
        };
        let kept = places
            .iter()
            .copied()
            .filter(|place| table.row_at(*place as usize).is_some_and(&test))
            .skip(offset)
            .take(limit);
        Self::of_records(kept.collect(), Arc::clone(record))
    }

    /// The `totalSize`: how many rows all pages have together.
    pub fn total(&self) -> usize {
        self.total
    }

    /// The number of the first row behind a page; `None` if the page is the
    /// last one.
    pub fn next(&self, page: Page) -> Option<usize> {
        let behind = page.from.saturating_add(page.size);
        let rows = match &self.rows {
            Rows::None => 0,
            Rows::Records(places, _) => places.len(),
            Rows::Groups(groups) => groups.len(),
        };
        (behind < rows).then_some(behind)
    }

    /// Writes the JSON array of a page's records.
    ///
    /// A record with more than a page of children gets the first page of them;
    /// `keep` is then given the answer of them all and must say the
    /// `nextRecordsUrl` under which it continues from `page.size`.
    pub fn write_records(
        &self,
        org: &Org,
        page: Page,
        keep: &mut dyn FnMut(Self) -> String,
        out: &mut Vec<u8>,
    ) {
        out.push(b'[');
        match &self.rows {
            Rows::None => {}
            Rows::Groups(groups) => {
                for (at, group) in groups.iter().skip(page.from).take(page.size).enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(group);
                }
            }
            Rows::Records(places, record) => {
                let view = View::of(org);
                let mut writer = Writer {
                    view: &view,
                    batch: page.size,
                    keep,
                    out,
                };
                let Some(table) = view.table(record.object) else {
                    out.push(b']');
                    return;
                };
                let places = places.iter().skip(page.from).take(page.size);
                let rows = places.filter_map(|place| table.row_at(*place as usize));
                for (at, row) in rows.enumerate() {
                    if at > 0 {
                        writer.out.push(b',');
                    }
                    writer.record(record, row);
                }
            }
        }
        out.push(b']');
    }

    /// Writes a whole answer of the query resource: `totalSize`, `done`,
    /// `nextRecordsUrl` unless the page is the last one, and `records`.
    ///
    /// `next_url` makes the URL that continues at a row, `keep` is as for
    /// [`Self::write_records`].
    pub fn write_page(
        &self,
        org: &Org,
        page: Page,
        next_url: impl FnOnce(usize) -> String,
        keep: &mut dyn FnMut(Self) -> String,
        out: &mut Vec<u8>,
    ) {
        let next = self.next(page);
        let head = format!(r#"{{"totalSize":{},"done":{},"#, self.total, next.is_none());
        out.extend_from_slice(head.as_bytes());
        if let Some(next) = next {
            out.extend_from_slice(br#""nextRecordsUrl":"#);
            crate::value::write_json_text(&next_url(next), out);
            out.push(b',');
        }
        out.extend_from_slice(br#""records":"#);
        self.write_records(org, page, keep, out);
        out.push(b'}');
    }
}
