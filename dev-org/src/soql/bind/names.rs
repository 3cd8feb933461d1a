//! Names against the schema and the user's rights: what the user may not see
//! answers exactly as what does not exist.

use std::cell::RefCell;
use std::collections::HashSet;

use crate::schema::{Field, FieldKind, ID_COLUMN, Object};
use crate::soql::ast::{Name, Query};
use crate::soql::check::fold;
use crate::soql::error::{At, INVALID_FIELD, INVALID_TYPE, QueryError};
use crate::soql::operand::{Leaf, Operand, Step};
use crate::soql::view::View;
use crate::user::User;
use crate::value::Value;

/// How many relationships a path may follow.
const MAX_LEVELS: usize = 5;

/// How many relationships to parents all paths of a SELECT may follow.
const MAX_RELATIONSHIPS: usize = 55;

/// The fields that every target of a polymorphic relationship is asked for,
/// those of Salesforce's Name object.
const NAME_FIELDS: [(&str, FieldKind); 12] = [
    ("Id", FieldKind::Id),
    ("Name", FieldKind::Text),
    ("Type", FieldKind::Text),
    ("FirstName", FieldKind::Text),
    ("LastName", FieldKind::Text),
    ("Email", FieldKind::Email),
    ("Phone", FieldKind::Phone),
    ("Title", FieldKind::Text),
    ("Alias", FieldKind::Text),
    ("Username", FieldKind::Text),
    ("IsActive", FieldKind::Boolean),
    ("ProfileId", FieldKind::Reference),
];

/// Who asks, and of which org.
pub(crate) struct Names<'a> {
    pub(crate) view: View<'a>,
    pub(crate) user: &'a User,
}

/// The object that a SELECT is from, with the aliases of its FROM.
pub(crate) struct Scope<'a> {
    pub(crate) object: &'a Object,
    /// An alias in lower case and the path it stands for.
    aliases: Vec<(String, Vec<String>)>,
    /// The relationships that its paths follow, in lower case, each with those
    /// before it.
    followed: RefCell<HashSet<String>>,
}

/// One relationship of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    pub(crate) key: &'a str,
    pub(crate) step: Step,
}

/// A resolved path.
pub(crate) struct Path<'a> {
    pub(crate) links: Vec<Link<'a>>,
    pub(crate) end: End<'a>,
}

/// What a path ends at.
pub(crate) enum End<'a> {
    /// A field of a known object.
    Field {
        object: &'a Object,
        column: usize,
        field: &'a Field,
    },
    /// A field of the Name object, behind a polymorphic relationship.
    Named {
        key: &'static str,
        leaf: Leaf,
        kind: FieldKind,
    },
}

impl<'a> Path<'a> {
    /// The field at the end, if its object is known.
    pub(crate) fn field(&self) -> Option<&'a Field> {
        match self.end {
            End::Field { field, .. } => Some(field),
            End::Named { .. } => None,
        }
    }

    /// The name of the field at the end, as the schema spells it.
    pub(crate) fn key(&self) -> &'a str {
        match self.end {
            End::Field { field, .. } => &field.name,
            End::Named { key, .. } => key,
        }
    }

    /// The path as an operand.
    pub(crate) fn operand(&self) -> Operand {
        let (leaf, kind) = match &self.end {
            End::Field { column, field, .. } => (Leaf::Column(*column), field.kind),
            End::Named { leaf, kind, .. } => (leaf.clone(), *kind),
        };
        Operand {
            steps: self.links.iter().map(|link| link.step).collect(),
            leaf,
            function: None,
            kind,
            picklist: match self.field() {
                Some(field) if kind == FieldKind::Picklist => field
                    .picklist
                    .iter()
                    .map(|value| fold(&value.value).into_owned())
                    .collect(),
                _ => [].into(),
            },
        }
    }

    /// The objects whose ids are at the end.
    pub(crate) fn targets(&self) -> Vec<&'a str> {
        match self.end {
            End::Field { object, field, .. } if field.kind == FieldKind::Id => vec![&object.name],
            End::Field { field, .. } => field.reference_to.iter().map(String::as_str).collect(),
            End::Named { .. } => Vec::new(),
        }
    }
}

