//! How a recipe goes: its steps as they end, and the report as one value.

use std::fmt;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value as Json;

use crate::args::Shape;
use crate::output;
use crate::steps::{self, Step};

/// The whole report.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) recipe: &'static str,
    /// Every step did what it should, and every check held.
    pub(super) ok: bool,
    pub(super) seconds: f64,
    pub(super) steps: Vec<Step>,
    /// What came of it; `null` if a step failed.
    pub(super) result: Json,
    /// Files that are kept.
    pub(super) files: Vec<PathBuf>,
}

/// A step failed, and was told with its reason: what comes after stands on it.
#[derive(Debug)]
pub(super) struct Stopped;

type Calls = Box<dyn Fn() -> u64 + Send + Sync>;

/// A recipe under way.
pub(super) struct Course {
    shape: Shape,
    calls: Calls,
    pub(super) steps: Vec<Step>,
}

impl fmt::Debug for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Course")
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl Course {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            calls: Box::new(|| 0),
            steps: Vec::new(),
        }
    }

    /// From now on these calls are counted.
    pub(super) fn count(&mut self, calls: impl Fn() -> u64 + Send + Sync + 'static) {
        self.calls = Box::new(calls);
    }

    /// Does a step: gives what it made, and tells what it says of it.
    pub(super) async fn step<T>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<(T, String)>>,
    ) -> Result<T, Stopped> {
        let (step, made) = steps::take(name, &self.calls, work).await;
        // Where the screen is gone, the work goes on and the exit code tells.
        let _ = step.tell(self.shape);
        self.steps.push(step);
        made.ok_or(Stopped)
    }
}

impl Report {
    pub(super) fn show(&self, shape: Shape) -> Result<()> {
        if shape.is_json() {
            return output::json(self);
        }
        if !self.result.is_null() {
            let text = serde_json::to_string_pretty(&self.result)?;
            output::line(&format!("\n{text}"))?;
        }
        for file in &self.files {
            output::line(&format!("kept {}", file.display()))?;
        }
        output::line(match self.ok {
            true => "\nEvery check held.",
            false => "\nNot every check held.",
        })
    }
}
