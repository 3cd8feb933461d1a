//! `@{account.id}` and `@{found.records[0].Id}`: what earlier parts answered,
//! put into the addresses and bodies of later ones.

use std::collections::HashMap;

use serde_json::Value;

/// The answers so far, by reference id.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<String, Value>);

impl Known {
    pub(super) fn add(&mut self, name: &str, body: Value) {
        self.0.insert(name.to_owned(), body);
    }

    /// A text with its references replaced; the error names the first that
    /// leads nowhere.
    pub(super) fn in_text(&self, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, path, after)) = next(rest) {
            out.push_str(before);
            match self.value(path)? {
                Value::String(text) => out.push_str(text),
                other => out.push_str(&other.to_string()),
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// A body with its references replaced. A text that is nothing but a
    /// reference becomes the value itself.
    pub(super) fn in_value(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => match next(text) {
                Some(("", path, "")) => self.value(path)?.clone(),
                _ => Value::String(self.in_text(text)?),
            },
            Value::Array(items) => {
                let items = items.iter().map(|item| self.in_value(item));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(map) => {
                let entries = map
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.in_value(value)?)));
                Value::Object(entries.collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    fn value(&self, path: &str) -> Result<&Value, String> {
        let name = name_of(path);
        let found = self.0.get(name).and_then(|body| {
            let steps = path.get(name.len()..)?;
            steps
                .split(['.', '['])
                .filter(|step| !step.is_empty())
                .try_fold(body, |value, step| match step.strip_suffix(']') {
                    Some(number) => value.get(number.parse::<usize>().ok()?),
                    None => value.get(step),
                })
        });
        found.filter(|value| !value.is_null()).ok_or_else(|| {
            format!("Invalid reference specified. No value for {path} found in {name}")
        })
    }
}

/// The reference ids that a text names.
pub(super) fn names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((_, path, after)) = next(rest) {
        names.push(name_of(path));
        rest = after;
    }
    names
}

/// `account` of `account.id` and `accounts` of `accounts[0].id`.
fn name_of(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}

/// The text before the first reference, its path, and the text after it.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("@{")?;
    let (path, after) = rest.split_once('}')?;
    Some((before, path.trim(), after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn known() -> Known {
        let mut known = Known::default();
        known.add("account", json!({ "id": "001" }));
        known.add("found", json!({ "records": [{ "Id": "003", "Size": 5 }] }));
        known.add("made", json!([{ "id": "00Q" }]));
        known
    }

    #[test]
    fn references_reach_into_objects_and_lists() {
        let known = known();
        let text = "/a/@{account.id}/@{found.records[0].Id}?x=@{made[0].id}";
        assert_eq!(known.in_text(text), Ok("/a/001/003?x=00Q".to_owned()));
        let body = json!({ "A": "@{found.records[0].Size}", "B": ["n@{account.id}"], "C": 1 });
        let expected = json!({ "A": 5, "B": ["n001"], "C": 1 });
        assert_eq!(known.in_value(&body), Ok(expected));
    }

    #[test]
    fn a_reference_that_leads_nowhere_is_named() {
        assert_eq!(
            known().in_text("@{found.records[1].Id}"),
            Err(
                "Invalid reference specified. No value for found.records[1].Id found in found"
                    .to_owned()
            )
        );
        assert!(known().in_text("@{later.id}").is_err());
    }
}
