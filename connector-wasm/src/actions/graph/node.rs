//! One node of a graph: a record to write, whose fields can be the ids of
//! records of other nodes.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::body::segment;
use crate::fault::problem;
use crate::host::Host;
use crate::names;
use crate::wire::{Members, push_text, text};

/// What starts a reference in Salesforce's own words.
const REFERENCE: &str = "@{";

/// What to do with the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verb {
    #[default]
    Create,
    Update,
    Upsert,
    Delete,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeInput<'a> {
    #[serde(rename = "ref")]
    pub(super) name: String,
    #[serde(default, rename = "method")]
    pub(super) verb: Verb,
    pub(super) object: String,
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    key_field: Option<String>,
    #[serde(default, borrow)]
    key: Option<&'a RawValue>,
    #[serde(default, borrow)]
    fields: Option<Members<'a>>,
}

/// A value that another node's record gives.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    #[serde(rename = "ref")]
    name: String,
}

/// An id that is known, or that another node's record will have.
#[derive(Debug)]
enum Id {
    Known(String),
    Of(String),
}

/// The nodes of a graph by their names, as places in its list.
pub(super) type Places<'n> = HashMap<&'n str, usize>;

impl NodeInput<'_> {
    /// The id that the caller gave, if any.
    pub(super) fn known_id(&self) -> Option<String> {
        match self.target().ok()?? {
            Id::Known(id) => Some(id),
            Id::Of(_) => None,
        }
    }

    fn target(&self) -> Result<Option<Id>, Problem> {
        let Some(raw) = self.id else { return Ok(None) };
        if let Some(name) = reference(raw) {
            return Ok(Some(Id::Of(name)));
        }
        let id = text(raw).ok_or_else(|| wrong("an id is a text, or {\"ref\": …}"))?;
        names::id(&id).map(|id| Some(Id::Known(id)))
    }

    /// Checks everything but where references lead to, and gives the nodes that
    /// this one refers to.
    pub(super) fn check(&self) -> Result<Vec<String>, Problem> {
        if names::key_field(&self.name).is_err() {
            return Err(wrong(
                "a node's ref has letters, digits and _ only, and starts with a letter",
            ));
        }
        names::object(&self.object).map_err(refusal)?;
        let target = self.target()?;
        let has_key = self.key.is_some() || self.key_field.is_some();
        match self.verb {
            Verb::Create if target.is_some() || has_key => {
                return Err(wrong("a node that creates has neither id nor key"));
            }
            Verb::Update | Verb::Delete if target.is_none() || has_key => {
                return Err(wrong("a node that updates or deletes has an id and no key"));
            }
            Verb::Upsert if target.is_some() || self.key_text().is_none() => {
                return Err(wrong(
                    "a node that upserts has a key_field, and as key a text or a number",
                ));
            }
            _ => {}
        }
        if self.verb == Verb::Delete && self.fields.is_some() {
            return Err(wrong("a node that deletes has no fields"));
        }
        let mut used = Vec::new();
        if let Some(Id::Of(name)) = target {
            used.push(name);
        }
        for (field, value) in self.fields.iter().flat_map(|fields| &fields.0) {
            names::key_field(field).map_err(refusal)?;
            if field.eq_ignore_ascii_case("Id") {
                return Err(wrong("the id is the node's member id, not a field"));
            }
            match reference(value) {
                Some(name) => used.push(name),
                None => refuse_references(field, value)?,
            }
        }
        Ok(used)
    }

    /// The key field and the key, as a segment of the path.
    fn key_text(&self) -> Option<(&str, String)> {
        let field = self.key_field.as_deref()?;
        names::key_field(field).ok()?;
        let raw = self.key?;
        let key = match raw.get().bytes().next()? {
            b'"' => text(raw)?.into_owned(),
            b'-' | b'0'..=b'9' => raw.get().to_owned(),
            _ => return None,
        };
        (!key.is_empty()).then(|| (field, segment(&key)))
    }

    /// Appends the node as Salesforce wants it.
    pub(super) fn push(
        &self,
        out: &mut Vec<u8>,
        version: &str,
        headers: &[u8],
        nodes: &[NodeInput<'_>],
        places: &Places<'_>,
    ) {
        let mut url = format!("/services/data/v{version}/sobjects/{}", self.object);
        let method = match self.verb {
            Verb::Create => "POST",
            Verb::Update | Verb::Upsert => "PATCH",
            Verb::Delete => "DELETE",
        };
        if let Ok(Some(id)) = self.target() {
            url.push('/');
            url.push_str(&id.written(nodes, places));
        } else if let Some((field, key)) = self.key_text() {
            url.push('/');
            url.push_str(field);
            url.push('/');
            url.push_str(&key);
        }
        out.extend_from_slice(b"{\"method\":");
        push_text(out, method);
        out.extend_from_slice(b",\"url\":");
        push_text(out, &url);
        out.extend_from_slice(b",\"referenceId\":");
        push_text(out, &self.name);
        out.extend_from_slice(headers);
        if self.verb != Verb::Delete {
            out.extend_from_slice(b",\"body\":{");
            for (at, (field, value)) in self.fields.iter().flat_map(|f| &f.0).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                push_text(out, field);
                out.push(b':');
                match reference(value) {
                    Some(name) => push_text(out, &Id::Of(name).written(nodes, places)),
                    None => out.extend_from_slice(value.get().as_bytes()),
                }
            }
            out.push(b'}');
        }
        out.push(b'}');
    }
}

