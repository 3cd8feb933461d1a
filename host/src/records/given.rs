//! Records as a caller gave them to a writer: what they have in common, and bodies
//! of requests that are made of them, without parsing them more than once.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use json_skim::{Malformed, Skim};

/// How many names the records of one outline may have. The contract promises it.
const MAX_NAMES: usize = 512;

/// What was given with one push.
#[derive(Debug)]
pub(crate) struct Given {
    json: Bytes,
    count: usize,
    outline: OnceLock<Option<Outline>>,
}

/// What records have under which names, and where each of them stands.
#[derive(Debug)]
pub(crate) struct Outline {
    pub(crate) members: Vec<Member>,
    /// What stands between the braces of each record.
    records: Vec<Range<usize>>,
}

/// What records have under one name.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) texts: bool,
    pub(crate) numbers: bool,
    pub(crate) booleans: bool,
    pub(crate) nulls: bool,
    pub(crate) nested: bool,
    /// The last record that had it, to find names that stand twice in one.
    last: usize,
}

/// What stands around the records of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'f> {
    pub(crate) before: &'f str,
    /// Members that each record begins with.
    pub(crate) first: &'f str,
    pub(crate) after: &'f str,
}

impl Given {
    /// Takes a JSON array of so many elements.
    pub(crate) const fn new(json: Bytes, count: usize) -> Self {
        Self {
            json,
            count,
            outline: OnceLock::new(),
        }
    }

    /// Takes a JSON array from somebody who does not know how many elements it has;
    /// `None` if it is none.
    pub(crate) fn counted(json: Bytes) -> Option<Self> {
        let text = str::from_utf8(&json).ok()?;
        let mut skim = Skim::new(text);
        let mut count = 0;
        let walked = skim.elements(|skim| {
            count += 1;
            skim.value().map(drop)
        });
        walked.and_then(|()| skim.end()).ok()?;
        Some(Self::new(json, count))
    }

    /// How many elements there are.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// The array.
    pub(crate) const fn json(&self) -> &Bytes {
        &self.json
    }

    fn text(&self) -> Option<&str> {
        str::from_utf8(&self.json).ok()
    }

    /// What the records have in common, if that can be told.
    pub(crate) fn outline(&self) -> Option<&Outline> {
        let outline = self.outline.get_or_init(|| Outline::of(self.text()?));
        outline.as_ref()
    }

    /// The value of a member in each record, as JSON.
    pub(crate) fn column(&self, member: usize) -> Vec<Option<&str>> {
        let (Some(outline), Some(text)) = (self.outline(), self.text()) else {
            return Vec::new();
        };
        let Some(member) = outline.members.get(member) else {
            return Vec::new();
        };
        let name = member.name.as_str();
        let mut column = Vec::with_capacity(outline.records.len());
        // It was walked before: nothing is wrong with it.
        let _walked = Skim::new(text).elements(|skim| {
            let mut found = None;
            skim.members(|key, skim| {
                let value = skim.value()?;
                if unquoted(key) == name {
                    found = Some(value);
                }
                Ok::<(), Malformed>(())
            })?;
            column.push(found);
            Ok::<(), Malformed>(())
        });
        column
    }

    /// A body of these records, in this order. `None` if there is no such record or no
    /// outline, or if the body would have more bytes than that.
    pub(crate) fn body(&self, records: &[u32], frame: Frame<'_>, most: u64) -> Option<Bytes> {
        let outline = self.outline()?;
        let around = frame.first.len() + "{,},".len();
        let mut length = frame.before.len() + frame.after.len();
        for record in records {
            let inner = outline.records.get(*record as usize)?;
            length = length.checked_add(inner.len() + around)?;
        }
        if length as u64 > most {
            return None;
        }
        let mut body = Vec::with_capacity(length);
        body.extend_from_slice(frame.before.as_bytes());
        for (at, record) in records.iter().enumerate() {
            let inner = outline.records.get(*record as usize)?;
            let inner = self.json.get(inner.clone())?;
            if at > 0 {
                body.push(b',');
            }
            body.push(b'{');
            body.extend_from_slice(frame.first.as_bytes());
            if !(frame.first.is_empty() || inner.trim_ascii_start().is_empty()) {
                body.push(b',');
            }
            body.extend_from_slice(inner);
            body.push(b'}');
        }
        body.extend_from_slice(frame.after.as_bytes());
        Some(body.into())
    }
}

