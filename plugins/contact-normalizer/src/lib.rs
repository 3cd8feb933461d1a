//! Brings names, e-mail addresses, phone numbers and countries of people into
//! one form.
//!
//! The rule above all others: a value that is not understood for certain is not
//! guessed at. It is kept, cleared or its record rejected, as the settings say.
//!
//! All of it is plain Rust, so that it can be tested and measured outside of
//! the sandbox; only the module `guest` knows that it is a component.

mod country;
mod email;
#[cfg(target_arch = "wasm32")]
mod guest;
mod name;
mod normalize;
mod phone;
mod settings;
mod table;

use std::fmt;

pub use record_batch::{Outcome, Verdict};
pub use settings::{Kind, Policy, Problem, Settings};

/// What the plugin does, in one sentence.
pub const SUMMARY: &str = "Brings names, e-mail addresses, phone numbers and countries of people \
    into one form, and keeps, clears or rejects what it cannot read.";

/// The JSON Schema of the settings.
pub const SETTINGS_SCHEMA: &str = include_str!("settings.schema.json");

/// Why a batch was not transformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The batch is not a JSON array of objects.
    Malformed(String),
    /// The settings name no fields for this object, and there are no defaults.
    UnsupportedObject,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => f.write_str(what),
            Self::UnsupportedObject => f.write_str("no fields are set for this object"),
        }
    }
}

impl std::error::Error for Error {}

/// Normalises a batch: a JSON array of records of `object`, UTF-8.
///
/// # Errors
/// If the batch is not a JSON array of objects, or if the settings do not cover
/// the object.
pub fn transform(settings: &Settings, object: &str, records: &[u8]) -> Result<Outcome, Error> {
    let plan = settings.plan(object).ok_or(Error::UnsupportedObject)?;
    record_batch::rewrite(records, plan.fields(), |record, edits| {
        normalize::record(settings, plan, record, edits)
    })
    .map_err(|malformed| Error::Malformed(malformed.to_string()))
}
