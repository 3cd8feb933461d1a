//! What a connection can set, checked all at once.
//!
//! The JSON Schema stands beside this file; a test holds both to the same keys.

use serde_json::{Map, Value};

use crate::bindings::exports::lockgate::connector::records::SettingProblem;
use crate::names;

/// The schema as it is given to the host.
pub(crate) const SCHEMA: &str = include_str!("settings.schema.json");

/// Salesforce's bounds of a page, in records.
pub(crate) const MIN_PAGE: u32 = 200;
pub(crate) const MAX_PAGE: u32 = 2_000;

const MAX_OVERLAP: u64 = 8;
const DEFAULT_OVERLAP: usize = 2;
const MAX_MESSAGE_BYTES: usize = 512;
/// The client that changes are made as, unless a connection says another one.
const DEFAULT_CLIENT: &str = "Lockgate";

/// Settings of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `62.0`, if pinned.
    pub(crate) api_version: Option<String>,
    /// The value of `Sforce-Auto-Assign`.
    pub(crate) auto_assign: Option<String>,
    /// The value of `Sforce-Duplicate-Rule-Header`.
    pub(crate) duplicate_rule: Option<String>,
    /// The value of `Sforce-Call-Options`: it always names a client, by which
    /// changes of one's own are told from others'.
    pub(crate) call_options: String,
    client: String,
    /// The value of `Sforce-Mru`.
    pub(crate) mru: Option<String>,
    /// Wished records a page.
    pub(crate) query_batch_size: Option<u32>,
    /// Batches written at the same time, at least 1.
    pub(crate) write_overlap: usize,
    /// What follows `/services/apexrest/` in the path of the class that converts
    /// leads.
    pub(crate) lead_conversion: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_version: None,
            auto_assign: None,
            duplicate_rule: None,
            call_options: format!("client={DEFAULT_CLIENT}"),
            client: DEFAULT_CLIENT.to_owned(),
            mru: None,
            query_batch_size: None,
            write_overlap: DEFAULT_OVERLAP,
            lead_conversion: None,
        }
    }
}

impl Settings {
    /// The assignment rule that was chosen by its id.
    pub(crate) fn assignment_rule_id(&self) -> Option<&str> {
        self.auto_assign
            .as_deref()
            .filter(|rule| !matches!(*rule, "TRUE" | "FALSE"))
    }

    /// The client that changes are made as.
    pub(crate) fn client(&self) -> &str {
        &self.client
    }

    /// A setting that goes out as a header of each write, and that bulk jobs have
    /// nothing for.
    pub(crate) fn header_of_single_requests(&self) -> Option<&'static str> {
        if self.duplicate_rule.is_some() {
            return Some("duplicate_rule");
        }
        // A job runs no rule unless it is named, and cannot be told to run the
        // active one.
        (self.auto_assign.as_deref() == Some("TRUE")).then_some("auto_assign")
    }

    /// Reads settings, or says all that is wrong with them.
    pub(crate) fn read(text: &str) -> Result<Self, Vec<SettingProblem>> {
        let mut reader = Reader::default();
        let settings = match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(members)) => reader.settings(&members),
            Ok(_) => {
                reader.problem("", "settings are a JSON object");
                Self::default()
            }
            Err(error) => {
                reader.problem("", &format!("not JSON: line {}", error.line()));
                Self::default()
            }
        };
        if reader.problems.is_empty() {
            Ok(settings)
        } else {
            Err(reader.problems)
        }
    }
}

#[derive(Default)]
struct Reader {
    problems: Vec<SettingProblem>,
}

impl Reader {
    fn problem(&mut self, pointer: &str, message: &str) {
        self.problems.push(SettingProblem {
            pointer: pointer.to_owned(),
            message: crate::fault::cut(message.to_owned(), MAX_MESSAGE_BYTES),
        });
    }

