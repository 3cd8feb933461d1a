//! The report for people: a line as each step ends, then tables and sums.

use anyhow::Result;
use serde_json::Value as Json;

use super::report::Report;
use crate::args::Shape;
use crate::steps::Step;
use crate::text::clean;
use crate::{output, table};

/// Where the demo is shown.
pub(super) struct Screen {
    shape: Shape,
}

impl Screen {
    pub(super) const fn new(shape: Shape) -> Self {
        Self { shape }
    }

    /// A step that has ended.
    pub(super) fn step(&self, step: &Step) -> Result<()> {
        step.tell(self.shape)
    }

    pub(super) fn report(&self, report: &Report) -> Result<()> {
        if self.shape.is_json() {
            return output::json(report);
        }
        output::line("")?;
        objects(report)?;
        for plugin in &report.plugins {
            let Some([before, after]) = &plugin.example else {
                continue;
            };
            output::line(&format!("\n{}, for instance:", plugin.plugin))?;
            output::line(&format!("  {}\n  {}", clean(before), clean(after)))?;
        }
        let quota = &report.quota;
        output::line(&format!(
            "\n{} API calls in {:.1} s; {} of {} left today (the org counts {} used, the host {})",
            report.api_calls,
            report.seconds,
            quota.left,
            quota.limit,
            quota.used,
            quota.used_as_host_counts,
        ))?;
        output::line(match report.ok {
            true => "Every step did what it should.",
            false => "Not every step did what it should.",
        })
    }
}

fn objects(report: &Report) -> Result<()> {
    let rows = report.objects.iter().map(|(name, object)| {
        let text = |member: &str| match object.get(member) {
            Some(Json::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        [
            name.clone(),
            text("created"),
            text("read"),
            text("updated"),
            text("upserted"),
            text("upserted_by"),
            text("deleted"),
        ]
    });
    table::print(
        [
            "object", "created", "read", "updated", "upserted", "by", "deleted",
        ],
        rows,
    )
}
