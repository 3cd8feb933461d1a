//! The SELECT list of a query that answers records: what is written for each.

use std::sync::Arc;

use super::names::{End, Link, Path, Scope, unknown_field, unknown_relationship};
use super::rows::unknown_function;
use super::{Binder, is_grouped, not_in_grouped};
use crate::schema::{Field, FieldKind, Object};
use crate::soql::ast::{
    Comparison, Condition, Expr, FieldSet, LiteralKind, Name, Query, Right, SelectItem, TypeOf,
};
use crate::soql::check::fold;
use crate::soql::error::{At, INVALID_FIELD, MALFORMED_QUERY, QueryError};
use crate::soql::operand::{Leaf, Step};
use crate::soql::plan::{Children, Content, NamedParent, Output, Record, Shown, plain_key};
use crate::value::Value;

/// How many parent-to-child subqueries a SELECT may hold.
const MAX_SUBQUERIES: usize = 20;
/// How many rows FIELDS(ALL) and FIELDS(CUSTOM) may answer at most.
const MAX_UNBOUNDED: usize = 200;

impl<'a> Binder<'a> {
    /// Binds the SELECT list.
    pub(super) fn record(&self, scope: &Scope<'a>, query: &Query) -> Result<Record, QueryError> {
        let mut record = self.empty(scope.object, &scope.object.name);
        let mut subqueries = 0;
        for item in &query.select {
            match item {
                SelectItem::Expr(expr, alias) => {
                    self.select_expr(scope, &mut record, expr, alias.as_ref())?;
                }
                SelectItem::Fields(set, at) => {
                    self.field_set(scope, query, &mut record, *set, *at)?;
                }
                SelectItem::Children(children) => {
                    subqueries += 1;
                    if subqueries > MAX_SUBQUERIES {
                        let message = format!("maximum number of subqueries is {MAX_SUBQUERIES}");
                        return Err(QueryError::malformed(children.from.at, message));
                    }
                    let output = self.child_query(scope, children)?;
                    add(&mut record, output)?;
                }
                SelectItem::TypeOf(type_of) => {
                    let output = self.type_of(scope, type_of)?;
                    add(&mut record, output)?;
                }
                // The parser lets COUNT() stand only alone.
                SelectItem::Count => {}
            }
        }
        if record.fields.is_empty() {
            return Err(QueryError::new(
                MALFORMED_QUERY,
                At::Statement,
                "'FIELDS(...)' expansion function must result in at least one field being selected.",
            ));
        }
        Ok(record)
    }

    fn empty(&self, object: &Object, type_name: &str) -> Record {
        Record {
            object: object.index,
            head: self.head(object, type_name),
            fields: Vec::new(),
        }
    }

    /// Everything of a record in front of its id.
    fn head(&self, object: &Object, type_name: &str) -> Vec<u8> {
        format!(
            r#"{{"attributes":{{"type":"{type_name}","url":"/services/data/{}/sobjects/{}/"#,
            self.version, object.name
        )
        .into_bytes()
    }

    fn select_expr(
        &self,
        scope: &Scope<'a>,
        record: &mut Record,
        expr: &Expr,
        alias: Option<&Name>,
    ) -> Result<(), QueryError> {
        match expr {
            Expr::Path(name) => {
                if let Some(alias) = alias {
                    let message = "only aggregate expressions use field aliasing";
                    return Err(QueryError::malformed(alias.at, message));
                }
                let path = self.names.path(scope, name)?;
                self.add_path(record, &path)
            }
            Expr::Call(function, arguments) => {
                let [argument] = arguments.as_slice() else {
                    return Err(unknown_function(function));
                };
                self.select_shown(scope, record, function, argument, alias)
            }
        }
    }

    /// `toLabel(f)`, `FORMAT(f)`, `convertCurrency(f)`, also inside each other.
    fn select_shown(
        &self,
        scope: &Scope<'a>,
        record: &mut Record,
        function: &Name,
        argument: &Expr,
        alias: Option<&Name>,
    ) -> Result<(), QueryError> {
        let name = match argument {
            Expr::Path(name) => name,
            Expr::Call(inner, arguments) if inner.text.eq_ignore_ascii_case("convertCurrency") => {
                match arguments.as_slice() {
                    [Expr::Path(name)] => name,
                    _ => return Err(unknown_function(inner)),
                }
            }
            Expr::Call(inner, _) => return Err(unknown_function(inner)),
        };
        let path = self.names.path(scope, name)?;
        let End::Field { column, field, .. } = path.end else {
            return Err(unknown_function(function));
        };
        let content = match function.text.to_ascii_lowercase().as_str() {
            "tolabel" => Content::Shown(column, Shown::Label(labels(field))),
            "format" => Content::Shown(column, Shown::Format(field.kind, field.scale)),
            "convertcurrency" => Content::Column(column),
            _ => return Err(unknown_function(function)),
        };
        let key = alias.map_or(field.name.as_str(), |alias| &alias.text);
        self.insert(record, &path.links, output(key, content))
    }

