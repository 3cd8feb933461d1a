//! The way `bulk`: a query job of Bulk API 2.0, from its start to its last row.
//!
//! The job is asked how it is with growing waits, then its rows come in large
//! answers, each of which is handed on in pages of the size that the caller
//! wished. All requests but the first only read, so those without an answer are
//! sent again. A job that was read to its end is deleted; one whose reader has
//! gone, or that failed, stays for people to look at, and goes after seven days
//! by itself.

use serde::Deserialize;

use super::csv::Rows;
use super::shape::Shape;
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Page, QueryOptions};
use crate::fault::{Effect, Fault, problem, problem_of_job, unexpected};
use crate::host::{Answer, Host, Level, Method};
use crate::names;
use crate::wire::{self, push_text};

/// Waits between two looks at a job, in milliseconds: each look costs a call.
const FIRST_WAIT_MS: u32 = 250;
const LONGEST_WAIT_MS: u32 = 5_000;
/// How long one page may wait for the job before it is given empty, in
/// milliseconds. A host stops a page after 150,000 if nobody asked for more.
const PATIENCE_MS: u64 = 30_000;

/// How large an answer with rows should be, in bytes: a quarter of what is
/// taken, so that rows may grow fourfold before one is too large.
const FETCH_BYTES: u64 = 8 * 1024 * 1024;
/// What Salesforce gives at once if nobody says a number.
const MAX_FETCH_ROWS: u32 = 50_000;
/// How much of what is fetched becomes one page at most, in bytes of JSON.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;
/// Rows of a page, if nobody wishes a number, and at most: what a page may cost
/// of CPU time.
const PAGE_ROWS: u32 = 2_000;
const MAX_PAGE_ROWS: u32 = 10_000;

/// How often a request without an answer is sent again, and the longest pause
/// before, in milliseconds.
const MAX_AGAIN: u32 = 3;
const LONGEST_PAUSE_MS: u64 = 10_000;
/// The pause after an answer that makes no sense, in milliseconds.
const SENSELESS_PAUSE_MS: u64 = 1_000;

/// Calls of a job beside its rows: start, delete, and looks for a minute.
const JOB_CALLS: u64 = 20;

/// How many calls a job costs for so many rows, about.
pub(super) fn calls(rows: u64, rows_of_a_fetch: u32) -> u64 {
    JOB_CALLS + rows.div_ceil(u64::from(rows_of_a_fetch.max(1)))
}

/// How many rows to ask for at once if one takes so many bytes.
pub(super) fn rows_of(row_bytes: u64) -> u32 {
    let rows = u32::try_from(FETCH_BYTES / row_bytes.max(1)).unwrap_or(u32::MAX);
    rows.clamp(1, MAX_FETCH_ROWS)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    id: String,
    state: String,
    #[serde(default)]
    error_message: Option<String>,
    #[serde(default)]
    number_records_processed: Option<u64>,
}

/// A job under way.
#[derive(Debug)]
pub(super) struct Run {
    id: String,
    shape: Shape,
    page_rows: u32,
    fetch_rows: u32,
    stage: Stage,
    /// How many rows the answer has, once the job has said so.
    total: Option<u64>,
    /// Rows that were handed on.
    given: u64,
    /// Rows still to be passed over, because they were handed on before the
    /// results were begun anew.
    passed_over: u64,
    /// Something was handed on, if only an empty page.
    has_answered: bool,
}

#[derive(Debug)]
enum Stage {
    /// Looked at after this wait.
    Working {
        wait_ms: u32,
    },
    /// Rows are to be fetched here; the first have no locator.
    Fetch(Option<String>),
    /// Rows are here, and more are there.
    Here(Box<Rows>, Option<String>),
    End,
}

impl Run {
    /// Starts a job. What is wrong with the query shows here.
    pub(super) async fn start<H: Host>(
        api: &Api<H>,
        shape: Shape,
        options: &QueryOptions,
        fetch_rows: u32,
    ) -> Result<Self, Error> {
        let operation = if options.include_deleted {
            "queryAll"
        } else {
            "query"
        };
        let mut body = format!("{{\"operation\":\"{operation}\",\"query\":").into_bytes();
        push_text(&mut body, &shape.query);
        body.push(b'}');
        // A job that nobody asks for again changes nothing: it is a read.
        let ask = Ask::new(Method::Post, "/jobs/query", Kind::Read).body(body);
        let job: Job = read(&api.fetch(ask, None).await?)?;
        names::id(&job.id).map_err(|_| unexpected("an id of a job"))?;
        let wished = match options.page_size {
            0 => api.settings.query_batch_size.unwrap_or(PAGE_ROWS),
            wished => wished,
        };
        Ok(Self {
            id: job.id,
            shape,
            page_rows: wished.min(MAX_PAGE_ROWS),
            fetch_rows,
            stage: Stage::Working {
                wait_ms: FIRST_WAIT_MS,
            },
            total: None,
            given: 0,
            passed_over: 0,
            has_answered: false,
        })
    }

