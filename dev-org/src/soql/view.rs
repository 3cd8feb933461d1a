//! The org's tables as a query walks them: by an object's place in the schema.

use crate::org::Org;
use crate::schema::Object;
use crate::table::{Row, Table};

/// A borrowed org with the look-ups that happen once for each row made cheap.
#[derive(Clone)]
pub(crate) struct View<'a> {
    /// The org.
    pub(crate) org: &'a Org,
    objects: Vec<(&'a Object, &'a Table)>,
}

impl<'a> View<'a> {
    /// The view of an org.
    pub(crate) fn of(org: &'a Org) -> Self {
        let objects = org.schema.objects();
        Self {
            org,
            objects: objects.map(|object| (object, org.table(object))).collect(),
        }
    }

    /// The object at a place of the schema.
    pub(crate) fn object(&self, index: usize) -> Option<&'a Object> {
        self.objects.get(index).map(|(object, _)| *object)
    }

    /// The table of the object at a place of the schema.
    pub(crate) fn table(&self, index: usize) -> Option<&'a Table> {
        self.objects.get(index).map(|(_, table)| *table)
    }

    /// The record with an id and its object's place, whatever the object is.
    pub(crate) fn record(&self, id: &str) -> Option<(usize, &'a Row)> {
        let index = self.org.schema.object_of_id(id)?.index;
        Some((index, self.table(index)?.get(id)?))
    }
}
