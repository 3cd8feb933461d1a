//! Reading conditions.

use serde_json::{Map, Value};

use super::Reader;
use crate::condition::{Bound, Condition, Test, is_date};
use crate::value::Path;

/// How deep conditions may nest. Nobody can read deeper ones.
const MAX_DEPTH: usize = 16;

const OPERATORS: &str =
    "equals, one-of, contains, matches-domain, greater, less, exists and missing";

impl Reader {
    /// The condition under `when`, without which a rule makes no sense.
    pub(super) fn needed_condition(
        &mut self,
        pointer: &str,
        members: &Map<String, Value>,
    ) -> Option<Condition> {
        let pointer = format!("{pointer}/when");
        match members.get("when") {
            Some(value) => self.condition(&pointer, value, 0),
            None => {
                self.report(pointer, "say when");
                None
            }
        }
    }

    /// A condition; problems are reported and give `None`.
    pub(super) fn condition(
        &mut self,
        pointer: &str,
        value: &Value,
        depth: usize,
    ) -> Option<Condition> {
        if depth > MAX_DEPTH {
            self.report(
                pointer,
                format!("nested deeper than {MAX_DEPTH} conditions"),
            );
            return None;
        }
        let Some(members) = value.as_object() else {
            self.report(pointer, "not a JSON object");
            return None;
        };
        let mut entries = members.iter();
        match (entries.next(), entries.next()) {
            (Some((name, inner)), None) if name == "all" || name == "any" => {
                let pointer = format!("{pointer}/{name}");
                let mut conditions = Vec::new();
                for (place, inner) in self.items(&pointer, Some(inner)).iter().enumerate() {
                    conditions.extend(self.condition(
                        &format!("{pointer}/{place}"),
                        inner,
                        depth + 1,
                    ));
                }
                Some(if name == "all" {
                    Condition::All(conditions)
                } else {
                    Condition::Any(conditions)
                })
            }
            (Some((name, inner)), None) if name == "not" => {
                let inner = self.condition(&format!("{pointer}/not"), inner, depth + 1)?;
                Some(Condition::Not(Box::new(inner)))
            }
            _ if members.contains_key("field") => self.test(pointer, value),
            _ => {
                self.report(
                    pointer,
                    "a condition is either `all`, `any` or `not`, or has `field` and `operator`",
                );
                None
            }
        }
    }

    fn test(&mut self, pointer: &str, value: &Value) -> Option<Condition> {
        let members = self.members(pointer, value, &["field", "operator", "value"])?;
        let field = self.text(format!("{pointer}/field"), members.get("field"));
        let operator = members.get("operator").and_then(Value::as_str);
        let value = members.get("value");
        let value_pointer = format!("{pointer}/value");
        let test = match operator {
            Some("equals") => self.equals(value_pointer, value),
            Some("one-of") => self.texts(value_pointer, value).map(Test::OneOf),
            Some("contains") => self.texts(value_pointer, value).map(Test::Contains),
            Some("matches-domain") => self.texts(value_pointer, value).map(Test::MatchesDomain),
            Some("greater") => self.bound(value_pointer, value).map(Test::Greater),
            Some("less") => self.bound(value_pointer, value).map(Test::Less),
            Some("exists") => self.no_value(value_pointer, value, Test::Exists),
            Some("missing") => self.no_value(value_pointer, value, Test::Missing),
            _ => {
                self.report(
                    format!("{pointer}/operator"),
                    format!("known are {OPERATORS}"),
                );
                None
            }
        };
        let field = field?;
        let mut parts = field.split('.');
        let first = parts.next().unwrap_or_default();
        let path = Path {
            slot: self.slot(first),
            rest: parts.map(str::to_owned).collect(),
        };
        Some(Condition::Field(path, test?))
    }

    fn equals(&mut self, pointer: String, value: Option<&Value>) -> Option<Test> {
        match value {
            Some(Value::String(text)) => Some(Test::OneOf(vec![wanted(text)])),
            Some(Value::Bool(truth)) => Some(Test::Truth(*truth)),
            Some(Value::Number(number)) => number.as_f64().map(Test::Number),
            _ => {
                self.report(pointer, "a text, a number, true or false is needed here");
                None
            }
        }
    }

    /// One text or a list of them, in lower case.
    fn texts(&mut self, pointer: String, value: Option<&Value>) -> Option<Vec<String>> {
        let items = match value {
            Some(Value::String(text)) => return Some(vec![wanted(text)]),
            Some(Value::Array(items)) if !items.is_empty() => items,
            _ => {
                self.report(pointer, "a text or a list of texts is needed here");
                return None;
            }
        };
        let mut texts = Vec::new();
        for (place, item) in items.iter().enumerate() {
            match item.as_str() {
                Some(text) => texts.push(wanted(text)),
                None => self.report(format!("{pointer}/{place}"), "not a text"),
            }
        }
        Some(texts)
    }

    fn bound(&mut self, pointer: String, value: Option<&Value>) -> Option<Bound> {
        match value {
            Some(Value::Number(number)) => number.as_f64().map(Bound::Number),
            Some(Value::String(text)) if is_date(text) => Some(Bound::Date(text.clone())),
            _ => {
                self.report(
                    pointer,
                    "a number or a date such as `2026-01-31` is needed here",
                );
                None
            }
        }
    }

    fn no_value(&mut self, pointer: String, value: Option<&Value>, test: Test) -> Option<Test> {
        if value.is_some() {
            self.report(pointer, "this operator takes no value");
            return None;
        }
        Some(test)
    }
}

fn wanted(text: &str) -> String {
    text.trim().to_lowercase()
}
