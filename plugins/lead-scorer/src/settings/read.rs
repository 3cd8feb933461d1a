//! Reading settings, every problem with its place.

mod conditions;

use record_batch::Fields;
use serde_json::{Map, Value};

use super::{Problem, Rating, Rejection, Rule, Settings};

/// Points, scores and limits lie within this, so that sums cannot overflow and
/// any field of a CRM can hold them.
const MAX_POINTS: i64 = 1_000_000_000;

/// The longest reason of a rejection, in bytes: the contract cuts at 512.
const MAX_REASON: usize = 512;

/// Reads settings.
pub(super) fn settings(text: &str) -> Result<Settings, Vec<Problem>> {
    let mut reader = Reader::default();
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            reader.report("", format!("the settings are not JSON: {error}"));
            return Err(reader.problems);
        }
    };
    let Some(members) = reader.members("", &value, KNOWN_MEMBERS) else {
        return Err(reader.problems);
    };
    let score_slot = match members.get("score_field").map(|v| (v, v.as_str())) {
        Some((_, Some(name))) if is_field_name(name) => reader.slot(name),
        _ => {
            reader.report(
                "/score_field",
                "name the field that takes the score, for instance `Lead_Score__c`",
            );
            0
        }
    };
    let base = reader.points("/base", members.get("base"), 0);
    let minimum = reader.points("/minimum", members.get("minimum"), 0);
    let maximum = reader.points("/maximum", members.get("maximum"), 100);
    if minimum > maximum {
        reader.report("/minimum", "greater than the maximum");
    }
    let rules = reader.rules(members.get("rules"));
    let rating = members
        .get("rating")
        .and_then(|v| reader.rating("/rating", v));
    let drop_when = members
        .get("drop_when")
        .and_then(|value| reader.condition("/drop_when", value, 0));
    let reject_when = reader.rejections(members.get("reject_when"));
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    Ok(Settings {
        fields: Fields::new(&reader.fields),
        score_slot,
        base,
        minimum,
        maximum,
        rules,
        rating,
        drop_when,
        reject_when,
    })
}

const KNOWN_MEMBERS: &[&str] = &[
    "score_field",
    "base",
    "minimum",
    "maximum",
    "rules",
    "rating",
    "drop_when",
    "reject_when",
];

#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
    /// By slot.
    fields: Vec<String>,
}

