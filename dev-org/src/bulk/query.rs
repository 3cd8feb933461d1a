//! The work of a query job: rows are matched a slice at a time; what is kept
//! is their places, from which results are written when they are fetched.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::job::Work;
use super::jobs::Ended;
use super::switches::BulkJobState as State;
use super::target::check_supported;
use crate::fault::Fault;
use crate::http::data::version::Version;
use crate::org::Org;
use crate::soql::{self, CsvAnswer, CsvOptions};
use crate::state::Shared;
use crate::user::User;

/// Rows that are looked at under one lock.
const SLICE_ROWS: usize = 2_000;

/// Columns come in the order asked for since this version, by name before.
const ORDERED_SINCE: u16 = 50;

/// Checks a statement and plans its answer.
pub(crate) fn check_query(
    org: &Org,
    who: &User,
    text: &str,
    all_rows: bool,
    version: Version,
) -> Result<CsvAnswer, Fault> {
    let options = CsvOptions {
        all_rows,
        by_name: !version.is_at_least(ORDERED_SINCE),
    };
    let answer = soql::csv_answer(org, who, text, options)?;
    check_supported(answer.object(org))?;
    Ok(answer)
}

/// Finds the rows.
pub(super) async fn find(shared: &Arc<Shared>, work: &Arc<Work>) -> Result<(), Ended> {
    let answer = work.outcome().answer.clone();
    let mut answer = answer.ok_or(Ended::Stopped)?;
    let mut search = answer.search(&shared.org());
    let mut may_look = pass(shared, work).await?;
    loop {
        let is_done = answer.search_more(&shared.org(), &mut search, may_look);
        work.processed
            .store(search.found() as u64, Ordering::Release);
        if is_done {
            break;
        }
        tokio::task::yield_now().await;
        may_look = pass(shared, work).await?;
    }
    answer.finish(&shared.org(), search);
    work.processed
        .store(answer.total() as u64, Ordering::Release);
    work.outcome().answer = Some(answer);
    // Somebody may wait for a job with all its rows.
    pass(shared, work).await.map(|_| ())
}

/// How many rows the next look may be at.
async fn pass(shared: &Shared, work: &Work) -> Result<usize, Ended> {
    let now_ms = shared.clock.now_ms();
    let rows = shared.bulk.pass(work, State::InProgress, now_ms).await?;
    Ok(usize::try_from(rows).unwrap_or(usize::MAX).min(SLICE_ROWS))
}
