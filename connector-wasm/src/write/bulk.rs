//! Writing by jobs of the Bulk API 2.0: rows go up as one CSV, which is made here while
//! it goes, or by the host of records that nobody has read; Salesforce works on them on
//! its own, and says in files of its own what became of each, in no order.
//!
//! A job has three steps before it begins (create, upload, close). Each can be
//! done again if its answer is lost, since a job that is not closed does
//! nothing. Once it is closed it is never made again.

mod file;
mod finder;
mod found;
mod line;
mod results;
mod rows;
mod sheet;

use serde::{Deserialize, Serialize};

use super::plan::{Job, Verb};
use super::send::BROKEN_PAUSE_MS;
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Problem, RecordResult,
};
use crate::fault::{Effect, Fault, problem, refused, unexpected};
use crate::host::{Answer, Host, Method};
use crate::wire::{self, push_text};
pub(super) use file::File;
use found::Told;
use rows::Rows;
pub(super) use sheet::{JOB_BYTES, JOB_ROWS, Sheet};

/// Tries of a step whose answer was lost or makes no sense, and the pause
/// before the second, in milliseconds; it doubles.
const TRIES: u32 = 3;
const AGAIN_PAUSE_MS: u32 = 250;

/// Looks in a row at a job that Salesforce works on which may come to nothing,
/// half a minute in all, before the caller is told.
const MISSED_LOOKS: u32 = 8;

/// The pause before the first look at a job, in milliseconds; it grows by half,
/// since each look is a call.
const FIRST_PAUSE_MS: u32 = 500;
const LAST_PAUSE_MS: u32 = 10_000;

/// A job, and how far it is.
#[derive(Debug)]
pub(super) struct BulkJob<H: Host> {
    rows: Rows<H::Sheet>,
    step: Step<H::Written>,
    pause_ms: u32,
    /// Looks in a row that came to nothing.
    missed: u32,
    /// Where the job is noted, so that it is found after a crash.
    note: Option<String>,
    /// Tells a job that is noted from others: what it does, to which object, with
    /// which rows.
    print: u64,
}

#[derive(Debug)]
enum Step<W> {
    /// There is none yet.
    New,
    /// It has no rows yet.
    Created(String),
    /// It has its rows, and waits to be closed.
    Uploaded(String),
    /// It was asked to begin: Salesforce works on it, or is done.
    Closed(String),
    /// What became of its rows is here.
    Told(Box<Told<W>>),
}

/// How jobs are cut out of records, and their rows printed. To be counted up when
/// either changes.
const NOTE_VERSION: u32 = 2;

/// What is stored of a job that has a name.
#[derive(Deserialize, Serialize)]
struct Note {
    id: String,
    /// Tells whether it is the same job.
    rows: u64,
    /// Notes of the first version do not say it.
    #[serde(default)]
    version: u32,
}

/// What Salesforce says of a job.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    state: String,
    #[serde(default)]
    number_records_processed: u64,
    #[serde(default)]
    number_records_failed: u64,
    #[serde(default)]
    error_message: Option<String>,
}

/// Results by the number of the row.
pub(super) type Results = Vec<(usize, RecordResult)>;

/// What is known of some rows of a job.
#[derive(Debug)]
pub(super) struct Known<W> {
    pub(super) results: Results,
    /// An answer that told of rows that were created, and the number of each.
    pub(super) written: Option<(W, Vec<u64>)>,
    /// All is known of the others.
    pub(super) is_last: bool,
}

impl<H: Host> BulkJob<H> {
    /// A job of the rows of a sheet.
    pub(super) fn of(job: &Job<'_>, mut sheet: Sheet, note: Option<String>) -> Self {
        sheet.close();
        let print = match note {
            Some(_) => sheet.fingerprint(&format!("{:?} {}", job.verb, job.object)),
            None => 0,
        };
        Self {
            note,
            print,
            ..Self::new(Rows::Here(sheet))
        }
    }

    /// A job of rows that nobody has read.
    pub(super) const fn unread(file: File<H::Sheet>) -> Self {
        Self::new(Rows::There(file))
    }