impl<'a> Names<'a> {
    /// The object of a FROM.
    pub(crate) fn object(&self, name: &Name) -> Result<&'a Object, QueryError> {
        let found = self.view.org.schema.object(&name.text);
        let visible = found.filter(|object| self.user.object_permissions(&object.name).read);
        let object = visible.ok_or_else(|| unknown_object(name))?;
        if !object.queryable {
            return Err(QueryError::new(
                "INVALID_TYPE_FOR_OPERATION",
                At::Word(name.at),
                format!("entity type {} does not support query", object.name),
            ));
        }
        Ok(object)
    }

    /// The child object and its reference column behind a child relationship.
    pub(crate) fn children(
        &self,
        scope: &Scope<'a>,
        name: &Name,
    ) -> Result<(&'a str, &'a Object, usize), QueryError> {
        let found = || {
            let relationship = scope.own_segments(&name.text);
            let [relationship] = relationship.as_slice() else {
                return None;
            };
            let child = scope.object.child(relationship)?;
            let object = self.view.org.schema.object(&child.object)?;
            let (column, field) = object.field(&child.field)?;
            let visible = self.user.object_permissions(&object.name).read
                && self.user.can_read(&object.name, &field.name);
            visible.then_some((child.name.as_deref()?, object, column))
        };
        found().ok_or_else(|| {
            let name_text = name.text.rsplit('.').next().unwrap_or(&name.text);
            QueryError::new(
                INVALID_TYPE,
                At::Word(name.at),
                format!(
                    "Didn't understand relationship '{name_text}' in FROM part of query call. \
                     If you are attempting to use a custom relationship, be sure to append the \
                     '__r' after the custom relationship name. Please reference your WSDL or the \
                     describe call for the appropriate names."
                ),
            )
        })
    }

    /// A field or a path.
    pub(crate) fn path(&self, scope: &Scope<'a>, name: &Name) -> Result<Path<'a>, QueryError> {
        let segments = scope.own_segments(&name.text);
        let Some((leaf, relationships)) = segments.split_last() else {
            return Err(unknown_field(name, &name.text, &scope.object.name));
        };
        if relationships.len() > MAX_LEVELS {
            return Err(QueryError::field(
                name.at,
                format!(
                    "maximum relationship depth of {MAX_LEVELS} exceeded: {}",
                    name.text
                ),
            ));
        }
        if scope.follow(relationships) > MAX_RELATIONSHIPS {
            let message = format!(
                "A query may follow at most {MAX_RELATIONSHIPS} child-to-parent relationships"
            );
            return Err(QueryError::malformed(name.at, message));
        }
        let mut links = Vec::with_capacity(relationships.len());
        let mut at = Some(scope.object);
        for segment in relationships {
            let unknown = || unknown_relationship(name, segment);
            let object = at.ok_or_else(unknown)?;
            let (link, parent) = self.link(object, segment).ok_or_else(unknown)?;
            links.push(link);
            at = parent;
        }
        let end = match at {
            Some(object) => {
                let (column, field) = self
                    .field(object, leaf)
                    .ok_or_else(|| unknown_field(name, leaf, &object.name))?;
                End::Field {
                    object,
                    column,
                    field,
                }
            }
            None => self
                .name_field(leaf)
                .ok_or_else(|| unknown_field(name, leaf, "Name"))?,
        };
        Ok(Path { links, end })
    }

    /// A field that the user may see.
    pub(crate) fn field(&self, object: &'a Object, name: &str) -> Option<(usize, &'a Field)> {
        let found = object.field(name);
        found.filter(|(_, field)| self.user.can_read(&object.name, &field.name))
    }

    /// A relationship that the user may follow; no object if it is polymorphic.
    pub(crate) fn link(
        &self,
        object: &'a Object,
        relationship: &str,
    ) -> Option<(Link<'a>, Option<&'a Object>)> {
        let (column, field) = object.relationship(relationship)?;
        if !self.user.can_read(&object.name, &field.name) {
            return None;
        }
        let parent = match field.reference_to.as_slice() {
            [only] => Some(self.view.org.schema.object(only)?),
            _ => None,
        };
        let step = Step {
            column,
            object: parent.map(|parent| parent.index),
        };
        let key = field.relationship_name.as_deref()?;
        Some((Link { key, step }, parent))
    }

    /// A field of the Name object.
    pub(crate) fn name_field(&self, name: &str) -> Option<End<'a>> {
        let (key, kind) = NAME_FIELDS
            .into_iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        let objects = self.view.org.schema.objects();
        let leaf = match key {
            "Type" => Leaf::Type(
                objects
                    .map(|object| Value::text(object.name.as_str()))
                    .collect(),
            ),
            "Id" => Leaf::Column(ID_COLUMN),
            _ => Leaf::ByObject(
                objects
                    .map(|object| self.named_column(object, key))
                    .collect(),
            ),
        };
        Some(End::Named { key, leaf, kind })
    }

    fn named_column(&self, object: &'a Object, key: &str) -> Option<usize> {
        let (column, field) = match (key, object.name_column) {
            ("Name", Some(column)) => (column, object.fields.get(column)?),
            _ => object.field(key)?,
        };
        let visible = self.user.can_read(&object.name, &field.name);
        visible.then_some(column)
    }
}

