//! Records on their way out: split, checked, and written as each route wants
//! them.
//!
//! In collections Salesforce wants `attributes` as the first member; a record's
//! own route wants neither `attributes` nor the id that stands in the path. All
//! other members go out byte by byte as they came.

use std::borrow::Cow;

use json_skim::{Malformed, Skim};

use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Problem};
use crate::fault::{problem, refused};
use crate::names;
use crate::wire::{decoded, push_text};

/// One record to write.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    /// What stands between its braces, if it can go into a collection as it came.
    inner: Option<&'a str>,
    members: Vec<Member<'a>>,
    /// What finds the record; nothing for one that is created.
    pub(crate) key: Key<'a>,
}

/// A field of a record with its value, as texts.
#[derive(Debug)]
struct Member<'a> {
    name: Cow<'a, str>,
    /// The name as it came, in its quotes.
    key: &'a str,
    value: &'a str,
}

/// What finds a record.
#[derive(Debug)]
pub(crate) enum Key<'a> {
    None,
    /// 18 characters.
    Id(String),
    /// The value of an external id field, decoded, and as it came.
    External {
        value: String,
        raw: &'a str,
    },
    /// An upsert by `Id` without one creates.
    NoId,
}

/// How records are found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyedBy<'k> {
    Nothing,
    /// It is nothing but an id.
    Itself,
    Id,
    Field(&'k str),
}

/// Reads a JSON array of records, each of which may be refused on its own.
pub(crate) fn read_rows<'a>(
    records: &'a [u8],
    keyed_by: KeyedBy<'_>,
) -> Result<Vec<Result<Row<'a>, Problem>>, Error> {
    let mut rows = Vec::new();
    let walked = str::from_utf8(records).ok().map(|text| {
        let mut skim = Skim::new(text);
        skim.elements(|skim| {
            rows.push(Row::read(text, skim, keyed_by)?);
            Ok::<(), Malformed>(())
        })
        .and_then(|()| skim.end())
    });
    match walked {
        Some(Ok(())) => Ok(rows),
        _ => Err(refused(
            Advice::FixRecord,
            "JSON_PARSER_ERROR",
            "records are one JSON array of objects",
        )),
    }
}

impl<'a> Row<'a> {
    /// Reads the record of `text` where `skim` stands, and takes its key out. This
    /// is the one look that a record gets on its way through the connector.
    fn read(
        text: &'a str,
        skim: &mut Skim<'a>,
        keyed_by: KeyedBy<'_>,
    ) -> Result<Result<Self, Problem>, Malformed> {
        if let KeyedBy::Itself = keyed_by {
            let id = Self::id(Some(skim.value()?));
            return Ok(id.map(|key| Self {
                inner: None,
                members: Vec::new(),
                key,
            }));
        }
        let mut members = Vec::with_capacity(16);
        // What names a related record is put in order first.
        let mut is_plain = true;
        let is_object = skim.peek() == Some(b'{');
        let start = skim.offset();
        if is_object {
            skim.members(|key, skim| {
                let value = skim.value()?;
                is_plain &= !value.starts_with('{');
                let name = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
                let name = Cow::Borrowed(name.unwrap_or_default());
                members.push(Member { name, key, value });
                Ok::<(), Malformed>(())
            })?;
        } else {
            skim.value()?;
        }
        let record = text.get(start..skim.offset()).unwrap_or_default();
        let inner = record.strip_prefix('{');
        let inner = inner.and_then(|record| record.strip_suffix('}'));
        let inner = inner.filter(|_| is_plain);
        Ok(if is_object && unescape_names(record, &mut members) {
            Self::of_members(inner, members, keyed_by)
        } else {
            Err(problem(
                Advice::FixRecord,
                "JSON_PARSER_ERROR",
                "a record is a JSON object",
            ))
        })
    }

