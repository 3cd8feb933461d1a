//! Rewrites batches of JSON records byte for byte, for transform plugins.
//!
//! A transform changes a few fields of each record and must leave the rest as
//! it is: the order of keys, keys that it does not know, and numbers to the
//! last digit. So a batch is never parsed into values. It is read once, the
//! fields that a plugin has named are handed to it as slices of the input, and
//! what it sets is spliced in between slices that are copied. A record without
//! edits is not even copied: the host has it.
//!
//! ```
//! use record_batch::{Fields, Verdict, rewrite};
//!
//! let fields = Fields::new(["City"]);
//! let input = br#"[{"Id":"1","City":"rome","Area":1285.0},{"Id":"2","City":"Oslo"}]"#;
//! let outcome = rewrite(input, &fields, |record, edits| {
//!     if record.text(0).as_deref() == Some("rome") {
//!         edits.set_text(0, "Rome");
//!     }
//!     Verdict::Keep
//! })?;
//! assert_eq!(outcome.records, br#"[{"Id":"1","City":"Rome","Area":1285.0}]"#);
//! assert_eq!(outcome.verdicts, [Verdict::Change, Verdict::Keep]);
//! # Ok::<(), record_batch::Malformed>(())
//! ```

mod edits;
mod fields;
#[cfg(not(target_arch = "wasm32"))]
pub mod golden;
mod record;
mod walk;

use std::fmt;

pub use edits::Edits;
pub use fields::Fields;
pub use record::{Record, text_of};

/// What becomes of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The record goes on as it came. Of one with edits [`rewrite`] makes
    /// [`Self::Change`].
    Keep,
    /// The record goes on with its edits. Of one without any [`rewrite`] makes
    /// [`Self::Keep`].
    Change,
    /// The record is left out: it is not wanted.
    Drop,
    /// The record is left out because it is wrong, for this reason.
    Reject(String),
}

/// A rewritten batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A JSON array with the changed records, in the order of the input.
    pub records: Vec<u8>,
    /// One verdict for each record of the input.
    pub verdicts: Vec<Verdict>,
}

/// The batch is not a JSON array of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// Rewrites a batch: calls `each` with every record in turn, which may just say
/// [`Verdict::Keep`] of whatever goes on.
///
/// If a record has a key twice, `each` sees, and edits, the last one: the one
/// that JSON readers take.
///
/// # Errors
/// If `input` is not UTF-8 or not a JSON array of objects. Nothing of the batch
/// is quoted in the error.
pub fn rewrite<F>(input: &[u8], fields: &Fields, each: F) -> Result<Outcome, Malformed>
where
    F: FnMut(&Record<'_, '_>, &mut Edits) -> Verdict,
{
    let input = std::str::from_utf8(input).map_err(|error| {
        Malformed(format!(
            "the batch is not UTF-8 from byte {} on",
            error.valid_up_to()
        ))
    })?;
    walk::walk(input, fields, each)
        .map_err(|error| Malformed(format!("this is no JSON array of objects: {error}")))
}
