//! Undo for requests that are all or nothing: what rows were before.

use super::Org;
use crate::table::Row;

/// What changed since the first `begin`, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    steps: Vec<Step>,
    /// How many steps there were at each `begin` that has not ended: a request
    /// that is all or nothing may be part of a larger one.
    begun: Vec<usize>,
}

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
        self.steps.push(Step::Inserted { table });
    }

    pub(super) fn replaced(&mut self, table: usize, place: usize, before: Row) {
        self.steps.push(Step::Replaced {
            table,
            place,
            before: Box::new(before),
        });
    }
}

impl Org {
    /// Starts to remember changes, so that `rollback` can undo them. Nests.
    pub fn begin(&mut self) {
        let journal = self.journal.get_or_insert_default();
        journal.begun.push(journal.steps.len());
    }

    /// Keeps the changes since the last `begin`, unless one around it undoes
    /// them.
    pub fn commit(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.begun.pop();
            if journal.begun.is_empty() {
                self.journal = None;
            }
        }
    }

    /// Undoes the changes since the last `begin`. Ids that were given out are
    /// not given out again.
    pub fn rollback(&mut self) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        let from = journal.begun.pop().unwrap_or(0);
        let steps = journal.steps.split_off(from.min(journal.steps.len()));
        if journal.begun.is_empty() {
            self.journal = None;
        }
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
