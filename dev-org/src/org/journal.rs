//! Undo for requests that are all or nothing: what rows were before.

use super::Org;
use crate::table::Row;

/// What changed since `begin`, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Inserted {
        table: usize,
    },
    Replaced {
        table: usize,
        place: usize,
        before: Box<Row>,
    },
}

impl Journal {
    pub(super) fn inserted(&mut self, table: usize) {
        self.0.push(Step::Inserted { table });
    }

    pub(super) fn replaced(&mut self, table: usize, place: usize, before: Row) {
        self.0.push(Step::Replaced {
            table,
            place,
            before: Box::new(before),
        });
    }
}

impl Org {
    /// Starts to remember changes, so that `rollback` can undo them.
    pub fn begin(&mut self) {
        self.journal = Some(Journal::default());
    }

    /// Keeps the changes since `begin`.
    pub fn commit(&mut self) {
        self.journal = None;
    }

    /// Undoes the changes since `begin`. Ids that were given out are not given
    /// out again.
    pub fn rollback(&mut self) {
        let Some(Journal(steps)) = self.journal.take() else {
            return;
        };
        for step in steps.into_iter().rev() {
            match step {
                Step::Inserted { table } => {
                    if let Some(table) = self.tables.get_mut(table) {
                        table.pop();
                    }
                }
                Step::Replaced {
                    table,
                    place,
                    before,
                } => {
                    if let Some(table) = self.tables.get_mut(table) {
                        table.replace(place, *before);
                    }
                }
            }
        }
    }
}
