//! What a connector has in its storage, as golden folders write it: a JSON object of
//! values by their keys.
//!
//! A text stands for its bytes, an object or an array for its JSON without white space,
//! and `{"base64": "…"}` for bytes that are no text.

use std::collections::BTreeMap;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use similar::TextDiff;

use super::golden::Folder;

/// What a connector finds.
pub(super) const BEFORE: &str = "stored.json";
/// What it must leave.
pub(super) const AFTER: &str = "stored-after.json";

/// The member that bytes are under which are no text.
const BASE64: &str = "base64";

/// Values by key, each as it is written.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Stored(BTreeMap<String, Json>);

impl Stored {
    /// What a file of a folder says, if it is there.
    pub(super) fn of(folder: &Folder, file: &str) -> Result<Option<Self>> {
        let Some(values) = folder.json::<BTreeMap<String, Json>>(file)? else {
            return Ok(None);
        };
        let mut bytes = BTreeMap::new();
        for (key, value) in values {
            let read = bytes_of(&value).ok_or_else(|| {
                let what = format!(
                    "the value of `{key}` is no text, object, array or {{\"base64\": \"…\"}}"
                );
                folder.wrong(file, what)
            });
            bytes.insert(key, read?);
        }
        // Written in the one way, so that equal values look alike.
        Ok(Some(Self::from_values(&bytes)))
    }

    pub(super) fn from_values(values: &BTreeMap<String, Vec<u8>>) -> Self {
        let values = values.iter();
        Self(
            values
                .map(|(key, bytes)| (key.clone(), written(bytes)))
                .collect(),
        )
    }

    pub(super) fn values(&self) -> BTreeMap<String, Vec<u8>> {
        let values = self.0.iter();
        values
            .map(|(key, value)| (key.clone(), bytes_of(value).unwrap_or_default()))
            .collect()
    }

    /// As a file.
    pub(super) fn to_text(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.0)? + "\n")
    }

    /// How this, which is expected, differs from what is there.
    pub(super) fn difference(&self, came: &Self) -> Option<String> {
        if self == came {
            return None;
        }
        let (expected, came) = (self.to_text().ok()?, came.to_text().ok()?);
        let diff = TextDiff::from_lines(&expected, &came);
        let mut diff = diff.unified_diff();
        diff.context_radius(3).header(AFTER, "stored in the end");
        Some(diff.to_string())
    }
}

fn bytes_of(value: &Json) -> Option<Vec<u8>> {
    match value {
        Json::String(text) => Some(text.clone().into_bytes()),
        Json::Object(members) if members.len() == 1 && members.contains_key(BASE64) => {
            STANDARD.decode(members.get(BASE64)?.as_str()?).ok()
        }
        Json::Object(_) | Json::Array(_) => serde_json::to_vec(value).ok(),
        _ => None,
    }
}

fn written(bytes: &[u8]) -> Json {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return json!({ BASE64: STANDARD.encode(bytes) });
    };
    // Only what says the same again: digits and white space may carry meaning.
    let json = serde_json::from_str::<Json>(text).ok();
    let json = json.filter(|json| json.is_object() || json.is_array());
    match json.filter(|json| bytes_of(json).as_deref() == Some(bytes)) {
        Some(json) => json,
        None => Json::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_all_kinds_come_back_as_they_were() {
        let kinds: [&[u8]; 7] = [
            b"",
            b"text",
            br#"{"b":1,"a":[true]}"#,
            br#"{ "spread": 1 }"#,
            br#"{"base64":"AAE="}"#,
            b"12",
            &[0xff, 0x00],
        ];
        for bytes in kinds {
            assert_eq!(bytes_of(&written(bytes)).as_deref(), Some(bytes));
        }
        assert_eq!(written(kinds[2]), json!({ "b": 1, "a": [true] }));
        assert_eq!(written(kinds[6]), json!({ "base64": "/wA=" }));
    }

    #[test]
    fn what_is_stored_otherwise_is_shown() {
        let stored = |value: &str| {
            Stored::from_values(&BTreeMap::from([("cursor".to_owned(), value.into())]))
        };
        assert_eq!(stored("1").difference(&stored("1")), None);
        let difference = stored("1").difference(&stored("2")).unwrap();
        assert!(difference.contains("+  \"cursor\": \"2\""), "{difference}");
    }
}