impl Id {
    /// As it stands in a request. A record that is only changed answers with
    /// nothing, so its own id is written, which is known.
    fn written(self, nodes: &[NodeInput<'_>], places: &Places<'_>) -> String {
        let mut id = self;
        // Changed by the id of another node, and that one again: never round,
        // since the graph has no circles.
        for _ in 0..=nodes.len() {
            let Self::Of(name) = &id else { break };
            let node = places.get(name.as_str()).and_then(|at| nodes.get(*at));
            match node.filter(|node| node.verb == Verb::Update) {
                Some(node) => match node.target() {
                    Ok(Some(next)) => id = next,
                    _ => break,
                },
                None => break,
            }
        }
        match id {
            Self::Known(id) => id,
            Self::Of(name) => format!("{REFERENCE}{name}.id}}"),
        }
    }
}

/// The settings that Salesforce does not take from the request around a node.
pub(super) fn headers<H: Host>(api: &Api<H>) -> Vec<u8> {
    let settings = &api.settings;
    let mut out = Vec::new();
    for (name, value) in [
        ("Sforce-Auto-Assign", &settings.auto_assign),
        ("Sforce-Duplicate-Rule-Header", &settings.duplicate_rule),
        ("Sforce-Mru", &settings.mru),
    ] {
        let Some(value) = value else { continue };
        out.extend_from_slice(if out.is_empty() {
            b",\"httpHeaders\":{"
        } else {
            b","
        });
        push_text(&mut out, name);
        out.push(b':');
        push_text(&mut out, value);
    }
    if !out.is_empty() {
        out.push(b'}');
    }
    out
}

/// `{"ref": "account"}`, which no value of a field looks like.
fn reference(raw: &RawValue) -> Option<String> {
    if !raw.get().starts_with('{') {
        return None;
    }
    serde_json::from_str::<Reference>(raw.get())
        .ok()
        .map(|reference| reference.name)
}

/// A text of somebody's that Salesforce would take for a reference cannot be
/// sent: there is no way to escape it.
fn refuse_references(field: &str, raw: &RawValue) -> Result<(), Problem> {
    let may_hold_one = raw.get().contains('@') || raw.get().contains("\\u");
    if may_hold_one
        && serde_json::from_str::<Value>(raw.get()).is_ok_and(|value| holds_reference(&value))
    {
        let mut refused = wrong(
            "this text holds @{, which Salesforce reads as a reference within a graph: write the \
             record by itself, or refer to a node by {\"ref\": …}",
        );
        refused.fields.push(field.to_owned());
        return Err(refused);
    }
    Ok(())
}

fn holds_reference(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(REFERENCE),
        Value::Array(items) => items.iter().any(holds_reference),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.contains(REFERENCE) || holds_reference(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn wrong(message: &str) -> Problem {
    problem(Advice::FixRecord, "INVALID_INPUT", message)
}

fn refusal(error: Error) -> Problem {
    match error {
        Error::Refused(problem) => problem,
        _ => wrong("a name is malformed"),
    }
}
