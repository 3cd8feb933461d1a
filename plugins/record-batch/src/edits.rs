//! What a plugin sets in one record.

use serde::Serialize;

/// New values for fields of one record. The last one set for a field counts.
#[derive(Debug, Default)]
pub struct Edits {
    /// All new values, one after the other. Kept from record to record, so that
    /// a batch costs a few allocations and not some for each value.
    pub(crate) text: Vec<u8>,
    pub(crate) changes: Vec<Change>,
}

/// The new value of one field: a range of [`Edits::text`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) slot: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Edits {
    /// Sets a field to a text. A record that lacks the field gets it as its
    /// last.
    pub fn set_text(&mut self, slot: usize, text: &str) {
        self.set(slot, text);
    }

    /// Sets a field to a whole number.
    pub fn set_number(&mut self, slot: usize, number: i64) {
        self.set(slot, &number);
    }

    /// Sets a field to `null`.
    pub fn clear(&mut self, slot: usize) {
        self.set(slot, &());
    }

    fn set<T: Serialize + ?Sized>(&mut self, slot: usize, value: &T) {
        let start = self.text.len();
        // Writing a string or a number into memory cannot fail.
        if serde_json::to_writer(&mut self.text, value).is_err() {
            self.text.truncate(start);
            return;
        }
        let end = self.text.len();
        self.changes.retain(|change| change.slot != slot);
        self.changes.push(Change { slot, start, end });
    }

    /// Leaves out those that set what a field holds already, byte for byte.
    pub(crate) fn forget_what_is_there(&mut self, values: &[Option<&str>]) {
        let text = &self.text;
        self.changes.retain(|change| {
            let old = values.get(change.slot).copied().flatten();
            old.map(str::as_bytes) != text.get(change.start..change.end)
        });
    }

    pub(crate) fn forget(&mut self) {
        self.text.clear();
        self.changes.clear();
    }
}
