//! One record as a plugin sees it: slices of the input.

use std::borrow::Cow;

/// One record of a batch.
#[derive(Debug)]
pub struct Record<'a, 's> {
    pub(crate) values: &'s [Option<&'a str>],
}

impl<'a> Record<'a, '_> {
    /// The value of a field as it stands in the input; `None` if the record does
    /// not have the field.
    #[must_use]
    pub fn raw(&self, slot: usize) -> Option<&'a str> {
        self.values.get(slot).copied().flatten()
    }

    /// The text of a field; `None` if it is absent or anything but a JSON
    /// string.
    #[must_use]
    pub fn text(&self, slot: usize) -> Option<Cow<'a, str>> {
        text_of(self.raw(slot)?)
    }
}

/// The text of a JSON string, without a copy unless it holds escapes; `None` if
/// `raw` is anything else, or no text at all (half a surrogate pair).
#[must_use]
pub fn text_of(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if json_skim::plain(inner.as_bytes()) == inner.len() {
        Some(Cow::Borrowed(inner))
    } else {
        serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
    }
}
