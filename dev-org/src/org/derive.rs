//! Fields that follow from others, object by object, and what a write changes
//! on other records.

use std::sync::Arc;

use super::draft::Draft;
use super::{AutoAssign, Org, WriteOptions};
use crate::fault::Fault;
use crate::id;
use crate::schema::Object;
use crate::table::Row;
use crate::user::User;
use crate::value::Value;

impl Org {
    /// Checks an object's own rules and computes its fields.
    pub(super) fn derive(&self, who: &User, draft: &mut Draft<'_>) -> Result<(), Fault> {
        match draft.object.name.as_str() {
            "Contact" | "User" => derive_name(draft),
            "Lead" => {
                if draft.before("IsConverted").is_true() {
                    return Err(Fault::bad_request(
                        "CANNOT_UPDATE_CONVERTED_LEAD",
                        "cannot reference converted lead",
                    ));
                }
                derive_name(draft);
            }
            "Task" => self.derive_task(draft)?,
            "Opportunity" => self.derive_opportunity(draft),
            "OpportunityLineItem" => self.derive_line_item(draft)?,
            "Order" => self.derive_order(who, draft)?,
            "OrderItem" => self.derive_order_item(draft)?,
            "PricebookEntry" => self.derive_price(draft)?,
            "ContentNote" | "ContentVersion" | "Attachment" | "Document" => {
                super::content::check_content(draft)?;
            }
            "ContentDocumentLink" => self.check_link(draft)?,
            "FieldPermissions" | "PermissionSetAssignment" => self.check_grant(draft)?,
            _ => {}
        }
        Ok(())
    }

    /// Brings other records up to date after a write.
    pub(super) fn after_write(&mut self, who: &User, draft: &Draft<'_>, id: &str) {
        match draft.object.name.as_str() {
            "Account" => self.follow_person(who, draft, id),
            "OpportunityLineItem" => self.sum_line_items(draft.text("OpportunityId")),
            "OrderItem" => self.sum_order_items(draft.text("OrderId")),
            "Product2" if !draft.is_new() => self.rename_prices(draft, id),
            "PricebookEntry" if !draft.is_new() => self.follow_standard_price(draft, id),
            "Task" => {
                for what in [draft.get("WhatId"), draft.before("WhatId")] {
                    self.count_open_tasks(what.as_str().unwrap_or_default());
                }
            }
            "ContentVersion" if draft.is_new() => self.publish_version(who, draft, id),
            "ContentNote" => self.publish_note_change(who, draft, id),
            "FieldPermissions" | "PermissionSetAssignment" => self.grant_fields(draft),
            _ => {}
        }
    }

    /// Gives a lead to whom the assignment rule says.
    pub(super) fn assign_lead(
        &self,
        draft: &mut Draft<'_>,
        options: &WriteOptions,
    ) -> Result<(), Fault> {
        if draft.object.name != "Lead" || options.auto_assign == AutoAssign::Off {
            return Ok(());
        }
        let Some(rules) = self.schema.object("AssignmentRule") else {
            return Ok(());
        };
        let applies = match &options.auto_assign {
            AutoAssign::Rule(id) => {
                if self.table(rules).get(id).is_none() {
                    return Err(Fault::bad_request(
                        "INVALID_CROSS_REFERENCE_KEY",
                        "invalid cross reference id",
                    ));
                }
                true
            }
            _ => {
                let active = rules.column("Active");
                let kind = rules.column("SobjectType");
                self.table(rules).rows().any(|row| {
                    active.is_some_and(|column| row.get(column).is_true())
                        && kind.and_then(|column| row.get(column).as_str()) == Some("Lead")
                })
            }
        };
        if applies && let Some(assignee) = &self.lead_assignee {
            draft.set("OwnerId", Value::Text(Arc::clone(assignee)));
        }
        Ok(())
    }

    /// Chooses who gets the leads that assignment rules assign; `None` leaves
    /// them with their creator.
    pub fn set_lead_assignee(&mut self, user: Option<id::Id>) {
        self.lead_assignee = user;
    }

