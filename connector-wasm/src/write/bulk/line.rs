//! One record as a line of a bulk job's CSV, and back.
//!
//! A field that is set to `null` is `#N/A`, one that is not set is empty: an
//! update leaves that one alone. Texts stand in quotes and all else does not, so
//! that the record can be made of its line again. A related record that is named
//! by its external id becomes a column of its own, `Account.Key__c`.

use std::borrow::Cow;
use std::collections::HashMap;

use json_skim::{Malformed, Skim};

use crate::bindings::exports::lockgate::connector::records::{Advice, Problem};
use crate::body::{Key, Row};
use crate::copy;
use crate::fault::problem;
use crate::wire::{decoded, push_text};
use crate::write::print;

/// What a cell says to empty a field.
pub(super) const NULL: &str = "#N/A";

/// Columns in the order in which rows first name them.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) names: Vec<String>,
    /// By name in lower case.
    places: HashMap<String, usize>,
}

impl Columns {
    /// The place of a column, a new one if need be. Most rows name their fields in
    /// the same order: it is probably the one at `likely`.
    pub(super) fn place(&mut self, name: &str, likely: usize) -> usize {
        if self.names.get(likely).is_some_and(|known| known == name) {
            return likely;
        }
        let folded = name.to_ascii_lowercase();
        if let Some(place) = self.places.get(&folded) {
            return *place;
        }
        let place = self.names.len();
        self.names.push(name.to_owned());
        self.places.insert(folded, place);
        place
    }

    /// The place of a column, if there is one of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.places.get(&name.to_ascii_lowercase()).copied()
    }
}

/// What a cell says.
#[derive(Debug)]
enum Value<'r> {
    Null,
    /// A number or `true` or `false`, as JSON has it.
    Bare(&'r str),
    Text(Cow<'r, str>),
}

/// The cells that a row fills, by column.
#[derive(Debug, Default)]
pub(super) struct Cells<'r>(Vec<(usize, Value<'r>)>);

impl<'r> Cells<'r> {
    /// What the members of a row say, or why they have no place in a line.
    pub(super) fn of(
        row: &'r Row<'r>,
        key_column: Option<usize>,
        columns: &mut Columns,
    ) -> Result<Self, Problem> {
        let mut cells = Vec::with_capacity(columns.names.len());
        if let Some(column) = key_column {
            match &row.key {
                Key::Id(id) => cells.push((column, Value::Text(Cow::Borrowed(id.as_str())))),
                Key::External { raw, .. } => {
                    let name = columns.names.get(column).map_or("", String::as_str);
                    cells.push((column, value(name, raw)?));
                }
                Key::NoId | Key::None => {}
            }
        }
        let mut likely = cells.len();
        for (name, raw) in row.members() {
            let (column, value) = if raw.starts_with('{') {
                related(name, raw)?
            } else {
                (Cow::Borrowed(name), value(name, raw)?)
            };
            let place = columns.place(&column, likely);
            likely = place + 1;
            cells.push((place, value));
        }
        if !cells.is_sorted_by(|(before, _), (behind, _)| before < behind) {
            // Of what is said twice the last counts, as in JSON.
            cells.reverse();
            cells.sort_by_key(|(place, _)| *place);
            cells.dedup_by_key(|(place, _)| *place);
        }
        Ok(Self(cells))
    }

    /// Appends the cells as a line without its end, and says how many there are,
    /// empty ones included.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> usize {
        let mut width = 0;
        for (place, value) in &self.0 {
            while width < *place + 1 {
                if width > 0 {
                    out.push(b',');
                }
                width += 1;
            }
            match value {
                Value::Null => out.extend_from_slice(NULL.as_bytes()),
                Value::Bare(text) => copy::push(out, text.as_bytes()),
                // Nothing was escaped in its JSON, so it holds no quote.
                Value::Text(Cow::Borrowed(text)) => {
                    out.push(b'"');
                    copy::push(out, text.as_bytes());
                    out.push(b'"');
                }
                Value::Text(Cow::Owned(text)) => push_quoted(out, text),
            }
        }
        width
    }

    /// The print of the row.
    pub(super) fn print(&self) -> u64 {
        let prints = self.0.iter().map(|(place, value)| match value {
            // Results may give it back as nothing.
            Value::Null => 0,
            Value::Bare(text) => print_of(*place, text.as_bytes()),
            Value::Text(text) => print_of(*place, text.as_bytes()),
        });
        prints.fold(0, u64::wrapping_add)
    }
}

