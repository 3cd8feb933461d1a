//! New objects and fields in an org that is in use, as an administrator adds them
//! while others work.

use std::sync::Arc;

use super::{FIRST_SERIAL, Org, SERIALS_PER_OBJECT};
use crate::schema::SchemaError;
use crate::table::Table;

impl Org {
    /// Adds the objects and fields of a schema file. Records that are there have
    /// no value in new fields. Switches and record types are only for the start.
    ///
    /// # Errors
    /// When the file cannot be used; the org is then as before.
    pub fn extend(&mut self, toml: &str) -> Result<(), SchemaError> {
        let mut schema = (*self.schema).clone();
        schema.extend(toml)?;
        for (object, number) in schema.objects().zip(0..) {
            match self.tables.get_mut(object.index) {
                Some(table) => table.reshape(object),
                None => {
                    let first = FIRST_SERIAL + number * SERIALS_PER_OBJECT;
                    self.tables.push(Table::new(object, first));
                }
            }
        }
        self.schema = Arc::new(schema);
        self.extended_ms = Some(self.now_ms());
        Ok(())
    }

    /// When the schema was last extended.
    pub(crate) fn extended_ms(&self) -> Option<i64> {
        self.extended_ms
    }
}
