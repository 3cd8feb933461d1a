//! Records that hold their children, taken apart into records that each stand for
//! themselves and know what they hang on.
//!
//! The shape is that of queries and of Salesforce's sObject tree:
//! `{"Name": "A", "Contacts": {"records": [{"LastName": "B"}]}}`. Which object the
//! children are of, and which of its fields names the parent, is in the parent's
//! description.

use std::borrow::Cow;

use json_skim::{Malformed, Skim};
use memchr::memmem;

use super::plan::Verb;
use super::schema::{Described, Schema};
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Operation, Problem};
use crate::body::{Row, read_rows};
use crate::fault::{problem, refused};
use crate::host::Host;
use crate::names;
use crate::wire::decoded;

/// The member of a child's `attributes` that names the external id by which it is
/// found. A child without it is created.
const KEY_FIELD: &str = "\"key_field\"";

/// The most kinds of records: what people write has a handful.
const MAX_KINDS: usize = 100;

/// Records of trees, parents before their children.
#[derive(Debug, Default)]
pub(super) struct Trees {
    pub(super) nodes: Vec<Node>,
    /// By level, the roots' first.
    pub(super) kinds: Vec<Kind>,
    pub(super) n_roots: usize,
}

/// One record.
#[derive(Debug)]
pub(super) struct Node {
    /// The number of its tree, which is also the place of the root.
    pub(super) root: usize,
    /// The place of the record that holds it.
    pub(super) parent: Option<usize>,
    /// The place of its kind.
    pub(super) kind: usize,
    /// Where it stands in its root.
    pub(super) pointer: String,
    /// The record without its children, a JSON object.
    json: String,
    /// What is wrong with it by itself.
    pub(super) problem: Option<Problem>,
}

/// What records of one level have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kind {
    pub(super) level: usize,
    pub(super) object: String,
    /// Creates or upserts.
    pub(super) operation: Operation,
    /// The field that names the parent.
    pub(super) parent_field: Option<String>,
}

impl Kind {
    pub(super) fn verb(&self) -> Verb<'_> {
        match &self.operation {
            Operation::Upsert(field) => Verb::Upsert(field),
            _ => Verb::Create,
        }
    }
}

/// A record with its children cut off.
struct Parts<'a> {
    /// Names as they came, in their quotes, and values.
    own: Vec<(&'a str, &'a str)>,
    children: Vec<(Cow<'a, str>, Vec<&'a str>)>,
    key_field: Option<String>,
}

/// Whether any of the records of a JSON array holds children.
pub(super) fn hold_children(records: &str) -> bool {
    // Quotes within a text are escaped, so this is a name or a whole text.
    if !names_records(records) {
        return false;
    }
    let mut any = false;
    let _malformed = Skim::new(records).elements(|skim| {
        let record = skim.value()?;
        any = any || Parts::of(record).is_some_and(|parts| !parts.children.is_empty());
        Ok::<(), Malformed>(())
    });
    any
}

fn names_records(text: &str) -> bool {
    memmem::find(text.as_bytes(), b"\"records\"").is_some()
}

/// Whether a record that was read holds children.
pub(super) fn holds_children(row: &Row<'_>) -> bool {
    row.members().any(|(_, value)| children(value).is_some())
}

/// Refuses a record that holds others where they cannot be written with it.
pub(super) fn refuse_children(row: &mut Result<Row<'_>, Problem>) {
    let name = row.as_ref().ok().and_then(|row| {
        let mut holding = row.members().filter(|(_, value)| children(value).is_some());
        holding.next().map(|(name, _)| name.to_owned())
    });
    if let Some(name) = name {
        let mut problem = problem(
            Advice::FixRecord,
            "INVALID_FIELD",
            "records are written with those that they hold by creates and upserts only",
        );
        problem.fields.push(name);
        *row = Err(problem);
    }
}

impl<'a> Parts<'a> {
    /// Takes a record apart; `None` if it is no object.
    fn of(record: &'a str) -> Option<Self> {
        let mut parts = Self {
            own: Vec::new(),
            children: Vec::new(),
            key_field: None,
        };
        let walked = Skim::new(record).members(|name, skim| {
            if name == "\"attributes\"" && skim.peek() == Some(b'{') {
                return skim.members(|name, skim| {
                    let value = skim.value()?;
                    if name == KEY_FIELD {
                        parts.key_field = decoded(value).map(Cow::into_owned);
                    }
                    Ok(())
                });
            }
            let value = skim.value()?;
            match (decoded(name), children(value)) {
                (Some(name), Some(records)) => parts.children.push((name, records)),
                _ => parts.own.push((name, value)),
            }
            Ok::<(), Malformed>(())
        });
        walked.ok().map(|()| parts)
    }