    const fn new(rows: Rows<H::Sheet>) -> Self {
        Self {
            rows,
            step: Step::New,
            pause_ms: FIRST_PAUSE_MS,
            missed: 0,
            note: None,
            print: 0,
        }
    }

    /// Whether it has no rows.
    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether it is known what became of its rows.
    pub(super) const fn is_told(&self) -> bool {
        matches!(self.step, Step::Told(_))
    }

    /// About how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    /// Takes the job to where Salesforce works on it, from wherever it is. After
    /// an error it can be called again.
    pub(super) async fn start(&mut self, api: &Api<H>, job: &Job<'_>) -> Result<(), Error> {
        loop {
            self.step = match &self.step {
                Step::New => match self.resumed(api).await? {
                    Some(step) => step,
                    None => {
                        let id = create(api, job).await?;
                        self.keep(api, &id).await?;
                        Step::Created(id)
                    }
                },
                Step::Created(id) => {
                    let id = id.clone();
                    if let Err(error) = upload(api, job, &id, &self.rows).await {
                        // Whether the rows arrived is not known, and a job takes
                        // them once.
                        let _aborted = set_state(api, &id, "Aborted").await;
                        self.step = Step::New;
                        self.forget(api).await;
                        return Err(error);
                    }
                    self.rows.let_file_go(&api.host);
                    Step::Uploaded(id)
                }
                Step::Uploaded(id) => {
                    close(api, id).await?;
                    Step::Closed(id.clone())
                }
                Step::Closed(_) | Step::Told(_) => {
                    self.rows.let_file_go(&api.host);
                    return Ok(());
                }
            };
        }
    }

    /// Waits a little and looks at the job. True once it is known what became of
    /// its rows.
    pub(super) async fn look(&mut self, api: &Api<H>, job: &Job<'_>) -> Result<bool, Error> {
        let id = match &self.step {
            Step::Told(_) => return Ok(true),
            Step::Closed(id) => id.clone(),
            Step::New | Step::Created(_) | Step::Uploaded(_) => {
                self.start(api, job).await?;
                return Ok(false);
            }
        };
        api.host.wait(self.pause_ms).await;
        self.pause_ms = (self.pause_ms + self.pause_ms / 2).min(LAST_PAUSE_MS);
        match self.told(api, job, &id).await {
            // Salesforce works on, whether it can be asked or not.
            Err(Error::Unavailable(_) | Error::Unexpected(_)) if self.missed < MISSED_LOOKS => {
                self.missed += 1;
                Ok(false)
            }
            told => {
                self.missed = 0;
                let told = told?;
                let is_told = told.is_some();
                if let Some(told) = told {
                    self.step = Step::Told(Box::new(told));
                    self.rows = Rows::Gone;
                }
                Ok(is_told)
            }
        }
    }

    /// What is known of the next rows once it is, at most of so many. An answer that
    /// told of more goes by itself.
    pub(super) fn results(&mut self, job: &Job<'_>, most: usize) -> Known<H::Written> {
        let Step::Told(told) = &mut self.step else {
            return Known {
                results: Results::new(),
                written: None,
                is_last: false,
            };
        };
        let written = told.next_written();
        let n_written = written.as_ref().map_or(0, |(_, rows)| rows.len());
        let others = &mut told.others;
        others.leave_locked();
        let results = others.next(most.saturating_sub(n_written), job.object);
        Known {
            results: results.unwrap_or_default(),
            written,
            is_last: told.is_over(),
        }
    }

    /// Rows that were locked and can go again, once results are known: a JSON array
    /// of their records, and their results, which are not given otherwise.
    pub(super) fn take_locked(&mut self, job: &Job<'_>) -> (Vec<u8>, Results) {
        match &mut self.step {
            Step::Told(told) => told.others.take_locked(job.object),
            _ => (Vec::new(), Results::new()),
        }
    }

