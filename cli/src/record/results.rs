//! What the writing commands share: where records come from, how they are written,
//! and how the outcome of each is told.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use lockgate::{
    Connection, Error, Operation, Outcome, Problem, Records, RowResult, Way, WriteOptions, Writer,
};
use serde_json::value::RawValue;

use super::plan::Plan;
use crate::args::{Shape, Target};
use crate::calls::Calls;
use crate::exit::{Status, schema_advice};
use crate::progress::{Note, Progress};
use crate::{input, output, table, text};

/// Records that are handed over at a time. How many go in one request is the
/// connector's choice.
const RECORDS_A_PUSH: usize = 2_000;

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
    /// How to write them, by the connector's name of it: `collections`, `bulk` or
    /// `graph` for Salesforce; by default the connector chooses what costs fewer
    /// calls, and `graph` for records that hold others
    #[arg(long, value_name = "NAME")]
    way: Option<String>,
    /// A name for this write: if it is broken off, the same command goes on where
    /// it was and writes nothing twice
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Write nothing: say what would be written, in how many calls, and which
    /// records are wrong as far as that can be told without writing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    calls: Calls,
    #[command(flatten)]
    pub(super) shape: Shape,
}

impl Write {
    /// Writes all records, and tells what became of each.
    pub(super) async fn records(
        &self,
        connection: &Connection,
        operation: Operation,
        records: &[Box<RawValue>],
    ) -> Result<Status> {
        self.all(connection, operation, records, async |writer, some| {
            writer.push(&Records::from_items(some)?).await
        })
        .await
    }

    /// Deletes records by their ids, and tells what became of each.
    pub(super) async fn ids(&self, connection: &Connection, ids: &[String]) -> Result<Status> {
        self.all(connection, Operation::Delete, ids, async |writer, some| {
            writer.push_ids(some).await
        })
        .await
    }

    async fn all<T>(
        &self,
        connection: &Connection,
        operation: Operation,
        items: &[T],
        push: impl AsyncFn(&mut Writer, &[T]) -> Result<Vec<RowResult>, Error>,
    ) -> Result<Status> {
        let options = WriteOptions {
            all_or_none: self.all_or_none,
            way: self.way.clone(),
            name: self.name.clone(),
            dry_run: self.dry_run,
        };
        let key = match &operation {
            Operation::Upsert(key) => Some(key.clone()),
            _ => None,
        };
        let mut results = Results::new(self, items.len(), key);
        let connection = self.calls.of(connection, Note::default());
        let mut writer = connection.write(&self.object, operation, options).await?;
        let ended = async {
            for some in items.chunks(RECORDS_A_PUSH) {
                results.add(push(&mut writer, some).await?);
            }
            while let Some(some) = writer.finish().await? {
                results.add(some);
            }
            Ok((writer.way().await?, writer.calls().await?))
        };
        let ended = ended.await;
        results.finish(ended)
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
struct Results<'w> {
    write: &'w Write,
    /// The field that tells which record is meant, of an upsert.
    key: Option<String>,
    all: Vec<RowResult>,
    expected: usize,
    progress: Option<Progress>,
}

impl<'w> Results<'w> {
    fn new(write: &'w Write, expected: usize, key: Option<String>) -> Self {
        let doing = if write.dry_run { "checking" } else { "writing" };
        let progress = Progress::spinner(format!("{doing} {}", text::counted(expected, "record")));
        Self {
            write,
            key,
            all: Vec::with_capacity(expected),
            expected,
            progress: Some(progress),
        }
    }

    fn add(&mut self, results: Vec<RowResult>) {
        self.all.extend(results);
        if let Some(progress) = &self.progress {
            progress.say(format!("{} of {}", self.all.len(), self.expected));
        }
    }

