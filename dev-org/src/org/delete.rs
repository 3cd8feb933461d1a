//! Deletes: what goes along, what keeps a record from going, what lets go.

use std::collections::HashSet;
use std::sync::Arc;

use super::Org;
use super::draft::Draft;
use super::write::{check_operation, check_permission};
use crate::fault::Fault;
use crate::schema::{Object, Schema};
use crate::table::Row;
use crate::user::User;
use crate::value::Value;

/// Rows to delete, as places in their tables; parents before children.
#[derive(Default)]
struct Plan {
    rows: Vec<(usize, usize)>,
    known: HashSet<(usize, usize)>,
}

/// Whether a deleted record can still be seen by queryAll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bin {
    Keeps,
    Passed,
}

impl Org {
    /// Deletes a record with everything that goes along with it.
    ///
    /// # Errors
    /// When the record is not there, or another record needs it.
    pub fn delete(&mut self, who: &User, object: &str, id: &str) -> Result<(), Fault> {
        self.delete_to(Bin::Keeps, who, object, id)
    }

    /// Deletes a record past the recycle bin: no query sees it again.
    ///
    /// # Errors
    /// As for `delete`.
    pub fn hard_delete(&mut self, who: &User, object: &str, id: &str) -> Result<(), Fault> {
        self.delete_to(Bin::Passed, who, object, id)
    }

    fn delete_to(&mut self, bin: Bin, who: &User, object: &str, id: &str) -> Result<(), Fault> {
        let schema = Arc::clone(&self.schema);
        let object = self.visible_object(&schema, who, object)?;
        check_operation(object.deletable, object, "delete")?;
        check_permission(who.object_permissions(&object.name).delete)?;
        let place = self.live_place(object, id)?;
        let plan = self.plan_delete(&schema, object, place);
        self.check_plan(&schema, object, place, &plan)?;
        let released = self.released_references(&schema, &plan);
        for (table, place) in &plan.rows {
            self.delete_row(bin, who, &schema, *table, *place);
        }
        for (table, place, column) in released {
            self.clear_reference(&schema, table, place, column);
        }
        Ok(())
    }

    /// The record and all that goes along, children of children too.
    fn plan_delete(&self, schema: &Schema, object: &Object, place: usize) -> Plan {
        let mut plan = Plan::default();
        plan.add(object.index, place);
        let mut next = 0;
        while let Some((table, place)) = plan.rows.get(next).copied() {
            next += 1;
            let Some((parent, row)) = self.row_of(schema, table, place) else {
                continue;
            };
            for (child, place) in
                self.children_of(schema, parent, row, |field| field.cascade_delete)
            {
                plan.add(child, place);
            }
            // A note and its document are one record of two objects.
            for twin in ["ContentDocument", "ContentNote"] {
                if let Some(twin) = schema.object(twin)
                    && parent.name.starts_with("Content")
                    && let Some(place) = self.table(twin).place_of(row.id())
                {
                    plan.add(twin.index, place);
                }
            }
        }
        plan
    }

    /// Refuses a plan that would take away what another live record needs.
    fn check_plan(
        &self,
        schema: &Schema,
        object: &Object,
        place: usize,
        plan: &Plan,
    ) -> Result<(), Fault> {
        let name = self
            .table(object)
            .row_at(place)
            .map(|row| name_of(object, row))
            .unwrap_or_default();
        for (table, place) in &plan.rows {
            let Some((member, row)) = self.row_of(schema, *table, *place) else {
                continue;
            };
            self.check_not_locked(row.id())?;
            let code = member.column("StatusCode").map(|column| row.get(column));
            if member.name == "Order" && code.and_then(Value::as_str) == Some("Activated") {
                return Err(in_use(&name, member, &[name_of(member, row)]));
            }
            if let Some(account) = self.account_of_person(member, row)
                && !plan.known.contains(&account)
            {
                return Err(Fault::bad_request(
                    "DELETE_FAILED",
                    "The contact of a person account is deleted with its account.",
                ));
            }
            if member.name == "OrderItem"
                && let Some(order) = member
                    .column("OrderId")
                    .and_then(|column| row.get(column).as_str())
            {
                self.check_items_not_fixed(order)?;
            }
            if member.name == "Pricebook2" && row.id() == &*self.standard_pricebook {
                return Err(Fault::bad_request(
                    "DELETE_FAILED",
                    "The standard price book cannot be deleted.",
                ));
            }
            let blocking = self.children_of(schema, member, row, |field| field.restricted_delete);
            let mut names = Vec::new();
            let mut blocker = None;
            for (child, place) in blocking {
                if plan.known.contains(&(child, place)) {
                    continue;
                }
                if let Some((child, row)) = self.row_of(schema, child, place) {
                    names.push(name_of(child, row));
                    blocker = Some(child);
                }
            }
            if let Some(blocker) = blocker {
                return Err(in_use(&name, blocker, &names));
            }
        }
        Ok(())
    }