    fn derive_task(&self, draft: &mut Draft<'_>) -> Result<(), Fault> {
        let lead_prefix = self
            .schema
            .object("Lead")
            .and_then(|lead| lead.key_prefix.as_deref());
        let who_is_lead =
            !draft.get("WhoId").is_null() && Some(id::prefix(draft.text("WhoId"))) == lead_prefix;
        if who_is_lead && !draft.get("WhatId").is_null() {
            return Err(Fault::bad_request(
                "FIELD_INTEGRITY_EXCEPTION",
                "Related To ID: a task about a lead cannot be related to another record",
            )
            .on("WhatId"));
        }
        let is_closed = self.flag_of("TaskStatus", draft.text("Status"), "IsClosed");
        if draft.is_new() || draft.is_changed("Status") {
            let completed = if is_closed { self.stamp() } else { Value::Null };
            draft.set("CompletedDateTime", completed);
        }
        draft.set("IsClosed", Value::Bool(is_closed));
        draft.set("IsArchived", Value::Bool(false));
        draft.set(
            "IsHighPriority",
            Value::Bool(draft.text("Priority") == "High"),
        );
        let account = self.account_of_activity(draft.text("WhatId"), draft.text("WhoId"));
        draft.set("AccountId", account);
        Ok(())
    }

    /// The account that a task is counted to: that of its What, else of its Who.
    fn account_of_activity(&self, what: &str, who: &str) -> Value {
        for related in [what, who] {
            let Some((object, row)) = self.row(related) else {
                continue;
            };
            if object.name == "Account" {
                return Value::Text(row.shared_id());
            }
            if let Some(column) = object.column("AccountId")
                && !row.get(column).is_null()
            {
                return row.get(column).clone();
            }
        }
        Value::Null
    }

    /// Keeps `HasOpenActivity` and `HasOverdueTask` of a deal.
    pub(super) fn count_open_tasks(&mut self, what: &str) {
        let (Some(tasks), Some(deals)) = (
            self.schema.object("Task"),
            self.schema.object("Opportunity"),
        ) else {
            return;
        };
        if self.table(deals).get(what).is_none() {
            return;
        }
        let today = crate::value::day_of_ms(self.now_ms());
        let (Some(what_column), Some(closed), Some(due)) = (
            tasks.column("WhatId"),
            tasks.column("IsClosed"),
            tasks.column("ActivityDate"),
        ) else {
            return;
        };
        let mut open = false;
        let mut overdue = false;
        for row in self.table(tasks).find(what_column, &Value::text(what)) {
            if row.is_deleted() || row.get(closed).is_true() {
                continue;
            }
            open = true;
            overdue |= matches!(row.get(due), Value::Date(day) if *day < today);
        }
        self.set_computed(
            what,
            &[
                ("HasOpenActivity", Value::Bool(open)),
                ("HasOverdueTask", Value::Bool(overdue)),
            ],
        );
    }

    /// A checkbox of the status or stage with this API name.
    pub(super) fn flag_of(&self, table: &str, api_name: &str, flag: &str) -> bool {
        self.choice_row(table, api_name)
            .and_then(|(object, row)| Some(row.get(object.column(flag)?).is_true()))
            .unwrap_or(false)
    }

    /// The row of a status or stage with this API name.
    pub(super) fn choice_row(&self, table: &str, api_name: &str) -> Option<(&Object, &Row)> {
        let object = self.schema.object(table)?;
        let column = object.column("ApiName")?;
        let row = self
            .table(object)
            .rows()
            .find(|row| row.get(column).as_str() == Some(api_name))?;
        Some((object, row))
    }

    /// A field of the record with this id; `Null` without record or field.
    pub(super) fn value_of(&self, id: &str, field: &str) -> Value {
        self.row(id)
            .and_then(|(object, row)| Some(row.get(object.column(field)?).clone()))
            .unwrap_or(Value::Null)
    }
}

/// `Name` of a person: first and last name.
pub(super) fn derive_name(draft: &mut Draft<'_>) {
    let parts = [draft.text("FirstName"), draft.text("LastName")];
    let name = parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    draft.set("Name", Value::text(name));
}

/// The error of a value that does not fit the records around it.
pub(super) fn integrity(field: &str, why: &str) -> Fault {
    Fault::bad_request(
        "FIELD_INTEGRITY_EXCEPTION",
        format!("field integrity exception: {field} ({why})"),
    )
    .on(field)
}