    /// What became of the rows, if Salesforce is done.
    async fn told(
        &self,
        api: &Api<H>,
        job: &Job<'_>,
        id: &str,
    ) -> Result<Option<Told<H::Written>>, Error> {
        let info = info(api, id).await?;
        match &*info.state {
            "JobComplete" | "Failed" | "Aborted" => {}
            // Nobody heard that it was closed.
            "Open" => {
                set_state(api, id, "UploadComplete").await?;
                // No progress yet: it counts among the looks that come to nothing.
                return Err(Error::Unavailable(BROKEN_PAUSE_MS));
            }
            _ => return Ok(None),
        }
        match &self.rows {
            Rows::Here(sheet) => {
                let told = results::Told::read(api, job, id, &info, sheet).await;
                told.map(|told| Some(Told::of(told)))
            }
            Rows::There(file) => found::read(api, id, &info, file).await.map(Some),
            Rows::Gone => Ok(None),
        }
    }

    /// The step at which a job of this name was left. What it wrote is not
    /// written again.
    async fn resumed(&self, api: &Api<H>) -> Result<Option<Step<H::Written>>, Error> {
        let Some(key) = &self.note else {
            return Ok(None);
        };
        let Some(note) = api.host.load(key).await else {
            return Ok(None);
        };
        let note: Note = serde_json::from_slice(&note)
            .map_err(|_| unexpected("the note of a bulk job that this version wrote"))?;
        if note.version != NOTE_VERSION {
            return Err(refused(
                Advice::CheckOutcome,
                "DUPLICATE_VALUE",
                "another version of the connector wrote under this name, and this one cannot tell \
                 whether the same: look whether the records were written, and take another name",
            ));
        }
        if note.rows != self.print {
            return Err(refused(
                Advice::FixRecord,
                "DUPLICATE_VALUE",
                "something else was written under this name: give the same records in the same \
                 order to go on, or take another name",
            ));
        }
        match info(api, &note.id).await {
            Ok(info) => Ok(match &*info.state {
                // Whether it has its rows is not known. It does nothing until it
                // is closed.
                "Open" => {
                    set_state(api, &note.id, "Aborted").await?;
                    None
                }
                "Aborted" if info.number_records_processed == 0 => None,
                _ => Some(Step::Closed(note.id)),
            }),
            Err(Error::Refused(problem)) if problem.code == "NOT_FOUND" => Err(refused(
                Advice::CheckOutcome,
                "NOT_FOUND",
                "the job of this name is no longer kept by Salesforce (it keeps jobs for seven \
                 days): look whether the records were written, and take another name",
            )),
            Err(error) => Err(error),
        }
    }

    /// Notes the job before anything goes up. A note that is not kept would let
    /// a crash write twice.
    async fn keep(&self, api: &Api<H>, id: &str) -> Result<(), Error> {
        let Some(key) = &self.note else {
            return Ok(());
        };
        let note = Note {
            id: id.to_owned(),
            rows: self.print,
            version: NOTE_VERSION,
        };
        // Writing numbers and texts into memory cannot fail.
        let note = serde_json::to_vec(&note).unwrap_or_default();
        api.host.store(key, note.clone()).await;
        if api.host.load(key).await == Some(note) {
            return Ok(());
        }
        Err(Error::Unavailable(BROKEN_PAUSE_MS))
    }

    async fn forget(&self, api: &Api<H>) {
        if let Some(key) = &self.note {
            api.host.forget(key).await;
        }
    }
}