    fn of_members(
        inner: Option<&'a str>,
        mut members: Vec<Member<'a>>,
        keyed_by: KeyedBy<'_>,
    ) -> Result<Self, Problem> {
        let all = members.len();
        members.retain(|member| member.name != "attributes");
        let inner = inner.filter(|_| members.len() == all);
        let key = match keyed_by {
            KeyedBy::Nothing | KeyedBy::Itself => Key::None,
            KeyedBy::Id => Self::id(take(&mut members, "Id"))?,
            KeyedBy::Field(field) if field.eq_ignore_ascii_case("Id") => {
                match take(&mut members, "Id") {
                    Some(raw) if raw != "null" => Self::id(Some(raw))?,
                    _ => Key::NoId,
                }
            }
            KeyedBy::Field(field) => Self::external(field, take(&mut members, field))?,
        };
        // An id is brought into its long form.
        let inner = inner.filter(|_| matches!(key, Key::None | Key::External { .. }));
        Ok(Self {
            inner,
            members,
            key,
        })
    }

    fn id(raw: Option<&str>) -> Result<Key<'a>, Problem> {
        let Some(id) = raw.and_then(decoded) else {
            let mut missing = problem(
                Advice::FixRecord,
                "MISSING_ARGUMENT",
                "the record has no Id",
            );
            missing.fields.push("Id".to_owned());
            return Err(missing);
        };
        names::id(&id).map(Key::Id)
    }

    fn external(field: &str, raw: Option<&'a str>) -> Result<Key<'a>, Problem> {
        let value = raw.and_then(|raw| {
            let value = match raw.bytes().next() {
                Some(b'"') => decoded(raw)?.into_owned(),
                Some(b'-' | b'0'..=b'9') => raw.to_owned(),
                _ => return None,
            };
            (!value.is_empty()).then_some(Key::External { value, raw })
        });
        value.ok_or_else(|| {
            let mut missing = problem(
                Advice::FixRecord,
                "MISSING_ARGUMENT",
                "the record has no text or number in the key field",
            );
            missing.fields.push(field.to_owned());
            missing
        })
    }

    /// The id, if the record is found by one.
    pub(crate) fn id_text(&self) -> Option<&str> {
        match &self.key {
            Key::Id(id) => Some(id),
            _ => None,
        }
    }

    /// The names of the fields that the record sets.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| &*member.name)
    }

    /// The fields that the record sets, and their values.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.members
            .iter()
            .map(|member| (&*member.name, member.value))
    }

    /// About how long the record is, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.members
            .iter()
            .map(|member| member.key.len() + member.value.len() + 2)
            .sum()
    }

    /// About how long the record is in a collection, in bytes, without its head.
    pub(crate) fn length(&self) -> usize {
        self.inner.map_or_else(|| self.size(), str::len)
    }

    /// Appends the record as an element of a collection whose elements begin like that.
    pub(crate) fn push_for_collection(
        &self,
        out: &mut Vec<u8>,
        head: &[u8],
        key_field: Option<&str>,
    ) {
        out.extend_from_slice(head);
        if let Some(inner) = self.inner {
            if !inner.trim_ascii_start().is_empty() {
                out.push(b',');
            }
            out.extend_from_slice(inner.as_bytes());
            out.push(b'}');
            return;
        }
        match &self.key {
            Key::Id(id) => {
                out.extend_from_slice(b",\"Id\":");
                push_text(out, id);
            }
            Key::External { raw, .. } => {
                if let Some(field) = key_field {
                    out.push(b',');
                    push_text(out, field);
                    out.push(b':');
                    out.extend_from_slice(raw.as_bytes());
                }
            }
            Key::NoId => out.extend_from_slice(b",\"Id\":null"),
            Key::None => {}
        }
        for member in &self.members {
            out.push(b',');
            member.push(out);
        }
        out.push(b'}');
    }

    /// The record as the body of its own route.
    pub(crate) fn alone(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size() + 2);
        out.push(b'{');
        for (at, member) in self.members.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            member.push(&mut out);
        }
        out.push(b'}');
        out
    }
}

