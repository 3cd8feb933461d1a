//! The JSON shapes of Salesforce's answers, and of records in both directions.
//!
//! Records only pass through: they are borrowed as raw text, so numbers keep
//! their digits, keys their order, and nothing is built that need not be.

use std::borrow::Cow;
use std::fmt;

use json_skim::{Malformed, Skim};
use memchr::memmem;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::fault::Entry;

/// One page of a query's answer, or of the children nested in a record.
#[derive(Debug)]
pub(crate) struct QueryPage<'a> {
    pub(crate) total_size: Option<u64>,
    pub(crate) done: bool,
    pub(crate) next_records_url: Option<String>,
    pub(crate) records: Vec<&'a str>,
    /// Some record may hold children that go on elsewhere.
    pub(crate) has_paged_children: bool,
}

impl<'a> QueryPage<'a> {
    /// Reads a page; `None` if the text is none. This is the one look that a
    /// record gets on its way through the connector.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (mut total_size, mut done, mut next, mut records) = (None, None, None, None);
        let mut has_paged_children = false;
        let mut skim = Skim::new(text);
        let walked = skim.members(|key, skim| {
            if key == "\"records\"" {
                let mut all = Vec::new();
                skim.elements(|skim| {
                    let (record, is_paged) = read_record(text, skim)?;
                    has_paged_children |= is_paged;
                    all.push(record);
                    Ok::<(), Malformed>(())
                })?;
                records = Some(all);
                return Ok(());
            }
            let value = skim.value()?;
            match key {
                "\"totalSize\"" => total_size = value.parse().ok(),
                "\"done\"" => done = value.parse().ok(),
                "\"nextRecordsUrl\"" => next = serde_json::from_str(value).ok().flatten(),
                _ => {}
            }
            Ok::<(), Malformed>(())
        });
        walked.and_then(|()| skim.end()).ok()?;
        Some(Self {
            total_size,
            done: done?,
            next_records_url: next,
            records: records?,
            has_paged_children,
        })
    }
}

/// Reads one record, and whether an object within it speaks of a next page.
fn read_record<'a>(text: &'a str, skim: &mut Skim<'a>) -> Result<(&'a str, bool), Malformed> {
    let mut is_paged = false;
    let start = skim.offset();
    skim.members(|key, skim| {
        let is_object = skim.peek() == Some(b'{');
        let value = skim.value()?;
        is_paged |= is_object && key != "\"attributes\"" && names_next_page(value);
        Ok::<(), Malformed>(())
    })?;
    Ok((text.get(start..skim.offset()).unwrap_or_default(), is_paged))
}

/// Whether a value may hold children that go on elsewhere. A text that says so
/// only costs the longer way.
pub(crate) fn names_next_page(value: &str) -> bool {
    memmem::find(value.as_bytes(), b"\"nextRecordsUrl\"").is_some()
}

/// What became of one record of a collection, or of a record created or upserted
/// alone.
#[derive(Debug, Deserialize)]
pub(crate) struct RowResult {
    #[serde(default)]
    pub(crate) id: Option<String>,
    pub(crate) success: bool,
    /// Given by upserts only.
    #[serde(default)]
    pub(crate) created: Option<bool>,
    #[serde(default)]
    pub(crate) errors: Vec<Entry>,
}

/// A key, borrowed unless it holds escapes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// A record's members in their order, values as raw text.
#[derive(Debug)]
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The members of a JSON object; `None` for anything else.
    pub(crate) fn of(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// A member by its name. Salesforce does not tell case apart in names.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &RawValue>()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Reads a body; `None` if it is not what is expected.
///
/// The whole is checked to be UTF-8 once, instead of each text in it, and there
/// is one parser in the component instead of two.
pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    serde_json::from_str(std::str::from_utf8(body).ok()?).ok()
}

/// A raw value that is a text, decoded.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    decoded(raw.get())
}

/// A text as JSON writes it, decoded; without escapes there is nothing to do.
pub(crate) fn decoded(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.as_bytes().contains(&b'\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<Text<'_>>(json)
        .ok()
        .map(|Text(text)| text)
}

/// Appends a text as JSON.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    // Writing into memory cannot fail.
    let _written = serde_json::to_writer(&mut *out, text);
}

/// Appends a list of texts as JSON.
pub(crate) fn push_texts<T: AsRef<str>>(out: &mut Vec<u8>, texts: &[T]) {
    out.push(b'[');
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_text(out, text.as_ref());
    }
    out.push(b']');
}
