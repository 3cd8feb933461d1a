//! What the writing commands share: where records come from, how many go in one
//! call, and how the outcome of each is told.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use lockgate::{Error, Outcome, Problem, RecordResult, WriteOptions};
use serde_json::value::RawValue;

use crate::args::{Shape, Target};
use crate::exit::Status;
use crate::progress::Progress;
use crate::{input, output, table, text};

/// Records of one call. The connector sends them in batches of its own; with
/// more, a failure on the way would leave more outcomes unknown.
pub(super) const RECORDS_A_CALL: usize = 2_000;

/// What all writing commands take.
#[derive(Debug, clap::Args)]
pub(super) struct Write {
    #[command(flatten)]
    pub(super) target: Target,
    /// The object's API name
    pub(super) object: String,
    /// Undo all if one record fails; all must fit in one request then
    #[arg(long)]
    pub(super) all_or_none: bool,
    #[command(flatten)]
    pub(super) shape: Shape,
}

impl Write {
    pub(super) fn options(&self) -> WriteOptions {
        WriteOptions {
            all_or_none: self.all_or_none,
        }
    }

    /// How many records go in one call: all of them if none may be written
    /// without the others.
    fn records_a_call(&self) -> usize {
        if self.all_or_none {
            usize::MAX
        } else {
            RECORDS_A_CALL
        }
    }

    /// Writes all items, call by call, up to the first that fails as a whole, and
    /// tells what became of each.
    pub(super) async fn all<T>(
        &self,
        items: &[T],
        call: impl AsyncFn(&[T]) -> Result<Vec<RecordResult>, Error>,
    ) -> Result<Status> {
        let mut results = Results::new(self.shape, items.len());
        for batch in items.chunks(self.records_a_call()) {
            match call(batch).await {
                Ok(some) => results.add(some),
                Err(error) => return results.finish(Err(error)),
            }
        }
        results.finish(Ok(()))
    }
}

/// Where the records of a writing command come from.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// The records as JSON: one object, or an array; `-` for standard input
    #[arg(value_name = "JSON")]
    records: Option<String>,
    /// A JSON file with one record, an array, or one a line; `-` for standard
    /// input, which is also read if nothing is given
    #[arg(long, value_name = "FILE", conflicts_with = "records")]
    file: Option<PathBuf>,
}

impl Source {
    /// The records, each as it was written.
    pub(super) fn read(&self) -> Result<Vec<Box<RawValue>>> {
        input::records(self.records.as_deref(), self.file.as_deref())
    }
}

/// Outcomes as they come.
struct Results {
    all: Vec<RecordResult>,
    shape: Shape,
    expected: usize,
    progress: Progress,
}

impl Results {
    fn new(shape: Shape, expected: usize) -> Self {
        let progress = Progress::spinner(format!("writing {}", text::counted(expected, "record")));
        Self {
            all: Vec::with_capacity(expected),
            shape,
            expected,
            progress,
        }
    }

    fn add(&mut self, results: Vec<RecordResult>) {
        self.all.extend(results);
        self.progress
            .say(format!("{} of {}", self.all.len(), self.expected));
    }

    /// Tells what became of the records, also of those before a failure.
    fn finish(self, ended: Result<(), Error>) -> Result<Status> {
        drop(self.progress);
        let failed = self.all.iter().filter(|result| !result.is_ok()).count();
        if !self.all.is_empty() || ended.is_ok() {
            tell(&self.all, self.shape)?;
        }
        let (done, expected) = (self.all.len(), self.expected);
        match ended {
            Err(error) if done == 0 => Err(error.into()),
            Err(error) => Err(error)
                .with_context(|| format!("only the first {done} of {expected} records were sent")),
            Ok(()) if failed > 0 => {
                let failed = text::counted(failed, "record");
                output::error(&format!("{failed} of {expected} not written"), None);
                Ok(Status::SomeFailed)
            }
            Ok(()) => Ok(Status::Done),
        }
    }
}

fn tell(results: &[RecordResult], shape: Shape) -> Result<()> {
    if shape.is_json() {
        return output::json(results);
    }
    let rows = results.iter().map(|result| {
        let id = result.id.clone().unwrap_or_default();
        let (what, problems) = match &result.outcome {
            Outcome::Created => ("created", String::new()),
            Outcome::Updated => ("updated", String::new()),
            Outcome::Deleted => ("deleted", String::new()),
            Outcome::Failed { problems } => {
                let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
                ("failed", problems.join(" | "))
            }
        };
        [what.to_owned(), id, problems]
    });
    table::print(["outcome", "id", "problem"], rows)
}
