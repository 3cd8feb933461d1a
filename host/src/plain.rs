//! Which characters of a text that others chose may not stand in a log or on a
//! terminal as they are. One rule for logs, errors and results.

/// Whether a character could begin a line, command a terminal or turn the
/// direction of writing. Separators and directions are no control characters,
/// but forge lines all the same.
pub(crate) fn is_forging(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
