//! What an answer tells of records that were sent: those that were written, of which
//! only the ids are kept, and the others, which a connector looks at.

use json_skim::{Malformed, Skim};

/// The most objects that an answer may have. The contract promises it.
const MAX_OBJECTS: usize = 2_000;

/// The longest id, in bytes. The contract promises it.
pub(super) const MAX_ID_BYTES: usize = 128;

/// The most members by which a written record is known. The contract promises it.
const MAX_MEMBERS: usize = 8;

/// How a written record is told of.
#[derive(Debug)]
pub(crate) struct Form {
    /// The member with the id, in quotes.
    id: String,
    /// Members, in quotes, and their values.
    written: Vec<(String, String)>,
}

/// What an answer tells.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) count: usize,
    /// Objects that do not have the form, and their places.
    pub(crate) others: Vec<(usize, String)>,
    pub(crate) written: Written,
}

/// Ids of records that were written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// One behind the other.
    ids: String,
    /// Where the id of each object of the answer ends: where it begins if it has none.
    ends: Vec<usize>,
}

impl Form {
    /// `None` if there are too many members.
    pub(crate) fn new(id: &str, written: Vec<(String, String)>) -> Option<Self> {
        let quoted = |name: &str| format!("\"{name}\"");
        (written.len() <= MAX_MEMBERS).then(|| Self {
            id: quoted(id),
            written: written
                .into_iter()
                .map(|(name, value)| (quoted(&name), value))
                .collect(),
        })
    }

    /// The id of a record that was written, given the object that tells of it.
    fn id<'t>(&self, skim: &mut Skim<'t>) -> Result<Option<&'t str>, Malformed> {
        let mut id = None;
        let mut is_written = true;
        let mut seen: u32 = 0;
        skim.members(|key, skim| {
            let value = skim.value()?;
            if key == self.id {
                is_written &= id.replace(value).is_none();
                return Ok(());
            }
            let mut members = self.written.iter().enumerate();
            if let Some((at, (_, wanted))) = members.find(|(_, (name, _))| key == name) {
                is_written &= value == wanted && seen & (1 << at) == 0;
                seen |= 1 << at;
            }
            Ok::<(), Malformed>(())
        })?;
        let is_whole = seen.count_ones() as usize == self.written.len();
        Ok(id.filter(|_| is_written && is_whole).and_then(plain))
    }
}

/// A text between its quotes, if it can be an id.
fn plain(value: &str) -> Option<&str> {
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    let is_plain = (1..=MAX_ID_BYTES).contains(&text.len()) && !text.contains('\\');
    is_plain.then_some(text)
}

impl Told {
    /// Reads an answer; `None` if it is no array of objects, or of too many.
    pub(crate) fn read(body: &[u8], form: &Form) -> Option<Self> {
        let text = str::from_utf8(body).ok()?;
        let mut written = Written::default();
        let mut others = Vec::new();
        let mut skim = Skim::new(text);
        let walked = skim.elements(|skim| {
            let (start, at) = (skim.offset(), written.ends.len());
            if at == MAX_OBJECTS {
                return Err(Malformed {
                    at: start,
                    expected: "fewer objects",
                });
            }
            match form.id(skim)? {
                Some(id) => written.push(Some(id)),
                None => {
                    written.push(None);
                    let object = text.get(start..skim.offset()).unwrap_or_default();
                    others.push((at, object.to_owned()));
                }
            }
            Ok(())
        });
        walked.and_then(|()| skim.end()).ok()?;
        Some(Self {
            count: written.ends.len(),
            others,
            written,
        })
    }
}

impl Written {
    /// Adds what the next object tells.
    pub(super) fn push(&mut self, id: Option<&str>) {
        self.ids.push_str(id.unwrap_or_default());
        self.ends.push(self.ids.len());
    }

    /// The id of each object of the answer, if it tells of a written record.
    pub(crate) fn ids(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let id = self.ids.get(std::mem::replace(&mut start, *end)..*end);
            id.filter(|id| !id.is_empty())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        let written = [("success", "true"), ("errors", "[]")];
        let written = written.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Form::new("id", written.to_vec()).unwrap()
    }

    #[test]
    fn only_what_has_the_form_letter_by_letter_is_written() {
        let others = [
            r#"{"id":"1","success":false,"errors":[]}"#,
            r#"{"id":"1","success":true,"errors":[{"a":1}]}"#,
            r#"{"id":"1","success":true}"#,
            r#"{"success":true,"errors":[]}"#,
            r#"{"id":7,"success":true,"errors":[]}"#,
            r#"{"id":"","success":true,"errors":[]}"#,
            r#"{"id":"\u0031","success":true,"errors":[]}"#,
            r#"{"id":"1","id":"2","success":true,"errors":[]}"#,
            r#"{"id":"1","success":false,"success":true,"errors":[]}"#,
            r#"{"id":"1","success":true,"success":true,"errors":[]}"#,
        ];
        let sound = r#"{"more":{"id":"9"},"errors":[],"id":"003x","success":true}"#;
        let body = format!("[{sound}, {} ,{sound}]", others.join(","));
        let told = Told::read(body.as_bytes(), &form()).unwrap();
        assert_eq!(told.count, others.len() + 2);
        let places: Vec<(usize, &str)> = told
            .others
            .iter()
            .map(|(at, object)| (*at, object.as_str()))
            .collect();
        assert_eq!(places, (1..).zip(others).collect::<Vec<_>>());
        let ids: Vec<Option<&str>> = told.written.ids().collect();
        assert_eq!(ids.len(), told.count);
        assert_eq!((ids[0], ids[1]), (Some("003x"), None));
        assert_eq!(ids.iter().flatten().count(), 2);
    }

    #[test]
    fn an_answer_that_is_something_else_tells_nothing() {
        let many = format!("[{}]", vec!["{}"; MAX_OBJECTS + 1].join(","));
        for body in ["", "{}", "[1]", "[{}", "[{}] x", "[{\"id\":}]", &many] {
            assert!(Told::read(body.as_bytes(), &form()).is_none(), "{body}");
        }
        assert!(Told::read(b"[{\"id\":\"\xff\"}]", &form()).is_none());
        assert_eq!(Told::read(b" [ ] ", &form()).unwrap().count, 0);
        assert!(Form::new("id", vec![Default::default(); MAX_MEMBERS + 1]).is_none());
    }
}
