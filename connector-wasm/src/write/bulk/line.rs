//! One record as a line of a bulk job's CSV, and back.
//!
//! A field that is set to `null` is `#N/A`, one that is not set is empty: an
//! update leaves that one alone. A related record that is named by its external id
//! becomes a column of its own, `Account.Key__c`.

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
    kinds: Vec<Kind>,
    /// By name in lower case.
    places: HashMap<String, usize>,
}

/// What the cells of a column hold, by which a record is made of them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing or null.
    Nothing,
    /// Numbers, or `true` and `false`.
    Bare,
    Text,
    Mixed,
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
        self.kinds.push(Kind::Nothing);
        self.places.insert(folded, place);
        place
    }

    fn note(&mut self, place: usize, kind: Kind) {
        if let Some(known) = self.kinds.get_mut(place)
            && *known != kind
        {
            *known = match *known {
                Kind::Nothing => kind,
                _ => Kind::Mixed,
            };
        }
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
        for (place, value) in &cells {
            match value {
                Value::Null => {}
                Value::Bare(_) => columns.note(*place, Kind::Bare),
                Value::Text(_) => columns.note(*place, Kind::Text),
            }
        }
        Ok(Self(cells))
    }

    /// Which cells are null, a bit for each; `None` if one is that has no bit.
    pub(super) fn nulls(&self) -> Option<u64> {
        let cells = self.0.iter();
        let mut nulls = cells.filter(|(_, value)| matches!(value, Value::Null));
        nulls.try_fold(0, |nulls, (place, _)| {
            let bit = 1_u64.checked_shl(u32::try_from(*place).ok()?)?;
            Some(nulls | bit)
        })
    }

    /// The print of the first cell, whatever it says.
    pub(super) fn key_print(&self) -> u64 {
        match self.0.first() {
            Some((0, Value::Bare(text))) => print::of(text.as_bytes()),
            Some((0, Value::Text(text))) => print::of(text.as_bytes()),
            _ => print::of(b""),
        }
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

/// Appends the record that a row was made of, given its cells as texts, by column,
/// and which of them were null. False if it cannot be told what it was.
pub(super) fn push_record<'c>(
    out: &mut Vec<u8>,
    columns: &Columns,
    nulls: u64,
    cell: impl Fn(usize) -> Cow<'c, [u8]>,
) -> bool {
    out.push(b'{');
    let mut is_first = true;
    for (place, (name, kind)) in columns.names.iter().zip(&columns.kinds).enumerate() {
        let mut value = Vec::new();
        if !push_cell(&mut value, nulls, place, *kind, &cell(place)) {
            return false;
        }
        if value.is_empty() {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        let Some((relationship, field)) = name.split_once('.') else {
            push_text(out, name);
            out.push(b':');
            out.extend_from_slice(&value);
            continue;
        };
        let (object, relationship) = match relationship.split_once(':') {
            Some((object, relationship)) => (Some(object), relationship),
            None => (None, relationship),
        };
        push_text(out, relationship);
        out.extend_from_slice(b":{");
        if let Some(object) = object {
            out.extend_from_slice(b"\"attributes\":{\"type\":");
            push_text(out, object);
            out.extend_from_slice(b"},");
        }
        push_text(out, field);
        out.push(b':');
        out.extend_from_slice(&value);
        out.push(b'}');
    }
    out.push(b'}');
    true
}

/// Appends a cell as JSON, or nothing if it was not set. False if it cannot be told
/// what it was.
fn push_cell(out: &mut Vec<u8>, nulls: u64, place: usize, kind: Kind, text: &[u8]) -> bool {
    if text.is_empty() || text == NULL.as_bytes() {
        let bit = u32::try_from(place)
            .ok()
            .and_then(|bit| nulls.checked_shr(bit));
        if bit.is_some_and(|bit| bit & 1 == 1) {
            out.extend_from_slice(b"null");
        }
        return true;
    }
    match kind {
        Kind::Bare => out.extend_from_slice(text),
        Kind::Text => push_text(out, str::from_utf8(text).unwrap_or_default()),
        Kind::Nothing | Kind::Mixed => return false,
    }
    true
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
    fn a_record_is_made_of_its_cells_as_it_was_or_not_at_all() {
        let json = r#"[{"Key__c":7,"Name":"a \"b\",\n\\ü","Phone":null,"Live__c":true,"Account":{"Other__c":"x"},"Owner":{"attributes":{"type":"User"},"Username":null}},{"Key__c":8,"Fax":"2"},{"Key__c":9,"Fax":2}]"#;
        let mut columns = Columns::default();
        let key_column = Some(columns.place("Key__c", 0));
        let rows = read_rows(json.as_bytes(), KeyedBy::Field("Key__c")).unwrap();
        let mut cells = rows.iter().map(|row| {
            let row = row.as_ref().unwrap();
            Cells::of(row, key_column, &mut columns).unwrap()
        });
        let (first, second) = (cells.next().unwrap(), cells.next().unwrap());
        let again = |columns: &Columns, cells: &Cells<'_>, texts: &[&str]| {
            let mut out = Vec::new();
            let cell = |place: usize| Cow::Borrowed(texts.get(place).unwrap_or(&"").as_bytes());
            let is_told = push_record(&mut out, columns, cells.nulls().unwrap(), cell);
            is_told.then(|| String::from_utf8(out).unwrap())
        };
        // Salesforce gives some nulls back as nothing.
        let texts = ["7", "a \"b\",\n\\ü", "", "true", "x", "#N/A"];
        let wanted = json.get(1..json.find("},{\"Key__c\":8").unwrap() + 1);
        drop(cells);
        assert_eq!(again(&columns, &first, &texts).as_deref(), wanted);
        let texts = ["8", "", "", "", "", "", "2"];
        assert_eq!(
            again(&columns, &second, &texts).as_deref(),
            Some(r#"{"Key__c":8,"Fax":"2"}"#)
        );
        let mut cells = rows.iter().skip(2).map(|row| {
            let row = row.as_ref().unwrap();
            Cells::of(row, key_column, &mut columns).unwrap()
        });
        let third = cells.next().unwrap();
        drop(cells);
        assert_eq!(again(&columns, &third, &texts), None);
    }

    #[test]
    fn a_null_in_a_column_far_behind_has_no_bit() {
        let wide: Vec<String> = (0..70).map(|at| format!(r#""F{at}":"x""#)).collect();
        let json = format!(r#"[{{{}}},{{"F63":null}},{{"F64":null}}]"#, wide.join(","));
        let mut columns = Columns::default();
        let rows = read_rows(json.as_bytes(), KeyedBy::Nothing).unwrap();
        let nulls = rows.iter().map(|row| {
            let row = row.as_ref().unwrap();
            Cells::of(row, None, &mut columns).unwrap().nulls()
        });
        assert_eq!(nulls.collect::<Vec<_>>(), [Some(0), Some(1 << 63), None]);
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
