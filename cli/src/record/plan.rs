//! What a dry run tells: how many records would be written and how, and which
//! would not.

use anyhow::Result;
use lockgate::{Outcome, Problem, RowResult, Way};
use serde::Serialize;

use crate::args::Shape;
use crate::exit::Status;
use crate::{output, table, text};

/// What a write would do.
#[derive(Debug, Serialize)]
pub(super) struct Plan<'r> {
    would_write: usize,
    records: usize,
    way: Option<Way>,
    /// API calls, about.
    calls: Option<u64>,
    failed: Vec<&'r RowResult>,
}

impl<'r> Plan<'r> {
    pub(super) fn of(results: &'r [RowResult], way: Option<Way>, calls: Option<u64>) -> Self {
        let failed: Vec<&RowResult> = results.iter().filter(|row| !row.result.is_ok()).collect();
        Self {
            would_write: results.len() - failed.len(),
            records: results.len(),
            way,
            calls,
            failed,
        }
    }

    /// Tells it, with the exit code.
    pub(super) fn tell(&self, shape: Shape) -> Result<Status> {
        if shape.is_json() {
            output::json(self)?;
        } else {
            output::line(&self.summary())?;
            if !self.failed.is_empty() {
                table::print(["record", "problem"], self.problems())?;
            }
        }
        match self.failed.is_empty() {
            true => Ok(Status::Done),
            false => Ok(Status::SomeFailed),
        }
    }

    fn summary(&self) -> String {
        let number = |count: usize| text::grouped(u64::try_from(count).unwrap_or(u64::MAX));
        let (would_write, records) = (number(self.would_write), number(self.records));
        let mut summary = match self.records {
            1 => format!("would write {would_write} of 1 record"),
            _ => format!("would write {would_write} of {records} records"),
        };
        let Some(way) = &self.way else {
            return summary;
        };
        summary.push_str(&format!(" by {}", text::clean(&way.name)));
        match self.calls {
            Some(1) => summary.push_str(" in about 1 call"),
            Some(calls) => summary.push_str(&format!(" in about {} calls", text::grouped(calls))),
            None => {}
        }
        summary.push_str(&format!(": {}", text::clean(&way.reason)));
        summary
    }

    /// Each record that would fail, with its place and what is wrong with it.
    fn problems(&self) -> Vec<[String; 2]> {
        let mut rows = Vec::new();
        for RowResult { row, result } in &self.failed {
            let related = result.related.iter().map(|related| {
                let place = format!("{row}{}", related.pointer);
                (place, &related.outcome)
            });
            for (place, outcome) in
                std::iter::once((row.to_string(), &result.outcome)).chain(related)
            {
                if let Outcome::Failed { problems } = outcome {
                    let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
                    rows.push([place, problems.join(" | ")]);
                }
            }
        }
        rows
    }
}