    /// The next page; an empty one if the job needs longer than a page may take.
    /// After a passing error it goes on where it was.
    pub(super) async fn next<H: Host>(&mut self, api: &Api<H>) -> Result<Option<Page>, Error> {
        let mut patience = Patience::new(&api.host);
        loop {
            match std::mem::replace(&mut self.stage, Stage::End) {
                Stage::Working { wait_ms } => {
                    if patience.is_over() {
                        self.stage = Stage::Working { wait_ms };
                        return Ok(Some(self.page(b"[]".to_vec())));
                    }
                    patience.wait(wait_ms).await;
                    let is_done = self.look(api, &mut patience).await;
                    self.stage = match is_done {
                        Ok(true) => Stage::Fetch(None),
                        Ok(false) => Stage::Working {
                            wait_ms: wait_ms.saturating_mul(2).min(LONGEST_WAIT_MS),
                        },
                        Err(_) => Stage::Working { wait_ms },
                    };
                    is_done.map_err(|error| self.gone(error))?;
                }
                Stage::Fetch(locator) => {
                    if patience.is_over() {
                        self.stage = Stage::Fetch(locator);
                        return Ok(Some(self.page(b"[]".to_vec())));
                    }
                    // An error leaves it where it is.
                    self.stage = Stage::Fetch(locator.clone());
                    let fetched = self.fetch(api, locator, &mut patience).await;
                    self.stage = fetched.map_err(|error| self.gone(error))?;
                }
                Stage::Here(rows, next) => {
                    let page = self.take(rows, next)?;
                    // To pass over rows costs CPU time, of which a page has little.
                    if page.is_some() || self.passed_over > 0 {
                        return Ok(Some(page.unwrap_or_else(|| self.page(b"[]".to_vec()))));
                    }
                }
                Stage::End if self.has_answered => return Ok(None),
                Stage::End => return Ok(Some(self.page(b"[]".to_vec()))),
            }
        }
    }

    /// Says what it means that the job is no longer known.
    fn gone(&self, error: Error) -> Error {
        match error {
            Error::Refused(mut problem) if problem.code == "NOT_FOUND" => {
                problem.message = format!(
                    "the bulk job {} of this query is gone, after {} of its rows were read: run \
                     the query again; Salesforce keeps jobs for seven days ({})",
                    self.id, self.given, problem.message
                );
                Error::Refused(problem)
            }
            error => error,
        }
    }

    fn page(&mut self, records: Vec<u8>) -> Page {
        self.has_answered = true;
        Page {
            records,
            total: self.total,
        }
    }

    /// Whether the job is done.
    async fn look<H: Host>(
        &mut self,
        api: &Api<H>,
        patience: &mut Patience<'_, H>,
    ) -> Result<bool, Error> {
        let path = format!("/jobs/query/{}", self.id);
        let ask = || Ask::new(Method::Get, path.as_str(), Kind::Read);
        let job: Job = again(patience, async || read(&api.fetch(ask(), None).await?)).await?;
        match job.state.as_str() {
            "JobComplete" => {
                self.total = job.number_records_processed;
                Ok(true)
            }
            "Failed" => Err(Error::Refused(problem_of_job(
                job.error_message.as_deref().unwrap_or_default(),
            ))),
            "Aborted" => Err(Error::Refused(problem(
                Advice::Retry,
                "JOB_ABORTED",
                &format!("somebody aborted the bulk job {} of this query", self.id),
            ))),
            _ => Ok(false),
        }
    }

    /// Asks for rows.
    async fn fetch<H: Host>(
        &mut self,
        api: &Api<H>,
        locator: Option<String>,
        patience: &mut Patience<'_, H>,
    ) -> Result<Stage, Error> {
        let path = format!("/jobs/query/{}/results", self.id);
        let ask = || {
            let rows = self.fetch_rows.to_string();
            let ask = Ask::new(Method::Get, path.as_str(), Kind::Rows).pair("maxRecords", rows);
            match &locator {
                Some(locator) => ask.pair("locator", locator),
                None => ask,
            }
        };
        let answer = again(patience, async || {
            match api.send_if_fits(ask()).await? {
                Some(answer) if answer.status >= 500 => {
                    Err(Fault::read(answer.status, &answer.body).error(None, Effect::Read))
                }
                // A page for people, from something on the way.
                Some(answer) if answer.status == 200 && answer.locator.is_none() => {
                    Err(unexpected("Sforce-Locator in an answer with rows"))
                }
                answer => Ok(answer),
            }
        });
        let Some(answer) = answer.await? else {
            if self.fetch_rows == 1 {
                return Err(unexpected(
                    "each row of a job to be below the limit of an answer",
                ));
            }
            self.fetch_rows = (self.fetch_rows / 4).max(1);
            return Ok(Stage::Fetch(locator));
        };
        if answer.status != 200 {
            return self.refused(api, &answer, locator.is_some());
        }
        let next = answer.locator.filter(|next| next != "null");
        let rows = Rows::open(answer.body, &self.shape.columns)?;
        if next.is_none() {
            self.delete(api).await;
        }
        Ok(Stage::Here(Box::new(rows), next))
    }

