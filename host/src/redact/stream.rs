//! Redaction of a body that comes in parts, where a secret may lie across two
//! of them.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{Redacted, Redactor};

/// Redacts a body part by part.
///
/// Only the end of a part that could be the beginning of a secret is held back.
/// Parts are handed on as they are, without a copy, unless a secret is found or
/// may lie across a border.
pub struct RedactedStream {
    redactor: Redactor,
    /// The end of what came, if a secret may begin there.
    held: Bytes,
    /// The bytes with which a form can begin.
    firsts: Box<[bool; 256]>,
    removed: usize,
}

impl fmt::Debug for RedactedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedactedStream")
            .field("held_bytes", &self.held.len())
            .field("removed", &self.removed)
            .finish_non_exhaustive()
    }
}

impl RedactedStream {
    pub(super) fn new(redactor: Redactor) -> Self {
        let mut firsts = Box::new([false; 256]);
        for form in redactor.inner.forms.iter() {
            if let Some(first) = form.first().and_then(|&b| firsts.get_mut(usize::from(b))) {
                *first = true;
            }
        }
        Self {
            redactor,
            held: Bytes::new(),
            firsts,
            removed: 0,
        }
    }

    /// How many secrets were taken out so far.
    #[must_use]
    pub const fn removed(&self) -> usize {
        self.removed
    }

    /// Takes the next part, and gives what can be handed on, in order: up to two
    /// parts, perhaps none.
    #[must_use]
    pub fn push(&mut self, part: Bytes) -> [Option<Bytes>; 2] {
        if self.redactor.inner.forms.is_empty() || part.is_empty() {
            return [None, Some(part).filter(|part| !part.is_empty())];
        }
        if self.held.is_empty() {
            return [None, self.pass(part)];
        }
        let held = std::mem::take(&mut self.held);
        let reach = self.redactor.inner.forms.longest();
        // What is held back is decided by the head of a long part; only if a
        // secret does lie across the border are the two joined.
        if let Some(head) = part.get(..reach) {
            let border = join(&held, head);
            let mut crosses = false;
            self.redactor.each_match(&border, |start, _| {
                crosses |= start < held.len();
            });
            if !crosses {
                return [Some(held), self.pass(part)];
            }
        }
        [None, self.pass(join(&held, &part))]
    }

    /// What was held back, at the end of the body.
    #[must_use]
    pub fn finish(&mut self) -> Option<Bytes> {
        let held = std::mem::take(&mut self.held);
        self.hand_on(held)
    }

    /// Hands on all of a part but the end that must be held back.
    fn pass(&mut self, mut part: Bytes) -> Option<Bytes> {
        let mut cut = self.possible_start(&part);
        if cut < part.len() {
            // A secret that is found whole goes, even if its end could be the
            // beginning of another: the rest is looked at afresh.
            self.redactor.each_match(&part, |start, end| {
                if start < cut && cut < end {
                    cut = end;
                }
            });
        }
        self.held = part.split_off(cut);
        self.hand_on(part)
    }

    fn hand_on(&mut self, part: Bytes) -> Option<Bytes> {
        let Redacted { content, removed } = self.redactor.bytes(part);
        self.removed += removed;
        Some(content).filter(|content| !content.is_empty())
    }

    /// The first place from which all that follows is the beginning of a form,
    /// but not a whole one that nothing could lengthen.
    fn possible_start(&self, part: &[u8]) -> usize {
        let reach = self.redactor.inner.forms.longest();
        let from = (part.len() + 1).saturating_sub(reach);
        let tail = part.get(from..).unwrap_or_default();
        for (at, &first) in tail.iter().enumerate() {
            if !self.firsts.get(usize::from(first)).is_some_and(|&is| is) {
                continue;
            }
            let rest = tail.get(at..).unwrap_or_default();
            let begins = |form: &[u8]| form.len() > rest.len() && form.starts_with(rest);
            if self.redactor.inner.forms.iter().any(begins) {
                return from + at;
            }
        }
        part.len()
    }
}