    /// Tells what became of the records, also of those before a failure.
    fn finish(mut self, ended: Result<(Option<Way>, Option<u64>), Error>) -> Result<Status> {
        self.progress = None;
        let shape = self.write.shape;
        self.all.sort_unstable_by_key(|result| result.row);
        if self.write.dry_run {
            let (way, calls) = ended?;
            return Plan::of(&self.all, way, calls).tell(shape);
        }
        let failed = self.all.iter().filter(|row| !row.result.is_ok()).count();
        if !self.all.is_empty() || ended.is_ok() {
            tell(&self.all, shape)?;
        }
        let (done, expected) = (self.all.len(), self.expected);
        match ended {
            Err(error) if done == 0 => Err(error.into()),
            Err(error) => Err(error)
                .with_context(|| format!("only {done} of {expected} records have a result")),
            Ok((way, _)) => {
                if let Some(way) = way
                    && output::is_terminal()
                {
                    let (name, reason) = (text::clean(&way.name), text::clean(&way.reason));
                    output::tell(&format!("by {name}: {reason}"));
                }
                if failed == 0 {
                    return Ok(Status::Done);
                }
                let is_partial =
                    |row: &RowResult| !row.result.is_ok() && row.result.outcome.is_ok();
                let whole = match self.all.iter().any(is_partial) {
                    true => " with all that they hold",
                    false => "",
                };
                let failed = text::counted(failed, "record");
                output::error(
                    &format!("{failed} of {expected} not written{whole}"),
                    self.advice().as_deref(),
                );
                Ok(Status::SomeFailed)
            }
        }
    }

    /// The command that shows what there is, if records failed because an object or a
    /// field is not there.
    fn advice(&self) -> Option<String> {
        let target = self.write.target.as_arguments();
        let schema = self
            .problems()
            .find_map(|problem| schema_advice(problem, &target));
        if schema.is_some() {
            return schema;
        }
        // A key that no record has is rather one that is misspelt.
        let key = self.key.as_ref()?;
        let lacks_key = |problem: &Problem| {
            problem.code == "MISSING_ARGUMENT" && problem.fields.as_slice() == [key.as_str()]
        };
        let object = &self.write.object;
        (self.all.iter().all(|row| !row.result.is_ok()) && self.problems().all(lacks_key)).then(
            || {
                format!(
                    "no record has a value for `{key}`: see with `lockgate describe {target} \
                     {object}` whether that is the field's name"
                )
            },
        )
    }

    fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.all.iter().flat_map(|row| match &row.result.outcome {
            Outcome::Failed { problems } => problems.as_slice(),
            _ => &[],
        })
    }
}

fn tell(results: &[RowResult], shape: Shape) -> Result<()> {
    if shape.is_json() {
        return output::json(results);
    }
    if let [one] = results
        && one.result.related.is_empty()
    {
        let row = cells(one.result.id.as_ref(), &one.result.outcome);
        return table::print(["outcome", "id", "problem"], [row]);
    }
    let rows = results.iter().flat_map(|RowResult { row, result }| {
        let related = result.related.iter().map(move |related| {
            let place = format!("{row}{}", related.pointer);
            (place, related.id.as_ref(), &related.outcome)
        });
        std::iter::once((row.to_string(), result.id.as_ref(), &result.outcome)).chain(related)
    });
    let rows = rows.map(|(place, id, outcome)| {
        let [outcome, id, problem] = cells(id, outcome);
        [place, outcome, id, problem]
    });
    table::print(["record", "outcome", "id", "problem"], rows)
}

fn cells(id: Option<&String>, outcome: &Outcome) -> [String; 3] {
    let (what, problems) = match outcome {
        Outcome::Created => ("created", String::new()),
        Outcome::Updated => ("updated", String::new()),
        Outcome::Deleted => ("deleted", String::new()),
        Outcome::Checked => ("checked", String::new()),
        Outcome::Failed { problems } => {
            let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
            ("failed", problems.join(" | "))
        }
    };
    [what.to_owned(), id.cloned().unwrap_or_default(), problems]
}