impl Outline {
    /// The one look that the host takes at each record.
    fn of(text: &str) -> Option<Self> {
        let mut members: Vec<Member> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut records: Vec<Range<usize>> = Vec::new();
        let mut skim = Skim::new(text);
        let walked = skim.elements(|skim| {
            let start = skim.offset() + 1;
            let number = records.len();
            // Most records name their members in the same order.
            let mut likely = 0;
            skim.members(|key, skim| {
                let name = unquoted(key);
                let is_likely = members.get(likely).is_some_and(|known| known.name == name);
                let place = match is_likely {
                    true => likely,
                    false => match places.get(name) {
                        Some(place) => *place,
                        None if members.len() == MAX_NAMES || name.contains('\\') => {
                            return Err(without_outline(skim));
                        }
                        None => {
                            places.insert(name, members.len());
                            members.push(Member::new(name));
                            members.len() - 1
                        }
                    },
                };
                likely = place + 1;
                let first = skim.peek();
                skim.value()?;
                match members.get_mut(place) {
                    Some(member) if member.last != number => {
                        member.last = number;
                        member.note(first);
                        Ok(())
                    }
                    _ => Err(without_outline(skim)),
                }
            })?;
            records.push(start..skim.offset() - 1);
            Ok::<(), Malformed>(())
        });
        walked.and_then(|()| skim.end()).ok()?;
        Some(Self { members, records })
    }
}

impl Member {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            texts: false,
            numbers: false,
            booleans: false,
            nulls: false,
            nested: false,
            last: usize::MAX,
        }
    }

    /// Notes a value by its first byte.
    const fn note(&mut self, first: Option<u8>) {
        match first {
            Some(b'"') => self.texts = true,
            Some(b'{' | b'[') => self.nested = true,
            Some(b't' | b'f') => self.booleans = true,
            Some(b'n') => self.nulls = true,
            _ => self.numbers = true,
        }
    }
}

/// Ends a walk that leads nowhere.
const fn without_outline(skim: &Skim<'_>) -> Malformed {
    Malformed {
        at: skim.offset(),
        expected: "names that stand once, without escapes, and not too many",
    }
}

/// What stands between the quotes of a JSON string.
pub(super) fn unquoted(key: &str) -> &str {
    let inner = key
        .strip_prefix('"')
        .and_then(|inner| inner.strip_suffix('"'));
    inner.unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame<'static> = Frame {
        before: "<",
        first: "\"t\":1",
        after: ">",
    };

    fn given(json: &str) -> Given {
        Given::new(Bytes::copy_from_slice(json.as_bytes()), 0)
    }

    fn body(given: &Given, records: &[u32], frame: Frame<'_>) -> Option<String> {
        let body = given.body(records, frame, 1_000)?;
        Some(String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn an_outline_tells_names_in_their_order_and_what_stands_under_them() {
        let given =
            given(r#" [{"a":"x","b":1}, {"b":null,"c":[1]},{},{ "a" : true, "d":-1,"e":{}}]"#);
        let kinds = |member: &Member| {
            let kinds = [
                (member.texts, 't'),
                (member.numbers, '1'),
                (member.booleans, 'b'),
                (member.nulls, '0'),
                (member.nested, '{'),
            ];
            let kinds = kinds.iter().filter_map(|(is, kind)| is.then_some(*kind));
            format!("{}:{}", member.name, kinds.collect::<String>())
        };
        let members: Vec<String> = given.outline().unwrap().members.iter().map(kinds).collect();
        assert_eq!(members, ["a:tb", "b:10", "c:{", "d:1", "e:{"]);
        assert_eq!(given.column(1), [Some("1"), Some("null"), None, None]);
        assert_eq!(given.column(5), Vec::<Option<&str>>::new());
    }

    #[test]
    fn what_has_no_outline_has_no_body_and_no_columns() {
        let names: Vec<String> = (0..=MAX_NAMES).map(|n| format!("\"n{n}\":1")).collect();
        let many = format!("[{{{}}}]", names.join(","));
        for json in [
            r#"["003"]"#,
            r#"[{"a":1,"b":2,"a":3}]"#,
            r#"[{"\u0061":1}]"#,
            r#"[{"a":1}"#,
            r#"[{"a":1}] x"#,
            "\u{7b}",
            &many,
        ] {
            let given = given(json);
            assert!(given.outline().is_none(), "{json}");
            assert_eq!(body(&given, &[], FRAME), None);
            assert!(given.column(0).is_empty());
        }
    }

    #[test]
    fn a_body_has_the_records_that_are_named_as_they_were_given() {
        let given = given(r#"[{"a":"\u00e9","b":1.0}, { }, {"c" : null }]"#);
        assert_eq!(
            body(&given, &[2, 0, 1, 2], FRAME).unwrap(),
            r#"<{"t":1,"c" : null },{"t":1,"a":"\u00e9","b":1.0},{"t":1 },{"t":1,"c" : null }>"#
        );
        let bare = Frame { first: "", ..FRAME };
        assert_eq!(
            body(&given, &[1, 2], bare).unwrap(),
            r#"<{ },{"c" : null }>"#
        );
        assert_eq!(body(&given, &[], FRAME).unwrap(), "<>");
        assert_eq!(body(&given, &[3], FRAME), None);
    }

    #[test]
    fn a_body_is_as_long_as_it_may_be_and_no_longer() {
        let given = given(r#"[{"a":1}]"#);
        let records = [0; 100];
        assert!(given.body(&records, FRAME, 2_000).is_some());
        assert!(given.body(&records, FRAME, 1_400).is_none());
    }
}
