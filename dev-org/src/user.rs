//! Who makes a request, and what they may see and change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a user may do with the records of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectPermissions {
    /// May create records.
    pub create: bool,
    /// May read records.
    pub read: bool,
    /// May change records.
    pub edit: bool,
    /// May delete records.
    pub delete: bool,
}

impl ObjectPermissions {
    /// Everything.
    pub const ALL: Self = Self {
        create: true,
        read: true,
        edit: true,
        delete: true,
    };
    /// Reading only.
    pub const READ_ONLY: Self = Self {
        create: false,
        read: true,
        edit: false,
        delete: false,
    };
    /// Nothing: the object does not exist for this user.
    pub const NONE: Self = Self {
        create: false,
        read: false,
        edit: false,
        delete: false,
    };
}

/// A user of the org with the limits of their profile.
#[derive(Clone, Debug)]
pub struct User {
    /// The user's record id, 18 characters.
    pub id: Arc<str>,
    /// The login name.
    pub username: String,
    /// The display name.
    pub name: String,
    /// The email address.
    pub email: String,
    /// The profile's name, as `System Administrator`.
    pub profile: String,
    /// The permission "Bulk API Hard Delete", which nobody has by default.
    pub bulk_hard_delete: bool,
    /// Fields this user cannot see, as `Object.Field`.
    hidden_fields: HashSet<String>,
    /// Fields this user can see and not change, as `Object.Field`.
    readonly_fields: HashSet<String>,
    /// Object permissions that differ from everything-allowed.
    objects: HashMap<String, ObjectPermissions>,
}

impl User {
    /// A user who may do everything.
    pub fn new(id: Arc<str>, username: &str, name: &str, profile: &str) -> Self {
        Self {
            id,
            username: username.to_owned(),
            name: name.to_owned(),
            email: username.to_owned(),
            profile: profile.to_owned(),
            bulk_hard_delete: false,
            hidden_fields: HashSet::new(),
            readonly_fields: HashSet::new(),
            objects: HashMap::new(),
        }
    }

    /// Hides a field from this user: it vanishes from describe, records and
    /// queries.
    pub fn hide_field(&mut self, object: &str, field: &str) {
        self.hidden_fields.insert(format!("{object}.{field}"));
    }

    /// Lets this user see a field and not change it.
    pub fn lock_field(&mut self, object: &str, field: &str) {
        self.readonly_fields.insert(format!("{object}.{field}"));
    }

    /// Makes a field fully visible again.
    pub fn free_field(&mut self, object: &str, field: &str) {
        let key = format!("{object}.{field}");
        self.hidden_fields.remove(&key);
        self.readonly_fields.remove(&key);
    }

    /// Sets what this user may do with an object's records.
    pub fn set_object_permissions(&mut self, object: &str, permissions: ObjectPermissions) {
        self.objects.insert(object.to_owned(), permissions);
    }

    /// What this user may do with an object's records. Names are the schema's.
    pub fn object_permissions(&self, object: &str) -> ObjectPermissions {
        self.objects
            .get(object)
            .copied()
            .unwrap_or(ObjectPermissions::ALL)
    }

    /// Whether this user sees a field. Names are the schema's own spelling.
    pub fn can_read(&self, object: &str, field: &str) -> bool {
        self.hidden_fields.is_empty() || !self.hidden_fields.contains(&format!("{object}.{field}"))
    }

    /// Whether this user may change a field that the object lets change.
    pub fn can_edit(&self, object: &str, field: &str) -> bool {
        self.can_read(object, field)
            && (self.readonly_fields.is_empty()
                || !self.readonly_fields.contains(&format!("{object}.{field}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_field_can_be_neither_read_nor_changed_and_a_locked_one_only_read() {
        let mut user = User::new("005".into(), "u@example.com", "U", "Standard User");
        user.hide_field("Account", "Phone");
        user.lock_field("Account", "Fax");
        assert!(!user.can_read("Account", "Phone") && !user.can_edit("Account", "Phone"));
        assert!(user.can_read("Account", "Fax") && !user.can_edit("Account", "Fax"));
        assert!(user.can_edit("Account", "Name") && user.can_edit("Contact", "Phone"));
        user.free_field("Account", "Phone");
        assert!(user.can_edit("Account", "Phone"));
    }
}
