//! The work of a query job: rows are matched a slice at a time; what is kept
//! is their places, from which results are written when they are fetched.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::job::Work;
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

/// Works on a job until it ends.
pub(super) async fn run(shared: &Arc<Shared>, work: &Arc<Work>) {
    let now_ms = || shared.clock.now_ms();
    let bulk = &shared.bulk;
    let started = Instant::now();
    if bulk
        .pass(work, State::UploadComplete, now_ms())
        .await
        .is_none()
        || !bulk.advance(work, State::InProgress, now_ms())
    {
        return;
    }
    let Some(found) = find(shared, work).await else {
        return;
    };
    let (state, error) = match found {
        Ok(()) => (State::JobComplete, None),
        Err(message) => (State::Failed, Some(message)),
    };
    let total_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    bulk.end(work, state, now_ms(), error, total_ms);
}

/// Finds the rows. `None`: the job has ended meanwhile.
async fn find(shared: &Arc<Shared>, work: &Arc<Work>) -> Option<Result<(), String>> {
    let mut answer = work.outcome().answer.clone()?;
    let mut search = answer.search(&shared.org());
    let mut may_look = pass(shared, work).await?;
    loop {
        let rows = match may_look {
            Ok(rows) => rows,
            Err(message) => return Some(Err(message)),
        };
        let is_done = answer.search_more(&shared.org(), &mut search, rows);
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
    match pass(shared, work).await? {
        Ok(_) => Some(Ok(())),
        Err(message) => Some(Err(message)),
    }
}

async fn pass(shared: &Shared, work: &Work) -> Option<Result<usize, String>> {
    let now_ms = shared.clock.now_ms();
    let passed = shared.bulk.pass(work, State::InProgress, now_ms).await?;
    Some(passed.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX).min(SLICE_ROWS)))
}
