//! Records as the CSV of a bulk job, and what finds them again in its results.
//!
//! A field that is set to `null` is `#N/A`, one that is not set is empty: an
//! update leaves that one alone. A related record that is named by its external
//! id becomes a column of its own, `Account.Key__c`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use json_skim::{Malformed, Skim};

use crate::bindings::exports::lockgate::connector::records::{Advice, Problem};
use crate::body::{Key, Row};
use crate::fault::problem;
use crate::wire::decoded;

/// What a cell says to empty a field.
const NULL: &str = "#N/A";

/// Rows as they go up.
#[derive(Debug)]
pub(super) struct Sheet {
    columns: Vec<String>,
    pub(super) csv: Vec<u8>,
    /// The numbers of the rows.
    rows: Vec<usize>,
    /// Row numbers by what the whole row says.
    by_row: HashMap<u64, VecDeque<usize>>,
    /// Row numbers by the cell of the key column.
    by_key: HashMap<u64, VecDeque<usize>>,
    key_column: Option<usize>,
    /// Rows that were found.
    taken: HashSet<usize>,
}

/// The cells that a row fills, by column.
type Cells<'a> = Vec<(usize, Cow<'a, str>)>;

impl Sheet {
    /// Writes rows with their numbers as CSV, and says which of them cannot be.
    pub(super) fn of<'r>(
        rows: impl Iterator<Item = (usize, &'r Row<'r>)>,
        key_field: Option<&str>,
    ) -> (Self, Vec<(usize, Problem)>) {
        let mut columns = Columns::default();
        let key_column = key_field.map(|field| columns.place(field));
        let mut filled: Vec<(usize, Cells<'r>)> = Vec::new();
        let mut refused = Vec::new();
        for (at, row) in rows {
            match cells(row, key_column, &mut columns) {
                Ok(cells) => filled.push((at, cells)),
                Err(problem) => refused.push((at, problem)),
            }
        }
        let mut sheet = Self {
            csv: Vec::new(),
            rows: filled.iter().map(|(at, _)| *at).collect(),
            by_row: HashMap::with_capacity(filled.len()),
            by_key: HashMap::new(),
            key_column,
            taken: HashSet::new(),
            columns: columns.names,
        };
        sheet.push_line(sheet.columns.clone().iter().map(String::as_str));
        let width = sheet.columns.len();
        for (at, cells) in &filled {
            let mut line = vec![""; width];
            for (column, value) in cells {
                if let Some(place) = line.get_mut(*column) {
                    *place = value;
                }
            }
            sheet.push_line(line.iter().copied());
            sheet.remember(*at, &line);
        }
        (sheet, refused)
    }

    /// Whether there are rows.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A number that tells these rows, with `what` is done to them, from others.
    pub(super) fn fingerprint(&self, what: &str) -> u64 {
        let rows = str::from_utf8(&self.csv).unwrap_or_default();
        fingerprint([what, rows].into_iter())
    }

    /// The column of a name.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
    }

    /// How many columns there are.
    pub(super) const fn width(&self) -> usize {
        self.columns.len()
    }

    /// The number of the row with these cells, by column, and forgets it. Rows
    /// that say the same are as good as each other.
    pub(super) fn take(&mut self, line: &[&str]) -> Option<usize> {
        if let Some(at) = next_in(&mut self.by_row, row_print(line), &mut self.taken) {
            return Some(at);
        }
        // Salesforce may write a value in its own way. The key is enough then.
        let key = fingerprint(std::iter::once(*line.get(self.key_column?)?));
        next_in(&mut self.by_key, key, &mut self.taken)
    }

    /// The numbers of rows that were not found.
    pub(super) fn rest(&self) -> impl Iterator<Item = usize> {
        let all = self.rows.iter().copied();
        all.filter(|at| !self.taken.contains(at))
    }

    fn remember(&mut self, at: usize, line: &[&str]) {
        self.by_row
            .entry(row_print(line))
            .or_default()
            .push_back(at);
        if let Some(key) = self.key_column.and_then(|column| line.get(column)) {
            let key = fingerprint(std::iter::once(*key));
            self.by_key.entry(key).or_default().push_back(at);
        }
    }

    fn push_line<'c>(&mut self, cells: impl Iterator<Item = &'c str>) {
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                self.csv.push(b',');
            }
            if cell.is_empty() {
                continue;
            }
            self.csv.push(b'"');
            for part in cell.split_inclusive('"') {
                self.csv.extend_from_slice(part.as_bytes());
                if part.ends_with('"') {
                    self.csv.push(b'"');
                }
            }
            self.csv.push(b'"');
        }
        self.csv.push(b'\n');
    }
}

/// The first row with this print that was not found yet.
fn next_in(
    rows: &mut HashMap<u64, VecDeque<usize>>,
    print: u64,
    taken: &mut HashSet<usize>,
) -> Option<usize> {
    let same = rows.get_mut(&print)?;
    std::iter::from_fn(|| same.pop_front()).find(|at| taken.insert(*at))
}

/// Results may give `#N/A` back as nothing.
fn row_print(line: &[&str]) -> u64 {
    fingerprint(
        line.iter()
            .map(|cell| if *cell == NULL { "" } else { *cell }),
    )
}

fn fingerprint<'c>(cells: impl Iterator<Item = &'c str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for cell in cells {
        cell.hash(&mut hasher);
    }
    hasher.finish()
}