/// How the elements of a collection begin: with what they are.
pub(crate) fn collection_head(object: &str) -> Vec<u8> {
    let mut head = b"{\"attributes\":{\"type\":".to_vec();
    push_text(&mut head, object);
    head.push(b'}');
    head
}

impl Member<'_> {
    fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.key.as_bytes());
        out.push(b':');
        if self.value.starts_with('{') {
            push_related(out, self.value);
        } else {
            out.extend_from_slice(self.value.as_bytes());
        }
    }
}

/// A related record that is named by its key. Where it may be of several
/// objects, its `attributes` say of which, and Salesforce wants them first.
fn push_related(out: &mut Vec<u8>, value: &str) {
    let mut members = Vec::new();
    let walked = Skim::new(value).members(|key, skim| {
        members.push((key, skim.value()?));
        Ok::<(), Malformed>(())
    });
    if walked.is_err() {
        // It was read before, as a part of its record.
        out.extend_from_slice(value.as_bytes());
        return;
    }
    members.sort_by_key(|(key, _)| *key != "\"attributes\"");
    out.push(b'{');
    for (at, (key, value)) in members.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key.as_bytes());
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'}');
}

/// Decodes the names of a record's members, if anything is escaped in it. False if one
/// is no text.
fn unescape_names(record: &str, members: &mut [Member<'_>]) -> bool {
    // One fast look at nearly all records, instead of one at each name.
    if memchr::memchr(b'\\', record.as_bytes()).is_none() {
        return true;
    }
    members.iter_mut().all(|member| {
        let name = decoded(member.key);
        let is_text = name.is_some();
        member.name = name.unwrap_or_default();
        is_text
    })
}

fn take<'a>(members: &mut Vec<Member<'a>>, name: &str) -> Option<&'a str> {
    let at = members
        .iter()
        .position(|member| member.name.eq_ignore_ascii_case(name))?;
    Some(members.remove(at).value)
}

/// Percent-encodes a value as one segment of a path: everything but letters,
/// digits, `-` and `_`, so that no slash, dot or space of a value is ever one of
/// the path.
pub(crate) fn segment(value: &str) -> String {
    encode(value, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
    })
}

/// Percent-encodes what the given bytes do not allow.
pub(crate) fn encode(value: &str, keep: impl Fn(u8) -> bool) -> String {
    const DIGITS: &str = "0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.chars().nth(usize::from(nibble)).unwrap_or('0');
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if keep(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(digit(byte >> 4));
            out.push(digit(byte & 15));
        }
    }
    out
}