    /// Adds a key behind these relationships, which become nested records.
    fn insert(
        &self,
        record: &mut Record,
        links: &[Link<'a>],
        output: Output,
    ) -> Result<(), QueryError> {
        let Some((link, rest)) = links.split_first() else {
            return add(record, output);
        };
        let key = json_key(link.key);
        let found = record.fields.iter().position(|field| field.key == key);
        let at = found.unwrap_or(record.fields.len());
        if found.is_none()
            && let Some(object) = link.step.object
            && let Some(object) = self.names.view.object(object)
        {
            let content = Content::Parent(link.step, self.empty(object, &object.name));
            record.fields.push(Output { key, content });
        }
        match record.fields.get_mut(at).map(|field| &mut field.content) {
            Some(Content::Parent(_, parent)) => self.insert(parent, rest, output),
            _ => Err(duplicate(link.key)),
        }
    }

    fn add_path(&self, record: &mut Record, path: &Path<'a>) -> Result<(), QueryError> {
        match &path.end {
            End::Field {
                object,
                column,
                field,
            } => {
                let content = self.content(object, *column, field);
                self.insert(record, &path.links, output(&field.name, content))
            }
            End::Named { key, leaf, .. } => {
                let Some((last, before)) = path.links.split_last() else {
                    return Ok(());
                };
                let objects = self.names.view.org.schema.objects();
                let named = NamedParent {
                    heads: objects.map(|object| self.head(object, "Name")).collect(),
                    fields: vec![(json_key(key), leaf.clone())],
                };
                let content = Content::NamedParent(last.step, named);
                self.insert(record, before, output(last.key, content))
            }
        }
    }

    /// How a field's value is written.
    fn content(&self, object: &Object, column: usize, field: &Field) -> Content {
        match field.kind {
            FieldKind::Address | FieldKind::Base64 => Content::Computed {
                object: object.index,
                column,
                version: self.version.into(),
            },
            _ => Content::Column(column),
        }
    }

    fn field_set(
        &self,
        scope: &Scope<'a>,
        query: &Query,
        record: &mut Record,
        set: FieldSet,
        at: usize,
    ) -> Result<(), QueryError> {
        let bounded = query.limit.is_some_and(|limit| limit <= MAX_UNBOUNDED)
            || query.filter.as_ref().is_some_and(pins_few_ids);
        if set != FieldSet::Standard && !bounded {
            let message =
                format!("The SOQL FIELDS function must have a LIMIT of at most {MAX_UNBOUNDED}");
            return Err(QueryError::malformed(at, message));
        }
        let object = scope.object;
        for (column, field) in object.fields.iter().enumerate() {
            let wanted = match set {
                FieldSet::All => true,
                FieldSet::Standard => !field.custom,
                FieldSet::Custom => field.custom,
            };
            if wanted && self.names.user.can_read(&object.name, &field.name) {
                let content = self.content(object, column, field);
                add(record, output(&field.name, content))?;
            }
        }
        Ok(())
    }

    fn child_query(&self, scope: &Scope<'a>, query: &Query) -> Result<Output, QueryError> {
        let (name, object, parent_column) = self.names.children(scope, &query.from)?;
        if is_grouped(query) || query.select.contains(&SelectItem::Count) {
            return Err(not_in_grouped(query.from.at));
        }
        let scope = Scope::new(object, query);
        let children = Children {
            record: Arc::new(self.record(&scope, query)?),
            selection: self.selection(&scope, query)?,
            parent_column,
        };
        Ok(output(name, Content::Children(Box::new(children))))
    }

    fn type_of(&self, scope: &Scope<'a>, type_of: &TypeOf) -> Result<Output, QueryError> {
        let name = &type_of.relationship;
        let object = scope.object;
        let unknown = || unknown_relationship(name, &name.text);
        let (link, _) = self.names.link(object, &name.text).ok_or_else(unknown)?;
        let targets = object
            .fields
            .get(link.step.column)
            .map_or(&[][..], |field| field.reference_to.as_slice());
        let mut records: Vec<Option<Record>> = Vec::new();
        for object in self.names.view.org.schema.objects() {
            let is_target = targets.contains(&object.name);
            records.push(is_target.then(|| self.empty(object, &object.name)));
        }
        let mut named: Vec<usize> = Vec::new();
        for (when, fields) in &type_of.branches {
            let target = self.names.object(when)?;
            let Some(Some(record)) = records.get_mut(target.index) else {
                let message = format!(
                    "sObject type '{}' is not a target of relationship '{}'",
                    when.text, name.text
                );
                return Err(QueryError::malformed(when.at, message));
            };
            let target_scope = Scope::bare(target);
            for field in fields {
                let path = self.names.path(&target_scope, field)?;
                self.add_path(record, &path)?;
            }
            named.push(target.index);
        }
        for field in &type_of.otherwise {
            let Some(End::Named { key, leaf, .. }) = self.names.name_field(&field.text) else {
                return Err(unknown_field(field, &field.text, "Name"));
            };
            for record in records.iter_mut().flatten() {
                if !named.contains(&record.object) {
                    let content = match &leaf {
                        Leaf::Column(column) => Content::Column(*column),
                        Leaf::ByObject(columns) => match columns.get(record.object) {
                            Some(Some(column)) => Content::Column(*column),
                            _ => Content::Constant(Value::Null),
                        },
                        Leaf::Type(names) => {
                            let name = names.get(record.object);
                            Content::Constant(name.cloned().unwrap_or(Value::Null))
                        }
                    };
                    add(record, output(key, content))?;
                }
            }
        }
        let step = Step {
            object: None,
            ..link.step
        };
        let content = Content::TypeOf(step, records);
        Ok(output(link.key, content))
    }
}

/// Adds a key to a record, which may have each key once; only the fields of a
/// polymorphic parent come one by one under the same key.
fn add(record: &mut Record, output: Output) -> Result<(), QueryError> {
    let same = record
        .fields
        .iter_mut()
        .find(|field| field.key == output.key);
    if let Some(Content::NamedParent(_, named)) = same.map(|field| &mut field.content)
        && let Content::NamedParent(_, more) = output.content
    {
        for field in more.fields {
            if named.fields.iter().any(|(key, _)| *key == field.0) {
                return Err(duplicate(&plain_key(&field.0)));
            }
            named.fields.push(field);
        }
        return Ok(());
    }
    if record.fields.iter().any(|field| field.key == output.key) {
        return Err(duplicate(&plain_key(&output.key)));
    }
    record.fields.push(output);
    Ok(())
}

fn duplicate(key: &str) -> QueryError {
    QueryError::new(
        INVALID_FIELD,
        At::Statement,
        format!("duplicate field selected: {key}"),
    )
}

fn output(key: &str, content: Content) -> Output {
    Output {
        key: json_key(key),
        content,
    }
}

/// `,"Name":`; names hold nothing that JSON would escape.
pub(super) fn json_key(name: &str) -> Vec<u8> {
    format!(",\"{name}\":").into_bytes()
}

fn labels(field: &Field) -> Vec<(String, String)> {
    let label = |value: &crate::schema::PicklistValue| {
        (fold(&value.value).into_owned(), value.label.clone())
    };
    field.picklist.iter().map(label).collect()
}

/// Whether a condition names at most 200 ids, which bounds FIELDS as LIMIT does.
fn pins_few_ids(condition: &Condition) -> bool {
    fn ids(condition: &Condition) -> Option<usize> {
        match condition {
            Condition::And(parts) => parts.iter().find_map(ids),
            Condition::Or(parts) => parts.iter().map(ids).sum(),
            Condition::Not(_) => None,
            Condition::Test(test) => {
                let Expr::Path(name) = &test.left else {
                    return None;
                };
                if !name.text.eq_ignore_ascii_case("Id") {
                    return None;
                }
                match &test.right {
                    Right::In {
                        list,
                        negated: false,
                    } => Some(list.len()),
                    Right::Compare(Comparison::Equal, literal) => {
                        (literal.kind != LiteralKind::Null).then_some(1)
                    }
                    _ => None,
                }
            }
        }
    }
    ids(condition).is_some_and(|count| count <= MAX_UNBOUNDED)
}
