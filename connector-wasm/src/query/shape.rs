//! How the rows of a job become the records that REST would give: which column
//! is which field, of which type, and which parents they are nested in. The host
//! makes the records by this.
//!
//! REST tells a parent that is not there from one whose fields are empty, and
//! names each record's address. A job's rows do neither, so it is also asked for
//! the ids on the way.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::select::Select;
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::bindings::lockgate::connector::tables::{self, EditedText, Object};
use crate::describe::{Age, describe_body};
use crate::fault::{problem, unexpected};
use crate::host::Host;
use crate::wire;

/// The oldest version with query jobs.
const JOBS_SINCE: u16 = 47;

/// Bytes that a value of a few words takes, and one of a long text: only to ask
/// for the first rows of a job, later ones are measured.
const SHORT_BYTES: u64 = 24;
const LONG_BYTES: u64 = 1_000;
/// A field that may hold more characters than this is a long text.
const LONG_FROM: u32 = 255;

/// Why there is no job for a query.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// The org was asked and refused.
    Error(Error),
    /// A job cannot answer it, for this reason.
    Impossible(String),
}

impl Obstacle {
    pub(super) fn impossible(what: impl Into<String>) -> Self {
        Self::Impossible(what.into())
    }
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

#[derive(Deserialize)]
struct Described {
    name: String,
    fields: Vec<Field>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    length: u32,
    #[serde(default)]
    relationship_name: Option<String>,
    #[serde(default)]
    reference_to: Vec<String>,
}

/// How a value is written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    /// A date with a time: jobs write `Z` where REST writes `+0000`.
    Moment,
    Number,
    Flag,
}

impl Type {
    /// `None` for types that jobs do not give, or not as REST does.
    fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "id"
            | "string"
            | "reference"
            | "picklist"
            | "multipicklist"
            | "combobox"
            | "textarea"
            | "phone"
            | "url"
            | "email"
            | "encryptedstring"
            | "date"
            | "time"
            | "DataCategoryGroupReference" => Self::Text,
            "datetime" => Self::Moment,
            "int" | "long" | "double" | "currency" | "percent" => Self::Number,
            "boolean" => Self::Flag,
            _ => return None,
        })
    }
}

#[derive(Debug)]
struct Node {
    /// Where this record's id stands.
    id: usize,
    object: String,
    /// The address of the record, up to its id.
    address: String,
    /// In the order of the query.
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: String,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Column(usize, Type),
    Parent(usize),
}

/// How rows become records.
#[derive(Debug)]
pub(super) struct Shape {
    /// The query that a job is asked.
    pub(super) query: String,
    /// Its columns by name, those of the caller's query first.
    pub(super) columns: Vec<String>,
    /// The record itself, and its parents behind it.
    nodes: Vec<Node>,
    row_bytes: u64,
}

impl Shape {
    /// Looks up what the query asks for.
    pub(super) async fn of<H: Host>(api: &Api<H>, select: &Select<'_>) -> Result<Self, Obstacle> {
        let version = api.version().await?;
        let major = version.split('.').next().and_then(|n| n.parse().ok());
        if major.is_none_or(|major: u16| major < JOBS_SINCE) {
            let what = format!("version {version} of the API has no query jobs");
            return Err(Obstacle::Impossible(what));
        }
        let mut builder = Builder {
            api,
            version,
            described: BTreeMap::new(),
            latest: BTreeSet::new(),
            columns: select.fields.iter().map(|&f| f.to_owned()).collect(),
            nodes: Vec::new(),
            paths: Vec::new(),
            row_bytes: 0,
        };
        builder.node(select.object, "").await?;
        for (at, field) in select.fields.iter().enumerate() {
            builder.field(at, field).await?;
        }
        let more = builder
            .columns
            .get(select.fields.len()..)
            .unwrap_or_default();
        Ok(Self {
            query: select.with(more),
            columns: builder.columns,
            nodes: builder.nodes,
            row_bytes: builder.row_bytes,
        })
    }

    /// How many rows to ask for at first.
    pub(super) fn rows_of_a_fetch(&self) -> u32 {
        super::bulk::rows_of(self.row_bytes)
    }

