//! What became of golden folders, for people and for programs.

use anyhow::Result;
use lockgate::{CallUsage, Package, Usage};
use serde_json::{Value as Json, json};

use super::record::Recorded;
use crate::exit::Status;
use crate::{output, text};

/// What became of one folder.
pub(super) struct Tested {
    pub(super) name: String,
    pub(super) cost: Cost,
    /// The length of what came out.
    pub(super) bytes_out: usize,
    pub(super) difference: Option<String>,
}

/// What it has cost.
pub(super) enum Cost {
    /// Nothing was called: a file of the folder cannot be used.
    None,
    Transform {
        /// None if the settings were refused.
        usage: Option<Usage>,
        bytes_in: usize,
    },
    Connector {
        usage: CallUsage,
        /// Requests that reached the product.
        requests: usize,
        /// Bytes of the product's answers.
        bytes_in: usize,
    },
}

/// What became of all of them.
#[derive(Default)]
pub(super) struct Tests {
    /// Folders whose exchanges were recorded before.
    pub(super) recorded: Vec<Recorded>,
    pub(super) tested: Vec<Tested>,
}

impl Tests {
    pub(super) fn status(&self) -> Status {
        match self.failed() {
            0 => Status::Done,
            _ => Status::Failed,
        }
    }

    fn failed(&self) -> usize {
        let differs = |test: &&Tested| test.difference.is_some();
        self.tested.iter().filter(differs).count()
    }

    /// For people.
    pub(super) fn show(&self) -> Result<()> {
        for recorded in &self.recorded {
            output::line(&recorded.to_string())?;
        }
        let width = self
            .tested
            .iter()
            .map(|test| test.name.chars().count())
            .max();
        let width = width.unwrap_or_default();
        for test in &self.tested {
            let verdict = match test.difference {
                None => "ok    ",
                Some(_) => "FAILED",
            };
            let name = text::clean(&test.name);
            output::line(&format!("{verdict} {name:width$}  {}", test.cost()))?;
            let difference = test.difference.as_deref().unwrap_or_default();
            for line in difference.lines() {
                output::line(&format!("       {}", text::clean(line)))?;
            }
        }
        let all = self.tested.len();
        output::line(&match self.failed() {
            0 => format!("{} came out as expected", text::counted(all, "folder")),
            failed => format!(
                "{failed} of {} did not come out as expected",
                text::counted(all, "folder")
            ),
        })
    }

    pub(super) fn as_json(&self, package: &Package) -> Json {
        let failed = self.failed();
        json!({
            "name": package.name(),
            "digest": package.digest(),
            "recorded": self.recorded,
            "passed": self.tested.len() - failed,
            "failed": failed,
            "cases": self.tested.iter().map(Tested::as_json).collect::<Vec<_>>(),
        })
    }
}

impl Tested {
    fn as_json(&self) -> Json {
        let mut case = json!({
            "name": self.name,
            "ok": self.difference.is_none(),
            "bytes_out": self.bytes_out,
            "difference": self.difference,
        });
        let cost = match self.cost {
            Cost::None => json!({ "instructions": null, "bytes_in": null, "requests": null }),
            Cost::Transform { usage, bytes_in } => json!({
                "instructions": usage.and_then(|usage| usage.instructions),
                "memory_bytes": usage.map(|usage| usage.memory_bytes),
                "host_calls": usage.map(|usage| usage.host_calls),
                "log_lines": usage.map(|usage| usage.host_calls),
                "bytes_in": bytes_in,
                "requests": null,
            }),
            Cost::Connector {
                usage,
                requests,
                bytes_in,
            } => json!({
                "instructions": usage.instructions,
                "memory_bytes": usage.memory_bytes,
                "host_calls": usage.host_calls,
                "log_lines": usage.log_lines,
                "bytes_in": bytes_in,
                "requests": requests,
                "storage_reads": usage.storage_reads,
                "storage_writes": usage.storage_writes,
            }),
        };
        if let (Json::Object(case), Json::Object(cost)) = (&mut case, cost) {
            case.extend(cost);
        }
        case
    }

    /// What it has cost, in words.
    fn cost(&self) -> String {
        let out = text::grouped(self.bytes_out as u64);
        let mut parts = Vec::new();
        let bytes = |bytes_in: usize| {
            let bytes_in = text::grouped(bytes_in as u64);
            format!("{bytes_in} bytes in, {out} out")
        };
        match self.cost {
            Cost::None => parts.push("it was not called".to_owned()),
            Cost::Transform { usage: None, .. } => {
                parts.push("its settings were refused".to_owned())
            }
            Cost::Transform {
                usage: Some(usage),
                bytes_in,
            } => {
                parts.push(instructions(usage.instructions));
                parts.push(mebibytes(usage.memory_bytes));
                parts.push(bytes(bytes_in));
                parts.push(counted(usage.host_calls, "log line"));
            }
            Cost::Connector {
                usage,
                requests,
                bytes_in,
            } => {
                parts.push(text::counted(requests, "request"));
                parts.push(bytes(bytes_in));
                if usage.storage_reads + usage.storage_writes > 0 {
                    let reads = counted(usage.storage_reads, "read");
                    let writes = counted(usage.storage_writes, "write");
                    parts.push(format!("{reads} and {writes} of storage"));
                }
                if usage.log_lines > 0 {
                    parts.push(counted(usage.log_lines, "log line"));
                }
                parts.push(instructions(usage.instructions));
                parts.push(mebibytes(usage.memory_bytes));
            }
        }
        parts.join(", ")
    }
}

fn instructions(count: Option<u64>) -> String {
    format!("{} instructions", text::grouped(count.unwrap_or_default()))
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}

fn counted(count: u64, what: &str) -> String {
    text::counted(usize::try_from(count).unwrap_or(usize::MAX), what)
}