/// Columns in the order in which rows first name them.
#[derive(Debug, Default)]
struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Columns {
    fn place(&mut self, name: &str) -> usize {
        let folded = name.to_ascii_lowercase();
        if let Some(place) = self.places.get(&folded) {
            return *place;
        }
        let place = self.names.len();
        self.names.push(name.to_owned());
        self.places.insert(folded, place);
        place
    }
}

fn cells<'r>(
    row: &'r Row<'r>,
    key_column: Option<usize>,
    columns: &mut Columns,
) -> Result<Cells<'r>, Problem> {
    let mut cells = Cells::new();
    if let Some(column) = key_column {
        match &row.key {
            Key::Id(id) => cells.push((column, Cow::Borrowed(id.as_str()))),
            Key::External { value, .. } => cells.push((column, Cow::Borrowed(value.as_str()))),
            Key::NoId | Key::None => {}
        }
    }
    for (name, value) in row.members() {
        let (column, cell) = match value.bytes().next() {
            Some(b'{') => related(name, value)?,
            _ => (Cow::Borrowed(name), cell(name, value)?),
        };
        cells.push((columns.place(&column), cell));
    }
    Ok(cells)
}

fn cell<'r>(name: &str, value: &'r str) -> Result<Cow<'r, str>, Problem> {
    let cell = match value.bytes().next() {
        Some(b'"') => decoded(value).ok_or_else(|| unfit(name, "is no text"))?,
        Some(b'n') => Cow::Borrowed(NULL),
        Some(b'[' | b'{') => return Err(unfit(name, "is a list or an object")),
        _ => Cow::Borrowed(value),
    };
    match &*cell {
        // REST empties the field too.
        "" => Ok(Cow::Borrowed(NULL)),
        NULL if value != "null" => Err(unfit(
            name,
            "is the text #N/A, which a bulk job takes for null",
        )),
        _ => Ok(cell),
    }
}

/// The column and the cell of a related record that is named by one field of its
/// own: `{"Key__c": "7"}`, with `attributes` if there are several objects that
/// it could be of.
fn related<'r>(name: &'r str, value: &'r str) -> Result<(Cow<'r, str>, Cow<'r, str>), Problem> {
    let mut kind = None;
    let mut key = None;
    let mut is_one = true;
    let walked = Skim::new(value).members(|member, skim| {
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
    let (Ok(()), Some((member, value))) = (walked, member) else {
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
    Ok((Cow::Owned(column), cell(name, value)?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{KeyedBy, read_rows};

    fn sheet(records: &[&str], keyed_by: KeyedBy<'_>, key: Option<&str>) -> (Sheet, Vec<Problem>) {
        let json = format!("[{}]", records.join(","));
        let rows = read_rows(json.as_bytes(), keyed_by).unwrap();
        let rows: Vec<Row<'_>> = rows.into_iter().map(Result::unwrap).collect();
        let (sheet, refused) = Sheet::of(rows.iter().enumerate(), key);
        (
            sheet,
            refused.into_iter().map(|(_, problem)| problem).collect(),
        )
    }

    #[test]
    fn null_and_empty_are_said_and_what_is_not_set_is_left_alone() {
        let (sheet, refused) = sheet(
            &[
                r#"{"Name":"a \"b\"\nc, ü","Phone":null,"Fax":""}"#,
                r#"{"Size__c":1.50,"name":"N","Live__c":true}"#,
            ],
            KeyedBy::Nothing,
            None,
        );
        assert!(refused.is_empty());
        assert_eq!(
            String::from_utf8(sheet.csv).unwrap(),
            "\"Name\",\"Phone\",\"Fax\",\"Size__c\",\"Live__c\"\n\
             \"a \"\"b\"\"\nc, ü\",\"#N/A\",\"#N/A\",,\n\
             \"N\",,,\"1.50\",\"true\"\n"
        );
    }

    #[test]
    fn related_records_are_columns_and_what_has_no_place_is_refused() {
        let (sheet, refused) = sheet(
            &[
                r#"{"Account":{"Key__c":"7"},"Owner":{"attributes":{"type":"User"},"Username":"u"}}"#,
                r#"{"Account":{"Key__c":"7","Other__c":"8"}}"#,
                r##"{"Name":"#N/A"}"##,
                r#"{"Tags":["a"]}"#,
            ],
            KeyedBy::Nothing,
            None,
        );
        assert_eq!(
            String::from_utf8(sheet.csv).unwrap(),
            "\"Account.Key__c\",\"User:Owner.Username\"\n\"7\",\"u\"\n"
        );
        let fields: Vec<&str> = refused.iter().map(|p| p.fields[0].as_str()).collect();
        assert_eq!(fields, ["Account", "Name", "Tags"]);
    }

    #[test]
    fn rows_are_found_by_what_they_say_and_else_by_their_key() {
        let (mut sheet, _) = sheet(
            &[
                r#"{"Key__c":"a","Name":null}"#,
                r#"{"Key__c":"b","Name":"1.0"}"#,
                r#"{"Key__c":"b","Name":"1.0"}"#,
            ],
            KeyedBy::Field("Key__c"),
            Some("Key__c"),
        );
        assert_eq!(sheet.take(&["b", "1.0"]), Some(1));
        assert_eq!(sheet.take(&["a", ""]), Some(0));
        assert_eq!(sheet.take(&["b", "1.0"]), Some(2));
        assert_eq!(sheet.take(&["c", "1.0"]), None);
    }
}
