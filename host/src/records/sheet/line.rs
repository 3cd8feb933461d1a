//! One line of a sheet: its cells as CSV, and what is kept of it.

use crate::records::given::unquoted;

/// A value has no place in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit;

/// What the cells of a column hold, by which a record is made of them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing, or null.
    Nothing,
    /// Numbers, or `true` and `false`.
    Bare,
    Text,
    Mixed,
}

impl Kind {
    /// What a column holds that has this as well.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, kind) | (kind, Self::Nothing) => kind,
            (one, other) if one == other => one,
            _ => Self::Mixed,
        }
    }
}

/// What is kept of a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    /// Tells it from others: the sum of the prints of its cells.
    pub(super) print: u64,
    /// Which of its cells are null, a bit for each of the first 64.
    nulls: u64,
}

impl Line {
    /// Notes null in a column; false if there is no bit for it.
    pub(super) fn note_null(&mut self, place: usize) -> bool {
        let bit = bit(place);
        self.nulls |= bit.unwrap_or(0);
        bit.is_some()
    }

    /// Whether null was noted in a column.
    pub(super) fn has_null(self, place: usize) -> bool {
        bit(place).is_some_and(|bit| self.nulls & bit != 0)
    }
}

fn bit(place: usize) -> Option<u64> {
    1_u64.checked_shl(u32::try_from(place).ok()?)
}

/// A value of a record, as JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'t> {
    pub(super) json: &'t str,
    /// Something in it is escaped.
    pub(super) is_escaped: bool,
}

/// Appends a value, and gives its kind. What it says is noted, unless that is null.
#[inline]
pub(super) fn push_cell(
    out: &mut Vec<u8>,
    value: Value<'_>,
    null: &str,
    note: impl FnOnce(&[u8]),
) -> Result<Kind, Unfit> {
    let json = value.json;
    match json.as_bytes().first() {
        Some(b'"') if value.is_escaped => {
            let text: String = serde_json::from_str(json).map_err(|_| Unfit)?;
            if text == null {
                return Err(Unfit);
            }
            note(text.as_bytes());
            push_quoted(out, &text);
            Ok(Kind::Text)
        }
        Some(b'"') => {
            let text = unquoted(json);
            if text.is_empty() {
                out.extend_from_slice(null.as_bytes());
                return Ok(Kind::Nothing);
            }
            if text == null {
                return Err(Unfit);
            }
            note(text.as_bytes());
            // Nothing in it is escaped, so it holds no quote, and stands in quotes.
            out.extend_from_slice(json.as_bytes());
            Ok(Kind::Text)
        }
        Some(b'n') => {
            out.extend_from_slice(null.as_bytes());
            Ok(Kind::Nothing)
        }
        Some(b'{' | b'[') | None => Err(Unfit),
        Some(_) => {
            note(json.as_bytes());
            out.extend_from_slice(json.as_bytes());
            Ok(Kind::Bare)
        }
    }
}

/// Appends a text in quotes.
pub(super) fn push_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

/// A text as a JSON string.
pub(super) fn json_of(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
