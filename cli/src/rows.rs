//! Records as rows of cells, for tables and CSV. The columns are those of the
//! first records; whatever does not fit them is named, never lost in silence.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

/// The columns of an answer.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    names: Vec<String>,
    left_out: BTreeSet<String>,
}

impl Columns {
    /// The columns of these records: every field in the order in which it comes,
    /// fields of related records as `Owner.Name`.
    pub(crate) fn of(records: &[&RawValue]) -> Result<Self> {
        let mut names: Vec<String> = Vec::new();
        let mut seen = BTreeSet::new();
        for record in records {
            for (name, _) in flat(&parse(record)?) {
                if seen.insert(name.clone()) {
                    names.push(name);
                }
            }
        }
        // A related record that is missing in some records is `null` there: the
        // columns of its fields say it all.
        let is_parent = |name: &str| {
            names.iter().any(|other| {
                other
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('.'))
            })
        };
        let names = names
            .iter()
            .filter(|name| !is_parent(name))
            .cloned()
            .collect();
        Ok(Self {
            names,
            left_out: BTreeSet::new(),
        })
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The cells of a record.
    pub(crate) fn cells(&mut self, record: &RawValue) -> Result<Vec<String>> {
        let record = parse(record)?;
        let mut flat = flat(&record);
        let mut cells = Vec::with_capacity(self.names.len());
        for name in &self.names {
            // Nearly always the next one: records repeat the order of fields.
            let cell = match flat.iter().position(|(field, _)| field == name) {
                Some(at) => text_of(flat.remove(at).1),
                None => match flat.iter().any(|(field, _)| is_below(field, name)) {
                    true => {
                        flat.retain(|(field, _)| !is_below(field, name));
                        at_path(&record, name)
                            .map(Json::to_string)
                            .unwrap_or_default()
                    }
                    false => String::new(),
                },
            };
            cells.push(cell);
        }
        let names = &self.names;
        let strangers = flat.into_iter().filter(|(field, value)| {
            !value.is_null() || !names.iter().any(|name| is_below(name, field))
        });
        self.left_out.extend(strangers.map(|(field, _)| field));
        Ok(cells)
    }

    /// Fields that came later and have no column.
    pub(crate) fn left_out(&self) -> Option<String> {
        let names: Vec<&str> = self.left_out.iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

fn is_below(field: &str, parent: &str) -> bool {
    field
        .strip_prefix(parent)
        .is_some_and(|rest| rest.starts_with('.'))
}

fn parse(record: &RawValue) -> Result<Map<String, Json>> {
    serde_json::from_str(record.get()).context("a record of the answer is not a JSON object")
}

fn flat(record: &Map<String, Json>) -> Vec<(String, &Json)> {
    let mut fields = Vec::with_capacity(record.len());
    add("", record, &mut fields);
    fields
}

fn add<'a>(prefix: &str, record: &'a Map<String, Json>, fields: &mut Vec<(String, &'a Json)>) {
    for (name, value) in record {
        match value {
            // What a record is and where, and not a field of it.
            Json::Object(_) if name == "attributes" => {}
            // A related record, but not a list of children with its count.
            Json::Object(inner) if !inner.get("records").is_some_and(Json::is_array) => {
                add(&format!("{prefix}{name}."), inner, fields);
            }
            value => fields.push((format!("{prefix}{name}"), value)),
        }
    }
}

fn at_path<'a>(record: &'a Map<String, Json>, path: &str) -> Option<&'a Json> {
    let (first, rest) = path
        .split_once('.')
        .map_or((path, None), |(a, b)| (a, Some(b)));
    let value = record.get(first)?;
    match rest {
        Some(rest) => at_path(value.as_object()?, rest),
        None => Some(value),
    }
}

fn text_of(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(records: &str) -> Vec<&RawValue> {
        serde_json::from_str(records).unwrap()
    }

    #[test]
    fn fields_of_related_records_are_columns_and_a_missing_one_is_blank() {
        let records = raw(
            r#"[{"attributes":{"type":"Contact"},"Name":"A","Account":null},
                {"attributes":{"type":"Contact"},"Name":"B","Account":{"attributes":{},"Name":"C"}}]"#,
        );
        let mut columns = Columns::of(&records).unwrap();
        assert_eq!(columns.names(), ["Name", "Account.Name"]);
        assert_eq!(columns.cells(records[0]).unwrap(), ["A", ""]);
        assert_eq!(columns.cells(records[1]).unwrap(), ["B", "C"]);
        assert_eq!(columns.left_out(), None);
    }

    #[test]
    fn a_related_record_that_comes_late_is_kept_as_json() {
        let records = raw(r#"[{"Account":null},{"Account":{"Name":"C"}},{"New":1}]"#);
        let mut columns = Columns::of(&records[..1]).unwrap();
        assert_eq!(columns.cells(records[1]).unwrap(), [r#"{"Name":"C"}"#]);
        assert_eq!(columns.left_out(), None);
        columns.cells(records[2]).unwrap();
        assert_eq!(columns.left_out().unwrap(), "New");
    }
}
