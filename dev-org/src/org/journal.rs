//! Undo for requests that are all or nothing: what rows were before.

use super::Org;
use crate::table::Row;

/// What changed since the first `begin`, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    steps: Vec<Step>,
    /// What there was at each `begin` that has not ended: a request that is all
    /// or nothing may be part of a larger one.
    begun: Vec<Mark>,
}

/// How far things had gone.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    steps: usize,
    /// Of the outbox.
    done: usize,
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
    /// What the outbox had at the last `begin`.
    pub(super) fn done_before(&self) -> usize {
        self.begun.last().map_or(0, |mark| mark.done)
    }

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
        journal.begun.push(Mark {
            steps: journal.steps.len(),
            done: self.outbox.len(),
        });
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
        let from = journal.begun.pop().unwrap_or_default();
        let steps = journal.steps.split_off(from.steps.min(journal.steps.len()));
        self.outbox.undo_to(from.done);
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
