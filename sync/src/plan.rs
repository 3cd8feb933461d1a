//! The plan of a sync: which object goes to which table, and which field to
//! which column, made from descriptions and a mapping.

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use lockgate::{Field, ObjectDescription};
use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::mapping::{Direction, Mapping, ObjectMapping, Policy};
use crate::merge;
use crate::value::Fields;

/// The column with the row's own key: made with the row, never changed, and sent
/// as the value of the key field.
pub const KEY_COLUMN: &str = "local_key";

/// The column with the org's id of the record, null until the record is there.
pub const ID_COLUMN: &str = "id";

/// The shortest key field that holds a key of ours.
const KEY_LENGTH: u32 = 32;

/// Which objects go to which tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Parents before children, as far as objects do not refer to each other in a
    /// circle.
    pub objects: Vec<ObjectPlan>,
}

/// One object and its table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPlan {
    /// The product's API name.
    pub object: String,
    /// The name for people.
    pub label: String,
    /// The table.
    pub table: String,
    /// Which way records go.
    pub direction: Direction,
    /// Who wins where one side changed a record and the other deleted it.
    pub policy: Policy,
    /// The field that holds the org's id.
    pub id_field: String,
    /// The longest id in characters; 0 if the product does not say.
    #[serde(default = "earlier_id_length")]
    pub id_length: u32,
    /// Fields that say when the org last changed a record, the finest first.
    pub stamp_fields: Vec<String>,
    /// The external id field that holds the rows' keys.
    pub key_field: Option<String>,
    /// Rows can be inserted.
    pub createable: bool,
    /// Rows can be deleted.
    pub deletable: bool,
    /// The fields with a column, in the product's order.
    pub columns: Vec<ColumnPlan>,
}

/// Plans that were kept before they told it are of products with such ids.
const fn earlier_id_length() -> u32 {
    18
}

/// One field and its column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnPlan {
    /// The product's API name.
    pub field: String,
    /// The name for people.
    pub label: String,
    /// The column.
    pub column: String,
    /// What its values look like.
    pub kind: Kind,
    /// The product's own name of the type.
    pub product_kind: String,
    /// The longest text in characters; 0 if it does not apply.
    pub max_length: u32,
    /// It may be empty.
    pub nillable: bool,
    /// It can be given when a row is inserted.
    pub createable: bool,
    /// It can be changed later.
    pub updateable: bool,
    /// Who wins where both sides changed it.
    pub policy: Policy,
    /// Objects that it may point to.
    pub references: Vec<String>,
    /// The active values of a picklist.
    ///
    /// They are told, and no constraint of the table: an org gains values on any
    /// day, and its old records keep values that are active no longer.
    pub picklist: Vec<String>,
}

/// All that is wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PlanProblems {
    /// One sentence each, with object and field, never none.
    pub problems: Vec<String>,
}

impl fmt::Display for PlanProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the mapping does not fit: {}", self.problems.join("; "))
    }
}

impl Plan {
    /// Plans a sync of these objects; `direction` is for those of which the mapping
    /// says nothing.
    ///
    /// # Errors
    /// With everything that is wrong.
    pub fn new(
        descriptions: &[ObjectDescription],
        mapping: &Mapping,
        direction: Direction,
    ) -> Result<Self, PlanProblems> {
        let mut problems = Vec::new();
        if descriptions.is_empty() {
            problems.push("there is no object to synchronise".to_owned());
        }
        let names: BTreeSet<&str> = descriptions
            .iter()
            .map(|description| description.summary.name.as_str())
            .collect();
        for object in mapping.objects.keys() {
            if !names.contains(object.as_str()) {
                problems.push(format!(
                    "{object}: the mapping names it, and it is not among the objects of this sync"
                ));
            }
        }
        let none = ObjectMapping::default();
        let mut tables = BTreeMap::new();
        let mut objects = Vec::new();
        for description in descriptions {
            let wanted = mapping
                .objects
                .get(&description.summary.name)
                .unwrap_or(&none);
            let object = plan_object(description, wanted, direction, &tables, &mut problems);
            if let Some(object) = object {
                let other = tables.insert(object.table.clone(), object.object.clone());
                if let Some(other) = other {
                    problems.push(format!(
                        "{}: its table `{}` is that of {other}; give one of them another name",
                        object.object, object.table
                    ));
                }
                objects.push(object);
            }
        }
        if problems.is_empty() {
            Ok(Self {
                objects: parents_first(objects),
            })
        } else {
            Err(PlanProblems { problems })
        }
    }

    /// The plan of an object, by its API name.
    #[must_use]
    pub fn object(&self, object: &str) -> Option<&ObjectPlan> {
        self.objects.iter().find(|plan| plan.object == object)
    }

    /// How deep an object lies below those that it refers to.
    pub(crate) fn rank(&self, object: &str) -> usize {
        let at = self.objects.iter().position(|plan| plan.object == object);
        at.unwrap_or(usize::MAX)
    }
}

impl ObjectPlan {
    /// The column of a field, by its API name.
    #[must_use]
    pub fn column(&self, field: &str) -> Option<&ColumnPlan> {
        self.columns.iter().find(|column| column.field == field)
    }

    /// Whether somebody has written another value than is agreed. What the org reckons
    /// by itself does not count: it may be another one each time.
    pub(crate) fn differs(&self, fields: &Fields, agreed: &Fields) -> bool {
        let writable = self.columns.iter().filter(|column| column.is_writable());
        let mut told = writable.filter_map(|column| Some((column, fields.get(&column.field)?)));
        told.any(|(column, value)| {
            column.kind.canonical(value.clone()) != *merge::of(agreed, &column.field)
        })
    }

