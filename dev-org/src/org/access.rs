//! Who sees fields that were added by the API: nobody, until a permission set that
//! is assigned to them says so. Salesforce does not even ask administrators.

use super::Org;
use super::draft::Draft;
use crate::fault::Fault;
use crate::id::{self, Id};
use crate::schema::SchemaError;
use crate::table::Row;
use crate::value::Value;

/// What ids of fields begin with.
const FIELD_PREFIX: &str = "00N";

/// A field of text, as the Tooling API adds it.
#[derive(Debug)]
pub(crate) struct NewField<'a> {
    pub(crate) object: &'a str,
    /// With `__c`.
    pub(crate) name: &'a str,
    pub(crate) label: &'a str,
    pub(crate) length: u32,
    pub(crate) external_id: bool,
    pub(crate) unique: bool,
    pub(crate) case_sensitive: bool,
}

impl Org {
    /// Adds a field, which nobody sees yet, and gives its id.
    ///
    /// # Errors
    /// If the object is not there, or has a field of this name.
    pub(crate) fn add_field(&mut self, field: &NewField<'_>) -> Result<Id, Fault> {
        let found = self.schema.object(field.object);
        let object = found.ok_or_else(|| {
            let message = format!("Entity Enumeration Or ID: bad value {}", field.object);
            Fault::bad_request("INVALID_CROSS_REFERENCE_KEY", message)
        })?;
        let object = object.name.clone();
        let (name, quoted) = (field.name, |text: &str| toml::Value::from(text).to_string());
        let toml = format!(
            "[[extend]]\nobject = {}\nfields = [{{ name = {}, label = {}, type = \"string\", \
             length = {}, external_id = {}, id_lookup = {}, unique = {}, case_sensitive = {} }}]\n",
            quoted(&object),
            quoted(name),
            quoted(field.label),
            field.length,
            field.external_id,
            field.external_id,
            field.unique,
            field.case_sensitive,
        );
        self.extend(&toml).map_err(|SchemaError(_)| {
            let base = name.trim_end_matches("__c");
            let message = format!("There is already a field named {base} on {object}.");
            Fault::bad_request("DUPLICATE_DEVELOPER_NAME", message)
        })?;
        let usernames: Vec<String> = self.users().map(|user| user.username.clone()).collect();
        for username in usernames {
            self.change_user(&username, |user| user.hide_field(&object, name));
        }
        let count: usize = self
            .schema
            .objects()
            .map(|object| object.fields.len())
            .sum();
        Ok(id::make(FIELD_PREFIX, count as u64))
    }

    /// Refuses to grant a field twice by one set, and to assign a set twice to one user.
    pub(super) fn check_grant(&self, draft: &Draft<'_>) -> Result<(), Fault> {
        let [set, other] = match draft.object.name.as_str() {
            "FieldPermissions" => ["ParentId", "Field"],
            _ => ["PermissionSetId", "AssigneeId"],
        };
        let Some(column) = draft.object.column(other) else {
            return Ok(());
        };
        let mut others = self.rows_of(&draft.object.name, set, draft.get(set));
        if draft.is_new() && others.any(|row| row.get(column) == draft.get(other)) {
            let message = format!("duplicate value found: {other} duplicates value on a record");
            return Err(Fault::bad_request("DUPLICATE_VALUE", message));
        }
        Ok(())
    }

    /// Lets users see what a new permission or assignment gives them.
    pub(super) fn grant_fields(&mut self, draft: &Draft<'_>) {
        let set = match draft.object.name.as_str() {
            "FieldPermissions" => draft.get("ParentId"),
            _ => draft.get("PermissionSetId"),
        };
        let fields = self.fields_of(set);
        for username in self.assignees_of(set) {
            self.change_user(&username, |user| {
                for (object, field, may_edit) in &fields {
                    user.free_field(object, field);
                    if !may_edit {
                        user.lock_field(object, field);
                    }
                }
            });
        }
    }

    /// What a permission set lets users see: objects and fields, and whether they may
    /// change them.
    fn fields_of(&self, set: &Value) -> Vec<(String, String, bool)> {
        let Some(object) = self.schema.object("FieldPermissions") else {
            return Vec::new();
        };
        let value = |row: &Row, field: &str| {
            let column = object.column(field);
            column.map_or(Value::Null, |column| row.get(column).clone())
        };
        self.rows_of("FieldPermissions", "ParentId", set)
            .filter(|row| value(row, "PermissionsRead").is_true())
            .filter_map(|row| {
                let field = value(row, "Field");
                let (object, field) = field.as_str()?.split_once('.')?;
                let may_edit = value(row, "PermissionsEdit").is_true();
                Some((object.to_owned(), field.to_owned(), may_edit))
            })
            .collect()
    }

    /// Login names of those whom a permission set is assigned to.
    fn assignees_of(&self, set: &Value) -> Vec<String> {
        let assignee = self
            .schema
            .object("PermissionSetAssignment")
            .and_then(|object| object.column("AssigneeId"));
        self.rows_of("PermissionSetAssignment", "PermissionSetId", set)
            .filter_map(|row| {
                let user = self.user_by_id(row.get(assignee?).as_str()?)?;
                Some(user.username.clone())
            })
            .collect()
    }

    /// The rows of an object that hold a value in a field.
    fn rows_of(&self, object: &str, field: &str, value: &Value) -> impl Iterator<Item = &Row> {
        let found = self.schema.object(object);
        let rows =
            found.and_then(|object| Some(self.table(object).find(object.column(field)?, value)));
        rows.unwrap_or_default().into_iter()
    }
}
