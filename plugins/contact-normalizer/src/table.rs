//! Look-up in the data files: lines of tab-separated columns, sorted by the
//! bytes of the first one.
//!
//! A plugin is instantiated for each batch, so reading a file into a map would
//! be paid again and again. A file is searched as it stands instead.

/// The rest of the line whose first column is `key`.
///
/// `table` begins behind its comments, see [`body`].
pub(crate) fn find<'t>(table: &'t str, key: &str) -> Option<&'t str> {
    let mut rest = table;
    while !rest.is_empty() {
        // Somewhere near the middle, then back to the start of that line.
        let middle = rest.floor_char_boundary(rest.len() / 2);
        let (before, _) = rest.split_at_checked(middle)?;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let (left, from_line) = rest.split_at_checked(start)?;
        let (line, right) = from_line.split_once('\n').unwrap_or((from_line, ""));
        let (first, columns) = line.split_once('\t')?;
        match key.cmp(first) {
            std::cmp::Ordering::Equal => return Some(columns),
            std::cmp::Ordering::Less => rest = left,
            std::cmp::Ordering::Greater => rest = right,
        }
    }
    None
}

/// A data file without the comments at its head. Done by the compiler.
pub(crate) const fn body(file: &'static str) -> &'static str {
    let mut rest = file.as_bytes();
    while let [b'#', ..] = rest {
        while let [byte, tail @ ..] = rest {
            rest = tail;
            if *byte == b'\n' {
                break;
            }
        }
    }
    file.split_at(file.len() - rest.len()).1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line is found, which is so only if the file is sorted.
    fn check(file: &'static str) {
        let table = body(file);
        for line in table.lines() {
            let (key, columns) = line.split_once('\t').unwrap();
            assert_eq!(find(table, key), Some(columns), "{key}");
        }
    }

    #[test]
    fn every_line_of_every_data_file_is_found() {
        check(include_str!("../data/calling-codes.tsv"));
        check(include_str!("../data/countries.tsv"));
        check(include_str!("../data/country-names.tsv"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let table = body("# c\na\t1\nc\t3\nd\t4\n");
        for absent in ["", "b", "e", "#", "# c"] {
            assert_eq!(find(table, absent), None, "{absent}");
        }
        assert_eq!(find("", "a"), None);
    }
}