    /// The record without children, and without the members that `leave_out` says.
    fn json(&self, leave_out: impl Fn(&str, &str) -> bool) -> String {
        let mut json = String::from("{");
        for (name, value) in &self.own {
            if decoded(name).is_some_and(|name| leave_out(&name, value)) {
                continue;
            }
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(name);
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
        json
    }

    fn sets(&self, field: &str) -> bool {
        let mut own = self.own.iter();
        own.any(|(name, _)| decoded(name).is_some_and(|name| name.eq_ignore_ascii_case(field)))
    }
}

/// The records of a list of children; `None` for any other value.
fn children(value: &str) -> Option<Vec<&str>> {
    if !value.starts_with('{') || !names_records(value) {
        return None;
    }
    let mut records = None;
    let walked = Skim::new(value).members(|name, skim| {
        if name != "\"records\"" || skim.peek() != Some(b'[') {
            return skim.value().map(|_| ());
        }
        let mut all = Vec::new();
        skim.elements(|skim| {
            all.push(skim.value()?);
            Ok::<(), Malformed>(())
        })?;
        records = Some(all);
        Ok(())
    });
    walked.ok()?;
    records
}

impl Trees {
    /// Takes the records of a JSON array apart, all of which are of one object.
    ///
    /// What is wrong with one record is noted there.
    pub(super) async fn of<H: Host>(
        api: &Api<H>,
        schema: &Schema,
        object: &str,
        operation: &Operation,
        records: &[u8],
    ) -> Result<Self, Error> {
        let malformed = || {
            refused(
                Advice::FixRecord,
                "JSON_PARSER_ERROR",
                "records are one JSON array of objects",
            )
        };
        let text = str::from_utf8(records).map_err(|_| malformed())?;
        let mut trees = Self::default();
        trees.kinds.push(Kind {
            level: 0,
            object: object.to_owned(),
            operation: operation.clone(),
            parent_field: None,
        });
        let mut parts: Vec<Option<Parts<'_>>> = Vec::new();
        let walked = Skim::new(text).elements(|skim| {
            parts.push(Parts::of(skim.value()?));
            Ok::<(), Malformed>(())
        });
        walked.map_err(|_| malformed())?;
        trees.n_roots = parts.len();
        for at in 0..parts.len() {
            trees.nodes.push(Node::new(at, None, 0, String::new()));
        }
        let mut start = 0;
        while start < trees.nodes.len() {
            let end = trees.nodes.len();
            for (node, parts) in trees.nodes.iter().zip(&parts).skip(start) {
                if parts
                    .as_ref()
                    .is_some_and(|parts| !parts.children.is_empty())
                    && let Some(kind) = trees.kinds.get(node.kind)
                {
                    schema.of(api, &kind.object).await?;
                }
            }
            for at in start..end {
                let Some(part) = parts.get_mut(at).and_then(Option::take) else {
                    trees.blame(at, no_object());
                    continue;
                };
                trees.branch(at, part, schema, &mut parts);
            }
            start = end;
        }
        Ok(trees)
    }

    /// Gives a record its own text, and its children places behind all others.
    fn branch<'a>(
        &mut self,
        at: usize,
        part: Parts<'a>,
        schema: &Schema,
        parts: &mut Vec<Option<Parts<'a>>>,
    ) {
        let Some((root, pointer, kind)) = self.nodes.get(at).and_then(|node| {
            let kind = self.kinds.get(node.kind)?;
            Some((node.root, node.pointer.clone(), kind))
        }) else {
            return;
        };
        let described = schema.known(&kind.object);
        let level = kind.level + 1;
        let parent_field = kind.parent_field.clone();
        let json = part.json(|name, value| {
            // Its parent is the one that holds it. And queries give `null` for
            // children that there are none of.
            let is_parent = parent_field
                .as_deref()
                .is_some_and(|field| field.eq_ignore_ascii_case(name));
            is_parent || (value == "null" && is_only_relationship(described.as_deref(), name))
        });
        let array = format!("[{json}]");
        let wrong = match read_rows(array.as_bytes(), kind.verb().keyed_by()) {
            Ok(mut rows) => rows.pop().and_then(Result::err),
            Err(_) => Some(no_object()),
        };
        let wrong = wrong.or_else(|| (level > 1 && part.sets("Id")).then(id_in_child));
        let object = kind.object.clone();
        if let Some(node) = self.nodes.get_mut(at) {
            node.json = json;
        }
        if let Some(problem) = wrong {
            self.blame(at, problem);
        }
        for (name, records) in part.children {
            let Some(child) = described.as_ref().and_then(|known| known.children(&name)) else {
                self.blame(at, no_relationship(&object, &name));
                continue;
            };
            for (number, record) in records.into_iter().enumerate() {
                let part = Parts::of(record);
                let key_field = part.as_ref().and_then(|part| part.key_field.clone());
                let wrong = key_field.as_deref().and_then(wrong_key_field);
                let kind = self.kind(Kind {
                    level,
                    object: child.object.clone(),
                    operation: key_field.map_or(Operation::Create, Operation::Upsert),
                    parent_field: Some(child.field.clone()),
                });
                let Some(kind) = kind else {
                    self.blame(at, too_many_kinds());
                    break;
                };
                let pointer = format!("{pointer}/{name}/records/{number}");
                let mut node = Node::new(root, Some(at), kind, pointer);
                node.problem = wrong;
                self.nodes.push(node);
                parts.push(part);
            }
        }
    }