/// Makes a job. One whose answer is lost is never given rows, and Salesforce
/// drops it after a day.
async fn create<H: Host>(api: &Api<H>, job: &Job<'_>) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct Created {
        id: String,
    }

    let mut body = b"{\"object\":".to_vec();
    push_text(&mut body, job.object);
    body.extend_from_slice(b",\"contentType\":\"CSV\",\"lineEnding\":\"LF\",\"operation\":");
    push_text(
        &mut body,
        match job.verb {
            Verb::Create => "insert",
            Verb::Update => "update",
            Verb::Upsert(_) => "upsert",
            Verb::Delete if job.for_good => "hardDelete",
            Verb::Delete => "delete",
        },
    );
    if let Verb::Upsert(field) = job.verb {
        body.extend_from_slice(b",\"externalIdFieldName\":");
        push_text(&mut body, field);
    }
    if let Some(rule) = api.settings.assignment_rule_id() {
        body.extend_from_slice(b",\"assignmentRuleId\":");
        push_text(&mut body, rule);
    }
    body.push(b'}');
    let ask = Ask::new(Method::Post, "/jobs/ingest", Kind::Read).body(body);
    again(api, async || {
        let answer = succeeded(api.send(ask.clone()).await?, Some(job.object))?;
        wire::read::<Created>(&answer.body)
            .map(|created| created.id)
            .ok_or_else(|| unexpected("the id of a bulk job"))
    })
    .await
}

async fn upload<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    id: &str,
    rows: &Rows<H::Sheet>,
) -> Result<(), Error> {
    let path = format!("/jobs/ingest/{id}/batches");
    let ask = Ask::new(Method::Put, path, Kind::Upload);
    let answer = rows.send(api, ask).await?;
    match succeeded(answer, Some(job.object))?.status {
        201 => Ok(()),
        // Something on the way answered, and the rows are not there.
        _ => Err(Error::Unavailable(BROKEN_PAUSE_MS)),
    }
}

/// Lets Salesforce begin. If the answer is lost, the next look at the job tells
/// whether it was heard: until then the job may be at work.
async fn close<H: Host>(api: &Api<H>, id: &str) -> Result<(), Error> {
    match set_state(api, id, "UploadComplete").await {
        Err(Error::Unavailable(_)) => Ok(()),
        answer => answer,
    }
}

async fn set_state<H: Host>(api: &Api<H>, id: &str, state: &str) -> Result<(), Error> {
    let body = format!("{{\"state\":\"{state}\"}}").into_bytes();
    let ask = Ask::new(Method::Patch, format!("/jobs/ingest/{id}"), Kind::Read).body(body);
    succeeded(api.send(ask).await?, None).map(drop)
}

async fn info<H: Host>(api: &Api<H>, id: &str) -> Result<Info, Error> {
    let ask = Ask::new(Method::Get, format!("/jobs/ingest/{id}"), Kind::Read);
    again(api, async || {
        let answer = succeeded(api.send(ask.clone()).await?, None)?;
        wire::read(&answer.body).ok_or_else(|| unexpected("the state of a bulk job"))
    })
    .await
}

/// Asks again what can be asked again.
async fn again<H: Host, T>(
    api: &Api<H>,
    ask: impl AsyncFn() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut pause_ms = AGAIN_PAUSE_MS;
    for _ in 1..TRIES {
        match ask().await {
            Err(Error::Unavailable(_) | Error::Unexpected(_)) => {}
            answer => return answer,
        }
        api.host.wait(pause_ms).await;
        pause_ms *= 2;
    }
    ask().await
}

fn succeeded(answer: Answer, object: Option<&str>) -> Result<Answer, Error> {
    if (200..300).contains(&answer.status) {
        Ok(answer)
    } else {
        Err(Fault::read(answer.status, &answer.body).error(object, Effect::Read))
    }
}

/// Why rows of a job that ended early were not written.
fn not_processed(info: &Info) -> Problem {
    let message = info.error_message.as_deref().unwrap_or("it gave no reason");
    // A job fails as a whole over a column of one of its rows, and would again.
    let column = message.split_once("Field name not found :");
    let advice = match message.split([' ', ':']).next() {
        Some("InvalidBatch") => Advice::FixSchema,
        Some("ClientInputError") => Advice::FixRecord,
        _ => Advice::Retry,
    };
    let mut problem = problem(
        advice,
        "UNPROCESSED_RECORD",
        &format!(
            "not written: the bulk job ended as {}: {message}",
            info.state
        ),
    );
    problem
        .fields
        .extend(column.map(|(_, name)| name.trim().to_owned()));
    problem
}

#[cfg(test)]
mod tests;