impl Reader {
    fn report(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem {
            pointer: pointer.into(),
            message: message.into(),
        });
    }

    fn slot(&mut self, name: &str) -> usize {
        let known = self.fields.iter().position(|field| field == name);
        known.unwrap_or_else(|| {
            self.fields.push(name.to_owned());
            self.fields.len() - 1
        })
    }

    /// The members of an object, of which only `known` ones may be there.
    fn members<'v>(
        &mut self,
        pointer: &str,
        value: &'v Value,
        known: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let Some(members) = value.as_object() else {
            self.report(pointer, "not a JSON object");
            return None;
        };
        for name in members
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
        {
            self.report(
                format!("{pointer}/{}", escape(name)),
                format!("there is no such setting; known are {}", known.join(", ")),
            );
        }
        Some(members)
    }

    fn items<'v>(&mut self, pointer: &str, value: Option<&'v Value>) -> &'v [Value] {
        match value {
            None => &[],
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.report(pointer, "not a list");
                &[]
            }
        }
    }

    fn points(&mut self, pointer: &str, value: Option<&Value>, default: i64) -> i64 {
        let Some(value) = value else {
            return default;
        };
        match value.as_i64() {
            Some(points) if points.abs() <= MAX_POINTS => points,
            _ => {
                self.report(
                    pointer,
                    format!("not a whole number from -{MAX_POINTS} to {MAX_POINTS}"),
                );
                default
            }
        }
    }

    fn text(&mut self, pointer: String, value: Option<&Value>) -> Option<String> {
        let text = value
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty());
        if text.is_none() {
            self.report(pointer, "a text is needed here");
        }
        text.map(str::to_owned)
    }

    fn rules(&mut self, value: Option<&Value>) -> Vec<Rule> {
        let items = self.items("/rules", value);
        if items.is_empty() {
            self.report("/rules", "give at least one rule");
        }
        let mut rules = Vec::new();
        for (place, item) in items.iter().enumerate() {
            let pointer = format!("/rules/{place}");
            let Some(members) = self.members(&pointer, item, &["name", "when", "points"]) else {
                continue;
            };
            if members.get("points").is_none() {
                self.report(format!("{pointer}/points"), "say how many points");
            }
            let points = self.points(&format!("{pointer}/points"), members.get("points"), 0);
            if let Some(when) = self.needed_condition(&pointer, members) {
                rules.push(Rule { when, points });
            }
        }
        rules
    }

    fn rejections(&mut self, value: Option<&Value>) -> Vec<Rejection> {
        let mut rejections = Vec::new();
        for (place, item) in self.items("/reject_when", value).iter().enumerate() {
            let pointer = format!("/reject_when/{place}");
            let Some(members) = self.members(&pointer, item, &["when", "reason"]) else {
                continue;
            };
            let reason = self.text(format!("{pointer}/reason"), members.get("reason"));
            if reason.as_ref().is_some_and(|text| text.len() > MAX_REASON) {
                self.report(
                    format!("{pointer}/reason"),
                    format!("longer than {MAX_REASON} bytes"),
                );
            }
            if let (Some(when), Some(reason)) = (self.needed_condition(&pointer, members), reason) {
                rejections.push(Rejection { when, reason });
            }
        }
        rejections
    }

    fn rating(&mut self, pointer: &str, value: &Value) -> Option<Rating> {
        let members = self.members(pointer, value, &["field", "steps", "otherwise"])?;
        let field = self.text(format!("{pointer}/field"), members.get("field"));
        let steps_pointer = format!("{pointer}/steps");
        let items = self.items(&steps_pointer, members.get("steps"));
        if items.is_empty() {
            self.report(steps_pointer.as_str(), "give at least one step");
        }
        let mut steps: Vec<(i64, String)> = Vec::new();
        for (place, item) in items.iter().enumerate() {
            let pointer = format!("{steps_pointer}/{place}");
            let Some(members) = self.members(&pointer, item, &["at_least", "value"]) else {
                continue;
            };
            let at_least_pointer = format!("{pointer}/at_least");
            if members.get("at_least").is_none() {
                self.report(at_least_pointer.as_str(), "say from which score on");
            }
            let at_least = self.points(&at_least_pointer, members.get("at_least"), 0);
            if steps.iter().any(|(other, _)| *other == at_least) {
                self.report(at_least_pointer, "another step begins at the same score");
            }
            if let Some(value) = self.text(format!("{pointer}/value"), members.get("value")) {
                steps.push((at_least, value));
            }
        }
        steps.sort_by_key(|(at_least, _)| std::cmp::Reverse(*at_least));
        let otherwise = members
            .get("otherwise")
            .and_then(|value| self.text(format!("{pointer}/otherwise"), Some(value)));
        Some(Rating {
            slot: self.slot(&field?),
            steps,
            otherwise,
        })
    }
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('.')
}

/// A name as a part of a JSON pointer (RFC 6901, 3).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_at_once_with_their_places() {
        let problems = settings(
            r#"{"base":"ten","minimum":50,"maximum":10,"colour":1,
                "rules":[{"points":1.5,"when":{"field":"A","operator":"is"}},
                         {"when":{"all":[{"field":"B","operator":"greater","value":"big"}]}},
                         7],
                "rating":{"field":"Rating","steps":[{"at_least":1,"value":"x"},{"at_least":1,"value":""}]},
                "drop_when":{"any":[],"not":{}},
                "reject_when":[{"when":{"field":"C","operator":"exists"}}]}"#,
        )
        .unwrap_err();
        let mut pointers: Vec<&str> = problems.iter().map(|p| p.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(
            pointers,
            [
                "/base",
                "/colour",
                "/drop_when",
                "/minimum",
                "/rating/steps/1/at_least",
                "/rating/steps/1/value",
                "/reject_when/0/reason",
                "/rules/0/points",
                "/rules/0/when/operator",
                "/rules/1/points",
                "/rules/1/when/all/0/value",
                "/rules/2",
                "/score_field",
            ],
            "{problems:#?}"
        );
    }

    #[test]
    fn conditions_nest_only_so_deep() {
        let nested = |depth: usize| {
            let inner = r#"{"field":"A","operator":"exists"}"#;
            let when = format!("{}{inner}{}", r#"{"not":"#.repeat(depth), "}".repeat(depth));
            format!(r#"{{"score_field":"S","rules":[{{"when":{when},"points":1}}]}}"#)
        };
        assert!(settings(&nested(16)).is_ok());
        assert!(settings(&nested(17)).is_err());
        assert!(settings(&nested(100_000)).is_err());
    }

    #[test]
    fn the_schema_is_json_and_names_every_setting() {
        let schema: Value = serde_json::from_str(crate::SETTINGS_SCHEMA).unwrap();
        for name in KNOWN_MEMBERS {
            assert!(schema["properties"].get(name).is_some(), "{name}");
        }
    }
}