/// Undoes percent-encoding.
pub(crate) fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let pair = match after {
            [high, low, ..] if *first == b'%' => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        out.push(pair.unwrap_or(*first));
        rest = after
            .get(if pair.is_some() { 2 } else { 0 }..)
            .unwrap_or_default();
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(json: &'a str, keyed_by: KeyedBy<'_>) -> Result<Row<'a>, Problem> {
        Row::read(json, &mut Skim::new(json), keyed_by).unwrap()
    }

    fn for_collection(json: &str, keyed_by: KeyedBy<'_>, field: Option<&str>) -> String {
        let row = read(json, keyed_by).unwrap();
        let mut out = Vec::new();
        row.push_for_collection(&mut out, &collection_head("Contact"), field);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn attributes_come_first_and_all_else_keeps_its_order_and_its_digits() {
        assert_eq!(
            for_collection(
                r#"{"LastName":"A","Amount__c":12345678901234567890.100,"Big":1e400,
                    "attributes":{"type":"Lead","url":"/x"},"Account":{"attributes":{"type":"Account"},"K__c":"1"}}"#,
                KeyedBy::Nothing,
                None
            ),
            r#"{"attributes":{"type":"Contact"},"LastName":"A","Amount__c":12345678901234567890.100,"Big":1e400,"Account":{"attributes":{"type":"Account"},"K__c":"1"}}"#
        );
    }

    #[test]
    fn the_attributes_of_a_related_record_come_before_its_key() {
        let json =
            r#"{"Who":{"Email":"a@b.org", "attributes":{"type":"Lead"}},"Account":{"K__c":1.10}}"#;
        let related =
            r#""Who":{"attributes":{"type":"Lead"},"Email":"a@b.org"},"Account":{"K__c":1.10}"#;
        assert_eq!(
            for_collection(json, KeyedBy::Nothing, None),
            format!(r#"{{"attributes":{{"type":"Contact"}},{related}}}"#)
        );
        let alone = read(json, KeyedBy::Nothing).unwrap().alone();
        assert_eq!(String::from_utf8(alone).unwrap(), format!("{{{related}}}"));
    }

    #[test]
    fn an_id_follows_the_attributes_whatever_its_case_and_place() {
        assert_eq!(
            for_collection(
                r#"{"LastName":null,"id":"003dM00001wBXYD"}"#,
                KeyedBy::Id,
                None
            ),
            r#"{"attributes":{"type":"Contact"},"Id":"003dM00001wBXYDQA4","LastName":null}"#
        );
    }

    #[test]
    fn a_null_id_stays_so_that_an_upsert_by_id_creates() {
        assert_eq!(
            for_collection(
                r#"{"Id":null,"LastName":"A"}"#,
                KeyedBy::Field("Id"),
                Some("Id")
            ),
            r#"{"attributes":{"type":"Contact"},"Id":null,"LastName":"A"}"#
        );
    }

    #[test]
    fn a_record_that_can_goes_into_a_collection_as_it_came() {
        for (json, inner) in [
            (r#"{ "Name" : "A" }"#, r#", "Name" : "A" "#),
            (
                r#"{"Name":"{","Tags":["a"]}"#,
                r#","Name":"{","Tags":["a"]"#,
            ),
            ("{}", ""),
            ("{ }", " "),
        ] {
            assert_eq!(
                for_collection(json, KeyedBy::Nothing, None),
                format!(r#"{{"attributes":{{"type":"Contact"}}{inner}}}"#)
            );
        }
    }

    #[test]
    fn the_key_is_in_a_collection_and_not_in_the_body_of_its_own_route() {
        let json = r#"{"Name":"A","Key__c":"a\/b \u00fc+"}"#;
        assert_eq!(
            for_collection(json, KeyedBy::Field("key__c"), Some("Key__c")),
            r#"{"attributes":{"type":"Contact"},"Name":"A","Key__c":"a\/b \u00fc+"}"#
        );
        let related = r#"{"A":{"K__c":"1"},"Key__c":"7"}"#;
        assert_eq!(
            for_collection(related, KeyedBy::Field("Key__c"), Some("Key__c")),
            r#"{"attributes":{"type":"Contact"},"Key__c":"7","A":{"K__c":"1"}}"#
        );
        let row = read(json, KeyedBy::Field("Key__c")).unwrap();
        assert_eq!(row.alone(), br#"{"Name":"A"}"#);
        let Key::External { value, .. } = &row.key else {
            panic!("no key")
        };
        assert_eq!(segment(value), "a%2Fb%20%C3%BC%2B");
        assert_eq!(segment(".."), "%2E%2E");
    }

    #[test]
    fn a_record_without_its_key_is_told_so_and_names_the_field() {
        for json in [
            r"{}",
            r#"{"Key__c":null}"#,
            r#"{"Key__c":""}"#,
            r#"{"Key__c":true}"#,
        ] {
            let problem = read(json, KeyedBy::Field("Key__c")).unwrap_err();
            assert_eq!(problem.fields, ["Key__c"], "{json}");
        }
        let problem = read("{}", KeyedBy::Id).unwrap_err();
        assert_eq!(problem.code, "MISSING_ARGUMENT");
        assert!(read("[]", KeyedBy::Nothing).is_err());
    }
}
