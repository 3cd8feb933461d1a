//! What is wrong with a query, and how Salesforce says it: a code, a message
//! and, for most of them, an excerpt of the statement with a caret under the
//! offending word.

/// The code for a statement that does not follow the grammar.
pub(crate) const MALFORMED_QUERY: &str = "MALFORMED_QUERY";
/// The code for a field that is unknown, hidden or used in a wrong way.
pub(crate) const INVALID_FIELD: &str = "INVALID_FIELD";
/// The code for an sObject or a child relationship that does not exist.
pub(crate) const INVALID_TYPE: &str = "INVALID_TYPE";

/// How many characters of the statement are shown on each side of the caret;
/// a word that the window would cut is shown whole.
const EXCERPT: usize = 30;

/// Where in the statement an error lies (byte offsets).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The statement as a whole: no excerpt is shown.
    Statement,
    /// The word that starts here.
    Word(usize),
    /// A character that no token can hold. Such errors come from the lexer,
    /// which counts columns from zero, so the caret stands one to the left.
    Character(usize),
}

/// One error of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryError {
    /// The Salesforce error code.
    pub(crate) code: &'static str,
    /// The message, without the excerpt.
    pub(crate) message: String,
    /// Where it lies.
    pub(crate) at: At,
}

impl QueryError {
    /// An error of the grammar at a word.
    pub(crate) fn malformed(at: usize, message: impl Into<String>) -> Self {
        Self::new(MALFORMED_QUERY, At::Word(at), message)
    }

    /// An error about a field at a word.
    pub(crate) fn field(at: usize, message: impl Into<String>) -> Self {
        Self::new(INVALID_FIELD, At::Word(at), message)
    }

    /// Any other error.
    pub(crate) fn new(code: &'static str, at: At, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            at,
        }
    }

    /// The message as the API sends it: excerpt, caret, row and column first.
    pub(crate) fn full_message(&self, text: &str) -> String {
        let (offset, shift) = match self.at {
            At::Statement => return self.message.clone(),
            At::Word(offset) => (offset, 1),
            At::Character(offset) => (offset, 0),
        };
        let place = Place::of(text, offset);
        let column = (place.column + shift).max(1);
        let (excerpt, skipped) = excerpt(&place.line, column - 1);
        format!(
            "\n{excerpt}\n{:caret$}^\nERROR at Row:{}:Column:{column}\n{}",
            "",
            place.row,
            self.message,
            caret = (column - 1).saturating_sub(skipped),
        )
    }
}

/// A byte offset as row, column and the line it is in.
struct Place {
    /// Counted from one.
    row: usize,
    /// Characters before the offset in its line.
    column: usize,
    line: Vec<char>,
}

impl Place {
    fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.get(start..).unwrap_or_default();
        Self {
            row: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or_default().chars().count(),
            line: line.chars().take_while(|c| *c != '\n').collect(),
        }
    }
}

/// The part of a line around a column, and how many characters precede it.
fn excerpt(line: &[char], column: usize) -> (String, usize) {
    let breaks = |position: usize| {
        line.get(position)
            .is_none_or(|c| c.is_whitespace() || *c == ',')
    };
    let mut start = column.min(line.len()).saturating_sub(EXCERPT);
    while start > 0 && !breaks(start - 1) {
        start -= 1;
    }
    let mut end = (column + EXCERPT).min(line.len());
    while end < line.len() && !breaks(end) {
        end += 1;
    }
    let shown: String = line.get(start..end).unwrap_or_default().iter().collect();
    (shown.trim_end().to_owned(), start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, word: &str) -> String {
        QueryError::malformed(text.find(word).unwrap(), "what").full_message(text)
    }

    #[test]
    fn a_short_statement_is_shown_whole_with_the_caret_under_the_word() {
        assert_eq!(
            shown("SELECT Id, Foo FROM Account", "Foo"),
            "\nSELECT Id, Foo FROM Account\n           ^\nERROR at Row:1:Column:12\nwhat"
        );
    }

    #[test]
    fn a_long_statement_is_cut_at_whole_words_around_the_caret() {
        let text = "SELECT Id, ProductCode FROM Product2 WHERE ProductName = 3999";
        assert_eq!(
            shown(text, "ProductName"),
            "\nProductCode FROM Product2 WHERE ProductName = 3999\n                                ^\nERROR at Row:1:Column:44\nwhat"
        );
    }

    #[test]
    fn the_row_counts_lines_and_the_column_starts_anew() {
        assert_eq!(
            shown("SELECT Id\nFROM Account\nWHERE Foo = 1", "Foo"),
            "\nWHERE Foo = 1\n      ^\nERROR at Row:3:Column:7\nwhat"
        );
    }

    #[test]
    fn an_error_at_the_end_points_behind_the_last_character() {
        let text = "SELECT Id";
        let error = QueryError::malformed(text.len(), "what").full_message(text);
        assert_eq!(
            error,
            "\nSELECT Id\n         ^\nERROR at Row:1:Column:10\nwhat"
        );
    }
}