    /// The place of a kind; `None` if there are too many.
    fn kind(&mut self, wanted: Kind) -> Option<usize> {
        let known = self.kinds.iter().position(|kind| *kind == wanted);
        if known.is_none() && self.kinds.len() < MAX_KINDS {
            self.kinds.push(wanted);
            return self.kinds.len().checked_sub(1);
        }
        known
    }

    /// Notes the first thing that is wrong with a record.
    fn blame(&mut self, at: usize, mut problem: Problem) {
        let object = self.kind_of(at).map(|kind| kind.object.clone());
        if let Some(node) = self.nodes.get_mut(at) {
            problem.object = problem.object.or(object);
            node.problem.get_or_insert(problem);
        }
    }

    /// About how long a record is, in bytes.
    pub(super) fn size(&self, at: usize) -> usize {
        // Method, address and name come with it in a graph.
        self.nodes.get(at).map_or(0, |node| node.json.len() + 256)
    }

    /// The kind of a record.
    pub(super) fn kind_of(&self, at: usize) -> Option<&Kind> {
        self.kinds.get(self.nodes.get(at)?.kind)
    }

    /// The text of a record, with a value in the field that names its parent.
    pub(super) fn json(&self, at: usize, parent: Option<&str>) -> String {
        let Some(node) = self.nodes.get(at) else {
            return String::new();
        };
        let field = self
            .kind_of(at)
            .and_then(|kind| kind.parent_field.as_deref());
        match (field, parent) {
            (Some(field), Some(parent)) => {
                let rest = node.json.strip_prefix('{').unwrap_or_default();
                let comma = if rest == "}" { "" } else { "," };
                format!("{{\"{field}\":{parent}{comma}{rest}")
            }
            _ => node.json.clone(),
        }
    }
}

impl Node {
    const fn new(root: usize, parent: Option<usize>, kind: usize, pointer: String) -> Self {
        Self {
            root,
            parent,
            kind,
            pointer,
            json: String::new(),
            problem: None,
        }
    }
}

/// Whether a name is that of children and of no field.
fn is_only_relationship(described: Option<&Described>, name: &str) -> bool {
    described.is_some_and(|known| known.children(name).is_some() && known.field(name).is_none())
}

fn no_object() -> Problem {
    problem(
        Advice::FixRecord,
        "JSON_PARSER_ERROR",
        "a record is a JSON object",
    )
}

fn id_in_child() -> Problem {
    let mut problem = problem(
        Advice::FixRecord,
        "INVALID_FIELD",
        "a record within another one is created, or found by the external id that its attributes \
         name as key_field: it has no Id. Change it by a write of its own",
    );
    problem.fields.push("Id".to_owned());
    problem
}

fn no_relationship(object: &str, name: &str) -> Problem {
    let mut problem = problem(
        Advice::FixSchema,
        "INVALID_FIELD",
        &format!("{object} has no children of the name {name} that the connected user can see"),
    );
    problem.fields.push(name.to_owned());
    problem
}

fn too_many_kinds() -> Problem {
    problem(
        Advice::FixRecord,
        "LIMIT_EXCEEDED",
        &format!(
            "the records of one write hang on one another in more than {MAX_KINDS} ways: write \
             them in parts"
        ),
    )
}

fn wrong_key_field(field: &str) -> Option<Problem> {
    let is_wrong = names::key_field(field).is_err() || field.eq_ignore_ascii_case("Id");
    is_wrong.then(|| {
        problem(
            Advice::FixRecord,
            "INVALID_FIELD",
            "the key_field of a record's attributes is the API name of an external id field",
        )
    })
}