    /// The same for a table with these columns: they are found by name, since their
    /// order is the org's own before version 50.
    pub(super) fn of_table(&self, names: &[String]) -> Result<tables::Shape, Error> {
        let place_of = |column: &String| {
            let mut places = (0..).zip(names);
            let place = places.find(|(_, name)| name.eq_ignore_ascii_case(column));
            place
                .map(|(place, _)| place)
                .ok_or_else(|| unexpected(&format!("a column {column} in a job's results")))
        };
        let places: Vec<u32> = self
            .columns
            .iter()
            .map(place_of)
            .collect::<Result<_, _>>()?;
        let place = |column: usize| places.get(column).copied().unwrap_or(u32::MAX);
        // The attributes of each record come behind all records.
        let records = self.nodes.iter().enumerate();
        let records = records.map(|(at, node)| node.record(self.nodes.len() + at, place));
        let attributes = self.nodes.iter().map(|node| node.attributes(place));
        Ok(tables::Shape {
            objects: records.chain(attributes).collect(),
        })
    }
}

impl Node {
    /// The record, whose attributes are the object at this place.
    fn record(&self, attributes: usize, place: impl Fn(usize) -> u32) -> Object {
        let object = |at: usize| tables::Value::Object(u32::try_from(at).unwrap_or(u32::MAX));
        let value = |value: &Value| match value {
            Value::Column(column, kind) => kind.value(place(*column)),
            Value::Parent(parent) => object(*parent),
        };
        let members = self.members.iter();
        let members = members.map(|member| told(&member.name, value(&member.value)));
        Object {
            present: Some(place(self.id)),
            members: std::iter::once(told("attributes", object(attributes)))
                .chain(members)
                .collect(),
        }
    }

    fn attributes(&self, place: impl Fn(usize) -> u32) -> Object {
        let url = tables::Value::EditedText(EditedText {
            column: place(self.id),
            prefix: self.address.clone(),
            ending: None,
        });
        let kind = tables::Value::Constant(self.object.clone());
        Object {
            present: None,
            members: vec![told("type", kind), told("url", url)],
        }
    }
}

impl Type {
    /// A column of values of this type, as the host is told of it.
    fn value(self, column: u32) -> tables::Value {
        match self {
            Self::Text => tables::Value::Text(column),
            Self::Number => tables::Value::Number(column),
            Self::Flag => tables::Value::Boolean(column),
            Self::Moment => tables::Value::EditedText(EditedText {
                column,
                prefix: String::new(),
                ending: Some(("Z".to_owned(), "+0000".to_owned())),
            }),
        }
    }
}

fn told(name: &str, value: tables::Value) -> tables::Member {
    tables::Member {
        name: name.to_owned(),
        value,
    }
}

struct Builder<'a, H> {
    api: &'a Api<H>,
    version: String,
    described: BTreeMap<String, Described>,
    /// Those whose description is the org's of just now, and not one that was
    /// kept.
    latest: BTreeSet<String>,
    columns: Vec<String>,
    nodes: Vec<Node>,
    /// The way to each node in lower case, `account.owner.`, and its object.
    paths: Vec<(String, String)>,
    row_bytes: u64,
}

