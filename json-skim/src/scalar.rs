//! Strings, numbers and the three words. Most bytes of most records are in strings, so
//! these are searched by blocks.

use crate::{Malformed, Skim, block};

/// How many bytes at the beginning can stand between the quotes of a string as
/// they are: up to the first quote, backslash or control character.
///
/// ```
/// assert_eq!(json_skim::plain(b"plain \"quoted\""), 6);
/// assert_eq!(json_skim::plain(b"plain"), 5);
/// ```
#[inline]
#[must_use]
pub fn plain(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let plain = block::plain_of_word(u64::from_le_bytes(*word));
        at += plain;
        if plain < 8 {
            return at;
        }
    }
    let rest = text.get(at..).unwrap_or_default();
    let marked = |byte: &u8| *byte < b' ' || matches!(*byte, b'"' | b'\\');
    at + rest.iter().position(marked).unwrap_or(rest.len())
}

impl Skim<'_> {
    /// Reads a value that is no array and no object; `first` is what is there.
    #[inline]
    pub(crate) fn scalar(&mut self, first: Option<u8>) -> Result<(), Malformed> {
        match first {
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.expected("a value")),
        }
    }

    /// Reads a string, whose quote is what is there; true if something in it is escaped.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<bool, Malformed> {
        self.at += 1;
        // Most keys and many values end within the first block: no loop for them.
        self.at += self.plain_of_block();
        if self.byte(self.at) == Some(b'"') {
            self.at += 1;
            return Ok(false);
        }
        self.rest_of_string()
    }

    /// How many of the next bytes are plain, as far as one look goes; 0 near the end.
    #[inline]
    fn plain_of_block(&self) -> usize {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        rest.first_chunk().map_or(0, block::plain)
    }

    /// Reads on in a string; true if something in the rest is escaped.
    fn rest_of_string(&mut self) -> Result<bool, Malformed> {
        let mut is_escaped = false;
        loop {
            let plain = self.plain_of_block();
            self.at += plain;
            if plain == block::LEN {
                continue;
            }
            match self.byte(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_escaped);
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                Some(b' '..) => self.at += 1,
                Some(_) => return Err(self.expected("no control character")),
                None => return Err(self.expected("the end of a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        match self.byte(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
                if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    self.at += 5;
                    Ok(())
                } else {
                    Err(self.expected("four hexadecimal digits"))
                }
            }
            _ => Err(self.expected("an escape")),
        }
    }

    fn number(&mut self) -> Result<(), Malformed> {
        self.at += usize::from(self.byte(self.at) == Some(b'-'));
        if self.byte(self.at) == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte(self.at) == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while self.byte(self.at).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.expected("a digit"));
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Malformed> {
        let end = self.at + word.len();
        if self.text.as_bytes().get(self.at..end) != Some(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at = end;
        Ok(())
    }
}
