//! A member of the list, and what its fields may hold.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use crate::moment;
use crate::refusal::Refusal;

/// The longest e-mail address, in characters, as RFC 5321 has it.
const MAX_EMAIL: usize = 254;
/// The longest first or last name, in characters.
const MAX_NAME: usize = 80;
/// The longest key that another system gives a member, in characters.
const MAX_KEY: usize = 64;
/// The most tags of a member, and the longest, in characters.
const MAX_TAGS: usize = 20;
const MAX_TAG: usize = 40;

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) is_subscribed: bool,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) external_key: Option<String>,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
}

impl Member {
    /// A member of whom nothing is known yet.
    pub(crate) fn new(id: String) -> Self {
        Self {
            id,
            email: String::new(),
            first_name: None,
            last_name: None,
            is_subscribed: true,
            tags: BTreeSet::new(),
            external_key: None,
            created_ms: 0,
            updated_ms: 0,
        }
    }

    /// The fields that clients write, as JSON has them.
    pub(crate) fn written(&self) -> Map<String, Json> {
        let fields = json!({
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "status": self.status(),
            "tags": self.tags,
            "external_key": self.external_key,
        });
        match fields {
            Json::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    /// All of it.
    pub(crate) fn json(&self) -> Json {
        let mut fields = Map::new();
        fields.insert("id".to_owned(), self.id.as_str().into());
        fields.extend(self.written());
        for (name, ms) in [
            ("created_at", self.created_ms),
            ("updated_at", self.updated_ms),
        ] {
            fields.insert(name.to_owned(), moment::text(ms).into());
        }
        Json::Object(fields)
    }

    pub(crate) const fn status(&self) -> &'static str {
        match self.is_subscribed {
            true => "subscribed",
            false => "unsubscribed",
        }
    }

    /// Takes over fields that somebody gave.
    pub(crate) fn set(&mut self, fields: &Map<String, Json>) -> Result<(), Refusal> {
        for (name, value) in fields {
            match name.as_str() {
                "email" => self.email = email(value)?,
                "first_name" => self.first_name = text(name, value, MAX_NAME)?,
                "last_name" => self.last_name = text(name, value, MAX_NAME)?,
                "external_key" => self.external_key = text(name, value, MAX_KEY)?,
                "status" => self.is_subscribed = is_subscribed(value)?,
                "tags" => self.tags = tags(value)?,
                "id" if *value == *self.id => {}
                "id" | "created_at" | "updated_at" => {
                    return Err(Refusal::of_field(
                        "read_only",
                        name,
                        "the service sets this field itself",
                    ));
                }
                _ => {
                    return Err(Refusal::of_field(
                        "unknown_field",
                        name,
                        "members have no such field",
                    ));
                }
            }
        }
        if self.email.is_empty() {
            return Err(Refusal::of_field(
                "required",
                "email",
                "a member has an e-mail address",
            ));
        }
        Ok(())
    }
}

/// The form in which two addresses or keys are compared.
pub(crate) fn folded(text: &str) -> String {
    text.to_lowercase()
}

fn email(value: &Json) -> Result<String, Refusal> {
    let wrong = |what: &str| Refusal::of_field("invalid_email", "email", what);
    let text = value.as_str().ok_or_else(|| wrong("it is no text"))?.trim();
    if text.chars().count() > MAX_EMAIL {
        return Err(wrong("it is longer than 254 characters"));
    }
    let is_address = text.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty()
            && !domain.contains('@')
            && domain.contains('.')
            && domain.split('.').all(|label| !label.is_empty())
            && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    });
    match is_address {
        true => Ok(text.to_owned()),
        false => Err(wrong("it is no e-mail address")),
    }
}

fn text(name: &str, value: &Json, most: usize) -> Result<Option<String>, Refusal> {
    match value {
        Json::Null => Ok(None),
        Json::String(text) if text.chars().count() > most => Err(Refusal::of_field(
            "too_long",
            name,
            format!("it is longer than {most} characters"),
        )),
        Json::String(text) if text.is_empty() => Ok(None),
        Json::String(text) => Ok(Some(text.clone())),
        _ => Err(Refusal::of_field("invalid_type", name, "it is no text")),
    }
}

fn is_subscribed(value: &Json) -> Result<bool, Refusal> {
    match value.as_str() {
        Some("subscribed") => Ok(true),
        Some("unsubscribed") => Ok(false),
        _ => Err(Refusal::of_field(
            "invalid_status",
            "status",
            "it is neither subscribed nor unsubscribed",
        )),
    }
}

fn tags(value: &Json) -> Result<BTreeSet<String>, Refusal> {
    let wrong = |what: String| Refusal::of_field("invalid_tags", "tags", what);
    if value.is_null() {
        return Ok(BTreeSet::new());
    }
    let list = value
        .as_array()
        .ok_or_else(|| wrong("they are no list of texts".to_owned()))?;
    let mut tags = BTreeSet::new();
    for tag in list {
        let is_tag = |tag: &&str| {
            (1..=MAX_TAG).contains(&tag.len())
                && tag
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let tag = tag
            .as_str()
            .filter(is_tag)
            .ok_or_else(|| wrong(format!("a tag is 1 to {MAX_TAG} of a-z, 0-9 and -")))?;
        tags.insert(tag.to_owned());
    }
    match tags.len() <= MAX_TAGS {
        true => Ok(tags),
        false => Err(wrong(format!("a member has at most {MAX_TAGS} tags"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(fields: Json) -> &'static str {
        let mut member = Member::new("m1".to_owned());
        member.email = "a@example.com".to_owned();
        member.set(fields.as_object().unwrap()).unwrap_err().code
    }

    #[test]
    fn each_field_has_rules() {
        for (fields, code) in [
            (json!({"email": "no address"}), "invalid_email"),
            (json!({"email": "a@nowhere"}), "invalid_email"),
            (json!({"email": null}), "invalid_email"),
            (json!({"first_name": "x".repeat(81)}), "too_long"),
            (json!({"last_name": 7}), "invalid_type"),
            (json!({"status": "perhaps"}), "invalid_status"),
            (json!({"tags": ["Not a tag"]}), "invalid_tags"),
            (json!({"tags": "vip"}), "invalid_tags"),
            (json!({"id": "m2"}), "read_only"),
            (json!({"shoe_size": 44}), "unknown_field"),
        ] {
            assert_eq!(refused(fields.clone()), code, "{fields}");
        }
    }

    #[test]
    fn a_member_needs_an_address() {
        let mut member = Member::new("m1".to_owned());
        let refusal = member.set(&Map::new()).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.field.as_deref()),
            ("required", Some("email"))
        );
    }
}