fn join(first: &[u8], second: &[u8]) -> Bytes {
    let mut joined = BytesMut::with_capacity(first.len() + second.len());
    joined.extend_from_slice(first);
    joined.extend_from_slice(second);
    joined.freeze()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    const TOKEN: &str = "00Dx0000000BV7z!AR8AQAxO9U";

    fn redactor() -> Redactor {
        Redactor::new([
            &SecretString::from(TOKEN),
            &SecretString::from("BV7z!AR8AQ"),
            &SecretString::from(format!("{TOKEN}-and-more")),
        ])
    }

    fn run(redactor: &Redactor, text: &[u8], sizes: impl Fn(usize) -> usize) -> (Vec<u8>, usize) {
        let mut stream = redactor.stream();
        let mut given = Vec::new();
        let mut rest = Bytes::copy_from_slice(text);
        let mut round = 0;
        while !rest.is_empty() {
            let part = rest.split_to(sizes(round).clamp(1, rest.len()));
            round += 1;
            for part in stream.push(part).into_iter().flatten() {
                given.extend_from_slice(&part);
            }
        }
        given.extend_from_slice(&stream.finish().unwrap_or_default());
        (given, stream.removed())
    }

    #[test]
    fn wherever_a_body_is_cut_the_outcome_is_that_of_the_whole_body() {
        let redactor = redactor();
        let more = format!("{TOKEN}-and-more");
        let texts = [
            format!("before {TOKEN} after {TOKEN}{TOKEN}0 00Dx0 {more} {TOKEN}-and-mor"),
            TOKEN.to_owned(),
            more.clone(),
            format!("{more}{more}00Dx0000000BV7z!AR8AQAxO9"),
            "00Dx00Dx00Dx0000000BV7z!AR8AQAxO9UU 0BV7z!AR8AQ".to_owned(),
            "0".repeat(200),
        ];
        for text in &texts {
            let whole = redactor.bytes(Bytes::copy_from_slice(text.as_bytes()));
            for first in 1..text.len() {
                for second in [1, 2, 7, 26, 40, 1000] {
                    let (given, removed) = run(&redactor, text.as_bytes(), |round| {
                        if round == 0 { first } else { second }
                    });
                    assert_eq!(
                        String::from_utf8_lossy(&given),
                        String::from_utf8_lossy(&whole.content),
                        "{text} cut at {first}, then by {second}"
                    );
                    assert_eq!(removed, whole.removed);
                }
            }
        }
    }

    #[test]
    fn a_part_without_secrets_is_handed_on_at_once_and_without_a_copy() {
        let mut stream = redactor().stream();
        let part = Bytes::from(vec![b'x'; 10_000]);
        let [none, given] = stream.push(part.clone());
        assert_eq!(none, None);
        let given = given.unwrap();
        assert_eq!((given.as_ptr(), given.len()), (part.as_ptr(), part.len()));
        assert_eq!(stream.finish(), None);
    }

    #[test]
    fn a_false_start_at_a_border_costs_no_copy_of_the_next_part() {
        let mut stream = redactor().stream();
        let [_, first] = stream.push(Bytes::from_static(b"hello 00Dx"));
        assert_eq!(first.unwrap(), "hello ");
        let part = Bytes::from(vec![b'x'; 10_000]);
        let [held, given] = stream.push(part.clone());
        assert_eq!(held.unwrap(), "00Dx");
        assert_eq!(given.unwrap().as_ptr(), part.as_ptr());
    }

    #[test]
    fn without_secrets_everything_passes() {
        let mut stream = Redactor::none().stream();
        let [_, given] = stream.push(Bytes::from_static(b"anything"));
        assert_eq!(given.unwrap(), "anything");
        assert_eq!(stream.finish(), None);
        assert_eq!(stream.removed(), 0);
    }
}
