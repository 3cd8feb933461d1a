//! Batches of the scripted host: JSON that is taken apart as the contract says.

use serde_json::value::RawValue;

use crate::host::{BatchFrame, Form, Member, Told};
use crate::wire::Members;

/// The elements of an array; none of anything else.
pub(super) fn elements(json: &[u8]) -> Vec<&RawValue> {
    serde_json::from_slice(json).unwrap_or_default()
}

fn records(json: &[u8]) -> Option<Vec<Members<'_>>> {
    elements(json).into_iter().map(Members::of).collect()
}

pub(super) fn outline(json: &[u8]) -> Option<Vec<Member>> {
    let mut outline: Vec<Member> = Vec::new();
    for record in records(json)? {
        let mut names: Vec<&str> = Vec::new();
        for (name, value) in &record.0 {
            if names.contains(&&**name) || matches!(name, std::borrow::Cow::Owned(_)) {
                return None;
            }
            names.push(name);
            let known = outline.iter().position(|member| member.name == **name);
            let at = known.unwrap_or_else(|| {
                outline.push(Member {
                    name: name.to_string(),
                    texts: false,
                    numbers: false,
                    booleans: false,
                    nulls: false,
                    nested: false,
                });
                outline.len() - 1
            });
            match value.get().as_bytes()[0] {
                b'"' => outline[at].texts = true,
                b't' | b'f' => outline[at].booleans = true,
                b'n' => outline[at].nulls = true,
                b'{' | b'[' => outline[at].nested = true,
                _ => outline[at].numbers = true,
            }
        }
    }
    Some(outline)
}

pub(super) fn column(json: &[u8], member: usize) -> Vec<Option<String>> {
    let name = outline(json).unwrap().remove(member).name;
    let records = records(json).unwrap().into_iter();
    let value = |record: Members<'_>| {
        let mut members = record.0.into_iter();
        let found = members.find(|(known, _)| **known == name);
        found.map(|(_, value)| value.get().to_owned())
    };
    records.map(value).collect()
}

pub(super) fn body(json: &[u8], records: &[u32], frame: &BatchFrame) -> Vec<u8> {
    let all = elements(json);
    let records = records.iter().map(|at| {
        let inner = &all[*at as usize].get()[1..];
        let is_empty = frame.first.is_empty() || inner.trim_start() == "}";
        let comma = if is_empty { "" } else { "," };
        format!("{{{}{comma}{inner}", frame.first)
    });
    let records: Vec<String> = records.collect();
    format!("{}{}{}", frame.before, records.join(","), frame.after).into_bytes()
}

pub(super) fn told(body: &[u8], form: &Form) -> Option<Told<Vec<Option<String>>>> {
    let objects: Vec<&RawValue> = serde_json::from_slice(body).ok()?;
    let (mut others, mut written) = (Vec::new(), Vec::new());
    for (at, object) in objects.iter().enumerate() {
        let members = Members::of(object)?;
        let is = |(name, value): &(String, String)| {
            members.get(name).is_some_and(|found| found.get() == value)
        };
        let id = members.get(&form.id).and_then(crate::wire::text);
        let id = id.filter(|_| form.written.iter().all(is));
        if id.is_none() {
            others.push((at, object.get().to_owned()));
        }
        written.push(id.map(|id| id.into_owned()));
    }
    Some(Told {
        count: objects.len(),
        others,
        written,
    })
}