/// What a cell of a row adds to its print.
pub(super) fn print_of(place: usize, text: &[u8]) -> u64 {
    match text.is_empty() || text == NULL.as_bytes() {
        true => 0,
        false => print::of_column(place, text),
    }
}

/// Appends a text in quotes.
pub(super) fn push_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        let (before, behind) = rest.split_at(quote + 1);
        copy::push(out, before.as_bytes());
        out.push(b'"');
        rest = behind;
    }
    copy::push(out, rest.as_bytes());
    out.push(b'"');
}

fn value<'r>(name: &str, raw: &'r str) -> Result<Value<'r>, Problem> {
    let text = match raw.bytes().next() {
        Some(b'"') => decoded(raw).ok_or_else(|| unfit(name, "is no text"))?,
        Some(b'n') => return Ok(Value::Null),
        Some(b'[' | b'{') => return Err(unfit(name, "is a list or an object")),
        _ => return Ok(Value::Bare(raw)),
    };
    match &*text {
        // REST empties the field too.
        "" => Ok(Value::Null),
        NULL => Err(unfit(
            name,
            "is the text #N/A, which a bulk job takes for null",
        )),
        _ => Ok(Value::Text(text)),
    }
}

/// The column and the cell of a related record that is named by one field of its
/// own: `{"Key__c": "7"}`, with `attributes` if there are several objects that
/// it could be of.
fn related<'r>(name: &'r str, value_of: &'r str) -> Result<(Cow<'r, str>, Value<'r>), Problem> {
    let mut kind = None;
    let mut key = None;
    let mut is_one = true;
    let walked = Skim::new(value_of).members(|member, skim| {
        if member == "\"attributes\"" {
            skim.members(|attribute, skim| {
                let value = skim.value()?;
                if attribute == "\"type\"" {
                    kind = decoded(value);
                }
                Ok::<(), Malformed>(())
            })
        } else {
            is_one &= key.replace((member, skim.value()?)).is_none();
            Ok(())
        }
    });
    let member = key.and_then(|(member, value)| Some((decoded(member)?, value)));
    let (Ok(()), Some((member, raw))) = (walked, member) else {
        return Err(unfit(name, "names no field of the related record"));
    };
    if !is_one {
        return Err(unfit(
            name,
            "names the related record by more than one field",
        ));
    }
    let column = match kind {
        Some(kind) => format!("{kind}:{name}.{member}"),
        None => format!("{name}.{member}"),
    };
    Ok((Cow::Owned(column), value(name, raw)?))
}

fn unfit(field: &str, what: &str) -> Problem {
    let mut problem = problem(
        Advice::FixRecord,
        "INVALID_FIELD",
        &format!("{field} {what}: such a record cannot go by a bulk job, but by collections"),
    );
    problem.fields.push(field.to_owned());
    problem
}

/// The cells of a line that was written here, as they stand in it.
pub(super) fn cells(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let mut is_within = false;
        let end = line.bytes().position(|byte| {
            is_within ^= byte == b'"';
            byte == b',' && !is_within
        });
        let (cell, behind) = match end {
            Some(end) => (line.get(..end), line.get(end + 1..)),
            None => (Some(line), None),
        };
        rest = behind;
        cell
    })
}

/// A cell without its quotes.
pub(super) fn text(cell: &str) -> Cow<'_, str> {
    match cell.strip_prefix('"').and_then(|c| c.strip_suffix('"')) {
        Some(inner) if inner.contains('"') => Cow::Owned(inner.replace("\"\"", "\"")),
        Some(inner) => Cow::Borrowed(inner),
        None => Cow::Borrowed(cell),
    }
}

/// Appends the record that a line was made of, as JSON.
pub(super) fn push_record(out: &mut Vec<u8>, columns: &Columns, line: &str) {
    out.push(b'{');
    let start = out.len();
    for (name, cell) in columns.names.iter().zip(cells(line)) {
        if cell.is_empty() {
            continue;
        }
        if out.len() > start {
            out.push(b',');
        }
        let Some((relationship, field)) = name.split_once('.') else {
            push_text(out, name);
            out.push(b':');
            push_cell(out, cell);
            continue;
        };
        let (kind, relationship) = match relationship.split_once(':') {
            Some((kind, relationship)) => (Some(kind), relationship),
            None => (None, relationship),
        };
        push_text(out, relationship);
        out.extend_from_slice(b":{");
        if let Some(kind) = kind {
            out.extend_from_slice(b"\"attributes\":{\"type\":");
            push_text(out, kind);
            out.extend_from_slice(b"},");
        }
        push_text(out, field);
        out.push(b':');
        push_cell(out, cell);
        out.push(b'}');
    }
    out.push(b'}');
}

