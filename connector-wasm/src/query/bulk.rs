//! The way `bulk`: a query job of Bulk API 2.0, from its start to its last row.
//!
//! The job is asked how it is with growing waits, then its rows come in large
//! answers. The host reads these as they come, no faster than their rows are handed
//! on in pages of the size that the caller wished, so that nobody holds one. All
//! requests but the first only read, so those without an answer are sent again,
//! and of an answer that broke off the rows that were handed on are passed over. A
//! job that was read to its end is deleted; one whose reader has gone, or that
//! failed, stays for people to look at, and goes after seven days by itself.

use serde::Deserialize;

use super::patience::{MAX_AGAIN, Patience, again, pause_of};
use super::shape::Shape;
use super::{Page, Records};
use crate::api::{Api, Ask, Kind, without_answer};
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, QueryOptions};
use crate::fault::{Effect, Fault, problem, problem_of_job, unexpected};
use crate::host::{self, Answer, Host, HttpError, Level, Lost, Method, Opened, Part};
use crate::names;
use crate::wire::{self, push_text};

/// Waits between two looks at a job, in milliseconds: each look costs a call.
const FIRST_WAIT_MS: u32 = 250;
const LONGEST_WAIT_MS: u32 = 5_000;

/// How large an answer with rows should be, in bytes: what comes within a minute
/// on most lines, since after a break its beginning comes once more.
const FETCH_BYTES: u64 = 64 * 1024 * 1024;
/// What Salesforce gives at once if nobody says a number.
const MAX_FETCH_ROWS: u32 = 50_000;
/// Rows of a page, if nobody wishes a number, and at most: what a host gives.
const PAGE_ROWS: u32 = 2_000;
const MAX_PAGE_ROWS: u32 = 10_000;

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
pub(super) struct Run<T> {
    id: String,
    shape: Shape,
    page_rows: u32,
    fetch_rows: u32,
    stage: Stage<T>,
    /// How many rows the answer has, once the job has said so.
    total: Option<u64>,
    /// Rows that were handed on.
    given: u64,
    /// Rows still to be passed over, because they were handed on before their
    /// answer, or all results, were begun anew.
    to_pass_over: u64,
    /// Answers in a row that broke off before a row of them was handed on.
    breaks: u32,
    /// Something was handed on, if only an empty page.
    has_answered: bool,
}

#[derive(Debug)]
enum Stage<T> {
    /// Looked at after this wait.
    Working {
        wait_ms: u32,
    },
    /// Rows are to be fetched here; the first have no locator.
    Fetch(Option<String>),
    /// Rows come.
    Here(Box<Fetched<T>>),
    End,
}

/// An answer with rows, on its way.
#[derive(Debug)]
struct Fetched<T> {
    table: T,
    /// Which records its rows are, once its header has come.
    shape: Option<host::Shape>,
    /// Rows that have come, and their bytes.
    count: u64,
    bytes: u64,
    /// Some of them were handed on.
    has_moved: bool,
    /// Where its rows are, and those behind them.
    here: Option<String>,
    next: Option<String>,
}