    fn settings(&mut self, members: &Map<String, Value>) -> Settings {
        let mut settings = Settings::default();
        for (key, value) in members {
            match key.as_str() {
                "api_version" => settings.api_version = self.version(value),
                "auto_assign" => settings.auto_assign = self.auto_assign(value),
                "duplicate_rule" => settings.duplicate_rule = self.duplicate_rule(value),
                "call_options" => self.call_options(value, &mut settings),
                "update_mru" => {
                    settings.mru = self
                        .flag("/update_mru", value)
                        .map(|update| format!("updateMru={update}"));
                }
                "query_batch_size" => {
                    let range = u64::from(MIN_PAGE)..=u64::from(MAX_PAGE);
                    settings.query_batch_size = self
                        .number("/query_batch_size", value, range)
                        .and_then(|size| u32::try_from(size).ok());
                }
                "write_overlap" => {
                    settings.write_overlap = self
                        .number("/write_overlap", value, 1..=MAX_OVERLAP)
                        .and_then(|overlap| usize::try_from(overlap).ok())
                        .unwrap_or(DEFAULT_OVERLAP);
                }
                "lead_conversion" => settings.lead_conversion = self.apex_path(value),
                _ => self.unknown("", key),
            }
        }
        settings
    }

    /// An unknown key is a misspelt one: silence would leave the default on.
    fn unknown(&mut self, parent: &str, key: &str) {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        self.problem(&format!("{parent}/{escaped}"), "there is no such setting");
    }

    fn version(&mut self, value: &Value) -> Option<String> {
        let version = value.as_str().filter(|text| {
            text.strip_suffix(".0").is_some_and(|major| {
                (2..=3).contains(&major.len()) && major.bytes().all(|b| b.is_ascii_digit())
            })
        });
        if version.is_none() {
            self.problem("/api_version", "a version is a text such as \"62.0\"");
        }
        version.map(str::to_owned)
    }

    /// A namespace and the path of a class, or the latter alone.
    fn apex_path(&mut self, value: &Value) -> Option<String> {
        let is_name = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        let path = value
            .as_str()
            .filter(|path| path.len() <= 255 && path.split('/').all(is_name));
        if path.is_none() {
            self.problem(
                "/lead_conversion",
                "what follows /services/apexrest/ in the path of an Apex class: letters, digits, \
                 _ and / such as LeadConversion",
            );
        }
        path.map(str::to_owned)
    }

    fn auto_assign(&mut self, value: &Value) -> Option<String> {
        match value {
            Value::Bool(run) => Some(if *run { "TRUE" } else { "FALSE" }.to_owned()),
            Value::String(rule) if rule.starts_with("01Q") && names::id(rule).is_ok() => {
                Some(rule.clone())
            }
            _ => {
                self.problem(
                    "/auto_assign",
                    "true, false, or the id of an assignment rule, which starts with 01Q",
                );
                None
            }
        }
    }