/// Appends a cell as JSON.
pub(super) fn push_cell(out: &mut Vec<u8>, cell: &str) {
    match cell {
        NULL => out.extend_from_slice(b"null"),
        cell if cell.starts_with('"') => push_text(out, &text(cell)),
        cell => out.extend_from_slice(cell.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{KeyedBy, read_rows};

    /// The lines of records, their columns, and the field to blame for each that
    /// has none.
    fn lines(json: &str, keyed_by: KeyedBy<'_>, key: Option<&str>) -> (Vec<String>, Columns) {
        let mut columns = Columns::default();
        let key_column = key.map(|key| columns.place(key, 0));
        let rows = read_rows(json.as_bytes(), keyed_by).unwrap();
        let lines = rows.iter().map(|row| {
            let row = row.as_ref().unwrap();
            match Cells::of(row, key_column, &mut columns) {
                Ok(cells) => {
                    let mut line = Vec::new();
                    cells.write(&mut line);
                    String::from_utf8(line).unwrap()
                }
                Err(problem) => problem.fields.concat(),
            }
        });
        (lines.collect(), columns)
    }

    #[test]
    fn null_and_empty_are_said_and_what_is_not_set_is_left_alone() {
        let (lines, columns) = lines(
            r#"[{"Name":"a \"b\"\nc, ü","Phone":null,"Fax":""},
                {"Size__c":1.50,"name":"N","Live__c":true},{"name":"1","Name":"2"},{}]"#,
            KeyedBy::Nothing,
            None,
        );
        assert_eq!(
            columns.names,
            ["Name", "Phone", "Fax", "Size__c", "Live__c"]
        );
        assert_eq!(
            lines,
            [
                "\"a \"\"b\"\"\nc, ü\",#N/A,#N/A",
                "\"N\",,,1.50,true",
                "\"2\"",
                ""
            ]
        );
    }

    #[test]
    fn related_records_are_columns_and_what_has_no_place_is_refused() {
        let (lines, columns) = lines(
            r##"[{"Account":{"Key__c":"7"},"Owner":{"attributes":{"type":"User"},"Username":"u"}},
                {"Account":{"Key__c":"7","Other__c":"8"}},{"Name":"#N/A"},{"Tags":["a"]}]"##,
            KeyedBy::Nothing,
            None,
        );
        assert_eq!(columns.names, ["Account.Key__c", "User:Owner.Username"]);
        assert_eq!(lines, ["\"7\",\"u\"", "Account", "Name", "Tags"]);
    }

    #[test]
    fn a_record_is_made_of_its_line_as_it_was() {
        let json = r#"[{"Key__c":7,"Name":"a \"b\",\n\\ü","Phone":null,"Size__c":1.50,"Live__c":true,"Account":{"Other__c":"x, \"y\""},"Owner":{"attributes":{"type":"User"},"Username":null}},{"Key__c":"8","Size__c":"2"}]"#;
        let (lines, columns) = lines(json, KeyedBy::Field("Key__c"), Some("Key__c"));
        let mut again = b"[".to_vec();
        for line in &lines {
            if again.len() > 1 {
                again.push(b',');
            }
            push_record(&mut again, &columns, line);
        }
        again.push(b']');
        assert_eq!(String::from_utf8(again).unwrap(), json);
    }

    #[test]
    fn rows_that_say_the_same_have_one_print_and_null_counts_as_nothing() {
        let mut columns = Columns::default();
        let mut print = |json: &str| {
            let json = format!("[{json}]");
            let rows = read_rows(json.as_bytes(), KeyedBy::Nothing).unwrap();
            let row = rows[0].as_ref().unwrap();
            Cells::of(row, None, &mut columns).unwrap().print()
        };
        let first = print(r#"{"A":"1","B":"\u0032","C":null}"#);
        assert_eq!(first, print(r#"{"B":"2","a":1}"#));
        assert_ne!(first, print(r#"{"A":"2","B":"1"}"#));
        assert_eq!(first, print_of(0, b"1").wrapping_add(print_of(1, b"2")));
        assert_eq!(print_of(2, b""), print_of(2, b"#N/A"));
    }
}