impl<'a> Scope<'a> {
    /// The scope of a SELECT from an object.
    pub(crate) fn new(object: &'a Object, query: &Query) -> Self {
        let mut scope = Self::bare(object);
        if let Some(alias) = &query.alias {
            let name = alias.text.to_ascii_lowercase();
            scope.aliases.push((name, Vec::new()));
        }
        for (alias, path) in &query.related {
            let path = scope.own_segments(&path.text);
            let name = alias.text.to_ascii_lowercase();
            scope.aliases.push((name, path));
        }
        scope
    }

    /// The scope of fields of an object, outside of any SELECT from it.
    pub(crate) fn bare(object: &'a Object) -> Self {
        Self {
            object,
            aliases: Vec::new(),
            followed: RefCell::default(),
        }
    }

    /// Notes the relationships of a path, and says how many there are by now.
    fn follow(&self, relationships: &[String]) -> usize {
        let mut followed = self.followed.borrow_mut();
        let mut path = String::new();
        for relationship in relationships {
            path.push('.');
            path.push_str(&relationship.to_ascii_lowercase());
            followed.insert(path.clone());
        }
        followed.len()
    }

    /// The parts of a path, without aliases and the object's own name.
    fn own_segments(&self, path: &str) -> Vec<String> {
        let mut segments = path.split('.').map(str::to_owned).peekable();
        let mut own = Vec::new();
        if path.contains('.')
            && let Some(first) = segments.peek()
        {
            let is_alias = |(alias, _): &&(String, Vec<String>)| alias.eq_ignore_ascii_case(first);
            let is_object = first.eq_ignore_ascii_case(&self.object.name)
                && self.object.relationship(first).is_none();
            if let Some((_, path)) = self.aliases.iter().find(is_alias) {
                own.clone_from(path);
                segments.next();
            } else if is_object {
                segments.next();
            }
        }
        own.extend(segments);
        own
    }
}

fn unknown_object(name: &Name) -> QueryError {
    QueryError::new(
        INVALID_TYPE,
        At::Word(name.at),
        format!(
            "sObject type '{}' is not supported. If you are attempting to use a custom object, be \
             sure to append the '__c' after the entity name. Please reference your WSDL or the \
             describe call for the appropriate names.",
            name.text
        ),
    )
}

/// The error of a field that is not there, or not for this user.
pub(crate) fn unknown_field(name: &Name, field: &str, entity: &str) -> QueryError {
    QueryError::new(
        INVALID_FIELD,
        At::Word(name.at),
        format!(
            "No such column '{field}' on entity '{entity}'. If you are attempting to use a custom \
             field, be sure to append the '__c' after the custom field name. Please reference your \
             WSDL or the describe call for the appropriate names."
        ),
    )
}

/// The error of a relationship that is not there.
pub(crate) fn unknown_relationship(name: &Name, relationship: &str) -> QueryError {
    QueryError::field(
        name.at,
        format!(
            "Didn't understand relationship '{relationship}' in field path. If you are attempting \
             to use a custom relationship, be sure to append the '__r' after the custom \
             relationship name. Please reference your WSDL or the describe call for the \
             appropriate names."
        ),
    )
}