    /// Whether changes of rows are sent.
    pub(crate) fn sends(&self) -> bool {
        self.direction != Direction::In
    }

    /// Whether changes of records are taken.
    pub(crate) fn takes(&self) -> bool {
        self.direction != Direction::Out
    }
}

impl ColumnPlan {
    /// Whether local values of it ever go to the org.
    pub(crate) const fn is_writable(&self) -> bool {
        self.createable || self.updateable
    }
}

fn plan_object(
    description: &ObjectDescription,
    wanted: &ObjectMapping,
    direction: Direction,
    tables: &BTreeMap<String, String>,
    problems: &mut Vec<String>,
) -> Option<ObjectPlan> {
    let object = &description.summary.name;
    let before = problems.len();
    let mut problem = |text: String| problems.push(format!("{object}{text}"));

    let fields = description.fields.iter().map(|field| &field.name);
    let strange = [object].into_iter().chain(fields);
    for name in strange.filter(|name| !names::is_api_name(name)) {
        problem(format!(
            ": `{}` is no API name of letters, digits and `_`",
            name.escape_default()
        ));
    }
    let has = |name: &str| description.fields.iter().any(|field| field.name == name);
    let named = wanted.leave_out.iter().chain(wanted.fields.keys());
    for name in named.filter(|name| !has(name)) {
        problem(format!(
            ".{name}: the mapping names it, and the object has no such field that the user may read"
        ));
    }
    let direction = wanted.direction.unwrap_or(direction);
    if direction != Direction::Out && !description.summary.queryable {
        problem(
            ": its records cannot be queried; leave it out, or set its direction to out".into(),
        );
    }
    let id_field = description.fields.iter().find(|field| field.kind == "id");
    let Some(id_field) = id_field else {
        problem(
            ": it has no field of the kind id, so that its records cannot be told apart".into(),
        );
        return None;
    };
    let table = match &wanted.table {
        Some(table) => table.clone(),
        None => names::table(object, |name| tables.contains_key(name)),
    };
    if let Some(wrong) = names::problem(&table) {
        problem(format!(": its table `{table}` {wrong}"));
    }
    if let Some(key_field) = &wanted.key_field {
        let field = description
            .fields
            .iter()
            .find(|field| &field.name == key_field);
        if let Some(wrong) = key_field_problem(field) {
            problem(format!(".{key_field}: it cannot be the key field: {wrong}"));
        }
    }
    let policy = wanted.policy.unwrap_or_default();
    let mut columns: Vec<ColumnPlan> = Vec::new();
    for field in &description.fields {
        // The id and the key have columns that every table has.
        let has_place = field.kind == "id" || wanted.key_field.as_ref() == Some(&field.name);
        let Some(kind) = Kind::of(&field.kind).filter(|_| !has_place) else {
            continue;
        };
        if wanted.leave_out.contains(&field.name) {
            continue;
        }
        let own = wanted.fields.get(&field.name);
        let is_taken = |name: &str| {
            [KEY_COLUMN, ID_COLUMN].contains(&name)
                || columns.iter().any(|column| column.column == name)
        };
        let column = match own.and_then(|own| own.column.clone()) {
            Some(column) => column,
            None => names::column(&field.name, is_taken),
        };
        if let Some(wrong) = names::problem(&column) {
            problem(format!(".{}: its column `{column}` {wrong}", field.name));
        } else if is_taken(&column) {
            problem(format!(
                ".{}: its column `{column}` is taken; give it another name",
                field.name
            ));
        }
        columns.push(ColumnPlan {
            field: field.name.clone(),
            label: field.label.clone(),
            column,
            kind,
            product_kind: field.kind.clone(),
            // A reference may hold the key of a row that is not in the org yet.
            max_length: match kind {
                Kind::Text if field.references.is_empty() => field.max_length,
                _ => 0,
            },
            nillable: field.nillable,
            createable: field.createable && description.summary.createable,
            updateable: field.updateable && description.summary.updateable,
            policy: own.and_then(|own| own.policy).unwrap_or(policy),
            references: field.references.clone(),
            picklist: field.picklist.clone(),
        });
    }
    (problems.len() == before).then(|| ObjectPlan {
        object: object.clone(),
        label: description.summary.label.clone(),
        table,
        direction,
        policy,
        id_field: id_field.name.clone(),
        id_length: id_field.max_length,
        stamp_fields: description.stamp_fields.clone(),
        key_field: wanted.key_field.clone(),
        createable: description.summary.createable,
        deletable: description.summary.deletable,
        columns,
    })
}

fn key_field_problem(field: Option<&Field>) -> Option<String> {
    let Some(field) = field else {
        return Some("the object has no such field that the user may read".into());
    };
    if !field.external_id {
        return Some("it is no external id".into());
    }
    if !field.createable {
        return Some("the user may not set it on create".into());
    }
    if Kind::of(&field.kind) != Some(Kind::Text) || field.max_length < KEY_LENGTH {
        return Some(format!("it is no text of {KEY_LENGTH} characters"));
    }
    None
}

/// Takes, again and again, the first object whose parents all stand before it;
/// where there is none, because objects refer to each other, the first.
fn parents_first(mut left: Vec<ObjectPlan>) -> Vec<ObjectPlan> {
    let mut ordered: Vec<ObjectPlan> = Vec::new();
    while !left.is_empty() {
        let waits = |object: &ObjectPlan| {
            let parents = object.columns.iter().flat_map(|column| &column.references);
            let mut parents = parents.filter(|parent| **parent != object.object);
            parents.any(|parent| left.iter().any(|other| other.object == *parent))
        };
        let next = left.iter().position(|object| !waits(object)).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}