    /// References of surviving rows to deleted ones that can be cleared.
    fn released_references(&self, schema: &Schema, plan: &Plan) -> Vec<(usize, usize, usize)> {
        let mut released = Vec::new();
        for (table, place) in &plan.rows {
            let Some((parent, row)) = self.row_of(schema, *table, *place) else {
                continue;
            };
            let id = Value::Text(row.shared_id());
            for relationship in &parent.children {
                let Some(child) = schema.object(&relationship.object) else {
                    continue;
                };
                let Some((column, field)) = child.field(&relationship.field) else {
                    continue;
                };
                let keeps = field.cascade_delete || field.restricted_delete || !field.nillable;
                if keeps || !self.table(child).is_indexed(column) {
                    continue;
                }
                for place in self.table(child).find_places(column, &id) {
                    if !plan.known.contains(&(child.index, place)) {
                        released.push((child.index, place, column));
                    }
                }
            }
        }
        released
    }

    /// The live children of a row through the relationships that `wanted`
    /// accepts, as table and place.
    fn children_of(
        &self,
        schema: &Schema,
        parent: &Object,
        row: &Row,
        wanted: impl Fn(&crate::schema::Field) -> bool,
    ) -> Vec<(usize, usize)> {
        let id = Value::Text(row.shared_id());
        let mut found = Vec::new();
        for relationship in &parent.children {
            let Some(child) = schema.object(&relationship.object) else {
                continue;
            };
            let Some((column, _)) = child
                .field(&relationship.field)
                .filter(|(_, field)| wanted(field))
            else {
                continue;
            };
            let table = self.table(child);
            found.extend(
                table
                    .find_places(column, &id)
                    .into_iter()
                    .filter(|place| table.row_at(*place).is_some_and(|row| !row.is_deleted()))
                    .map(|place| (child.index, place)),
            );
        }
        found
    }

    fn row_of<'a>(
        &'a self,
        schema: &'a Schema,
        table: usize,
        place: usize,
    ) -> Option<(&'a Object, &'a Row)> {
        let object = schema.objects().nth(table)?;
        Some((object, self.table(object).row_at(place)?))
    }

    fn delete_row(&mut self, bin: Bin, who: &User, schema: &Schema, table: usize, place: usize) {
        let Some(object) = schema.objects().nth(table) else {
            return;
        };
        let Some(row) = self
            .table(object)
            .row_at(place)
            .filter(|row| !row.is_deleted())
        else {
            return;
        };
        let mut draft = Draft::of(object, row);
        let id = row.shared_id();
        self.stamp_change(who, &mut draft);
        if let Some(column) = object.system.is_deleted {
            draft.put(column, Value::Bool(true));
        }
        let mut row = Row::new(draft.values.clone());
        row.deleted = Some(match self.stamp() {
            Value::DateTime(ms) => ms,
            _ => 0,
        });
        row.purged = bin == Bin::Passed;
        self.replace_row(object, place, row);
        match object.name.as_str() {
            "OpportunityLineItem" | "OrderItem" | "Task" => self.after_write(who, &draft, &id),
            _ => {}
        }
    }

    fn clear_reference(&mut self, schema: &Schema, table: usize, place: usize, column: usize) {
        let Some(object) = schema.objects().nth(table) else {
            return;
        };
        let Some(row) = self.table(object).row_at(place) else {
            return;
        };
        let mut draft = Draft::of(object, row);
        let (deleted, purged) = (row.deleted, row.purged);
        draft.put(column, Value::Null);
        let mut row = Row::new(draft.values);
        row.deleted = deleted;
        row.purged = purged;
        self.follow_row(object, place, row);
    }
}

impl Plan {
    fn add(&mut self, table: usize, place: usize) {
        if self.known.insert((table, place)) {
            self.rows.push((table, place));
        }
    }
}

fn name_of(object: &Object, row: &Row) -> String {
    object
        .name_column
        .and_then(|column| row.get(column).as_str())
        .unwrap_or_else(|| row.id())
        .to_owned()
}

fn in_use(name: &str, blocker: &Object, blockers: &[String]) -> Fault {
    Fault::bad_request(
        "DELETE_FAILED",
        format!(
            "Your attempt to delete {name} could not be completed because it is associated with \
             the following {}.: {}\n",
            blocker.label_plural.to_lowercase(),
            blockers.join(", ")
        ),
    )
}
