//! Results of bulk jobs, and the rows that were locked in them: they meet others of
//! their parent there, since a job has no order, and go once more by collections,
//! which do not.

use super::bulk::{BulkJob, Results};
use super::jobs::RESULTS;
use super::passing::Pushed;
use super::plan::Verb;
use super::{Writer, collections, lost, row_result};
use crate::bindings::exports::lockgate::connector::records::{Error, RecordResult};
use crate::host::Host;

impl<H: Host> Writer<H> {
    /// Looks at a job, and gives results once they are known, and whether they are
    /// the last. Rows that were locked go before all others.
    pub(super) async fn results_of(
        &self,
        job: &mut BulkJob<H>,
    ) -> Result<(Pushed<H::Written>, bool), Error> {
        let what = self.job();
        let was_told = job.is_told();
        if !job.look(&self.api, &what).await? {
            return Ok((Pushed::default(), false));
        }
        let mut locked = Vec::new();
        if !was_told && self.locked_rows_go_again(what.verb) {
            let (records, results) = job.take_locked(&what);
            if !results.is_empty() {
                locked = self.unlocked(&records, results).await;
            }
        }
        let known = job.results(&what, RESULTS);
        let results = locked.into_iter().chain(known.results);
        let numbered = results.map(|(row, result)| row_result(row as u64, result));
        let pushed = Pushed {
            rows: numbered.collect(),
            written: known.written.into_iter().collect(),
        };
        Ok((pushed, known.is_last))
    }

    /// Sends rows that were locked once more, by collections.
    async fn unlocked(&self, records: &[u8], locked: Results) -> Results {
        let again = match self.rows(records) {
            Ok(rows) => collections::run(&self.api, self.job(), rows, &self.pace).await,
            Err(error) => Err(error),
        };
        let again: Vec<RecordResult> = match again {
            Ok(results) => results,
            // They stay locked, unless this try may have written them.
            Err(Error::UnknownOutcome) => locked.iter().map(|_| lost()).collect(),
            Err(_) => return locked,
        };
        let rows = locked.into_iter().map(|(row, _)| row);
        rows.zip(again).collect()
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
