//! Rows that were locked in a bulk job: they meet others of their parent there,
//! since a job has no order, and go once more by collections, which do not.

use std::collections::HashSet;

use super::bulk;
use super::held::Chunk;
use super::plan::Verb;
use super::{COLLECTIONS_ROWS, Writer, lost, row_result, send};
use crate::bindings::exports::lockgate::connector::records::{Error, RowResult};
use crate::host::Host;

impl<H: Host> Writer<H> {
    /// Sends rows that were locked once more, by collections, as many as one call
    /// may, and gives all results. Rows of one parent meet in a bulk job, which has
    /// no order.
    pub(super) async fn unlocked(&self, chunk: &Chunk, results: bulk::Results) -> Vec<RowResult> {
        let goes_again = self.locked_rows_go_again(self.job().verb);
        let (locked, mut settled): (Vec<_>, Vec<_>) = results
            .into_iter()
            .partition(|(_, result)| goes_again && send::is_locked(result));
        let again: HashSet<usize> = locked
            .iter()
            .map(|(at, _)| *at)
            .take(COLLECTIONS_ROWS)
            .collect();
        let mut sent = Vec::new();
        if again.is_empty() {
            settled.extend(locked);
        } else {
            match self.send(chunk, |at| again.contains(&at)).await {
                Ok(results) => {
                    sent = results;
                    let rest = locked.into_iter().filter(|(at, _)| !again.contains(at));
                    settled.extend(rest);
                }
                // They stay locked, unless this try may have written them.
                Err(Error::UnknownOutcome) => settled.extend(locked.into_iter().map(
                    |(at, result)| match again.contains(&at) {
                        true => (at, lost()),
                        false => (at, result),
                    },
                )),
                Err(_) => settled.extend(locked),
            }
        }
        let settled = settled.into_iter();
        sent.extend(settled.map(|(at, result)| row_result(chunk.first + at as u64, result)));
        sent
    }

    /// Whether rows that were locked in a bulk job are written by collections. A
    /// job that is taken up again tells of the same locks once more, and nothing
    /// notes what was done meanwhile: it must not be created or deleted twice.
    /// What is to be deleted for good can only be so by a job.
    pub(super) fn locked_rows_go_again(&self, verb: Verb<'_>) -> bool {
        let is_final = self.job().for_good;
        !is_final && (!matches!(verb, Verb::Create | Verb::Delete) || self.name.is_none())
    }
}
