//! What can be told of a record without writing it: whether it fits what its
//! object's description says.
//!
//! Rules of the org (validation, duplicates, triggers) and whether the records
//! that it refers to are there can only be seen by writing.

mod value;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::plan::Verb;
use super::schema::{Described, Schema};
use crate::bindings::exports::lockgate::connector::records::{Advice, Field, Problem};
use crate::body::{Key, Row};
use crate::fault::problem;
use crate::wire::decoded;

/// Values that no two records of a write may share, as hashes of object, field and
/// value.
#[derive(Debug, Default)]
pub(super) struct Seen(HashSet<u64>);

impl Seen {
    /// Whether this is the first time.
    fn first(&mut self, object: &str, field: &str, value: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        object.hash(&mut hasher);
        field.hash(&mut hasher);
        value.hash(&mut hasher);
        self.0.insert(hasher.finish())
    }
}

/// A record in question.
pub(super) struct Question<'q, 'a> {
    pub(super) verb: Verb<'q>,
    pub(super) described: &'q Described,
    /// What else is known of the org.
    pub(super) schema: &'q Schema,
    /// A field that is filled in on the way.
    pub(super) parent_field: Option<&'q str>,
    pub(super) row: &'q Row<'a>,
    /// Whether the record will be a new one; `None` where it is not known.
    pub(super) is_new: Option<bool>,
}

/// A record in question, or what is wrong with it by itself.
pub(super) type Asked<'q, 'a> = Result<Question<'q, 'a>, Vec<Problem>>;

impl<'q, 'a> Question<'q, 'a> {
    /// A question of which nothing was looked up.
    pub(super) const fn new(
        verb: Verb<'q>,
        described: &'q Described,
        schema: &'q Schema,
        parent_field: Option<&'q str>,
        row: &'q Row<'a>,
    ) -> Self {
        let is_new = match (verb, &row.key) {
            (Verb::Create, _) | (_, Key::NoId) => Some(true),
            (Verb::Upsert(_), Key::External { .. }) => None,
            _ => Some(false),
        };
        Self {
            verb,
            described,
            schema,
            parent_field,
            row,
            is_new,
        }
    }

    /// The key of a record that is sound if it is there and not if it is new, and the
    /// field of the key.
    pub(super) fn key_in_doubt(&self) -> Option<(&'q Field, &'q str)> {
        let Key::External { value, .. } = &self.row.key else {
            return None;
        };
        let field = self.described.field(self.verb.field()?)?;
        let can_be_found = field.external_id
            && self.described.object.summary.queryable
            && value::too_long(field, value).is_none();
        let is_open = self.is_new.is_none() && can_be_found && self.missing().is_some();
        is_open.then_some((field, value))
    }