impl<T> Run<T> {
    /// Starts a job. What is wrong with the query shows here.
    pub(super) async fn start<H: Host<Table = T>>(
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
            to_pass_over: 0,
            breaks: 0,
            has_answered: false,
        })
    }

    /// The next page; an empty one if the job needs longer than a page may take.
    /// After a passing error it goes on where it was.
    pub(super) async fn next<H: Host<Table = T>>(
        &mut self,
        api: &Api<H>,
    ) -> Result<Option<Page<H::Rows>>, Error> {
        let mut patience = Patience::new(&api.host);
        loop {
            match std::mem::replace(&mut self.stage, Stage::End) {
                Stage::Working { wait_ms } => {
                    if patience.is_over() {
                        self.stage = Stage::Working { wait_ms };
                        return Ok(Some(self.empty_page()));
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
                        return Ok(Some(self.empty_page()));
                    }
                    // An error leaves it where it is.
                    self.stage = Stage::Fetch(locator.clone());
                    let fetched = self.fetch(api, locator, &mut patience).await;
                    self.stage = fetched.map_err(|error| self.gone(error))?;
                }
                Stage::Here(fetched) if self.to_pass_over > 0 && patience.is_over() => {
                    self.stage = Stage::Here(fetched);
                    return Ok(Some(self.empty_page()));
                }
                Stage::Here(fetched) => {
                    if let Some(page) = self.take(api, fetched, &mut patience).await? {
                        return Ok(Some(page));
                    }
                }
                Stage::End if self.has_answered => return Ok(None),
                Stage::End => return Ok(Some(self.empty_page())),
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

    fn page<R>(&mut self, records: Records<R>) -> Page<R> {
        self.has_answered = true;
        Page {
            records,
            total: self.total,
        }
    }

    fn empty_page<R>(&mut self) -> Page<R> {
        self.page(Records::Json(b"[]".to_vec()))
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
    async fn fetch<H: Host<Table = T>>(
        &mut self,
        api: &Api<H>,
        locator: Option<String>,
        patience: &mut Patience<'_, H>,
    ) -> Result<Stage<T>, Error> {
        let path = format!("/jobs/query/{}/results", self.id);
        let ask = || {
            let rows = self.fetch_rows.to_string();
            let ask = Ask::new(Method::Get, path.as_str(), Kind::Rows).pair("maxRecords", rows);
            match &locator {
                Some(locator) => ask.pair("locator", locator),
                None => ask,
            }
        };
        let opened = again(patience, async || match api.open_table(ask()).await? {
            Some(Opened::Refused(answer)) if answer.status >= 500 => {
                Err(Fault::read(answer.status, &answer.body).error(None, Effect::Read))
            }
            // A page for people, from something on the way.
            Some(Opened::Content { locator: None, .. }) => {
                Err(unexpected("Sforce-Locator in an answer with rows"))
            }
            opened => Ok(opened),
        });
        match opened.await? {
            Some(Opened::Content {
                body,
                locator: next,
                ..
            }) => Ok(Stage::Here(Box::new(Fetched {
                table: body,
                shape: None,
                count: 0,
                bytes: 0,
                has_moved: false,
                here: locator,
                next: next.filter(|next| next != "null"),
            }))),
            Some(Opened::Refused(answer)) => self.refused(api, &answer, locator.is_some()),
            None => {
                self.ask_for_less()?;
                Ok(Stage::Fetch(locator))
            }
        }
    }

    /// Makes the next answer smaller than one that was too large.
    fn ask_for_less(&mut self) -> Result<(), Error> {
        if self.fetch_rows == 1 {
            return Err(unexpected(
                "each row of a job to be below the limit of an answer",
            ));
        }
        self.fetch_rows = (self.fetch_rows / 4).max(1);
        Ok(())
    }

    /// Begins the results anew if only the place in them is no longer known:
    /// they stay the same, row by row, as long as the job is there.
    fn refused<H: Host>(
        &mut self,
        api: &Api<H>,
        answer: &Answer,
        had_locator: bool,
    ) -> Result<Stage<T>, Error> {
        let fault = Fault::read(answer.status, &answer.body);
        // Once without getting any further is enough.
        let has_moved = self.given > 0 && self.to_pass_over == 0;
        if !(had_locator && has_moved && fault.code().contains("LOCATOR")) {
            return Err(fault.error(None, Effect::Read));
        }
        api.host.log(
            Level::Warn,
            "the place in a job's results has expired; read them anew up to it",
            &[("rows", self.given.to_string())],
        );
        self.to_pass_over = self.given;
        Ok(Stage::Fetch(None))
    }

    /// Makes a page of the rows that come, and says where it goes on. `None` if
    /// there is no page yet.
    async fn take<H: Host<Table = T>>(
        &mut self,
        api: &Api<H>,
        mut fetched: Box<Fetched<T>>,
        patience: &mut Patience<'_, H>,
    ) -> Result<Option<Page<H::Rows>>, Error> {
        let wanted = match u32::try_from(self.to_pass_over) {
            Ok(0) => self.page_rows,
            Ok(rows) => rows.min(MAX_PAGE_ROWS),
            Err(_) => MAX_PAGE_ROWS,
        };
        let part = match self.rows(api, &mut fetched, wanted).await? {
            Ok(part) => part,
            Err(lost) => {
                self.broke_off(lost, *fetched, patience).await?;
                return Ok(None);
            }
        };
        let n_rows = u64::from(part.count);
        fetched.count += n_rows;
        fetched.bytes += part.bytes;
        let is_passed_over = self.to_pass_over > 0 && n_rows > 0;
        if is_passed_over {
            self.to_pass_over = self.to_pass_over.saturating_sub(n_rows);
        } else if n_rows > 0 {
            self.given += n_rows;
            self.breaks = 0;
            fetched.has_moved = true;
        }
        // Without any, the host has something to say of the table.
        let is_page = !is_passed_over && (n_rows > 0 || !part.is_last);
        self.stage = if part.is_last {
            self.measure(&fetched);
            match fetched.next {
                Some(next) => Stage::Fetch(Some(next)),
                None => {
                    self.delete(api).await;
                    Stage::End
                }
            }
        } else {
            Stage::Here(fetched)
        };
        Ok(is_page.then(|| self.page(Records::Rows(part.rows))))
    }

    /// The next rows, or how their answer broke off.
    async fn rows<H: Host<Table = T>>(
        &self,
        api: &Api<H>,
        fetched: &mut Fetched<T>,
        wanted: u32,
    ) -> Result<Result<Part<H::Rows>, Lost>, Error> {
        let shape = match &mut fetched.shape {
            Some(shape) => &*shape,
            none => match api.host.columns(&fetched.table).await {
                Ok(Some(names)) => none.insert(self.shape.of_table(&names)?),
                Ok(None) => return Err(unexpected("a header in the results of a job")),
                Err(lost) => return Ok(Err(lost)),
            },
        };
        Ok(api.host.rows(&fetched.table, shape, wanted).await)
    }

    /// Goes back to where an answer began that broke off, if it can be asked for
    /// again.
    async fn broke_off<H: Host>(
        &mut self,
        lost: Lost,
        fetched: Fetched<T>,
        patience: &mut Patience<'_, H>,
    ) -> Result<(), Error> {
        let error = without_answer(&lost, Effect::Read);
        match lost {
            Lost::Body(HttpError::Unavailable(_)) => {}
            Lost::Body(HttpError::TooLarge(_)) => self.ask_for_less()?,
            _ => return Err(error),
        }
        self.to_pass_over += fetched.count;
        // The next answer ends where this one broke off, so that its rows are not
        // read a third time.
        if let Ok(rows @ 1..) = u32::try_from(fetched.count) {
            self.fetch_rows = rows.min(self.fetch_rows);
        }
        self.stage = Stage::Fetch(fetched.here);
        if !fetched.has_moved {
            self.breaks += 1;
            if self.breaks > MAX_AGAIN {
                self.breaks = 0;
                return Err(error);
            }
            patience.wait(pause_of(&error)).await;
        }
        Ok(())
    }

    /// Asks for as many rows next time as are a good answer, going by those that
    /// came.
    fn measure(&mut self, fetched: &Fetched<T>) {
        if let Some(row_bytes) = fetched.bytes.checked_div(fetched.count) {
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

fn read(body: &[u8]) -> Result<Job, Error> {
    wire::read(body).ok_or_else(|| unexpected("a query job"))
}
