//! Reading settings, every problem with its place.

use serde_json::{Map, Value};

use super::{Field, Kind, Plan, Policy, Problem, Settings, defaults};
use crate::country;

const KINDS: [(&str, Kind); 7] = [
    ("given-name", Kind::GivenName),
    ("family-name", Kind::FamilyName),
    ("full-name", Kind::FullName),
    ("text", Kind::Text),
    ("email", Kind::Email),
    ("phone", Kind::Phone),
    ("country", Kind::Country),
];

const POLICIES: [(&str, Policy); 3] = [
    ("keep", Policy::Keep),
    ("clear", Policy::Clear),
    ("reject", Policy::Reject),
];

/// Reads settings.
pub(super) fn settings(text: &str) -> Result<Settings, Vec<Problem>> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| vec![problem("", format!("the settings are not JSON: {error}"))])?;
    let Value::Object(members) = value else {
        return Err(vec![problem(
            "",
            "the settings are a JSON object".to_owned(),
        )]);
    };
    let mut reader = Reader::default();
    let mut settings = Settings::default();
    for (name, value) in &members {
        let pointer = format!("/{}", escape(name));
        match name.as_str() {
            "default_country" => settings.default_country = reader.country(&pointer, value),
            "invalid_email" => settings.invalid_email = reader.policy(&pointer, value),
            "invalid_phone" => settings.invalid_phone = reader.policy(&pointer, value),
            "unknown_country" => settings.unknown_country = reader.policy(&pointer, value),
            "objects" => reader.objects(&pointer, value, &mut settings.plans),
            _ => reader.unknown(
                pointer,
                "default_country, invalid_email, invalid_phone, unknown_country and objects",
            ),
        }
    }
    if reader.problems.is_empty() {
        Ok(settings)
    } else {
        Err(reader.problems)
    }
}

#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn report(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.problems.push(problem(pointer, message));
    }

    fn unknown(&mut self, pointer: String, known: &str) {
        self.report(
            pointer,
            format!("there is no such setting; known are {known}"),
        );
    }

    fn country(&mut self, pointer: &str, value: &Value) -> Option<String> {
        if value.is_null() {
            return None;
        }
        let code = value.as_str().and_then(country::code);
        let code = code.filter(|code| country::calling_code(code).is_some());
        if code.is_none() {
            self.report(pointer, "not a country with a calling code, such as `DE`");
        }
        code.map(str::to_owned)
    }

    fn policy(&mut self, pointer: &str, value: &Value) -> Policy {
        self.one_of(pointer, value, &POLICIES).unwrap_or_default()
    }

    fn one_of<T: Copy>(&mut self, pointer: &str, value: &Value, known: &[(&str, T)]) -> Option<T> {
        let text = value.as_str();
        let found = known.iter().find(|(name, _)| Some(*name) == text);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.report(pointer, format!("not one of {}", names.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    fn objects(&mut self, pointer: &str, value: &Value, plans: &mut Vec<(String, Plan)>) {
        let Some(objects) = self.members(pointer, value) else {
            return;
        };
        for (object, value) in objects {
            let pointer = format!("{pointer}/{}", escape(object));
            let Some(members) = self.members(&pointer, value) else {
                continue;
            };
            let mut fields = defaults::fields(object);
            let mut phone_country = defaults::phone_country(object);
            for (name, value) in members {
                let pointer = format!("{pointer}/{}", escape(name));
                match name.as_str() {
                    "fields" => fields = Some(self.fields(&pointer, value)),
                    "phone_country" => phone_country = self.names(&pointer, value),
                    _ => self.unknown(pointer, "fields and phone_country"),
                }
            }
            match fields {
                Some(fields) if !fields.is_empty() => {
                    plans.retain(|(name, _)| name != object);
                    plans.push((object.clone(), Plan::new(fields, &phone_country)));
                }
                _ => self.report(pointer, "name at least one field under `fields`"),
            }
        }
    }

    fn fields(&mut self, pointer: &str, value: &Value) -> Vec<Field> {
        let mut fields = Vec::new();
        for (name, value) in self.members(pointer, value).into_iter().flatten() {
            let pointer = format!("{pointer}/{}", escape(name));
            if let Some(kind) = self.one_of(&pointer, value, &KINDS) {
                fields.push(Field {
                    name: name.clone(),
                    kind,
                });
            }
        }
        fields
    }

    fn names(&mut self, pointer: &str, value: &Value) -> Vec<String> {
        let Some(items) = value.as_array() else {
            self.report(pointer, "not a list of field names");
            return Vec::new();
        };
        let mut names = Vec::new();
        for (place, item) in items.iter().enumerate() {
            match item.as_str() {
                Some(name) => names.push(name.to_owned()),
                None => self.report(format!("{pointer}/{place}"), "not the name of a field"),
            }
        }
        names
    }

    fn members<'v>(&mut self, pointer: &str, value: &'v Value) -> Option<&'v Map<String, Value>> {
        let members = value.as_object();
        if members.is_none() {
            self.report(pointer, "not a JSON object");
        }
        members
    }
}

fn problem(pointer: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem {
        pointer: pointer.into(),
        message: message.into(),
    }
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
            r#"{"default_country":"Atlantis","invalid_phone":"ignore","colour":1,
                "objects":{"a/b":{"fields":{"X":"mail"}},"Lead":{"phone_country":["Country",3]}}}"#,
        )
        .unwrap_err();
        let mut pointers: Vec<&str> = problems.iter().map(|p| p.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(
            pointers,
            [
                "/colour",
                "/default_country",
                "/invalid_phone",
                "/objects/Lead/phone_country/1",
                "/objects/a~1b",
                "/objects/a~1b/fields/X",
            ]
        );
    }

    #[test]
    fn settings_that_are_no_object_are_refused() {
        assert!(settings("[]").is_err());
        assert!(settings("").is_err());
        assert!(settings("{}").is_ok());
    }

    #[test]
    fn the_schema_is_json_and_names_every_setting() {
        let schema: Value = serde_json::from_str(crate::SETTINGS_SCHEMA).unwrap();
        for name in [
            "default_country",
            "invalid_email",
            "invalid_phone",
            "unknown_country",
            "objects",
        ] {
            assert!(schema["properties"].get(name).is_some(), "{name}");
        }
    }
}