impl<H: Host> Builder<'_, H> {
    /// Adds a record on the way; `path` is what stands in front of its fields.
    async fn node(&mut self, object: &str, path: &str) -> Result<usize, Obstacle> {
        let key = object.to_ascii_lowercase();
        if !self.described.contains_key(&key) {
            let (body, is_latest) = describe_body(self.api, object, Age::Recent).await?;
            if is_latest {
                self.latest.insert(key.clone());
            }
            let described: Described =
                wire::read(&body).ok_or_else(|| unexpected("a description of an sobject"))?;
            self.described.insert(key.clone(), described);
        }
        let name = self.described.get(&key).map_or(object, |d| d.name.as_str());
        let name = name.to_owned();
        self.row_bytes += SHORT_BYTES;
        let id = self.column(&format!("{path}Id"));
        self.nodes.push(Node {
            id,
            address: format!("/services/data/v{}/sobjects/{name}/", self.version),
            object: name,
            members: Vec::new(),
        });
        self.paths.push((path.to_ascii_lowercase(), key));
        Ok(self.nodes.len() - 1)
    }

    /// The place of a column, which is asked for if it is not yet.
    fn column(&mut self, name: &str) -> usize {
        let known = self
            .columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name));
        known.unwrap_or_else(|| {
            self.columns.push(name.to_owned());
            self.columns.len() - 1
        })
    }

    /// Finds the field at the end of a path such as `Account.Owner.Name`.
    async fn field(&mut self, column: usize, path: &str) -> Result<(), Obstacle> {
        let mut at = 0;
        let mut start = 0;
        while let Some(length) = path.get(start..).and_then(|rest| rest.find('.')) {
            let step = path.get(start..start + length).unwrap_or_default();
            start += length + 1;
            at = self
                .parent(at, step, path.get(..start).unwrap_or_default())
                .await?;
        }
        let name = path.get(start..).unwrap_or_default();
        let is_seen =
            |object: &Described| find(&object.fields, |field| &field.name, name).is_some();
        if !self.object_of(at).is_some_and(is_seen) {
            self.look_again(at).await?;
        }
        let field = self
            .object_of(at)
            .and_then(|object| find(&object.fields, |field| &field.name, name))
            .ok_or_else(|| self.unseen(at, path))?;
        let kind = Type::of(&field.kind)
            .ok_or_else(|| Obstacle::Impossible(format!("{path} is of type {}", field.kind)))?;
        let is_long = field.length > LONG_FROM;
        let name = field.name.clone();
        self.row_bytes += if is_long { LONG_BYTES } else { SHORT_BYTES };
        if let Some(node) = self.nodes.get_mut(at) {
            let value = Value::Column(column, kind);
            node.members.push(Member { name, value });
        }
        Ok(())
    }

    /// The parent that a relationship leads to.
    async fn parent(&mut self, child: usize, step: &str, path: &str) -> Result<usize, Obstacle> {
        let lower = path.to_ascii_lowercase();
        if let Some(known) = self.paths.iter().position(|(path, _)| *path == lower) {
            return Ok(known);
        }
        let relationship = |field: &Field| field.relationship_name.clone().unwrap_or_default();
        let is_seen = |object: &Described| {
            let mut fields = object.fields.iter();
            fields.any(|field| relationship(field).eq_ignore_ascii_case(step))
        };
        if !self.object_of(child).is_some_and(is_seen) {
            self.look_again(child).await?;
        }
        let field = self.object_of(child).and_then(|object| {
            let mut fields = object.fields.iter();
            fields.find(|field| relationship(field).eq_ignore_ascii_case(step))
        });
        let Some(field) = field else {
            let what = format!("{step} is no relationship that the connected user can see");
            return Err(Obstacle::Impossible(what));
        };
        let [object] = field.reference_to.as_slice() else {
            let what = format!("{step} may be a record of several objects");
            return Err(Obstacle::Impossible(what));
        };
        let (object, name) = (object.clone(), relationship(field));
        let parent = self.node(&object, path).await?;
        if let Some(node) = self.nodes.get_mut(child) {
            let value = Value::Parent(parent);
            node.members.push(Member { name, value });
        }
        Ok(parent)
    }

    /// Describes an object anew, once: a field may be younger than the
    /// description that was kept.
    async fn look_again(&mut self, node: usize) -> Result<(), Obstacle> {
        let Some((_, key)) = self.paths.get(node).cloned() else {
            return Ok(());
        };
        if self.latest.insert(key.clone()) {
            let (body, _) = describe_body(self.api, &key, Age::Anew).await?;
            let described: Described =
                wire::read(&body).ok_or_else(|| unexpected("a description of an sobject"))?;
            self.described.insert(key, described);
        }
        Ok(())
    }

    fn object_of(&self, node: usize) -> Option<&Described> {
        let (_, object) = self.paths.get(node)?;
        self.described.get(object)
    }

    fn unseen(&self, node: usize, path: &str) -> Obstacle {
        let message = format!("No such column '{path}' in the object's description");
        let mut problem = problem(Advice::FixSchema, "INVALID_FIELD", &message);
        problem.object = self.object_of(node).map(|object| object.name.clone());
        problem.fields = vec![path.to_owned()];
        Obstacle::Error(Error::Refused(problem))
    }
}

fn find<'f>(
    fields: &'f [Field],
    name_of: impl Fn(&Field) -> &String,
    name: &str,
) -> Option<&'f Field> {
    fields
        .iter()
        .find(|field| name_of(field).eq_ignore_ascii_case(name))
}