    /// All that is wrong with the record; nothing if it may be written.
    pub(super) fn problems(&self, seen: &mut Seen) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(self.permission());
        self.key(seen, &mut problems);
        if self.verb != Verb::Delete {
            for (name, value) in self.row.members() {
                problems.extend(self.member(name, value, seen));
            }
        }
        if self.is_new == Some(true) {
            problems.extend(self.missing());
        }
        for problem in &mut problems {
            problem
                .object
                .get_or_insert_with(|| self.object().to_owned());
        }
        problems
    }

    /// The name of its object, as the org writes it.
    pub(super) fn object(&self) -> &'q str {
        &self.described.object.summary.name
    }

    fn permission(&self) -> Option<Problem> {
        let summary = &self.described.object.summary;
        let (is_allowed, what) = match (self.verb, self.is_new) {
            (Verb::Delete, _) => (summary.deletable, "delete"),
            (_, Some(true)) => (summary.createable, "create"),
            (_, Some(false)) => (summary.updateable, "change"),
            (_, None) => (summary.createable || summary.updateable, "create or change"),
        };
        (!is_allowed).then(|| {
            problem(
                Advice::AskPermission,
                "INSUFFICIENT_ACCESS_OR_READONLY",
                &format!(
                    "the connected user may not {what} records of {}",
                    self.object()
                ),
            )
        })
    }

    /// What finds the record.
    fn key(&self, seen: &mut Seen, problems: &mut Vec<Problem>) {
        match &self.row.key {
            Key::Id(id) => {
                if let Some(prefix) = &self.described.prefix
                    && !id.starts_with(prefix.as_str())
                {
                    let object = self.object();
                    let message = format!(
                        "this is the id of another object: those of {object} start with {prefix}"
                    );
                    problems.push(about("Id", Advice::FixRecord, "MALFORMED_ID", &message));
                }
                if !seen.first(self.object(), "Id", id) {
                    problems.push(twice("Id"));
                }
            }
            Key::External { value, .. } => {
                let Some(name) = self.verb.field() else {
                    return;
                };
                match self.described.field(name) {
                    None => problems.push(hidden(name)),
                    Some(field) if !field.external_id => problems.push(about(
                        &field.name,
                        Advice::FixSchema,
                        "INVALID_FIELD",
                        "this field is no external id: records cannot be found by it",
                    )),
                    Some(field) => {
                        if !seen.first(self.object(), &field.name, value) {
                            problems.push(twice(&field.name));
                        }
                        problems.extend(value::too_long(field, value));
                    }
                }
            }
            Key::NoId | Key::None => {}
        }
    }

    fn member(&self, name: &str, value: &str, seen: &mut Seen) -> Option<Problem> {
        let Some(field) = self.described.field(name) else {
            return self.relationship(name, value);
        };
        let is_editable = match self.is_new {
            Some(true) => field.createable,
            Some(false) => field.updateable,
            None => field.createable || field.updateable,
        };
        if !is_editable {
            return Some(about(
                &field.name,
                Advice::FixSchema,
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                "the connected user can see this field but not set it: most likely field \
                 permissions, unless it is calculated",
            ));
        }
        if is_empty(value) {
            // What is missing on a create is told together.
            let must_be = self.is_new == Some(false) && !field.nillable;
            let is_checkbox = field.kind == "boolean";
            return (must_be || is_checkbox).then(|| {
                about(
                    &field.name,
                    Advice::FixRecord,
                    "REQUIRED_FIELD_MISSING",
                    "this field cannot be empty",
                )
            });
        }
        let wrong = value::wrong(field, value, |object| self.schema.prefix(object));
        wrong.or_else(|| {
            let text = decoded(value).filter(|_| field.unique)?;
            (!seen.first(self.object(), &field.name, &text)).then(|| twice(&field.name))
        })
    }

    /// A related record by its external id: `"Account": {"Key__c": "7"}`.
    fn relationship(&self, name: &str, value: &str) -> Option<Problem> {
        let field = self.referring(name);
        let fits = value.starts_with('{') || value == "null";
        field.is_none_or(|_| !fits).then(|| hidden(name))
    }

    /// The reference field of a relationship.
    fn referring(&self, name: &str) -> Option<&Field> {
        let field = match name.strip_suffix("__r") {
            Some(stem) => format!("{stem}__c"),
            None => format!("{name}Id"),
        };
        let field = self.described.field(&field)?;
        (!field.references.is_empty()).then_some(field)
    }

    /// Fields that a new record must have.
    fn missing(&self) -> Option<Problem> {
        let is_set = |field: &Field| {
            let mut members = self.row.members();
            members.any(|(name, value)| {
                let names = name.eq_ignore_ascii_case(&field.name)
                    || self
                        .referring(name)
                        .is_some_and(|other| other.name == field.name);
                names && !is_empty(value)
            })
        };
        let is_filled_in = |field: &Field| {
            self.parent_field
                .is_some_and(|name| name.eq_ignore_ascii_case(&field.name))
        };
        // What finds a record is given to the one that is made for want of it.
        let is_key = |field: &Field| {
            let key = self.verb.field();
            key.is_some_and(|name| name.eq_ignore_ascii_case(&field.name))
        };
        // A person account has the name of the person.
        let is_person = self.described.field("IsPersonAccount").is_some()
            && self
                .row
                .fields()
                .any(|name| name.eq_ignore_ascii_case("LastName"));
        let fields = self.described.object.fields.iter();
        let missing: Vec<String> = fields
            .filter(|field| field.required && !is_filled_in(field))
            .filter(|field| !is_key(field) && !is_set(field))
            .filter(|field| !(is_person && field.name == "Name"))
            .map(|field| field.name.clone())
            .collect();
        (!missing.is_empty()).then(|| {
            let mut problem = problem(
                Advice::FixRecord,
                "REQUIRED_FIELD_MISSING",
                &format!("a new record needs a value in {}", missing.join(", ")),
            );
            problem.fields = missing;
            problem
        })
    }
}

/// Salesforce takes an empty text for no value.
fn is_empty(value: &str) -> bool {
    value == "null" || decoded(value).is_some_and(|text| text.trim().is_empty())
}

fn about(field: &str, advice: Advice, code: &str, message: &str) -> Problem {
    let mut problem = problem(advice, code, &format!("{field}: {message}"));
    problem.fields.push(field.to_owned());
    problem
}

fn hidden(name: &str) -> Problem {
    about(
        name,
        Advice::FixSchema,
        "INVALID_FIELD",
        "the connected user sees no such field: it does not exist, or field-level security hides it",
    )
}

fn twice(field: &str) -> Problem {
    about(
        field,
        Advice::ResolveDuplicate,
        "DUPLICATE_VALUE",
        "another record of this write has the same value",
    )
}
