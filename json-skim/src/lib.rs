//! Walks JSON text by slices, without parsing what is only passed on.
//!
//! Records cross Lockgate as the bytes that a product sent. On the way they are
//! counted, cut out of their page, edited in a few places, but hardly ever
//! parsed. This crate does that part: it checks the text against RFC 8259 and
//! hands out slices of it, in constant memory and with no copy.
//!
//! serde_json can do the same with `RawValue`, but looks at each byte of a string
//! on its own. Here it is sixteen at a time, which counts twice in a guest: there
//! each turn of a loop also looks at the clock.
//!
//! ```
//! use json_skim::{Malformed, Skim};
//!
//! let mut names = Vec::new();
//! let mut skim = Skim::new(r#"[{"Id": "1", "Name": "Ada"}, {"Name": "Grace"}]"#);
//! skim.elements(|skim| {
//!     skim.members(|key, skim| {
//!         let value = skim.value()?;
//!         if key == r#""Name""# {
//!             names.push(value);
//!         }
//!         Ok::<(), Malformed>(())
//!     })
//! })?;
//! skim.end()?;
//! assert_eq!(names, [r#""Ada""#, r#""Grace""#]);
//! # Ok::<(), Malformed>(())
//! ```

mod block;
mod scalar;

use std::fmt;

pub use scalar::plain;

/// How deep arrays and objects may lie within a value that is skipped: what
/// serde_json takes too when it parses.
pub const MAX_DEPTH: u32 = 127;

/// The text is not JSON, or not of the wanted shape. Says where and what would
/// have been right, and quotes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The offset in bytes.
    pub at: usize,
    /// What was expected there.
    pub expected: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.at)
    }
}

impl std::error::Error for Malformed {}

/// A place in a JSON text.
///
/// The methods that read move it behind what they have read. After an error it
/// stands nowhere in particular.
#[derive(Clone, Debug)]
pub struct Skim<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Skim<'a> {
    /// Begins at the start of a text.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The offset in bytes.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// The first byte of what comes next, white space left out: `{`, `[`, `"` and
    /// so on. `None` at the end.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        // Hardly ever white space: no loop then, so that a guest does not look at
        // the clock for each token.
        match self.byte(self.at) {
            Some(b' ' | b'\n' | b'\r' | b'\t') => self.behind_space(),
            byte => byte,
        }
    }

    #[cold]
    fn behind_space(&mut self) -> Option<u8> {
        loop {
            match self.byte(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                byte => return byte,
            }
        }
    }

    /// Reads one value of any kind and gives its text, without the white space
    /// around it.
    ///
    /// # Errors
    /// If there is none, or one that is nested deeper than [`MAX_DEPTH`].
    #[inline]
    pub fn value(&mut self) -> Result<&'a str, Malformed> {
        let first = self.peek();
        let start = self.at;
        match first {
            Some(b'{' | b'[') => self.nested()?,
            first => self.scalar(first)?,
        }
        Ok(self.since(start))
    }

    /// Reads one value as [`Self::value`] does, and tells whether it is a string in
    /// which something is escaped. One in which nothing is says what stands between its
    /// quotes.
    ///
    /// # Errors
    /// As [`Self::value`].
    #[inline]
    pub fn value_escaped(&mut self) -> Result<(&'a str, bool), Malformed> {
        if self.peek() != Some(b'"') {
            return self.value().map(|value| (value, false));
        }
        let start = self.at;
        let is_escaped = self.string()?;
        Ok((self.since(start), is_escaped))
    }

    /// Reads an array, calling `each` at the start of each element. It must read
    /// exactly that element.
    ///
    /// # Errors
    /// Those of `each`, or if this is no array.
    #[inline]
    pub fn elements<E, F>(&mut self, mut each: F) -> Result<(), E>
    where
        E: From<Malformed>,
        F: FnMut(&mut Self) -> Result<(), E>,
    {
        self.take(b'[', "an array")?;
        if self.is_closed(b']') {
            return Ok(());
        }
        loop {
            self.peek();
            each(self)?;
            if !self.goes_on(b']')? {
                return Ok(());
            }
        }
    }

    /// Reads an object, calling `each` with each key as it is written, in its
    /// quotes. It must read exactly the value.
    ///
    /// # Errors
    /// Those of `each`, or if this is no object.
    #[inline]
    pub fn members<E, F>(&mut self, mut each: F) -> Result<(), E>
    where
        E: From<Malformed>,
        F: FnMut(&'a str, &mut Self) -> Result<(), E>,
    {
        self.take(b'{', "an object")?;
        if self.is_closed(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            self.peek();
            each(key, self)?;
            if !self.goes_on(b'}')? {
                return Ok(());
            }
        }
    }

    /// Makes sure that nothing follows.
    ///
    /// # Errors
    /// If something does.
    pub fn end(&mut self) -> Result<(), Malformed> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end")),
        }
    }

    /// Reads an array or object without recursion: what is open is kept as bits,
    /// 1 for an object.
    fn nested(&mut self) -> Result<(), Malformed> {
        let mut open: u128 = 0;
        let mut depth: u32 = 0;
        loop {
            // At the start of a value.
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return Err(self.expected("less nesting"));
                    }
                    open = open << 1 | u128::from(bracket == b'{');
                    self.at += 1;
                    if !self.is_closed(closing(open)) {
                        self.key_within(open)?;
                        continue;
                    }
                    open >>= 1;
                    depth -= 1;
                }
                first => self.scalar(first)?,
            }
            // Behind a value.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                if self.goes_on(closing(open))? {
                    break;
                }
                open >>= 1;
                depth -= 1;
            }
            self.key_within(open)?;
        }
    }

    /// Reads the key of the next member if an object is the innermost.
    #[inline]
    fn key_within(&mut self, open: u128) -> Result<(), Malformed> {
        if open & 1 == 1 {
            self.key()?;
        }
        Ok(())
    }

    /// Reads a key and the colon behind it.
    #[inline]
    fn key(&mut self) -> Result<&'a str, Malformed> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key"));
        }
        let start = self.at;
        self.string()?;
        let key = self.since(start);
        self.take(b':', "a colon")?;
        Ok(key)
    }

    /// Behind an element or member: whether another one follows.
    #[inline]
    fn goes_on(&mut self, close: u8) -> Result<bool, Malformed> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.expected("a comma or the closing bracket")),
        }
    }

    #[inline]
    fn is_closed(&mut self, close: u8) -> bool {
        let is_closed = self.peek() == Some(close);
        self.at += usize::from(is_closed);
        is_closed
    }

    #[inline]
    fn take(&mut self, wanted: u8, name: &'static str) -> Result<(), Malformed> {
        if self.peek() == Some(wanted) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.expected(name))
        }
    }

    #[inline]
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// What was read since. Tokens begin and end at ASCII, so the cut is clean.
    #[inline]
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    #[cold]
    const fn expected(&self, expected: &'static str) -> Malformed {
        Malformed {
            at: self.at,
            expected,
        }
    }
}

/// The bracket that closes the innermost of what is open.
const fn closing(open: u128) -> u8 {
    if open & 1 == 1 { b'}' } else { b']' }
}

#[cfg(test)]
mod tests;