    fn duplicate_rule(&mut self, value: &Value) -> Option<String> {
        let members = self.object("/duplicate_rule", value)?;
        let mut parts = Vec::new();
        for (key, value) in members {
            let name = match key.as_str() {
                "allow_save" => "allowSave",
                "include_record_details" => "includeRecordDetails",
                "run_as_current_user" => "runAsCurrentUser",
                _ => {
                    self.unknown("/duplicate_rule", key);
                    continue;
                }
            };
            if let Some(flag) = self.flag(&format!("/duplicate_rule/{key}"), value) {
                parts.push(format!("{name}={flag}"));
            }
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    fn call_options(&mut self, value: &Value, settings: &mut Settings) {
        let Some(members) = self.object("/call_options", value) else {
            return;
        };
        let mut namespace = String::new();
        for (key, value) in members {
            // Both stand in a list that commas divide.
            let (max, rule): (_, fn(u8) -> bool) = match key.as_str() {
                "client" => (64, |b| {
                    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'-')
                }),
                "default_namespace" => (15, |b| b.is_ascii_alphanumeric() || b == b'_'),
                _ => {
                    self.unknown("/call_options", key);
                    continue;
                }
            };
            match value.as_str() {
                Some(text) if (1..=max).contains(&text.len()) && text.bytes().all(rule) => {
                    if key == "client" {
                        text.clone_into(&mut settings.client);
                    } else {
                        namespace = format!(", defaultNamespace={text}");
                    }
                }
                _ => self.problem(
                    &format!("/call_options/{key}"),
                    &format!("a text of 1 to {max} letters, digits and _ (in client also . / -)"),
                ),
            }
        }
        settings.call_options = format!("client={}{namespace}", settings.client);
    }

    fn object<'v>(&mut self, pointer: &str, value: &'v Value) -> Option<&'v Map<String, Value>> {
        let members = value.as_object();
        if members.is_none() {
            self.problem(pointer, "this is a JSON object");
        }
        members
    }

    fn flag(&mut self, pointer: &str, value: &Value) -> Option<bool> {
        let flag = value.as_bool();
        if flag.is_none() {
            self.problem(pointer, "this is true or false");
        }
        flag
    }

    fn number(
        &mut self,
        pointer: &str,
        value: &Value,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let number = value.as_u64().filter(|number| range.contains(number));
        if number.is_none() {
            self.problem(
                pointer,
                &format!("a whole number from {} to {}", range.start(), range.end()),
            );
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_becomes_the_header_value_that_salesforce_reads() {
        let settings = Settings::read(
            r#"{"api_version":"62.0","auto_assign":false,
                "duplicate_rule":{"allow_save":true,"run_as_current_user":false},
                "call_options":{"client":"lockgate/acme","default_namespace":"ns"},
                "update_mru":true,"query_batch_size":500,"write_overlap":4,
                "lead_conversion":"acme/LeadConversion"}"#,
        )
        .unwrap();
        assert_eq!(settings.api_version.as_deref(), Some("62.0"));
        assert_eq!(settings.auto_assign.as_deref(), Some("FALSE"));
        assert_eq!(
            settings.duplicate_rule.as_deref(),
            Some("allowSave=true; runAsCurrentUser=false")
        );
        assert_eq!(
            settings.call_options,
            "client=lockgate/acme, defaultNamespace=ns"
        );
        assert_eq!(settings.client(), "lockgate/acme");
        assert_eq!(settings.mru.as_deref(), Some("updateMru=true"));
        assert_eq!(settings.query_batch_size, Some(500));
        assert_eq!(settings.write_overlap, 4);
        assert_eq!(
            settings.lead_conversion.as_deref(),
            Some("acme/LeadConversion")
        );
        assert_eq!(Settings::read("{}"), Ok(Settings::default()));
    }

    #[test]
    fn a_client_is_named_whatever_the_settings_say() {
        for (text, options, client) in [
            ("{}", "client=Lockgate", "Lockgate"),
            (
                r#"{"call_options":{"default_namespace":"ns"}}"#,
                "client=Lockgate, defaultNamespace=ns",
                "Lockgate",
            ),
            (
                r#"{"call_options":{"client":"acme"}}"#,
                "client=acme",
                "acme",
            ),
        ] {
            let settings = Settings::read(text).unwrap();
            assert_eq!(
                (&*settings.call_options, settings.client()),
                (options, client)
            );
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_and_where() {
        let problems = Settings::read(
            r#"{"api_version":62,"auto_assign":"001dM00003kRs59QAC","api/version":"62.0",
                "duplicate_rule":{"allow_save":"yes","alow":true},
                "call_options":{"client":"a, b"},"query_batch_size":100,"write_overlap":0,
                "lead_conversion":"../data"}"#,
        )
        .unwrap_err();
        let mut pointers: Vec<&str> = problems.iter().map(|p| p.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(
            pointers,
            [
                "/api_version",
                "/api~1version",
                "/auto_assign",
                "/call_options/client",
                "/duplicate_rule/allow_save",
                "/duplicate_rule/alow",
                "/lead_conversion",
                "/query_batch_size",
                "/write_overlap",
            ]
        );
        assert_eq!(Settings::read("[]").unwrap_err()[0].pointer, "");
        assert_eq!(Settings::read("{").unwrap_err()[0].pointer, "");
    }

    #[test]
    fn the_schema_names_exactly_the_settings_that_are_read() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let nothing = Value::Null;
        for key in schema["properties"].as_object().unwrap().keys() {
            let text = format!("{{\"{key}\":{nothing}}}");
            let problems = Settings::read(&text).unwrap_err();
            assert!(!problems[0].message.contains("no such setting"), "{key}");
        }
    }
}
