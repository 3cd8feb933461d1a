//! Scores records by rules from the settings, and writes the score to a field.
//!
//! The rules are data: which fields count, how much, and what becomes of
//! records that nobody wants. The same records and rules always give the same
//! score.
//!
//! All of it is plain Rust, so that it can be tested and measured outside of
//! the sandbox; only the module `guest` knows that it is a component.

mod condition;
#[cfg(target_arch = "wasm32")]
mod guest;
mod score;
mod settings;
mod value;

use std::fmt;

pub use record_batch::{Outcome, Verdict};
pub use settings::{Problem, Settings};

/// What the plugin does, in one sentence.
pub const SUMMARY: &str =
    "Scores records by rules and writes the score, and a rating, to fields of your choice.";

/// The JSON Schema of the settings.
pub const SETTINGS_SCHEMA: &str = include_str!("settings.schema.json");

/// The batch is not a JSON array of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// Scores a batch: a JSON array of records, UTF-8.
///
/// # Errors
/// If the batch is not a JSON array of objects.
pub fn transform(settings: &Settings, records: &[u8]) -> Result<Outcome, Malformed> {
    record_batch::rewrite(records, &settings.fields, |record, edits| {
        score::record(settings, record, edits)
    })
    .map_err(|malformed| Malformed(malformed.to_string()))
}
