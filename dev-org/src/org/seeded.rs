//! What filling an org with made-up records needs: the write path without JSON,
//! permissions and rules, which such records satisfy by being made well.

use std::sync::Arc;

use super::Org;
use super::check::check_required;
use super::draft::Draft;
use super::write::give_defaults;
use crate::fault::Fault;
use crate::id::Id;
use crate::schema::Object;
use crate::user::User;
use crate::value::Value;

impl Org {
    /// Adds a record of values that are known to fit.
    pub(crate) fn add_seeded(
        &mut self,
        who: &User,
        object: &Object,
        fields: Vec<(&'static str, Value)>,
    ) -> Result<Id, Fault> {
        let mut draft = Draft::new(object);
        for (field, value) in fields {
            if let Some(column) = object.column(field) {
                draft.give(column, value);
            }
        }
        give_defaults(&mut draft, who);
        self.give_record_type(&mut draft);
        check_required(object, &draft.values)?;
        self.derive(who, &mut draft)?;
        if object.name == "ContentNote" {
            return Ok(self.create_note(who, &draft));
        }
        let id = self.store_new(who, &mut draft);
        self.after_write(who, &draft, &id);
        Ok(id)
    }

    /// Activates an order that has items.
    pub(crate) fn activate_seeded_order(&mut self, who: &User, order: &str) {
        if self.sum_of("OrderItem", "OrderId", order).1 == 0 {
            return;
        }
        let active = Value::text("Activated");
        self.set_computed(
            order,
            &[
                ("Status", active.clone()),
                ("StatusCode", active),
                ("ActivatedDate", self.stamp()),
                ("ActivatedById", Value::Text(Arc::clone(&who.id))),
            ],
        );
    }

    /// When the clock stands still, where.
    pub(crate) fn stopped_at(&self) -> Option<i64> {
        self.stopped_at
    }
}