    /// Begins the results anew if only the place in them is no longer known:
    /// they stay the same, row by row, as long as the job is there.
    fn refused<H: Host>(
        &mut self,
        api: &Api<H>,
        answer: &Answer,
        had_locator: bool,
    ) -> Result<Stage, Error> {
        let fault = Fault::read(answer.status, &answer.body);
        // Once without getting any further is enough.
        let has_moved = self.given > 0 && self.passed_over == 0;
        if !(had_locator && has_moved && fault.code().contains("LOCATOR")) {
            return Err(fault.error(None, Effect::Read));
        }
        api.host.log(
            Level::Warn,
            "the place in a job's results has expired; read them anew up to it",
            &[("rows", self.given.to_string())],
        );
        self.passed_over = self.given;
        Ok(Stage::Fetch(None))
    }

    /// Makes a page of the rows that are here, and says where it goes on.
    /// `None` if none was left.
    fn take(&mut self, mut rows: Box<Rows>, next: Option<String>) -> Result<Option<Page>, Error> {
        let mut out = vec![b'['];
        let mut count = 0;
        let mut is_over = false;
        while count < self.page_rows && out.len() < MAX_PAGE_BYTES {
            if !rows.next()? {
                is_over = true;
                break;
            }
            if self.passed_over > 0 {
                self.passed_over -= 1;
                continue;
            }
            if count > 0 {
                out.push(b',');
            }
            self.shape.write(&rows, &mut out)?;
            count += 1;
        }
        out.push(b']');
        self.given += u64::from(count);
        self.stage = if !is_over && !rows.is_over() {
            Stage::Here(rows, next)
        } else {
            self.measure(&rows);
            next.map_or(Stage::End, |next| Stage::Fetch(Some(next)))
        };
        Ok((count > 0).then(|| self.page(out)))
    }

    /// Asks for as many rows next time as fit, going by those that came.
    fn measure(&mut self, rows: &Rows) {
        if let Some(row_bytes) = rows.bytes().checked_div(rows.count) {
            let most = self.fetch_rows.saturating_mul(4);
            self.fetch_rows = rows_of(row_bytes).min(most);
        }
    }

    /// Nothing more is needed of the job. If it stays, it goes by itself.
    async fn delete<H: Host>(&self, api: &Api<H>) {
        let path = format!("/jobs/query/{}", self.id);
        let ask = Ask::new(Method::Delete, path, Kind::Read);
        let is_gone = api.send(ask).await.is_ok_and(|answer| answer.status == 204);
        if !is_gone {
            let fields = [("job", self.id.clone())];
            api.host
                .log(Level::Debug, "a bulk job was not deleted", &fields);
        }
    }
}

/// What is left of the time that one page may take.
struct Patience<'a, H> {
    host: &'a H,
    began_ms: u64,
    waited_ms: u64,
}

impl<'a, H: Host> Patience<'a, H> {
    fn new(host: &'a H) -> Self {
        Self {
            host,
            began_ms: host.now_ms(),
            waited_ms: 0,
        }
    }

    /// The clock may jump, so what was waited counts as well.
    fn is_over(&self) -> bool {
        let passed_ms = self.host.now_ms().saturating_sub(self.began_ms);
        passed_ms.max(self.waited_ms) >= PATIENCE_MS
    }

    async fn wait(&mut self, duration_ms: u32) {
        self.host.wait(duration_ms).await;
        self.waited_ms += u64::from(duration_ms);
    }
}

/// Sends a read again if its answer was lost or makes no sense.
async fn again<H: Host, T>(
    patience: &mut Patience<'_, H>,
    send: impl AsyncFn() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut left = MAX_AGAIN;
    loop {
        match send().await {
            Err(error @ (Error::Unavailable(_) | Error::Unexpected(_))) if left > 0 => {
                left -= 1;
                let pause_ms = match error {
                    Error::Unavailable(pause_ms) => pause_ms,
                    _ => SENSELESS_PAUSE_MS,
                };
                let pause_ms = u32::try_from(pause_ms.min(LONGEST_PAUSE_MS)).unwrap_or(0);
                patience.wait(pause_ms).await;
            }
            answer => return answer,
        }
    }
}

fn read(body: &[u8]) -> Result<Job, Error> {
    wire::read(body).ok_or_else(|| unexpected("a query job"))
}
