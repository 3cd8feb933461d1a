//! The fields that a plugin wants to see, found by name.

use std::borrow::Cow;

/// Names of fields. A field's place in the list is its *slot*, by which records
/// and edits know it.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// The names as JSON strings, quotes included: keys are compared as they
    /// stand in the input, unparsed.
    quoted: Vec<String>,
    /// Slots by the length of the quoted name. Most keys of a record are not
    /// wanted, and most of these differ from all wanted ones in length.
    by_length: Vec<Vec<usize>>,
}

impl Fields {
    /// Takes names in the order of their slots.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let quoted: Vec<String> = names.into_iter().map(|name| quote(name.as_ref())).collect();
        let longest = quoted.iter().map(String::len).max().unwrap_or(0);
        let mut by_length = vec![Vec::new(); longest + 1];
        for (slot, name) in quoted.iter().enumerate() {
            if let Some(slots) = by_length.get_mut(name.len()) {
                slots.push(slot);
            }
        }
        Self { quoted, by_length }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.quoted.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.quoted.is_empty()
    }

    /// The slot of a key as it stands in the input, quotes included.
    pub(crate) fn slot(&self, key: &str) -> Option<usize> {
        self.exact(key).or_else(|| self.escaped(key))
    }

    /// The slot of a key that is written otherwise than it had to be.
    fn escaped(&self, key: &str) -> Option<usize> {
        match crate::text_of(key)? {
            Cow::Borrowed(_) => None,
            Cow::Owned(plain) => self.exact(&quote(&plain)),
        }
    }

    fn exact(&self, key: &str) -> Option<usize> {
        let slots = self.by_length.get(key.len())?;
        slots.iter().copied().find(|slot| {
            let name = self.quoted.get(*slot);
            name.is_some_and(|name| is_same(name.as_bytes(), key.as_bytes()))
        })
    }

    /// The field's name as a JSON string.
    pub(crate) fn quoted(&self, slot: usize) -> &str {
        self.quoted.get(slot).map_or("\"\"", String::as_str)
    }
}

/// Whether two keys of one length are the same, by eight bytes: what compares slices in
/// a guest takes one byte after the other, and looks at the clock with each.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(end), Some(other_end)) => {
            let (words, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
            end == other_end && words.iter().zip(others).all(|(word, other)| word == other)
        }
        _ => one == other,
    }
}

/// A text as a JSON string, quotes included.
pub(crate) fn quote(text: &str) -> String {
    // Writing a string into memory cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_however_it_is_escaped() {
        let fields = Fields::new(["Email", "Größe"]);
        assert_eq!(fields.slot("\"Email\""), Some(0));
        assert_eq!(fields.slot("\"\\u0045mail\""), Some(0));
        assert_eq!(fields.slot("\"Gr\\u00f6\\u00dfe\""), Some(1));
        assert_eq!(fields.slot("\"email\""), None);
        assert_eq!(fields.slot("\"An unknown and quite long key\""), None);
    }
}
