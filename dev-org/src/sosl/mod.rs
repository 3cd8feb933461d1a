//! SOSL: words looked for in many objects at once.
//!
//! A statement is cut into its clauses (`statement`), the words between the
//! braces become an expression (`term`), and what each object is to return is
//! an ordinary query whose rows are then held against the expression.

mod statement;
mod term;

use crate::fault::Fault;
use crate::org::Org;
use crate::schema::{Field, FieldKind, Object};
use crate::soql::{self, Page};
use crate::table::Row;
use crate::user::User;
use term::{Expression, Words};

/// Most records of one search unless it asks for fewer.
pub const MOST: usize = 2_000;

/// Which fields are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every text.
    #[default]
    All,
    /// Names of records and people.
    Name,
    /// Email addresses.
    Email,
    /// Telephone numbers.
    Phone,
    /// Names, addresses, numbers and external ids.
    Sidebar,
}

impl Scope {
    /// `ALL`, `NAME` and so on, in any case.
    ///
    /// # Errors
    /// When there is no such scope.
    pub fn named(name: &str) -> Result<Self, Fault> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "ALL" => Self::All,
            "NAME" => Self::Name,
            "EMAIL" => Self::Email,
            "PHONE" => Self::Phone,
            "SIDEBAR" => Self::Sidebar,
            _ => return Err(malformed(format!("unexpected token: '{name}'"))),
        })
    }

    fn takes(self, field: &Field) -> bool {
        let is_name = field.name_field || field.compound.as_deref() == Some("Name");
        match (self, field.kind) {
            (Self::All, FieldKind::Picklist | FieldKind::MultiPicklist) => false,
            (Self::All, kind) => kind.is_text() && kind != FieldKind::EncryptedString,
            (Self::Email | Self::Sidebar, FieldKind::Email)
            | (Self::Phone | Self::Sidebar, FieldKind::Phone) => true,
            (Self::Name, _) => is_name,
            (Self::Sidebar, _) => is_name || field.external_id,
            _ => false,
        }
    }
}

/// One object of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Returning {
    /// The object.
    pub object: String,
    /// The fields as a SELECT list; only the id when empty.
    pub fields: String,
    /// WHERE and ORDER BY as written.
    pub conditions: String,
    /// Most records of this object.
    pub limit: Option<usize>,
    /// Records of this object that are skipped.
    pub offset: usize,
}

/// A search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// The words, with AND, OR, AND NOT, quotes and wildcards.
    pub find: String,
    /// Where to look.
    pub scope: Scope,
    /// The objects; all that can be searched when empty.
    pub returning: Vec<Returning>,
    /// Most records of all objects together.
    pub limit: Option<usize>,
}

impl Search {
    /// Reads `FIND {Acme} IN NAME FIELDS RETURNING Account(Id, Name)`.
    ///
    /// # Errors
    /// When it does not follow the grammar.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        statement::parse(text)
    }

    /// The records found, as a JSON array, object by object.
    ///
    /// # Errors
    /// When the words, an object, a field or a condition cannot be used.
    pub fn run(&self, org: &Org, who: &User, version: &str) -> Result<Vec<u8>, Fault> {
        let expression = Expression::parse(&self.find)?;
        let mut left = self.limit.unwrap_or(MOST).min(MOST);
        let mut out = vec![b'['];
        for returning in self.objects(org, who) {
            let (object, answer) = found(org, who, &returning, version)?;
            let columns: Vec<(usize, FieldKind)> = object
                .fields
                .iter()
                .enumerate()
                .filter(|(_, field)| self.scope.takes(field))
                .filter(|(_, field)| who.can_read(&object.name, &field.name))
                .map(|(column, field)| (column, field.kind))
                .collect();
            let limit = returning.limit.unwrap_or(MOST).min(left);
            let answer = answer.among(
                org,
                |row| expression.holds(&words(row, &columns)),
                returning.offset,
                limit,
            );
            left -= answer.total().min(left);
            if answer.total() == 0 {
                continue;
            }
            if out.len() > 1 {
                out.push(b',');
            }
            let mut records = Vec::new();
            let all = Page {
                from: 0,
                size: MOST,
            };
            answer.write_records(org, all, &mut |_| String::new(), &mut records);
            out.extend_from_slice(records.get(1..records.len() - 1).unwrap_or_default());
        }
        out.push(b']');
        Ok(out)
    }

    fn objects(&self, org: &Org, who: &User) -> Vec<Returning> {
        if !self.returning.is_empty() {
            return self.returning.clone();
        }
        org.schema
            .objects()
            .filter(|object| object.searchable && object.queryable)
            .filter(|object| who.object_permissions(&object.name).read)
            .map(|object| Returning {
                object: object.name.clone(),
                ..Returning::default()
            })
            .collect()
    }
}

/// The object, and its records that meet the conditions.
fn found<'a>(
    org: &'a Org,
    who: &User,
    returning: &Returning,
    version: &str,
) -> Result<(&'a Object, soql::Answer), Fault> {
    let name = &returning.object;
    let object = org
        .schema
        .object(name)
        .filter(|object| who.object_permissions(&object.name).read)
        .ok_or_else(|| {
            Fault::bad_request(
                "INVALID_TYPE",
                format!("sObject type '{name}' is not supported."),
            )
        })?;
    if !object.searchable {
        return Err(Fault::bad_request(
            "INVALID_SEARCH_SCOPE",
            format!("entity type {} does not support search", object.name),
        ));
    }
    let fields = match returning.fields.trim() {
        "" => "Id",
        fields => fields,
    };
    let query = format!("SELECT {fields} FROM {name} {}", returning.conditions);
    let answer = soql::run(org, who, &query, false, version).map_err(|fault| Fault {
        code: match fault.code {
            "MALFORMED_QUERY" => "MALFORMED_SEARCH",
            code => code,
        },
        ..fault
    })?;
    Ok((object, answer))
}

/// The words of a record, field by field.
fn words(row: &Row, columns: &[(usize, FieldKind)]) -> Vec<Words> {
    columns
        .iter()
        .filter_map(|(column, kind)| {
            let text = row.get(*column).as_str()?;
            Some(Words::of(text, *kind == FieldKind::Phone))
        })
        .collect()
}

fn malformed(message: impl Into<String>) -> Fault {
    Fault::bad_request("MALFORMED_SEARCH", message)
}
