//! Looks for the line that ends a part within the part itself.
//!
//! A component has no source of chance, so whoever writes a file could guess the
//! line and smuggle parts of their own behind it. What holds it is never sent to
//! its end.

/// The content holds the line that was to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clash;

/// Watches a content that passes in pieces.
#[derive(Debug)]
pub(crate) struct Guard {
    line: Vec<u8>,
    /// The end of what has passed, shorter than the line by one at most.
    tail: Vec<u8>,
}

impl Guard {
    pub(super) fn new(line: Vec<u8>) -> Self {
        Self {
            line,
            // The first part may begin with the line without its line break.
            tail: b"\r\n".to_vec(),
        }
    }

    /// Looks at the next piece.
    pub(crate) fn check(&mut self, piece: &[u8]) -> Result<(), Clash> {
        let reach = self.line.len().saturating_sub(1);
        let head = piece.get(..reach).unwrap_or(piece);
        self.tail.extend_from_slice(head);
        if holds(&self.tail, &self.line) || holds(piece, &self.line) {
            return Err(Clash);
        }
        if let Some(from) = piece.len().checked_sub(reach) {
            self.tail.clear();
            self.tail
                .extend_from_slice(piece.get(from..).unwrap_or_default());
        } else {
            let from = self.tail.len().saturating_sub(reach);
            self.tail.drain(..from);
        }
        Ok(())
    }
}

/// Whether `bytes` hold `line`, whose first byte is rare in text and as frequent
/// as any other in binary files.
fn holds(bytes: &[u8], line: &[u8]) -> bool {
    let Some(first) = line.first() else {
        return false;
    };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with(line) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"\r\n--edge";

    fn passes(content: &[u8], size: usize) -> bool {
        let mut guard = Guard::new(LINE.to_vec());
        content.chunks(size).all(|piece| guard.check(piece).is_ok())
    }

    #[test]
    fn the_line_is_found_wherever_the_content_is_cut() {
        for size in 1..40 {
            assert!(!passes(b"before\r\n--edge after", size), "{size}");
            assert!(!passes(b"\r\r\n\r\n--edge", size), "{size}");
            assert!(!passes(b"--edge at the very beginning", size), "{size}");
        }
    }

    #[test]
    fn what_only_looks_like_it_passes() {
        for size in 1..40 {
            assert!(
                passes(b"\r\n--edg\r\n--\r\nedge --edge\n--edge", size),
                "{size}"
            );
            assert!(passes(b"", size), "{size}");
        }
    }
}
